"""The orders file as the command reads it: a key or poNumber that stands there twice is an error, not one order."""

from collections.abc import Iterator

from xoxo_async.bulk.order_lines import OrderLine, Problems
from xoxo_async.bulk.orders_file import OrdersFile

__all__ = ["UniqueOrders"]


class UniqueOrders(OrdersFile):
    """An orders file whose rows all have keys and poNumbers of their own.

    A ledger takes a line it knows, with the same contents, as said twice: that is what running again is. Within one
    file the same may be two gifts for one person, so that a person has to say which is meant.
    """

    def rows(self, problems: Problems) -> Iterator[tuple[int, OrderLine]]:
        """Yield every good row, and note those that repeat an earlier one.

        Args:
            problems: Where they are noted.
        """
        keys: dict[str, int] = {}
        po_numbers: dict[str, int] = {}
        for row, line in super().rows(problems):
            first = keys.setdefault(line.key, row)
            if first != row:
                problems.add(row, f"{line.key} stands in row {first} already", column="key")
                continue
            first = po_numbers.setdefault(line.po_number, row) if line.po_number else row
            if first != row:
                problems.add(row, f"{line.po_number} stands in row {first} already", column="po_number")
                continue
            yield row, line
