"""A client without a network, and an issuer of small jobs over it."""

from collections.abc import AsyncIterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from tests.unit.bulk.running.servers import Server
from xoxo_async import errors
from xoxo_async.bulk import BulkIssuer, OrderLine, SqliteLedger
from xoxo_async.bulk.planning.totals import PlanTotals
from xoxo_async.services.account import Balance
from xoxo_async.services.catalog import Voucher
from xoxo_async.services.orders import Order, OrderSummary, VoucherCode
from xoxo_async.transport.connections import Attempt
from xoxo_async.wire import Secret


def delivered(order_id: int) -> Order:
    voucher = VoucherCode(product_id=1, voucher_code_=Secret(f"C{order_id}"))
    return Order(order_id=order_id, quantity=1, vouchers=(voucher,))


class Shop:
    """A catalog in which each product costs its face value."""

    async def list_vouchers(self, *, product_ids: Sequence[int], **_given: object) -> list[Voucher]:
        return [Voucher(product_id=number, name="Shop", currency_code="INR") for number in product_ids]


class Client(Server):
    """A client whose vendor knows every order it answered, and may be made to lose an answer, or the order as well."""

    def __init__(self) -> None:
        super().__init__()
        self.max_connections = 100
        self.base_url, self.account_fingerprint = "https://plum.test/chef", "f1"
        self.orders = self.account = self
        self.catalog = Shop()
        self.books: dict[str, Order] = {}
        self.looked_up: list[str] = []
        self.refuses: errors.XoxoError | None = None
        self.balance: Balance | errors.XoxoError = Balance(value=Decimal(5), currency="INR")

    async def once(self, operation: Any, request: Any, /, *, attempt: Attempt) -> Order:
        answered = await super().once(operation, request, attempt=attempt)
        order = self.books[msgspec.json.decode(request)["poNumber"]] = delivered(answered.order_id)
        return order

    async def find(self, po_number: str) -> Order | None:
        self.looked_up.append(po_number)
        if self.refuses is not None:
            raise self.refuses
        return self.books.get(po_number)

    async def get(self, *, order_id: int) -> Order:
        for order in self.books.values():
            if order.order_id == order_id:
                return order
        raise errors.NotFoundError(f"there is no order {order_id}")

    async def iterate_history(self, _start: date, _end: date) -> AsyncIterator[OrderSummary]:
        for order in ():
            yield order

    async def get_balance(self) -> Balance:
        if isinstance(self.balance, errors.XoxoError):
            raise self.balance
        return self.balance

    def loses(self, *answers: int, booked: bool) -> None:
        """Lose some answers, counted from 1; their orders are in the books, or never were."""

        async def happen(po_number: str) -> None:
            nth = len(self.sent)
            if nth in answers:
                if booked:
                    self.books[po_number] = delivered(nth)
                raise errors.ReplyLostError("gone")

        self.happens = happen


def issuer(client: Client, ledger: SqliteLedger, **settings: Any) -> BulkIssuer:
    """Return an issuer without a catalog, for which two absences count at once."""
    return BulkIssuer(client, ledger, **{"job": "march", "check": False, "settle_s": 0, "concurrency": 1, **settings})  # type: ignore[arg-type]


def lines(*keys: str) -> list[OrderLine]:
    return [OrderLine(key=key, product_id=1, denomination=Decimal(100)) for key in keys]


async def broke(_po_number: str) -> None:
    raise errors.InsufficientFundsError("too low", effect="possible", error_id="PLE10010")


async def contents(ledger: SqliteLedger) -> tuple[object, ...]:
    """Return the whole state of a ledger, with journal and identity."""
    journal = [row async for row in ledger.journal()]
    return await ledger.counts(), journal, [line async for line in ledger.lines()], ledger.job, ledger.identity


class DeclinedError(Exception):
    """A person said no."""


async def say_no(_totals: PlanTotals) -> None:
    raise DeclinedError


def refuses_known(client: Client) -> None:
    """Have the vendor refuse a poNumber it knows."""
    known = set(client.books)

    async def happen(po_number: str) -> None:
        if po_number in known:
            raise errors.DuplicatePoNumberError("known", error_id="PLE10004", effect="possible")
        known.add(po_number)

    client.happens = happen


def budgeted(client: Client, ledger: SqliteLedger, **settings: Any) -> BulkIssuer:
    """Return an issuer that reads prices."""
    return BulkIssuer(client, ledger, job="march", settle_s=0, concurrency=1, **settings)  # type: ignore[arg-type]
