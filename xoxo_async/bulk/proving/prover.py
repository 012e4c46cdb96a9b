"""`prove_job`: say line by line whether the ledger of a job and the vendor agree."""

import os
import time
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from xoxo_async.bulk.identity import compare_identity, identity_of
from xoxo_async.bulk.ledger.facts import CURRENCY, PLANNED_AT
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.proving.collecting import (
    Tell,
    find_doubtful,
    look_up,
    ranges_of,
    read_history,
    read_ledger,
    read_payments,
    refresh_lines,
)
from xoxo_async.bulk.proving.comparing import judge
from xoxo_async.bulk.proving.facts import Scope
from xoxo_async.bulk.proving.notebook import Notebook
from xoxo_async.bulk.proving.result import KINDS, MOST_FINDINGS, Finding, FindingKind, Proof
from xoxo_async.bulk.proving.summing import paid_orders, wallet_facts
from xoxo_async.bulk.proving.vendor import Vendor
from xoxo_async.bulk.proving.wallet import judge_paid, judge_wallet, sums_of
from xoxo_async.errors import ConfigError

__all__ = ["prove_job"]

_DAY: Final = timedelta(days=1)
_ZONE_NOTE: Final = "the vendor's dates have no time zone, so the days are those of the vendor's unknown one"
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
    clock: Callable[[], float] = time.time,
) -> Proof:
    """Compare the ledger of a job with the vendor's order history, order details and payment report. Moves no money.

    It writes nothing into the ledger, which may be open to read only. For N orders it makes about N / 100 calls of the
    history and as many of the payment report. It looks an order up only if the history is not enough, within the
    client's limits. A proof that was interrupted goes on where it stopped, if it is called with the same arguments.

    Args:
        client: The client, of the ledger's account and address.
        ledger: The ledger, open.
        progress: The file that keeps what was read until the proof is done; mode 0600, without codes and e-mails.
        since: The first day of the history; None: a day before the job was planned or first sent.
        until: The last day; None: tomorrow, because the vendor's day may be ahead.
        thorough: Whether each order is looked up as well, also those that the history shows.
        address: The address that the ledger keeps, instead of the client's base URL.
        tell: Is told what is being read (`ledger`, `history`, `details`, `payments`), and how much of it.
        clock: The time, in seconds since the epoch.

    Returns:
        The result. Its `ok` is True only if everything agrees and nothing is unknown.

    Raises:
        ConfigError: The client is of another account or address, the ledger holds no job, a day is wrong, or another
            proof uses the file.
        XoxoError: The ledger or a call failed. Call it again to go on.

    Example:
        ```python
        async with open_ledger("march.db", read_only=True) as ledger:
            proof = await prove_job(xoxo, ledger, progress="march.db.proof")
        print(proof.ok, proof.found)
        ```
    """
    if ledger.job is None:
        raise ConfigError(f"{ledger.name} holds no job yet: there is nothing to prove")
    await compare_identity(client, ledger, identity_of(client, address))
    days = await _days_of(ledger, since, until, clock())
    terms = [ledger.job, address or client.base_url, str(since), str(until), thorough]
    with Notebook(Path(progress)) as notes:
        kept = notes.begin(msgspec.json.encode(terms).decode(), newest=days.newest)
        if not kept:
            notes.keep("scope", msgspec.json.encode([days.first, days.last, clock()]).decode())
            notes.plan_ranges("history", ranges_of(days.first, days.last))
            # A payment may be of the day before its order's, by another clock of the vendor's.
            notes.plan_ranges("payments", ranges_of(days.first - _DAY, days.last))
        first, last, began = msgspec.json.decode(notes.fact("scope"), type=tuple[date, date, float])
        scope = Scope(ledger.job, first, last, began)
        proof = await _prove(client, ledger, notes, scope, days, thorough=thorough, tell=tell, clock=clock)
        notes.remove()
        return proof


class _Days(msgspec.Struct, frozen=True):
    """The days of a proof.

    Attributes:
        first: The first day to read.
        last: The last day to read.
        cut: Why these are not all days of the job; empty if they are.
        notes: What a reader has to know about the days.
        newest: The latest send of the ledger.
    """

    first: date
    last: date
    cut: str
    notes: tuple[str, ...]
    newest: str


async def _days_of(ledger: Ledger, since: date | None, until: date | None, now: float) -> _Days:
    """Return the days to read. The vendor's zone is unknown, so the job's own days get one more at each end."""
    planned = await ledger.get_fact(PLANNED_AT)
    earliest, latest = float(planned) if planned else now, 0.0
    async for line in ledger.lines():
        if line.first_sent_at is not None:
            earliest = min(earliest, line.first_sent_at)
            latest = max(latest, line.first_sent_at, line.last_sent_at or 0.0)
    own_first, own_last = _day(earliest) - _DAY, _day(latest or earliest) + _DAY
    today = _day(now)
    first, last = since or own_first, until or max(today + _DAY, own_last)
    if first > last:
        raise ConfigError(f"the first day {first} is after the last day {last}")
    cut = []
    if first > own_first:
        cut.append(f"before {first}")
    if last < own_last:
        cut.append(f"after {last}")
    why = ""
    if cut:
        why = (
            f"the days are cut: the job may have orders {' and '.join(cut)} (its own days are {own_first} to"
            f" {own_last}), so a second order, or an order in no line, would not be seen there"
        )
    late = (f"orders that were placed after {last} were not looked for",) if last < today and not cut else ()
    return _Days(first, last, why, late, repr(latest))


def _day(seconds: float) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()


async def _prove(
    client: Vendor,
    ledger: Ledger,
    notes: Notebook,
    scope: Scope,
    days: _Days,
    *,
    thorough: bool,
    tell: Tell,
    clock: Callable[[], float],
) -> Proof:
    """Collect what is not collected yet, compare, and return the result."""
    at_work = bool(await ledger.holders())
    await read_ledger(ledger, notes, tell)
    incomplete = await read_history(client, notes, tell)
    find_doubtful(notes, scope, thorough=thorough)
    await look_up(client, notes, tell)
    await refresh_lines(ledger, notes, scope)
    refused = await read_payments(client, notes, tell)

    gathered = _Findings()
    if incomplete:
        gathered.unknown(f"the order history could not be read to its end: {incomplete}")
    if days.cut:
        gathered.unknown(days.cut)
    if nameless := notes.nameless():
        gathered.unknown(
            f"the history does not tell the poNumber of {nameless} orders, so a second order of this job may be among"
            " them"
        )
    if alarms := (await ledger.counts()).alarms_total:
        gathered.unknown(
            f"the ledger has alarms that a person must see, {alarms} of them: `xoxo bulk status` names them"
        )
    for case in notes.cases():
        gathered.add_case(judge(case, scope), case.line is not None and case.line.lines > 0)
        if case.line is not None and case.line.lines and case.line.state == LineState.PLACED:
            gathered.placed += 1
    currency = await ledger.get_fact(CURRENCY) or ""
    facts = wallet_facts(notes, scope, refused=refused, currency=currency)
    if facts.names_orders and not refused:
        gathered.add(judge_paid(paid_orders(notes, scope)))
    gathered.add(judge_wallet(facts))
    told = [_ZONE_NOTE, _FIELDS_NOTE, *days.notes]
    if facts.rows and not facts.names_orders:
        told.append("the payment report names no orders, so all charges of these days are compared as one sum")
    if at_work:
        told.append("the job was at work meanwhile: lines that it settled after the reading may be unknown here")
    identity = ledger.identity
    lists: dict[str, Any] = {kind: tuple(gathered.lists[kind]) for kind in KINDS}
    return Proof(
        ok=not any(gathered.found.values()),
        job=scope.job,
        ledger=ledger.name,
        address=identity.address if identity is not None else "",
        since=scope.first.isoformat(),
        until=scope.last.isoformat(),
        began_at=_stamp(scope.now),
        ended_at=_stamp(clock()),
        thorough=thorough,
        orders=gathered.orders,
        placed=gathered.placed,
        agree=gathered.agree,
        differ=gathered.differ,
        undecided=gathered.undecided,
        found=gathered.found,
        **lists,
        sums=sums_of(facts),
        notes=tuple(told),
        calls=notes.calls(),
    )


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class _Findings:
    """The findings of a proof: all are counted, and the first thousand of a kind are kept."""

    def __init__(self) -> None:
        self.found: Final[dict[str, int]] = dict.fromkeys(KINDS, 0)
        self.lists: Final[dict[FindingKind, list[Finding]]] = {kind: [] for kind in KINDS}
        self.orders = self.placed = self.agree = self.differ = self.undecided = 0

    def add(self, findings: Iterable[Finding]) -> None:
        """Add findings."""
        for finding in findings:
            self.found[finding.kind] += 1
            if len(self.lists[finding.kind]) < MOST_FINDINGS:
                self.lists[finding.kind].append(finding)

    def add_case(self, findings: list[Finding], is_line: bool) -> None:
        """Add the findings about one poNumber, and count its line."""
        self.add(findings)
        if not is_line:
            return
        self.orders += 1
        if not findings:
            self.agree += 1
        elif all(finding.kind == "unknown" for finding in findings):
            self.undecided += 1
        else:
            self.differ += 1

    def unknown(self, why: str) -> None:
        """Add something that cannot be known about the whole job."""
        self.add((Finding(kind="unknown", why=why),))
