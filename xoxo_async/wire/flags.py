"""Whether an answer says that it worked: the vendor's three success flags, in every form that its pages print."""

from collections.abc import Mapping
from enum import Enum
from typing import Final

__all__ = ["SuccessFlag", "has_flag", "says_no", "says_yes", "succeeded", "usual_successes"]


class SuccessFlag(Enum):
    """Which field of the inner object says that it worked."""

    STATUS_1 = "status"
    SUCCESS_1 = "success"
    ERROR_FALSE = "error"
    """The field must be there and say no: an answer without it proves nothing."""
    NONE = ""


_SUCCEEDED: Final = (1, "1", "success", "true")
_FAILED_NOT: Final = (False, "false", "0", "")
_YES: Final = ("1", "success", "true")
_NO: Final = ("0", "false", "fail", "failed", "failure", "error")


def usual_successes(flag: SuccessFlag) -> tuple[object, ...]:
    """Return the values with which a flag usually says that it worked; `succeeded` knows more of them.

    Args:
        flag: The flag. `error` says so with a false value; absent or null, it says nothing.
    """
    return _FAILED_NOT if flag is SuccessFlag.ERROR_FALSE else _SUCCEEDED


def succeeded(flag: SuccessFlag, value: object) -> bool:
    """Return whether a flag's value says that it worked.

    Args:
        flag: The flag.
        value: As decoded. The vendor's pages print 1, "1", true and "success", and for `error` the opposite.
    """
    if flag is SuccessFlag.NONE:
        return True
    word = value.strip().lower() if isinstance(value, str) else None
    if flag is SuccessFlag.ERROR_FALSE:
        return value is False or value == 0 or word in ("false", "0", "")
    return value == 1 or word in _YES


def says_yes(inner: Mapping[str, object], flag: SuccessFlag) -> bool:
    """Return whether an answer's object says that it worked, by its own flag, or by another where that one is absent.

    Args:
        inner: The object, as decoded.
        flag: The operation's own flag.
    """
    if flag is SuccessFlag.NONE or inner.get(flag.value) is not None:
        return succeeded(flag, inner.get(flag.value))
    return any(inner.get(other.value) is not None and succeeded(other, inner[other.value]) for other in SuccessFlag)


def says_no(inner: Mapping[str, object]) -> bool:
    """Return whether an answer's object refuses, by any success flag or by an error of its own.

    Args:
        inner: The object, as decoded.
    """
    for flag in (SuccessFlag.STATUS_1, SuccessFlag.SUCCESS_1):
        value = inner.get(flag.value)
        word = value.strip().lower() if isinstance(value, str) else None
        if value is False or (value is not None and value == 0) or word in _NO:
            return True
    error = inner.get("error")
    if error not in (None, [], {}) and not succeeded(SuccessFlag.ERROR_FALSE, error):
        return True
    return any(inner.get(name) for name in ("errorId", "error_message_id", "errors"))


def has_flag(inner: object) -> bool:
    """Return whether an answer's object has any success flag.

    Args:
        inner: The object, as decoded.
    """
    return isinstance(inner, dict) and any(flag.value in inner for flag in SuccessFlag if flag.value)
