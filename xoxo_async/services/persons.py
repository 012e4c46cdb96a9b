"""When two receivers are one person: by address, or by phone."""

import re
import unicodedata
from typing import Final, NamedTuple

__all__ = ["Person", "by_address", "by_phone", "only_looks_plain", "same_address", "same_phone"]

_NO_DIGITS: Final = re.compile("[^0-9]+")
_TRUNK: Final = re.compile(r"\(0+\)")
"""The zero that is dialled inside the country only: `+44 (0) 20 …`."""
_WITH_CODE: Final = re.compile(r"[\s(]*(?:\+|00)")
_FEWEST_DIGITS: Final = 6
"""A shorter number is an extension or a placeholder that many persons share."""
_DOTS: Final = str.maketrans("\u3002\uff0e\uff61", "...")
"""The dots of other scripts, which a domain may have in place of a dot (RFC 3490)."""
_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)
"""Signs that show nothing and count as letters or marks. Those of the category Cf come on top."""
_QUOTED: Final = re.compile(r'"(.*)"(@[^@]*)')
_ESCAPED: Final = re.compile(r"\\(.)")


class Person(NamedTuple):
    """One thing by which a row names its receiver.

    Attributes:
        column: The field that has it: `email` or `phone`.
        spelling: The form in which it is compared.
        lacks_code: Whether it is a phone that may lack its country code.
    """

    column: str
    spelling: str
    lacks_code: bool = False


def by_address(email: str) -> Person:
    """Return the person that an address names.

    Args:
        email: The address.
    """
    return Person("email", same_address(email))


def by_phone(phone: str) -> Person | None:
    """Return the person that a phone names; None for a number that is too short to be one person's.

    Args:
        phone: The phone.
    """
    digits = same_phone(phone)
    return Person("phone", digits, _WITH_CODE.match(unicodedata.normalize("NFKC", phone)) is None) if digits else None


def same_address(email: str) -> str:
    """Return the form in which addresses are compared; it is never sent.

    Case, blanks around, characters that show nothing, full-width and other forms of a character, and the quotes around
    the name do not count. An international domain and its `xn--` form are one, and so are a domain with and without a
    final dot. Dots and `+tags` in the name do count: only the receiver's mail server knows what they mean.

    Args:
        email: The address.
    """
    bare = email.strip()
    if bare.isascii():
        plain = bare.lower()
        if plain[-1:] != "." and plain[:1] != '"' and "xn--" not in plain:
            return plain  # nearly all addresses
    else:
        plain = _folded(bare).strip()
    if quoted := _QUOTED.fullmatch(plain):
        plain = _ESCAPED.sub(r"\1", quoted[1]) + quoted[2]
    name, at, domain = plain.rpartition("@")
    labels = [_unicode_label(label) for label in domain.translate(_DOTS).rstrip(".").split(".")]
    return f"{name}{at}{'.'.join(labels)}"


def _folded(text: str) -> str:
    """Return a text without differences of case, of the forms of a character, and of what shows nothing."""
    seen = "".join(sign for sign in _UNSEEN.sub("", text) if unicodedata.category(sign) != "Cf")
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold())


def _unicode_label(label: str) -> str:
    """Return a label of a domain in the letters that a person reads. One that cannot be read stays as it is."""
    if not label.startswith("xn--"):
        return label
    try:
        # Not the codec `idna`: of the older standard, it has no form for some of the domains of today.
        return _folded(label[4:].encode("ascii").decode("punycode"))
    except UnicodeError:
        return label


def only_looks_plain(text: str) -> bool:
    """Return whether a text has a sign that looks like plain ASCII or like nothing: full-width letters, for example.

    A mail server does not take such an address, or takes it for another one.

    Args:
        text: The text.
    """
    return not text.isascii() and any(map(_is_odd, text))


def _is_odd(sign: str) -> bool:
    if sign.isascii():
        return False
    shown = unicodedata.normalize("NFKC", sign).translate(_DOTS)
    return bool(_UNSEEN.match(sign)) or any(part.isascii() for part in shown)


def same_phone(phone: str) -> str:
    """Return the form in which phones are compared; empty for a number that is too short to be one person's.

    Only its digits count, without zeros in front: 0091 and +91 are one prefix.

    Args:
        phone: The phone.
    """
    plain = phone if phone.isascii() else unicodedata.normalize("NFKC", phone)
    digits = _NO_DIGITS.sub("", _TRUNK.sub("", plain)).lstrip("0")
    return digits if len(digits) >= _FEWEST_DIGITS else ""
