"""`BulkLinks` and `BulkLinkMails`: reward links for many rows, each exactly accounted for."""

import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import ClassVar, Final, Literal

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.ledger.commands import command_for
from xoxo_async.bulk.ledger.facts import CURRENCY
from xoxo_async.bulk.ledger.kinds import JobKind, require_kind
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.report import Report
from xoxo_async.bulk.settings import Bounds
from xoxo_async.bulk.unkeyed.issuer import Row, UnkeyedIssuer, UnkeyedSettings
from xoxo_async.bulk.unkeyed.lines import LinkLine, MailLine
from xoxo_async.bulk.unkeyed.link_sending import LinkSending, MailSending
from xoxo_async.errors import ConfigError

__all__ = ["BulkLinkMails", "BulkLinks"]

_NAMED: Final = 20
"""How many rows an error names."""


class _CampaignIssuer(UnkeyedIssuer[Row]):
    """A job of one campaign: its value is asked for before anything is planned, and a budget counts in its currency."""

    _kind: ClassVar[type[LinkSending | MailSending]]

    def __init__(
        self,
        client: BulkClient,
        ledger: Ledger,
        *,
        campaign_id: int | None = None,
        expires_on: date | None = None,
        job: str = "",
        batch: int = 1,
        concurrency: int | Literal["auto"] | None = None,
        max_spend: Decimal | None = None,
        max_errors: int | str | None = None,
        settle_s: float | None = None,
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
            skip_invalid=skip_invalid,
            pause_limit_s=pause_limit_s,
            missing=missing,
            restore=restore,
            address=address,
        )
        sending = self._kind(campaign_id, expires_on)
        super().__init__(client, ledger, sending, settings, clock=clock, wall=wall)
        if sending.kind is JobKind.LINKS and not ledger.keeps_codes:
            raise ConfigError("links need a ledger that keeps codes: no call shows a link a second time")
        self._campaign: Final = sending

    async def _bounds(self) -> Bounds:
        await self._campaign.ask(self._client, await self._ledger.get_fact(CURRENCY) or "")
        return await super()._bounds()

    async def _work(self, started: float) -> Report:
        await self._refuse_expired()
        return await super()._work(started)

    async def _refuse_expired(self) -> None:
        """Send nothing where links of planned rows could be used by nobody: the vendor would refuse each row for good.

        Raises:
            ConfigError: There are such rows; the first one is named.
        """
        require_kind(self._ledger, self._campaign.kind)
        first, over = "", 0
        keys: list[str] = []
        async for line in self._ledger.lines(states=(LineState.PLANNED,)):
            if line.attempts:
                continue  # nobody can withdraw it, and the vendor may refuse it
            if (day := self._campaign.expired(line)) is not None:
                first = first or f"row {line.row} (key {line.key}) has {day:%Y-%m-%d}"
                over += 1
                keys += [line.key] if over <= _NAMED else []
        if over:
            withdraw = command_for(self._ledger, "xoxo bulk withdraw", "--reason", "expired", keys=tuple(keys))
            others = f" (these are {len(keys)} of them)" if over > len(keys) else ""
            rows = "1 planned row" if over == 1 else f"{over:,} planned rows"
            raise ConfigError(
                f"expires_on of {rows} is over: {first}; nothing was sent."
                f" Withdraw them by `{withdraw}`{others}, and plan them with a later day under new keys"
            )


class BulkLinks(_CampaignIssuer[LinkLine]):
    """Make reward links for many rows, each exactly accounted for. Moves money when they are redeemed.

    The intent of a row is durable before its request leaves. The links of an answer are dealt to the rows of its call
    and kept as voucher codes are: sealed if the ledger is, each in one row, exported by `export_codes`. Only the call
    that makes links shows them. The call has no key, so a lost answer cannot be looked up: its rows are left to a
    person, and are never sent again by themselves.

    An answer with fewer links than were asked for fills the rows in order. A row that gets none is in doubt, and one
    that gets some of its links is an alarm, since no call gives the others.

    The ledger keeps the bounds of its job: `max_spend`, `max_errors`, `settle_s` and `concurrency`. If a bound is left
    out, its last value holds.

    Args:
        client: An `XoxoClient`. Its rate limit for other calls paces the run.
        ledger: The job's ledger; one ledger holds one job, of links and nothing else. It has to keep codes, because no
            call shows a link twice.
        campaign_id: The campaign, which a person makes in the vendor's dashboard. It is a part of each planned row, so
            `resume` does not need it.
        expires_on: The last day on which the links are valid; a part of each planned row. Give both or neither.
        job: The job's name. Default: the ledger's job.
        batch: How many rows travel in one call at most. The vendor documents no maximum. A call whose answer is lost
            leaves all its rows in doubt, so the default is 1.
        concurrency: Calls in flight at most, see `BulkIssuer`.
        max_spend: What all links may be worth, in the campaign's currency. A row is reserved when its intent is
            written; the run pauses before it could go over.
        max_errors: How many rows may be refused: a number, or a share such as `5%`; see `BulkIssuer`.
        settle_s: Seconds after a lost answer before a person may have the row sent again. Default: 150.
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
        async with SqliteLedger("links.db") as ledger:
            links = BulkLinks(xoxo, ledger, job="fair", campaign_id=7001, expires_on=date(2099, 12, 31))
            report = await links.run(LinkLine(key=f"stand-{number}", quantity=5) for number in range(20))
        ```
    """

    _kind = LinkSending


class BulkLinkMails(_CampaignIssuer[MailLine]):
    """Have the vendor mail a link to many addresses, each exactly accounted for. Moves money when they are redeemed.

    The vendor confirms a call, and shows neither the links nor an id. A row is sent, refused, or unknown: the call has
    no key, so a lost answer is left to a person, and no address is mailed again by itself.

    The arguments are those of `BulkLinks`; here a row is an address, and the ledger keeps no links.

    Args:
        client: As for `BulkLinks`.
        ledger: The job's ledger; one ledger holds one job, of mailed links and nothing else.
        campaign_id: As for `BulkLinks`.
        expires_on: As for `BulkLinks`.
        job: As for `BulkLinks`.
        batch: How many addresses travel in one call at most. The vendor documents no maximum. A call whose answer is
            lost leaves all its addresses in doubt, so the default is 1.
        concurrency: As for `BulkLinks`.
        max_spend: As for `BulkLinks`.
        max_errors: As for `BulkLinks`.
        settle_s: As for `BulkLinks`.
        skip_invalid: As for `BulkLinks`.
        pause_limit_s: As for `BulkLinks`.
        missing: As for `BulkLinks`.
        restore: As for `BulkLinks`.
        address: As for `BulkLinks`.
        clock: As for `BulkLinks`.
        wall: As for `BulkLinks`.

    Raises:
        ConfigError: When a setting makes no sense.

    Example:
        ```python
        async with SqliteLedger("mails.db") as ledger:
            mails = BulkLinkMails(xoxo, ledger, job="mails", campaign_id=7001, expires_on=date(2099, 12, 31))
            report = await mails.run([MailLine(key="E-1", email="jane@example.com")])
        ```
    """

    _kind = MailSending
