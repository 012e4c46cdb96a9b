"""How rows of links and of mailed links become calls, and what the answers prove of each row."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine
from xoxo_async.bulk.ledger.vouchers import StoredCode, clean
from xoxo_async.bulk.unkeyed.lines import LinkLine, MailLine
from xoxo_async.bulk.unkeyed.sending import Body, Report, doubtful
from xoxo_async.errors import ArgumentError, ConfigError, NotFoundError
from xoxo_async.operation import Operation
from xoxo_async.services import checks
from xoxo_async.services.links import (
    GENERATE_LINKS,
    LIST_CAMPAIGNS,
    SEND_LINKS,
    CampaignsRequest,
    EmailRequest,
    GenerateRequest,
    LinkBatch,
    LinksSent,
)
from xoxo_async.services.persons import Person, by_address
from xoxo_async.wire.enums import VoucherType

__all__ = ["MOST_LINKS", "LinkBody", "LinkSending", "MailSending"]

MOST_LINKS: Final = 100_000
"""Links a row, as in `LinkService.generate`: no page states a maximum, and this stops a mistyped quantity."""


class LinkBody(Body, frozen=True, kw_only=True):
    """What a ledger keeps of a row of links, or of an address.

    Attributes:
        expires: The last day on which its links are valid.
    """

    expires: date


_BODY: Final = msgspec.json.Decoder(LinkBody)


class _Campaign:
    """The campaign of a job and the expiry of its links: both are a part of each planned row.

    Args:
        campaign_id: The campaign; None where no row is planned.
        expires_on: The last day on which the links are valid; None where no row is planned.

    Attributes:
        unit: The campaign's currency; empty as long as nobody has asked, or where the vendor does not tell.

    Raises:
        ConfigError: One of them is not valid or is missing, or the day is over.
    """

    def __init__(self, campaign_id: int | None, expires_on: date | None) -> None:
        if (campaign_id is None) != (expires_on is None):
            raise ConfigError("give campaign_id and expires_on together: both are part of each row")
        self.unit: str = ""
        self._value: Decimal | None = None
        self._terms: tuple[int, date] | None = None
        if campaign_id is not None and expires_on is not None:
            self._terms = checks.whole("campaign_id", campaign_id), _still_to_come(expires_on)

    async def ask(self, client: BulkClient, kept: str) -> None:
        """Read what a link of the campaign is worth, once. One call, unless no row is planned.

        Args:
            client: Makes the call.
            kept: The unit that the ledger keeps; empty without one.

        Raises:
            ConfigError: There is no such campaign, or its currency is not the ledger's.
            XoxoError: The campaign cannot be read.
        """
        self.unit = self.unit or kept
        if self._terms is None or self._value is not None:
            return
        campaign_id, _ = self._terms
        try:
            campaign = await client.links.get_campaign(campaign_id)
        except NotFoundError as error:
            raise ConfigError(f"there is no campaign {campaign_id}; nothing was sent") from error
        unit = campaign.currency_code or ""
        if kept and unit != kept:
            # A budget and a sum of two currencies would mean nothing.
            raise ConfigError(
                f"campaign {campaign_id} is in {unit or 'no known currency'}, and the links of this ledger are in"
                f" {kept}: use another ledger; nothing was sent"
            )
        self._value, self.unit = campaign.denomination_value, unit

    def expired(self, line: LedgerLine) -> date | None:
        """Return the last day of a row's links if it is over, else None.

        Args:
            line: The row.
        """
        expires = _BODY.decode(line.body).expires
        return expires if _is_over(expires) else None

    def require_terms(self) -> None:
        """Refuse to plan without a campaign and an expiry.

        Raises:
            ConfigError: They are missing.
        """
        self._needed()

    def _needed(self) -> tuple[int, date]:
        if self._terms is None:
            raise ConfigError("campaign_id and expires_on are missing: without them a job of links only resumes")
        return self._terms

    def _body(self, quantity: int, email: str | None = None) -> LinkBody:
        campaign_id, expires = self._needed()
        return LinkBody(product_id=campaign_id, quantity=quantity, email=email, expires=expires)

    def decode(self, body: str) -> LinkBody:
        """Read what a ledger keeps of a row."""
        return _BODY.decode(body)

    def worth(self, body: Body) -> Decimal | None:
        """Return the value of the row's links, in the campaign's currency."""
        return None if self._value is None or not self.unit else self._value * body.quantity

    def fit(self, one: LedgerLine, other: LedgerLine) -> bool:
        """Return whether two lines have the same campaign and expiry: a call names only one."""
        first, second = _BODY.decode(one.body), _BODY.decode(other.body)
        return (first.product_id, first.expires) == (second.product_id, second.expires)

    def look(self) -> tuple[Operation[Any, Any], msgspec.Struct]:
        """Return a look at the campaigns: any answer shows that the server works."""
        return LIST_CAMPAIGNS, CampaignsRequest(limit=1, offset=0)

    async def available(self, client: BulkClient) -> Decimal | None:  # noqa: ARG002 - the vendor does not tell it
        """Return None: a link costs when it is redeemed, and no call tells what the company may spend on links."""
        return None

    def balance_request(self, line: LedgerLine) -> None:
        """Return None: who has a link is not known to the vendor."""


class LinkSending(_Campaign):
    """Rows of links: the answer of a call has the links, and they are dealt to its rows in order."""

    def __init__(self, campaign_id: int | None, expires_on: date | None) -> None:
        super().__init__(campaign_id, expires_on)
        self.kind: Final = JobKind.LINKS
        self.row: Final = LinkLine
        self.operation: Final[Operation[GenerateRequest, LinkBatch]] = GENERATE_LINKS

    def body(self, fields: Mapping[str, object], report: Report) -> LinkBody | None:
        """Check the quantity of a row."""
        try:
            return self._body(checks.whole("quantity", fields.get("quantity", 1), high=MOST_LINKS))
        except ArgumentError as error:
            report("quantity", error)
            return None

    def persons(self, body: Body) -> Sequence[Person]:  # noqa: ARG002 - links have no recipient
        """Return nothing: links have no recipient, so two rows may be the same."""
        return ()

    def request(self, lines: Sequence[LedgerLine]) -> GenerateRequest:
        """Return the request for the links of all lines."""
        bodies = [_BODY.decode(line.body) for line in lines]
        return GenerateRequest(
            campaign_id=bodies[0].product_id,
            links_quantity=sum(body.quantity for body in bodies),
            link_expiry=_on_the_wire(bodies[0].expires),
        )

    def changes(self, lines: Sequence[LedgerLine], reply: LinkBatch) -> list[Change]:
        """Deal the links of an answer to the lines in order; a line that gets none is in doubt.

        All links of a call have the same campaign and expiry, so which of them a row gets makes no difference. Nothing
        can fetch a link that is missing in the answer.
        """
        bodies = [_BODY.decode(line.body) for line in lines]
        if doubt := _of_another_campaign(bodies[0], reply.campaign_id):
            return [doubtful(line, doubt) for line in lines]
        links = _distinct(reply)
        told = f"the answer ({_named(reply)}) has {len(links)} of {sum(body.quantity for body in bodies)} links"
        changes: list[Change] = []
        for line, body in zip(lines, bodies, strict=True):
            own, links = links[: body.quantity], links[body.quantity :]
            if own:
                changes.append(_dealt(line, body, own, reply, unasked=len(links) if line is lines[-1] else 0))
            else:
                changes.append(doubtful(line, f"{told}, and none for this row"))
        return changes


class MailSending(_Campaign):
    """Addresses: the vendor mails each a link, and its answer confirms the whole call without the links."""

    def __init__(self, campaign_id: int | None, expires_on: date | None) -> None:
        super().__init__(campaign_id, expires_on)
        self.kind: Final = JobKind.LINK_MAILS
        self.row: Final = MailLine
        self.operation: Final[Operation[EmailRequest, LinksSent]] = SEND_LINKS

    def body(self, fields: Mapping[str, object], report: Report) -> LinkBody | None:
        """Check the address of a row."""
        try:
            address = checks.email("email", checks.needed("email", fields.get("email")))
        except ArgumentError as error:
            report("email", error)
            return None
        return self._body(1, address)

    def persons(self, body: Body) -> Sequence[Person]:
        """Return whom the address names."""
        return (by_address(body.email or ""),)

    def request(self, lines: Sequence[LedgerLine]) -> EmailRequest:
        """Return the request for the mails of all lines."""
        bodies = [_BODY.decode(line.body) for line in lines]
        return EmailRequest(
            campaign_id=bodies[0].product_id,
            email_ids=",".join(body.email or "" for body in bodies),
            link_expiry=_on_the_wire(bodies[0].expires),
        )

    def changes(self, lines: Sequence[LedgerLine], reply: LinksSent) -> list[Change]:
        """Return that all mails are on their way: the answer has no more than that."""
        if doubt := _of_another_campaign(_BODY.decode(lines[0].body), reply.campaign_id):
            return [doubtful(line, doubt) for line in lines]
        return [
            Change(
                seq=line.seq,
                evidence=Evidence.ANSWERED_DONE,
                epoch=line.epoch,
                delivery=Delivery.DELIVERED,
                amount_charged=reply.denomination_value,
                currency=reply.currency_code or "",
            )
            for line in lines
        ]


def _still_to_come(expires_on: date) -> date:
    """Refuse a day that is over everywhere: the vendor would refuse every row, and a refused row is not sent again."""
    day = checks.day("expires_on", expires_on)
    if _is_over(day):
        raise ArgumentError(f"expires_on is over: {day:%Y-%m-%d}. A job that is planned goes on without it")
    return day


def _is_over(day: date) -> bool:
    """Return whether a day is over everywhere."""
    return day < (datetime.now(UTC) - timedelta(hours=12)).date()


def _on_the_wire(day: date) -> str:
    return day.strftime("%d-%m-%Y")  # wire documentation § 4.11


def _of_another_campaign(body: LinkBody, campaign_id: int | None) -> str:
    """Return why an answer cannot be to its request; empty if it may be."""
    if campaign_id in {None, body.product_id}:
        return ""
    return f"the answer is of campaign {campaign_id}, and campaign {body.product_id} was asked for"


def _distinct(reply: LinkBatch) -> list[StoredCode]:
    """Return the links of an answer as the ledger keeps them, each once and without blanks."""
    links = clean([StoredCode(link.reveal(), type=VoucherType.URL.value) for link in reply.links])
    return list({link.name: link for link in links if link.whole}.values())


def _named(reply: LinkBatch) -> str:
    return f"batch {reply.batch_id[:80]}" if reply.batch_id else "of a batch without an id"


def _dealt(line: LedgerLine, body: LinkBody, own: list[StoredCode], reply: LinkBatch, *, unasked: int) -> Change:
    """Return the change of a row that gets some links. An `error` beside a success is an alarm for a person."""
    value, whole = reply.denomination_value, len(own) == body.quantity
    error = "" if whole else f"{len(own)} of {body.quantity} links ({_named(reply)}): no call gives the others"
    if unasked:
        error = f"{unasked} links more than were asked for ({_named(reply)}): they are in no row"
    return Change(
        seq=line.seq,
        evidence=Evidence.ANSWERED_DONE,
        epoch=line.epoch,
        delivery=Delivery.DELIVERED if whole else Delivery.PENDING,
        amount_charged=None if value is None else value * len(own),
        currency=reply.currency_code or "",
        error=error,
        reason=_named(reply),
        codes=msgspec.json.encode(own),
        held=len(own),
    )
