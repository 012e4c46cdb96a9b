"""The two sets of facts that a proof compares: a ledger's lines, and the vendor's orders. They hold no code."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import NamedTuple, TypeVar

import msgspec

from xoxo_async.bulk.ledger.budget import amount
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import LedgerLine
from xoxo_async.bulk.proving.result import Finding, FindingKind
from xoxo_async.services.orders.replies import Order, OrderSummary
from xoxo_async.services.orders.requests import PlaceOrder

__all__ = [
    "RECENT_S",
    "Asked",
    "Case",
    "CreditFacts",
    "LineFacts",
    "OrderFacts",
    "Scope",
    "about_line",
    "credit_facts",
    "line_facts",
    "order_facts",
]

N = TypeVar("N", int, Decimal)

RECENT_S = 600.0
"""How long an order counts as new, in seconds."""


class LineFacts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An order as the ledger has it.

    Attributes:
        po_number: Its poNumber.
        key: The key of its row; of a shared order, its first and last row.
        row: The number of its row in the input.
        lines: How many rows share it; 0 for a row that travels in another order, which must not be at the vendor.
        state: Its state.
        order_id: The vendor's order; for a row that travels in another order, that order.
        product_id: The product it asks for.
        denomination: The value of a piece it asks for.
        quantity: The pieces it asks for.
        charged: What it cost, as the vendor answered; None if it did not say.
        currency: The currency of `charged`.
        delivery: Whether its codes have come.
        held: How many of its codes the ledger has counted.
        first_sent_at: When it was first sent, in epoch seconds; None if it never was.
        last_sent_at: When it was last sent, in epoch seconds.
        suspect: Whether it was in doubt once, whatever was decided then.
    """

    po_number: str
    key: str
    row: int
    lines: int
    state: str
    order_id: int | None = None
    product_id: int = 0
    denomination: Decimal = Decimal(0)
    quantity: int = 0
    charged: Decimal | None = None
    currency: str = ""
    delivery: str = ""
    held: int = 0
    first_sent_at: float | None = None
    last_sent_at: float | None = None
    suspect: bool = False


class CreditFacts(NamedTuple):
    """A row of points, of links or of a mailed link, as the ledger has it.

    Attributes:
        seq: Its number in the ledger.
        line: What a proof names it by, and how it stands. Its `denomination` is the points.
        attempts: How often it was claimed for sending.
        reference: What a row of the payment report may name it by: the id of the credit, or the batch of its links;
            empty where no answer named any.
        worth: What was sent, in points or in the campaign's currency, also if it was cancelled later; None if that is
            not known.
    """

    seq: int
    line: LineFacts
    attempts: int
    reference: str
    worth: Decimal | None


class OrderFacts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An order as the vendor tells it, in its history or in its details. What a reply leaves out is empty here.

    Attributes:
        order_id: The vendor's id of it.
        po_number: Its poNumber; empty if it has none; None if the reply does not say. Only the history says it.
        products: Every product that the reply names.
        values: Every denomination that the reply names.
        prices: Every price or amount that the reply names, in whatever currency.
        quantities: Every number of pieces that the reply names.
        charged: What the account was charged.
        currency: The currency of `charged`.
        delivery: The vendor's word for the delivery.
        day: The day of the order, `YYYY-MM-DD`, in the vendor's unknown time zone; empty if the reply does not say.
    """

    order_id: int
    po_number: str | None = None
    products: tuple[int, ...] = ()
    values: tuple[Decimal, ...] = ()
    prices: tuple[Decimal, ...] = ()
    quantities: tuple[int, ...] = ()
    charged: Decimal | None = None
    currency: str = ""
    delivery: str = ""
    day: str = ""


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """What look-ups of one line found.

    Attributes:
        by_po: The order under the line's poNumber; None if the vendor finds none.
        by_id: The order with the line's order id, if nothing was found under its poNumber.
    """

    by_po: OrderFacts | None = None
    by_id: OrderFacts | None = None


class Case(NamedTuple):
    """Everything that is known about one poNumber.

    Attributes:
        po_number: The poNumber.
        line: What the ledger has; None if it has nothing.
        orders: The orders that the history lists under it.
        elsewhere: The order of the history that has the line's order id and another poNumber.
        asked: What look-ups found; None if there was none.
    """

    po_number: str
    line: LineFacts | None
    orders: tuple[OrderFacts, ...] = ()
    elsewhere: OrderFacts | None = None
    asked: Asked | None = None


class Scope(NamedTuple):
    """What a proof looked at.

    Attributes:
        job: The job's name.
        first: The first day of the history that was read.
        last: The last day.
        now: When it was read, in epoch seconds.
    """

    job: str
    first: date
    last: date
    now: float

    def is_recent(self, sent_at: float | None) -> bool:
        """Return whether an order is so new that the vendor's answers may lag behind it.

        Placing may take 120 s, and nobody outside the vendor knows how far look-ups lag (wire documentation § 7.2).

        Args:
            sent_at: When it was sent, in epoch seconds.
        """
        return sent_at is not None and self.now - sent_at < RECENT_S

    def has(self, day: str) -> bool:
        """Return whether a day is one of those that were read. A day that is not known counts as one."""
        return not day or self.first.isoformat() <= day <= self.last.isoformat()


def line_facts(line: LedgerLine, wanted: PlaceOrder) -> LineFacts:
    """Return what a proof needs of an order of the ledger.

    Args:
        line: The order.
        wanted: Its request, decoded.
    """
    return _facts(line, wanted, line.lines)


def _facts(line: LedgerLine, wanted: "PlaceOrder | _Body", lines: int) -> LineFacts:
    return LineFacts(
        po_number=line.po_number,
        key=line.key,
        row=line.row,
        lines=lines,
        state=line.state.value,
        order_id=line.order_id,
        product_id=wanted.product_id,
        denomination=wanted.denomination,
        quantity=wanted.quantity,
        charged=line.amount_charged,
        currency=line.currency,
        delivery=line.delivery.value,
        held=line.held,
        first_sent_at=line.first_sent_at,
        last_sent_at=line.last_sent_at,
        suspect=line.suspect,
    )


def credit_facts(line: LedgerLine, kind: JobKind) -> CreditFacts:
    """Return what a proof needs of a row of points, links or mails. Links and addresses are left out.

    Args:
        line: The row.
        kind: What it is of.
    """
    body = _BODY.decode(line.body)
    sent = body.denomination if kind is JobKind.POINTS else line.amount_charged
    return CreditFacts(
        line.seq,
        _facts(line, body, 1),
        attempts=line.attempts,
        reference=str(line.order_id) if line.order_id is not None else "",
        worth=sent if sent is not None or line.worth is None else amount(line.worth),
    )


class _Body(msgspec.Struct, rename="camel"):
    """The fields that the rows of all jobs without a key have."""

    product_id: int = 0
    denomination: Decimal = Decimal(0)
    quantity: int = 1


_BODY = msgspec.json.Decoder(_Body)


def order_facts(order: Order | OrderSummary) -> OrderFacts:
    """Return what a proof needs of an order of the vendor. Codes and personal data are left out.

    Args:
        order: The order, from the history or from a look-up.
    """
    details = order.voucher_details
    listed = order.vouchers if isinstance(order, Order) else order.products
    if isinstance(order, Order):
        prices = [voucher.amount for voucher in order.vouchers]
        quantities = [order.quantity]
    else:
        prices = [product.price for product in order.products]
        quantities = [product.quantity for product in order.products]
    placed = order.order_date
    return OrderFacts(
        order_id=order.order_id,
        # No reply but the history has the poNumber; `Order.po_number` is only what was asked with.
        po_number=order.po_number.strip() if isinstance(order, OrderSummary) and order.po_number is not None else None,
        products=_distinct(item.product_id for item in (*listed, *details)),
        values=_distinct(detail.denomination for detail in details),
        prices=_distinct(prices),
        quantities=_distinct(quantities),
        charged=order.amount_charged,
        currency=(order.currency_code or "").strip().upper(),
        delivery=str(order.delivery_status),
        day=placed.date().isoformat() if placed is not None else "",
    )


def _distinct(values: Iterable[N | None]) -> tuple[N, ...]:
    """Return the values once each, in order, without those that are missing or 0."""
    return tuple(dict.fromkeys(value for value in values if value))


def about_line(
    kind: FindingKind,
    line: LineFacts,
    why: str,
    *,
    order_id: int | None = None,
    ledger: str = "",
    vendor: str = "",
) -> Finding:
    """Return a finding about a line.

    Args:
        kind: What it is about.
        line: The line.
        why: It in words.
        order_id: The vendor's order it is about; that of the line by default.
        ledger: What the ledger says.
        vendor: What the vendor says.
    """
    return Finding(
        kind=kind,
        why=why,
        po_number=line.po_number,
        key=line.key,
        row=line.row,
        order_id=order_id if order_id is not None else line.order_id,
        ledger=ledger,
        vendor=vendor,
    )
