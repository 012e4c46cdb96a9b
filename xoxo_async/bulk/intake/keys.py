"""The key of a row: what it may hold, when two spellings are the same key, and the poNumber that follows from it."""

import hashlib
import re
import unicodedata
from functools import lru_cache
from typing import Final

from xoxo_async.errors import ArgumentError, ConfigError
from xoxo_async.services.checks import LOST_DIGITS, lost_digits

__all__ = ["MAX_KEY", "alike", "check_key", "derive_po_number", "folded"]

MAX_KEY: Final = 255
"""Characters that a key may have, as many as any other text of a row."""

_UNFIT: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Unicode counts these as letters, marks or symbols, but no font shows them: joiners, fillers, variation selectors, the
# empty braille cell.
_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")
_BEFORE_DIGITS: Final = frozenset("'+0")
_UNCOUNTED: Final = re.compile(r"^\+?0*(?=[0-9])")
_MAX_PO: Final = 100
"""Characters that the vendor's webhook field holds (wire documentation § 4.4)."""
_DIGEST: Final = 20
_READABLE: Final = _MAX_PO - _DIGEST - 1


def check_key(value: object) -> None:
    """Raise `ConfigError` unless a value can be the key of a row.

    Every character of a key must be visible, or a blank. With an invisible character, two keys that look the same to a
    person would be two orders.

    Args:
        value: The value.
    """
    if not isinstance(value, str):
        raise ConfigError(f"must be a text, not {type(value).__name__}")
    if not value.strip():
        raise ConfigError("is empty")
    if len(value) > MAX_KEY:
        raise ConfigError(f"has {len(value):,} characters, and a key has {MAX_KEY} at most")
    if lost_digits(value):
        raise ConfigError(f"is {value}: {LOST_DIGITS}")
    if not (value.isascii() and value.isprintable()):
        _refuse_unseen(value)


def _refuse_unseen(value: str) -> None:
    for place, character in enumerate(value, 1):
        if unicodedata.category(character) in _UNFIT or _UNSEEN.match(character):
            name = unicodedata.name(character, "a control character").capitalize()
            raise ConfigError(
                f"holds U+{ord(character):04X} ({name}) as character {place}: it is invisible, so remove it"
            )


def folded(key: str) -> str:
    """Return a text in one form: composed characters, and one blank for every run of blanks.

    Args:
        key: The text.
    """
    if key.isascii() and " " not in key:
        return key
    return " ".join(unicodedata.normalize("NFC", key).split())


def alike(key: str) -> str:
    """Return the form in which keys are compared: what a spreadsheet or another program changes does not count.

    Case, the form of characters and blanks do not count, nor what programs drop or add when they take a key for a
    number: zeros and a plus before its digits, `.0` behind them, an apostrophe in front. So `00123` is `123`, and `ab1`
    is `AB1`. Two such keys are one key to a person, and would be two orders.

    Only comparisons use this form. The ledger stores the key as the caller wrote it and derives the poNumber from that.

    Args:
        key: The key.
    """
    plain = key.lower() if key.isascii() and " " not in key else folded(folded(key).casefold())
    return _bare_number(plain) if plain[:1] in _BEFORE_DIGITS or plain.endswith(".0") else plain


def _bare_number(text: str) -> str:
    """Return a text without what does not count before and behind its first digits."""
    bare = _UNCOUNTED.sub("", text.lstrip("'"))
    return bare[:-2] if bare.endswith(".0") and bare[:-2].isdecimal() else bare


def derive_po_number(job: str, key: str) -> str:
    """Return the poNumber of a row: the same for the same job and key, always, on every machine.

    The poNumber shows job and key in readable form where they are plain and short. It always ends with a hash of both,
    so that two different pairs never get the same poNumber.

    Args:
        job: The job's name.
        key: The row's key.

    Returns:
        At most 100 characters of `[A-Za-z0-9_-]`, the size of the vendor's webhook field.

    Raises:
        ArgumentError: The key is blank: all claims without one would be one order. Or half a character is in it.
    """
    if not key.strip():
        raise ArgumentError("the key of an order must not be blank")
    job_plain, job_hashed = _job_part(job)
    try:
        digest = hashlib.sha256(f"{job_hashed}{key}".encode()).hexdigest()[:_DIGEST]
    except UnicodeEncodeError:  # a header's bytes that are no UTF-8, for example
        raise ArgumentError("the key of an order, or the job's name, has a character that is no text") from None
    key_plain = _plain(key)
    readable = (f"{job_plain}-{key_plain}" if job_plain and key_plain else job_plain or key_plain)[:_READABLE]
    return f"{readable}-{digest}" if readable else digest


@lru_cache(maxsize=16)  # all rows of a job have the same
def _job_part(job: str) -> tuple[str, str]:
    """Return what a poNumber shows of its job, and what is hashed of it."""
    return _plain(job), f"{len(job)}:{job}"


def _plain(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else "-".join(_PLAIN.findall(text))
