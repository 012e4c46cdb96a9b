"""Many orders, each exactly accounted for: order lines in, a ledger between, a report out."""

from typing import TYPE_CHECKING

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
from xoxo_async.bulk.exporting.problems import ProblemsFile
from xoxo_async.bulk.exporting.rows import Exported, MissingCodes
from xoxo_async.bulk.intake.keys import derive_po_number
from xoxo_async.bulk.intake.order_lines import OrderLine
from xoxo_async.bulk.intake.orders_file import OrdersFile, read_orders
from xoxo_async.bulk.intake.problems import RowProblem
from xoxo_async.bulk.issuer import BulkIssuer
from xoxo_async.bulk.ledger.lines import Alarm, Counts, Delivery, LedgerLine, LineState
from xoxo_async.bulk.ledger.opening import open_jobs, open_ledger
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.ledger.terms import Identity
from xoxo_async.bulk.once import Once
from xoxo_async.bulk.planning.totals import PlanTotals, ProductTotals
from xoxo_async.bulk.proving.prover import prove_job
from xoxo_async.bulk.proving.result import Finding, Proof, ProofSums
from xoxo_async.bulk.proving.signing import read_proof_key, sign_proof, verify_proof
from xoxo_async.bulk.report import Report, Shift
from xoxo_async.bulk.settled import SettledLine
from xoxo_async.bulk.shift import run_shift
from xoxo_async.errors import LineBusyError

if TYPE_CHECKING:
    from xoxo_async.bulk.ledger.postgres.ledger import PostgresLedger

__all__ = [
    "Alarm",
    "BulkIssuer",
    "Counts",
    "Decision",
    "Delivery",
    "Exported",
    "Finding",
    "Identity",
    "LedgerLine",
    "LineBusyError",
    "LineDoubted",
    "LineSettled",
    "LineState",
    "MissingCodes",
    "Once",
    "OrderLine",
    "OrdersFile",
    "Pause",
    "PenaltyMet",
    "PlanTotals",
    "PostgresLedger",
    "ProblemsFile",
    "ProductTotals",
    "Proof",
    "ProofSums",
    "Report",
    "Resolved",
    "RowProblem",
    "RunFailed",
    "RunFinished",
    "RunPaused",
    "RunStarted",
    "SettledLine",
    "Shift",
    "SqliteLedger",
    "derive_po_number",
    "export_codes",
    "open_jobs",
    "open_ledger",
    "prove_job",
    "read_orders",
    "read_proof_key",
    "run_shift",
    "sign_proof",
    "verify_proof",
]


def __getattr__(name: str) -> object:
    """Import the ledger in PostgreSQL when it is asked for: its driver is an extra, and takes a while."""
    if name != "PostgresLedger":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from xoxo_async.bulk.ledger.postgres.ledger import PostgresLedger  # noqa: PLC0415 - see above
    except ImportError as error:
        if error.name != "asyncpg":
            raise
        raise ImportError("PostgresLedger needs asyncpg: pip install 'xoxo-async[postgres]'", name="asyncpg") from None
    return PostgresLedger
