"""A vendor whose books a test writes by hand, and a ledger's lines that agree with them."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec

from tests.unit.bulk.ledger.facts import planned
from tests.unit.bulk.ledger.ledgers import each
from xoxo_async import errors
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine, PlannedLine
from xoxo_async.bulk.ledger.protocol import Identity, PlanTerms
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.proving.facts import LineFacts, OrderFacts, Scope
from xoxo_async.paging import Page
from xoxo_async.services.account.replies import Payment
from xoxo_async.services.orders.replies import Order, OrderProduct, OrderSummary, VoucherDetail
from xoxo_async.wire.enums import DeliveryStatus

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp()
SCOPE = Scope("march", date(2026, 3, 9), date(2026, 3, 11), NOW + 3600)


def line(number: int, **other: object) -> LineFacts:
    """Return a placed line that agrees with `order(number)`."""
    facts: dict[str, object] = {
        "po_number": f"po-{number:04}",
        "key": f"k{number}",
        "row": number,
        "lines": 1,
        "state": "placed",
        "order_id": 1000 + number,
        "product_id": 1001,
        "denomination": Decimal(100),
        "quantity": 2,
        "charged": Decimal("190.50"),
        "currency": "INR",
        "delivery": "delivered",
        "held": 2,
        "first_sent_at": NOW,
        "last_sent_at": NOW + 1,
    }
    return LineFacts(**{**facts, **other})  # type: ignore[arg-type]


def order(number: int, **other: object) -> OrderFacts:
    """Return the order of `line(number)`, as the history tells it."""
    facts: dict[str, object] = {
        "order_id": 1000 + number,
        "po_number": f"po-{number:04}",
        "products": (1001,),
        "values": (Decimal(100),),
        "quantities": (2,),
        "charged": Decimal("190.5"),
        "currency": "INR",
        "delivery": "delivered",
        "day": "2026-03-10",
    }
    return OrderFacts(**{**facts, **other})  # type: ignore[arg-type]


def summary(number: int, po_number: str | None, **other: object) -> OrderSummary:
    """Return an order of the history: 100 INR of product 1001."""
    facts: dict[str, object] = {
        "order_id": number,
        "po_number": po_number,
        "delivery_status": DeliveryStatus.DELIVERED,
        "amount_charged": Decimal(100),
        "currency_code": "INR",
        "products": (OrderProduct(product_id=1001, price=Decimal(100), quantity=1),),
        "voucher_details": (VoucherDetail(product_id=1001, denomination=Decimal(100)),),
        "order_date_": datetime.fromtimestamp(NOW, UTC).strftime("%Y-%m-%d %H:%M:%S"),
    }
    return OrderSummary(**{**facts, **other})  # type: ignore[arg-type]


class Vendor:
    """A client over hand-written books. It counts its calls, and may be broken at one of them."""

    base_url = "https://plum.test/chef"
    account_fingerprint = "f1"

    def __init__(self) -> None:
        self.orders = self.account = self
        self.history: list[OrderSummary] = []
        self.hidden: set[int] = set()
        self.payments: list[Payment] = []
        self.calls: list[str] = []
        self.breaks_at = 0
        self.refuses_payments: errors.XoxoError | None = None

    def sells(self, lines: Sequence[tuple[int, str]]) -> None:
        """Book orders by id and poNumber, newest first, with a row of the payment report for each."""
        balance = Decimal(10_000)
        self.payments = [_paid("OPEN", "Funds added", Decimal(10_000), balance)]
        self.history = []
        for order_id, po_number in lines:
            balance -= 100
            self.history.insert(0, summary(order_id, po_number))
            self.payments.insert(0, _paid(f"REF{order_id}", "Brand Vouchers Issued", Decimal(100), balance))

    def _called(self, operation: str) -> None:
        self.calls.append(operation)
        if len(self.calls) == self.breaks_at:
            raise errors.ConnectError("the network is gone")

    async def list_history(self, start: date, end: date, *, page: int = 1, limit: int = 100) -> Page[OrderSummary]:
        self._called("history")
        within = [
            one
            for one in self.history
            if one.order_id not in self.hidden and one.order_date and start <= one.order_date.date() <= end
        ]
        return Page(tuple(within[(page - 1) * limit : page * limit]), page, limit)

    async def list_payments(self, start: date, end: date, *, page: int = 1, limit: int = 100) -> Page[Payment]:
        self._called("payments")
        if self.refuses_payments is not None:
            raise self.refuses_payments
        return Page(tuple(self.payments[(page - 1) * limit : page * limit]), page, limit)

    async def find(self, po_number: str) -> Order | None:
        self._called("find")
        return next((details(one) for one in self.history if one.po_number == po_number), None)

    async def get(self, *, order_id: int | None = None, po_number: str | None = None) -> Order:
        self._called("get")
        for one in self.history:
            if one.order_id == order_id:
                return details(one)
        raise errors.NotFoundError("no such order", error_id="PLE10016")

    def iterate_history(self, start: date, end: date) -> object:
        raise AssertionError("a proof reads page by page")


def details(one: OrderSummary) -> Order:
    """Return an order of the history as a look-up tells it."""
    return Order(
        order_id=one.order_id,
        delivery_status=one.delivery_status,
        amount_charged=one.amount_charged,
        currency_code=one.currency_code,
        quantity=one.products[0].quantity if one.products else 1,
        voucher_details=one.voucher_details,
        order_date_=one.order_date_,
    )


def _paid(reference: str, reason: str, amount: Decimal, balance: Decimal) -> Payment:
    return Payment(
        reference_id=reference,
        reason=reason,
        adjusted_amount=amount,
        closing_balance=balance,
        transaction_status="Complete",
        date_="2026-03-10",
    )


def answered(line: LedgerLine, order_id: int, pieces: int = 1) -> Change:
    """Return the answer that placed a line for 100 INR, with all of its codes."""
    return Change(
        seq=line.seq,
        evidence=Evidence.ANSWERED_PLACED,
        epoch=line.epoch,
        order_id=order_id,
        delivery=Delivery.DELIVERED,
        amount_charged=Decimal(100),
        currency="INR",
        codes=msgspec.json.encode([{"code": f"CODE-{line.key}-{piece}"} for piece in range(pieces)]),
        held=pieces,
    )


async def issue(ledger: SqliteLedger, *numbers: int, placed: Callable[[int], bool] = lambda _number: True) -> None:
    """Plan lines worth 100 each, and place those that `placed` names under order 1000 + number."""
    lines: list[PlannedLine] = [planned(number, room=0) for number in numbers]
    await ledger.plan("march", each(lines), PlanTerms(identity=Identity("https://plum.test:443/chef", "f1")))
    changes = [
        answered(one, 1000 + int(one.key.removeprefix("k")))
        for one in await ledger.claim(len(numbers))
        if placed(int(one.key.removeprefix("k")))
    ]
    await ledger.record(changes)


def sold(*numbers: int) -> list[tuple[int, str]]:
    """Return the orders of lines that `issue` placed."""
    return [(1000 + number, f"po-{number}-100") for number in numbers]
