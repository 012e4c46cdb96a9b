"""Reads an answer that is no success, in whichever of the vendor's nine error shapes it came.

The shapes share no discriminator and come under any HTTP status, 200 included; statuses differ between the vendor's
own pages. So: first the rate limit, then the error id, then the OAuth fields, and the status only when nothing spoke.
"""

from typing import Final

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
from xoxo_async.operation import EffectClass

__all__ = ["recognise"]

_LIMIT_MESSAGES: Final = ("auth.request_limit_exceeded", "rate_limit_exceeded")
_TOKEN_ERRORS: Final = ("invalid_token", "auth.token_error")
_ACCOUNT_ERROR_IDS: Final = {
    "PIPE10015": "the user is disabled",
    "PIPE10016": "the company is disabled",
    "PIPE10017": "this IP address is not allowed",
}
_MAX_PENALTY_S: Final = 3600.0
_MAX_TEXT: Final = 200


class _Body(msgspec.Struct):
    """Every field any of the shapes has; `object`, since the vendor's types vary."""

    code: object = None
    errorId: object = None  # noqa: N815 - the wire's name
    errorInfo: object = None  # noqa: N815
    error: object = None
    error_description: object = None
    error_message_id: object = None
    errors: object = None
    message: object = None
    data: object = None


_DECODER: Final = msgspec.json.Decoder(_Body)


def recognise(body: bytes, status: int, *, effect: EffectClass, retry_after_s: float | None = None) -> XoxoError:
    """Turn an answer that is no success into the error to raise.

    Args:
        body: The answer's bytes, in whatever shape.
        status: Its HTTP status.
        effect: What the operation may change; decides whether the error may hide a success.
        retry_after_s: The `Retry-After` header in seconds, where there was one.

    Returns:
        The error. Its `effect` is `none` only for a read, or where the vendor's answer proves that nothing happened.
    """
    try:
        shape = _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        shape = None  # HTML from an edge server, an empty or a broken body
    error = _from_shape(shape, status, retry_after_s) if shape is not None else None
    if error is None:
        error = _from_status(status, _text(shape.message) if shape else "", retry_after_s)
    if error.effect == "none" and shape is not None and _claims_success(shape.data):
        # Half of it says no and half of it yes: only a person, or a look-up, can tell.
        error = RefusedError(f"the answer says both that it worked and that it did not: {error.message}")
        error.error_id = _text(shape.errorId).upper()
    error.status = status
    if effect is EffectClass.READ:
        error.effect = "none"
    return error


def _from_shape(shape: _Body, status: int, retry_after_s: float | None) -> XoxoError | None:
    if _is_rate_limit(shape):
        return _rate_limited(shape, retry_after_s)
    error_id = _text(shape.errorId).upper()
    if error_id:
        return _from_error_id(error_id, shape, status, retry_after_s)
    if shape.error in _TOKEN_ERRORS or shape.error_message_id in _TOKEN_ERRORS:
        return TokenRejectedError("the access token was refused as invalid or expired", retryable=True)
    if shape.error in ("invalid_client", "unauthorized_client", "invalid_grant"):
        return CredentialsRejectedError(f"the vendor refused the credentials ({shape.error})")
    if shape.error == "invalid_request" and shape.error_description is not None:
        # Shape B: the OAuth layer in front of every operation refused; nothing was processed.
        return AuthError(f"the request was refused before it was processed: {_text(shape.error_description)}")
    inner = _inner_message(shape.data)
    if inner is not None:
        return RefusedError(inner or "the vendor refused without a reason")
    text = _text(shape.errorInfo) or _text(shape.message) or _text(shape.error)
    return _from_status(status, text, retry_after_s) if text else None


def _from_error_id(error_id: str, shape: _Body, status: int, retry_after_s: float | None) -> XoxoError:
    if error_id == "PIPE10013":
        return TokenRejectedError("the authorisation header was refused", retryable=True, error_id=error_id)
    if error_id in _ACCOUNT_ERROR_IDS:
        return CredentialsRejectedError(_ACCOUNT_ERROR_IDS[error_id], error_id=error_id)
    text = _text(shape.errorInfo) or _text(shape.error) or _text(shape.message)
    known = ERROR_IDS.get(error_id)
    if known is None:
        error = _from_status(status, text, retry_after_s)
        error.error_id = error_id
        error.effect = "possible"
        return error
    effect: Effect = "none" if known.order is OrderMayExist.NO else "possible"
    message = f"{known.meaning} ({text})" if text else known.meaning
    return known.error(message, error_id=error_id, effect=effect)


def _from_status(status: int, text: str, retry_after_s: float | None) -> XoxoError:
    """Choose by status alone. Whatever is chosen here proves nothing about an order."""
    said = f": {text}" if text else ""
    if status == 429:
        return RateLimitedError(f"over the rate limit{said}", retry_after_s=retry_after_s)
    if status == 401:
        return AuthError(f"the vendor refused the authorisation{said}", effect="possible")
    if status == 404:
        return NotFoundError(f"not found{said}", effect="possible")
    if 400 <= status < 500:
        error = BadRequestError if status in {400, 422} else RefusedError
        return error(f"refused with HTTP {status}{said}", effect="possible")
    if status >= 500:
        return ServerError(f"the vendor failed with HTTP {status}{said}")
    if 300 <= status < 400:
        # Followed, a 307 would hand the order and its bearer token to another host.
        return RefusedError(f"answered with a redirect (HTTP {status}), which is never followed")
    return RefusedError(f"refused{said}") if text else DecodeError("the answer is neither a success nor a known error")


def _claims_success(data: object) -> bool:
    """Return whether an inner object says that it worked, and holds something to show for it."""
    inner = [value for value in data.values() if isinstance(value, dict)] if isinstance(data, dict) else []
    return any(
        (value.get("status") in (1, "1") or value.get("success") in (1, "1")) and bool(value.get("data"))
        for value in inner
    )


def _is_rate_limit(shape: _Body) -> bool:
    if any(text in _LIMIT_MESSAGES for text in (shape.message, shape.error) if isinstance(text, str)):
        return True
    return any(
        "penaltySeconds" in item or item.get("message") in _LIMIT_MESSAGES
        for item in (shape.errors if isinstance(shape.errors, list) else ())
        if isinstance(item, dict)
    )


def _rate_limited(shape: _Body, retry_after_s: float | None) -> ApiError:
    for item in shape.errors if isinstance(shape.errors, list) else ():
        if isinstance(item, dict):
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


def _inner_message(data: object) -> str | None:
    """Return the message of a failure inside a success envelope (`{"data": {"x": {"success": 0, ...}}}`)."""
    if not isinstance(data, dict):
        return None
    for inner in data.values():
        if isinstance(inner, dict):
            return _text(inner.get("message")) or _text(inner.get("errorInfo")) or _text(inner.get("error"))
    return None


def _text(value: object) -> str:
    """Return a short printable text; what the vendor echoes must not flood a log or carry control characters."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return ""
    clean = "".join(c if c.isprintable() else " " for c in str(value)).strip()
    return clean if len(clean) <= _MAX_TEXT else clean[:_MAX_TEXT] + "…"
