"""Every error that leaves the SDK, and the table of the vendor's error ids.

Each one answers two questions: may the call have taken effect (`effect`), and may it be tried again (`retryable`)?

    XoxoError
    ├── ConfigError                  wrong before anything was sent
    ├── TransportError               no usable answer
    │   ├── ConnectError             never reached the server
    │   ├── ReplyTimeoutError        sent; no answer in time
    │   └── ReplyLostError           sent; the connection broke, or what came was no HTTP, or another request's answer
    ├── AuthError                    the account's credentials need a look
    │   ├── CredentialsRejectedError
    │   ├── TokenRejectedError
    │   └── RefreshTokenDeadError    a person must make a new token pair
    ├── ApiError                     the vendor answered and refused
    │   ├── BadRequestError
    │   │   ├── DenominationError
    │   │   └── QuantityError
    │   ├── NotFoundError
    │   ├── DuplicatePoNumberError
    │   ├── OutOfStockError
    │   ├── InsufficientFundsError
    │   ├── NotAllowedError
    │   ├── RateLimitedError
    │   ├── ServerError
    │   └── RefusedError
    ├── OutcomeUnknownError          money may have moved; carries what to settle with
    ├── DecodeError                  answered in a shape we do not know
    └── BulkError
        ├── PlanError
        ├── LedgerError
        │   ├── LedgerLockedError
        │   └── LedgerConflictError
        └── BudgetError
"""

from contextlib import suppress
from enum import StrEnum
from typing import Final, Literal, NamedTuple, Self

__all__ = [
    "ERROR_IDS",
    "ApiError",
    "AuthError",
    "BadRequestError",
    "BudgetError",
    "BulkError",
    "ConfigError",
    "ConnectError",
    "CredentialsRejectedError",
    "DecodeError",
    "DenominationError",
    "DuplicatePoNumberError",
    "Effect",
    "ErrorId",
    "InsufficientFundsError",
    "LedgerConflictError",
    "LedgerError",
    "LedgerLockedError",
    "NotAllowedError",
    "NotFoundError",
    "OrderMayExist",
    "OutOfStockError",
    "OutcomeUnknownError",
    "PlanError",
    "QuantityError",
    "RateLimitedError",
    "RefreshTokenDeadError",
    "RefusedError",
    "ReplyLostError",
    "ReplyTimeoutError",
    "ServerError",
    "TokenRejectedError",
    "TransportError",
    "XoxoError",
    "effect_of",
    "mark_effect",
]

Effect = Literal["none", "possible"]
"""Whether the call may have taken effect at the vendor: `none` is proof that it did not."""


class XoxoError(Exception):
    """The root of every error the SDK raises.

    Attributes:
        effect: `none` when the call certainly changed nothing, `possible` otherwise.
        retryable: Whether the same call may be made again without a look-up first.
        operation: The operation's name (`placeOrder`), empty where none was under way.
        attempts: HTTP attempts made before this error was raised.
        po_number: The order's poNumber, where the call had one.
        status: The HTTP status of the answer, None without one.
        error_id: The vendor's error id (`PLE10004`), empty without one.
    """

    effect: Effect = "none"
    retryable: bool = False

    def __init__(
        self,
        message: str,
        *,
        effect: Effect | None = None,
        retryable: bool | None = None,
        operation: str = "",
        attempts: int = 0,
        po_number: str | None = None,
        status: int | None = None,
        error_id: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        if effect is not None:
            self.effect = effect
        if retryable is not None:
            self.retryable = retryable
        self.operation: str = operation
        self.attempts: int = attempts
        self.po_number = po_number
        self.status = status
        self.error_id = error_id

    def __str__(self) -> str:
        facts = [
            text
            for text in (
                self.operation,
                f"HTTP {self.status}" if self.status is not None else "",
                self.error_id,
                f"poNumber {self.po_number}" if self.po_number else "",
            )
            if text
        ]
        return f"{self.message} [{', '.join(facts)}]" if facts else self.message

    def located(self, *, operation: str, attempts: int, po_number: str | None = None) -> Self:
        """Fill in which call this error ended; used by the dispatcher, which alone knows.

        Args:
            operation: The operation's name.
            attempts: HTTP attempts made.
            po_number: The order's poNumber, where there is one.

        Returns:
            The same error.
        """
        self.operation = self.operation or operation
        self.attempts = attempts
        self.po_number = self.po_number or po_number
        return self


_EFFECT: Final = "_xoxo_effect"


def mark_effect(error: BaseException, effect: Effect) -> None:
    """Record on a foreign exception whether the call that it ended may have taken effect.

    Args:
        error: For example a bug in a caller's hook. It is marked each time, because one object may be raised again and
            again.
        effect: `none` where none of the request can have left.
    """
    with suppress(AttributeError, TypeError):  # an exception without room for the mark counts as doubt
        setattr(error, _EFFECT, effect)


def effect_of(error: BaseException) -> Effect:
    """Return whether a call that ended with this exception may have taken effect.

    Args:
        error: Any exception, also a foreign one: a bug in a hook is raised as it is.
    """
    if isinstance(error, XoxoError):
        return error.effect
    return "none" if getattr(error, _EFFECT, "possible") == "none" else "possible"


class ConfigError(XoxoError):
    """Something is wrong on this side, found before anything was sent."""


class TransportError(XoxoError):
    """No usable answer came."""

    effect: Effect = "possible"


class ConnectError(TransportError):
    """The server was never reached: DNS, connection refused, TLS, or no free connection in time."""

    effect: Effect = "none"
    retryable = True


class ReplyTimeoutError(TransportError):
    """The request was sent, and no answer came in time."""


class ReplyLostError(TransportError):
    """The request was sent; then the connection broke, or what came was no HTTP, or belonged to another request."""


class AuthError(XoxoError):
    """The vendor did not accept the credentials or the token; nothing was processed."""


class CredentialsRejectedError(AuthError):
    """The client id, the secret or the account itself was refused (also: user or company disabled, IP not allowed)."""


class TokenRejectedError(AuthError):
    """The access token was refused, and a renewed one as well (or it cannot be renewed)."""


class RefreshTokenDeadError(AuthError):
    """The refresh token is spent or expired: a person must generate a new pair in the dashboard."""


class ApiError(XoxoError):
    """The vendor answered, and refused. The class is chosen by errorId first, by HTTP status only as a fallback."""


class BadRequestError(ApiError):
    """The payload was refused as invalid."""


class DenominationError(BadRequestError):
    """The product cannot be bought in this denomination (PLE10018)."""


class QuantityError(BadRequestError):
    """More pieces than one order of this product may hold (PLE10041)."""


class NotFoundError(ApiError):
    """No such order, product, filter or transaction."""


class DuplicatePoNumberError(ApiError):
    """The poNumber failed validation (PLE10004): most likely an order with it exists. Look it up, never reorder."""

    effect: Effect = "possible"


class OutOfStockError(ApiError):
    """The vendor has no codes of this product now (PLE10024, PLE10012)."""


class InsufficientFundsError(ApiError):
    """The account's balance did not cover the order (PLE10010, by the vendor's wording)."""


class NotAllowedError(ApiError):
    """This account may not buy this: KYC, international products, product not activated."""


class RateLimitedError(ApiError):
    """Over the per-minute allowance; nothing was processed, unless `effect` says otherwise (see `ERROR_IDS`).

    Attributes:
        retry_after_s: Seconds to wait: the vendor's `penaltySeconds` or `Retry-After`, None where neither came.
    """

    retryable = True

    def __init__(
        self, message: str, *, retry_after_s: float | None = None, status: int | None = None, error_id: str = ""
    ) -> None:
        super().__init__(message, status=status, error_id=error_id)
        self.retry_after_s = retry_after_s


class ServerError(ApiError):
    """The vendor failed (5xx, or an error id of a back-end failure); it may have acted before that."""

    effect: Effect = "possible"


class RefusedError(ApiError):
    """Refused for a reason the SDK has no name for; the order may exist.

    Attributes:
        in_words: Whether the answer itself says no, by its own success flag, so that it is not a guess by the status.
    """

    effect: Effect = "possible"
    in_words: bool = False


class OutcomeUnknownError(XoxoError):
    """An operation that moves money may or may not have taken effect.

    For placeOrder, `po_number` is what to settle with: `await client.orders.settle(po_number)`. Operations without a
    key (points, links) cannot be asked about through this API; the dashboard can.
    """

    effect: Effect = "possible"


class DecodeError(XoxoError):
    """The answer has a shape the SDK does not know; the message names the place in it, never its content."""

    effect: Effect = "possible"


class BulkError(XoxoError):
    """Something about a bulk run, not about one call."""


class PlanError(BulkError):
    """The order lines cannot be planned as they are; nothing was sent.

    Attributes:
        problems: One line per bad row, naming row and column; cut after the first twenty.
        total: How many problems there are in all.
    """

    def __init__(self, message: str, *, problems: tuple[str, ...] = (), total: int = 0) -> None:
        super().__init__(message)
        self.problems = problems
        self.total: int = total or len(problems)


class LedgerError(BulkError):
    """The ledger file cannot be read or written; no order is sent without a durable intent."""


class LedgerLockedError(LedgerError):
    """Another process holds the ledger.

    Attributes:
        holder_pid: Its process id, None where it could not be read.
    """

    def __init__(self, message: str, *, holder_pid: int | None = None) -> None:
        super().__init__(message)
        self.holder_pid = holder_pid


class LedgerConflictError(LedgerError):
    """The ledger holds something else than what is being written: another digest, order id or state."""


class BudgetError(BulkError):
    """The next order would spend more than allowed."""


class OrderMayExist(StrEnum):
    """Whether an order may exist after an error id. Concluded from the vendor's pages, which do not say it outright."""

    NO = "no"
    LOOK_UP = "look_up"
    YES = "yes"


class ErrorId(NamedTuple):
    """One row of the vendor's error table."""

    error: type[ApiError]
    meaning: str
    order: OrderMayExist = OrderMayExist.LOOK_UP


_NO, _ASK, _YES = OrderMayExist.NO, OrderMayExist.LOOK_UP, OrderMayExist.YES

ERROR_IDS: Final[dict[str, ErrorId]] = {
    "PLE10001": ErrorId(BadRequestError, "the order's payload is invalid", _NO),
    "PLE10002": ErrorId(BadRequestError, "the payload is invalid"),
    "PLE10003": ErrorId(BadRequestError, "the payload is invalid"),
    "PLE10004": ErrorId(DuplicatePoNumberError, "the poNumber failed validation; most likely it is used already"),
    "PLE10005": ErrorId(ServerError, "the currency service failed"),
    "PLE10006": ErrorId(ServerError, "the currency service failed"),
    "PLE10007": ErrorId(ServerError, "the order could not be added"),
    "PLE10008": ErrorId(ServerError, "the amount could not be computed"),
    "PLE10009": ErrorId(ServerError, "the company's points could not be read"),
    "PLE10010": ErrorId(InsufficientFundsError, "the points could not be redeemed; most likely the balance is too low"),
    "PLE10011": ErrorId(ServerError, "the order could not be confirmed", _YES),
    "PLE10012": ErrorId(OutOfStockError, "the order could not be processed; vouchers are unavailable", _YES),
    "PLE10013": ErrorId(ServerError, "the redeemed points could not be confirmed"),
    "PLE10014": ErrorId(NotAllowedError, "the client is invalid", _NO),
    "PLE10015": ErrorId(NotAllowedError, "the account's KYC for this product is not approved", _NO),
    "PLE10016": ErrorId(NotFoundError, "no order with this id or poNumber"),
    "PLE10017": ErrorId(NotFoundError, "the product's details are unavailable; refresh the catalog"),
    "PLE10018": ErrorId(DenominationError, "the denomination is not offered", _NO),
    # A 401 that is no token trouble: refreshing would only burn the refresh throttle.
    "PLE10019": ErrorId(NotAllowedError, "international products are not enabled for this client", _NO),
    "PLE10020": ErrorId(ServerError, "the client's currency could not be looked up"),
    "PLE10021": ErrorId(NotFoundError, "details are missing while the order is being fulfilled", _YES),
    "PLE10022": ErrorId(NotFoundError, "no order history"),
    "PLE10023": ErrorId(ServerError, "the balance could not be read"),
    "PLE10024": ErrorId(OutOfStockError, "the product is out of stock"),
    "PLE10025": ErrorId(ServerError, "the order could not be placed"),
    "PLE10026": ErrorId(ServerError, "the order was cancelled, but its refund failed", _YES),
    "PLE10027": ErrorId(NotFoundError, "no order history in this range"),
    "PLE10028": ErrorId(NotFoundError, "no such transaction"),
    "PLE10029": ErrorId(NotFoundError, "no such filter group"),
    "PLE10030": ErrorId(NotFoundError, "no vouchers match"),
    "PLE10031": ErrorId(BadRequestError, "a filter value is invalid"),
    "PLE10032": ErrorId(BadRequestError, "the payload is invalid"),
    "PLE10033": ErrorId(BadRequestError, "the payload is invalid"),
    "PLE10034": ErrorId(ServerError, "the voucher e-mail could not be sent again"),
    "PLE10035": ErrorId(ServerError, "the order's status could not be checked; look it up by poNumber", _YES),
    "PLE10036": ErrorId(RefusedError, "the order exists, and its delivery is cancelled", _YES),
    "PLE10041": ErrorId(QuantityError, "more pieces than one order may hold", _NO),
    "PLE10042": ErrorId(NotAllowedError, "the product is not activated for this client", _NO),
}
"""The vendor's application errors: the class to raise, what it means, and whether an order may exist after it.

An id that is not listed, and every status without an id, is `LOOK_UP`: only a certain "no" is ever read as a refusal.
Three things overrule the table:

- The documented words of a rate limit (`auth.request_limit_exceeded`, `rate_limit_exceeded`, `penaltySeconds`) prove
  that nothing was processed, under any status and beside an id that is not listed. So does a 429 without an id.
- A 429 with an id that is not listed is `LOOK_UP`, and slows the operation down as a rate limit does. The vendor's
  pages show no id in a rate limit's answer, and their statuses differ from page to page: the id comes from the
  application, which may have acted.
- An order id anywhere in an answer is `LOOK_UP` at least, whatever error id, rate limit or token word is beside it. So
  is such a word beside an id of this table after which an order may exist.
"""
