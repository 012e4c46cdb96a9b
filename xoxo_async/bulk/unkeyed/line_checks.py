"""The one check of a row of a job without a key, from a file or from Python."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from xoxo_async.bulk.intake.kept_columns import KeptColumnError, check_kept
from xoxo_async.bulk.intake.keys import check_key
from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.unkeyed.lines import LinkLine, MailLine, PointsLine
from xoxo_async.errors import ArgumentError, ConfigError
from xoxo_async.services import checks

__all__ = ["MOST_LINKS", "check_line"]

MOST_LINKS: Final = 100_000
"""Links in a row. No page of the vendor states a maximum; this bound stops a mistyped quantity."""
_LONGEST_CITATION: Final = 2000

_Check = Callable[[str, object, Mapping[str, object]], object]
"""Takes a field's name, its value and all values of the row; returns the value that counts, or raises."""


def check_line(
    line: type[object],
    number: int,
    fields: Mapping[str, object],
    problems: Problems,
    *,
    key_column: str = "key",
    given: Mapping[str, object] | None = None,
) -> dict[str, Any] | None:
    """Check every field of a row; note each problem by row and column.

    Args:
        line: The line that the row makes: `PointsLine`, `LinkLine` or `MailLine`.
        number: The row's number.
        fields: Values by the names of the line's fields. They may hold any object.
        problems: Where problems are noted.
        key_column: The column to name when the key is wrong.
        given: The row as it was given; None where that is `fields`.

    Returns:
        The fields of the line, with an exact amount; None if there is a problem.
    """
    good: dict[str, Any] = {}
    before = problems.total
    for name, check in _CHECKS[line].items():
        try:
            value = check(name, fields.get(name), fields)
        except ConfigError as error:
            where = error.column if isinstance(error, KeptColumnError) else key_column if name == "key" else name
            what = error.message.removeprefix(f"{name} ")
            problems.add(number, what, column=where, value=fields.get(name), given=fields if given is None else given)
        else:
            if value is not None:
                good[name] = value
    return good if problems.total == before else None


def _key(_name: str, value: object, _row: Mapping[str, object]) -> object:
    check_key("" if value is None else value)
    return value


def _address(name: str, value: object, row: Mapping[str, object]) -> object:
    if value is None and row.get("phone"):
        raise ArgumentError("is missing: the vendor sends points to an e-mail address, and takes no phone")
    return checks.email(name, checks.needed(name, value))


def _name(name: str, value: object, _row: Mapping[str, object]) -> object:
    return checks.needed(name, value)


def _phone(name: str, value: object, _row: Mapping[str, object]) -> object:
    return checks.phone(name, value) or None


def _amount(name: str, value: object, _row: Mapping[str, object]) -> object:
    if value is None:
        raise ArgumentError("is missing")
    return checks.money(name, value)


def _citation(name: str, value: object, _row: Mapping[str, object]) -> object:
    return checks.text(name, value, longest=_LONGEST_CITATION)


def _quantity(name: str, value: object, _row: Mapping[str, object]) -> object:
    return 1 if value is None else checks.whole(name, value, high=MOST_LINKS)


def _kept(name: str, value: object, _row: Mapping[str, object]) -> object:
    check_kept(name, value)
    return value


_CHECKS: Final[dict[type[object], dict[str, _Check]]] = {
    PointsLine: {
        "key": _key,
        "email": _address,
        "phone": _phone,
        "name": _name,
        "amount": _amount,
        "citation": _citation,
        "kept": _kept,
    },
    LinkLine: {"key": _key, "quantity": _quantity, "kept": _kept},
    MailLine: {"key": _key, "email": _address, "kept": _kept},
}
"""What each field of a line has to be."""
