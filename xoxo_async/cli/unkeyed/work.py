"""What `xoxo points send`, `links generate` and `links send` do with a ledger."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, TypeAlias

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.intake.problems import ProblemSink
from xoxo_async.bulk.intake.rows_file import RowsFile
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.report import Report
from xoxo_async.bulk.settings import Bounds
from xoxo_async.bulk.unkeyed.lines import LinkLine, MailLine, PointsLine
from xoxo_async.bulk.unkeyed.links import BulkLinkMails, BulkLinks
from xoxo_async.bulk.unkeyed.points import BulkPoints
from xoxo_async.bulk.unkeyed.rows_files import row_kind
from xoxo_async.bulk.unkeyed.totals import UnkeyedTotals
from xoxo_async.cli.bulk.servers import address_of
from xoxo_async.cli.output import say
from xoxo_async.cli.unkeyed.request import JobRequest
from xoxo_async.cli.unkeyed.totals import question, summary

__all__ = ["JobWork"]

_DOING: Final = {
    JobKind.POINTS: "sending the points of",
    JobKind.LINKS: "making the links of",
    JobKind.LINK_MAILS: "mailing the links of",
}
_STARTS_WITH: Final = {
    JobKind.POINTS: "xoxo points send --file PEOPLE --ledger …",
    JobKind.LINKS: "xoxo links generate --file ROWS --ledger …",
    JobKind.LINK_MAILS: "xoxo links send --file PEOPLE --ledger …",
}


AnyIssuer: TypeAlias = BulkPoints | BulkLinks | BulkLinkMails


class JobWork:
    """The work on a job of calls without a key, see `Work`.

    Args:
        request: The command.
    """

    def __init__(self, request: JobRequest) -> None:
        self.request: Final[JobRequest] = request
        self.kind: Final[JobKind] = request.kind
        self.doing: Final[str] = f"{_DOING[request.kind]} {request.source or request.ledger}"
        self.starts_with: Final[str] = _STARTS_WITH[request.kind]
        self.keeps_codes: Final[bool] = bool(request.exports)

    def issuer(self, client: BulkClient, ledger: Ledger, kept: Bounds, job: str) -> AnyIssuer:
        """Return the issuer that does the work."""
        request = self.request
        shared: dict[str, Any] = {
            "job": job,
            "batch": request.batch,
            "concurrency": request.concurrency,
            "settle_s": request.settle_within(kept),
            "skip_invalid": request.skip_invalid,
            "max_spend": request.max_spend,
            "max_errors": request.max_errors,
            "pause_limit_s": request.pause_limit,
            "missing": request.missing,
            "restore": request.restore,
            "address": address_of(request.connection),
        }
        if request.kind is JobKind.POINTS:
            return BulkPoints(
                client,
                ledger,
                sender_email=request.sender,
                expiry_month=request.expiry_month,
                balances=request.balances,
                **shared,
            )
        shared |= {"campaign_id": request.campaign_id, "expires_on": request.expires_on}
        if request.kind is JobKind.LINKS:
            return BulkLinks(client, ledger, **shared)
        return BulkLinkMails(client, ledger, **shared)

    def why_distrusted(self, ledger: Ledger, kept: Bounds) -> str:  # noqa: ARG002 - no look-up, so no time to wait
        """Return what happens to planned rows that may have been sent; empty where the ledger is trusted."""
        if not (ledger.copied or self.request.restore):
            return ""
        why = "this ledger's file is a copy, or an older state of it" if ledger.copied else "--restore"
        return f"{why}: its planned rows may have been sent, and nothing can look that up, so a person decides each"

    async def plan(
        self, issuer: AnyIssuer, approve: Callable[[UnkeyedTotals], Awaitable[None]], problems: ProblemSink | None
    ) -> UnkeyedTotals:
        """Plan the rows of the file, or as many rows of one link as were asked for."""
        source, choices = self.request.source, self.request.reading
        if isinstance(issuer, BulkPoints):
            people = RowsFile(source, row_kind(PointsLine), choices=choices)
            return await issuer.plan(people, approve=approve, problems=problems)
        if isinstance(issuer, BulkLinkMails):
            addresses = RowsFile(source, row_kind(MailLine), choices=choices)
            return await issuer.plan(addresses, approve=approve, problems=problems)
        if self.request.quantity:
            return await issuer.plan(_single_links(self.request.quantity), approve=approve, problems=problems)
        rows = RowsFile(source, row_kind(LinkLine), choices=choices)
        return await issuer.plan(rows, approve=approve, problems=problems)

    async def outlook(self, issuer: AnyIssuer) -> UnkeyedTotals:
        """Return what a resume would send."""
        return await issuer.outlook()

    def show(self, totals: UnkeyedTotals) -> None:
        """Print the sums."""
        for line in summary(totals):
            say(line)

    def question(self, totals: UnkeyedTotals) -> str:
        """Return what a person has to agree to; empty where nothing is sent."""
        return question(totals)

    async def act(self, issuer: AnyIssuer) -> Report:
        """Send what is planned; rows in doubt are left to a person."""
        return await issuer.resume()


def _single_links(quantity: int) -> Iterator[LinkLine]:
    """Yield rows of one link each, with the keys `1`, `2` and so on."""
    return (LinkLine(key=str(number)) for number in range(1, quantity + 1))
