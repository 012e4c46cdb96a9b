"""Many orders, each exactly accounted for: order lines in, a ledger between, a report out."""

from xoxo_async.bulk.issuer import BulkIssuer
from xoxo_async.bulk.ledger import Alarm, Counts, Delivery, Identity, LedgerLine, LineState
from xoxo_async.bulk.ledger_sqlite import SqliteLedger
from xoxo_async.bulk.order_lines import OrderLine
from xoxo_async.bulk.orders_file import OrdersFile, read_orders
from xoxo_async.bulk.plan import derive_po_number
from xoxo_async.bulk.report import Pause, Report
from xoxo_async.bulk.resolving import Decision, Resolved
from xoxo_async.bulk.totals import PlanTotals, ProductTotals

__all__ = [
    "Alarm",
    "BulkIssuer",
    "Counts",
    "Decision",
    "Delivery",
    "Identity",
    "LedgerLine",
    "LineState",
    "OrderLine",
    "OrdersFile",
    "Pause",
    "PlanTotals",
    "ProductTotals",
    "Report",
    "Resolved",
    "SqliteLedger",
    "derive_po_number",
    "read_orders",
]
