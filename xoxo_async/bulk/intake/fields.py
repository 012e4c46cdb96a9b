"""From the fields of one row, texts or JSON values, to an order line."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from xoxo_async.bulk.intake.order_lines import OrderLine, Problems
from xoxo_async.errors import ConfigError
from xoxo_async.services.checks import decimal
from xoxo_async.services.placing import AirmilesDetails, Details, LoungeDetails, ShippingDetails, TopUpDetails

__all__ = ["line_of"]

_DETAILS: Final[tuple[type[Details], ...]] = (LoungeDetails, AirmilesDetails, TopUpDetails, ShippingDetails)
_TEXTS: Final = ("key", "email", "contact", "tag", "po_number", "currency", "country")
_TRUE: Final = frozenset({"1", "true", "yes", "y"})
_FALSE: Final = frozenset({"0", "false", "no", "n", ""})


def line_of(number: int, fields: Mapping[str, object], problems: Problems, named: str) -> OrderLine | None:
    """Check the fields of one row; note each problem by row and column, and return the line if there was none.

    Args:
        number: The row's number.
        fields: Its fields, without the empty ones.
        problems: Where problems are noted.
        named: Which column holds the key.
    """
    before = problems.total

    def bad(column: str, what: str) -> None:
        problems.add(number, what, column=column)

    texts = {column: _text(fields.get(column, ""), column, bad) for column in _TEXTS}
    key = texts.pop("key") or texts["po_number"]
    rest: dict[str, Any] = {column: text or None for column, text in texts.items()}
    if not key:
        bad(named, "is empty")
    product_id = _whole(fields.get("product_id"))
    if product_id is None:
        bad("product_id", _shown(fields.get("product_id"), "a whole number"))
    denomination = _decimal(fields.get("denomination"))
    if denomination is None:
        bad("denomination", _shown(fields.get("denomination"), "a number above 0"))
    quantity = _whole(fields.get("quantity", 1))
    if quantity is None:
        bad("quantity", _shown(fields.get("quantity"), "a whole number from 1"))
    for column in ("notify_receiver", "notify_admin"):
        flag = _flag(fields.get(column, ""))
        if flag is None:
            bad(column, _shown(fields.get(column), "yes or no"))
        rest[column] = bool(flag)
    details = _details(fields.get("details"), bad)
    if problems.total > before or product_id is None or denomination is None or quantity is None:
        return None
    return OrderLine(
        key=key,
        product_id=product_id,
        denomination=denomination,
        quantity=quantity,
        details=details,
        **rest,
    )


def _details(value: object, bad: Callable[[str, str], None]) -> Details | None:
    if value is None:
        return None
    names = set(value) if isinstance(value, dict) else set()
    for kind in _DETAILS:
        if names and names <= set(kind.__struct_fields__):
            try:
                return msgspec.convert(value, kind)
            except (msgspec.ValidationError, ConfigError) as error:
                bad("details", str(error))
                return None
    bad("details", "must hold the fields of LoungeDetails, AirmilesDetails, TopUpDetails or ShippingDetails")
    return None


def _text(value: object, column: str, bad: Callable[[str, str], None]) -> str:
    """Read a text; JSON may hold a number for one, and nothing else: what is dropped in silence is lost."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    bad(column, f"must be a text, not {type(value).__name__}")
    return ""


def _whole(value: object) -> int | None:
    """Read a whole number from 1; spreadsheets write `3.0` for three."""
    number = _decimal(value)
    if number is None or number != number.to_integral_value() or number >= 10**15:
        return None
    return int(number)


def _decimal(value: object) -> Decimal | None:
    """Read a positive number without separators; `1,000` may mean a thousand or one, so it is refused."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    number = decimal(value) if isinstance(value, str) else Decimal(value)
    return number if number is not None and number.is_finite() and number > 0 and abs(number.adjusted()) < 16 else None


def _flag(value: object) -> bool | None:
    text = str(value).lower()
    return True if text in _TRUE else False if text in _FALSE else None


def _shown(value: object, wanted: str) -> str:
    if value is None:
        return f"is missing, must be {wanted}"
    text = str(value)
    return f"must be {wanted}, not {text[:40]!r}"
