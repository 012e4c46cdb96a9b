"""A ledger of points or links that a test writes by hand, for proofs of it."""

from decimal import Decimal

import msgspec

from tests.unit.bulk.ledger.ledgers import each
from xoxo_async.bulk.ledger.facts import CURRENCY
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine, LineState, PlannedLine, Rules
from xoxo_async.bulk.ledger.protocol import Identity, PlanTerms
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.services.account.replies import Payment

DAY = "2026-03-10"
CODES = b'[{"code":"https://gift.example/%d"}]'


async def planned(ledger: SqliteLedger, kind: JobKind, count: int) -> None:
    """Plan rows: row n has n hundred points, or a link of 10."""
    rows = [
        PlannedLine(
            key=f"k{n}",
            po_number=f"{kind.value}:{n}",
            digest=f"d{n}",
            request=msgspec.json.encode({"denomination": 100 * n if kind is JobKind.POINTS else 0, "productId": 7}),
            row=n,
            worth=Decimal(100 * n if kind is JobKind.POINTS else 10),
        )
        for n in range(1, count + 1)
    ]
    facts = {CURRENCY: "points" if kind is JobKind.POINTS else "USD"}
    terms = PlanTerms(identity=Identity("https://plum.test:443/chef", "f1"), kind=kind, facts=facts)
    await ledger.plan("march", each(rows), terms)


async def sent(ledger: SqliteLedger, kind: JobKind, count: int, *, batch: int = 1) -> list[LedgerLine]:
    """Plan rows and have all of them answered; links are of batch `B1`, then `B2`."""
    await planned(ledger, kind, count)
    claimed = sorted(await ledger.claim(count), key=lambda line: line.row)
    return await ledger.record([_answer(line, kind, 1 + (line.row - 1) // batch) for line in claimed])


async def lost(ledger: SqliteLedger, count: int = 0) -> None:
    """Send planned rows and lose their answers; whatever is in doubt waits for a person then."""
    await ledger.record([fact(line, Evidence.OUTCOME_LOST) for line in await ledger.claim(count)])
    doubts = [line async for line in ledger.lines(states=[LineState.UNKNOWN])]
    await ledger.record([fact(line, Evidence.NO_LOOKUP) for line in doubts])


async def decided(ledger: SqliteLedger, evidence: Evidence, *keys: str, order_id: int | None = None) -> None:
    """Have a person decide about rows."""
    for key in keys:
        line = await ledger.find(key)
        assert line is not None
        await ledger.record([fact(line, evidence, order_id)], rules=Rules(settle_s=0))


async def resent(ledger: SqliteLedger, key: str, order_id: int) -> None:
    """Have a person send a row in doubt again, and have the send answered."""
    await decided(ledger, Evidence.PERSON_RESEND, key)
    (line,) = await ledger.claim(1)
    await ledger.record([fact(line, Evidence.ANSWERED_PLACED, order_id)])


def fact(line: LedgerLine, evidence: Evidence, order_id: int | None = None) -> Change:
    """Return a fact about a row."""
    delivery = Delivery.DELIVERED if order_id is not None else Delivery.NONE
    return Change(
        seq=line.seq, evidence=evidence, epoch=line.epoch, order_id=order_id, delivery=delivery, reason="seen"
    )


def _answer(line: LedgerLine, kind: JobKind, batch: int) -> Change:
    points = kind is JobKind.POINTS
    return Change(
        seq=line.seq,
        evidence=Evidence.ANSWERED_PLACED if points else Evidence.ANSWERED_DONE,
        epoch=line.epoch,
        order_id=900 + line.row if points else None,
        delivery=Delivery.DELIVERED,
        amount_charged=Decimal(100 * line.row) if points else Decimal(10),
        currency="points" if points else "USD",
        reason=f"batch B{batch}" if kind is JobKind.LINKS else "",
        codes=CODES % line.row if kind is JobKind.LINKS else None,
        held=int(kind is JobKind.LINKS),
    )


def paid(
    reference: str, amount: str, reason: str = "Points issued", *, day: str = DAY, closing: str | None = None
) -> Payment:
    """Return a row of the payment report."""
    return Payment(
        invoice_number=f"IN{reference}",
        reference_id=reference,
        reason=reason,
        adjusted_amount=Decimal(amount),
        closing_balance=None if closing is None else Decimal(closing),
        transaction_status="Complete",
        date_=day,
    )
