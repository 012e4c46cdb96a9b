"""Ledgers of a finished job, for benchmarks that read: made through the store, without a network."""

import hashlib
import random
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from xoxo_async.bulk import SqliteLedger
from xoxo_async.bulk.ledger.facts import CURRENCY
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine, PlannedLine
from xoxo_async.bulk.ledger.terms import Identity, PlanTerms
from xoxo_async.bulk.ledger.vouchers import StoredCode
from xoxo_async.services.orders.operations import PLACE_ORDER
from xoxo_async.services.orders.requests import PlaceOrder

JOB: Final = "bench"
_AT_ONCE: Final = 1000
_PRODUCTS: Final = tuple(range(1001, 1021))
_WORTH: Final = tuple(map(Decimal, (100, 250, 500, 1000)))
_DOMAINS: Final = ("example.com", "corp.example", "mail.example")
_TAGS: Final = ("march", "april", "may")
_ANSWER_S: Final = 0.4
_encode: Final = msgspec.json.Encoder().encode


async def make_ledger(path: Path, lines: int, *, codes_key: str = "", kept: bool = False) -> None:
    """Make the ledger of a job that is done: of 200 lines one was refused, and one waits for its code.

    Args:
        path: The new file.
        lines: How many lines.
        codes_key: The key that encrypts the codes; empty keeps them in clear.
        kept: Whether two columns ride along with each line.
    """
    now = 1_790_000_000.0

    def clock() -> float:
        return now

    async with SqliteLedger(path, job=JOB, clock=clock, codes_key=codes_key) as ledger:
        terms = PlanTerms(identity=Identity("account", "https://vendor.example"), facts={CURRENCY: "INR"})
        await ledger.plan(JOB, _planned(lines, kept=kept), terms)
        while claimed := await ledger.claim(_AT_ONCE):
            now += _ANSWER_S
            await ledger.record([_change(line) for line in claimed])
            now += _AT_ONCE * 0.6 - _ANSWER_S  # a hundred orders a minute


async def _planned(lines: int, *, kept: bool) -> AsyncIterator[PlannedLine]:
    dice = random.Random(1)
    for number in range(1, lines + 1):
        worth = dice.choice(_WORTH)
        order = PlaceOrder(
            product_id=dice.choice(_PRODUCTS),
            quantity=1,
            denomination=worth,
            po_number=f"{JOB}-EMP-{number:07}-{number * 2654435761 % 2**40:010x}",
            email=f"p{number}@{dice.choice(_DOMAINS)}",
            tag=dice.choice(_TAGS),
        )
        request = PLACE_ORDER.encode_request(order)
        yield PlannedLine(
            key=f"EMP-{number:07}",
            po_number=order.po_number,
            digest=hashlib.sha256(request).hexdigest(),
            request=request,
            row=number,
            worth=worth,
            order=order,
            kept=f'{{"Name":"Person {number}","Department":"Sales {number % 7}"}}' if kept else "",
        )


def _change(line: LedgerLine) -> Change:
    if line.seq % 200 == 0:
        refused = Evidence.REFUSED_NO_ORDER
        return Change(seq=line.seq, evidence=refused, epoch=line.epoch, error_id="PLE10012", error="no such product")
    worth = Decimal(line.worth or 0) / 10_000
    waits = line.seq % 200 == 1
    # Spread over the alphabet, as codes are: equal ones would compress too well.
    text = f"{line.seq * 6364136223846793005 % 2**64:016X}"
    code = StoredCode(text, text[:6], "2027-03-31", f"{worth:f}", "INR", "CODE_PIN")
    return Change(
        seq=line.seq,
        evidence=Evidence.ANSWERED_PLACED,
        epoch=line.epoch,
        order_id=6_000_000 + line.seq,
        delivery=Delivery.PENDING if waits else Delivery.DELIVERED,
        amount_charged=worth,
        currency="INR",
        codes=None if waits else _encode([code]),
        held=0 if waits else 1,
    )
