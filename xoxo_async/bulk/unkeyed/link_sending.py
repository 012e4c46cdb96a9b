"""How rows of links and of mailed links become calls, and what the answers prove of each row."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine
from xoxo_async.bulk.ledger.vouchers import StoredCode, clean
from xoxo_async.bulk.unkeyed.lines import LinkLine, MailLine
from xoxo_async.bulk.unkeyed.sending import Body, Report
from xoxo_async.errors import ArgumentError, ConfigError
from xoxo_async.operation import Operation
from xoxo_async.services import checks
from xoxo_async.services.links import (
    GENERATE_LINKS,
    SEND_LINKS,
    EmailRequest,
    GenerateRequest,
    LinkBatch,
    LinksSent,
)
from xoxo_async.wire.enums import VoucherType

__all__ = ["LinkBody", "LinkSending", "MailSending"]

_MOST: Final = 100_000
"""Links a row, as in `LinkService.generate`: no page states a maximum, and this stops a mistyped quantity."""


class LinkBody(Body, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What a ledger keeps of a row of links, or of an address.

    Attributes:
        expires: The last day on which its links are valid.
    """

    expires: date


_BODY: Final = msgspec.json.Decoder(LinkBody)


class _Campaign:
    """The campaign of a job and the expiry of its links: a part of each planned row.

    Args:
        campaign_id: The campaign; None where no row is planned.
        expires_on: The last day on which the links are valid; None where no row is planned.

    Raises:
        ConfigError: One of them is not valid or is missing, or the day is over.
    """

    def __init__(self, campaign_id: int | None, expires_on: date | None) -> None:
        if (campaign_id is None) != (expires_on is None):
            raise ConfigError("give campaign_id and expires_on together: both are part of each row")
        self.value: Decimal | None = None
        """What one link of the campaign is worth; None as long as that is not known."""
        self._campaign_id: Final = None if campaign_id is None else checks.whole("campaign_id", campaign_id)
        self._expires: Final = None if expires_on is None else _still_to_come(expires_on)

    def _body(self, quantity: int, email: str | None = None) -> LinkBody:
        if self._campaign_id is None or self._expires is None:
            raise ConfigError("campaign_id and expires_on are missing: without them a job of links only resumes")
        return LinkBody(product_id=self._campaign_id, quantity=quantity, email=email, expires=self._expires)

    def worth(self, body: Body) -> Decimal | None:
        """Return the value of the row's links."""
        return None if self.value is None else self.value * body.quantity

    def fit(self, one: LedgerLine, other: LedgerLine) -> bool:
        """Return whether two lines have the same campaign and expiry: a call names only one."""
        first, second = _BODY.decode(one.body), _BODY.decode(other.body)
        return (first.product_id, first.expires) == (second.product_id, second.expires)


class LinkSending(_Campaign):
    """Rows of links: the answer of a call has the links, and they are dealt to its rows in order."""

    kind: Final = JobKind.LINKS
    row: Final = LinkLine
    operation: Final[Operation[GenerateRequest, LinkBatch]] = GENERATE_LINKS

    def body(self, fields: Mapping[str, object], report: Report) -> LinkBody | None:
        """Check the quantity of a row."""
        try:
            return self._body(checks.whole("quantity", fields.get("quantity", 1), high=_MOST))
        except ArgumentError as error:
            report("quantity", error)
            return None

    def person(self, body: Body) -> str:  # noqa: ARG002 - links have no recipient
        """Return nothing: links have no recipient, so two rows may be the same."""
        return ""

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
            return [_lost(line, doubt) for line in lines]
        links = _distinct(reply)
        told = f"the answer ({_named(reply)}) has {len(links)} of {sum(body.quantity for body in bodies)} links"
        changes: list[Change] = []
        for line, body in zip(lines, bodies, strict=True):
            own, links = links[: body.quantity], links[body.quantity :]
            if own:
                changes.append(_dealt(line, body, own, reply, unasked=len(links) if line is lines[-1] else 0))
            else:
                changes.append(_lost(line, f"{told}, and none for this row"))
        return changes


class MailSending(_Campaign):
    """Addresses: the vendor mails each a link, and its answer confirms the whole call without the links."""

    kind: Final = JobKind.LINK_MAILS
    row: Final = MailLine
    operation: Final[Operation[EmailRequest, LinksSent]] = SEND_LINKS

    def body(self, fields: Mapping[str, object], report: Report) -> LinkBody | None:
        """Check the address of a row."""
        try:
            address = checks.email("email", checks.needed("email", fields.get("email")))
        except ArgumentError as error:
            report("email", error)
            return None
        return self._body(1, address)

    def person(self, body: Body) -> str:
        """Return the address, whose case makes no difference."""
        return (body.email or "").casefold()

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
            return [_lost(line, doubt) for line in lines]
        return [
            Change(seq=line.seq, evidence=Evidence.ANSWERED_DONE, epoch=line.epoch, delivery=Delivery.DELIVERED)
            for line in lines
        ]


def _still_to_come(expires_on: date) -> date:
    """Refuse a day that is over everywhere: the vendor would refuse every row, and a refused row is not sent again."""
    day = checks.day("expires_on", expires_on)
    if day < (datetime.now(UTC) - timedelta(hours=12)).date():
        raise ArgumentError(f"expires_on is over: {day:%Y-%m-%d}. A job that is planned goes on without it")
    return day


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


def _lost(line: LedgerLine, error: str) -> Change:
    return Change(seq=line.seq, evidence=Evidence.OUTCOME_LOST, epoch=line.epoch, error=error)
