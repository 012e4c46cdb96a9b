"""A row of an export."""

from typing import Any

from xoxo_async.bulk.exporting.columns import COLUMNS, ExportRow
from xoxo_async.bulk.ledger.kinds import JobKind

ORDERS = COLUMNS[JobKind.ORDERS]


def row(**given: Any) -> ExportRow:
    """Return a row of a placed order, with some fields of its own."""
    plain: dict[str, Any] = {"order_id": 7, "state": "placed", "delivery": "delivered", "product_id": 1001}
    fields = dict.fromkeys(ExportRow.__struct_fields__, "") | {"quantity": 1, "kept": {}} | plain
    return ExportRow(**(fields | {"key": "EMP-1", "denomination": "500"} | given))
