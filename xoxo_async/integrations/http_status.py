"""From an error to the HTTP answer of a web app: one table for every framework.

    except XoxoError as error:
        answer = http_answer(error)
        return Response(answer.json(), answer.status, answer.headers)

An answer with 503 and `Retry-After` says: send the same request again. That is safe where the app derives the poNumber
from an id of the caller's, because the order is then found and not bought again. An answer whose call has no such key
(points, links) never has `Retry-After` while the outcome is unknown.
"""

import logging
import math
from typing import Final, NamedTuple

import msgspec

from xoxo_async.consequences import in_our_words
from xoxo_async.errors import (
    ApiError,
    ArgumentError,
    AuthError,
    BadRequestError,
    BudgetError,
    ConfigError,
    ConnectError,
    DenominationError,
    DuplicatePoNumberError,
    Effect,
    InsufficientFundsError,
    LedgerConflictError,
    LedgerError,
    LineBusyError,
    NotAllowedError,
    NotFoundError,
    OutOfStockError,
    PlanError,
    QuantityError,
    RateLimitedError,
    ServerError,
    TokenStoreError,
    TransportError,
    XoxoError,
)
from xoxo_async.verdicts import verdict_of

__all__ = ["STATUS_TABLE", "STATUS_TEXTS", "ErrorBody", "HttpAnswer", "StatusRow", "http_answer", "log_error"]

_LOG: Final = logging.getLogger("xoxo_async")


class StatusRow(NamedTuple):
    """One row of `STATUS_TABLE`.

    Attributes:
        error: The class of the error; a row holds for its subclasses too.
        status: The HTTP status.
        code: A word for programs. It goes into the body as `error`.
        detail: A sentence for people. It goes into the body as `detail`.
        error_id: The vendor's error id that the row is about; empty for every id.
        in_doubt: Whether the row also holds while an order may exist.
    """

    error: type[XoxoError]
    status: int
    code: str
    detail: str
    error_id: str = ""
    in_doubt: bool = False


STATUS_TABLE: Final = (
    StatusRow(ArgumentError, 422, "wrong_argument", "A field of the request is wrong. Nothing was ordered."),
    StatusRow(ConfigError, 500, "wrong_settings", "The shop's settings are wrong. Nothing was ordered."),
    StatusRow(DenominationError, 422, "wrong_denomination", "The product is not sold in this denomination."),
    StatusRow(QuantityError, 422, "wrong_quantity", "One order cannot hold so many pieces."),
    StatusRow(BadRequestError, 422, "bad_request", "The vendor does not accept the fields of the request."),
    # The vendor's text leaves open whether the order exists, and look-ups found none.
    StatusRow(OutOfStockError, 409, "out_of_stock", "The product is out of stock.", in_doubt=True),
    StatusRow(NotAllowedError, 409, "kyc_missing", "The shop's KYC for this product is not approved.", "PLE10015"),
    StatusRow(NotAllowedError, 409, "not_international", "The shop does not sell international products.", "PLE10019"),
    StatusRow(NotAllowedError, 409, "not_activated", "The product is not activated for the shop.", "PLE10042"),
    StatusRow(NotAllowedError, 409, "not_allowed", "The shop may not buy this product."),
    StatusRow(InsufficientFundsError, 503, "no_funds", "The shop cannot pay for the order now.", in_doubt=True),
    StatusRow(DuplicatePoNumberError, 409, "key_used", "The key belongs to another order."),
    # As for the one out of stock. Without this row a product id with a typing error would be asked for again and again.
    StatusRow(NotFoundError, 409, "no_product", "The product cannot be ordered now.", "PLE10017", in_doubt=True),
    StatusRow(NotFoundError, 404, "not_found", "There is no such order or product."),
    StatusRow(RateLimitedError, 503, "too_many", "The shop has too many orders at the moment. Nothing was ordered."),
    StatusRow(LineBusyError, 503, "busy", "The order is being worked on. Send the same request again.", in_doubt=True),
    StatusRow(LedgerConflictError, 409, "key_used", "The key belongs to another order."),
    StatusRow(PlanError, 422, "bad_request", "The order cannot be planned as it is."),
    StatusRow(BudgetError, 503, "no_funds", "The shop's budget is used up."),
    StatusRow(LedgerError, 503, "unavailable", "The shop's ledger cannot be used now."),
    StatusRow(ConnectError, 503, "unavailable", "The vendor is not reached. Nothing was ordered."),
    StatusRow(TokenStoreError, 503, "unavailable", "The shop's token store cannot be used now. Nothing was ordered."),
    StatusRow(AuthError, 503, "unavailable", "The vendor does not let the shop in. Nothing was ordered."),
    StatusRow(TransportError, 503, "unavailable", "The vendor does not answer."),
    StatusRow(ServerError, 503, "unavailable", "The vendor fails."),
    StatusRow(ApiError, 409, "refused", "The vendor refuses the request."),
    StatusRow(XoxoError, 502, "not_understood", "The vendor's answer is not understood."),
)
"""The rows from the most special to the most general error: the first one that fits is the answer.

While an order may exist (`effect` is `possible`), only the rows with `in_doubt` hold; every other error is then
`IN_DOUBT`, or `NO_KEY` where the call has no poNumber. That the poNumber belongs to another order is no doubt.
"""

IN_DOUBT: Final = StatusRow(
    XoxoError,
    503,
    "order_unknown",
    "The order may exist. Send the same request with the same key again, and none with another key.",
    in_doubt=True,
)
"""The answer while an order with a poNumber may exist."""

NO_KEY: Final = StatusRow(
    XoxoError,
    502,
    "outcome_unknown",
    "The call may have taken effect. Do not repeat it before a person has checked.",
    in_doubt=True,
)
"""The answer while a call that nobody can look up (points, links) may have taken effect."""


STATUS_TEXTS: Final = {
    404: "There is no such order or product.",
    409: "The order is refused: `error` says why (out_of_stock, kyc_missing, key_used …).",
    422: "The request is wrong: `error` says how (wrong_argument, wrong_denomination …).",
    500: "The shop's settings are wrong. Nothing was ordered.",
    502: "The vendor's answer is not understood, or the outcome of a call without a poNumber is unknown.",
    503: "Not now, or the outcome is unknown: send the same request with the same key after `Retry-After` seconds.",
}
"""The statuses of the table, in words for an app's OpenAPI."""


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON body of an error. It holds no text of the vendor's, so no code and no e-mail.

    Attributes:
        error: The word of the table.
        detail: The sentence of the table; for a wrong argument, the text that names the field.
        effect: `none` where nothing was ordered for certain, otherwise `possible`.
        retry_after_s: Seconds after which the same request makes sense again; None where it does not.
        po_number: The order's poNumber; None where there is none.
    """

    error: str
    detail: str
    effect: Effect = "none"
    retry_after_s: int | None = None
    po_number: str | None = None


class HttpAnswer(NamedTuple):
    """The answer for an error.

    Attributes:
        status: The HTTP status.
        body: The body.
    """

    status: int
    body: ErrorBody

    @property
    def headers(self) -> dict[str, str]:
        """`Retry-After`, if the same request makes sense again; and no cache keeps the answer."""
        again = self.body.retry_after_s
        never = {"Cache-Control": "no-store"}
        return never if again is None else {**never, "Retry-After": str(again)}

    def json(self) -> bytes:
        """Return the body as JSON."""
        return msgspec.json.encode(self.body)


def http_answer(error: XoxoError) -> HttpAnswer:
    """Return the HTTP answer for an error. It makes no call.

    Args:
        error: What a call raised.
    """
    row = _row_of(error)
    again = _retry_after(error) if row.status in (409, 503) else None
    detail = error.message if isinstance(error, ArgumentError) else row.detail
    body = ErrorBody(error=row.code, detail=detail, effect=error.effect, retry_after_s=again, po_number=error.po_number)
    return HttpAnswer(row.status, body)


def _row_of(error: XoxoError) -> StatusRow:
    doubt = error.effect == "possible" and not _is_anothers(error)
    for row in STATUS_TABLE:
        if isinstance(error, row.error) and row.error_id in ("", error.error_id) and (row.in_doubt or not doubt):
            return row
        if row.error is XoxoError:
            break
    return IN_DOUBT if error.po_number else NO_KEY


def _is_anothers(error: XoxoError) -> bool:
    """Return whether a look-up showed that the poNumber belongs to another order (`verdict_of` has the same rule)."""
    return isinstance(error, DuplicatePoNumberError) and verdict_of(error).action == "person"


def _retry_after(error: XoxoError) -> int | None:
    """Return whole seconds, at least 1: `Retry-After: 0` would make a browser hammer."""
    verdict = verdict_of(error)
    return max(math.ceil(verdict.after_s), 1) if verdict.action == "again" else None


def log_error(error: XoxoError) -> None:
    """Log an error that a web app answers with `http_answer`, with `po_number` and `call_id` as fields of the record.

    An order in doubt and everything that a person must look at is a WARNING. A refusal, and what passes by itself, is
    INFO. The log never has words of the vendor's, which may repeat a code or an e-mail address: of an answer it has the
    error's class, the status and the error id.

    Args:
        error: What a call raised.
    """
    row = _row_of(error)
    harmless = row.status < 500 or row.code == "too_many"
    level = logging.INFO if harmless and error.effect == "none" else logging.WARNING
    call_id = getattr(error, "call_id", "")
    _LOG.log(
        level,
        "answered %d %s: %s",
        row.status,
        row.code,
        in_our_words(error),
        extra={"po_number": error.po_number or "", "call_id": call_id, "operation": error.operation},
    )
