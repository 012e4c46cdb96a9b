"""The check of the fields of a row of points. It makes no call."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple, TypeVar

from xoxo_async.errors import ArgumentError, ConfigError
from xoxo_async.services import checks

__all__ = ["CheckedPoints", "check_points"]

ValueT = TypeVar("ValueT")

_LONGEST_CITATION: Final = 2000


class CheckedPoints(NamedTuple):
    """The fields of a recipient that passed their check.

    Attributes:
        email: The address, to which the vendor sends the points.
        name: The recipient's name.
        amount: The points, a whole number.
        phone: The recipient's phone, which is never sent; empty for none.
        citation: The reason; empty for none.
    """

    email: str
    name: str
    amount: Decimal
    phone: str
    citation: str


def check_points(fields: Mapping[str, object], report: Callable[[str, ConfigError], None]) -> CheckedPoints | None:
    """Check every field of a recipient but `key` and `kept`.

    Args:
        fields: Values by the names of `PointsLine`. They may hold any object.
        report: Called with the column and the error of each field that is wrong.

    Returns:
        The fields; None if one is wrong.
    """
    bad: list[str] = []

    def checked(name: str, check: Callable[[str, object], ValueT]) -> ValueT | None:
        try:
            return check(name, fields.get(name))
        except ConfigError as error:
            bad.append(name)
            report(name, error)
            return None

    email = checked("email", _email_without_a_phone if fields.get("phone") else _email)
    phone = checked("phone", checks.phone)
    name = checked("name", checks.needed)
    amount = checked("amount", _amount)
    citation = checked("citation", _citation)
    if bad or email is None or name is None or amount is None:
        return None
    return CheckedPoints(email, name, amount, phone or "", citation or "")


def _email(name: str, value: object) -> str:
    return checks.email(name, checks.needed(name, value)) or ""


def _email_without_a_phone(name: str, value: object) -> str:
    if value is None:
        # sendBalance has `to_email` and nothing for a phone (wire documentation § 4.10).
        raise ArgumentError("is missing: the vendor sends points to an e-mail address, and takes no phone")
    return _email(name, value)


def _amount(name: str, value: object) -> Decimal:
    if value is None:
        raise ArgumentError("is missing")
    return checks.points(name, value)


def _citation(name: str, value: object) -> str | None:
    return checks.text(name, value, longest=_LONGEST_CITATION)
