"""When two receivers are one person: by address, or by phone."""

import re
import unicodedata
from typing import Final

__all__ = ["same_address", "same_phone"]

_NO_DIGITS: Final = re.compile("[^0-9]+")
_FEWEST_DIGITS: Final = 6
"""A shorter number is an extension or a placeholder that many persons share."""


def same_address(email: str) -> str:
    """Return the form in which addresses are compared: case, the form of characters and blanks around do not count.

    Args:
        email: The address.
    """
    bare = email.strip()
    return bare.lower() if bare.isascii() else unicodedata.normalize("NFC", bare).casefold()


def same_phone(phone: str) -> str:
    """Return the form in which phones are compared; empty for a number that is too short to be one person's.

    Only its digits count, without zeros in front: 0091 and +91 are one prefix.

    Args:
        phone: The phone.
    """
    digits = _NO_DIGITS.sub("", phone).lstrip("0")
    return digits if len(digits) >= _FEWEST_DIGITS else ""
