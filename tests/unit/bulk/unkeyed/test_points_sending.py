"""`points_sending`: rows become one call, and each credit of its answer is one row's."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine
from xoxo_async.bulk.unkeyed.points_sending import PointsBody, PointsSending
from xoxo_async.bulk.unkeyed.sending import encode_body
from xoxo_async.errors import ConfigError
from xoxo_async.services.persons import Person
from xoxo_async.services.points import SEND_POINTS, PointsSent

E = Evidence
SENDING = PointsSending("admin@example.com", 12)


def line(seq: int, points: int = 100, *, email: str | None = None, sender: str = "admin@example.com") -> LedgerLine:
    body = PointsBody(
        denomination=Decimal(points), email=email or f"p{seq}@example.com", name=f"N{seq}", sender_email=sender
    )
    return LedgerLine(seq, f"k{seq}", f"points:k{seq}", "", encode_body(body).decode(), seq, epoch=3)


def answer(*credits_: dict[str, Any], **flat: Any) -> PointsSent:
    """Return an answer as the vendor's would be read."""
    body = {"data": {"sendBalance": {"error": False, "message": "points sent", **flat}}}
    if credits_:
        body["data"]["sendBalance"]["recipients"] = list(credits_)
    reply = SEND_POINTS.read(msgspec.json.encode(body))
    assert reply is not None
    return reply


def credit(seq: int, points: object = 100, **other: object) -> dict[str, Any]:
    return {"unique_id": 900 + seq, "email": f"p{seq}@example.com", "points": points, "name": f"N{seq}"} | other


def told(changes: Sequence[Change]) -> list[tuple[Evidence, int | None]]:
    return [(change.evidence, change.order_id) for change in changes]


def test_a_call_has_one_recipient_a_row() -> None:
    """The amount is a text on the wire; sender and expiry are those of the rows."""
    body = SENDING.body({"amount": "500", "email": "a@b.example", "name": "A", "citation": "thanks"}, refuse)
    assert body is not None
    sent = SENDING.request([msgspec.structs.replace(line(1), body=encode_body(body).decode()), line(2, 7)])
    assert (sent.sender_email, sent.expiry_month) == ("admin@example.com", 12)
    assert [(one.to_email, one.to_name, one.amount, one.citation) for one in sent.recipients] == [
        ("a@b.example", "A", "500", "thanks"),
        ("p2@example.com", "N2", "7", ""),
    ]


def refuse(column: str, error: ConfigError) -> None:
    raise AssertionError(f"{column}: {error.message}")


def test_a_stored_row_is_what_was_planned() -> None:
    """A ledger counts and groups it by the fields that rows of all kinds share."""
    body = SENDING.body({"amount": Decimal(12), "email": "A@b.example", "name": "A", "phone": "+91 98"}, refuse)
    assert body is not None
    stored = encode_body(body).decode()
    assert stored.startswith('{"productId":0,"denomination":12,"quantity":1,"email":"A@b.example"')
    assert SENDING.decode(stored) == body
    assert (SENDING.persons(body), SENDING.worth(body)) == ((Person("email", "a@b.example"),), Decimal(12))
    reached = msgspec.structs.replace(body, phone="+91-98765 43210")
    assert SENDING.persons(reached) == (Person("email", "a@b.example"), Person("phone", "919876543210"))


def test_rows_of_two_senders_share_no_call() -> None:
    """A call has one sender and one expiry."""
    assert SENDING.fit(line(1), line(2))
    assert not SENDING.fit(line(1), line(2, sender="other@example.com"))


def test_each_credit_is_one_rows() -> None:
    """By address, whatever its case, and by amount; the order of the answer does not count."""
    lines = [line(1), line(2, 200), line(3)]
    changes = SENDING.changes(lines, answer(credit(3), credit(1, email="P1@EXAMPLE.com"), credit(2, "200")))
    assert told(changes) == [(E.ANSWERED_PLACED, 901), (E.ANSWERED_PLACED, 902), (E.ANSWERED_PLACED, 903)]
    assert {(one.delivery, one.currency, one.epoch) for one in changes} == {(Delivery.DELIVERED, "points", 3)}
    assert [one.amount_charged for one in changes] == [Decimal(100), Decimal(200), Decimal(100)]


def test_one_credit_settles_one_row() -> None:
    """Two rows of one address never share a credit: the second is in doubt."""
    lines = [line(1), line(2, email="p1@example.com")]
    assert told(SENDING.changes(lines, answer(credit(1)))) == [(E.ANSWERED_PLACED, 901), (E.OUTCOME_LOST, None)]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (credit(1, 99), "the answer credits 99 points to this address, and 100 were asked for"),
        (credit(7), "the answer has credits for other rows of the call and none for this one"),
    ],
)
def test_a_row_without_its_credit_is_in_doubt(given: dict[str, Any], why: str) -> None:
    """The words name no address."""
    first, second = SENDING.changes([line(1), line(2)], answer(given, credit(2)))
    assert (first.evidence, first.error) == (E.OUTCOME_LOST, why)
    assert second.evidence is E.ANSWERED_PLACED


def test_a_credit_may_be_denied() -> None:
    """A success of the call as a whole does not outweigh the no about one recipient."""
    first, second = SENDING.changes([line(1), line(2)], answer(credit(1, success=0), credit(2, success=1)))
    assert (first.evidence, first.error) == (
        E.OUTCOME_LOST,
        "the answer names this credit, and says that it was not made",
    )
    assert second.evidence is E.ANSWERED_PLACED
    (alone,) = SENDING.changes([line(1)], answer(credit(1, email=None, success=False)))
    assert alone.evidence is E.OUTCOME_LOST


def test_more_credits_than_rows_are_doubt() -> None:
    """Somebody may have got points that nobody asked for: a person sees it, with the ids that the answer names."""
    doubts = SENDING.changes([line(1), line(2)], answer(credit(1), credit(2), credit(1, unique_id=910)))
    assert told(doubts) == [(E.OUTCOME_LOST, None), (E.OUTCOME_LOST, None)]
    assert [one.error for one in doubts] == [
        "the answer has 3 credits, and fewer were asked for; for this row it has the unique id 901, 910",
        "the answer has 3 credits, and fewer were asked for; for this row it has the unique id 902",
    ]


def test_a_success_without_credits_is_done_for_all() -> None:
    """The vendor's quick start shows such an answer; then no id is known."""
    changes = SENDING.changes([line(1), line(2)], answer())
    assert told(changes) == [(E.ANSWERED_DONE, None), (E.ANSWERED_DONE, None)]
    assert [one.amount_charged for one in changes] == [Decimal(100), Decimal(100)]


@pytest.mark.parametrize("unique_id", [None, 0, -5, 2**63])
def test_an_impossible_id_names_no_credit(unique_id: int | None) -> None:
    """The points were sent all the same."""
    given = credit(1, unique_id=unique_id)
    (change,) = SENDING.changes([line(1)], answer(given))
    assert (change.evidence, change.order_id) == (E.ANSWERED_DONE, None)


def test_a_flat_answer_is_one_credit() -> None:
    """The vendor's field table has the fields of a credit beside the flag."""
    reply = answer(unique_id=77, points=100, email="p1@example.com")
    assert told(SENDING.changes([line(1)], reply)) == [(E.ANSWERED_PLACED, 77)]


def test_credits_without_addresses_go_by_place() -> None:
    """The OpenAPI file lists none: as many credits as rows, each with its row's points, are theirs."""
    given = [credit(1, email=None), credit(2, 200, email=None)]
    assert told(SENDING.changes([line(1), line(2, 200)], answer(*given))) == [
        (E.ANSWERED_PLACED, 901),
        (E.ANSWERED_PLACED, 902),
    ]
    for wrong in (given[:1], [given[1], given[0]]):
        doubts = SENDING.changes([line(1), line(2, 200)], answer(*wrong))
        assert told(doubts) == [(E.OUTCOME_LOST, None), (E.OUTCOME_LOST, None)]


def test_planning_needs_a_sender() -> None:
    """Rows in a ledger have theirs."""
    PointsSending("admin@example.com").require_terms()
    with pytest.raises(ConfigError, match="sender_email is missing"):
        PointsSending().require_terms()
    with pytest.raises(ConfigError, match="sender_email must be one e-mail address"):
        PointsSending("nobody")
    with pytest.raises(ConfigError, match="expiry_month must be a whole number"):
        PointsSending("a@b.example", 0)
