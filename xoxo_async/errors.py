"""Every error that the SDK raises, and the table of the vendor's error ids.

Each error says whether the call may have taken effect (`effect`) and whether it may be made again (`retryable`).

    XoxoError
    ├── ConfigError                  a setting or an argument is wrong; nothing was sent
    │   └── ArgumentError            an argument of this very call
    ├── TransportError               no usable answer came
    │   ├── ConnectError             the request did not reach the server
    │   ├── ReplyTimeoutError        the request was sent; no answer came in time
    │   └── ReplyLostError           the request was sent; its answer was lost, unreadable or another request's
    ├── AuthError                    the vendor did not accept the credentials or the token
    │   ├── CredentialsRejectedError
    │   ├── TokenRejectedError
    │   ├── RefreshTokenDeadError    a person must generate a new token pair
    │   └── TokenStoreError          the store of the tokens failed, and not the token
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
    ├── OutcomeUnknownError          money may have moved; has the poNumber to settle with
    ├── DecodeError                  the vendor answered in an unknown shape
    └── BulkError                    a bulk run or its ledger failed
        ├── PlanError
        ├── LedgerError
        │   ├── LedgerLockedError
        │   ├── LedgerConflictError
        │   └── LedgerKeyError, also a ConfigError
        ├── LineBusyError            another call works on the order, or nobody knows yet; ask again later
        └── BudgetError
"""

from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from typing import Any, Final, Literal, NamedTuple, Protocol, Self, cast

__all__ = [
    "ERROR_IDS",
    "ApiError",
    "ArgumentError",
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
    "LedgerKeyError",
    "LedgerLockedError",
    "LineBusyError",
    "NotAllowedError",
    "NotFoundError",
    "OrderMayExist",
    "OutOfStockError",
    "OutcomeUnknownError",
    "PlanError",
    "QuantityError",
    "RateLimitedError",
    "RawAnswer",
    "RefreshTokenDeadError",
    "RefusedError",
    "ReplyLostError",
    "ReplyTimeoutError",
    "ServerError",
    "Times",
    "TokenRejectedError",
    "TokenStoreError",
    "TransportError",
    "XoxoError",
    "effect_of",
    "mark_effect",
]

Effect = Literal["none", "possible"]
"""Whether the call may have taken effect at the vendor. `none` is proof that it did not."""


class Times(NamedTuple):
    """When the steps of a call happened, in seconds of `time.monotonic()`. Only differences mean something.

    Attributes:
        queued: The call began to wait for a token and a slot.
        sent: The last attempt's request was written.
        first_byte: The head of its answer had come.
        done: The whole answer had come.
    """

    queued: float
    sent: float
    first_byte: float
    done: float

    @property
    def waited_s(self) -> float:
        """Seconds before the last attempt: for a token, a slot, a connection, and for attempts that failed."""
        return self.sent - self.queued

    @property
    def answer_s(self) -> float:
        """Seconds from the request to the head of its answer: what the vendor took."""
        return self.first_byte - self.sent

    @property
    def total_s(self) -> float:
        """Seconds for all of it."""
        return self.done - self.queued


class RawAnswer(Protocol):
    """The answer behind an error; see `RawReply`, which it is."""

    @property
    def status(self) -> int | None:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, by their names in lower case, without secrets."""
        ...

    @property
    def request_id(self) -> str:
        """The server's id of the request; empty without one."""
        ...

    @property
    def times(self) -> Times | None:
        """When the steps of the call happened."""
        ...

    @property
    def attempts(self) -> int:
        """The number of HTTP attempts."""
        ...

    @property
    def body(self) -> object:
        """The body, which only its `reveal()` shows; None where it was too large to keep."""
        ...


class XoxoError(Exception):
    """The base class of every error that the SDK raises.

    Attributes:
        effect: `none` where the call certainly changed nothing, otherwise `possible`.
        retryable: Whether the same call may be made again without a look-up first.
        operation: The operation's name (`placeOrder`); empty where no operation was under way.
        attempts: The number of HTTP attempts before this error.
        po_number: The order's poNumber; None where the call had none.
        status: The HTTP status of the answer; None without an answer.
        error_id: The vendor's error id (`PLE10004`); empty without one.
        call_id: The call, as the events of the client's hooks name it; empty where the client has no hooks.
        raw: The answer behind this error: status, headers, times. None where none came. A pickle does not have it.
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
        self.call_id: str = ""
        self.raw: RawAnswer | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        kind, arguments, *more = cast("tuple[Any, ...]", super().__reduce__())
        # A raw answer may hold codes, and is never pickled.
        return kind, arguments, *({**state, "raw": None} for state in more)

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
        """Fill in the call that this error ended. The dispatcher uses it; the code that raises does not know the call.

        Args:
            operation: The operation's name; it does not replace one that is there.
            attempts: The number of HTTP attempts.
            po_number: The order's poNumber, where there is one; it does not replace one that is there.

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
        error: The exception, for example a bug in a caller's session. Each call marks it anew, because one object may
            end several calls.
        effect: `none` where no byte of the request can have left.
    """
    with suppress(AttributeError, TypeError):  # `effect_of` reads an exception without a mark as `possible`
        setattr(error, _EFFECT, effect)


def effect_of(error: BaseException) -> Effect:
    """Return whether a call that ended with this exception may have taken effect.

    Args:
        error: Any exception, also a foreign one. The SDK raises a foreign bug as it is.
    """
    if isinstance(error, XoxoError):
        return error.effect
    return "none" if getattr(error, _EFFECT, "possible") == "none" else "possible"


class ConfigError(XoxoError):
    """A setting, an argument or the state of the client is wrong. Nothing was sent."""


class ArgumentError(ConfigError):
    """An argument of the call is wrong, and the client is not. Nothing was sent; the same call never succeeds."""


class TransportError(XoxoError):
    """No usable answer came."""

    effect: Effect = "possible"


class ConnectError(TransportError):
    """The request did not reach the server: DNS, connection refused, TLS, or no free connection in time."""

    effect: Effect = "none"
    retryable = True


class ReplyTimeoutError(TransportError):
    """The request was sent, and no answer came in time."""


class ReplyLostError(TransportError):
    """The request was sent, and then the connection broke, or the answer was no HTTP or belonged to another request."""


class AuthError(XoxoError):
    """The vendor did not accept the credentials or the token. Nothing was processed, unless `effect` says otherwise."""


class CredentialsRejectedError(AuthError):
    """The vendor refused the client id, the secret or the account (also: user or company disabled, IP not allowed)."""


class TokenRejectedError(AuthError):
    """The vendor refused the access token and its successor, or the token cannot be renewed."""


class RefreshTokenDeadError(AuthError):
    """The refresh token is spent or expired. A person must generate a new pair in the vendor's dashboard."""


class TokenStoreError(AuthError):
    """The store that keeps the tokens cannot be reached or written, or another process holds it. Nothing was sent.

    The credentials and the token are not at fault. `retryable` says whether the store may be back by itself.
    """


class ApiError(XoxoError):
    """The vendor answered and refused. The error id decides the class, and without one the HTTP status."""


class BadRequestError(ApiError):
    """The vendor refused the payload as invalid."""


class DenominationError(BadRequestError):
    """The vendor does not sell the product in this denomination (PLE10018)."""


class QuantityError(BadRequestError):
    """The quantity exceeds what one order of this product may hold (PLE10041)."""


class NotFoundError(ApiError):
    """The order, product, filter or transaction does not exist."""


class DuplicatePoNumberError(ApiError):
    """The poNumber failed validation (PLE10004). Most likely an order with it exists; look it up and do not reorder."""

    effect: Effect = "possible"


class OutOfStockError(ApiError):
    """The vendor has no codes of this product now (PLE10024, PLE10012)."""


class InsufficientFundsError(ApiError):
    """The account's balance did not cover the order (PLE10010, by the vendor's wording)."""


class NotAllowedError(ApiError):
    """The account may not buy this product: KYC, international products, product not activated."""


class RateLimitedError(ApiError):
    """The call exceeded the rate limit. Nothing was processed, unless `effect` says otherwise (see `ERROR_IDS`).

    Attributes:
        retry_after_s: Seconds to wait, from the vendor's `penaltySeconds` or `Retry-After`; None where neither came.
    """

    retryable = True

    def __init__(
        self, message: str, *, retry_after_s: float | None = None, status: int | None = None, error_id: str = ""
    ) -> None:
        super().__init__(message, status=status, error_id=error_id)
        self.retry_after_s = retry_after_s


class ServerError(ApiError):
    """The vendor failed (5xx, or an error id of a back-end failure). It may have acted before it failed."""

    effect: Effect = "possible"


class RefusedError(ApiError):
    """The vendor refused for a reason without a class of its own. The order may exist.

    Attributes:
        in_words: Whether the answer's own success flag says no; False where only the HTTP status does.
    """

    effect: Effect = "possible"
    in_words: bool = False


class OutcomeUnknownError(XoxoError):
    """An operation that moves money may or may not have taken effect.

    After placeOrder, `await client.orders.settle(po_number)` finds out. The API has no look-up for points and links;
    the vendor's dashboard shows them.
    """

    effect: Effect = "possible"


class DecodeError(XoxoError):
    """The answer has a shape that the SDK does not know. The message names the place in it, never its content."""

    effect: Effect = "possible"


class BulkError(XoxoError):
    """A bulk run or its ledger failed, and not one call."""


class PlanError(BulkError):
    """The order lines cannot be planned as they are. Nothing was sent.

    Attributes:
        problems: One text for each bad row, with row and column; the first twenty at most.
        total: The number of all problems.
    """

    def __init__(self, message: str, *, problems: tuple[str, ...] = (), total: int = 0) -> None:
        super().__init__(message)
        self.problems = problems
        self.total: int = total or len(problems)


class LedgerError(BulkError):
    """The ledger cannot be read or written. No order is sent without a durable intent in the ledger."""


class LedgerLockedError(LedgerError):
    """Another process holds the ledger.

    Attributes:
        holder_pid: The process id of the holder; None where it could not be read.
    """

    def __init__(self, message: str, *, holder_pid: int | None = None) -> None:
        super().__init__(message)
        self.holder_pid = holder_pid


class LedgerConflictError(LedgerError):
    """The ledger holds another digest, order id or state than the one to be written.

    Attributes:
        key: The key of a row that was planned with other contents; empty for other conflicts.
        seqs: The lines with a recorded fact that did not apply. The other facts of the same call are recorded.
    """

    key: str = ""
    seqs: frozenset[int] = frozenset()


class LedgerKeyError(LedgerError, ConfigError):
    """`XOXO_LEDGER_KEY` is missing, malformed, or not the ledger's. Waiting does not help; nothing was sent."""


class LineBusyError(BulkError):
    """An order cannot be settled now: another call is sending it, or nobody knows yet whether it exists. Ask again.

    Attributes:
        retry_after_s: Seconds after which asking again makes sense.
    """

    effect: Effect = "possible"
    retryable = True

    def __init__(self, message: str, *, retry_after_s: float = 30.0, po_number: str | None = None) -> None:
        super().__init__(message, po_number=po_number)
        self.retry_after_s = retry_after_s


class BudgetError(BulkError):
    """The next order would spend more than the run may spend."""


class OrderMayExist(StrEnum):
    """Whether an order may exist after an error id. The vendor's pages do not say it; it follows from their texts."""

    NO = "no"
    LOOK_UP = "look_up"
    YES = "yes"


class ErrorId(NamedTuple):
    """One row of the vendor's error table (wire documentation § 6.3)."""

    error: type[ApiError]
    meaning: str
    order: OrderMayExist = OrderMayExist.LOOK_UP


_NO, _YES = OrderMayExist.NO, OrderMayExist.YES

ERROR_IDS: Final[dict[str, ErrorId]] = {
    "PLE10001": ErrorId(BadRequestError, "the order's payload is invalid", _NO),
    "PLE10002": ErrorId(BadRequestError, "the payload is invalid"),
    "PLE10003": ErrorId(BadRequestError, "the payload is invalid"),
    # No page names the answer to a repeated poNumber. The text of this id fits best (wire documentation § 7.2).
    "PLE10004": ErrorId(DuplicatePoNumberError, "the poNumber failed validation; most likely it is used already"),
    "PLE10005": ErrorId(ServerError, "the currency service failed"),
    "PLE10006": ErrorId(ServerError, "the currency service failed"),
    "PLE10007": ErrorId(ServerError, "the order could not be added"),
    "PLE10008": ErrorId(ServerError, "the amount could not be computed"),
    "PLE10009": ErrorId(ServerError, "the company's points could not be read"),
    # No page names an id for a low balance. The text of this one fits best (wire documentation § 6.3).
    "PLE10010": ErrorId(InsufficientFundsError, "the points could not be redeemed; most likely the balance is too low"),
    "PLE10011": ErrorId(ServerError, "the order could not be confirmed", _YES),
    "PLE10012": ErrorId(OutOfStockError, "the order could not be processed; vouchers are unavailable", _YES),
    "PLE10013": ErrorId(ServerError, "the redeemed points could not be confirmed"),
    "PLE10014": ErrorId(NotAllowedError, "the client is invalid", _NO),
    "PLE10015": ErrorId(NotAllowedError, "the account's KYC for this product is not approved", _NO),
    "PLE10016": ErrorId(NotFoundError, "no order with this id or poNumber"),
    "PLE10017": ErrorId(NotFoundError, "the product's details are unavailable; refresh the catalog"),
    "PLE10018": ErrorId(DenominationError, "the denomination is not offered", _NO),
    # The vendor sends this with a 401, but the token is fine. A renewal would only use up the refresh throttle.
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
    # This answer and the one before show that placeOrder looks up an existing order (wire documentation § 7.1).
    "PLE10036": ErrorId(RefusedError, "the order exists, and its delivery is cancelled", _YES),
    "PLE10041": ErrorId(QuantityError, "more pieces than one order may hold", _NO),
    "PLE10042": ErrorId(NotAllowedError, "the product is not activated for this client", _NO),
}
"""The vendor's application errors: the class to raise, the meaning, and whether an order may exist after it.

An unlisted id, and every status without an id, is `LOOK_UP`, so that only a certain "no" is read as a refusal. Three
rules go before the table:

- The documented words of a rate limit (`auth.request_limit_exceeded`, `rate_limit_exceeded`, `penaltySeconds`) prove
  that nothing was processed, under any status and beside an unlisted id. So does a 429 without an id.
- A 429 with an unlisted id is `LOOK_UP`, and slows the operation down as a rate limit does. The vendor's pages show no
  id in a rate limit's answer, so the id comes from the application, which may have acted.
- An answer with an order id in it is at least `LOOK_UP`, whatever error id, rate limit or token word is beside it. So
  is such a word beside an id of this table after which an order may exist.
"""
