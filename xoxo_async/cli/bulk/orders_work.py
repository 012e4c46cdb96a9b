"""What `xoxo bulk run`, `resume` and `reconcile` do: orders."""

from collections.abc import Awaitable, Callable
from typing import Final

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.intake.orders_file import ORDERS
from xoxo_async.bulk.intake.problems import ProblemSink
from xoxo_async.bulk.intake.rows_file import RowsFile
from xoxo_async.bulk.issuer import BulkIssuer
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.planning.totals import PlanTotals
from xoxo_async.bulk.report import Report
from xoxo_async.bulk.settings import Bounds
from xoxo_async.cli.bulk.request import RunRequest
from xoxo_async.cli.bulk.servers import address_of
from xoxo_async.cli.bulk.totals import mails, print_totals, summary
from xoxo_async.cli.output import say
from xoxo_async.cli.wording import amounts, count

__all__ = ["OrdersWork"]


class OrdersWork:
    """The work on a job of orders, see `Work`.

    Args:
        request: The command.
    """

    def __init__(self, request: RunRequest) -> None:
        self.request: Final[RunRequest] = request
        self.kind: Final = JobKind.ORDERS
        self.starts_with: Final = "xoxo bulk run ORDERS --ledger …"
        self.doing: Final[str] = f"issuing the orders of {request.source or request.ledger}"
        self.keeps_codes: Final[bool] = not request.no_codes

    def issuer(self, client: BulkClient, ledger: Ledger, kept: Bounds, job: str) -> BulkIssuer:
        """Return the issuer that does the work."""
        request = self.request
        return BulkIssuer(
            client,
            ledger,
            job=job,
            concurrency=request.concurrency,
            settle_s=request.settle_within(kept),
            resend=request.resend,
            pack=request.pack,
            skip_invalid=request.skip_invalid,
            notify=request.notify or None,
            max_spend=request.max_spend,
            max_errors=request.max_errors,
            pause_limit_s=request.pause_limit,
            missing=request.missing,
            restore=request.restore,
            address=address_of(request.connection),
        )

    def why_distrusted(self, ledger: Ledger, kept: Bounds) -> str:
        """Return what happens to planned rows that may have been sent; empty where the ledger is trusted."""
        request = self.request
        if not (ledger.copied or request.restore):
            return ""
        why = "this ledger's file is a copy, or an older state of it" if ledger.copied else "--restore"
        bounds = Bounds(settle_s=request.settle_within(kept)).over(kept)
        wait_s = bounds.rules(restore=request.restore).settle_s
        return f"{why}: planned rows are looked up before they are sent, which takes {wait_s:g} s"

    async def plan(
        self, issuer: BulkIssuer, approve: Callable[[PlanTotals], Awaitable[None]], problems: ProblemSink | None
    ) -> PlanTotals:
        """Plan the rows of the file."""
        orders = RowsFile(self.request.source, ORDERS, choices=self.request.reading)
        return await issuer.plan(orders, approve=approve, problems=problems)

    async def outlook(self, issuer: BulkIssuer) -> PlanTotals:
        """Return what a resume would send."""
        return await issuer.outlook()

    def show(self, totals: PlanTotals) -> None:
        """Print the sums; by product where a person has to agree to them."""
        if self.request.asks:
            print_totals(totals)
        for line in summary(totals):
            say(line)

    def question(self, totals: PlanTotals) -> str:
        """Return what a person has to agree to; empty where nothing is sent."""
        if not (totals.orders or totals.in_doubt):
            return ""
        what = f"issue {count(totals.pieces, 'voucher')}, face value {amounts(totals.face)}"
        what += f", and {count(totals.in_doubt, 'row')} in doubt" if totals.in_doubt else ""
        return what + (f"; {mails(totals)}" if totals.addressed else "")

    async def act(self, issuer: BulkIssuer) -> Report:
        """Send or settle what is planned."""
        match self.request.action:
            case "reconcile":
                return await issuer.reconcile()
            case "resume":
                return await issuer.resume()
            case _:
                return await issuer.issue()
