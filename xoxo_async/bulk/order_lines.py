"""One intended order, and what may be wrong with a row that should be one."""

from decimal import Decimal
from typing import Final

import msgspec

from xoxo_async.errors import PlanError
from xoxo_async.services.placing import Details

__all__ = ["OrderLine", "Problems"]

_SHOWN: Final = 20


class OrderLine(msgspec.Struct, frozen=True, kw_only=True):
    """One intended order: what to buy, for whom, and the caller's own key for it.

    Attributes:
        key: The caller's stable row key, unique within the job; the same key is never ordered twice.
        product_id: The product.
        denomination: The value of one piece, in the product's currency.
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
    """Collects what is wrong with rows: the first twenty in full, the rest as a count.

    Attributes:
        total: How many problems there are.
        rows: How many rows have one. A row's problems are noted one after another.
    """

    def __init__(self) -> None:
        self.total: int = 0
        self.rows: int = 0
        self._last_row = 0
        self._shown: Final[list[str]] = []

    def add(self, row: int, what: str, *, column: str = "", key: str = "") -> None:
        """Note one problem.

        Args:
            row: The row's number.
            what: What is wrong there.
            column: Which column, where it is one's.
            key: The row's key, where the problem is the whole row's.
        """
        self.total += 1
        if row != self._last_row:
            self.rows, self._last_row = self.rows + 1, row
        if len(self._shown) < _SHOWN:
            where = f", column {column}" if column else f" (key {key})" if key else ""
            self._shown.append(f"row {row}{where}: {what}")

    def listing(self) -> str:
        """Return the problems, one a line."""
        more = self.total - len(self._shown)
        lines = [f"  {problem}" for problem in self._shown]
        return "\n".join([*lines, f"  … and {more} more"] if more else lines)

    def raise_if_any(self, source: str) -> None:
        """Raise `PlanError` when there was any problem.

        Args:
            source: What was read.
        """
        if self.total:
            raise PlanError(
                f"{source}: {self.total} problem{'s' if self.total > 1 else ''}, nothing was sent\n{self.listing()}",
                problems=tuple(self._shown),
                total=self.total,
            )
