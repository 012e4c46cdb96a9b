"""`dealing`: which line gets which code, and what only a person can judge, with no database."""

import msgspec

from tests.unit.bulk.ledger.facts import codes
from xoxo_async.bulk.ledger.dealing import Claim, Dealing
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine, LineState

MARKS = {name: number for number, name in enumerate(["A", "B", "C", "D"], 1)}


def line(seq: int, pieces: int = 1) -> LedgerLine:
    """Return a placed line."""
    body = f'{{"quantity":{pieces}}}'
    return LedgerLine(seq, f"k{seq}", f"po{seq}", "d", body, seq, state=LineState.PLACED, order_id=seq * 100)


def told(one: LedgerLine, *names: str, said: Delivery = Delivery.DELIVERED) -> Change:
    """Return an answer that lists codes."""
    return Change(seq=one.seq, evidence=Evidence.DELIVERY_SEEN, epoch=0, delivery=said, codes=codes(*names))


def dealing_with(*answers: tuple[LedgerLine, Change], kept: dict[int, bytes] | None = None) -> Dealing:
    """Return the codes of one transaction in which every fact was accepted."""
    dealing = Dealing(MARKS.__getitem__)
    dealing.give(kept or {})
    for one, change in answers:
        dealing.merge(change, one)
        dealing.keep(one)
    return dealing


def names(dealing: Dealing) -> dict[int, list[str]]:
    """Return what lines hold."""
    return {seq: [code.code for code in held] for seq, held in dealing.dealt().items()}


def test_the_codes_say_whether_an_order_is_delivered() -> None:
    """Whatever the answer says of itself, unless its delivery was cancelled."""
    dealing = Dealing(MARKS.__getitem__)
    assert dealing.merge(told(line(1, 2), "A"), line(1, 2)).delivery is Delivery.PENDING
    after = dealing.merge(told(line(1, 2), "A", "B", said=Delivery.PENDING), line(1, 2))
    assert (after.delivery, after.held) == (Delivery.DELIVERED, 2)
    cancelled = told(line(1, 2), "A", "B", said=Delivery.CANCELLED)
    assert dealing.merge(cancelled, line(1, 2)).delivery is Delivery.CANCELLED


def test_only_accepted_facts_deal_codes() -> None:
    """A refused fact leaves nothing to claim, keep or report."""
    dealing = Dealing(MARKS.__getitem__)
    dealing.merge(told(line(1), "A"), line(1))
    assert dealing.is_empty
    dealing.keep(msgspec.structs.replace(line(1), state=LineState.UNKNOWN))
    assert dealing.is_empty
    assert dealing.claims() == ([], [])


def test_codes_held_already_are_not_claimed() -> None:
    """What it holds stays in its place, and new codes come after it."""
    one = line(1, 2)
    dealing = dealing_with((one, told(one, "B")), kept={1: codes("A")})
    assert dealing.claims().dealt == [(2, 1)]
    ((seq, stored),) = dealing.codes_to_keep()
    assert (seq, [code.code for code in stored]) == (1, ["A", "B"])
    assert dealing_with((one, told(one, "A")), kept={1: codes("A")}).codes_to_keep() == []


def test_a_refused_code_is_an_alarm() -> None:
    """The next code takes its place; the alarm names both orders, and no code."""
    one, owner = line(1, 2), line(5)
    dealing = dealing_with((one, told(one, "A", "B", "C")))
    assert dealing.claims().listed == [(1, 1), (2, 1), (3, 1)]  # too many to be its own: none is dealt
    refused: dict[Claim, int] = {(1, 1): 5}
    dealing.refuse(refused)
    assert names(dealing) == {1: ["B", "C"]}
    assert dealing.claims() == ([(2, 1), (3, 1)], [])
    assert dealing.owners() == {5}
    (alarm,) = dealing.alarms({1: one}, {5: owner})
    assert alarm.transition == "!"
    assert alarm.reason == (
        "order 100 (row 1, key k1) lists a voucher code that order 500 (row 5, key k5) has: it stays there"
    )
    assert (alarm.after.held, alarm.after.delivery, alarm.after.error) == (2, Delivery.DELIVERED, alarm.reason)


def test_a_line_without_its_code_is_pending() -> None:
    """One card cannot serve two orders."""
    one = line(1)
    dealing = dealing_with((one, told(one, "A")))
    dealing.refuse({(1, 1): 5})
    (alarm,) = dealing.alarms({1: one}, {5: line(5)})
    assert (alarm.after.held, alarm.after.delivery) == (0, Delivery.PENDING)
    assert names(dealing) == {1: []}


def test_too_many_codes_are_an_alarm() -> None:
    """It is not known which of them are the order's own."""
    one = line(1)
    dealing = dealing_with((one, told(one, "A", "B")))
    (alarm,) = dealing.alarms({1: one}, {})
    assert "cannot all be its own" in alarm.reason
    assert names(dealing) == {1: []}


def test_a_lost_order_takes_its_codes_along() -> None:
    """A correction names another order, whose codes are other ones."""
    one = line(1)
    dealing = dealing_with((one, told(one, "A")), kept={1: codes("A")})
    dealing.lose(1)
    assert dealing.is_empty
    dealing.merge(told(one, "B"), one, anew=True)
    dealing.keep(one)
    assert names(dealing) == {1: ["B"]}


def test_codes_that_are_no_text_cost_no_proof() -> None:
    """The order exists; its codes can be fetched again."""
    dealing = Dealing(MARKS.__getitem__)
    change = msgspec.structs.replace(told(line(1)), codes=b"\xff")
    assert dealing.merge(change, line(1)).delivery is Delivery.PENDING


def linked(one: LedgerLine, *names: str, error: str = "") -> Change:
    """Return the answer of a call that made links."""
    return Change(seq=one.seq, evidence=Evidence.ANSWERED_DONE, epoch=0, codes=codes(*names), error=error)


def test_an_answer_short_of_links_is_an_alarm() -> None:
    """The row keeps what came, and the alarm has the words of the answer: no look-up brings the rest."""
    one = msgspec.structs.replace(line(1, 2), order_id=None)
    dealing = dealing_with((one, linked(one, "A", error="1 of 2 links: no call gives the others")))
    assert names(dealing) == {1: ["A"]}
    assert dealing.claims().dealt == [(1, 1)]
    (alarm,) = dealing.alarms({1: one}, {})
    assert alarm.reason == "row 1 (key k1) lists 1 of 2 links: no call gives the others"
    whole = dealing_with((one, linked(one, "A", "B")))
    assert whole.alarms({1: one}, {}) == []


def test_a_link_of_another_row_is_an_alarm() -> None:
    """It stays where it was dealt first; the words of the answer are an alarm as well."""
    one, owner = (msgspec.structs.replace(line(seq, 2), order_id=None) for seq in (1, 5))
    dealing = dealing_with((one, linked(one, "A", error="1 of 2 links")))
    dealing.refuse({(1, 1): 5})
    assert names(dealing) == {1: []}
    assert [alarm.reason for alarm in dealing.alarms({1: one}, {5: owner})] == [
        "row 1 (key k1) lists a link that row 5 (key k5) has: it stays there",
        "row 1 (key k1) lists 1 of 2 links",
    ]
