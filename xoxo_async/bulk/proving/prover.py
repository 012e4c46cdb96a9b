"""`prove_job`: say line by line whether the ledger of a job and the vendor agree."""

import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Final

import msgspec
from anyio.lowlevel import checkpoint

from xoxo_async.bulk.identity import compare_identity, identity_of
from xoxo_async.bulk.ledger.facts import CURRENCY
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.proving.collecting import (
    Tell,
    begin_scope,
    find_doubtful,
    look_up,
    read_history,
    read_ledger,
    read_payments,
    refresh_lines,
)
from xoxo_async.bulk.proving.comparing import judge
from xoxo_async.bulk.proving.credit_prover import CreditTerms, prove_credits
from xoxo_async.bulk.proving.days import Days, days_of
from xoxo_async.bulk.proving.facts import LineFacts, Scope
from xoxo_async.bulk.proving.gathering import ZONE_NOTE, Findings, alarms_to_see
from xoxo_async.bulk.proving.notebook import Notebook
from xoxo_async.bulk.proving.result import Finding, Proof
from xoxo_async.bulk.proving.summing import paid_orders, wallet_facts
from xoxo_async.bulk.proving.vendor import Vendor
from xoxo_async.bulk.proving.wallet import Paid, WalletFacts, judge_paid, judge_wallet, sums_of
from xoxo_async.errors import ConfigError

__all__ = ["Each", "prove_job"]

Each = Callable[[LineFacts, list[Finding]], None]
"""Is called with each line and what was found about it."""

_CHUNK: Final = 500
_FIELDS_NOTE: Final = (
    "compared are: poNumber, order id, product, value and number of pieces, charge, currency, and delivery; not the"
    " receiver, and not the codes"
)


async def prove_job(
    client: Vendor,
    ledger: Ledger,
    *,
    progress: str | os.PathLike[str],
    since: date | None = None,
    until: date | None = None,
    thorough: bool = False,
    address: str = "",
    tell: Tell = lambda _what, _done: None,
    each: Each = lambda _line, _findings: None,
    clock: Callable[[], float] = time.time,
) -> Proof:
    """Compare the ledger of a job with the vendor's order history, order details and payment report. Moves no money.

    It writes nothing into the ledger, which may be open to read only. For N orders it makes about N / 100 calls of the
    history and as many of the payment report. It looks an order up only if the history is not enough, within the
    client's limits. A proof that was interrupted goes on where it stopped, if it is called with the same arguments.

    Points and links are compared with the payment report alone: a row is proven only if the report names its id or its
    batch. What it says of a row in doubt is for a person: it settles nothing, and nothing is sent again.

    Args:
        client: The client, of the ledger's account and address.
        ledger: The ledger, open.
        progress: The file that keeps what was read until the proof is done; mode 0600, without codes and e-mails.
        since: The first day that is read; None: a day before the job was planned or first sent.
        until: The last day; None: tomorrow, because the vendor's day may be ahead.
        thorough: Whether each order is looked up as well, also those that the history shows. Only for orders.
        address: The address that the ledger keeps, instead of the client's base URL.
        tell: Is told what is being read (`ledger`, `history`, `details`, `payments`, then
            `comparing`), and how much of it.
        each: Is called with each line of the ledger, in order of poNumbers, and what was found about it. A line with
            `lines` 0 is a row that travels in another order.
        clock: The time, in seconds since the epoch.

    Returns:
        The result; `ok` only if everything agrees and nothing is unknown.

    Raises:
        ConfigError: The client is of another account or address, the ledger holds no job, a day is wrong, or another
            proof uses the file.
        XoxoError: The ledger or a call failed. Call it again to go on.

    Example:
        ```python
        async with open_ledger("march.db") as ledger:
            await BulkIssuer(xoxo, ledger, job="march").run(read_orders("orders.csv"))
            proof = await prove_job(xoxo, ledger, progress="march.db.proof")
        print(proof.ok, proof.found)
        ```
    """
    if ledger.job is None:
        raise ConfigError(f"{ledger.name} holds no job yet: there is nothing to prove")
    await compare_identity(client, ledger, identity_of(client, address))
    kind = ledger.kind or JobKind.ORDERS
    if kind is not JobKind.ORDERS:
        asked = CreditTerms(Path(progress), address or client.base_url, since, until, thorough)
        return await prove_credits(client, ledger, kind, asked, tell, each, clock)
    days = await days_of(ledger, since, until, clock())
    terms: list[object] = [ledger.job, address or client.base_url, str(since), str(until), thorough]
    with Notebook(Path(progress)) as notes:
        scope = begin_scope(notes, ledger.job, terms, days, clock, history=True)
        proof = await _prove(client, ledger, notes, scope, days, thorough=thorough, tell=tell, each=each, clock=clock)
        notes.remove()
        return proof


class _Collected(msgspec.Struct, frozen=True):
    """How the collecting went.

    Attributes:
        incomplete: Why the history is not whole; empty if it is.
        refused: Why the payment report could not be read; empty if it was.
        at_work: Whether another process worked on the job meanwhile.
    """

    incomplete: str
    refused: str
    at_work: bool


async def _collect(
    client: Vendor, ledger: Ledger, notes: Notebook, scope: Scope, *, thorough: bool, tell: Tell
) -> _Collected:
    """Collect what is not collected yet."""
    at_work = any(holder.pid != os.getpid() for holder in await ledger.holders())
    await read_ledger(ledger, notes, tell)
    incomplete = await read_history(client, notes, tell)
    await find_doubtful(notes, scope, thorough=thorough)
    await look_up(client, notes, tell)
    await refresh_lines(ledger, notes, scope)
    await find_doubtful(notes, scope, thorough=thorough)  # of lines that were placed meanwhile
    await look_up(client, notes, tell)
    return _Collected(incomplete, await read_payments(client, notes, tell), at_work)


async def _compare(
    ledger: Ledger, notes: Notebook, scope: Scope, collected: _Collected, gathered: Findings, tell: Tell, each: Each
) -> WalletFacts:
    """Compare everything that was collected, and return the sums."""
    currency = await ledger.get_fact(CURRENCY) or ""
    facts = wallet_facts(notes, scope, refused=collected.refused, currency=currency)
    paid = _Merged(paid_orders(notes, scope) if facts.names_orders and not facts.refused else iter(()))
    for number, case in enumerate(notes.cases(), 1):
        findings = [*judge(case, scope), *judge_paid(paid.of(case.po_number), rounded=bool(facts.rounded))]
        gathered.add_case(case, findings)
        if case.line is not None:
            each(case.line, findings)
        if number % _CHUNK == 0:
            tell("comparing", number)
            await checkpoint()  # Ctrl-C ends a long comparison too
    gathered.add(judge_wallet(facts))
    return facts


async def _of_the_whole(ledger: Ledger, notes: Notebook, collected: _Collected, days: Days) -> AsyncIterator[str]:
    """Yield what cannot be known about the job as a whole."""
    if collected.incomplete:
        yield f"the order history could not be read to its end: {collected.incomplete}"
    if days.cut:
        yield (
            f"the days are cut: the job may have orders {days.cut}, so a second order, or an order in no line, would"
            " not be seen there"
        )
    if nameless := notes.nameless():
        orders = "1 order" if nameless == 1 else f"{nameless} orders"
        yield f"the history does not tell the poNumber of {orders}: another order of this job may hide there"
    if alarms := (await ledger.counts()).alarms_total:
        yield alarms_to_see(ledger, alarms)


async def _prove(
    client: Vendor,
    ledger: Ledger,
    notes: Notebook,
    scope: Scope,
    days: Days,
    *,
    thorough: bool,
    tell: Tell,
    each: Each,
    clock: Callable[[], float],
) -> Proof:
    """Collect, compare, and return the result."""
    collected = await _collect(client, ledger, notes, scope, thorough=thorough, tell=tell)
    gathered = Findings()
    async for why in _of_the_whole(ledger, notes, collected, days):
        gathered.unknown(why)
    facts = await _compare(ledger, notes, scope, collected, gathered, tell, each)
    told = [ZONE_NOTE, _FIELDS_NOTE]
    if days.ends_early:
        told.append(f"orders that were placed after {scope.last} were not looked for")
    if facts.rows and not facts.names_orders:
        told.append("the payment report names no orders, so all charges of these days are compared as one sum")
    if collected.at_work:
        told.append("the job was at work meanwhile: lines that it settled after the reading may be unknown here")
    return gathered.proof(
        scope,
        ledger.name,
        ledger.identity.address if ledger.identity is not None else "",
        kind=JobKind.ORDERS.value,
        thorough=thorough,
        sums=gathered.apart(sums_of(facts)),
        notes=told,
        calls=notes.calls(),
        ended_at=clock(),
    )


class _Merged:
    """Payments in order of poNumbers, for cases in the same order."""

    def __init__(self, paid: Iterator[Paid]) -> None:
        self._paid: Final = paid
        self._next = next(paid, None)

    def of(self, po_number: str) -> list[Paid]:
        """Return the payments of a poNumber. Ask in the order of poNumbers."""
        found: list[Paid] = []
        while self._next is not None and self._next.po_number <= po_number:
            if self._next.po_number == po_number:
                found.append(self._next)
            self._next = next(self._paid, None)
        return found
