"""Read the rows of points, links or mails into a notebook, and find what the payment report says of each."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Evidence, JournalRow
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.proving.collecting import Tell, in_chunks
from xoxo_async.bulk.proving.credits import CreditCase, Loose, Named, rate_of
from xoxo_async.bulk.proving.facts import LineFacts, Scope, credit_facts
from xoxo_async.bulk.proving.notebook import SCALE, Notebook
from xoxo_async.services.orders.matching import ZONES

__all__ = [
    "CreditBooks",
    "credit_cases",
    "credits_charged",
    "find_loose",
    "named_by",
    "paid_for",
    "rate_and_step",
    "read_credits",
]

_SHOWN: Final = 3
_BATCH: Final = "batch "
"""How the journal begins where the answer named the batch of a row's links."""
_CANCELS: Final = frozenset({Evidence.CANCEL_ASKED.value, Evidence.CANCEL_DONE.value, Evidence.PERSON_CANCELLED.value})
_RESTORED: Final = "restored"
"""The journal's word where the ledger as a whole was put in place of another one, or was found to be a copy."""
_CENT: Final = Decimal("0.01")
_UNIT: Final = Decimal(1)
_LINE: Final = msgspec.json.Decoder(LineFacts)


class CreditBooks(NamedTuple):
    """What the journal says of the job as a whole.

    Attributes:
        cancelled_at: When a cancellation was last asked for or answered, in epoch seconds; 0 without one.
        restored: Whether another ledger may have sent rows of this one: this one replaces a lost one, or is a copy.
    """

    cancelled_at: float
    restored: bool


async def read_credits(ledger: Ledger, notes: Notebook, kind: JobKind, tell: Tell) -> CreditBooks:
    """Note every row of the ledger, what the report may name it by, when it was cancelled, and what was sent again.

    Args:
        ledger: The ledger.
        notes: The notebook.
        kind: What its job is of.
        tell: Is told how many rows are read.
    """
    done = 0
    async for lines in in_chunks(ledger.lines()):
        notes.add_credits(credit_facts(line, kind) for line in lines)
        done += len(lines)
        tell("ledger", done)
    cancelled_at, restored = 0.0, ledger.copied
    async for rows in in_chunks(ledger.journal()):
        cancelled = [(row.at, row.seq) for row in rows if row.evidence in _CANCELS]
        notes.add_cancellations(cancelled)
        cancelled_at = max([cancelled_at, *(at for at, _seq in cancelled)])
        notes.add_resends((row.attempts, row.seq) for row in rows if row.evidence == Evidence.PERSON_RESEND)
        if kind is JobKind.LINKS:
            notes.add_batches((row.reason.removeprefix(_BATCH), row.seq) for row in rows if _names_batch(row))
        restored = restored or any(row.evidence == _RESTORED and not row.seq for row in rows)
    return CreditBooks(cancelled_at, restored)


def _names_batch(row: JournalRow) -> bool:
    return row.evidence == Evidence.ANSWERED_DONE and row.reason.startswith(_BATCH)


def _about(kind: JobKind) -> str:
    return "points" if kind is JobKind.POINTS else "links"


def _named(kind: JobKind) -> str:
    """Return the SQL of what a row of the report names, as `credit.reference` has it."""
    return "CAST(order_id AS TEXT)" if kind is JobKind.POINTS else "reference"


def _paid(kind: JobKind) -> str:
    """Return the SQL of what the report took and gave back, by reference. A row about vouchers is of an order."""
    return (
        f"(SELECT {_named(kind)} AS reference, count(*) FILTER (WHERE movement = 'out') AS taken,"  # noqa: S608 - constants
        " coalesce(sum(amount) FILTER (WHERE movement = 'out'), 0) AS paid,"
        " coalesce(sum(amount) FILTER (WHERE movement = 'back'), 0) AS back"
        " FROM payment WHERE about <> 'orders' GROUP BY 1)"
    )


_SENT: Final = (
    "(SELECT reference, sum(worth) AS worth, count(*) = count(worth) AS known FROM credit"
    " WHERE placed AND reference <> '' GROUP BY reference)"
)
"""What the rows of each reference sent. A batch of links has several rows."""


def credit_cases(notes: Notebook, kind: JobKind) -> Iterator[CreditCase]:
    """Yield everything that is known about each row, in the order of the ledger.

    Args:
        notes: What was read.
        kind: What the job is of.
    """
    rows = notes.rows(
        "SELECT body, credit.reference, cancelled_at, resent, CASE WHEN known THEN sent.worth END, coalesce(taken, 0),"  # noqa: S608 - constants
        f" coalesce(paid, 0), coalesce(back, 0) FROM credit LEFT JOIN {_SENT} AS sent USING (reference)"
        f" LEFT JOIN {_paid(kind)} AS paid ON paid.reference = credit.reference AND credit.reference <> ''"
        " ORDER BY seq"
    )
    for body, reference, cancelled_at, resent, worth, number, paid, back in rows:
        yield CreditCase(
            line=_LINE.decode(body),
            reference=reference,
            cancelled_at=cancelled_at,
            resent=bool(resent),
            worth=None if worth is None else _amount(worth),
            rows=number,
            paid=_amount(paid),
            refunded=_amount(back),
        )


def named_by(notes: Notebook, kind: JobKind, scope: Scope) -> Named:
    """Return how far the report names the job's placed rows.

    Args:
        notes: What was read.
        kind: What the job is of.
        scope: What was read.
    """
    all_, found = notes.row(
        f"SELECT count(*), count(*) FILTER (WHERE taken > 0) FROM {_SENT} LEFT JOIN {_paid(kind)} USING (reference)"  # noqa: S608 - constants
    )
    (placed,) = notes.row("SELECT count(*) FROM credit WHERE placed")
    notes.add_loose(_loose(kind), scope.first.isoformat(), scope.last.isoformat())
    loose, loose_sum = notes.row("SELECT count(*), sum(amount) FROM loose")
    return Named(int(all_), int(found), int(placed), int(loose), _amount(loose_sum))


def _loose(kind: JobKind) -> str:
    """Return the SQL of the report's rows about points, or about links, that name nothing of this ledger."""
    return (
        f"SELECT name, day, amount FROM payment WHERE movement = 'out' AND about IN ('', '{_about(kind)}')"  # noqa: S608 - constants
        f" AND coalesce({_named(kind)}, '') NOT IN (SELECT reference FROM credit WHERE placed AND reference <> '')"
        " AND (day = '' OR day BETWEEN ? AND ?)"
    )


def find_loose(notes: Notebook, scope: Scope, step: Decimal, *, restored: bool = False) -> Loose:
    """Return what finds the rows of the report that may be of a row in doubt, once `named_by` has noted them.

    Args:
        notes: What was read.
        scope: What was read.
        step: The smallest amount that the report shows.
        restored: Whether another ledger may have sent the row, on any of the days that were read.
    """

    def find(line: LineFacts, cost: Decimal | None) -> tuple[int, tuple[str, ...]]:
        first, last = scope.first, scope.last
        if not restored:
            first = _day(line.first_sent_at or scope.now, -ZONES)
            last = _day(max(line.last_sent_at or 0.0, line.first_sent_at or scope.now), ZONES)
        where = "(day = '' OR day BETWEEN ? AND ?)"
        values: list[object] = [first.isoformat(), last.isoformat()]
        if cost is not None:
            where += " AND amount BETWEEN ? AND ?"
            values += [int((cost - step) * SCALE) + 1, int((cost + step) * SCALE) - 1]
        (number,) = notes.row(f"SELECT count(*) FROM loose WHERE {where}", *values)  # noqa: S608 - constants
        rows = notes.rows(
            f"SELECT name, day FROM loose WHERE {where} ORDER BY day, name LIMIT {_SHOWN}",  # noqa: S608 - constants
            *values,
        )
        return int(number), tuple(f"{name} of {day or 'an unknown day'}" for name, day in rows)

    return find


def _day(seconds: float, shift: timedelta) -> date:
    return (datetime.fromtimestamp(seconds, UTC) + shift).date()


def rate_and_step(notes: Notebook, kind: JobKind) -> tuple[Decimal | None, int, Decimal]:
    """Return what the report takes for a unit, how many references that fits, and the smallest amount it shows.

    The vendor's page calls its amounts integers (wire documentation § 4.7), so they may have lost their fractions. They
    have where the report shows none, and its rate gives a row one. Then the smallest amount is 1.

    Args:
        notes: What was read.
        kind: What the job is of.
    """
    (shown,) = notes.row(
        f"SELECT count(*) FROM payment WHERE amount % {int(SCALE)} <> 0 OR closing % {int(SCALE)} <> 0"  # noqa: S608 - constants
    )
    step = _CENT if shown or not _are_rounded(notes, kind) else _UNIT
    return *_rate(notes, _compared(kind), step), step


def _are_rounded(notes: Notebook, kind: JobKind) -> bool:
    """Return whether the rate gives a row an amount with a fraction, where the report shows none.

    The rate that fits most worths exactly counts, if there is one. A rate that need only fit to the unit could be bent
    until it fits a wrong amount as well. Each worth counts once: a thousand rows of 100 points show one amount.
    """
    worths = (
        "(SELECT worth, paid, max(number) FROM (SELECT worth, paid, count(*) AS number"  # noqa: S608 - constants
        f" FROM {_compared(kind)} GROUP BY worth, paid) GROUP BY worth)"
    )
    (number,) = notes.row(f"SELECT count(*) FROM {worths}")  # noqa: S608 - constants
    rate, fits = _rate(notes, worths, _CENT)
    if fits * 2 <= number:
        rate, _fits = _rate(notes, worths, _UNIT)
    # The rate itself is only known so far that it gives amounts to less than a cent.
    (fractions,) = notes.row(
        f"SELECT count(*) FROM (SELECT worth * ? / {int(SCALE)} AS cost FROM {worths})"  # noqa: S608 - constants
        " WHERE abs(cost - round(cost)) > 0.00995",
        float(rate or 0),
    )
    return bool(fractions)


def _rate(notes: Notebook, rows: str, step: Decimal) -> tuple[Decimal | None, int]:
    """Return the rate that fits most rows of a query of `paid` and `worth`, and how many it fits."""
    margin = int(step * SCALE) * 99 // 100  # an amount that is rounded differs by less than the smallest one
    least, most = (
        f"SELECT (paid {sign} {margin}) * 1.0 / worth AS rate, {side} AS side FROM {rows}"  # noqa: S608 - constants
        for sign, side in (("-", 0), ("+", 1))
    )
    return rate_of(notes.rows(f"{least} UNION ALL {most} ORDER BY rate, side"))


def _compared(kind: JobKind) -> str:
    """Return the SQL of the references whose amounts show the rate."""
    once = "taken = 1" if kind is JobKind.POINTS else "taken > 0"
    return (
        f"(SELECT paid, worth FROM {_SENT} JOIN {_paid(kind)} USING (reference) WHERE {once} AND known AND worth > 0)"  # noqa: S608 - constants
    )


def paid_for(notes: Notebook, kind: JobKind) -> tuple[Decimal, Decimal]:
    """Return what the report took for the job's rows, and what it gave back for them.

    Args:
        notes: What was read.
        kind: What the job is of.
    """
    paid, back = notes.row(f"SELECT sum(paid), sum(back) FROM {_SENT} JOIN {_paid(kind)} USING (reference)")  # noqa: S608 - constants
    return _amount(paid), _amount(back)


def credits_charged(notes: Notebook) -> Decimal:
    """Return what the placed rows cost by the ledger: what was cancelled costs nothing.

    Args:
        notes: What was read.
    """
    (charged,) = notes.row("SELECT sum(charged) FROM credit WHERE placed")
    return _amount(charged)


def _amount(number: int | None) -> Decimal:
    return Decimal(number or 0) / SCALE
