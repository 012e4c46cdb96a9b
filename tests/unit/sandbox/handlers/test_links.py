"""`handlers.links`: campaigns, and links made or mailed for them."""

from decimal import Decimal

import pytest

from tests.unit.sandbox.handlers.servers import FlatServer

BATCH: dict[str, object] = {"campaignId": 7001, "links_quantity": 2, "link_expiry": "31-12-2099"}


def test_campaigns_are_listed_by_whether_enabled(flat: FlatServer) -> None:
    """The list is cut by offset and tells how many campaigns there are in all."""
    page = flat.ask("campaignList", limit=2)
    assert (len(page["data"]), page["count"]) == (2, 3)
    rest = flat.ask("campaignList", limit=2, offset=2)
    assert [row["campaignId"] for row in (*page["data"], *rest["data"])] == [7001, 7002, 7003]
    assert [row["campaignId"] for row in flat.ask("campaignList", enabled=0)["data"]] == [7004]
    assert [row["campaignId"] for row in flat.ask("campaignList", name="summer")["data"]] == [7002]


def test_a_campaign_has_products_and_unknown_has_none(flat: FlatServer) -> None:
    """An unknown campaign is a success without rows, not a failure."""
    (found,) = flat.ask("campaignDetails", campaignId="7001")["data"]
    assert [product["name"] for product in found["vouchers"]] == ["Corner Shop", "Book Nook"]
    assert flat.ask("campaignDetails", campaignId=1) == {"success": 1, "data": []}


def test_the_same_request_makes_new_links(flat: FlatServer) -> None:
    """The same request made twice makes four different links."""
    first, second = flat.ask("generateLink", **BATCH), flat.ask("generateLink", **BATCH)
    assert first["success"] == second["success"] == 1
    assert len({*first["links"], *second["links"]}) == len(flat.state.links.all()) == 4
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
def test_an_invalid_batch_makes_no_links(flat: FlatServer, wrong: dict[str, object]) -> None:
    """The answer is `success: 0`, also for a campaign that is not enabled."""
    assert flat.ask("generateLink", **{**BATCH, **wrong})["success"] == 0
    assert flat.state.links.all() == []


def test_a_mailed_link_is_not_shown(flat: FlatServer) -> None:
    """The answer has no link; a list without an address is a failure and mails nothing."""
    given = {**BATCH, "email_ids": "a@b.example, c@d.example,rubbish"}
    sent = flat.ask("generateLinkEmail", **given)
    assert sent["success"] == 1
    assert "links" not in sent
    assert flat.state.books().link_mails == {"a@b.example": 1, "c@d.example": 1}
    assert len(flat.state.links.all()) == 2
    assert flat.ask("generateLinkEmail", **{**given, "email_ids": "rubbish"})["success"] == 0
    assert flat.state.books().link_mails == {"a@b.example": 1, "c@d.example": 1}


def test_links_that_cannot_be_paid_are_refused(flat: FlatServer) -> None:
    """The account pays when it sends: 100 INR a link, and ten dollars at the catalog's rate."""
    assert flat.ask("generateLink", **(BATCH | {"campaignId": 7002}))["success"] == 1
    assert flat.state.balance == 100_000 - 2 * 10 * Decimal("83.25")
    refused = flat.ask("generateLink", **(BATCH | {"links_quantity": 999}))
    assert (refused["success"], refused["message"]) == (0, "insufficient balance")
