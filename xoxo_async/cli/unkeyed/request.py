"""The flags of one command that sends a job of points or links, and the command that continues it."""

from datetime import date

from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.cli.bulk.request import WorkRequest

__all__ = ["JobRequest"]


class JobRequest(WorkRequest, frozen=True, kw_only=True):
    """The flags of one `xoxo points send`, `links generate` or `links send` with a ledger.

    Attributes:
        kind: What the job is of.
        quantity: Rows of one link each, in place of a file; 0 for none.
        batch: How many rows may travel in one call.
        sender: The address of the account's super admin, for points.
        expiry_month: The number of months until points expire.
        balances: Whether each recipient's balance is read before and after, as evidence for a person.
        campaign_id: The campaign of links.
        expires_on: The last day on which links are valid.
    """

    kind: JobKind
    quantity: int = 0
    batch: int = 1
    sender: str = ""
    expiry_month: int | None = None
    balances: bool = False
    campaign_id: int | None = None
    expires_on: date | None = None

    @property
    def exports(self) -> str:
        """Rows of links get links; points and mails go to their recipients."""
        return "links" if self.kind is JobKind.LINKS else ""

    def words(self, action: str) -> list[str]:
        """Return the words of the command that does an action, with the rows of a run.

        Args:
            action: `run` or `resume`. Nothing can be looked up, so a `reconcile` is a resume as well.
        """
        words = self.kind.command.split()[1:]
        if action != "run":
            return words
        return [*words, *(["--quantity", str(self.quantity)] if self.quantity else ["--file", self.source])]

    def row_flags(self) -> list[str]:
        """Return the flags that say how rows become calls."""
        flags = super().row_flags()
        flags += ["--sender", self.sender] if self.sender else []
        flags += ["--expiry-month", str(self.expiry_month)] if self.expiry_month is not None else []
        flags += ["--campaign-id", str(self.campaign_id)] if self.campaign_id is not None else []
        return flags + (["--expires-on", self.expires_on.isoformat()] if self.expires_on is not None else [])

    def work_flags(self, *, bounds: bool) -> list[str]:  # noqa: ARG002 - the ledger keeps neither
        """Return the flags that say how calls are made.

        Args:
            bounds: As for `flags`.
        """
        flags = ["--batch", str(self.batch)] if self.batch != 1 else []
        return flags + (["--balances"] if self.balances else [])
