"""`handlers.orders`: orders and their history as the vendor answers them in either dialect, or the vendor's refusal."""

import pytest

from tests.unit.sandbox.handlers.servers import DAYS, NO_DAYS, ORDER, Server

LOUNGE = {"firstName": "A", "lastName": "B", "categoryType": "lounge", "flightDepartureDate": "01-03-2026"}


def test_a_look_up_has_the_codes_of_placeorder(either: Server) -> None:
    """An order is found by either key with the same codes; its quantity is booked and its price charged."""
    placed = either.place()
    assert (placed["quantity"], placed["amountCharged"], placed["deliveryStatus"]) == (2, 200, "delivered")
    assert len(placed["vouchers"]) == 2
    by_id = either.ask("getOrderDetails", {"orderId": placed["orderId"]})
    by_po = either.ask("getOrderDetails", {"orderId": 0, "poNumber": "PO-1"})
    assert by_id == by_po
    assert by_id["vouchers"] == placed["vouchers"]


def test_numbers_of_an_order_may_be_texts(either: Server) -> None:
    """The sandbox accepts both, as the vendor does."""
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
def test_a_refused_order_is_not_booked(either: Server, given: dict[str, object], error_id: str, status: int) -> None:
    """Each refusal has the vendor's error id and status, and nothing is charged."""
    assert either.refused("placeOrder", {**ORDER, **given}) == (error_id, status)
    assert (either.state.orders, either.state.balance) == ({}, 100_000)


def test_a_used_po_number_is_refused_first(either: Server) -> None:
    """A used poNumber is PLE10004, also if the second order has another fault."""
    either.place()
    for given in ({}, {"denomination": 123}, {"quantity": 11}):
        assert either.refused("placeOrder", {**ORDER, **given}) == ("PLE10004", 422)
    assert len(either.state.orders) == 1


def test_an_order_over_the_balance_is_refused() -> None:
    """An order over the balance is PLE10010, and a smaller one can still be placed."""
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
def test_a_category_needs_its_own_fields(
    either: Server, product_id: int, value: int, block: dict[str, object], missing: dict[str, object]
) -> None:
    """An order without the fields of its category is refused as an invalid payload."""
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
    """Merchandise and top-ups are delivered without a code."""
    placed = either.place(productId=product_id, denomination=value, quantity=1, **block)
    assert placed["deliveryStatus"] == "delivered"
    assert not placed.get("vouchers")


def test_a_delayed_order_is_pending_at_first(either: Server) -> None:
    """`orderStatus: complete` does not mean delivered: a later look-up has the codes."""
    placed = either.place(productId=1010, denomination=500)
    assert (placed["orderStatus"], placed["deliveryStatus"]) == ("complete", "pending")
    assert not placed.get("vouchers")
    either.now += 5
    found = either.ask("getOrderDetails", {"poNumber": "PO-1"})
    assert (found["deliveryStatus"], len(found["vouchers"])) == ("delivered", 2)


def test_the_dialects_name_a_voucher_differently() -> None:
    """One dialect has `voucherCode` and `validity`, the other `code` and `validTo`, with the same values."""
    (vendor,) = Server().place(quantity=1)["vouchers"]
    (openapi,) = Server(openapi=True).place(quantity=1)["vouchers"]
    assert (vendor["voucherCode"], vendor["pin"], vendor["validity"]) == (
        openapi["code"],
        openapi["pin"],
        openapi["validTo"],
    )
    assert not {"code", "validTo"} & set(vendor)
    assert not {"voucherCode", "validity"} & set(openapi)


def test_a_discount_is_a_text_or_a_number() -> None:
    """The vendor's dialect has a text, empty for no discount; the OpenAPI dialect has a number."""
    given = {"productId": 1003, "denomination": 200, "quantity": 1}
    assert Server().place(**given)["orderDiscount"] == "10"
    assert Server(openapi=True).place(**given)["orderDiscount"] == 10
    assert Server().place()["orderDiscount"] == ""


def test_neither_dialect_echoes_the_po_number(either: Server) -> None:
    """Only the history contains the poNumber."""
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
def test_a_missing_order_is_not_found(either: Server, look: dict[str, object], error_id: str) -> None:
    """A missing order is PLE10016; an order id that is not a number is a bad payload."""
    either.place()
    assert either.refused("getOrderDetails", look)[0] == error_id


def test_an_undelivered_order_cannot_be_mailed_again(either: Server) -> None:
    """It is PLE10034 with status 502, and no mail; the mail of a delivered order is sent."""
    either.place(productId=1010, denomination=500, poNumber="SLOW")
    either.place(poNumber="FAST")
    look: dict[str, object] = {"orderId": 0, "sendMailToReceiver": 1}
    assert either.refused("getOrderDetails", {**look, "poNumber": "SLOW"}) == ("PLE10034", 502)
    either.ask("getOrderDetails", {**look, "poNumber": "FAST"})
    assert either.state.books().mails == 1


def test_a_mail_is_sent_when_requested(server: Server) -> None:
    """`notifyReceiverEmail` sends a mail with the order; a look-up without its flag sends none."""
    server.place(poNumber="A", notifyReceiverEmail=0)
    server.place(poNumber="B", notifyReceiverEmail=1)
    server.ask("getOrderDetails", {"poNumber": "A", "sendMailToReceiver": 0})
    assert server.state.books().mails == 1


def test_an_empty_history_is_a_refusal(either: Server) -> None:
    """The history of days without orders is a 404 with PLE10027."""
    assert either.refused("getOrderHistory", NO_DAYS) == ("PLE10027", 404)


def test_a_history_needs_both_days(either: Server) -> None:
    """A history without a last day is refused with PLE10032."""
    assert either.refused("getOrderHistory", {"startDate": "2026-03-01"}) == ("PLE10032", 400)


def test_a_history_can_lag(server: Server) -> None:
    """It does not show young orders; a look-up does."""
    server.place(poNumber="PO-YOUNG")
    server.state.history_lag_s = 60
    assert server.refused("getOrderHistory", DAYS)[0] == "PLE10027"
    assert server.ask("getOrderDetails", {"poNumber": "PO-YOUNG"})["orderStatus"] == "complete"
    server.state.find(0, "PO-YOUNG").placed_at -= 61  # type: ignore[union-attr]
    assert [row["poNumber"] for row in server.ask("getOrderHistory", DAYS)] == ["PO-YOUNG"]


def test_the_history_is_paged_and_newest_first(server: Server) -> None:
    """The history can be filtered by tag, and a page after the end is PLE10027."""
    for number in range(3):
        server.place(poNumber=f"PO-{number}", tag="even" if number % 2 == 0 else "odd")

    def listed(**given: object) -> list[str]:
        return [row["poNumber"] for row in server.ask("getOrderHistory", {**DAYS, **given})]

    assert listed() == ["PO-2", "PO-1", "PO-0"]
    assert (listed(limit=2, page=1), listed(limit=2, page=2)) == (["PO-2", "PO-1"], ["PO-0"])
    assert listed(tag="even") == ["PO-2", "PO-0"]
    assert server.refused("getOrderHistory", {**DAYS, "limit": 2, "page": 3})[0] == "PLE10027"
