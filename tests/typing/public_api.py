"""mypy and pyright check here that the public API has the types that its users expect; nothing runs this file."""

from collections.abc import AsyncIterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import assert_type

import msgspec

from xoxo_async import (
    PRODUCTION,
    STAGING,
    AirmilesDetails,
    ClientCredentials,
    EffectClass,
    FileTokenStore,
    LoggingHook,
    MemoryTokenStore,
    Operation,
    Order,
    Page,
    PointsRecipient,
    PostgresTokenStore,
    RateLimits,
    RefreshToken,
    RetryPolicy,
    Secret,
    StaticToken,
    Timeouts,
    VoucherCode,
    XoxoClient,
    XoxoError,
    errors,
)
from xoxo_async.auth import Exchange, Token, TokenProvider, TokenStore
from xoxo_async.bulk import (
    BulkIssuer,
    LineSettled,
    OrderLine,
    Pause,
    RunFinished,
    RunPaused,
    SqliteLedger,
    read_orders,
)
from xoxo_async.hooks import Event, Hook
from xoxo_async.integrations.webhook import Delivery, HookAnswer, WebhookReceiver
from xoxo_async.operation import Dispatch
from xoxo_async.sandbox import BookedOrder, Books, Sandbox
from xoxo_async.services.account import Balance, Payment, StorefrontToken, TokenInfo
from xoxo_async.services.catalog import FilterGroup, MobileOperator, Perk, Voucher
from xoxo_async.services.links import Campaign, LinkBatch, LinksSent
from xoxo_async.services.orders import OrderSummary
from xoxo_async.services.points import PointsBalance, PointsCancelled, PointsCredit, PointsSent
from xoxo_async.wire import DeliveryStatus, RawReply

ADDRESSES: tuple[str, ...] = (PRODUCTION, STAGING)


class Ask(msgspec.Struct):
    """A request struct of a caller's."""


class Answer(msgspec.Struct):
    """Its reply."""

    value: Decimal


OWN = Operation("own", query="q.own", request=Ask, reply=Answer, effect=EffectClass.READ)
OWN_LIST = Operation("rows", query="q.rows", request=Ask, reply=tuple[Answer, ...], effect=EffectClass.READ)


def hook(event: Event, /) -> None:
    """A function is a hook."""
    assert_type(event, Event)


class Store:
    """A caller's token store needs these three methods and nothing else."""

    async def load(self) -> Token | None:
        """Return the pair."""
        return None

    async def save(self, token: Token, /) -> None:
        """Keep the pair."""

    def lock(self) -> "Lock":
        """Keep other users out."""
        return Lock()


class Lock:
    """An asynchronous context manager."""

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...


class Provider:
    """A caller's token provider."""

    async def obtain(self, exchange: Exchange, rejected: Token | None, /) -> Token:
        """Return a token."""
        answer = await exchange("/v1/oauth/token", b"", "application/json")
        assert_type(answer.body, bytes)
        return Token(Secret("t"))


def credentials() -> None:
    """A class with `obtain` is a provider, and a class with `load`, `save` and `lock` is a store."""
    store: TokenStore = Store()
    stores: list[TokenStore] = [store, MemoryTokenStore(), FileTokenStore("pair.json"), FileTokenStore(Path("p"))]
    stores.append(PostgresTokenStore("postgresql://host/db", lease_s=5))
    providers: list[TokenProvider] = [
        Provider(),
        ClientCredentials("id", "secret"),
        StaticToken("token"),
        RefreshToken("id", "secret", "refresh"),
        RefreshToken("id", "secret", store=stores[0], family="company"),
    ]
    hooks: list[Hook] = [hook, LoggingHook()]
    client = XoxoClient(
        providers[0],
        base_url=PRODUCTION,
        timeouts=Timeouts(order_s=150),
        rate_limits=RateLimits(place_order=6000),
        retry=RetryPolicy(attempts=3),
        max_connections=256,
        session=None,
        hooks=hooks,
    )
    assert_type(client, XoxoClient)
    assert_type(XoxoClient.from_env(), XoxoClient)
    assert_type(client.base_url, str)


async def orders(xoxo: XoxoClient) -> None:
    """Orders and their codes."""
    order = await xoxo.orders.place(
        product_id=1, denomination="12.50", po_number="PO-1", quantity=2, details=AirmilesDetails(loyalty_member_id="M")
    )
    assert_type(order, Order)
    assert_type(order.order_id, int)
    assert_type(order.po_number, str)
    assert_type(order.delivery_status, DeliveryStatus)
    assert_type(order.amount_charged, Decimal | None)
    assert_type(order.order_discount, Decimal | None)
    assert_type(order.vouchers, tuple[VoucherCode, ...])
    assert_type(order.vouchers[0].code, Secret)
    assert_type(order.vouchers[0].pin.reveal(), str)
    assert_type(order.vouchers[0].valid_to, date | None)
    assert_type(order.order_date, datetime | None)
    assert_type(order.extra, dict[str, object])
    assert_type(await xoxo.orders.get(order_id=1), Order)
    assert_type(await xoxo.orders.find("PO-1"), Order | None)
    assert_type(await xoxo.orders.settle("PO-1"), Order | None)
    day = date(2026, 3, 1)
    assert_type(await xoxo.orders.list_history(day, day), Page[OrderSummary])
    assert_type(xoxo.orders.iterate_history(day, day), AsyncIterator[OrderSummary])


async def the_rest(xoxo: XoxoClient) -> None:
    """Account, catalog, points, links."""
    day = date(2026, 3, 1)
    assert_type(await xoxo.account.get_balance(), Balance)
    assert_type((await xoxo.account.get_balance()).value, Decimal)
    assert_type(await xoxo.account.list_payments(day, day), Page[Payment])
    assert_type(xoxo.account.iterate_payments(day, day), AsyncIterator[Payment])
    assert_type(await xoxo.account.check_token(), TokenInfo)
    assert_type((await xoxo.account.check_token()).expires_at, datetime | None)
    assert_type(await xoxo.account.create_storefront_token("u", unique_id="1", auth_token="k"), StorefrontToken)
    assert_type(await xoxo.catalog.list_filters("country", include=["usa"]), list[FilterGroup])
    page = await xoxo.catalog.list_vouchers(country="usa", category="perks")
    assert_type(page, Page[Voucher])
    assert_type(page.raw, RawReply | None)
    assert_type(page.extra, tuple[dict[str, object], ...])
    assert_type(page.count, int | None)
    assert_type(next(iter(page)), Voucher)
    assert_type(page.items[0].denominations, tuple[Decimal, ...])
    assert_type(page.items[0].metadata, Perk | None)
    assert_type(page.items[0].tat_in_days, str)
    assert_type(xoxo.catalog.iterate_vouchers(), AsyncIterator[Voucher])
    assert_type(await xoxo.catalog.get_voucher(1), Voucher)
    assert_type(await xoxo.catalog.lookup_mobile_number("+12125550100"), MobileOperator)
    assert_type(await xoxo.points.get_balance(email="a@b.example"), PointsBalance)
    sent = await xoxo.points.send(
        sender_email="a@b.example", recipients=[PointsRecipient(name="A", email="a@b.example", amount=5)]
    )
    assert_type(sent, PointsSent)
    assert_type(sent.recipients, tuple[PointsCredit, ...])
    assert_type(await xoxo.points.cancel([1]), PointsCancelled)
    batch = await xoxo.links.generate(campaign_id=1, quantity=1, expires_on=day)
    assert_type(batch, LinkBatch)
    assert_type(batch.links, tuple[Secret, ...])
    assert_type(await xoxo.links.send(campaign_id=1, emails=["a@b.example"], expires_on=day), LinksSent)
    assert_type(await xoxo.links.list_campaigns(), Page[Campaign])
    assert_type(xoxo.links.iterate_campaigns(), AsyncIterator[Campaign])
    assert_type(await xoxo.links.get_campaign(1), Campaign)


async def own_operations(xoxo: XoxoClient) -> None:
    """The reply of a caller's operation has its own type."""
    assert_type(await xoxo.dispatch(OWN, Ask()), Answer)
    assert_type(await xoxo.dispatch(OWN_LIST, Ask()), tuple[Answer, ...])
    dispatch: Dispatch = xoxo.dispatcher
    assert_type(await dispatch(OWN, Ask()), Answer)


def failures(error: XoxoError) -> None:
    """Every error has `effect` and `retryable`."""
    assert_type(error.effect, errors.Effect)
    assert_type(error.retryable, bool)
    assert_type(error.operation, str)
    assert_type(error.attempts, int)
    assert_type(error.po_number, str | None)
    assert_type(error.status, int | None)
    assert_type(error.error_id, str)
    if isinstance(error, errors.RateLimitedError):
        assert_type(error.retry_after_s, float | None)


async def bulk(xoxo: XoxoClient) -> None:
    """A run returns a report."""
    async with SqliteLedger("march.db") as ledger:
        issuer = BulkIssuer(xoxo, ledger, job="march")
        report = await issuer.run(read_orders("orders.csv"))
        report = await issuer.run([OrderLine(key="1", product_id=1, denomination=Decimal(5))])
        assert_type(report.rows, int)
        assert_type(report.issued + report.pending + report.rejected + report.unknown + report.not_sent, int)


def events(event: Event) -> None:
    """A hook tells events apart by their class and reads their fields."""
    match event:
        case LineSettled():
            assert_type(event.state, str)
            assert_type(event.order_id, int | None)
            assert_type(event.charged, Decimal | None)
        case RunPaused():
            assert_type(event.pause, Pause)
        case RunFinished():
            assert_type(event.issued, int)
            assert_type(event.elapsed_s, float)
        case _:
            assert_type(event.level, int)


async def with_hooks() -> None:
    """Any callable that takes an event is a hook."""
    async with XoxoClient.from_env(hooks=[events]) as client:
        assert_type(client.hooks, tuple[Hook, ...])


async def hooks_and_sandbox(xoxo: XoxoClient) -> None:
    """The webhook returns the status that it read back, and the sandbox its booked orders."""

    async def on_delivery(delivery: Delivery) -> None:
        assert_type(delivery.delivery_status, DeliveryStatus | None)
        assert_type(delivery.claimed_status, DeliveryStatus)
        assert_type(delivery.order, Order | None)

    receiver = WebhookReceiver("key-of-thirteen", on_delivery, orders=xoxo.orders)
    assert_type(await receiver.take(b""), HookAnswer)
    async with Sandbox() as sandbox:
        assert_type(sandbox.books(), Books)
        assert_type(sandbox.order("PO-1"), BookedOrder | None)
