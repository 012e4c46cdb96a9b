"""Read an answer that is no success, in any of the vendor's nine error shapes (wire documentation § 6.1).

The shapes have no common field that tells them apart. They come under any HTTP status, 200 included, and the vendor's
pages differ in the statuses. So the rate limit is looked for first, then the error id, then the OAuth fields, and the
status decides only where there is none of these.
"""

import re
from collections.abc import Iterable
from typing import Final, cast

import msgspec

from xoxo_async.errors import (
    ERROR_IDS,
    ApiError,
    AuthError,
    BadRequestError,
    CredentialsRejectedError,
    DecodeError,
    Effect,
    NotFoundError,
    OrderMayExist,
    RateLimitedError,
    RefusedError,
    ServerError,
    TokenRejectedError,
    XoxoError,
)
from xoxo_async.wire.flags import says_no
from xoxo_async.wire.secrets import Secret, hide
from xoxo_async.wire.untyped import read_untyped

__all__ = ["recognise"]

_LIMIT_MESSAGES: Final = frozenset({"auth.request_limit_exceeded", "rate_limit_exceeded"})
_TOKEN_ERRORS: Final = frozenset({"invalid_token", "auth.token_error"})
_CREDENTIAL_ERRORS: Final = frozenset({"invalid_client", "unauthorized_client", "invalid_grant"})
_ACCOUNT_ERROR_IDS: Final = {
    "PIPE10015": "the user is disabled",
    "PIPE10016": "the company is disabled",
    "PIPE10017": "this IP address is not allowed",
}
_NAMES_ORDER: Final = re.compile(
    rb"""(?<!external)(?<!client) order [_\s-]? id [\\"'\s:=\#]{1,12} 0*[1-9]""", re.IGNORECASE | re.VERBOSE
)
"""An order id anywhere in an answer, also in a text or outside JSON. `externalOrderId` does not count, because it is
the vendor's other name for the poNumber (PLE10004)."""

_MAX_PENALTY_S: Final = 3600.0
"""The longest penalty that is believed, so that one odd answer cannot stop an operation for ever."""

_ADDRESS: Final = re.compile(r"[^\s\"'<>,;:()\[\]{}]+@[^\s\"'<>,;:()\[\]{}]+")
"""An e-mail address in a server's text. It is searched in short texts alone: the pattern is slow on a long one."""

_MAX_TEXT: Final = 200
"""The most characters of a server's text in a message."""


class _Body(msgspec.Struct):
    """The fields of all the shapes. Their type is `object`, because the vendor's types vary.

    Decisions read the fields themselves. Messages take their texts from `text_of` alone, which masks secrets.
    """

    status: object = None
    success: object = None
    code: object = None
    errorId: object = None  # noqa: N815 - the wire's name
    errorInfo: object = None  # noqa: N815
    error: object = None
    error_description: object = None
    error_message_id: object = None
    errors: object = None
    message: object = None
    data: object = None
    secrets: tuple[Secret, ...] = ()

    def text_of(self, *names: str) -> str:
        """Return the first text in these fields, short, for a message: secrets and e-mail addresses are masked."""
        for name in names:
            text = _short(hide(_text(getattr(self, name)), self.secrets))
            if text:
                return text
        return ""


def recognise(
    body: bytes,
    status: int,
    *,
    changes_nothing: bool = False,
    retry_after_s: float | None = None,
    secrets: Iterable[Secret] = (),
) -> XoxoError:
    """Return the error for an answer that is no success.

    Args:
        body: The answer's bytes, in any shape.
        status: The HTTP status.
        changes_nothing: Whether the call was a read. After any other call, an error may hide a success.
        retry_after_s: The `Retry-After` header in seconds; None where there was none.
        secrets: The secrets of the request. No error shows them, although the answer may repeat them.

    Returns:
        The error. Its `effect` is `none` only for a read, or where the answer proves that nothing happened.
    """
    try:
        shape = _body(read_untyped(body), tuple(secrets))
    except DecodeError:
        shape = None  # HTML from an edge server, an empty or a broken body
    error = _from_shape(shape, status, retry_after_s) if shape is not None else None
    if error is None:
        error = _from_status(status, shape.text_of("message") if shape else "", retry_after_s)
    if changes_nothing:
        error.effect = "none"
    elif error.effect == "none" and (contradiction := _contradiction(body, shape)):
        # One part of the answer says no and another part says yes, so a look-up or a person must find out.
        error = RefusedError(f"the answer refuses, and {contradiction}: {error.message}")
        error.error_id = shape.text_of("errorId").upper() if shape is not None else ""
    elif error.effect == "possible" and isinstance(error, RateLimitedError):
        error.retryable = False
    error.status = status
    return error


def _contradiction(body: bytes, shape: _Body | None) -> str:
    """Return the sign in a refusal that an order may exist; empty where there is none.

    Args:
        body: The answer's bytes.
        shape: The decoded answer; None where it is no JSON object.
    """
    if _NAMES_ORDER.search(body):
        return "names an order"
    if shape is None:
        # The lost part of a broken answer may have held an order. A rate limiter's page has no error id.
        return "has an error id" if b"errorid" in body.lower() else ""
    if _claims_success(shape.data):
        return "says that it worked"
    for part in (shape, _body(shape.error, shape.secrets), _inner(shape.data, shape.secrets)):
        known = ERROR_IDS.get(_text(part.errorId).upper()) if part is not None else None
        if known is not None and known.order is not OrderMayExist.NO:
            return f"says that {known.meaning}"
    return ""


def _body(value: object, secrets: tuple[Secret, ...]) -> _Body | None:
    """Return the fields of an object, or None for anything else."""
    if not isinstance(value, dict):
        return None
    fields = cast("dict[str, object]", value)
    names = (name for name in _Body.__struct_fields__ if name != "secrets")
    return _Body(**{name: fields.get(name) for name in names}, secrets=secrets)


def _from_shape(shape: _Body, status: int, retry_after_s: float | None) -> XoxoError | None:
    inner = _inner(shape.data, shape.secrets)
    # The vendor's samples have the same words at the top, nested under `error`, and in the success envelope.
    for part in (shape, _body(shape.error, shape.secrets), inner):
        if part is not None:
            error = _from_words(part, status, retry_after_s)
            if error is not None:
                return error
    if inner is not None:
        return _from_flags(inner)
    text = shape.text_of("errorInfo", "message", "error")
    status = _status_in_body(shape, status)
    if not text and status < 300:
        return None
    error = _from_status(status, text, retry_after_s)
    if isinstance(error, RefusedError):
        error.in_words = status < 300 and says_no(msgspec.structs.asdict(shape))
    return error


def _from_words(part: _Body, status: int, retry_after_s: float | None) -> XoxoError | None:
    """Return the error that the answer names by a rate limit, an error id or an OAuth word, or None."""
    words = _words(part)
    if not words.isdisjoint(_LIMIT_MESSAGES) or any("penaltySeconds" in item for item in _items(part)):
        return _rate_limited(part, retry_after_s)
    error_id = _text(part.errorId).upper()
    if error_id:
        return _from_error_id(error_id, part, status, retry_after_s)
    if not words.isdisjoint(_TOKEN_ERRORS):
        return TokenRejectedError("the access token was refused as invalid or expired", retryable=True)
    if not words.isdisjoint(_CREDENTIAL_ERRORS):
        return CredentialsRejectedError(f"the vendor refused the credentials ({part.text_of('error')})")
    if "invalid_request" in words and part.error_description is not None:
        # Shape B comes from the OAuth layer in front of every operation, so nothing was processed.
        return AuthError(f"the request was refused before it was processed: {part.text_of('error_description')}")
    return None


def _from_flags(inner: _Body) -> XoxoError:
    """Return the error for an operation's object whose flag says no, or that has no flag."""
    text = inner.text_of("message", "errorInfo", "error")
    if not says_no(msgspec.structs.asdict(inner)):
        return DecodeError(f"the answer neither confirms nor refuses{f' ({text})' if text else ''}")
    refused = RefusedError(text or "the vendor refused without a reason")
    refused.in_words = True
    return refused


def _status_in_body(shape: _Body, status: int) -> int:
    """Return the error status in the body, or the HTTP status where the body has none. The two may differ."""
    text = _text(shape.code)
    return int(text) if len(text) == 3 and text.isdecimal() and 400 <= int(text) < 600 else status


def _from_error_id(error_id: str, shape: _Body, status: int, retry_after_s: float | None) -> XoxoError:
    if error_id == "PIPE10013":
        return TokenRejectedError("the authorisation header was refused", retryable=True, error_id=error_id)
    if error_id in _ACCOUNT_ERROR_IDS:
        return CredentialsRejectedError(_ACCOUNT_ERROR_IDS[error_id], error_id=error_id)
    text = shape.text_of("errorInfo", "error", "message")
    known = ERROR_IDS.get(error_id)
    if known is None:
        # This holds under a 429 too. A rate limiter in front of the API sends other words and no error id. An id comes
        # from the application behind it, and the vendor's statuses differ from page to page (wire documentation § 6.3).
        error = _from_status(_status_in_body(shape, status), text or "an unlisted error id", retry_after_s)
        error.error_id = shape.text_of("errorId").upper()
        error.effect = "possible"
        return error
    effect: Effect = "none" if known.order is OrderMayExist.NO else "possible"
    message = f"{known.meaning} ({text})" if text else known.meaning
    return known.error(message, error_id=error_id, effect=effect)


def _from_status(status: int, text: str, retry_after_s: float | None) -> XoxoError:
    """Return the error for a status alone, which proves nothing about an order (except a 429)."""
    reason = f": {text}" if text else ""
    if status == 429:
        return RateLimitedError(f"over the rate limit{reason}", retry_after_s=retry_after_s)
    if status == 401:
        return AuthError(f"the vendor refused the authorisation{reason}", effect="possible")
    if status == 404:
        return NotFoundError(f"not found{reason}", effect="possible")
    if 400 <= status < 500:
        error = BadRequestError if status in {400, 422} else RefusedError
        return error(f"refused with HTTP {status}{reason}", effect="possible")
    if status >= 500:
        return ServerError(f"the vendor failed with HTTP {status}{reason}")
    if 300 <= status < 400:
        # A client that follows a 307 sends the order and its bearer token to another host.
        return RefusedError(f"answered with a redirect (HTTP {status}), which is never followed")
    if text:
        return RefusedError(f"refused{reason}")
    return DecodeError("the answer is neither a success nor a known error")


def _words(part: _Body) -> set[str]:
    """Return the texts of all fields that may hold a code word. Its field differs between the vendor's pages."""
    values = [part.error, part.error_message_id, part.message, *(item.get("message") for item in _items(part))]
    return {value.strip().lower() for value in values if isinstance(value, str)}


def _claims_success(data: object) -> bool:
    """Return whether an inner object has a flag of success and is not without data."""
    if not isinstance(data, dict):
        return False
    inner = [value for value in cast("dict[str, object]", data).values() if isinstance(value, dict)]
    return any(
        (value.get("status") in (1, "1") or value.get("success") in (1, "1") or value.get("error") in (False, "false"))
        and bool(value.get("data", True))
        for value in inner
    )


def _items(part: _Body) -> list[dict[str, object]]:
    """Return the objects in `errors`, which is a list or one object."""
    items = cast("list[object]", part.errors) if isinstance(part.errors, list) else [part.errors]
    return [cast("dict[str, object]", item) for item in items if isinstance(item, dict)]


def _rate_limited(part: _Body, retry_after_s: float | None) -> ApiError:
    for item in _items(part):
        penalty = _seconds(item.get("penaltySeconds"))
        if penalty is not None:
            retry_after_s = penalty
    return RateLimitedError("over the rate limit", retry_after_s=retry_after_s)


def _seconds(value: object) -> float | None:
    try:
        seconds = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return min(seconds, _MAX_PENALTY_S) if seconds >= 0 else None


def _inner(data: object, secrets: tuple[Secret, ...]) -> _Body | None:
    """Return the object of a failure inside a success envelope, shape G: `{"data": {"x": {"success": 0, ...}}}`.

    A refusal of points may lack the operation's key: `{"data": {"success": 0, ...}}` (wire documentation § 4.10).
    """
    if not isinstance(data, dict):
        return None
    for value in cast("dict[str, object]", data).values():
        inner = _body(value, secrets)
        if inner is not None:
            return inner
    return _body(data, secrets) if says_no(cast("dict[str, object]", data)) else None


def _text(value: object) -> str:
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _short(text: str) -> str:
    """Return a short printable text, so that a server's text neither floods a log nor puts control characters in it."""
    clean = "".join(c if c.isprintable() else " " for c in text[: 2 * _MAX_TEXT]).strip()
    clean = _ADDRESS.sub("***", clean)
    return clean if len(clean) <= _MAX_TEXT else clean[:_MAX_TEXT] + "…"
