"""What a row's key may be, and when two spellings are one key."""

import re
import unicodedata
from typing import Final

from xoxo_async.errors import ConfigError
from xoxo_async.services.checks import LOST_DIGITS, lost_digits

__all__ = ["MAX_KEY", "check_key", "folded"]

MAX_KEY: Final = 255
"""Characters a key may have, as many as any other text of a row."""

_UNFIT: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Unicode gives these the category of a letter, a mark or a symbol, and no font shows them: joiners, fillers, variation
# selectors, the empty braille cell.
_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def check_key(value: object) -> None:
    """Raise `ConfigError` unless a value can be the key of a row.

    A character that nobody sees would make two keys of what a person reads as one, and buy twice. So every character
    of a key has to be visible, or a blank.

    Args:
        value: What stands in the place of a key.
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
                f"holds U+{ord(character):04X} ({name}) as character {place}: nobody can see it, so take it out"
            )


def folded(key: str) -> str:
    """Return the form in which keys are compared: composed characters, and every run of blanks as one blank.

    Only comparisons use it. What is stored, and what a poNumber is derived from, is the key as it was given.

    Args:
        key: The key.
    """
    if key.isascii() and " " not in key:
        return key
    return " ".join(unicodedata.normalize("NFC", key).split())
