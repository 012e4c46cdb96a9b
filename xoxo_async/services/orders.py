"""Orders: place, look up, settle, list. The one domain whose calls move money under a key."""

import time
from collections.abc import AsyncIterator, Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import anyio
import msgspec

from xoxo_async.config import Timeouts
from xoxo_async.errors import (
    ERROR_IDS,
    ApiError,
    DecodeError,
    DuplicatePoNumberError,
    NotFoundError,
    OrderMayExist,
    OutcomeUnknownError,
    ReplyLostError,
    XoxoError,
)
from xoxo_async.operation import Dispatch, EffectClass, Operation
from xoxo_async.paging import Page, check_page, iterate_pages
from xoxo_async.services import checks
from xoxo_async.services.placing import (
    AirmilesDetails,
    Details,
    LoungeDetails,
    PlaceOrder,
    ShippingDetails,
    TopUpDetails,
    place_order,
)
from xoxo_async.wire import (
    DeliveryStatus,
    OrderStatus,
    RawReply,
    Secret,
    VoucherType,
    extra_fields,
    parse_date,
    parse_datetime,
    to_decimal,
)

__all__ = [
    "GET_ORDER",
    "GET_ORDER_HISTORY",
    "PLACE_ORDER",
    "AirmilesDetails",
    "Details",
    "LoungeDetails",
    "Order",
    "OrderProduct",
    "OrderService",
    "OrderSummary",
    "PlaceOrder",
    "ShippingDetails",
    "TopUpDetails",
    "VoucherCode",
    "VoucherDetail",
    "place_order",
]


class VoucherCode(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One voucher: cash for whoever reads it.

    The wire has two spellings, `code` with `validFrom` and `validTo`, and `voucherCode` with `validity`; `code`,
    `valid_from` and `valid_to` read either.

    Attributes:
        pin: The PIN; empty where there is none. A `url` voucher may have one all the same.
        amount: Its value, in `currency`.
        currency: Its currency, which may differ from the account's.
        country: Where it is good: a code, a comma list of codes, or a name.
        type: What `code` holds.
        product_id: The product.
        order_id: The order it came under; may differ from the outer one.
        currency_value: The exchange rate used.
    """

    pin: Secret = Secret("")
    amount: Decimal | None = None
    currency: str | None = None
    country: str | None = None
    type: VoucherType = VoucherType.NONE
    product_id: int | None = None
    order_id: int | None = None
    currency_value: Decimal | None = None
    code_: Secret = msgspec.field(default=Secret(""), name="code")
    voucher_code_: Secret = msgspec.field(default=Secret(""), name="voucherCode")
    valid_from_: str | None = msgspec.field(default=None, name="validFrom")
    valid_to_: str | None = msgspec.field(default=None, name="validTo")
    validity_: str | None = msgspec.field(default=None, name="validity")

    @property
    def code(self) -> Secret:
        """The code, or for url types the link."""
        return self.code_ or self.voucher_code_

    @property
    def valid_from(self) -> date | None:
        """The first day it is good."""
        return parse_date(self.valid_from_)

    @property
    def valid_to(self) -> date | None:
        """The last day it is good."""
        return parse_date(self.valid_to_ or self.validity_)


class VoucherDetail(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What an order holds of one product.

    Attributes:
        product_id: The product.
        product_name: Its name.
        denomination: The value of one piece.
        currency_code: The product's currency.
        product_status: Whether it was delivered.
        cancelled_quantity: Pieces cancelled out of the order.
        order_id: The order.
        vendor_logo: An image.
        tracking_id: The parcel's number, for merchandise.
        tracking_link: Where to follow it.
    """

    product_id: int | None = None
    product_name: str | None = None
    denomination: Decimal | None = None
    currency_code: str | None = None
    product_status: DeliveryStatus = DeliveryStatus.NONE
    cancelled_quantity: int | None = None
    order_id: int | None = None
    vendor_logo: str | None = None
    tracking_id: str | None = None
    tracking_link: str | None = None


class Order(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An order that exists: the answer of placeOrder and of a look-up.

    Attributes:
        order_id: The vendor's id of it.
        po_number: The poNumber asked with; the wire does not echo it.
        order_status: Only ever `complete`: accepted. Says nothing of delivery.
        delivery_status: Whether the codes have come.
        order_total: Its price before discount, in the account's currency.
        amount_charged: What the account was charged.
        currency_code: The account's currency.
        currency_value: The exchange rate used.
        quantity: Pieces.
        tag: The tag it was placed with.
        order_meta: The vendor's echo of e-mail, contact and the like.
        shipping_details: Where merchandise goes; all blank otherwise.
        raw_order_total: The price, unrounded.
        raw: The answer itself, codes included, as a `RawReply`; see `extra`.
        vouchers: The codes; empty while delivery is pending, and for merchandise and top-ups.
        voucher_details: What it holds.
    """

    order_id: int
    po_number: str = ""
    order_status: OrderStatus = OrderStatus.NONE
    delivery_status: DeliveryStatus = DeliveryStatus.NONE
    order_total: Decimal | None = None
    raw_order_total: Decimal | None = None
    amount_charged: Decimal | None = None
    currency_code: str | None = None
    currency_value: Decimal | None = None
    quantity: int | None = None
    tag: str | None = None
    vouchers: tuple[VoucherCode, ...] = ()
    voucher_details: tuple[VoucherDetail, ...] = ()
    order_meta: Any = None
    shipping_details: Any = None
    # Strings, blank ones mostly, in order replies; numbers in older ones: read on demand, so that the usual answer
    # needs no second look.
    order_discount_: Any = msgspec.field(default=None, name="orderDiscount")
    raw_order_discount_: Any = msgspec.field(default=None, name="rawOrderDiscount")
    discount_percent_: Any = msgspec.field(default=None, name="discountPercent")
    order_date_: str | None = msgspec.field(default=None, name="orderDate")
    delivery_date_: str | None = msgspec.field(default=None, name="deliveryDate")
    # Set by `Operation.read`; no JSON the vendor writes has this name.
    raw: RawReply | None = msgspec.field(default=None, name="#raw")

    @property
    def order_discount(self) -> Decimal | None:
        """The discount, in the account's currency."""
        return to_decimal(self.order_discount_)

    @property
    def raw_order_discount(self) -> Decimal | None:
        """The discount, unrounded."""
        return to_decimal(self.raw_order_discount_)

    @property
    def discount_percent(self) -> Decimal | None:
        """The discount, in percent."""
        return to_decimal(self.discount_percent_)

    @property
    def order_date(self) -> datetime | None:
        """When it was placed, without a zone (most likely IST); only look-ups tell."""
        return parse_datetime(self.order_date_)

    @property
    def delivery_date(self) -> datetime | None:
        """When it was delivered; None while pending."""
        return parse_datetime(self.delivery_date_)

    @property
    def extra(self) -> dict[str, object]:
        """Fields of the answer that the SDK does not know yet."""
        for key in (PLACE_ORDER.name, GET_ORDER.name):
            found = extra_fields(self.raw, ("data", key, "data"), _ORDER_FIELDS)
            if found:
                return found
        return {}

    def __repr__(self) -> str:
        return (
            f"Order(order_id={self.order_id}, po_number={self.po_number!r}, "
            f"delivery_status={str(self.delivery_status)!r}, amount_charged={self.amount_charged}, "
            f"currency_code={self.currency_code!r}, quantity={self.quantity}, vouchers=<{len(self.vouchers)}>)"
        )


_ORDER_FIELDS: Final = frozenset(field.encode_name for field in msgspec.structs.fields(Order))


class OrderProduct(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A product in an order of the history."""

    product_id: int | None = None
    product_name: str | None = None
    receiver_mobile_number: str | None = None
    receiver_email: str | None = None
    price: Decimal | None = None
    quantity: int | None = None
    order_product_status: DeliveryStatus = DeliveryStatus.NONE
    currency: str | None = None
    tracking_id: str | None = None
    tracking_link: str | None = None


class OrderSummary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An order in the history: without codes, and the only reply that tells the poNumber."""

    order_id: int
    po_number: str | None = None
    email: str | None = None
    tag: str | None = None
    delivery_status: DeliveryStatus = DeliveryStatus.NONE
    order_total: Decimal | None = None
    raw_order_total: Decimal | None = None
    order_discount: Decimal | None = None
    raw_order_discount: Decimal | None = None
    discount_percent: Decimal | None = None
    amount_charged: Decimal | None = None
    currency_code: str | None = None
    currency_value: Decimal | None = None
    products: tuple[OrderProduct, ...] = ()
    voucher_details: tuple[VoucherDetail, ...] = ()
    order_date_: str | None = msgspec.field(default=None, name="orderDate")

    @property
    def order_date(self) -> datetime | None:
        """When it was placed, without a zone (most likely IST)."""
        return parse_datetime(self.order_date_)


class OrderLookup(msgspec.Struct, frozen=True, rename="camel"):
    """The request of getOrderDetails: one of the two, the other one empty."""

    po_number: str = ""
    order_id: int = 0
    # 1 would send the voucher e-mail again; no look-up of ours ever does.
    send_mail_to_receiver: int = 0


class HistoryRequest(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The request of getOrderHistory."""

    start_date: date
    end_date: date
    limit: int
    page: int
    tag: str | None = None


PLACE_ORDER: Final = Operation(
    "placeOrder",
    query="plumProAPI.mutation.placeOrder",
    request=PlaceOrder,
    reply=Order,
    effect=EffectClass.KEYED,
)

GET_ORDER: Final = Operation(
    "getOrderDetails",
    query="plumProAPI.mutation.getOrderDetails",
    request=OrderLookup,
    reply=Order,
    effect=EffectClass.READ,
)

GET_ORDER_HISTORY: Final = Operation(
    "getOrderHistory",
    query="plumProAPI.mutation.getOrderHistory",
    request=HistoryRequest,
    reply=tuple[OrderSummary, ...],
    effect=EffectClass.READ,
    empty_on=frozenset({"PLE10027", "PLE10022"}),  # an empty range is an HTTP 404 on the vendor's side
    empty=(),
)

_ABSENT: Final = frozenset({"PLE10016", "PLE10028"})
_FIRST_WAIT_S: Final = 1.0
_LONGEST_WAIT_S: Final = 15.0
_SETTLE_FOR_S: Final = 30.0
_LAG_S: Final = 8.0
"""How long after a vendor's answer look-ups are given to show the order it may speak of."""

_REMEMBERED: Final = 4096
"""How many answered orders are remembered, to notice one that comes as the answer to another request."""
_VENDORS_WORST_S: Final = 150.0


class OrderService:
    """Place orders and find them again.

    Args:
        dispatch: Runs operations.
        doubt: Told of every order whose outcome its caller left open.
        call_s: The deadline of placing an order, its look-ups included.
        clock: A monotonic clock.
    """

    def __init__(
        self,
        dispatch: Dispatch,
        *,
        doubt: Callable[[str, str], None] = lambda _po_number, _reason: None,
        call_s: float = Timeouts().call_s,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._call_s: Final = call_s
        self._dispatch: Final = dispatch
        self._doubt: Final = doubt
        self._clock: Final = clock
        self._answered: Final[dict[int, str]] = {}

    async def place(
        self,
        *,
        product_id: int,
        denomination: Decimal | float | str,
        po_number: str,
        quantity: int = 1,
        email: str | None = None,
        contact: str | None = None,
        tag: str | None = None,
        notify_receiver: bool = False,
        notify_admin: bool = False,
        details: Details | None = None,
    ) -> Order:
        """Place one order. Moves money, once for a poNumber, however often it is called with it.

        The request is never sent again once it may have arrived. When its answer is lost, or refuses in a way after
        which an order may exist, the order is looked up by its poNumber for up to 30 seconds
        after silence, and 8 after an answer. So a redelivered message, or a second click, gets the order of the first.

        Args:
            product_id: The product.
            denomination: The value of one piece, in the product's currency; one of `Voucher.denominations`, or within
                `min_value` and `max_value`.
            po_number: Your key of this order, 1 to 100 characters, unique for ever. Derive it from what is bought, not
                from the attempt.
            quantity: Pieces, up to the product's `order_quantity_limit` (10 for most).
            email: The receiver's address.
            contact: The receiver's phone, `+CC-NUMBER`; some products demand it.
            tag: Free text, can be filtered by in the history.
            notify_receiver: Have the vendor e-mail the codes.
            notify_admin: Have the vendor e-mail the administrator.
            details: What lounges, airmiles, top-ups and merchandise need besides.

        Returns:
            The order. Its codes may still be pending: see `delivery_status`.

        Raises:
            ConfigError: An argument is wrong; nothing was sent.
            OutcomeUnknownError: Nobody knows. Call `settle` with the poNumber, or place again with the same poNumber.
            DuplicatePoNumberError: The poNumber belongs to another order.
            ApiError: The vendor refused; `effect` says whether an order may exist all the same.
            AuthError: The credentials were refused; nothing was processed.
            TransportError: The server was not reached; nothing was sent.

        Example:
            ```python
            order = await xoxo.orders.place(product_id=1001, denomination=500, po_number="INV-1")
            codes = [voucher.code.reveal() for voucher in order.vouchers]
            ```
        """
        request = place_order(
            product_id=product_id,
            denomination=denomination,
            po_number=po_number,
            quantity=quantity,
            email=email,
            contact=contact,
            tag=tag,
            notify_receiver=notify_receiver,
            notify_admin=notify_admin,
            details=details,
        )
        deadline = self._clock() + self._call_s
        try:
            order = _named(await self._dispatch(PLACE_ORDER, request), po_number)
            return self._believed(order, request)
        except XoxoError as error:
            if error.effect == "none":
                raise
            return await self._after_doubt(request, error, deadline)
        except BaseException:
            # Cancelled: the order may exist, and nobody is left to ask. Whoever listens has the poNumber.
            self._doubt(po_number, "its caller was cancelled")
            raise

    async def get(self, *, order_id: int | None = None, po_number: str | None = None) -> Order:
        """Read one order with its codes. Moves no money, sends no e-mail; one getOrderDetails call.

        Args:
            order_id: The vendor's id, or
            po_number: your poNumber.

        Returns:
            The order.

        Raises:
            ConfigError: Both or neither was given, or one is malformed.
            NotFoundError: There is no such order (yet: a look-up may lag behind the placing).
            XoxoError: The call failed.

        Example:
            ```python
            order = await xoxo.orders.get(po_number="INV-1")
            ```
        """
        checks.one_of(("order_id", "po_number"), order_id, po_number)
        if order_id is not None:
            return _known(await self._dispatch(GET_ORDER, OrderLookup(order_id=checks.whole("order_id", order_id))))
        asked = checks.po_number(po_number)
        return _named(await self._dispatch(GET_ORDER, OrderLookup(po_number=asked)), asked)

    async def find(self, po_number: str) -> Order | None:
        """Read the order of a poNumber, if there is one. Moves no money, sends no e-mail; one getOrderDetails call.

        None is not proof that there never will be: an order may take 120 s to be placed, and look-ups may lag.

        Args:
            po_number: Your poNumber.

        Returns:
            The order, or None.

        Raises:
            ConfigError: The poNumber is malformed.
            XoxoError: The call failed.

        Example:
            ```python
            order = await xoxo.orders.find("INV-1")
            ```
        """
        try:
            return await self.get(po_number=po_number)
        except NotFoundError as error:
            if error.error_id in _ABSENT:
                return None
            raise

    async def settle(self, po_number: str, *, absent_after_s: float = _VENDORS_WORST_S) -> Order | None:
        """Find out what became of an order whose answer was lost. Moves no money.

        Args:
            po_number: The poNumber it was placed with.
            absent_after_s: How long to look before its absence is believed. The vendor may take 120 s to place an
                order, counted from its sending; shorten this only when that was long ago.

        Returns:
            The order; or None when it was absent to the end, so that placing it again under the same poNumber is safe.

        Raises:
            ConfigError: The poNumber is malformed.
            XoxoError: A look-up failed for good; nothing is known then.

        Example:
            ```python
            order = await xoxo.orders.settle("INV-1")
            ```
        """
        return await self._look_for(checks.po_number(po_number), absent_after_s)

    async def list_history(
        self, start: date, end: date, *, page: int = 1, limit: int = 100, tag: str | None = None
    ) -> Page[OrderSummary]:
        """Read one page of the orders of some days, without codes. Moves no money; one getOrderHistory call.

        Args:
            start: The first day (whose zone, the vendor does not say; most likely IST).
            end: The last day.
            page: The page, from 1.
            limit: Orders a page.
            tag: Only orders with this tag.

        Returns:
            The page; an empty range is an empty page.

        Raises:
            ConfigError: An argument is wrong.
            XoxoError: The call failed.

        Example:
            ```python
            page = await xoxo.orders.list_history(date(2026, 3, 1), date(2026, 3, 31))
            ```
        """
        check_page(page, limit)
        first, last = checks.check_dates(start, end)
        request = HistoryRequest(first, last, limit, page, checks.text("tag", tag))
        return Page(await self._dispatch(GET_ORDER_HISTORY, request), page, limit)

    def iterate_history(
        self, start: date, end: date, *, limit: int = 100, tag: str | None = None
    ) -> AsyncIterator[OrderSummary]:
        """Iterate over all orders of some days, without codes. Moves no money; one getOrderHistory call a page.

        Args:
            start: The first day.
            end: The last day.
            limit: Orders a page.
            tag: Only orders with this tag.

        Returns:
            An iterator over the orders, to be used with `async for`; each page is read when its turn comes.

        Raises:
            ConfigError: An argument is wrong; raised at the first step.
            DecodeError: The server sends the same page again and again.
            XoxoError: A call failed.

        Example:
            ```python
            async for order in xoxo.orders.iterate_history(date(2026, 3, 1), date(2026, 3, 31)):
                print(order.order_id, order.po_number)
            ```
        """
        return iterate_pages(lambda page: self.list_history(start, end, page=page, limit=limit, tag=tag))

    def _believed(self, order: Order, request: PlaceOrder) -> Order:
        """Return the order of an answer, unless it can be none to this request: on a connection that is out of step."""
        known = self._answered.get(order.order_id)
        difference = differs(order, request)
        if known is not None and known != request.po_number:
            difference = f"poNumber {known} was answered with it"
        if difference:
            raise ReplyLostError(f"the answer belongs to another request: it has order {order.order_id}, {difference}")
        self._answered[order.order_id] = request.po_number
        if len(self._answered) > _REMEMBERED:
            del self._answered[next(iter(self._answered))]
        return order

    async def _after_doubt(self, request: PlaceOrder, error: XoxoError, deadline: float) -> Order:
        """Look for an order that may exist, within the call's time; return it, or raise what is then known."""
        # After an answer the vendor has done what it will do, and only look-ups lag; after silence it may be at it.
        answered = isinstance(error, ApiError)
        order = None
        left = deadline - self._clock()
        try:
            with anyio.move_on_after(max(left, 0.0)):
                order = await self._look_for(request.po_number, min(_LAG_S if answered else _SETTLE_FOR_S, left))
        except XoxoError as failed:
            self._doubt(request.po_number, f"its look-up failed: {failed.message}")
            raise _outcome(error, f"{error.message}; the look-up failed as well ({failed.message})") from failed
        except BaseException:
            self._doubt(request.po_number, "its caller was cancelled while it was looked up")
            raise
        if order is None:
            self._doubt(request.po_number, error.message)
            if isinstance(error, OutcomeUnknownError) or (answered and not _may_well_exist(error)):
                raise error
            raise _outcome(error, error.message) from error
        difference = differs(order, request)
        if difference:
            raise DuplicatePoNumberError(
                f"the poNumber belongs to order {order.order_id}, and {difference}",
                operation=PLACE_ORDER.name,
                attempts=error.attempts,
                po_number=request.po_number,
            ) from error
        return order

    async def _look_for(self, po_number: str, for_s: float) -> Order | None:
        """Look until the order is there or the time is over; at least twice."""
        end = self._clock() + for_s
        wait = _FIRST_WAIT_S
        order = await self.find(po_number)
        while order is None:
            left = end - self._clock()
            await anyio.sleep(min(wait, max(left, 0.0)))
            order = await self.find(po_number)
            if left <= wait:
                break
            wait = min(wait * 2, _LONGEST_WAIT_S)
        return order


def differs(order: Order, request: PlaceOrder) -> str:
    """Say in what an order is not the one requested; empty when it is, or when the reply does not tell.

    Args:
        order: The order found under the request's poNumber.
        request: What was asked for.
    """
    product, value = request.product_id, request.denomination
    for voucher in order.vouchers:
        if voucher.product_id and voucher.product_id != product:
            return f"it is for product {voucher.product_id}, not {product}"
    for detail in order.voucher_details:
        if detail.product_id and detail.product_id != product:
            return f"it is for product {detail.product_id}, not {product}"
        if detail.denomination and detail.denomination != value:
            return f"its denomination is {detail.denomination:f}, not {value:f}"
    if order.quantity and order.quantity != request.quantity:
        return f"its quantity is {order.quantity}, not {request.quantity}"
    return ""


def _named(order: Order, po_number: str) -> Order:
    """Give an order the poNumber it was asked with."""
    msgspec.structs.force_setattr(_known(order, po_number), "po_number", po_number)
    return order


def _known(order: Order, po_number: str | None = None) -> Order:
    """Return an order that exists: an id of 0 or less is none."""
    if order.order_id <= 0:
        raise DecodeError("the answer has no order id", po_number=po_number)
    return order


def _may_well_exist(error: XoxoError) -> bool:
    """Whether an answer means that there is an order, whatever look-ups say so far."""
    known = ERROR_IDS.get(error.error_id)
    return known is None or known.order is OrderMayExist.YES


def _outcome(error: XoxoError, message: str) -> XoxoError:
    return OutcomeUnknownError(
        message,
        operation=error.operation,
        attempts=error.attempts,
        po_number=error.po_number,
        status=error.status,
        error_id=error.error_id,
    )
