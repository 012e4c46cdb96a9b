"""Every form that the vendor's pages show of one answer: nested, flat under `data`, and bare.

The bodies are ours, written form by form from the documented field tables. Each is read through the public services.
"""

import json
from collections.abc import Awaitable, Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from xoxo_async import RateLimits, RetryPolicy, Timeouts, errors
from xoxo_async.dispatcher import Dispatcher
from xoxo_async.pacing import Pacer
from xoxo_async.services.account import AccountService
from xoxo_async.services.catalog import CatalogService
from xoxo_async.services.links import LinkService
from xoxo_async.services.points import PointService, PointsRecipient
from xoxo_async.transport.http import Answer

pytestmark = pytest.mark.anyio

DAY = date(2027, 12, 31)


class Session:
    """Answers every attempt with one body."""

    has_token = True
    secrets = ()

    def __init__(self, body: object) -> None:
        self.body = json.dumps(body).encode()

    async def send(self, *_: object) -> Answer:
        return Answer(200, self.body, None, None)


def road(body: object) -> Dispatcher:
    return Dispatcher(
        Session(body),  # type: ignore[arg-type]
        pacer=Pacer(RateLimits.unlimited()), retry=RetryPolicy(attempts=1), timeouts=Timeouts(),
    )  # fmt: skip


def forms(key: str, flag: dict[str, object], fields: dict[str, object]) -> list[dict[str, object]]:
    """Return one answer in each place: under its key, one level deeper, flat under `data`, and bare."""
    inner = {**flag, **fields}
    return [
        {"data": {key: inner}},
        {"data": {key: {**flag, "message": None, "data": fields}}},
        {"data": inner},
        {"data": {**flag, "data": fields}},
        inner,
        {**flag, "data": fields},
    ]


def flagless(key: str, fields: dict[str, object]) -> list[dict[str, object]]:
    """Return the fields without a flag: under the key, and directly under `data`."""
    return [{"data": {key: fields}}, {"data": fields}]


CREDIT: dict[str, object] = {
    "unique_id": 5, "email": "a@b.example", "points": 50, "name": "Jane", "phone_code": "+91", "phone_number": "90000",
}  # fmt: skip
SENT = {"error": False, "message": "points sent"}


async def send(body: object) -> Any:
    recipients = [PointsRecipient(name="Jane", email="a@b.example", amount=50)]
    return await PointService(road(body)).send(sender_email="admin@b.example", recipients=recipients)


@pytest.mark.parametrize(
    "body",
    [
        *forms("sendBalance", SENT, CREDIT),
        *forms("sendBalance", SENT, {"recipients": [CREDIT]}),
        *flagless("sendBalance", CREDIT),
        *flagless("sendBalance", {"recipients": [CREDIT]}),
    ],
    ids=json.dumps,
)
async def test_points_sent(body: object) -> None:
    """The id that cancels a credit is read from one receiver's fields or from a list, with a flag or without."""
    (credit,) = (await send(body)).recipients
    assert (credit.unique_id, credit.points, credit.email, credit.name) == (5, 50, "a@b.example", "Jane")


@pytest.mark.parametrize(
    "body",
    [
        {"data": {}},
        {"data": {"message": "points sent"}},
        {"data": {"unique_id": None, "points": None}},
        {"data": {"unique_id": 0}},
        {"data": [CREDIT]},
        {"message": "points sent"},
    ],
    ids=json.dumps,
)
async def test_points_without_flag_and_id_are_in_doubt(body: object) -> None:
    """An answer without flag and id proves neither success nor failure, so a person must look."""
    with pytest.raises(errors.OutcomeUnknownError):
        await send(body)


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"error": True, "message": "no such sender"}},
        {"data": {"success": 0, "message": "no such sender", "data": None}},
        {"error": True, "message": "no such sender"},
    ],
    ids=json.dumps,
)
async def test_points_refused_in_the_flat_form(body: object) -> None:
    """A refusal in words is a refusal in every form."""
    with pytest.raises(errors.RefusedError, match="no such sender"):
        await send(body)


ROW: dict[str, object] = {"unique_id": 5, "success": True, "message": "cancelled"}
DONE = {"error": False}


@pytest.mark.parametrize(
    "body",
    [
        *forms("cancelBalance", DONE, {"recipients": [ROW]}),
        *forms("cancelBalance", DONE, ROW),
        *flagless("cancelBalance", {"recipients": [ROW]}),
        *flagless("cancelBalance", ROW),
    ],
    ids=json.dumps,
)
async def test_points_cancelled(body: object) -> None:
    """The results are read from a list, or from the fields of a single result."""
    (row,) = (await PointService(road(body)).cancel([5])).recipients
    assert (row.unique_id, row.success, row.message) == (5, True, "cancelled")


async def test_one_failed_cancellation_is_reported() -> None:
    """A failed cancellation in a list belongs to its row; a single one is a refusal."""
    row = {**ROW, "success": False, "message": "spent"}
    (told,) = (await PointService(road({"data": {"error": False, "recipients": [row]}})).cancel([5])).recipients
    assert told.success is False
    with pytest.raises(errors.RefusedError, match="spent"):
        await PointService(road({"data": row})).cancel([5])


@pytest.mark.parametrize("total", [1500, 0, "15.5"])
async def test_points_balance(total: object) -> None:
    """`total` is read from `data`, beside the flag or alone, and an empty account has 0."""
    for body in (
        *forms("user_balance", {"success": 1}, {"total": total}),
        *flagless("user_balance", {"total": total}),
    ):
        found = await PointService(road(body)).get_balance(email="a@b.example")
        assert found.total == Decimal(str(total)), body


@pytest.mark.parametrize("nested", [True, False])
async def test_a_points_balance_of_nobody(nested: bool) -> None:
    """The documented failure inside `data` is read with and without the operation's key."""
    inner = {"success": 0, "message": "missing user's details", "data": None}
    body = {"data": {"user_balance": inner} if nested else inner}
    with pytest.raises(errors.RefusedError, match="missing user's details"):
        await PointService(road(body)).get_balance(phone="+91")


BATCH: dict[str, object] = {
    "message": "made", "links": ["https://l.example/1"], "batchId": "b1", "campaignName": "Summer", "campaignId": "7",
    "denomination_value": 10, "countryName": "USA", "currencyCode": "USD",
}  # fmt: skip


@pytest.mark.parametrize(
    "body", [*forms("generateLink", {"success": 1}, BATCH), *flagless("generateLink", BATCH)], ids=json.dumps
)
async def test_links_made(body: object) -> None:
    """Links are shown once, so they are read in every place."""
    batch = await LinkService(road(body)).generate(campaign_id=7, quantity=1, expires_on=DAY)
    assert [link.reveal() for link in batch.links] == ["https://l.example/1"]
    assert (batch.campaign_id, batch.batch_id) == (7, "b1")


@pytest.mark.parametrize("key", ["generateLink", "generateLinkEmail"])
async def test_links_mailed(key: str) -> None:
    """The answer has no links, so only a flag proves that it worked."""
    fields: dict[str, object] = {"campaignName": "Summer", "campaignId": "7"}
    for body in forms(key, {"success": 1}, fields):
        sent = await LinkService(road(body)).send(campaign_id=7, emails=["a@b.example"], expires_on=DAY)
        assert sent.campaign_id == 7, body
    for body in flagless(key, fields):
        with pytest.raises(errors.OutcomeUnknownError):
            await LinkService(road(body)).send(campaign_id=7, emails=["a@b.example"], expires_on=DAY)


ROWS: dict[str, tuple[str, dict[str, object], dict[str, object], Callable[[Dispatcher], Awaitable[Any]]]] = {
    "campaigns": (
        "campaignList", {"success": 1}, {"campaignId": "7", "campaignName": "Summer"},
        lambda dispatch: LinkService(dispatch).list_campaigns(),
    ),
    "payments": (
        "paymentHistory", {"status": 1}, {"invoice_number": "N1", "reference_id": "r1"},
        lambda dispatch: AccountService(dispatch).list_payments(DAY, DAY),
    ),
    "payments, other name": (
        "getPaymentReport", {"status": 1}, {"invoice_number": "N1", "reference_id": "r1"},
        lambda dispatch: AccountService(dispatch).list_payments(DAY, DAY),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("rows", [0, 1])
async def test_rows_in_every_form(name: str, rows: int) -> None:
    """Rows are read in `data` beside the flag, under the key, under `data`, and without the envelope."""
    key, flag, row, read = ROWS[name]
    listed = [row] * rows
    for body in (
        {"data": {key: {**flag, "data": listed}}},
        {"data": {key: listed}},
        {"data": {**flag, "data": listed}},
        {"data": listed},
        {**flag, "data": listed},
    ):
        assert len(await read(road(body))) == rows, body


@pytest.mark.parametrize("bare", [True, False])
async def test_a_campaign_in_every_form(bare: bool) -> None:
    """The details are a list of one, with or without the operation's key."""
    inner: dict[str, object] = {"success": 1, "data": [{"campaignId": 7, "vouchers": [{"name": "Books"}]}]}
    body = {"data": inner if bare else {"campaignDetails": inner}}
    assert (await LinkService(road(body)).get_campaign(7)).vouchers[0].name == "Books"


OPERATORS: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "the table": ({"status": "success"}, {"phone": "+491", "network_operator": "Tel", "is_active": True,
                                          "parentProductId": 88}),
    "the playground": ({"status": 1}, {"operator": "Tel", "countryCode": "DE", "productId": 88}),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATORS)
async def test_an_operator_in_both_sets_of_fields(name: str) -> None:
    """Both sets of field names are read in every place, with a word or a number as the flag."""
    flag, fields = OPERATORS[name]
    for body in (*forms("lookupMobileNumber", flag, fields), *flagless("lookupMobileNumber", fields)):
        found = await CatalogService(road(body)).lookup_mobile_number("+4930123456")
        assert (found.network_operator, found.parent_product_id) == ("Tel", 88), body


@pytest.mark.parametrize("status", ["failure", 0, "0"])
async def test_an_operator_that_is_not_known(status: object) -> None:
    """The failure is a refusal in every place."""
    inner = {"status": status, "message": "unknown number"}
    for body in ({"data": {"lookupMobileNumber": inner}}, {"data": inner}, inner):
        with pytest.raises(errors.RefusedError, match="unknown number"):
            await CatalogService(road(body)).lookup_mobile_number("+4930123456")


async def test_filters_under_the_name_that_perks_have() -> None:
    """Filters of perks are read under the key `fetchFilters`."""
    body = {"data": {"fetchFilters": {"status": 1, "data": [{"filterGroupCode": "offer_category", "filters": []}]}}}
    (group,) = await CatalogService(road(body)).list_filters()
    assert group.filter_group_code == "offer_category"
