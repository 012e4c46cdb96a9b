"""`handlers_flat`: points, campaigns, links and the operator look-up, each with a success flag of its own."""

from decimal import Decimal
from typing import Any

import pytest

from xoxo_async.sandbox.handlers_flat import FLAT_HANDLERS, as_openapi
from xoxo_async.sandbox.state import State

ADA = {"to_name": "Ada", "to_email": "ada@b.example", "amount": "5"}
BOB = {"to_name": "Bob", "to_email": "bob@b.example", "amount": "7"}
BATCH: dict[str, object] = {"campaignId": 7001, "links_quantity": 2, "link_expiry": "31-12-2099"}


class Server:
    """The books of a server, and its answers."""

    def __init__(self) -> None:
        self.state = State(seed=1, balance=Decimal(0), path=None)

    def ask(self, operation: str, **data: object) -> Any:
        return FLAT_HANDLERS[operation](self.state, data)

    def send(self, *recipients: object) -> Any:
        return self.ask("sendBalance", sender_email="boss@b.example", recipients=list(recipients))

    def points(self, email: str) -> int:
        total: int = self.ask("user_balance", email=email)["data"]["total"]
        return total


@pytest.fixture
def server() -> Server:
    return Server()


def test_points_are_given_to_each_and_add_up(server: Server) -> None:
    """Every credit has an id of its own; a user nobody gave anything has none."""
    sent = server.send(ADA, BOB)
    assert sent["error"] is False
    assert len({row["unique_id"] for row in sent["recipients"]}) == 2
    server.send(ADA)
    assert (server.points("ada@b.example"), server.points("bob@b.example"), server.points("eve@b.example")) == (
        10,
        7,
        0,
    )


@pytest.mark.parametrize("wrong", [{**BOB, "to_email": "bob"}, {**BOB, "amount": "1.5"}, {**BOB, "amount": -1}, "Bob"])
def test_one_wrong_recipient_means_that_nobody_gets_any(server: Server, wrong: object) -> None:
    """`error: true`, and no credit was made."""
    assert server.send(ADA, wrong) == {"error": True, "message": "invalid recipient", "recipients": []}
    assert (server.state.credits, server.points("ada@b.example")) == ({}, 0)


@pytest.mark.parametrize("recipients", [None, [], "ada@b.example"])
def test_points_need_recipients_and_a_sender(server: Server, recipients: object) -> None:
    """`error: true` without either."""
    assert server.ask("sendBalance", sender_email="boss@b.example", recipients=recipients)["error"] is True
    assert server.ask("sendBalance", recipients=[ADA])["error"] is True


def test_a_credit_is_taken_back_once(server: Server) -> None:
    """Each by itself: one that is gone or never was fails alone, and the answer as a whole is no error."""
    unique_id = server.send(ADA)["recipients"][0]["unique_id"]
    asked = [{"unique_id": unique_id}, {"unique_id": unique_id}, {"unique_id": 1}, "rubbish"]
    done = server.ask("cancelBalance", recipients=asked)
    assert done["error"] is False
    assert [row["success"] for row in done["recipients"]] == [True, False, False, False]
    assert server.points("ada@b.example") == 0


def test_points_of_nobody_are_a_failure(server: Server) -> None:
    """`success: 0` without an address and a phone; either will do."""
    assert server.ask("user_balance")["success"] == 0
    assert server.ask("user_balance", phone="+91-9")["success"] == 1


def test_campaigns_are_listed_by_whether_they_are_in_use(server: Server) -> None:
    """By offset; the list says how many there are in all."""
    page = server.ask("campaignList", limit=2)
    assert (len(page["data"]), page["count"]) == (2, 3)
    rest = server.ask("campaignList", limit=2, offset=2)
    assert [row["campaignId"] for row in (*page["data"], *rest["data"])] == [7001, 7002, 7003]
    assert [row["campaignId"] for row in server.ask("campaignList", enabled=0)["data"]] == [7004]
    assert [row["campaignId"] for row in server.ask("campaignList", name="summer")["data"]] == [7002]


def test_a_campaign_tells_what_it_offers_and_an_unknown_one_nothing(server: Server) -> None:
    """A success without rows, not a failure."""
    (found,) = server.ask("campaignDetails", campaignId="7001")["data"]
    assert [product["name"] for product in found["vouchers"]] == ["Corner Shop", "Book Nook"]
    assert server.ask("campaignDetails", campaignId=1) == {"success": 1, "data": []}


def test_links_are_made_and_none_twice(server: Server) -> None:
    """Asked the same again, there are two more."""
    first, second = server.ask("generateLink", **BATCH), server.ask("generateLink", **BATCH)
    assert first["success"] == second["success"] == 1
    assert len({*first["links"], *second["links"]}) == len(server.state.links) == 4
    assert first["batchId"] != second["batchId"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"campaignId": 1},
        {"campaignId": 7004},
        {"links_quantity": 0},
        {"links_quantity": 10_001},
        {"links_quantity": "many"},
        {"link_expiry": "2099-12-31"},
        {"link_expiry": None},
    ],
)
def test_a_batch_that_makes_no_sense_makes_no_links(server: Server, wrong: dict[str, object]) -> None:
    """`success: 0`, for a campaign that is switched off as well."""
    assert server.ask("generateLink", **{**BATCH, **wrong})["success"] == 0
    assert server.state.links == []


def test_a_link_is_mailed_to_each_address_and_shown_to_nobody(server: Server) -> None:
    """The answer has no link; a list without an address is a failure that mails nothing."""
    given = {**BATCH, "email_ids": "a@b.example, c@d.example,rubbish"}
    sent = server.ask("generateLinkEmail", **given)
    assert sent["success"] == 1
    assert "links" not in sent
    assert (server.state.link_mails, len(server.state.links)) == (["a@b.example", "c@d.example"], 2)
    assert server.ask("generateLinkEmail", **{**given, "email_ids": "rubbish"})["success"] == 0
    assert len(server.state.link_mails) == 2


def test_a_number_has_an_operator_and_what_is_no_number_has_none(server: Server) -> None:
    """The status is a word here."""
    found = server.ask("lookupMobileNumber", mobile_number="+919800000000")
    assert (found["status"], found["parentProductId"]) == ("success", 1024)
    for wrong in ("919800000000", "+91 98", "", None):
        assert server.ask("lookupMobileNumber", mobile_number=wrong)["status"] == "failure"


def test_the_openapi_dialect_leaves_the_address_out_of_a_credit(server: Server) -> None:
    """No more fields than the file lists; other replies are the same."""
    sent = server.send(ADA)
    (row,) = as_openapi("sendBalance", sent)["recipients"]  # type: ignore[index]
    assert set(row) == {"unique_id", "points", "name", "phone_code", "phone_number"}
    assert set(sent["recipients"][0]) - set(row) == {"email"}
    assert as_openapi("cancelBalance", sent) is sent
