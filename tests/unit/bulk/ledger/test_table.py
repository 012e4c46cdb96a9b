"""`table`: the state after each fact in each state, and the facts that a line keeps; from money.md."""

from decimal import Decimal

import msgspec
import pytest

from xoxo_async.bulk.ledger.lines import (
    UNKEYED_IN_DOUBT,
    Change,
    Delivery,
    Evidence,
    LedgerLine,
    LineState,
    Rules,
)
from xoxo_async.bulk.ledger.table import (
    MAX_HOLD_S,
    MAX_ORDER_ID,
    REPORTED_AS,
    TRANSITIONS,
    Moment,
    Outcome,
    decide,
    next_look,
)
from xoxo_async.effects import EffectClass

E, S = Evidence, LineState

NOW = 10_000.0
SENT = 9_000.0
RULES = Rules(settle_s=100, spacing_s=10, absences=2)
EPOCH = 5
"""The writer's; the lines are in epoch 1."""


def moment(rules: Rules = RULES, now: float = NOW, effect: EffectClass = EffectClass.KEYED) -> Moment:
    """Return a moment of a later holder than the one that claimed the lines; the wall clock is 500 s ahead."""
    return Moment(now=now, epoch=EPOCH, rules=rules, ahead=500.0, effect=effect)


def a_line(state: LineState, **facts: object) -> LedgerLine:
    """Return a line in a state, sent once unless it is planned or cancelled."""
    usual: dict[str, object] = {"state": state, "epoch": 1}
    if state not in {S.PLANNED, S.CANCELLED}:
        usual |= {"attempts": 1, "first_sent_at": 1.0, "last_sent_at": 1.0, "last_sent_tick": SENT}
    if state in {S.UNKNOWN, S.CONFLICT}:
        usual |= {"suspect": True, "lookups": 2, "last_lookup_at": SENT + 200}
    if state is S.PLACED:
        usual |= {"order_id": 7, "evidence": E.ANSWERED_PLACED.value, "delivery": Delivery.PENDING}
    return LedgerLine(
        **({"seq": 1, "key": "k", "po_number": "po", "digest": "d", "body": "{}", "row": 1} | usual | facts)
    )


def told(
    line: LedgerLine,
    evidence: Evidence,
    *,
    rules: Rules = RULES,
    now: float = NOW,
    effect: EffectClass = EffectClass.KEYED,
    **facts: object,
) -> Outcome:
    """Tell a line a fact that names order 7 and a reason."""
    usual: dict[str, object] = {"seq": 1, "evidence": evidence, "epoch": 1, "order_id": 7, "reason": "asked"}
    return decide(line, Change(**(usual | facts)), moment(rules, now, effect))


def seen(line: LedgerLine, outcome: Outcome) -> tuple[object, ...] | None:
    """Return the row's number and the state after it, and what the line is from then on; None for a refusal."""
    if outcome.transition is None:
        assert outcome.line is line
        assert outcome.refusal
        return None
    after = outcome.line
    became = [name for name in ("suspect", "foreign", "unwanted") if getattr(after, name) and not getattr(line, name)]
    assert all(getattr(after, name) or not getattr(line, name) for name in ("suspect", "foreign", "unwanted"))
    counted = ["counted"] if after.lookups == line.lookups + 1 else []
    return (outcome.transition.number, after.state, *became, *counted)


PROVEN = {  # what proves an order to a line that has none
    E.ANSWERED_PLACED: ("T12", S.PLACED),
    E.LOOKUP_MATCHED: ("T12", S.PLACED),
    E.ORDER_OF_THIS_SEND: ("T12", S.PLACED),
    E.LATE_PROOF: ("T12", S.PLACED),
}
PERSON_DECIDES = {
    E.PERSON_PLACED: ("T13", S.PLACED),
    E.PERSON_RESEND: ("T13", S.PLANNED),
    E.PERSON_REJECTED: ("T13", S.REJECTED),
}
PROVEN_AGAIN = dict.fromkeys(
    (E.ANSWERED_PLACED, E.LOOKUP_MATCHED, E.ORDER_OF_THIS_SEND, E.LATE_PROOF, E.DELIVERY_SEEN), ("-", S.PLACED)
)
LOOKED_UP = {
    **PROVEN,
    E.LOOKUP_MATCHED: ("T8", S.PLACED),
    E.ORDER_OF_THIS_SEND: ("T8", S.PLACED),
    E.ORDER_SINCE_PLAN: ("T8", S.PLACED),
    E.LOOKUP_MISMATCHED: ("T8", S.MANUAL),
}
SENDING = {
    **PROVEN,
    E.NOT_PROCESSED: ("T2", S.PLANNED),
    E.ANSWERED_PLACED: ("T3", S.PLACED),
    E.REFUSED_NO_ORDER: ("T4", S.REJECTED),
    E.REFUSED_UNCLEAR: ("T5", S.CONFLICT, "suspect", "foreign"),
    E.OUTCOME_LOST: ("T6", S.UNKNOWN, "suspect"),
    E.SENDER_DIED: ("T7", S.UNKNOWN, "suspect"),
    E.UNWANTED: ("-", S.SENDING, "unwanted"),
}
UNKNOWN = {
    **LOOKED_UP,
    E.LOOKUP_ABSENT: ("T9", S.PLANNED, "counted"),
    E.HISTORY_ABSENT: ("T10", S.MANUAL),
    E.LOOKUPS_EXHAUSTED: ("T10", S.MANUAL),
    E.LEDGER_RESTORED: ("T15", S.UNKNOWN),
    E.LEDGER_COPIED: ("T15", S.UNKNOWN),
    E.UNWANTED: ("-", S.UNKNOWN, "unwanted"),
}
CONFLICT = {
    **LOOKED_UP,
    E.LOOKUP_ABSENT: ("-", S.CONFLICT, "counted"),
    E.HISTORY_ABSENT: ("T11", S.MANUAL),
    E.LOOKUPS_EXHAUSTED: ("T11", S.MANUAL),
    E.UNWANTED: ("-", S.CONFLICT, "unwanted"),
}
PLANNED = {
    **PROVEN,
    E.SLOT_IN_HAND: ("T1", S.SENDING),
    E.WITHDRAWN: ("T14", S.CANCELLED),
    E.LEDGER_RESTORED: ("T15", S.UNKNOWN, "suspect"),
    E.LEDGER_COPIED: ("T15", S.UNKNOWN, "suspect", "foreign"),
}
CORRECTED = {
    E.PERSON_CORRECTED: ("T13", S.PLACED),
    E.PERSON_RESEND: ("T13", S.PLANNED),
    E.PERSON_REJECTED: ("T13", S.REJECTED),
}
ANSWER_UNDONE = {E.ANSWER_DOUBTED: ("T16", S.UNKNOWN, "suspect")}
CONNECTION_UNDONE = {E.CONNECTION_DOUBTED: ("T16", S.UNKNOWN, "suspect")}


def without(known: dict[Evidence, tuple[object, ...]], *evidence: Evidence) -> dict[Evidence, tuple[object, ...]]:
    """Return what facts lead to, without some of them."""
    return {fact: leads for fact, leads in known.items() if fact not in evidence}


LEADS = {
    "planned": (a_line(S.PLANNED), PLANNED),
    "planned, sent before": (a_line(S.PLANNED, attempts=1), without(PLANNED, E.WITHDRAWN)),
    "planned, in doubt": (
        a_line(S.PLANNED, suspect=True),
        without(PLANNED, E.WITHDRAWN) | {E.LEDGER_RESTORED: ("T15", S.UNKNOWN), E.LEDGER_COPIED: ("T15", S.UNKNOWN)},
    ),
    "planned, of a stranger": (
        a_line(S.PLANNED, foreign=True),
        without(PLANNED, E.LOOKUP_MATCHED)
        | {
            E.LEDGER_COPIED: ("T15", S.UNKNOWN, "suspect"),
        },
    ),
    "sending": (a_line(S.SENDING), SENDING),
    "sending, in doubt": (
        a_line(S.SENDING, suspect=True),
        SENDING
        | {
            E.REFUSED_NO_ORDER: ("T5", S.CONFLICT),
            E.REFUSED_UNCLEAR: ("T5", S.CONFLICT),
            E.OUTCOME_LOST: ("T6", S.UNKNOWN),
            E.SENDER_DIED: ("T7", S.UNKNOWN),
        },
    ),
    "unknown": (a_line(S.UNKNOWN), UNKNOWN),
    "unknown, of a stranger": (a_line(S.UNKNOWN, foreign=True), UNKNOWN | {E.LOOKUP_MATCHED: ("T8", S.MANUAL)}),
    "unknown, unwanted": (
        a_line(S.UNKNOWN, unwanted=True),
        UNKNOWN | {E.LOOKUP_ABSENT: ("-", S.UNKNOWN, "counted"), E.UNWANTED: ("-", S.UNKNOWN)},
    ),
    "unknown, not looked up": (
        a_line(S.UNKNOWN, lookups=1, suspect=False),
        UNKNOWN
        | {
            E.HISTORY_ABSENT: ("-", S.UNKNOWN),
            E.LEDGER_RESTORED: ("T15", S.UNKNOWN, "suspect"),
            E.LEDGER_COPIED: ("T15", S.UNKNOWN, "suspect"),
        },
    ),
    # No ledger holds a line in doubt that is not suspect: it shows what each row itself adds.
    "unknown, not in doubt": (
        a_line(S.UNKNOWN, suspect=False),
        UNKNOWN | {E.LEDGER_RESTORED: ("T15", S.UNKNOWN, "suspect"), E.LEDGER_COPIED: ("T15", S.UNKNOWN, "suspect")},
    ),
    "unknown, of a stranger, not in doubt": (
        a_line(S.UNKNOWN, suspect=False, foreign=True),
        UNKNOWN
        | {
            E.LOOKUP_MATCHED: ("T8", S.MANUAL),
            E.LEDGER_RESTORED: ("T15", S.UNKNOWN, "suspect"),
            E.LEDGER_COPIED: ("T15", S.UNKNOWN, "suspect"),
        },
    ),
    "conflict, not in doubt": (a_line(S.CONFLICT, suspect=False), CONFLICT),
    "conflict": (a_line(S.CONFLICT), CONFLICT),
    "conflict, not looked up": (
        a_line(S.CONFLICT, lookups=1, suspect=False),
        CONFLICT | {E.HISTORY_ABSENT: ("-", S.CONFLICT)},
    ),
    "conflict, of a stranger": (a_line(S.CONFLICT, foreign=True), CONFLICT | {E.LOOKUP_MATCHED: ("T8", S.MANUAL)}),
    "manual": (a_line(S.MANUAL), PROVEN | PERSON_DECIDES),
    # Look-ups have waited before a person sees it.
    "manual, just sent": (a_line(S.MANUAL, last_sent_tick=NOW), PROVEN | PERSON_DECIDES),
    "manual, of a stranger": (
        a_line(S.MANUAL, foreign=True),
        without(PROVEN, E.LOOKUP_MATCHED) | PERSON_DECIDES,
    ),
    "rejected": (a_line(S.REJECTED), PROVEN),
    "cancelled": (a_line(S.CANCELLED), PROVEN),
    "placed by an answer": (a_line(S.PLACED), PROVEN_AGAIN | ANSWER_UNDONE | CONNECTION_UNDONE),
    **{
        f"placed by {evidence.value}": (a_line(S.PLACED, evidence=evidence.value), PROVEN_AGAIN | CONNECTION_UNDONE)
        for evidence in (E.LOOKUP_MATCHED, E.ORDER_OF_THIS_SEND, E.ORDER_SINCE_PLAN)
    },
    **{
        f"placed by {evidence.value}": (a_line(S.PLACED, evidence=evidence.value), PROVEN_AGAIN | CORRECTED)
        for evidence in (E.PERSON_PLACED, E.PERSON_CORRECTED, E.LATE_PROOF)
    },
}
"""Lines, and where each fact leads them; every other fact is refused."""


@pytest.mark.parametrize("kind", LEADS)
def test_each_fact_leads_where_money_says(kind: str) -> None:
    """Every fact about a line of every kind: the row taken, the state after it, and what stays with the line."""
    line, leads = LEADS[kind]
    for evidence in Evidence:
        outcome = told(line, evidence)
        if outcome.transition is None and evidence == line.evidence:
            assert not outcome.refusal, evidence
            continue
        assert seen(line, outcome) == leads.get(evidence), evidence


# Without a key: an answer proves a row, a person decides about the others, and no look-up says anything.
UNKEYED_PROVEN = {
    E.ANSWERED_PLACED: ("T12", S.PLACED),
    E.ANSWERED_DONE: ("T12", S.PLACED),
    E.LATE_PROOF: ("T12", S.PLACED),
}
UNKEYED_SENDING = {
    **without(SENDING, E.LOOKUP_MATCHED, E.ORDER_OF_THIS_SEND),
    E.ANSWERED_DONE: ("T3", S.PLACED),
    E.REFUSED_UNCLEAR: ("T5", S.UNKNOWN, "suspect"),
    E.BALANCE_SEEN: ("-", S.SENDING),
}
UNKEYED_UNKNOWN = {
    **UNKEYED_PROVEN,
    E.NO_LOOKUP: ("T10", S.MANUAL),
    E.BALANCE_SEEN: ("-", S.UNKNOWN),
    E.LEDGER_RESTORED: ("T15", S.UNKNOWN),
    E.LEDGER_COPIED: ("T15", S.UNKNOWN),
    E.UNWANTED: ("-", S.UNKNOWN, "unwanted"),
}
UNKEYED_MANUAL = UNKEYED_PROVEN | {E.BALANCE_SEEN: ("-", S.MANUAL)}
UNKEYED_AGAIN = dict.fromkeys((E.ANSWERED_PLACED, E.ANSWERED_DONE, E.LATE_PROOF, E.DELIVERY_SEEN), ("-", S.PLACED))
CANCELLABLE = {E.CANCEL_ASKED: ("T17", S.PLACED)}
CANCEL_ENDS = {
    E.CANCEL_DONE: ("T17", S.PLACED),
    E.CANCEL_REFUSED: ("T17", S.PLACED),
    E.CANCEL_LOST: ("-", S.PLACED),
    E.PERSON_CANCELLED: ("T17", S.PLACED),
    E.PERSON_KEPT: ("T17", S.PLACED),
}
UNKEYED_MANUAL = {**UNKEYED_PROVEN, E.BALANCE_SEEN: ("-", S.MANUAL)}
UNKEYED_LEADS = {
    "planned": (
        a_line(S.PLANNED),
        without(PLANNED, E.LOOKUP_MATCHED, E.ORDER_OF_THIS_SEND) | {E.ANSWERED_DONE: ("T12", S.PLACED)},
    ),
    "sending": (a_line(S.SENDING), UNKEYED_SENDING),
    "sending, in doubt": (
        a_line(S.SENDING, suspect=True),
        UNKEYED_SENDING
        | {
            E.REFUSED_NO_ORDER: ("T5", S.UNKNOWN),
            E.REFUSED_UNCLEAR: ("T5", S.UNKNOWN),
            E.OUTCOME_LOST: ("T6", S.UNKNOWN),
            E.SENDER_DIED: ("T7", S.UNKNOWN),
        },
    ),
    "unknown": (a_line(S.UNKNOWN), UNKEYED_UNKNOWN),
    "unknown, looked up in vain": (
        a_line(S.UNKNOWN, lookups=1, suspect=False),
        UNKEYED_UNKNOWN
        | {E.LEDGER_RESTORED: ("T15", S.UNKNOWN, "suspect"), E.LEDGER_COPIED: ("T15", S.UNKNOWN, "suspect")},
    ),
    "conflict": (a_line(S.CONFLICT), UNKEYED_PROVEN | {E.UNWANTED: ("-", S.CONFLICT, "unwanted")}),
    "manual": (a_line(S.MANUAL), UNKEYED_MANUAL | PERSON_DECIDES),
    "manual, just sent": (
        a_line(S.MANUAL, last_sent_tick=NOW - 99),
        UNKEYED_MANUAL | {E.PERSON_PLACED: ("T13", S.PLACED)},
    ),
    "manual, sent long enough ago": (a_line(S.MANUAL, last_sent_tick=NOW - 100), UNKEYED_MANUAL | PERSON_DECIDES),
    "manual, never sent": (a_line(S.MANUAL, last_sent_tick=None), UNKEYED_MANUAL | PERSON_DECIDES),
    "rejected": (a_line(S.REJECTED), UNKEYED_PROVEN),
    "cancelled": (a_line(S.CANCELLED), UNKEYED_PROVEN),
    "placed by an answer": (a_line(S.PLACED), UNKEYED_AGAIN | ANSWER_UNDONE | CONNECTION_UNDONE | CANCELLABLE),
    "placed by a person": (
        a_line(S.PLACED, evidence=E.PERSON_PLACED.value),
        UNKEYED_AGAIN | CORRECTED | CANCELLABLE,
    ),
    "placed by a person, about to be cancelled": (
        a_line(S.PLACED, evidence=E.PERSON_PLACED.value, delivery=Delivery.CANCELLING),
        UNKEYED_AGAIN | CANCEL_ENDS,
    ),
    "about to be cancelled": (
        a_line(S.PLACED, delivery=Delivery.CANCELLING),
        UNKEYED_AGAIN | ANSWER_UNDONE | CONNECTION_UNDONE | CANCEL_ENDS,
    ),
    "cancelled points": (
        a_line(S.PLACED, delivery=Delivery.CANCELLED),
        UNKEYED_AGAIN | ANSWER_UNDONE | CONNECTION_UNDONE,
    ),
    "placed without an id": (
        a_line(S.PLACED, order_id=None, evidence=E.ANSWERED_DONE.value, delivery=Delivery.DELIVERED),
        {E.ANSWERED_PLACED: ("T12", S.PLACED), E.ANSWERED_DONE: ("-", S.PLACED), E.LATE_PROOF: ("T12", S.PLACED)},
    ),
    "links, which have no id": (
        a_line(S.PLACED, order_id=None, evidence=E.ANSWERED_DONE.value, held=1),
        {E.ANSWERED_PLACED: ("T12", S.PLACED), E.ANSWERED_DONE: ("-", S.PLACED), E.PERSON_CLOSED: ("T18", S.PLACED)},
    ),
    "links, all of them": (
        a_line(S.PLACED, order_id=None, evidence=E.ANSWERED_DONE.value, held=2, delivery=Delivery.DELIVERED),
        {E.ANSWERED_PLACED: ("T12", S.PLACED), E.ANSWERED_DONE: ("-", S.PLACED)},
    ),
    "links, closed by a person": (
        a_line(S.PLACED, order_id=None, evidence=E.PERSON_CLOSED.value, held=1, delivery=Delivery.DELIVERED),
        {E.ANSWERED_PLACED: ("T12", S.PLACED), E.ANSWERED_DONE: ("-", S.PLACED)},
    ),
    "done by a person, and links came late": (
        a_line(S.PLACED, order_id=None, evidence=E.PERSON_PLACED.value, held=1, delivery=Delivery.DELIVERED),
        {E.ANSWERED_PLACED: ("T12", S.PLACED), E.ANSWERED_DONE: ("-", S.PLACED), E.PERSON_CORRECTED: ("T13", S.PLACED)},
    ),
}


@pytest.mark.parametrize("kind", UNKEYED_LEADS)
def test_without_a_key_no_look_up_leads_anywhere(kind: str) -> None:
    """Every fact about a line of every kind, where the ledger's calls have no key."""
    line, leads = UNKEYED_LEADS[kind]
    for evidence in Evidence:
        outcome = told(line, evidence, effect=EffectClass.UNKEYED)
        if outcome.transition is None and evidence == line.evidence:
            assert not outcome.refusal, evidence
            continue
        assert seen(line, outcome) == leads.get(evidence), evidence


@pytest.mark.parametrize(
    ("known", "told_now", "name"),
    [
        ({"delivery": Delivery.DELIVERED}, {"delivery": Delivery.PENDING}, "delivery"),
        ({"currency": "INR"}, {"amount_charged": Decimal(5)}, "currency"),
        ({"held": 2}, {"held": 1}, "held"),
    ],
)
def test_a_proof_keeps_no_fact_of_another(known: dict[str, object], told_now: dict[str, object], name: str) -> None:
    """What was known of a line without an id may be about another order than the one that is proven now."""
    nothing = {"delivery": Delivery.NONE, "amount_charged": None, "currency": "", "held": 0}
    line = a_line(S.PLACED, order_id=None, evidence=E.ANSWERED_DONE.value, **(nothing | known))
    facts = {"order_id": 7, "delivery": Delivery.NONE, "amount_charged": None, "currency": "", "held": 0} | told_now
    proven = told(line, E.ANSWERED_PLACED, effect=EffectClass.UNKEYED, **facts).line
    assert getattr(proven, name) == facts[name]


def test_an_id_that_a_person_adds_is_theirs() -> None:
    """Whoever named the id of points that had none may correct it."""
    unkeyed = EffectClass.UNKEYED
    nameless = a_line(S.PLACED, order_id=None, evidence=E.ANSWERED_DONE.value)
    named = told(nameless, E.LATE_PROOF, effect=unkeyed, order_id=7).line
    assert (named.order_id, named.evidence) == (7, E.LATE_PROOF.value)
    corrected = told(named, E.PERSON_CORRECTED, effect=unkeyed, order_id=8)
    assert (corrected.refusal, corrected.line.order_id) == ("", 8)


def test_only_an_id_names_points_without_one() -> None:
    """A late proof without an id adds nothing, and an order that is placed without an id is named by nobody."""
    nameless = a_line(S.PLACED, order_id=None, evidence=E.ANSWERED_DONE.value)
    blank = told(nameless, E.LATE_PROOF, effect=EffectClass.UNKEYED, order_id=None)
    assert (bool(blank.refusal), blank.line) == (True, nameless)
    order = told(nameless, E.LATE_PROOF, effect=EffectClass.KEYED, order_id=7)
    assert (order.alarm, order.line) == (True, nameless)


def test_links_have_no_id_to_contradict() -> None:
    """Links that are kept have no id, so an answer that names one is refused, and is no alarm."""
    links = a_line(S.PLACED, order_id=None, held=1, evidence=E.ANSWERED_PLACED.value)
    told_now = told(links, E.LATE_PROOF, effect=EffectClass.UNKEYED, order_id=7)
    assert (bool(told_now.refusal), told_now.alarm, told_now.line) == (True, False, links)


@pytest.mark.parametrize(("epoch", "superseded"), [(1, True), (3, False)])
def test_a_fact_of_an_earlier_claim_is_superseded(epoch: int, superseded: bool) -> None:
    """Its sender has lost the line to another one; a fact of a claim that is still to come is only refused."""
    line = a_line(S.SENDING, epoch=2)
    late = told(line, E.OUTCOME_LOST, epoch=epoch)
    assert (bool(late.refusal), late.superseded, late.line) == (True, superseded, line)
    assert not told(a_line(S.PLANNED), E.DELIVERY_SEEN).superseded


@pytest.mark.parametrize(("evidence", "error"), [(E.PERSON_PLACED, "seen in the dashboard"), (E.LOOKUP_MATCHED, "")])
def test_codes_do_not_replace_a_persons_reason(evidence: Evidence, error: str) -> None:
    """The codes of an order come later, and have no error; what a person wrote stays, any other error is over."""
    line = a_line(S.PLACED, order_id=7, evidence=evidence.value, error="seen in the dashboard")
    seen_now = told(line, E.DELIVERY_SEEN, order_id=7, delivery=Delivery.DELIVERED)
    assert (seen_now.refusal, seen_now.line.error) == ("", error)
    short = told(line, E.DELIVERY_SEEN, order_id=7, delivery=Delivery.DELIVERED, error="1 of 2 codes")
    assert short.line.error == "1 of 2 codes"
    nameless = a_line(S.PLACED, order_id=None, evidence=evidence.value, error="seen in the dashboard")
    named = told(nameless, E.ANSWERED_PLACED, effect=EffectClass.UNKEYED, order_id=7)
    assert seen(nameless, named) == ("T12", S.PLACED)
    assert not named.line.error  # the line has another proof now


def test_a_success_without_an_id_places_the_line() -> None:
    """Points that were sent without an id are sent; a later answer adds the id, and another id is an alarm."""
    unkeyed = EffectClass.UNKEYED
    done = told(a_line(S.SENDING), E.ANSWERED_DONE, effect=unkeyed, order_id=None, delivery=Delivery.DELIVERED).line
    assert (done.state, done.order_id, done.delivery) == (S.PLACED, None, Delivery.DELIVERED)
    named = told(done, E.ANSWERED_PLACED, effect=unkeyed, order_id=9).line
    assert (named.state, named.order_id, named.evidence) == (S.PLACED, 9, E.ANSWERED_PLACED.value)
    assert told(done, E.ANSWERED_PLACED, effect=unkeyed, order_id=None).transition is None
    assert told(named, E.ANSWERED_DONE, effect=unkeyed, order_id=None).line == named
    assert told(a_line(S.PLACED, order_id=None), E.ANSWERED_PLACED).alarm  # an order always has an id
    assert told(named, E.ANSWERED_PLACED, effect=unkeyed, order_id=8).alarm
    manual = a_line(S.MANUAL)
    assert seen(manual, told(manual, E.PERSON_PLACED, effect=unkeyed, order_id=None)) == ("T13", S.PLACED)
    for state in (S.MANUAL, S.PLACED):  # placed by a person who wants to correct that
        just_sent = a_line(state, last_sent_tick=NOW, evidence=E.PERSON_PLACED.value)
        for evidence in (E.PERSON_RESEND, E.PERSON_REJECTED):
            assert told(just_sent, evidence, effect=unkeyed).transition is None
    assert told(a_line(S.MANUAL), E.PERSON_PLACED, effect=unkeyed, order_id=None, reason=" ").transition is None
    assert told(a_line(S.PLANNED), E.ANSWERED_DONE, effect=unkeyed, epoch=0).line.state is S.PLACED


CANCEL_FACTS = [E.CANCEL_ASKED, E.CANCEL_DONE, E.CANCEL_REFUSED, E.CANCEL_LOST, E.PERSON_CANCELLED, E.PERSON_KEPT]


def cancelled_by(*evidences: Evidence, **facts: object) -> LedgerLine:
    """Return points after some facts about their cancellation, each of which must apply."""
    line = a_line(S.PLACED, delivery=Delivery.DELIVERED)
    for evidence in evidences:
        outcome = told(line, evidence, effect=EffectClass.UNKEYED, **facts)
        assert outcome.transition is not None, outcome.refusal
        line = outcome.line
    return line


@pytest.mark.parametrize(
    ("evidences", "delivery"),
    [
        ((E.CANCEL_ASKED,), Delivery.CANCELLING),
        ((E.CANCEL_ASKED, E.CANCEL_DONE), Delivery.CANCELLED),
        ((E.CANCEL_ASKED, E.CANCEL_REFUSED), Delivery.DELIVERED),
        ((E.CANCEL_ASKED, E.CANCEL_LOST), Delivery.CANCELLING),
        ((E.CANCEL_ASKED, E.CANCEL_LOST, E.PERSON_KEPT), Delivery.DELIVERED),
        ((E.CANCEL_ASKED, E.CANCEL_LOST, E.PERSON_CANCELLED), Delivery.CANCELLED),
        ((E.CANCEL_ASKED, E.CANCEL_REFUSED, E.CANCEL_ASKED, E.CANCEL_DONE), Delivery.CANCELLED),
        ((E.CANCEL_ASKED, E.CANCEL_LOST, E.PERSON_KEPT, E.CANCEL_ASKED), Delivery.CANCELLING),
        # A late answer to the send changes nothing of it.
        ((E.CANCEL_ASKED, E.ANSWERED_PLACED), Delivery.CANCELLING),
        ((E.CANCEL_ASKED, E.CANCEL_DONE, E.ANSWERED_PLACED), Delivery.CANCELLED),
    ],
)
def test_points_are_cancelled_by_the_vendors_word(evidences: tuple[Evidence, ...], delivery: Delivery) -> None:
    """They stay placed, with their id; without an answer the cancellation stays in doubt until a person settles it."""
    line = cancelled_by(*evidences, delivery=Delivery.DELIVERED)
    assert (line.state, line.order_id, line.delivery) == (S.PLACED, 7, delivery)
    assert line.evidence == E.ANSWERED_PLACED


@pytest.mark.parametrize("evidence", [E.CANCEL_DONE, E.PERSON_CANCELLED])
def test_cancelled_points_cost_nothing(evidence: Evidence) -> None:
    """Also after a late answer that tells their amount; as long as the cancellation is in doubt, they cost it."""
    unkeyed, told_again = EffectClass.UNKEYED, {"amount_charged": Decimal(50), "currency": "points"}
    line = told(a_line(S.PLACED), E.ANSWERED_PLACED, effect=unkeyed, **told_again).line
    line = told(line, E.CANCEL_ASKED, effect=unkeyed).line
    assert line.amount_charged == 50
    line = told(line, evidence, effect=unkeyed).line
    assert (line.amount_charged, line.currency) == (0, "points")
    assert told(line, E.ANSWERED_PLACED, effect=unkeyed, **told_again).line.amount_charged == 0
    unpriced = cancelled_by(E.CANCEL_ASKED, evidence)  # its answer named no amount
    assert (unpriced.amount_charged, unpriced.currency) == (0, "points")


def test_a_cancellation_in_doubt_is_not_repeated() -> None:
    """Neither are one that was answered, one without an id, and one of an order."""
    unkeyed = EffectClass.UNKEYED
    for line in (
        cancelled_by(E.CANCEL_ASKED),
        cancelled_by(E.CANCEL_ASKED, E.CANCEL_LOST),
        cancelled_by(E.CANCEL_ASKED, E.CANCEL_DONE),
        a_line(S.PLACED, order_id=None),
    ):
        assert told(line, E.CANCEL_ASKED, effect=unkeyed).transition is None
    assert told(a_line(S.PLACED), E.CANCEL_ASKED).transition is None
    for evidence in (E.PERSON_KEPT, E.PERSON_CANCELLED):
        assert told(cancelled_by(E.CANCEL_ASKED), evidence, effect=unkeyed, reason=" ").transition is None


@pytest.mark.parametrize("given", [8, None, 0])
@pytest.mark.parametrize("evidence", CANCEL_FACTS)
def test_a_cancellation_is_of_one_credit(evidence: Evidence, given: int | None) -> None:
    """The id may have been corrected since it was read; without one, nobody knows which credit was meant.

    What the vendor answered about another credit is an alarm. Before that, and for a person, the refusal is enough.
    """
    delivery = Delivery.DELIVERED if evidence is E.CANCEL_ASKED else Delivery.CANCELLING
    line = a_line(S.PLACED, delivery=delivery)
    outcome = told(line, evidence, effect=EffectClass.UNKEYED, order_id=given)
    assert (outcome.transition, bool(outcome.refusal), outcome.line) == (None, True, line)
    answered = evidence in {E.CANCEL_DONE, E.CANCEL_REFUSED, E.CANCEL_LOST}
    assert outcome.alarm == (answered and given == 8)


LEFT_OVER: dict[str, object] = {
    "attempts": 0,
    "suspect": False,
    "order_id": 7,
    "foreign": True,
    "lookups": 5,
    "last_lookup_at": SENT + 200,
    "last_sent_tick": SENT,
}
"""What opens rows of one state or another, all at once in one line; no ledger holds such a line."""

BY_STATE = {
    S.PLANNED: without(PLANNED, E.LOOKUP_MATCHED),
    S.SENDING: without(SENDING, E.LOOKUP_MATCHED),
    S.UNKNOWN: UNKNOWN,
    S.CONFLICT: CONFLICT,
    S.PLACED: PROVEN_AGAIN | CORRECTED,
    S.REJECTED: without(PROVEN, E.LOOKUP_MATCHED),
    S.MANUAL: without(PROVEN, E.LOOKUP_MATCHED) | PERSON_DECIDES,
    S.CANCELLED: without(PROVEN, E.LOOKUP_MATCHED),
}


@pytest.mark.parametrize("state", BY_STATE)
def test_the_state_decides_first(state: LineState) -> None:
    """What a line has kept of an earlier order or look-up opens no row of another state."""
    line = a_line(state, evidence=E.PERSON_PLACED.value, **LEFT_OVER)
    assert {fact for fact in Evidence if told(line, fact).transition} == set(BY_STATE[state])
    line = a_line(state, evidence=E.ANSWERED_PLACED.value, **LEFT_OVER)
    answered = PROVEN_AGAIN | ANSWER_UNDONE | CONNECTION_UNDONE if state is S.PLACED else BY_STATE[state]
    assert {fact for fact in Evidence if told(line, fact).transition} == set(answered)


# What must hold.


@pytest.mark.parametrize("order_id", [None, 0, -7])
def test_only_an_order_id_proves_an_order(order_id: int | None) -> None:
    """None, zero and a negative number name no order."""
    proofs = [E.ANSWERED_PLACED, E.LOOKUP_MATCHED, E.ORDER_OF_THIS_SEND, E.ORDER_SINCE_PLAN, E.LATE_PROOF]
    for state in (S.PLANNED, S.SENDING, S.UNKNOWN, S.CONFLICT, S.MANUAL):
        for evidence in (*proofs, E.PERSON_PLACED):
            outcome = told(a_line(state, foreign=evidence is E.LOOKUP_MATCHED), evidence, order_id=order_id)
            assert outcome.transition is None
            assert told(a_line(state), evidence, order_id=order_id).transition is None
    by_person = a_line(S.PLACED, evidence=E.PERSON_PLACED.value)
    assert told(by_person, E.PERSON_CORRECTED, order_id=order_id).transition is None
    assert told(a_line(S.SENDING), E.ANSWERED_PLACED, order_id=1).line.order_id == 1


def test_a_proof_without_an_order_adds_nothing() -> None:
    """A placed line takes news of its delivery without an order id; every other proof names the order."""
    for evidence in (E.ANSWERED_PLACED, E.LOOKUP_MATCHED, E.ORDER_OF_THIS_SEND, E.LATE_PROOF):
        line = a_line(S.PLACED, evidence=E.PERSON_PLACED.value)
        assert told(line, evidence, order_id=None).transition is None
    news = told(a_line(S.PLACED), E.DELIVERY_SEEN, order_id=None)
    assert news.transition is not None
    assert news.line.order_id == 7


@pytest.mark.parametrize("evidence", PROVEN_AGAIN)
def test_a_second_order_is_an_alarm(evidence: Evidence) -> None:
    """The stored order stays, and an alarm is raised (T12)."""
    line = a_line(S.PLACED)
    outcome = told(line, evidence, order_id=8)
    assert (outcome.transition, outcome.line, outcome.alarm) == (None, line, True)
    assert outcome.refusal == "order 7 is stored, and order 8 claims the same line"
    assert not told(a_line(S.CANCELLED), E.DELIVERY_SEEN, order_id=8).alarm
    assert not told(line, E.SLOT_IN_HAND).alarm
    assert not told(line, E.OUTCOME_LOST, order_id=0).alarm


@pytest.mark.parametrize("evidence", [E.ANSWER_DOUBTED, E.CONNECTION_DOUBTED])
@pytest.mark.parametrize("order_id", [None, 8])
def test_doubt_is_about_the_order_it_names(evidence: Evidence, order_id: int | None) -> None:
    """Doubt about another order leaves the line as it is (T16)."""
    assert told(a_line(S.PLACED), evidence, order_id=order_id).transition is None


@pytest.mark.parametrize("reason", ["", "  ", "\n"])
def test_a_person_gives_a_reason(reason: str) -> None:
    """Without one, no decision of a person is taken (T13)."""
    for evidence in PERSON_DECIDES:
        assert told(a_line(S.MANUAL), evidence, reason=reason).transition is None
    for evidence in CORRECTED:
        line = a_line(S.PLACED, evidence=E.PERSON_PLACED.value)
        assert told(line, evidence, reason=reason).transition is None


def test_a_restoring_ledger_adopts_the_order_it_finds() -> None:
    """`Rules.restore` is a person's word that the ledger replaces a lost one."""
    rules = msgspec.structs.replace(RULES, restore=True)
    for state in (S.UNKNOWN, S.CONFLICT, S.MANUAL, S.PLANNED):
        assert told(a_line(state, foreign=True), E.LOOKUP_MATCHED, rules=rules).line.state is S.PLACED


@pytest.mark.parametrize(
    "evidence",
    sorted(set(Evidence) - {E.ANSWERED_PLACED, E.ANSWERED_DONE, E.LOOKUP_MATCHED, E.ORDER_OF_THIS_SEND, E.LATE_PROOF}),
)
@pytest.mark.parametrize("epoch", [0, 2])
def test_a_fact_about_another_epoch_is_refused(evidence: Evidence, epoch: int) -> None:
    """The fence: only a proof of an order passes it."""
    for line, _ in LEADS.values():
        outcome = told(line, evidence, epoch=epoch)
        assert outcome.transition is None
        assert outcome.refusal == f"it is about epoch {epoch}, and the line is in epoch 1"


@pytest.mark.parametrize("evidence", [E.ANSWERED_PLACED, E.LOOKUP_MATCHED, E.ORDER_OF_THIS_SEND, E.LATE_PROOF])
def test_a_proof_of_an_order_passes_the_fence(evidence: Evidence) -> None:
    """It counts from any caller, however late."""
    assert told(a_line(S.PLANNED), evidence, epoch=0).line.state is S.PLACED


def test_a_repeated_fact_is_no_error() -> None:
    """It changes nothing. A claim told twice is refused, or two workers would hold one line."""
    line = told(a_line(S.SENDING), E.OUTCOME_LOST).line
    assert told(line, E.OUTCOME_LOST) == Outcome(None, line)
    claimed = told(a_line(S.PLANNED), E.SLOT_IN_HAND).line
    again = told(claimed, E.SLOT_IN_HAND, epoch=EPOCH)
    assert again == Outcome(None, claimed, "slot_in_hand does not apply to a sending line")


# Absence.


def absent(line: LedgerLine, *, at: float | None = None, now: float = NOW, rules: Rules = RULES) -> LedgerLine:
    """Tell a line that a look-up found no order."""
    return told(line, E.LOOKUP_ABSENT, at=at, now=now, rules=rules).line


@pytest.mark.parametrize(("after", "counts"), [(99.9, False), (100, True), (101, True)])
def test_absence_counts_after_the_settling_time(after: float, counts: bool) -> None:
    """From the moment at which the last byte may have left; a look-up that was made before it does not count later."""
    fresh = a_line(S.UNKNOWN, lookups=0, last_lookup_at=None)
    assert absent(fresh, now=SENT + after).lookups == counts
    assert absent(fresh, at=SENT + after).lookups == counts
    sure = msgspec.structs.replace(fresh, suspect=False)
    outcome = told(sure, E.LOOKUP_ABSENT, at=SENT + after)
    assert seen(sure, outcome) == ("-", S.UNKNOWN, *(["counted"] if counts else []))


@pytest.mark.parametrize(("after", "counts"), [(9.9, False), (10, True), (11, True)])
def test_look_ups_that_count_are_spaced(after: float, counts: bool) -> None:
    """Two in one moment are one."""
    line = a_line(S.CONFLICT, lookups=1, last_lookup_at=SENT + 200)
    later = absent(line, at=SENT + 200 + after)
    assert later.lookups == 1 + counts
    assert later.last_lookup_at == (SENT + 200 + after if counts else SENT + 200)


def test_a_future_look_up_counts_as_now() -> None:
    """A look-up cannot have been made later than now."""
    fresh = a_line(S.UNKNOWN, lookups=0, last_lookup_at=None)
    assert absent(fresh, at=NOW + 1000).last_lookup_at == NOW
    assert absent(fresh, at=NOW + 1000, now=SENT + 1).lookups == 0


def test_a_line_never_sent_has_no_absence() -> None:
    """Nothing can have settled."""
    line = a_line(S.UNKNOWN, last_sent_tick=None)
    assert absent(line) == line


@pytest.mark.parametrize(("lookups", "state"), [(0, S.UNKNOWN), (1, S.PLANNED), (5, S.PLANNED)])
def test_the_last_absence_plans_the_line_again(lookups: int, state: LineState) -> None:
    """Two look-ups that count are needed by these rules."""
    assert absent(a_line(S.UNKNOWN, lookups=lookups)).state is state


def test_the_rules_may_forbid_to_send_again() -> None:
    """Then a person decides about a line that looks absent."""
    never = msgspec.structs.replace(RULES, resend="never")
    line = absent(a_line(S.UNKNOWN), rules=never)
    assert (line.state, line.lookups) == (S.UNKNOWN, 3)


@pytest.mark.parametrize("evidence", [E.LEDGER_RESTORED, E.LEDGER_COPIED])
def test_a_pack_of_a_copy_is_never_absent(evidence: Evidence) -> None:
    """Another copy may have put its rows into other orders; a single row would be found under its poNumber."""
    assert absent(a_line(S.UNKNOWN, evidence=evidence.value, lines=2)).state is S.UNKNOWN
    assert absent(a_line(S.UNKNOWN, evidence=evidence.value, lines=1)).state is S.PLANNED
    assert absent(a_line(S.UNKNOWN, evidence=E.OUTCOME_LOST.value, lines=2)).state is S.PLANNED


@pytest.mark.parametrize("state", [S.UNKNOWN, S.CONFLICT])
@pytest.mark.parametrize(("lookups", "decides"), [(1, False), (2, True), (3, True)])
def test_history_decides_after_enough_look_ups(state: LineState, lookups: int, decides: bool) -> None:
    """The day's history alone proves no absence."""
    after = told(a_line(state, lookups=lookups), E.HISTORY_ABSENT).line
    assert after.state is (S.MANUAL if decides else state)


def test_the_next_look_waits_for_settling_and_spacing() -> None:
    """`next_look` says when an absence counts for the first time, and None once the look-ups are used up."""
    fresh = a_line(S.UNKNOWN, lookups=0, last_lookup_at=None)
    assert next_look(fresh, RULES) == SENT + 100
    assert next_look(msgspec.structs.replace(fresh, last_lookup_at=SENT + 95), RULES) == SENT + 105
    assert next_look(msgspec.structs.replace(fresh, last_lookup_at=SENT + 50), RULES) == SENT + 100
    assert next_look(msgspec.structs.replace(fresh, last_sent_tick=None), RULES) == 100
    assert next_look(msgspec.structs.replace(fresh, lookups=1), RULES) is not None
    assert next_look(msgspec.structs.replace(fresh, lookups=2), RULES) is None
    assert next_look(msgspec.structs.replace(fresh, lookups=3), RULES) is None


# What stays of what was known.


def test_a_claim_begins_a_send() -> None:
    """It counts an attempt, takes the writer's epoch, and forgets the look-ups of the send before it."""
    line = a_line(S.PLANNED, lookups=2, last_lookup_at=5.0)
    after = told(line, E.SLOT_IN_HAND).line
    assert (after.attempts, after.epoch, after.evidence) == (1, EPOCH, "slot_in_hand")
    assert (after.lookups, after.last_lookup_at) == (0, None)
    assert (after.last_sent_tick, after.last_sent_at, after.first_sent_at) == (NOW, NOW + 500, NOW + 500)
    again = told(msgspec.structs.replace(after, state=S.PLANNED, epoch=1), E.SLOT_IN_HAND, now=NOW + 50).line
    assert (again.attempts, again.first_sent_at, again.last_sent_at) == (2, NOW + 500, NOW + 550)


@pytest.mark.parametrize(("suspect", "first"), [(False, None), (True, 1.0)])
def test_a_send_not_processed_counts_as_none(suspect: bool, first: float | None) -> None:
    """Unless an earlier one is in doubt: then the first send stays known (T2)."""
    after = told(a_line(S.SENDING, suspect=suspect), E.NOT_PROCESSED).line
    assert (after.first_sent_at, after.attempts, after.epoch, after.last_sent_tick) == (first, 1, 1, SENT)


@pytest.mark.parametrize(
    "evidence", [E.ANSWERED_PLACED, E.REFUSED_UNCLEAR, E.OUTCOME_LOST], ids=["placed", "conflict", "unknown"]
)
def test_a_send_ends_when_its_answer_came(evidence: Evidence) -> None:
    """Bytes may have left until then, so absence is counted from there (T3, T5, T6)."""
    after = told(a_line(S.SENDING), evidence, at=SENT + 30).line
    assert (after.last_sent_tick, after.last_sent_at) == (SENT + 30, SENT + 530)
    assert (after.epoch, after.first_sent_at) == (1, 1.0)
    assert told(a_line(S.SENDING), evidence, at=None).line.last_sent_tick == NOW
    assert told(a_line(S.SENDING), evidence, at=NOW + 30).line.last_sent_tick == NOW


@pytest.mark.parametrize(
    ("at", "tick"),
    [(None, SENT + 60), (SENT + 5, SENT + 5), (SENT + 60, SENT + 60), (SENT + 61, SENT + 60), (SENT - 5, SENT)],
)
def test_a_dead_senders_last_byte_is_bounded(at: float | None, tick: float) -> None:
    """It left within MAX_HOLD_S of the claim, and before the sender was gone, where the store knows that (T7)."""
    assert MAX_HOLD_S == 60
    for now in (SENT + 65, NOW):
        after = told(a_line(S.SENDING), E.SENDER_DIED, at=at, now=now).line
        assert (after.last_sent_tick, after.last_sent_at, after.epoch) == (tick, tick + 500, EPOCH)
    unstamped = told(a_line(S.SENDING, last_sent_tick=None, last_sent_at=None), E.SENDER_DIED, at=at).line
    assert (unstamped.last_sent_tick, unstamped.last_sent_at) == (None, None)


def test_a_sender_is_not_gone_in_the_future() -> None:
    """A moment that has not come counts as now; without one, a byte may leave until the end of the hold."""
    assert told(a_line(S.SENDING), E.SENDER_DIED, at=NOW, now=SENT + 20).line.last_sent_tick == SENT + 20
    assert told(a_line(S.SENDING), E.SENDER_DIED, at=None, now=SENT + 20).line.last_sent_tick == SENT + 60


@pytest.mark.parametrize(
    ("line", "evidence", "epoch"),
    [
        (a_line(S.UNKNOWN), E.LEDGER_RESTORED, EPOCH),
        (a_line(S.UNKNOWN), E.LEDGER_COPIED, EPOCH),
        (a_line(S.PLANNED, lookups=2, last_lookup_at=5.0), E.LEDGER_COPIED, EPOCH),
        (a_line(S.PLACED, lookups=2, last_lookup_at=5.0), E.ANSWER_DOUBTED, 1),
        (a_line(S.PLACED, lookups=2, last_lookup_at=5.0), E.CONNECTION_DOUBTED, 1),
    ],
)
def test_new_doubt_counts_absence_anew(line: LedgerLine, evidence: Evidence, epoch: int) -> None:
    """The sender that nobody saw may have sent its last byte just now (T15, T16)."""
    after = told(line, evidence).line
    assert (after.last_sent_tick, after.last_sent_at, after.epoch) == (NOW, NOW + 500, epoch)
    assert (after.lookups, after.last_lookup_at) == (0, None)


def test_dates_are_rounded_to_milliseconds() -> None:
    """What a database gives back compares equal."""
    assert moment().date(1.23456) == 501.235
    assert Moment(now=NOW, epoch=1, rules=RULES).date(NOW) == NOW


ORDER = {"amount_charged": Decimal(90), "currency": "INR", "delivery": Delivery.DELIVERED, "held": 1}


@pytest.mark.parametrize("evidence", [E.ANSWER_DOUBTED, E.CONNECTION_DOUBTED, E.PERSON_RESEND, E.PERSON_REJECTED])
def test_a_line_that_loses_its_order_forgets_it(evidence: Evidence) -> None:
    """What was known of the order was about another one, or nobody knows."""
    by = E.PERSON_PLACED if evidence in CORRECTED else E.ANSWERED_PLACED
    after = told(a_line(S.PLACED, evidence=by.value, **ORDER), evidence).line
    assert (after.order_id, after.delivery, after.amount_charged, after.currency, after.held) == (
        None,
        Delivery.NONE,
        None,
        "",
        0,
    )


def test_a_correction_takes_the_order_it_names() -> None:
    """Nothing stays of the wrong one."""
    line = a_line(S.PLACED, evidence=E.PERSON_PLACED.value, **ORDER)
    after = told(line, E.PERSON_CORRECTED, order_id=8).line
    assert (after.order_id, after.delivery, after.amount_charged, after.currency, after.held) == (
        8,
        Delivery.NONE,
        None,
        "",
        0,
    )
    charged = told(line, E.PERSON_CORRECTED, order_id=8, amount_charged=Decimal(5)).line
    assert (charged.amount_charged, charged.currency) == (Decimal(5), "")


def test_a_proof_tells_of_the_order() -> None:
    """Its id, its charge, its delivery and its codes; the error that stood there goes."""
    line = a_line(S.UNKNOWN, error="lost", error_id="X")
    after = told(line, E.LOOKUP_MATCHED, **ORDER).line
    assert {name: getattr(after, name) for name in ORDER} == ORDER
    assert (after.order_id, after.error, after.error_id, after.evidence) == (7, "", "", "lookup_matched")
    assert after.last_sent_tick == SENT


def test_a_poorer_answer_unsays_no_richer_one() -> None:
    """A delivered order stays delivered, and keeps its charge and its codes."""
    line = a_line(S.PLACED, **ORDER)
    for evidence in PROVEN_AGAIN:
        after = told(line, evidence, delivery=Delivery.PENDING).line
        assert {name: getattr(after, name) for name in ORDER} == ORDER
    assert told(line, E.DELIVERY_SEEN, delivery=Delivery.NONE).line.delivery is Delivery.DELIVERED
    assert told(line, E.DELIVERY_SEEN, delivery=Delivery.CANCELLED).line.delivery is Delivery.CANCELLED
    assert told(a_line(S.PLACED), E.DELIVERY_SEEN, delivery=Delivery.DELIVERED).line.delivery is Delivery.DELIVERED
    cancelled = a_line(S.PLACED, delivery=Delivery.CANCELLED)
    assert told(cancelled, E.DELIVERY_SEEN, delivery=Delivery.PENDING).line.delivery is Delivery.PENDING


@pytest.mark.parametrize("charged", ["NaN", "Infinity"])
def test_a_charge_without_an_amount_is_ignored(charged: str) -> None:
    """The one that was known stays, with its currency."""
    after = told(a_line(S.PLACED, **ORDER), E.DELIVERY_SEEN, amount_charged=Decimal(charged), currency="EUR").line
    assert (after.amount_charged, after.currency) == (Decimal(90), "INR")


def test_a_later_charge_replaces_the_one_before() -> None:
    """It keeps the currency that was known where it names none."""
    line = a_line(S.PLACED, **ORDER)
    after = told(line, E.DELIVERY_SEEN, amount_charged=Decimal(80)).line
    assert (after.amount_charged, after.currency) == (Decimal(80), "INR")
    after = told(line, E.DELIVERY_SEEN, amount_charged=Decimal(2), currency="EUR").line
    assert (after.amount_charged, after.currency) == (Decimal(2), "EUR")
    assert told(line, E.DELIVERY_SEEN, currency="EUR").line.currency == "INR"


def test_codes_that_came_stay_counted() -> None:
    """An answer with fewer codes takes none away."""
    line = a_line(S.PLACED, **(ORDER | {"held": 3}))
    assert [told(line, E.DELIVERY_SEEN, held=held).line.held for held in (0, 2, 3, 4)] == [3, 3, 3, 4]


def test_an_error_is_kept_until_there_is_another() -> None:
    """A refusal in words, or by its id alone."""
    line = a_line(S.SENDING, error="before", error_id="OLD")
    assert told(line, E.OUTCOME_LOST).line.error == "before"
    by_id = told(line, E.REFUSED_NO_ORDER, error_id="NEW").line
    assert (by_id.error, by_id.error_id) == ("", "NEW")
    in_words = told(line, E.REFUSED_NO_ORDER, error="words").line
    assert (in_words.error, in_words.error_id) == ("words", "")
    placed = told(line, E.ANSWERED_PLACED, error="a code is missing", error_id="C").line
    assert (placed.error, placed.error_id) == ("a code is missing", "C")


def test_news_that_moves_nothing_leaves_the_evidence() -> None:
    """What placed a line is known for good: it says whether a person may correct it."""
    for evidence in PROVEN_AGAIN:
        assert told(a_line(S.PLACED), evidence).line.evidence == E.ANSWERED_PLACED
    assert told(a_line(S.UNKNOWN, evidence="outcome_lost"), E.UNWANTED).line.evidence == "outcome_lost"


# The table itself.


def test_every_state_is_reported_as_one_thing() -> None:
    """A placed line is issued or pending, so it is not among them."""
    assert REPORTED_AS == {
        S.PLANNED: "not_sent",
        S.CANCELLED: "not_sent",
        S.SENDING: "unknown",
        S.UNKNOWN: "unknown",
        S.CONFLICT: "unknown",
        S.MANUAL: "unknown",
        S.REJECTED: "rejected",
    }


def test_a_row_without_a_key_is_in_doubt() -> None:
    """Where a report calls it unknown; it is never in conflict."""
    assert {*UNKEYED_IN_DOUBT, S.CONFLICT} == {state for state, name in REPORTED_AS.items() if name == "unknown"}
    assert S.CONFLICT not in UNKEYED_IN_DOUBT


def test_another_table_decides_by_its_own_rows() -> None:
    """`decide` takes one, which shows what a row is for."""
    change = Change(seq=1, evidence=E.OUTCOME_LOST, epoch=1)
    assert decide(a_line(S.SENDING), change, moment(), ()).transition is None
    assert decide(a_line(S.SENDING), change, moment(), TRANSITIONS).transition is not None


def test_an_order_id_fits_a_database() -> None:
    """An order id fits a signed number of 64 bits."""
    assert MAX_ORDER_ID == 2**63 - 1


@pytest.mark.parametrize("evidence", CANCEL_FACTS)
def test_only_placed_points_can_be_cancelled(evidence: Evidence) -> None:
    """An order has no cancellation, and a row in another state none either, whatever an earlier one has left."""
    for delivery in (Delivery.DELIVERED, Delivery.CANCELLING):
        for state in set(LineState) - {S.PLACED}:
            line = a_line(state, order_id=7, delivery=delivery)
            assert told(line, evidence, effect=EffectClass.UNKEYED).transition is None
        assert told(a_line(S.PLACED, delivery=delivery), evidence).transition is None


def test_too_few_links_can_be_closed_though_delivered() -> None:
    """The answer said that nothing is to come, and its error what is missing. Without one, nothing is to be closed."""
    change = Change(seq=1, evidence=E.PERSON_CLOSED, epoch=1, reason="handed out", error="handed out")
    for error, number in (("1 of 2 links", "T18"), ("", None)):
        line = a_line(
            S.PLACED, order_id=None, evidence=E.ANSWERED_DONE.value, delivery=Delivery.DELIVERED, held=1, error=error
        )
        outcome = decide(line, change, moment(effect=EffectClass.UNKEYED))
        assert (outcome.transition.number if outcome.transition else None) == number
    for state in set(LineState) - {S.PLACED}:
        other = msgspec.structs.replace(line, state=state, error="1 of 2 links")
        assert decide(other, change, moment(effect=EffectClass.UNKEYED)).transition is None


def test_a_closed_row_keeps_its_links() -> None:
    """Nothing is still to come, the reason replaces the doubt, and what was charged stays unless the person knows."""
    line = a_line(S.PLACED, order_id=None, evidence=E.ANSWERED_DONE.value, held=1, error="1 of 2 links")
    change = Change(seq=1, evidence=E.PERSON_CLOSED, epoch=1, reason="handed out", error="handed out")
    closed = decide(line, change, moment(effect=EffectClass.UNKEYED)).line
    assert (closed.state, closed.delivery, closed.held) == (S.PLACED, Delivery.DELIVERED, 1)
    assert (closed.evidence, closed.error) == (E.PERSON_CLOSED.value, "handed out")
    without_reason = msgspec.structs.replace(change, reason=" ")
    assert decide(line, without_reason, moment(effect=EffectClass.UNKEYED)).refusal
    assert decide(line, change, moment()).refusal  # an order's codes are fetched
