"""Compare rows of points, links or mails with the payment report. Pure: facts in, findings out.

No call lists or looks up what was sent without a key. In the payment report a reference stands for "any deductions or
refunds", and no page shows a row for points or links (wire documentation § 4.7). So a row is proven only by a row of
the report that names it, and what names nothing proves nothing.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, NamedTuple

from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Delivery, LineState
from xoxo_async.bulk.proving.facts import LineFacts, Scope, about_line
from xoxo_async.bulk.proving.result import Finding

__all__ = ["CreditCase", "CreditReport", "Loose", "Named", "judge_credit", "rate_of", "unproven_why"]

_IN_DOUBT: Final = frozenset({LineState.SENDING, LineState.UNKNOWN, LineState.MANUAL})
_MOST_PLACES: Final = 12
_ONE_OF: Final = "one of them may be this row's, or all are other senders'"


class CreditCase(NamedTuple):
    """Everything that is known about one row.

    Attributes:
        line: What the ledger has.
        reference: What the report may name it by: the id of the credit, or the batch of its links; empty without one.
        cancelled_at: When its points were cancelled, or their cancellation was asked for, in epoch seconds.
        resent: Whether a person had it sent again after a lost answer, and it was.
        worth: What all rows with this reference sent, in points or in the campaign's currency; None if not known.
        rows: How many rows of the report took money for the reference.
        paid: What they took, in the account's currency.
        refunded: What others gave back.
    """

    line: LineFacts
    reference: str = ""
    cancelled_at: float | None = None
    resent: bool = False
    worth: Decimal | None = None
    rows: int = 0
    paid: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)


class Named(NamedTuple):
    """How far the report names the rows of a job.

    Attributes:
        all: References of the job's placed rows.
        found: How many of them the report names.
        placed: Placed rows, also those without a reference.
        loose: Rows of the report about points, or about links, that name none of them.
        loose_sum: What those took.
    """

    all: int = 0
    found: int = 0
    placed: int = 0
    loose: int = 0
    loose_sum: Decimal = Decimal(0)

    @property
    def enough(self) -> bool:
        """Whether the report names so many of them that the others are missing in it."""
        return bool(self.found) and self.found * 2 >= self.all


Loose = Callable[[LineFacts, Decimal | None], tuple[int, tuple[str, ...]]]
"""Returns how many rows of the report without a reference of this job may be a row's, and the first of them in words.

The amount is what the row would have cost; None if that is not known: then every row of its days may be its own.
"""


class CreditReport(NamedTuple):
    """The payment report as a row is compared with it.

    Attributes:
        kind: What the job is of.
        scope: What was read.
        names: Whether it names the job's rows.
        hints: Whether its rows without a name are shown beside rows in doubt: also where no row could be named yet.
        unproven: What is said of a placed row where it does not: one finding for the whole job.
        rate: What it takes for a point, or for a unit of the links' value, by most of its rows.
        step: The smallest amount that the report shows: amounts that differ by less are the same.
        loose: Finds the rows of the report that may be of a row in doubt.
        restored: Whether another ledger may have sent rows of this one.
    """

    kind: JobKind
    scope: Scope
    names: bool
    hints: bool
    unproven: Finding
    rate: Decimal | None
    step: Decimal
    loose: Loose
    restored: bool = False


def judge_credit(case: CreditCase, report: CreditReport) -> list[Finding]:
    """Return what does not agree about one row, or cannot be known; empty if ledger and report agree.

    Rows that were refused, withdrawn or never sent got nothing, and no row of the report could name them. But a person
    who decides about a row in doubt may be wrong: then the report may have a row for it.

    Args:
        case: Everything that is known about it.
        report: The payment report.
    """
    line = case.line
    if line.state in _IN_DOUBT:
        return [about_line("unknown", line, _doubt(line, report), ledger=line.state)]
    if line.state != LineState.PLACED:
        return _sent_after_all(line, report)
    if not report.names:
        return [report.unproven]
    if not case.reference:
        return [about_line("unknown", line, f"no answer named its {_noun(report.kind)}{_evidence(line, report)[1]}")]
    if not case.rows:
        return [_unpaid(case, report)]
    return [*_taken(case, report), *_given_back(case, report), *_sent_twice(case, report)]


def _doubt(line: LineFacts, report: CreditReport) -> str:
    got = {JobKind.POINTS: "got its points", JobKind.LINKS: "got its links"}.get(report.kind, "was mailed its link")
    return f"the ledger does not know whether this row {got}: it is {line.state}{_evidence(line, report)[1]}"


def _sent_after_all(line: LineFacts, report: CreditReport) -> list[Finding]:
    """Return whether a row that a person called refused, or wants to send again, may have been sent all the same."""
    number, told = _evidence(line, report) if line.suspect else (0, "")
    if not number:
        return []
    why = f"it was in doubt, and the ledger calls it {line.state} now{told}"
    return [about_line("unknown", line, why, ledger=line.state)]


def _evidence(line: LineFacts, report: CreditReport) -> tuple[int, str]:
    """Return how many rows of the report may be a row's that it cannot name, and that in words.

    It is for a person, and proves nothing.
    """
    if not report.hints or (line.first_sent_at is None and not report.restored):
        return 0, ""
    # A batch of links is one row of the report, so the amount of a single row says nothing there.
    by_amount = report.kind is JobKind.POINTS and report.rate is not None
    cost = line.denomination * report.rate if by_amount and report.rate is not None else None
    number, first = report.loose(line, cost)
    over = "" if cost is None else f" over {_plain(cost)}"
    what = "credit" if report.kind is JobKind.POINTS else "batch"
    if not number and not report.names:
        return 0, ""  # it may have no rows of points or links at all
    if not number:
        yet = " yet" if report.scope.is_recent(line.last_sent_at) else ""
        return 0, f"; the payment report has no row{over} of these days{yet}, but for those of this ledger's other rows"
    more = f" and {number - len(first)} more" if number > len(first) else ""
    name, may = ("names", "it may be this row's, or another sender's") if number == 1 else ("name", _ONE_OF)
    words = (
        f"; the payment report has {_count(number, 'row')}{over} of these days that {name} no {what} of this ledger"
        f" ({', '.join(first)}{more}): {may}"
    )
    return number, words


def _unpaid(case: CreditCase, report: CreditReport) -> Finding:
    line, scope = case.line, report.scope
    name = f"{_noun(report.kind)} {case.reference}"
    if scope.is_recent(line.last_sent_at):
        why = f"the payment report has nothing for {name} yet, which is very new"
        return about_line("unknown", line, why, ledger=case.reference)
    if line.last_sent_at is not None and not scope.has(
        datetime.fromtimestamp(line.last_sent_at, UTC).date().isoformat()
    ):
        why = f"{name} is of a day that was not read, so its row of the payment report is not looked for"
        return about_line("unknown", line, why, ledger=case.reference)
    why = f"the payment report took nothing for {name}, and it names the others of this job"
    return about_line("missing", line, why, ledger=case.reference)


def _taken(case: CreditCase, report: CreditReport) -> list[Finding]:
    """Return whether the report took the amount for a reference, and took it once."""
    name, line = f"{_noun(report.kind)} {case.reference}", case.line
    if case.rows > 1 and report.kind is JobKind.POINTS:  # one call with links may be several rows
        why = f"the payment report took money {case.rows} times for {name}"
        return [about_line("repeated", line, why, ledger="1", vendor=str(case.rows))]
    if case.worth is None or report.rate is None:
        return [about_line("unknown", line, f"what {name} is worth is not known, so its amount is not compared")]
    expected = case.worth * report.rate
    if abs(case.paid - expected) < report.step:
        return []
    unit = "points" if report.kind is JobKind.POINTS else f"{line.currency} of links"
    why = (
        f"the payment report took {_plain(case.paid)} for {name}, which is {_plain(case.worth)} {unit}: at the"
        f" {_plain(report.rate)} that it takes for most others it would be {_plain(expected)}"
    )
    return [about_line("charges", line, why, ledger=_plain(expected), vendor=_plain(case.paid))]


def _sent_twice(case: CreditCase, report: CreditReport) -> list[Finding]:
    """Return whether the first send of a row that a person had sent again may have gone through all the same."""
    number, told = _evidence(case.line, report) if case.resent else (0, "")
    if not number:
        return []
    return [
        about_line("unknown", case.line, f"it was sent again after a lost answer, and may have been sent twice{told}")
    ]


def _given_back(case: CreditCase, report: CreditReport) -> list[Finding]:
    """Return whether the report gave back what the ledger calls cancelled, and nothing else."""
    line, back = case.line, _plain(case.refunded)
    name = f"{_noun(report.kind)} {case.reference}"
    if line.delivery == Delivery.CANCELLING:
        told = f"gave {back} back for {name}" if case.refunded else f"gave nothing back for {name}"
        why = (
            f"its cancellation is in doubt, and the payment report {told}: look in the vendor's dashboard, and record"
            " what became of it by the command that status shows"
        )
        return [about_line("unknown", line, why, ledger=line.delivery)]
    if line.delivery != Delivery.CANCELLED:
        if not case.refunded:
            return []
        why = f"the payment report gave {back} back for {name}, and the ledger does not call it cancelled"
        return [about_line("wallet", line, why, ledger="0", vendor=back)]
    if not case.refunded:
        recent = report.scope.is_recent(case.cancelled_at)
        yet = " yet, which was cancelled only now" if recent else ", which the ledger calls cancelled"
        why = f"the payment report gave nothing back for {name}{yet}"
        return [about_line("unknown" if recent else "delivery", line, why, ledger=line.delivery)]
    if abs(case.refunded - case.paid) < report.step:
        return []
    why = f"the payment report took {_plain(case.paid)} for {name}, and gave only {back} back"
    if case.refunded > case.paid:
        why = f"the payment report took {_plain(case.paid)} for {name}, and gave {back} back"
    return [about_line("wallet", line, why, ledger=_plain(case.paid), vendor=back)]


def unproven_why(kind: JobKind, named: Named, rows: int) -> str:
    """Return why a report proves nothing of a job's placed rows; empty if it names them.

    Args:
        kind: What the job is of.
        named: How far it names them.
        rows: How many rows it has for these days.
    """
    if not rows:
        return "the payment report has no rows for these days: it lags, or the account has none"
    if named.enough:
        return ""
    about = "points" if kind is JobKind.POINTS else "links"
    loose = f"{_count(named.loose, 'row')} of {about} over {_plain(named.loose_sum)}"
    other = f"; it has {loose}, and does not say whose" if named.loose else ""
    if kind is JobKind.LINK_MAILS:
        return (
            f"the answer to a mailed link names nothing that a row of the payment report could name, so"
            f" {_count(named.placed, 'row')} {'is' if named.placed == 1 else 'are'} not proven{other}"
        )
    if not named.found:
        by = "the id of its credit" if kind is JobKind.POINTS else "the batch of its links"
        return (
            f"the payment report names none of {_count(named.placed, 'row')} by {by}, so none is proven: the vendor"
            f" documents no row for {about}, and an account that pays when they are redeemed has none{other}"
        )
    return (
        f"the payment report names only {named.found:,} of {named.all:,}: that is too few to call the others missing,"
        f" so none is proven{other}"
    )


def rate_of(ends: Iterable[tuple[float, int]]) -> tuple[Decimal | None, int]:
    """Return what the report takes for a unit, so that it fits as many of its rows as possible, and how many those are.

    Args:
        ends: For each row, the least rate that gives its amount (with 0) and the greatest one (with 1), all in
            ascending order; at the same rate those with 0 come first.
    """
    best = count = 0
    low = high = 0.0
    begun = False
    for rate, is_end in ends:
        if not is_end:
            count += 1
            if count > best:
                best, low, begun = count, rate, True
        else:
            if begun and count == best:
                high, begun = rate, False
            count -= 1
    if not best:
        return None, 0
    return _shortest(low, max(low, high)), best


def _shortest(low: float, high: float) -> Decimal:
    """Return a number with as few digits as possible between two others."""
    middle = Decimal((low + high) / 2)
    for places in range(_MOST_PLACES):
        rounded = round(middle, places)
        if rounded and low <= rounded <= high:
            return rounded
    return round(middle, _MOST_PLACES)


def _noun(kind: JobKind) -> str:
    return "credit" if kind is JobKind.POINTS else "batch"


def _count(number: int, word: str) -> str:
    return f"1 {word}" if number == 1 else f"{number:,} {word}s"


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"
