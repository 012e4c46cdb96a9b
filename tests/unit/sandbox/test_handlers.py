"""`handlers`: orders, history, balance and payments as the vendor answers them, in either dialect, or its refusal."""

from decimal import Decimal
from typing import Any

import pytest

from xoxo_async.sandbox.handlers import HANDLERS
from xoxo_async.sandbox.reading import Refusal
from xoxo_async.sandbox.state import State

ORDER: dict[str, object] = {"productId": 1001, "quantity": 2, "denomination": 100, "poNumber": "PO-1"}
DAYS: dict[str, object] = {"startDate": "2023-11-14", "endDate": "2023-11-15"}
NO_DAYS: dict[str, object] = {"startDate": "2001-01-01", "endDate": "2001-01-02", "limit": 10, "page": 1}
LOUNGE = {"firstName": "A", "lastName": "B", "categoryType": "lounge", "flightDepartureDate": "01-03-2026"}


class Server:
    """The books of a server, and its answers in one of the dialects."""

    def __init__(self, *, openapi: bool = False, balance: int = 100_000) -> None:
        self.now = 1_700_000_000.0
        self.openapi = openapi
        self.state = State(seed=1, balance=Decimal(balance), path=None, clock=lambda: self.now)

    def ask(self, operation: str, data: dict[str, object]) -> Any:
        return HANDLERS[operation](self.state, data, self.openapi)

    def place(self, **given: object) -> Any:
        return self.ask("placeOrder", {**ORDER, **given})

    def refused(self, operation: str, data: dict[str, object]) -> tuple[str, int]:
        with pytest.raises(Refusal) as caught:
            self.ask(operation, data)
        return caught.value.error_id, caught.value.status


@pytest.fixture(params=["vendor", "openapi"])
def either(request: pytest.FixtureRequest) -> Server:
    return Server(openapi=request.param == "openapi")


@pytest.fixture
def server() -> Server:
    return Server()


def test_a_balance_has_points_in_the_vendors_dialect_alone() -> None:
    """The OpenAPI file lists value and currency."""
    assert Server().ask("getBalance", {}) == {"value": 100_000, "currency": "INR", "points": 1_000_000}
    assert Server(openapi=True).ask("getBalance", {}) == {"value": 100_000, "currency": "INR"}


def test_an_order_is_answered_with_its_codes_and_looked_up_with_the_same(either: Server) -> None:
    """By either key; the quantity is booked and the price charged."""
    placed = either.place()
    assert (placed["quantity"], placed["amountCharged"], placed["deliveryStatus"]) == (2, 200, "delivered")
    assert len(placed["vouchers"]) == 2
    by_id = either.ask("getOrderDetails", {"orderId": placed["orderId"]})
    by_po = either.ask("getOrderDetails", {"orderId": 0, "poNumber": "PO-1"})
    assert by_id == by_po
    assert by_id["vouchers"] == placed["vouchers"]


def test_numbers_of_an_order_may_come_as_texts(either: Server) -> None:
    """The vendor takes both."""
    assert either.place(productId="1001", quantity="2", denomination="100.00")["amountCharged"] == 200


@pytest.mark.parametrize(
    ("given", "error_id", "status"),
    [
        ({"quantity": 0}, "PLE10001", 400),
        ({"quantity": "two"}, "PLE10001", 400),
        ({"productId": None}, "PLE10001", 400),
        ({"denomination": "cheap"}, "PLE10001", 400),
        ({"poNumber": "x" * 101}, "PLE10001", 400),
        ({"productId": 9}, "PLE10017", 404),
        ({"denomination": 123}, "PLE10018", 400),
        ({"quantity": 11}, "PLE10041", 409),
        ({"productId": 1014, "denomination": 10, "quantity": 10_000}, "PLE10041", 409),
        ({"productId": 1011, "denomination": 500}, "PLE10024", 502),
        ({"productId": 1012, "denomination": 500}, "PLE10015", 400),
        ({"productId": 1013, "denomination": 500}, "PLE10001", 400),
        ({"productId": 1013, "denomination": 500, "contact": " "}, "PLE10001", 400),
    ],
)
def test_an_order_that_is_refused_is_not_booked(
    either: Server, given: dict[str, object], error_id: str, status: int
) -> None:
    """Each with the vendor's error id and status; nothing is charged."""
    assert either.refused("placeOrder", {**ORDER, **given}) == (error_id, status)
    assert (either.state.orders, either.state.balance) == ({}, 100_000)


def test_a_used_po_number_is_told_before_anything_else_of_the_order(either: Server) -> None:
    """PLE10004, also where the second order would be refused for its denomination."""
    either.place()
    for given in ({}, {"denomination": 123}, {"quantity": 11}):
        assert either.refused("placeOrder", {**ORDER, **given}) == ("PLE10004", 422)
    assert len(either.state.orders) == 1


def test_what_the_balance_does_not_cover_is_refused() -> None:
    """PLE10010, and the rest may still be spent."""
    server = Server(balance=250)
    assert server.refused("placeOrder", {**ORDER, "quantity": 3}) == ("PLE10010", 422)
    assert server.place()["amountCharged"] == 200


@pytest.mark.parametrize(
    ("product_id", "value", "block", "missing"),
    [
        (1021, 1000, {"loungeData": LOUNGE}, {"loungeData": {**LOUNGE, "firstName": ""}}),
        (1022, 100, {"userMeta": {"loyaltyMemberId": "M"}}, {"userMeta": {}}),
        (1023, 1500, {"shippingFirstName": "A", "shippingAddress1": "W"}, {"shippingFirstName": "A"}),
        (1024, 199, {"userMeta": {"topupPhoneCode": "+91", "topupPhoneNumber": "9"}}, {"userMeta": []}),
        (1013, 500, {"contact": "+91-9"}, {}),
    ],
    ids=["lounge", "miles", "merchandise", "topup", "phone"],
)
def test_a_category_needs_its_block(
    either: Server, product_id: int, value: int, block: dict[str, object], missing: dict[str, object]
) -> None:
    """Without it the payload is not valid."""
    given = {**ORDER, "productId": product_id, "denomination": value, "quantity": 1}
    assert either.refused("placeOrder", {**given, **missing}) == ("PLE10001", 400)
    assert either.ask("placeOrder", {**given, **block})["orderStatus"] == "complete"


@pytest.mark.parametrize(
    ("product_id", "value", "block"),
    [
        (1023, 1500, {"shippingFirstName": "A", "shippingAddress1": "W"}),
        (1024, 199, {"userMeta": {"topupPhoneCode": "+91", "topupPhoneNumber": "9"}}),
    ],
)
def test_parcels_and_top_ups_have_no_codes(
    either: Server, product_id: int, value: int, block: dict[str, object]
) -> None:
    """Delivered all the same."""
    placed = either.place(productId=product_id, denomination=value, quantity=1, **block)
    assert placed["deliveryStatus"] == "delivered"
    assert not placed.get("vouchers")


def test_a_delayed_order_is_complete_and_pending_until_its_codes_come(either: Server) -> None:
    """`orderStatus: complete` says nothing of delivery; a look-up later has the codes."""
    placed = either.place(productId=1010, denomination=500)
    assert (placed["orderStatus"], placed["deliveryStatus"]) == ("complete", "pending")
    assert not placed.get("vouchers")
    either.now += 5
    found = either.ask("getOrderDetails", {"poNumber": "PO-1"})
    assert (found["deliveryStatus"], len(found["vouchers"])) == ("delivered", 2)


def test_the_dialects_name_a_voucher_differently() -> None:
    """`voucherCode` and `validity` beside `code` and `validTo`: the same code under the same seed."""
    (vendor,) = Server().place(quantity=1)["vouchers"]
    (openapi,) = Server(openapi=True).place(quantity=1)["vouchers"]
    assert (vendor["voucherCode"], vendor["pin"], vendor["validity"]) == (
        openapi["code"],
        openapi["pin"],
        openapi["validTo"],
    )
    assert not {"code", "validTo"} & set(vendor)
    assert not {"voucherCode", "validity"} & set(openapi)


def test_a_discount_is_a_text_in_one_dialect_and_a_number_in_the_other() -> None:
    """And an empty text where there is none."""
    given = {"productId": 1003, "denomination": 200, "quantity": 1}
    assert Server().place(**given)["orderDiscount"] == "10"
    assert Server(openapi=True).place(**given)["orderDiscount"] == 10
    assert Server().place()["orderDiscount"] == ""


def test_neither_dialect_echoes_the_po_number(either: Server) -> None:
    """The history is the one reply that tells it."""
    placed = either.place(poNumber="PO-UNIQUE")
    assert "PO-UNIQUE" not in str(placed)
    assert "PO-UNIQUE" not in str(either.ask("getOrderDetails", {"poNumber": "PO-UNIQUE"}))
    assert either.ask("getOrderHistory", DAYS)[0]["poNumber"] == "PO-UNIQUE"


@pytest.mark.parametrize(
    ("look", "error_id"),
    [
        ({"poNumber": "NONE"}, "PLE10016"),
        ({"orderId": 5}, "PLE10016"),
        ({}, "PLE10016"),
        ({"orderId": "x"}, "PLE10002"),
    ],
)
def test_an_order_that_is_not_there_is_not_found(either: Server, look: dict[str, object], error_id: str) -> None:
    """An id that is none is a bad payload, not an absence."""
    either.place()
    assert either.refused("getOrderDetails", look)[0] == error_id


def test_a_mail_of_an_undelivered_order_cannot_be_sent_again(either: Server) -> None:
    """PLE10034 under 502, and no mail; of a delivered order it is sent."""
    either.place(productId=1010, denomination=500, poNumber="SLOW")
    either.place(poNumber="FAST")
    look: dict[str, object] = {"orderId": 0, "sendMailToReceiver": 1}
    assert either.refused("getOrderDetails", {**look, "poNumber": "SLOW"}) == ("PLE10034", 502)
    either.ask("getOrderDetails", {**look, "poNumber": "FAST"})
    assert either.state.books().mails == 1


def test_a_mail_is_sent_when_it_is_asked_for(server: Server) -> None:
    """With the order by `notifyReceiverEmail`; a look-up without its flag sends none."""
    server.place(poNumber="A", notifyReceiverEmail=0)
    server.place(poNumber="B", notifyReceiverEmail=1)
    server.ask("getOrderDetails", {"poNumber": "A", "sendMailToReceiver": 0})
    assert server.state.books().mails == 1


def test_an_empty_report_and_an_empty_history(either: Server) -> None:
    """The payment report of days without payments is an empty list, the order history a 404 with PLE10027."""
    assert either.ask("paymentHistory", NO_DAYS) == []
    assert either.refused("getOrderHistory", NO_DAYS) == ("PLE10027", 404)


@pytest.mark.parametrize("operation", ["paymentHistory", "getPaymentReport", "getOrderHistory"])
def test_a_list_of_days_needs_both_of_them(either: Server, operation: str) -> None:
    """PLE10032 otherwise."""
    assert either.refused(operation, {"startDate": "2026-03-01"}) == ("PLE10032", 400)


def test_the_history_is_newest_first_in_pages_and_by_tag(server: Server) -> None:
    """A page beyond the end is PLE10027 as well."""
    for number in range(3):
        server.place(poNumber=f"PO-{number}", tag="even" if number % 2 == 0 else "odd")

    def listed(**given: object) -> list[str]:
        return [row["poNumber"] for row in server.ask("getOrderHistory", {**DAYS, **given})]

    assert listed() == ["PO-2", "PO-1", "PO-0"]
    assert (listed(limit=2, page=1), listed(limit=2, page=2)) == (["PO-2", "PO-1"], ["PO-0"])
    assert listed(tag="even") == ["PO-2", "PO-0"]
    assert server.refused("getOrderHistory", {**DAYS, "limit": 2, "page": 3})[0] == "PLE10027"


def test_the_payment_report_adds_up_to_the_balance(either: Server) -> None:
    """Newest first: what each order took, and what was left after it."""
    either.place()
    rows = either.ask("paymentHistory", DAYS)
    assert [(row["adjusted_amount"], row["closing_balance"]) for row in rows] == [(200, 99_800), (100_000, 100_000)]
