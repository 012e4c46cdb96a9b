"""Many orders, each exactly accounted for: order lines in, a ledger between, a report out."""

from xoxo_async.bulk.deciding import Decision, Resolved
from xoxo_async.bulk.events import (
    LineDoubted,
    LineSettled,
    Pause,
    PenaltyMet,
    RunFailed,
    RunFinished,
    RunPaused,
    RunStarted,
)
from xoxo_async.bulk.exporting.files import export_codes
from xoxo_async.bulk.exporting.rows import Exported, MissingCodes
from xoxo_async.bulk.intake.keys import derive_po_number
from xoxo_async.bulk.intake.order_lines import OrderLine
from xoxo_async.bulk.intake.orders_file import OrdersFile, read_orders
from xoxo_async.bulk.issuer import BulkIssuer
from xoxo_async.bulk.ledger.lines import Alarm, Counts, Delivery, LedgerLine, LineState
from xoxo_async.bulk.ledger.opening import open_ledger
from xoxo_async.bulk.ledger.protocol import Identity
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.planning.totals import PlanTotals, ProductTotals
from xoxo_async.bulk.report import Report
from xoxo_async.bulk.shift import Shift, run_shift

__all__ = [
    "Alarm",
    "BulkIssuer",
    "Counts",
    "Decision",
    "Delivery",
    "Exported",
    "Identity",
    "LedgerLine",
    "LineDoubted",
    "LineSettled",
    "LineState",
    "MissingCodes",
    "OrderLine",
    "OrdersFile",
    "Pause",
    "PenaltyMet",
    "PlanTotals",
    "ProductTotals",
    "Report",
    "Resolved",
    "RunFailed",
    "RunFinished",
    "RunPaused",
    "RunStarted",
    "Shift",
    "SqliteLedger",
    "derive_po_number",
    "export_codes",
    "open_ledger",
    "read_orders",
    "run_shift",
]
