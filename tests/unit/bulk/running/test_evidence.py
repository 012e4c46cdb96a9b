"""`evidence`: what each end of a send proves about a line, and nothing more."""

from decimal import Decimal

import msgspec
import pytest

from xoxo_async import errors
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine
from xoxo_async.bulk.ledger.vouchers import codes_of
from xoxo_async.bulk.running.evidence import change_from_error, change_from_order, mismatch, ordered
from xoxo_async.services.orders import PLACE_ORDER, Order
from xoxo_async.wire.refusal import recognise

BODY = '{"productId":1001,"quantity":2,"denomination":100,"poNumber":"PO-1"}'
LINE = LedgerLine(
    seq=1, key="k", po_number="PO-1", digest="d", body=BODY, row=1, epoch=4, first_sent_at=1_700_000_000.0
)


def evidence(error: errors.XoxoError) -> Evidence:
    return change_from_error(LINE, error).evidence


NOT_PROCESSED = [
    errors.ConnectError("x"),
    errors.RateLimitedError("x"),
    errors.TokenRejectedError("x", retryable=True),
    errors.CredentialsRejectedError("x"),
    errors.ReplyLostError("token endpoint", effect="none"),
    errors.ConfigError("closed"),
]


@pytest.mark.parametrize("error", NOT_PROCESSED, ids=lambda e: type(e).__name__)
def test_proof_of_nothing_sends_the_line_back(error: errors.XoxoError) -> None:
    """T2: the server was not reached, or refused before it processed anything."""
    assert evidence(error) is Evidence.NOT_PROCESSED


DOUBT = [
    errors.ReplyTimeoutError("x"),
    errors.ReplyLostError("x"),
    errors.DecodeError("x"),
    errors.ServerError("x"),
    errors.OutcomeUnknownError("x"),
    errors.AuthError("a 401 nobody knows", effect="possible"),
]


@pytest.mark.parametrize("error", DOUBT, ids=lambda e: type(e).__name__)
def test_no_answer_is_doubt(error: errors.XoxoError) -> None:
    """T6: timeout, reset, 5xx, unreadable answer, unknown code."""
    assert evidence(error) is Evidence.OUTCOME_LOST


@pytest.mark.parametrize(
    ("suspect", "error", "hides"),
    [
        (False, errors.NotAllowedError("no KYC", error_id="PLE10015"), False),
        (True, errors.NotAllowedError("no KYC", error_id="PLE10015"), True),
        (True, errors.ReplyLostError("x"), False),
    ],
)
def test_a_refusal_in_doubt_says_why(suspect: bool, error: errors.XoxoError, hides: bool) -> None:
    """It goes to a person in the end, who would read a plain refusal otherwise."""
    line = msgspec.structs.replace(LINE, suspect=suspect)
    told = change_from_error(line, error).error
    assert told.startswith(f"{type(error).__name__}: ")
    assert ("and the refusal may hide it" in told) is hides


@pytest.mark.parametrize("error_id", sorted(errors.ERROR_IDS))
@pytest.mark.parametrize("status", [200, 400, 404, 422, 502])
def test_every_error_id_has_one_end(error_id: str, status: int) -> None:
    """Only ids after which no order can exist refuse a line, under whatever status."""
    error = recognise(msgspec.json.encode({"code": status, "errorId": error_id}), status)
    expected = {
        errors.OrderMayExist.NO: {Evidence.REFUSED_NO_ORDER},
        errors.OrderMayExist.LOOK_UP: {Evidence.OUTCOME_LOST, Evidence.REFUSED_UNCLEAR},
        errors.OrderMayExist.YES: {Evidence.OUTCOME_LOST},
    }
    assert evidence(error) in expected[errors.ERROR_IDS[error_id].order]
    assert (error_id == "PLE10004") == (evidence(error) is Evidence.REFUSED_UNCLEAR)


UNREADABLE = [
    (b"", 200),
    (b"", 400),
    (b"<html>", 200),
    (b"<html>", 403),
    (b"<html>", 502),
    (b"{}", 200),
    (b'{"data": {"placeOrder": {"status": 0, "message": "no"}}}', 200),
    (b'{"error": "x"}', 400),
    (b'{"errorId": "PLE99999"}', 400),
    (b"", 307),
    (b'{"error": "Unauthorized"}', 401),
]


@pytest.mark.parametrize(("body", "status"), UNREADABLE)
def test_no_unclear_answer_refuses_a_line(body: bytes, status: int) -> None:
    """HTML, empty, foreign and unclassified refusals are unknown or conflict, never rejected and never unsent."""
    error = recognise(body, status)
    assert evidence(error) in {Evidence.OUTCOME_LOST, Evidence.REFUSED_UNCLEAR}


def proven(line: LedgerLine, order: Order, fact: Evidence) -> Change:
    return change_from_order(line, ordered(line.body), order, fact)


def order(**fields: object) -> Order:
    data = {"orderId": 7, "deliveryStatus": "delivered", "quantity": 2, "amountCharged": 200, "currencyCode": "INR"}
    body = {"data": {"placeOrder": {"status": 1, "data": data | fields}}}
    found = PLACE_ORDER.read(msgspec.json.encode(body))
    assert found is not None
    return found


VOUCHER = {"productId": 1001, "voucherCode": "C", "pin": "P", "validity": "2028-01-31", "amount": 100}
SECOND = {**VOUCHER, "voucherCode": "D"}


@pytest.mark.parametrize(
    ("fields", "delivery"),
    [
        ({"vouchers": [VOUCHER, SECOND]}, Delivery.DELIVERED),
        ({"vouchers": [VOUCHER]}, Delivery.PENDING),
        ({"vouchers": [VOUCHER, SECOND], "deliveryStatus": "pending"}, Delivery.DELIVERED),
        ({"vouchers": [VOUCHER, VOUCHER]}, Delivery.PENDING),  # one code, told twice
        ({"vouchers": [VOUCHER, {**SECOND, "voucherCode": None}]}, Delivery.PENDING),  # a PIN alone is no card
        ({"vouchers": [VOUCHER, {**SECOND, "voucherCode": "XXXX-0002"}]}, Delivery.PENDING),
        ({"vouchers": [VOUCHER, {**SECOND, "pin": "", "type": "codePin"}]}, Delivery.PENDING),
        ({"vouchers": [VOUCHER, SECOND, {**SECOND, "voucherCode": "E"}]}, Delivery.PENDING),  # whose is the third?
        ({"deliveryStatus": "pending"}, Delivery.PENDING),
        ({"deliveryStatus": "Pending", "vouchers": None}, Delivery.PENDING),
        ({"deliveryStatus": "Delivered"}, Delivery.PENDING),  # a gift card without its codes is not delivered
        (
            {"deliveryStatus": "delivered", "vouchers": [VOUCHER, {**VOUCHER, "voucherCode": "", "pin": ""}]},
            Delivery.PENDING,
        ),
        ({"deliveryStatus": "delivered", "vouchers": [{"voucherCode": None}, {"voucherCode": None}]}, Delivery.PENDING),
        ({"deliveryStatus": "canceled"}, Delivery.CANCELLED),
        ({"deliveryStatus": "brand new word"}, Delivery.PENDING),
        ({"deliveryStatus": ""}, Delivery.PENDING),
    ],
)
def test_delivery_needs_all_codes(fields: dict[str, object], delivery: Delivery) -> None:
    """An order is issued when every piece has its code, whatever `orderStatus` says."""
    change = proven(LINE, order(orderStatus="complete", **fields), Evidence.ANSWERED_PLACED)
    assert (change.evidence, change.delivery) == (Evidence.ANSWERED_PLACED, delivery)


def test_what_has_no_codes_is_delivered_without_them() -> None:
    """A top-up is delivered by its status alone; a gift card by a look-up that says so, unless some codes have come."""
    delivered = order(deliveryStatus="delivered")
    body = '{"productId":1001,"denomination":100,"quantity":2,"poNumber":"p","userMeta":{"topupPhoneNumber":"1"}}'
    top_up = msgspec.structs.replace(LINE, body=body)
    assert proven(top_up, delivered, Evidence.ANSWERED_PLACED).delivery is Delivery.DELIVERED
    assert proven(LINE, delivered, Evidence.LOOKUP_MATCHED).delivery is Delivery.DELIVERED
    some = msgspec.structs.replace(LINE, held=1)
    assert proven(some, delivered, Evidence.LOOKUP_MATCHED).delivery is Delivery.PENDING


@pytest.mark.parametrize(
    "fields",
    [
        {"quantity": 50},
        {"vouchers": [{**VOUCHER, "productId": 9}]},
        {"voucherDetails": [{"productId": 1001, "denomination": 999}]},
        {"orderId": 0},
        {"orderId": -5},
        {"orderId": 2**63},
        {"orderId": 99999999999999999999},
    ],
)
def test_an_answer_to_another_question_proves_nothing(fields: dict[str, object]) -> None:
    """Another product, value or quantity, or an impossible id, is doubt; from a look-up, a mismatch."""
    answer = order(**fields)
    assert proven(LINE, answer, Evidence.ANSWERED_PLACED).evidence is Evidence.OUTCOME_LOST
    if answer.order_id <= 0 or answer.order_id >= 2**63:
        assert proven(LINE, answer, Evidence.LOOKUP_MATCHED).evidence is Evidence.LOOKUP_MISMATCHED


def test_codes_are_kept_whole_and_never_shown() -> None:
    """Both spellings end in the ledger; the change's repr has none of it."""
    odd = {"code": "D", "pin": 0, "validTo": "2028-02-29", "amount": "50"}
    change = proven(LINE, order(vouchers=[VOUCHER, odd]), Evidence.ANSWERED_PLACED)
    first, second = codes_of(change.codes)
    assert (first.code, first.pin, first.valid_to, first.amount) == ("C", "P", "2028-01-31", "100")
    assert (second.code, second.pin, second.valid_to) == ("D", "0", "2028-02-29")
    assert (change.order_id, change.amount_charged, change.currency) == (7, Decimal(200), "INR")
    assert "'C'" not in repr(change) + repr(first)


def test_the_total_serves_where_no_charge_is_told() -> None:
    """It is the price before a discount, so a budget is not undercut; a charge that is told counts, zero too."""
    told = proven(LINE, order(amountCharged=None, orderTotal=210), Evidence.ANSWERED_PLACED)
    assert told.amount_charged == Decimal(210)
    told = proven(LINE, order(amountCharged=0, orderTotal=210), Evidence.ANSWERED_PLACED)
    assert told.amount_charged == Decimal(0)


@pytest.mark.parametrize("order_id", [0, -1])
def test_an_order_without_an_id_is_doubt(order_id: int) -> None:
    """Nothing but an id proves an order."""
    assert proven(LINE, order(orderId=order_id), Evidence.ANSWERED_PLACED).evidence is Evidence.OUTCOME_LOST


DETAIL = {"productId": 1001, "denomination": 100}


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({}, ""),
        ({"vouchers": [VOUCHER], "voucherDetails": [DETAIL]}, ""),
        ({"voucherDetails": [DETAIL | {"denomination": "100.00"}]}, ""),
        ({"voucherDetails": [DETAIL | {"productId": 1002}]}, "product"),
        ({"voucherDetails": [DETAIL | {"denomination": 50}]}, "denomination"),
        ({"quantity": 1}, "quantity"),
        ({"orderDate": "2023-11-14 22:00:00"}, ""),
        ({"orderDate": "2023-11-14 08:30:00"}, ""),  # half a day earlier may be a time zone
        ({"orderDate": "2023-11-15 12:00:00"}, ""),
        ({"orderDate": "2023-11-13 22:13:20"}, "none of this row's sends"),
        ({"orderDate": "2023-11-15 13:00:00"}, "none of this row's sends"),
        ({"orderDate": "2023-11-10 00:00:00"}, "none of this row's sends"),
    ],
)
def test_only_a_matching_order_is_adopted(fields: dict[str, object], word: str) -> None:
    """An order with another product, value or quantity, or from before the row's first send, is another sender's."""
    found = mismatch(LINE, order(**fields))
    assert bool(found) == bool(word)
    assert word in found


@pytest.mark.parametrize(
    ("told", "known", "charged"),
    [
        ({"amount_charged": Decimal(95), "order_total": Decimal(100)}, None, Decimal(95)),
        ({"amount_charged": Decimal(0), "order_total": Decimal(100)}, None, Decimal(0)),
        ({"order_total": Decimal(100), "raw_order_total": Decimal(101)}, None, Decimal(100)),
        ({"raw_order_total": Decimal(101)}, None, Decimal(101)),
        ({"order_total": Decimal(100)}, Decimal(95), None),
        ({}, None, None),
    ],
)
def test_the_total_replaces_an_unknown_charge(
    told: dict[str, Decimal], known: Decimal | None, charged: Decimal | None
) -> None:
    """It is not less than the charge, because it is before any discount; it never replaces a known charge."""
    row = msgspec.structs.replace(LINE, amount_charged=known)
    change = proven(row, Order(order_id=7, quantity=2, **told), Evidence.LOOKUP_MATCHED)  # type: ignore[arg-type]
    assert change.amount_charged == charged
