"""The one check of a row, from a file or from Python, and the request that a good row makes."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from xoxo_async.bulk.intake.kept_columns import KeptColumnError, check_kept
from xoxo_async.bulk.intake.keys import check_key, derive_po_number
from xoxo_async.bulk.intake.order_lines import OrderLine
from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.tables import FileRow
from xoxo_async.errors import ConfigError
from xoxo_async.services import checks
from xoxo_async.services.orders.requests import FIELD_CHECKS, PlaceOrder, request_fields

__all__ = ["Row", "check_fields", "check_file_row", "make_row", "report_fields"]


class Row(msgspec.Struct, frozen=True, gc=False):
    """One row that passed its check.

    Attributes:
        number: The row's number in the input, from 1.
        line: The order line, as given.
        order: The request that it makes; its amounts are exact, and its poNumber is fixed.
        file_row: The row as a file has it; None where it came from Python.
    """

    number: int
    line: OrderLine
    order: PlaceOrder
    file_row: FileRow | None = None

    @property
    def given(self) -> Mapping[str, object]:
        """The row as it was given: values by column."""
        return msgspec.structs.asdict(self.line) if self.file_row is None else self.file_row.given


def check_fields(
    number: int,
    fields: Mapping[str, object],
    problems: Problems,
    *,
    key_column: str = "key",
    given: Mapping[str, object] | None = None,
) -> dict[str, Any] | None:
    """Check every field of a row; note each problem by row and column.

    Args:
        number: The row's number.
        fields: Values by the names of `OrderLine`. They may hold any object.
        problems: Where problems are noted.
        key_column: The column to name when the key is wrong.
        given: The row as it was given; None where that is `fields`.

    Returns:
        The fields of the request, without a poNumber if the row has none of its own; None if there is a problem.
    """
    bad: list[str] = []

    def note(column: str, error: ConfigError) -> None:
        bad.append(column)
        where = error.column if isinstance(error, KeptColumnError) else key_column if column == "key" else column
        what = error.message.removeprefix(f"{column} ")
        problems.add(number, what, column=where, value=fields.get(column), given=fields if given is None else given)

    request = report_fields(fields, note)
    return None if bad else request


def check_file_row(row: FileRow, problems: Problems) -> dict[str, Any] | None:
    """Check every field of a row of a file, as `check_fields` does.

    Of a row that is like an earlier one, only what is its own is checked. If something of that is wrong, the whole row
    is checked once more, so that its problems are noted in one place.

    Args:
        row: The row.
        problems: Where problems are noted.

    Returns:
        As `check_fields`.
    """
    alike = row.alike
    if alike is not None and alike.request is not None:
        request = _check_own(row.fields, alike.request)
        if request is not None:
            return request
    fields = row.fields
    if alike is not None:
        fields = {name: fields[name] for name in (*alike.names, *fields) if name in fields}
    request = check_fields(row.number, fields, problems, key_column=row.key_column, given=row.given)
    if alike is not None and request is not None:
        alike.request = {name: value for name, value in request.items() if name not in _OWN_FIELDS}
    return request


def _check_own(fields: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the request of a row whose other fields are good; None if something may be wrong with its own ones."""
    request = dict(common)
    try:
        check_key(fields.get("key"))
        for name, check in _OWN_FIELDS.items():
            if (value := fields.get(name)) is not None:
                request[name] = check(name, value)
        if "kept" in fields:
            check_kept("kept", fields["kept"])
    except ConfigError:
        return None
    return None if request["notify_receiver_email"] and not fields.get("email") else request


def report_fields(fields: Mapping[str, object], report: Callable[[str, ConfigError], None]) -> dict[str, Any]:
    """Check every field of a row; call `report` with the column and the error of each that is wrong.

    Args:
        fields: Values by the names of `OrderLine`. They may hold any object.
        report: Called for each wrong field.

    Returns:
        The fields of the request that are right.
    """
    order = {name: value for name, value in fields.items() if name not in _OWN_CHECKS}
    if order.get("po_number", "") is None:
        del order["po_number"]
    for column, check in _OWN_CHECKS.items():
        try:
            check(column, fields.get(column))
        except ConfigError as error:
            report(column, error)
    for column in _REQUIRED:
        if order.get(column) is None:
            report(column, ConfigError("is missing"))
            order.pop(column, None)
    return request_fields(order, report)


def make_row(number: int, line: OrderLine, request: dict[str, Any], job: str, file_row: FileRow | None = None) -> Row:
    """Return the row of a line that passed its check, with its poNumber.

    Args:
        number: The row's number.
        line: The line.
        request: What `check_fields` returned.
        job: The job's name, which the poNumber is derived from.
        file_row: The row as a file has it; None where it came from Python.
    """
    if line.po_number is None:
        request["po_number"] = derive_po_number(job, line.key)
    return Row(number, line, PlaceOrder(**request), file_row)


def _check_key(_column: str, value: object) -> None:
    check_key("" if value is None else value)


_OWN_CHECKS: Final[dict[str, Callable[[str, object], object]]] = {
    "key": _check_key,
    "currency": checks.text,
    "country": checks.text,
    "kept": check_kept,
}
"""The fields of a row that no request holds."""
_REQUIRED: Final = ("product_id", "denomination")
_OWN_FIELDS: Final = {name: FIELD_CHECKS[name][1] for name in ("email", "contact", "po_number")}
"""What the request of a row holds of the fields in `FieldSet.own`, each with its check. Their names are the same there.
"""
