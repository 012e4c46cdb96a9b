"""`handlers.points`: points are sent, counted and cancelled, each answer with its own success flag."""

from typing import Any

import pytest

from tests.unit.sandbox.handlers.servers import FlatServer
from xoxo_async.sandbox.handlers import as_openapi

ADA = {"to_name": "Ada", "to_email": "ada@b.example", "amount": "5"}
BOB = {"to_name": "Bob", "to_email": "bob@b.example", "amount": "7"}


def send(server: FlatServer, *recipients: object) -> Any:
    """Send points to the recipients."""
    return server.ask("sendBalance", sender_email="boss@b.example", recipients=list(recipients))


def points(server: FlatServer, email: str) -> int:
    """Return the points of a user."""
    total: int = server.ask("user_balance", email=email)["data"]["total"]
    return total


def test_points_are_credited_and_added_up(flat: FlatServer) -> None:
    """Every credit has its own id, and a user without credits has 0 points."""
    sent = send(flat, ADA, BOB)
    assert sent["error"] is False
    assert len({row["unique_id"] for row in sent["recipients"]}) == 2
    send(flat, ADA)
    assert (points(flat, "ada@b.example"), points(flat, "bob@b.example"), points(flat, "eve@b.example")) == (
        10,
        7,
        0,
    )


@pytest.mark.parametrize("wrong", [{**BOB, "to_email": "bob"}, {**BOB, "amount": "1.5"}, {**BOB, "amount": -1}, "Bob"])
def test_one_invalid_recipient_stops_all_credits(flat: FlatServer, wrong: object) -> None:
    """The answer is `error: true`, and no credit is made."""
    assert send(flat, ADA, wrong) == {"error": True, "message": "invalid recipient", "recipients": []}
    assert (flat.state.points.credits, points(flat, "ada@b.example")) == ({}, 0)


@pytest.mark.parametrize("recipients", [None, [], "ada@b.example"])
def test_points_need_recipients_and_a_sender(flat: FlatServer, recipients: object) -> None:
    """The answer is `error: true` if either is missing."""
    assert flat.ask("sendBalance", sender_email="boss@b.example", recipients=recipients)["error"] is True
    assert flat.ask("sendBalance", recipients=[ADA])["error"] is True


def test_a_credit_is_cancelled_once(flat: FlatServer) -> None:
    """An unknown or cancelled credit fails alone, and the answer as a whole is not an error."""
    unique_id = send(flat, ADA)["recipients"][0]["unique_id"]
    asked = [{"unique_id": unique_id}, {"unique_id": unique_id}, {"unique_id": 1}, "rubbish"]
    done = flat.ask("cancelBalance", recipients=asked)
    assert done["error"] is False
    assert [row["success"] for row in done["recipients"]] == [True, False, False, False]
    assert points(flat, "ada@b.example") == 0


def test_points_come_out_of_the_account() -> None:
    """A call over the points that are left gives none; a cancelled credit comes back."""
    server = FlatServer(balance=1)  # ten points
    assert send(server, ADA, {**BOB, "amount": "6"})["message"] == "insufficient points"
    assert (server.state.points_left, points(server, "ada@b.example")) == (10, 0)
    (credit,) = send(server, ADA)["recipients"]
    assert server.state.points_left == 5
    server.ask("cancelBalance", recipients=[{"unique_id": credit["unique_id"]}])
    assert server.state.points_left == 10


def test_the_case_of_an_address_makes_no_user(flat: FlatServer) -> None:
    """An address in other letters is the same user."""
    send(flat, ADA, {**ADA, "to_email": "ADA@B.example"})
    assert points(flat, "Ada@b.Example") == 10


def test_a_points_balance_needs_a_user(flat: FlatServer) -> None:
    """Without e-mail and phone the answer is `success: 0`; either one is enough."""
    assert flat.ask("user_balance")["success"] == 0
    assert flat.ask("user_balance", phone="+91-9")["success"] == 1


def test_the_openapi_dialect_omits_the_address(flat: FlatServer) -> None:
    """A credit has only the fields that the file lists, and other replies do not change."""
    sent = send(flat, ADA)
    (row,) = as_openapi("sendBalance", sent)["recipients"]  # type: ignore[index]
    assert set(row) == {"unique_id", "points", "name", "phone_code", "phone_number"}
    assert set(sent["recipients"][0]) - set(row) == {"email"}
    assert as_openapi("cancelBalance", sent) is sent
