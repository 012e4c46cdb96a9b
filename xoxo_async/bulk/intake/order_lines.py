"""One intended order, and what may be wrong with a row that should be one."""

import bisect
from collections.abc import Callable
from decimal import Decimal
from typing import Final

import msgspec

from xoxo_async.bulk.intake.keys import check_key
from xoxo_async.errors import ConfigError, PlanError
from xoxo_async.services import checks
from xoxo_async.services.placing import MAX_QUANTITY, Details

__all__ = ["OrderLine", "Problems", "checked"]

_SHOWN: Final = 20


class OrderLine(msgspec.Struct, frozen=True, kw_only=True):
    """One intended order: what to buy, for whom, and the caller's own key for it.

    Attributes:
        key: The caller's stable row key, unique within the job; the same key is never ordered twice.
        product_id: The product.
        denomination: The value of one piece, in the product's currency. An `int`, a `str` or a `float` (by its
            shortest text, `0.1` is 0.1) is taken as well when lines are planned.
        quantity: Pieces, from 1.
        email: The receiver's address.
        contact: The receiver's phone, `+CC-NUMBER`; some products demand it.
        tag: Free text for the order history.
        notify_receiver: Have the vendor e-mail the codes to the receiver.
        notify_admin: Have the vendor e-mail the account's administrator.
        po_number: The poNumber; derived from job and key unless given.
        details: What lounges, airmiles, top-ups and merchandise need besides.
        currency: The currency you take the denomination to be in, `INR`: checked against the product, never sent.
        country: The country you take the product to be good in, `IN` or `India`: checked likewise.
    """

    key: str
    product_id: int
    denomination: Decimal
    quantity: int = 1
    email: str | None = None
    contact: str | None = None
    tag: str | None = None
    notify_receiver: bool = False
    notify_admin: bool = False
    po_number: str | None = None
    details: Details | None = None
    currency: str | None = None
    country: str | None = None


class Problems:
    """Collects what is wrong with rows: the first twenty in order of rows, in full; the rest as a count.

    Attributes:
        total: How many problems there are; one a column of a row.
        rows: How many rows have one. A row's problems are noted one after another.
    """

    def __init__(self) -> None:
        self.total: int = 0
        self.rows: int = 0
        self._last_row = 0
        self._columns: Final[set[str]] = set()
        self._shown: Final[list[tuple[int, int, str]]] = []

    def add(self, row: int, what: str, *, column: str = "", key: str = "") -> None:
        """Note one problem.

        Args:
            row: The row's number.
            what: What is wrong there.
            column: Which column, where it is one's; only the first problem of each is kept.
            key: The row's key, where the problem is the whole row's.
        """
        if row != self._last_row:
            self.rows, self._last_row = self.rows + 1, row
            self._columns.clear()
        if column and column in self._columns:
            return
        self._columns.add(column)
        self.total += 1
        if len(self._shown) < _SHOWN or row < self._shown[-1][0]:
            # A row may be found bad when it is read, or later than others, when its product is looked up.
            where = f", column {column}" if column else f" (key {key})" if key else ""
            bisect.insort(self._shown, (row, self.total, f"row {row}{where}: {what}"))
            del self._shown[_SHOWN:]

    def shown(self) -> tuple[str, ...]:
        """Return the first problems."""
        return tuple(text for _, _, text in self._shown)

    def listing(self) -> str:
        """Return the problems, one a line."""
        more = self.total - len(self._shown)
        lines = [f"  {problem}" for problem in self.shown()]
        return "\n".join([*lines, f"  … and {more} more"] if more else lines)

    def raise_if_any(self, source: str) -> None:
        """Raise `PlanError` when there was any problem.

        Args:
            source: What was read.
        """
        if self.total:
            raise PlanError(
                f"{source}: {self.total} problem{'s' if self.total > 1 else ''}, nothing was sent\n{self.listing()}",
                problems=self.shown(),
                total=self.total,
            )


def checked(row: int, line: object, problems: Problems) -> OrderLine | None:
    """Return a line whose every field can be planned, or note what is wrong with it by column.

    Args:
        row: Its number.
        line: What should be an order line; from a program, anything may stand in it.
        problems: Where problems are noted.

    Returns:
        The line, its denomination as a Decimal; None when there was a problem.
    """
    if not isinstance(line, OrderLine):
        problems.add(row, f"is a {type(line).__name__}, not an OrderLine")
        return None
    before = problems.total
    for column, check in _CHECKS:
        try:
            check(getattr(line, column))
        except ConfigError as error:
            problems.add(row, error.message.removeprefix(f"{column} "), column=column)
    if line.notify_receiver and not line.email:
        problems.add(row, "needs an email", column="notify_receiver")
    if problems.total > before:
        return None
    if isinstance(line.denomination, Decimal):
        return line
    return msgspec.structs.replace(line, denomination=checks.money("denomination", line.denomination))


def _flag(value: object) -> None:
    if not isinstance(value, bool):
        raise ConfigError(f"must be True or False, not {type(value).__name__}")


_CHECKS: Final[tuple[tuple[str, Callable[[object], object]], ...]] = (
    ("key", check_key),
    ("product_id", lambda value: checks.whole("product_id", value)),
    ("denomination", lambda value: checks.money("denomination", value)),
    ("quantity", lambda value: checks.whole("quantity", value, high=MAX_QUANTITY)),
    ("email", lambda value: checks.email("email", value)),
    ("contact", lambda value: checks.phone("contact", value)),
    ("tag", lambda value: checks.text("tag", value)),
    ("notify_receiver", _flag),
    ("notify_admin", _flag),
    ("po_number", lambda value: value is None or checks.po_number(value)),
    ("currency", lambda value: checks.text("currency", value)),
    ("country", lambda value: checks.text("country", value)),
)
