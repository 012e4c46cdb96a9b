"""The state machine of an order line, as a table: which fact moves it from which state to which; no I/O.

Callers state facts (`Evidence`), never conclusions. `decide` finds the first row of `TRANSITIONS` for the line's state
whose guards hold, so the same refusal makes a line `rejected`, or `conflict` when an earlier send may have gone
through. Databases only store the result of `decide`: the line, and a journal row beside it.
"""

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.lines import POINTS, Change, Delivery, Evidence, LedgerLine, LineState, Rules
from xoxo_async.effects import EffectClass

__all__ = [
    "MAX_HOLD_S",
    "MAX_ORDER_ID",
    "REPORTED_AS",
    "TRANSITIONS",
    "Moment",
    "Outcome",
    "Transition",
    "decide",
    "next_look",
]

MAX_ORDER_ID: Final = 2**63 - 1
"""The greatest order id a database holds; the vendor's have eleven digits at most."""

MAX_HOLD_S: Final = 60.0
"""A claimed line is sent within this many seconds, or given back (`Evidence.NOT_PROCESSED`).

If its sender dies, its last byte has left by the end of this time, and the settling time counts from there.
"""


class Moment(msgspec.Struct, frozen=True, gc=False):
    """Who writes, and when.

    Attributes:
        now: The ledger's clock, which nobody can set; absence is counted on it.
        epoch: The writer's epoch.
        rules: The settling rules.
        ahead: How far the wall clock is ahead of `now`; for stamps that people read and that are compared with dates.
        effect: What may follow a lost answer of the ledger's calls: orders have a key, points and links have none.
    """

    now: float
    epoch: int
    rules: Rules
    ahead: float = 0.0
    effect: EffectClass = EffectClass.KEYED

    def date(self, at: float) -> float:
        """Return a time by the ledger's clock in epoch seconds; in milliseconds, as `now` is."""
        return _in_milliseconds(at + self.ahead)


@lru_cache(maxsize=16)
def _in_milliseconds(seconds: float) -> float:
    """Return a time that is rounded. Rounding takes long, and the lines of a transaction have one time."""
    return round(seconds, 3)


Guard = Callable[[LedgerLine, Change, Moment], bool]


def keyed(_line: LedgerLine, _change: Change, moment: Moment) -> bool:
    """The lines are orders, which can be looked up by their poNumber."""
    return moment.effect is EffectClass.KEYED


def unkeyed(_line: LedgerLine, _change: Change, moment: Moment) -> bool:
    """The lines are of calls without a key: nothing can be looked up, so nothing is sent again by itself."""
    return moment.effect is EffectClass.UNKEYED


def nameless(line: LedgerLine, _change: Change, _moment: Moment) -> bool:
    """The line is placed, and no id is known of it."""
    return line.order_id is None


def holds_nothing(line: LedgerLine, _change: Change, _moment: Moment) -> bool:
    """The ledger keeps no links of the line: links have no id."""
    return not line.held


def answered_otherwise(line: LedgerLine, _change: Change, _moment: Moment) -> bool:
    """The line is placed by its answer, and the answer had not what was asked for: no call tells more of it."""
    return line.evidence == Evidence.ANSWERED_DONE and (line.delivery is Delivery.PENDING or bool(line.error))


def no_links_came(line: LedgerLine, _change: Change, moment: Moment) -> bool:
    """No answer had links of the line. Links that a late answer had were made, whatever a person has said before."""
    return moment.effect is EffectClass.KEYED or not line.held


def at_rest(line: LedgerLine, _change: Change, moment: Moment) -> bool:
    """The last send is so long ago that the vendor's dashboard shows what became of it.

    Only a person settles a line without a key. Somebody who looks while the vendor still works on the call sees
    nothing, and would send it a second time. Before a person sees a line with a key, look-ups have waited as long.
    """
    if moment.effect is EffectClass.KEYED or line.last_sent_tick is None:
        return True
    return moment.now >= line.last_sent_tick + moment.rules.settle_s


def cancellable(line: LedgerLine, _change: Change, _moment: Moment) -> bool:
    """No cancellation of the points was asked for that may have gone through."""
    return line.delivery not in _TAKEN_BACK


def cancelling(line: LedgerLine, _change: Change, _moment: Moment) -> bool:
    """A cancellation of the points was asked for, and nobody knows yet what became of it."""
    return line.delivery is Delivery.CANCELLING


def no_cancel_in_doubt(line: LedgerLine, change: Change, moment: Moment) -> bool:
    """No cancellation of the points is in doubt. A person who finds them gone, or there, settles it first."""
    return not cancelling(line, change, moment)


def not_suspect(line: LedgerLine, _change: Change, _moment: Moment) -> bool:
    """No earlier send of this line is in doubt."""
    return not line.suspect


def never_sent(line: LedgerLine, _change: Change, _moment: Moment) -> bool:
    """No request can exist. An attempt that was taken back (T2) counts as a send here, for safety."""
    return line.attempts == 0 and not line.suspect


def names_order(_line: LedgerLine, change: Change, _moment: Moment) -> bool:
    """An order id is proof of an order; nothing else is."""
    return change.order_id is not None and change.order_id > 0


def same_order(line: LedgerLine, change: Change, _moment: Moment) -> bool:
    """The proof is of the order already stored."""
    return change.order_id is None or change.order_id == line.order_id


def has_reason(_line: LedgerLine, change: Change, _moment: Moment) -> bool:
    """A person's decision comes with its reason."""
    return bool(change.reason.strip())


def counts_as_absent(line: LedgerLine, change: Change, moment: Moment) -> bool:
    """Sent late enough after the last send, and spaced from the look-up before it."""
    at = moment.now if change.at is None else min(change.at, moment.now)
    if line.last_sent_tick is None or at < line.last_sent_tick + moment.rules.settle_s:
        return False
    return line.last_lookup_at is None or at >= line.last_lookup_at + moment.rules.spacing_s


def proven_absent(line: LedgerLine, change: Change, moment: Moment) -> bool:
    """This look-up completes the proof."""
    return line.lookups + 1 >= moment.rules.absences and counts_as_absent(line, change, moment)


def absent_so_far(line: LedgerLine, _change: Change, moment: Moment) -> bool:
    """Enough look-ups found no order, so the history may decide now."""
    return line.lookups >= moment.rules.absences


def adoptable(line: LedgerLine, _change: Change, moment: Moment) -> bool:
    """An order found under this poNumber is the row's own.

    If the first send from this ledger was refused as known, another sender may own the order. Then it is adopted only
    if a person says that this ledger replaces a lost one (`Rules.restore`).
    """
    return not line.foreign or moment.rules.restore


def only_answered(line: LedgerLine, change: Change, _moment: Moment) -> bool:
    """The order was proven by its answer alone, and the doubt is about that very order."""
    return line.evidence == Evidence.ANSWERED_PLACED and change.order_id == line.order_id


def proven_by_vendor(line: LedgerLine, change: Change, _moment: Moment) -> bool:
    """The order was proven by an answer or a look-up, and the doubt is about that very order."""
    return line.evidence in _BY_VENDOR and change.order_id == line.order_id


def wanted(line: LedgerLine, _change: Change, _moment: Moment) -> bool:
    """The input still has the row. A row that the input lacks is not sent again."""
    return not line.unwanted


def placed_by_person(line: LedgerLine, _change: Change, _moment: Moment) -> bool:
    """A person named the order, so a person may correct it."""
    return line.evidence in _BY_PERSONS


def may_resend(_line: LedgerLine, _change: Change, moment: Moment) -> bool:
    """The rules allow that absent orders are placed again."""
    return moment.rules.resend == "settled"


def would_be_found(line: LedgerLine, _change: Change, _moment: Moment) -> bool:
    """An order of this line's rows would be found under its poNumber.

    The poNumber of a shared order is derived from its rows. Another copy of this ledger may have put them into other
    orders, which a look-up of this one does not find.
    """
    return line.lines == 1 or line.evidence not in _OF_ANOTHER_COPY


class Transition(msgspec.Struct, frozen=True, gc=False):
    """One row of the table.

    Attributes:
        number: Its name in the journal; `-` for a fact that moves nothing.
        sources: The states it applies to.
        evidence: The fact it takes.
        target: The state it leads to, None to stay.
        guards: All must hold; otherwise the next row is tried.
        suspect: Whether the line is in doubt from here on.
        counts: Whether it counts as one more absence.
        foreign: Whether another sender may own the order from here on.
        delivery: Whether the recipient has the points from here on; None where the fact itself says it.
    """

    number: str
    sources: frozenset[LineState]
    evidence: Evidence
    target: LineState | None
    guards: tuple[Guard, ...] = ()
    suspect: bool = False
    counts: bool = False
    foreign: bool = False
    delivery: Delivery | None = None


def _from(*states: LineState) -> frozenset[LineState]:
    return frozenset(states)


_S: Final = LineState
_E: Final = Evidence
_NOT_PLACED: Final = frozenset(LineState) - {LineState.PLACED}
_DOUBTED: Final = _from(_S.UNKNOWN, _S.CONFLICT)
_BY_VENDOR: Final = frozenset({_E.ANSWERED_PLACED, _E.LOOKUP_MATCHED, _E.ORDER_OF_THIS_SEND, _E.ORDER_SINCE_PLAN})
_OF_ANOTHER_COPY: Final = frozenset({_E.LEDGER_RESTORED, _E.LEDGER_COPIED})
_BY_PERSONS: Final = frozenset({_E.PERSON_PLACED, _E.PERSON_CORRECTED, _E.LATE_PROOF})
_TAKEN_BACK: Final = frozenset({Delivery.CANCELLING, Delivery.CANCELLED})
_CORRECTABLE: Final = (has_reason, placed_by_person, at_rest, no_cancel_in_doubt, no_links_came)
_CANCELLING: Final = (unkeyed, cancelling, names_order, same_order)

TRANSITIONS: Final[tuple[Transition, ...]] = (
    Transition("T1", _from(_S.PLANNED), _E.SLOT_IN_HAND, _S.SENDING),
    Transition("T2", _from(_S.SENDING), _E.NOT_PROCESSED, _S.PLANNED),
    Transition("T3", _from(_S.SENDING), _E.ANSWERED_PLACED, _S.PLACED, (names_order,)),
    Transition("T3", _from(_S.SENDING), _E.ANSWERED_DONE, _S.PLACED, (unkeyed,)),
    Transition("T4", _from(_S.SENDING), _E.REFUSED_NO_ORDER, _S.REJECTED, (not_suspect,)),
    # Without a key no refusal means "this exists already", and no look-up follows: a person decides.
    Transition("T5", _from(_S.SENDING), _E.REFUSED_NO_ORDER, _S.UNKNOWN, (unkeyed,), suspect=True),
    Transition("T5", _from(_S.SENDING), _E.REFUSED_UNCLEAR, _S.UNKNOWN, (unkeyed,), suspect=True),
    # After a send in doubt, any refusal may mean "this poNumber exists": the vendor does not document its answer to a
    # repeated poNumber (wire documentation § 7.2).
    Transition("T5", _from(_S.SENDING), _E.REFUSED_NO_ORDER, _S.CONFLICT, suspect=True),
    # Without an earlier send of this ledger in doubt, a known poNumber is the sign of another sender.
    Transition("T5", _from(_S.SENDING), _E.REFUSED_UNCLEAR, _S.CONFLICT, (not_suspect,), suspect=True, foreign=True),
    Transition("T5", _from(_S.SENDING), _E.REFUSED_UNCLEAR, _S.CONFLICT, suspect=True),
    Transition("T6", _from(_S.SENDING), _E.OUTCOME_LOST, _S.UNKNOWN, suspect=True),
    Transition("T7", _from(_S.SENDING), _E.SENDER_DIED, _S.UNKNOWN, suspect=True),
    Transition("T8", _DOUBTED, _E.LOOKUP_MATCHED, _S.PLACED, (keyed, names_order, adoptable)),
    Transition("T8", _DOUBTED, _E.LOOKUP_MATCHED, _S.MANUAL, (keyed, names_order)),
    Transition("T8", _DOUBTED, _E.ORDER_OF_THIS_SEND, _S.PLACED, (keyed, names_order)),
    Transition("T8", _DOUBTED, _E.ORDER_SINCE_PLAN, _S.PLACED, (keyed, names_order)),
    Transition("T8", _DOUBTED, _E.LOOKUP_MISMATCHED, _S.MANUAL, (keyed,)),
    # Look up, and place again only if absent: the vendor's own rule after a 5xx (wire documentation § 7.1).
    Transition(
        "T9",
        _from(_S.UNKNOWN),
        _E.LOOKUP_ABSENT,
        _S.PLANNED,
        (keyed, may_resend, proven_absent, would_be_found, wanted),
        counts=True,
    ),
    Transition("-", _DOUBTED, _E.LOOKUP_ABSENT, None, (keyed, counts_as_absent), counts=True),
    Transition("-", _DOUBTED, _E.LOOKUP_ABSENT, None, (keyed,)),
    Transition("T10", _from(_S.UNKNOWN), _E.HISTORY_ABSENT, _S.MANUAL, (keyed, absent_so_far)),
    Transition("T10", _from(_S.UNKNOWN), _E.LOOKUPS_EXHAUSTED, _S.MANUAL, (keyed,)),
    Transition("T10", _from(_S.UNKNOWN), _E.NO_LOOKUP, _S.MANUAL, (unkeyed,)),
    Transition("-", _from(_S.SENDING, _S.UNKNOWN, _S.MANUAL), _E.BALANCE_SEEN, None, (unkeyed,)),
    # A conflict is never sent again: the refusal may be about an order that the look-up does not find yet.
    Transition("T11", _from(_S.CONFLICT), _E.HISTORY_ABSENT, _S.MANUAL, (keyed, absent_so_far)),
    Transition("T11", _from(_S.CONFLICT), _E.LOOKUPS_EXHAUSTED, _S.MANUAL, (keyed,)),
    Transition("-", _DOUBTED, _E.HISTORY_ABSENT, None, (keyed,)),
    Transition("T12", _NOT_PLACED, _E.ANSWERED_PLACED, _S.PLACED, (names_order,)),
    Transition("T12", _NOT_PLACED, _E.ANSWERED_DONE, _S.PLACED, (unkeyed,)),
    Transition("T12", _from(_S.PLACED), _E.ANSWERED_PLACED, _S.PLACED, (unkeyed, names_order, nameless)),
    Transition("T12", _from(_S.PLACED), _E.LATE_PROOF, _S.PLACED, (unkeyed, names_order, nameless, holds_nothing)),
    Transition("T12", _NOT_PLACED, _E.LOOKUP_MATCHED, _S.PLACED, (keyed, names_order, adoptable)),
    Transition("T12", _NOT_PLACED, _E.ORDER_OF_THIS_SEND, _S.PLACED, (keyed, names_order)),
    Transition("T12", _NOT_PLACED, _E.LATE_PROOF, _S.PLACED, (names_order,)),
    Transition("-", _from(_S.PLACED), _E.ANSWERED_PLACED, None, (names_order, same_order)),
    Transition("-", _from(_S.PLACED), _E.ANSWERED_DONE, None, (unkeyed,)),
    Transition("-", _from(_S.PLACED), _E.LOOKUP_MATCHED, None, (keyed, names_order, same_order)),
    Transition("-", _from(_S.PLACED), _E.ORDER_OF_THIS_SEND, None, (keyed, names_order, same_order)),
    Transition("-", _from(_S.PLACED), _E.LATE_PROOF, None, (names_order, same_order)),
    Transition("-", _from(_S.PLACED), _E.DELIVERY_SEEN, None, (same_order,)),
    Transition("T13", _from(_S.MANUAL), _E.PERSON_PLACED, _S.PLACED, (has_reason, names_order)),
    Transition("T13", _from(_S.MANUAL), _E.PERSON_PLACED, _S.PLACED, (has_reason, unkeyed)),
    Transition("T13", _from(_S.MANUAL), _E.PERSON_RESEND, _S.PLANNED, (has_reason, at_rest)),
    Transition("T13", _from(_S.MANUAL), _E.PERSON_REJECTED, _S.REJECTED, (has_reason, at_rest)),
    # Under another id, a doubt about the cancellation of the old one would be seen no more.
    Transition(
        "T13",
        _from(_S.PLACED),
        _E.PERSON_CORRECTED,
        _S.PLACED,
        (has_reason, names_order, placed_by_person, no_cancel_in_doubt),
    ),
    Transition("T13", _from(_S.PLACED), _E.PERSON_RESEND, _S.PLANNED, _CORRECTABLE),
    Transition("T13", _from(_S.PLACED), _E.PERSON_REJECTED, _S.REJECTED, _CORRECTABLE),
    Transition("T14", _from(_S.PLANNED), _E.WITHDRAWN, _S.CANCELLED, (never_sent,)),
    Transition("T15", _from(_S.PLANNED, _S.UNKNOWN), _E.LEDGER_RESTORED, _S.UNKNOWN, suspect=True),
    Transition("T15", _from(_S.PLANNED), _E.LEDGER_COPIED, _S.UNKNOWN, (not_suspect,), suspect=True, foreign=True),
    Transition("T15", _from(_S.PLANNED, _S.UNKNOWN), _E.LEDGER_COPIED, _S.UNKNOWN, suspect=True),
    Transition("T16", _from(_S.PLACED), _E.ANSWER_DOUBTED, _S.UNKNOWN, (only_answered,), suspect=True),
    Transition("T16", _from(_S.PLACED), _E.CONNECTION_DOUBTED, _S.UNKNOWN, (proven_by_vendor,), suspect=True),
    Transition("-", _from(_S.SENDING, _S.UNKNOWN, _S.CONFLICT), _E.UNWANTED, None),
    # A cancellation whose answer was lost is in doubt, and is not asked for again. Points are cancelled by their id. A
    # person may correct it after the caller has read it: the old one may be of somebody else's points.
    Transition(
        "T17",
        _from(_S.PLACED),
        _E.CANCEL_ASKED,
        None,
        (unkeyed, cancellable, names_order, same_order),
        delivery=Delivery.CANCELLING,
    ),
    Transition("T17", _from(_S.PLACED), _E.CANCEL_DONE, None, _CANCELLING, delivery=Delivery.CANCELLED),
    Transition("T17", _from(_S.PLACED), _E.CANCEL_REFUSED, None, _CANCELLING, delivery=Delivery.DELIVERED),
    Transition("-", _from(_S.PLACED), _E.CANCEL_LOST, None, _CANCELLING),
    Transition(
        "T17", _from(_S.PLACED), _E.PERSON_CANCELLED, None, (has_reason, *_CANCELLING), delivery=Delivery.CANCELLED
    ),
    Transition("T17", _from(_S.PLACED), _E.PERSON_KEPT, None, (has_reason, *_CANCELLING), delivery=Delivery.DELIVERED),
    # The line keeps the links that its answer had, and stays placed for good: what was made is never sent again.
    Transition(
        "T18",
        _from(_S.PLACED),
        _E.PERSON_CLOSED,
        None,
        (unkeyed, has_reason, answered_otherwise),
        delivery=Delivery.DELIVERED,
    ),
)
"""Every transition of a line. The order matters among rows of one evidence: the first that applies is taken."""

PROOFS: Final = frozenset(
    {_E.ANSWERED_PLACED, _E.ANSWERED_DONE, _E.LOOKUP_MATCHED, _E.ORDER_OF_THIS_SEND, _E.LATE_PROOF}
)
"""These facts prove that money moved, so the fence lets them through from any caller and however late."""

_NO_CLAIMS: Final = frozenset({_E.CANCEL_ASKED, _E.PERSON_CANCELLED, _E.PERSON_KEPT})
"""Whoever states these about another order reads the refusal at once, and the vendor was asked for nothing."""

REPORTED_AS: Final[dict[LineState, str]] = {
    _S.PLANNED: "not_sent",
    _S.CANCELLED: "not_sent",
    _S.SENDING: "unknown",
    _S.UNKNOWN: "unknown",
    _S.CONFLICT: "unknown",
    _S.MANUAL: "unknown",
    _S.REJECTED: "rejected",
}
"""The report's name for each state; a placed line is `issued` when delivered and `pending` before."""


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """The result of `decide`.

    Attributes:
        transition: The row taken; None when the change is refused, or repeats the one before it.
        line: The line as it stands after it.
        refusal: Why the change is refused, empty when it is not.
        alarm: Whether a person must see the refusal: two orders claim one line.
        superseded: Whether the change is refused because the line has a newer epoch: its sender was taken for dead.
    """

    transition: Transition | None
    line: LedgerLine
    refusal: str = ""
    alarm: bool = False
    superseded: bool = False


_Rows = dict[tuple[LineState, Evidence], tuple[tuple[Transition, dict[str, object]], ...]]
"""The rows for each state and fact, in order, each with what it changes whatever the line and the fact say."""


@lru_cache(maxsize=32)  # a test passes a table of its own with each decision
def _rows_for(table: tuple[Transition, ...]) -> _Rows:
    rows: _Rows = {}
    for row in table:
        for state in row.sources:
            rows[state, row.evidence] = (*rows.get((state, row.evidence), ()), (row, _fixed_by(row, state)))
    return rows


def _fixed_by(row: Transition, state: LineState) -> dict[str, object]:
    """Return what a row changes of every line in a state; only what changes: each field that is written takes time."""
    after: dict[str, object] = {}
    if row.target is not None:
        after |= {"state": row.target, "evidence": row.evidence.value}
        if state is LineState.PLACED:
            after |= _NO_ORDER  # the stored facts are, or may be, about another order
    if row.suspect:
        after["suspect"] = True
    if row.foreign:
        after["foreign"] = True
    if row.evidence is Evidence.UNWANTED:
        after["unwanted"] = True
    elif row.evidence is Evidence.PERSON_CLOSED:
        after["evidence"] = row.evidence.value  # the alarm about the answer is settled
    if row.number in _SENT_ANEW:
        after |= {"lookups": 0, "last_lookup_at": None}  # the count of absences starts again with this send
    return after


_NEW_EPOCH: Final = frozenset({"T1", "T7", "T15"})
_SENT_ANEW: Final = frozenset({"T1", "T15", "T16"})
_SEND_ENDED: Final = frozenset({"T3", "T5", "T6"})
_NO_ORDER: Final[dict[str, object]] = {
    "order_id": None,
    "delivery": Delivery.NONE,
    "amount_charged": None,
    "currency": "",
    "held": 0,
}
_ROWS: Final = _rows_for(TRANSITIONS)

# Python 3.11 finds a member of an enum ten times slower than a name of the module, and these are read for each line.
_PLACED: Final = LineState.PLACED
_NO_DELIVERY: Final = Delivery.NONE
_DELIVERED: Final = Delivery.DELIVERED
_PENDING: Final = Delivery.PENDING


def decide(line: LedgerLine, change: Change, moment: Moment, table: tuple[Transition, ...] = TRANSITIONS) -> Outcome:
    """Decide what a fact does to a line.

    Args:
        line: The line as stored.
        change: The fact.
        moment: Who writes, when, under which rules.
        table: The table; tests pass others to show the purpose of its rows.

    Returns:
        The row taken and the line after it, or the refusal.
    """
    if change.evidence not in PROOFS and change.epoch != line.epoch:
        late = change.epoch < line.epoch
        refusal = f"it is about epoch {change.epoch}, and the line is in epoch {line.epoch}"
        return Outcome(None, line, refusal, superseded=late)
    rows = _ROWS if table is TRANSITIONS else _rows_for(table)
    for row, fixed in rows.get((line.state, change.evidence), ()):
        for guard in row.guards:
            if not guard(line, change, moment):
                break
        else:
            return Outcome(row, _after(line, change, row, moment, fixed.copy()))
    other = names_order(line, change, moment) and not same_order(line, change, moment)
    named = line.order_id is not None or moment.effect is EffectClass.KEYED  # links have no id, an order always has one
    if line.state is _PLACED and other and named:
        refusal = f"order {line.order_id} is stored, and order {change.order_id} claims the same line"
        return Outcome(None, line, refusal, alarm=change.evidence not in _NO_CLAIMS)
    if change.evidence == line.evidence and change.evidence is not Evidence.SLOT_IN_HAND:
        # The fact was recorded before: by a commit whose fsync was lost, or by a queue that delivers again. A claim is
        # never taken twice, or two workers would hold the line.
        return Outcome(None, line)
    return Outcome(None, line, f"{change.evidence.value} does not apply to a {line.state.value} line")


def _after(line: LedgerLine, change: Change, row: Transition, moment: Moment, after: dict[str, object]) -> LedgerLine:
    """Return the line after a row of the table; `after` has what follows from the row alone."""
    number = row.number
    if number in _NEW_EPOCH:
        after["epoch"] = moment.epoch
    sent = _last_byte(line, change, number, moment)
    if sent is not None:
        after["last_sent_tick"] = sent
        after["last_sent_at"] = moment.date(sent)
    if number == "T1":
        after["attempts"] = line.attempts + 1
        if line.first_sent_at is None:
            after["first_sent_at"] = after["last_sent_at"]
    elif number == "T2" and not line.suspect:
        after["first_sent_at"] = None  # no send so far can have become an order
    if row.counts:
        after |= {"lookups": line.lookups + 1, "last_lookup_at": _observed(change, moment)}
    if change.error or change.error_id:
        after |= {"error_id": change.error_id, "error": change.error}
    if (row.target or line.state) is _PLACED:
        # The stored facts are, or may be, about another order.
        known = line if row.target is None or _knows_no_order(line) else msgspec.structs.replace(line, **_NO_ORDER)
        _add_order(after, known, change)
        if row.delivery is not None or (known.delivery in _TAKEN_BACK and moment.effect is EffectClass.UNKEYED):
            # A late answer to the send says nothing of the cancellation.
            after |= _at_delivery(row.delivery or known.delivery)
        if row.target is None and not change.error and line.evidence in _BY_PERSONS:
            after["error"] = line.error  # the codes of the order do not replace the person's reason
    return msgspec.structs.replace(line, **after)


def _at_delivery(delivery: Delivery) -> dict[str, object]:
    """Return the facts of points that are being cancelled, or were: the company has them back, so they cost nothing."""
    if delivery is not Delivery.CANCELLED:
        return {"delivery": delivery}
    return {"delivery": delivery, "amount_charged": Decimal(0), "currency": POINTS}


def _knows_no_order(line: LedgerLine) -> bool:
    """Return whether a line has no facts of an order; nearly always so, and then there is nothing to remove."""
    return (
        line.order_id is None
        and line.delivery is _NO_DELIVERY
        and line.amount_charged is None
        and not line.currency
        and not line.held
    )


def _observed(change: Change, moment: Moment) -> float:
    """Return when a fact was observed; never later than now."""
    return moment.now if change.at is None else min(change.at, moment.now)


def _last_byte(line: LedgerLine, change: Change, number: str, moment: Moment) -> float | None:
    """Return the latest moment at which a byte of the line's request may have left; None if it does not change."""
    if number in _SEND_ENDED:
        # Bytes may have left until the send ended; with an earlier moment absence would count too soon. An order's date
        # lies before this moment, which gives the vendor's zone.
        return _observed(change, moment)
    if number in _SENT_ANEW:
        # T15, T16: the other sender, or the request whose answer was lost, may have sent its last byte just now.
        return moment.now
    if number == "T7" and line.last_sent_tick is not None:
        # A lease that ran out does not stop its sender: a byte may leave until the end of the hold, also after now. If
        # a store has proof when the sender was gone (`at`), nothing left after that.
        held_until = line.last_sent_tick + MAX_HOLD_S
        return held_until if change.at is None else max(line.last_sent_tick, min(_observed(change, moment), held_until))
    return None


def _add_order(after: dict[str, object], line: LedgerLine, change: Change) -> None:
    """Add the facts of the order in a proof; a later answer with fewer facts removes none."""
    after["order_id"] = change.order_id or line.order_id
    after["error_id"] = change.error_id
    after["error"] = change.error
    if change.delivery and not (line.delivery is _DELIVERED and change.delivery is _PENDING):
        after["delivery"] = change.delivery
    if change.amount_charged is not None and change.amount_charged.is_finite():
        after["amount_charged"] = change.amount_charged
        after["currency"] = change.currency or line.currency
    if change.held > line.held:
        after["held"] = change.held


def next_look(line: LedgerLine, rules: Rules) -> float | None:
    """Return when a look-up that says absent would next count for a line in doubt, by the ledger's clock.

    Args:
        line: The line.
        rules: The settling rules.

    Returns:
        The time, or None after enough look-ups: then the day's history decides (`Evidence.HISTORY_ABSENT`).
    """
    if line.lookups >= rules.absences:
        return None
    settled = (line.last_sent_tick or 0.0) + rules.settle_s
    return settled if line.last_lookup_at is None else max(settled, line.last_lookup_at + rules.spacing_s)
