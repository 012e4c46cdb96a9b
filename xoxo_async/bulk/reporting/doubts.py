"""What a job leaves to do, and how the rest was proven: refusals, open lines, evidence, alarms; no I/O."""

from collections.abc import Iterable
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Alarm, Delivery, Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.overview import LineGroup, Refused
from xoxo_async.bulk.reporting.words import (
    ADVICE_ON_DECIDED,
    advice_on,
    fact_words,
    masked,
    masked_po,
    meaning_of,
    open_words,
    vendor_words,
)

__all__ = [
    "AlarmFact",
    "EvidenceFact",
    "OpenRow",
    "OpenTotal",
    "RefusalFact",
    "alarms_of",
    "evidence_of",
    "open_rows_of",
    "open_totals_of",
    "refusals_of",
]

_ROWS_SHOWN: Final = 25
"""Of each state; the ledger has the others."""

_WAITS: Final = {"pending": "Its codes have not come yet.", "cancelled": "The vendor cancelled its delivery."}
_WAITS_UNKEYED: Final = {
    "pending": "Not all of its links came.",
    "cancelling": "The answer to its cancellation was lost.",
}


class RefusalFact(msgspec.Struct, frozen=True, kw_only=True):
    """Refusals for the same reason.

    Attributes:
        state: The state of the lines: `rejected`, or one of doubt.
        error_id: The vendor's error id; empty without one.
        meaning: What it means.
        words: The words of one of the refusals, masked.
        lines: How many lines.
        row: The first of their rows in the input.
        advice: What to do.
        by_person: Whether a person decided that there is no order; then `words` are that person's reason.
    """

    state: str
    error_id: str
    meaning: str
    words: str
    lines: int
    row: int
    advice: str
    by_person: bool = False


class OpenRow(msgspec.Struct, frozen=True, kw_only=True):
    """A line that is not settled.

    Attributes:
        state: Its state; `pending` for a placed order whose codes are still to come, `cancelled` if they never come.
        key: Its key, masked where it is an address.
        row: Its row in the input.
        lines: How many lines travel in the order.
        po_number: Its poNumber.
        order_id: The vendor's order; None where none is known.
        sent_at: When it was sent last, in epoch seconds; None if it never was.
        age_s: Seconds since then.
        why: The last refusal or doubt, masked.
    """

    state: str
    key: str
    row: int
    lines: int
    po_number: str
    order_id: int | None
    sent_at: float | None
    age_s: float | None
    why: str


class OpenTotal(msgspec.Struct, frozen=True):
    """How many orders stand open, for each state.

    Attributes:
        state: As in `OpenRow`.
        orders: How many orders.
        meaning: What the state means, and who acts.
    """

    state: str
    orders: int
    meaning: str


class EvidenceFact(msgspec.Struct, frozen=True):
    """The fact that proves how lines stand.

    Attributes:
        fact: Its name in the ledger.
        meaning: What it says.
        state: The state of the lines.
        lines: How many.
    """

    fact: str
    meaning: str
    state: str
    lines: int


class AlarmFact(msgspec.Struct, frozen=True, kw_only=True):
    """What a person must see.

    Attributes:
        at: When it was found, in epoch seconds.
        row: Row number in the input.
        order_id: The vendor's order.
        text: What is wrong, masked.
    """

    at: float
    row: int
    order_id: int | None
    text: str


def refusals_of(refused: Iterable[Refused], kind: JobKind = JobKind.ORDERS) -> list[RefusalFact]:
    """Return the refusals by reason.

    Args:
        refused: As the ledger has them.
        kind: What the job is of.
    """
    return [_refusal(one, kind) for one in refused if one.error_id or one.state is LineState.REJECTED]


def _refusal(one: Refused, kind: JobKind) -> RefusalFact:
    meaning = fact_words(Evidence.PERSON_REJECTED, kind) if one.by_person else meaning_of(one.error_id)
    return RefusalFact(
        state=one.state.value,
        error_id=masked(one.error_id),
        meaning=meaning,
        words=_more_than("" if one.by_person else meaning, vendor_words(one.error)),
        lines=one.lines,
        row=one.row,
        advice=ADVICE_ON_DECIDED if one.by_person else advice_on(one.error_id, one.state, kind),
        by_person=one.by_person,
    )


def _more_than(meaning: str, words: str) -> str:
    """Return what words say beyond the meaning of an error id, which they may begin with."""
    known = meaning.rstrip(".")
    return words.removeprefix(known).strip(" ():;,.") if known else words


def _state(state: LineState, delivery: Delivery) -> str:
    if state is not LineState.PLACED:
        return state.value
    return delivery.value if delivery in {Delivery.CANCELLED, Delivery.CANCELLING} else "pending"


def open_totals_of(groups: Iterable[LineGroup], kind: JobKind = JobKind.ORDERS) -> list[OpenTotal]:
    """Return how many orders stand open, those for a person first.

    Args:
        groups: The orders.
        kind: What the job is of.
    """
    words = open_words(kind)
    counts = dict.fromkeys(words, 0)
    for group in groups:
        state = _state(group.state, group.delivery)
        if state in words and group.state is not LineState.CANCELLED and group.delivery is not Delivery.DELIVERED:
            counts[state] += group.orders
    return [OpenTotal(state, orders, words[state]) for state, orders in counts.items() if orders]


def open_rows_of(lines: Iterable[LedgerLine], now: float, kind: JobKind = JobKind.ORDERS) -> list[OpenRow]:
    """Return the first lines that are not settled: of each state, those that wait longest.

    Args:
        lines: As the ledger has them.
        now: When the report is made.
        kind: What the job is of.
    """
    waits = _WAITS if kind is JobKind.ORDERS else _WAITS_UNKEYED
    by_state: dict[str, list[OpenRow]] = {}
    for line in lines:
        state = _state(line.state, line.delivery)
        by_state.setdefault(state, []).append(
            OpenRow(
                state=state,
                key=masked(line.key),
                row=line.row,
                lines=line.lines,
                po_number=masked_po(line.po_number, line.key),
                order_id=line.order_id,
                sent_at=line.last_sent_at,
                age_s=None if line.last_sent_at is None else max(now - line.last_sent_at, 0.0),
                why=vendor_words(line.error) or waits.get(state) or fact_words(line.evidence, kind),
            )
        )
    rows: list[OpenRow] = []
    for state in open_words(kind):
        oldest = sorted(by_state.get(state, ()), key=lambda row: -(row.age_s or 0.0))
        rows += oldest[:_ROWS_SHOWN]
    return rows


def evidence_of(groups: Iterable[LineGroup], kind: JobKind = JobKind.ORDERS) -> list[EvidenceFact]:
    """Return how lines were proven, the most frequent fact first.

    Args:
        groups: The orders.
        kind: What the job is of.
    """
    counts: dict[tuple[str, str], int] = {}
    for group in groups:
        if group.lines:
            place = (group.evidence, group.state.value)
            counts[place] = counts.get(place, 0) + group.lines
    return [
        EvidenceFact(fact, fact_words(fact, kind), state, lines)
        for (fact, state), lines in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    ]


def alarms_of(alarms: Iterable[Alarm]) -> list[AlarmFact]:
    """Return what a person must see.

    Args:
        alarms: As the ledger has them.
    """
    return [AlarmFact(at=alarm.at, row=alarm.row, order_id=alarm.order_id, text=masked(alarm.text)) for alarm in alarms]
