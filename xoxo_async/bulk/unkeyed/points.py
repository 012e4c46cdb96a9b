"""`BulkPoints`: points for many recipients, each exactly accounted for."""

import time
from collections.abc import Callable, Collection
from decimal import Decimal
from typing import Literal

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.identity import check_identity
from xoxo_async.bulk.ledger.kinds import JobKind, require_kind
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.unkeyed.cancelling import CancelApproval, Cancelling, CancelReport
from xoxo_async.bulk.unkeyed.issuer import UnkeyedIssuer, UnkeyedSettings
from xoxo_async.bulk.unkeyed.lines import PointsLine
from xoxo_async.bulk.unkeyed.points_sending import PointsSending
from xoxo_async.services import checks

__all__ = ["BulkPoints"]


class BulkPoints(UnkeyedIssuer[PointsLine]):
    """Send points to many recipients, each exactly accounted for. Moves points.

    The intent of a row is durable before its request leaves, and its result after the answer, with the id of the
    credit. The call has no key, so a lost answer cannot be looked up: the row is left to a person, and is never sent
    again by itself. `resolve` records what the vendor's dashboard shows.

    The ledger keeps the bounds of its job: `max_spend`, `max_errors`, `settle_s` and `concurrency`. If a bound is left
    out, its last value holds.

    Args:
        client: An `XoxoClient` with credentials of the company family. Its rate limit for other calls paces the run.
        ledger: The job's ledger; one ledger holds one job, of points and nothing else.
        sender_email: The address of the account's super admin. It is a part of each planned row, so `resume` does not
            need it.
        expiry_month: After how many months the points expire; a part of each planned row.
        job: The job's name. Default: the ledger's job.
        batch: How many recipients travel in one call at most. The vendor documents no maximum. A call whose answer is
            lost leaves all its recipients in doubt, so the default is 1.
        concurrency: Calls in flight at most, see `BulkIssuer`.
        max_spend: How many points the job may send. A row is reserved when its intent is written; the run pauses before
            it could go over.
        max_errors: How many rows may be refused: a number, or a share such as `5%`; see `BulkIssuer`.
        settle_s: Seconds after a lost answer before a person may have the row sent again. Default: 150.
        balances: Whether a recipient's points are read before the call, and once more after a lost answer: evidence for
            the person who decides, for one call more a row. A row is never sent again because of it.
        skip_invalid: Whether bad rows are left out. Otherwise nothing is sent if one row is bad.
        pause_limit_s: How many seconds the run waits for the vendor before it pauses.
        missing: What happens to planned rows that the input of a later `run` lacks, see `BulkIssuer`.
        restore: Whether the ledger replaces a lost one, or is an older copy of one. Then every planned row is left to a
            person, because it may have been sent.
        address: The address that the ledger stores, instead of the client's base URL.
        clock: A monotonic clock, in seconds.
        wall: The clock that settling is counted on. Default: the ledger's.

    Raises:
        ConfigError: When a setting makes no sense.

    Example:
        ```python
        async with SqliteLedger("thanks.db") as ledger:
            points = BulkPoints(xoxo, ledger, job="thanks", sender_email="admin@example.com")
            jane = PointsLine(key="E-1", email="jane@example.com", name="Jane", amount=Decimal(500))
            report = await points.run([jane])
        ```
    """

    def __init__(
        self,
        client: BulkClient,
        ledger: Ledger,
        *,
        sender_email: str = "",
        expiry_month: int | None = None,
        job: str = "",
        batch: int = 1,
        concurrency: int | Literal["auto"] | None = None,
        max_spend: Decimal | None = None,
        max_errors: int | str | None = None,
        settle_s: float | None = None,
        balances: bool = False,
        skip_invalid: bool = False,
        pause_limit_s: float = 60.0,
        missing: Literal["refuse", "withdraw", "keep"] = "refuse",
        restore: bool = False,
        address: str = "",
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] | None = None,
    ) -> None:
        settings = UnkeyedSettings(
            job=job,
            batch=batch,
            concurrency=concurrency,
            max_spend=max_spend,
            max_errors=max_errors,
            settle_s=settle_s,
            balances=balances,
            skip_invalid=skip_invalid,
            pause_limit_s=pause_limit_s,
            missing=missing,
            restore=restore,
            address=address,
        )
        super().__init__(client, ledger, PointsSending(sender_email, expiry_month), settings, clock=clock, wall=wall)

    async def cancel(
        self, keys: Collection[str] | None, *, reason: str, approve: CancelApproval | None = None
    ) -> CancelReport:
        """Cancel points that were sent, by the ids that the ledger keeps. Moves points; as many calls as `batch` needs.

        The intent of each row is durable before its call. A row whose answer is lost is in doubt, and no later call
        asks for it again. `stop` ends it after the call under way. Running it again asks only for rows that are neither
        cancelled nor in doubt. A row whose id a person corrects while it runs is not asked for, and is reported as
        `unknown`: the old id may be of somebody else's points.

        Args:
            keys: The rows; None is every row that got points.
            reason: Why; kept in the journal.
            approve: Awaited once with how many rows are asked for now, and with their points, before the first call. An
                error that it raises leaves everything as it was. It is not called where no row is left to ask for.

        Returns:
            What became of each row.

        Raises:
            ConfigError: There is no reason, a row got no points, or the ledger is of another account; nothing was
                cancelled.
            LedgerError: The ledger fails, or holds a job of another kind.
        """
        checks.needed("reason", reason)
        require_kind(self._ledger, JobKind.POINTS)
        with self._run.alone():
            await check_identity(self._client, self._ledger, self._identity)
            stopped = lambda: self._run.stop_wanted is not None  # noqa: E731 - a question
            cancelling = Cancelling(self._client.points, self._ledger, batch=self._settings.batch, stopped=stopped)
            return await cancelling.cancel(keys, reason, approve)
