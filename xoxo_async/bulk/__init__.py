"""Many orders, each exactly accounted for: order lines in, a ledger between, a report out."""

from typing import TYPE_CHECKING, Final

from xoxo_async.public_names import import_name

if TYPE_CHECKING:
    from xoxo_async.bulk.deciding import Decision, Resolved
    from xoxo_async.bulk.events import (
        InputChanged,
        LineDoubted,
        LineSettled,
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
    from xoxo_async.bulk.intake.rows_file import RowsFile
    from xoxo_async.bulk.issuer import BulkIssuer
    from xoxo_async.bulk.ledger.kinds import JobKind
    from xoxo_async.bulk.ledger.lines import Alarm, Counts, Delivery, LedgerLine, LineState
    from xoxo_async.bulk.ledger.opening import open_jobs, open_ledger
    from xoxo_async.bulk.ledger.postgres.ledger import PostgresLedger
    from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
    from xoxo_async.bulk.ledger.terms import Identity
    from xoxo_async.bulk.once import Once
    from xoxo_async.bulk.pauses import Pause
    from xoxo_async.bulk.planning.totals import PlanTotals, ProductTotals
    from xoxo_async.bulk.proving.prover import prove_job
    from xoxo_async.bulk.proving.result import Finding, Proof, ProofSums
    from xoxo_async.bulk.proving.signing import read_proof, read_proof_key, sign_proof, verify_proof
    from xoxo_async.bulk.report import Report, Shift
    from xoxo_async.bulk.settled import SettledLine
    from xoxo_async.bulk.shift import run_shift
    from xoxo_async.bulk.template import write_template
    from xoxo_async.bulk.unkeyed.cancelling import CancelReport, CancelResult, settle_cancels
    from xoxo_async.bulk.unkeyed.lines import LinkLine, MailLine, PointsLine
    from xoxo_async.bulk.unkeyed.links import BulkLinkMails, BulkLinks
    from xoxo_async.bulk.unkeyed.points import BulkPoints
    from xoxo_async.bulk.unkeyed.rows_files import read_rows
    from xoxo_async.bulk.unkeyed.template import write_rows_template
    from xoxo_async.bulk.unkeyed.totals import UnkeyedTotals
from xoxo_async.errors import LineBusyError

__all__ = [
    "Alarm",
    "BulkIssuer",
    "BulkLinkMails",
    "BulkLinks",
    "BulkPoints",
    "CancelReport",
    "CancelResult",
    "Counts",
    "Decision",
    "Delivery",
    "Exported",
    "Finding",
    "Identity",
    "InputChanged",
    "JobKind",
    "LedgerLine",
    "LineBusyError",
    "LineDoubted",
    "LineSettled",
    "LineState",
    "LinkLine",
    "MailLine",
    "MissingCodes",
    "Once",
    "OrderLine",
    "OrdersFile",
    "Pause",
    "PenaltyMet",
    "PlanTotals",
    "PointsLine",
    "PostgresLedger",
    "ProblemsFile",
    "ProductTotals",
    "Proof",
    "ProofSums",
    "Report",
    "Resolved",
    "RowProblem",
    "RowsFile",
    "RunFailed",
    "RunFinished",
    "RunPaused",
    "RunStarted",
    "SettledLine",
    "Shift",
    "SqliteLedger",
    "UnkeyedTotals",
    "derive_po_number",
    "export_codes",
    "open_jobs",
    "open_ledger",
    "prove_job",
    "read_orders",
    "read_proof",
    "read_proof_key",
    "read_rows",
    "run_shift",
    "settle_cancels",
    "sign_proof",
    "verify_proof",
    "write_rows_template",
    "write_template",
]

_HOMES: Final = {
    "Decision": "xoxo_async.bulk.deciding",
    "Resolved": "xoxo_async.bulk.deciding",
    "InputChanged": "xoxo_async.bulk.events",
    "LineDoubted": "xoxo_async.bulk.events",
    "LineSettled": "xoxo_async.bulk.events",
    "Pause": "xoxo_async.bulk.pauses",
    "PenaltyMet": "xoxo_async.bulk.events",
    "RunFailed": "xoxo_async.bulk.events",
    "RunFinished": "xoxo_async.bulk.events",
    "RunPaused": "xoxo_async.bulk.events",
    "RunStarted": "xoxo_async.bulk.events",
    "export_codes": "xoxo_async.bulk.exporting.files",
    "ProblemsFile": "xoxo_async.bulk.exporting.problems",
    "Exported": "xoxo_async.bulk.exporting.rows",
    "MissingCodes": "xoxo_async.bulk.exporting.rows",
    "derive_po_number": "xoxo_async.bulk.intake.keys",
    "OrderLine": "xoxo_async.bulk.intake.order_lines",
    "OrdersFile": "xoxo_async.bulk.intake.orders_file",
    "read_orders": "xoxo_async.bulk.intake.orders_file",
    "RowProblem": "xoxo_async.bulk.intake.problems",
    "RowsFile": "xoxo_async.bulk.intake.rows_file",
    "BulkIssuer": "xoxo_async.bulk.issuer",
    "JobKind": "xoxo_async.bulk.ledger.kinds",
    "Alarm": "xoxo_async.bulk.ledger.lines",
    "Counts": "xoxo_async.bulk.ledger.lines",
    "Delivery": "xoxo_async.bulk.ledger.lines",
    "LedgerLine": "xoxo_async.bulk.ledger.lines",
    "LineState": "xoxo_async.bulk.ledger.lines",
    "open_jobs": "xoxo_async.bulk.ledger.opening",
    "open_ledger": "xoxo_async.bulk.ledger.opening",
    "SqliteLedger": "xoxo_async.bulk.ledger.sqlite.ledger",
    "Identity": "xoxo_async.bulk.ledger.terms",
    "Once": "xoxo_async.bulk.once",
    "PlanTotals": "xoxo_async.bulk.planning.totals",
    "ProductTotals": "xoxo_async.bulk.planning.totals",
    "prove_job": "xoxo_async.bulk.proving.prover",
    "Finding": "xoxo_async.bulk.proving.result",
    "Proof": "xoxo_async.bulk.proving.result",
    "ProofSums": "xoxo_async.bulk.proving.result",
    "read_proof": "xoxo_async.bulk.proving.signing",
    "read_proof_key": "xoxo_async.bulk.proving.signing",
    "sign_proof": "xoxo_async.bulk.proving.signing",
    "verify_proof": "xoxo_async.bulk.proving.signing",
    "Report": "xoxo_async.bulk.report",
    "Shift": "xoxo_async.bulk.report",
    "SettledLine": "xoxo_async.bulk.settled",
    "run_shift": "xoxo_async.bulk.shift",
    "write_template": "xoxo_async.bulk.template",
    "CancelReport": "xoxo_async.bulk.unkeyed.cancelling",
    "CancelResult": "xoxo_async.bulk.unkeyed.cancelling",
    "settle_cancels": "xoxo_async.bulk.unkeyed.cancelling",
    "LinkLine": "xoxo_async.bulk.unkeyed.lines",
    "MailLine": "xoxo_async.bulk.unkeyed.lines",
    "PointsLine": "xoxo_async.bulk.unkeyed.lines",
    "BulkLinkMails": "xoxo_async.bulk.unkeyed.links",
    "BulkLinks": "xoxo_async.bulk.unkeyed.links",
    "BulkPoints": "xoxo_async.bulk.unkeyed.points",
    "read_rows": "xoxo_async.bulk.unkeyed.rows_files",
    "write_rows_template": "xoxo_async.bulk.unkeyed.template",
    "UnkeyedTotals": "xoxo_async.bulk.unkeyed.totals",
    "LineBusyError": "xoxo_async.errors",
    "PostgresLedger": "xoxo_async.bulk.ledger.postgres.ledger",
}
"""The module of each public name."""


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: a command or a worker loads only what it uses."""
    try:
        return import_name(__name__, _HOMES, name)
    except ImportError as error:
        if error.name != "asyncpg":
            raise
        raise ImportError(f"{name} needs asyncpg: pip install 'xoxo-async[postgres]'", name="asyncpg") from None


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
