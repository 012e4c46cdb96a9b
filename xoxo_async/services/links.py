"""Reward links and their campaigns. The calls that make or mail links have no key, so the SDK never repeats them."""

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Final

import msgspec

from xoxo_async.errors import ArgumentError, NotFoundError
from xoxo_async.operation import Dispatch, EffectClass, Layout, Operation, SuccessFlag
from xoxo_async.paging import Page, iterate_pages
from xoxo_async.services import checks
from xoxo_async.services.persons import same_address
from xoxo_async.wire.replies import Part, Reply, with_answer_of
from xoxo_async.wire.scalars import parse_datetime
from xoxo_async.wire.secrets import Private, Secret

__all__ = [
    "GENERATE_LINKS",
    "GET_CAMPAIGN",
    "LIST_CAMPAIGNS",
    "SEND_LINKS",
    "Campaign",
    "CampaignVoucher",
    "LinkBatch",
    "LinkService",
    "LinksSent",
]


class CampaignVoucher(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A product that a campaign offers."""

    name: str | None = None
    image: str | None = None


class Campaign(Reply, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A campaign. A person makes it in the vendor's dashboard.

    Attributes:
        campaign_id: The id, with which links are made.
        campaign_name: The name.
        denomination_value: The value of one link.
        country_name: The country.
        vouchers: The products on offer; `get_campaign` alone fills them in.
        product_count: The number of products on offer; `list_campaigns` alone fills it in.
    """

    campaign_id: int
    campaign_name: str | None = None
    denomination_value: Decimal | None = msgspec.field(default=None, name="denomination_value")
    country_name: str | None = None
    vouchers: tuple[CampaignVoucher, ...] = ()
    product_count: int | None = msgspec.field(default=None, name="product_count")
    enabled: bool | None = None
    currency_code_: str | None = msgspec.field(default=None, name="currencyCode")
    currency_code_snake_: str | None = msgspec.field(default=None, name="currency_code")
    created_date_: Any = msgspec.field(default=None, name="created_date")

    @property
    def currency_code(self) -> str | None:
        """The currency. The list calls the field `currencyCode`, the details `currency_code`."""
        return self.currency_code_ or self.currency_code_snake_

    @property
    def created_date(self) -> datetime | None:
        """When the campaign was made; None for a zero date."""
        return parse_datetime(self.created_date_)


class LinkBatch(Reply, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The links of one `generate` call.

    Attributes:
        links: The links. Anyone who has a link can spend it. A successful answer may hold none (wire documentation
            § 4.11).
        batch_id: The vendor's id of the batch.
        campaign_id: The id of the campaign.
        campaign_name: The name of the campaign.
        denomination_value: The value of one link.
        country_name: The country of the campaign.
        currency_code: The currency of the campaign.
        success: 1; a failure is raised.
        message: The vendor's text.
    """

    success: Any = None
    message: str | None = None
    links: tuple[Secret, ...] = ()
    batch_id: str | None = None
    campaign_name: str | None = None
    campaign_id: int | None = None
    denomination_value: Decimal | None = msgspec.field(default=None, name="denomination_value")
    country_name: str | None = None
    currency_code: str | None = None


class LinksSent(Reply, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The vendor's confirmation of one `send` call. It has neither the links nor an id of the batch.

    Attributes:
        success: 1; a failure is raised.
        message: The vendor's text.
        campaign_id: The id of the campaign.
        campaign_name: The name of the campaign.
        denomination_value: The value of one link.
        country_name: The country of the campaign.
        currency_code: The currency of the campaign.
    """

    success: Any = None
    message: str | None = None
    campaign_id: int | None = None
    campaign_name: str | None = None
    denomination_value: Decimal | None = msgspec.field(default=None, name="denomination_value")
    country_name: str | None = None
    currency_code: str | None = None


class CampaignsRequest(msgspec.Struct, frozen=True):
    """The request of campaignList."""

    limit: int
    offset: int
    name: str = ""
    enabled: int = 1


class CampaignRequest(msgspec.Struct, frozen=True, rename="camel"):
    """The request of campaignDetails."""

    campaign_id: int


class GenerateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The request of generateLink."""

    campaign_id: int = msgspec.field(name="campaignId")
    links_quantity: int
    link_expiry: str


class EmailRequest(Private, frozen=True, kw_only=True):
    """The request of generateLinkEmail."""

    personal: ClassVar[frozenset[str]] = frozenset({"email_ids"})

    campaign_id: int = msgspec.field(name="campaignId")
    email_ids: str
    link_expiry: str


LIST_CAMPAIGNS: Final = Operation(
    "campaignList",
    query="xoxo_link.query.campaignList",
    tag="xoxo_link",
    root="add_data",
    request=CampaignsRequest,
    reply=tuple[Campaign, ...],
    flag=SuccessFlag.SUCCESS_1,
    effect=EffectClass.READ,
    loose=True,
)

GET_CAMPAIGN: Final = Operation(
    "campaignDetails",
    query="xoxo_link.mutation.campaignDetails",
    tag="xoxo_link",
    request=CampaignRequest,
    reply=tuple[Campaign, ...],
    flag=SuccessFlag.SUCCESS_1,
    effect=EffectClass.READ,
    loose=True,
)

GENERATE_LINKS: Final = Operation(
    "generateLink",
    query="xoxo_link.mutation.generateLink",
    tag="xoxo_link",
    request=GenerateRequest,
    reply=LinkBatch,
    layout=Layout.FLAT,
    flag=SuccessFlag.SUCCESS_1,
    effect=EffectClass.UNKEYED,
    loose=True,  # the vendor shows the links once, so they must be found in an undocumented place too
    proof=("links",),
    path="/v1/oauth/api/generateLink",
)

SEND_LINKS: Final = Operation(
    "generateLinkEmail",
    query="xoxo_link.mutation.generateLinkEmail",
    tag="xoxo_link",
    request=EmailRequest,
    reply=LinksSent,
    reply_key="generateLink",  # the vendor answers under the name of the other operation (wire documentation § 4)
    also_under=("generateLinkEmail",),
    layout=Layout.FLAT,
    flag=SuccessFlag.SUCCESS_1,
    effect=EffectClass.UNKEYED,
    loose=True,
    path="/v1/oauth/api/sendLinks",
)


class LinkService:
    """Make reward links, mail them, and read campaigns."""

    def __init__(self, dispatch: Dispatch) -> None:
        """Take what runs operations; `XoxoClient` does this.

        Args:
            dispatch: Runs operations.
        """
        self._dispatch: Final = dispatch

    async def generate(self, *, campaign_id: int, quantity: int, expires_on: date) -> LinkBatch:
        """Make links. Moves money when they are redeemed; the SDK never repeats the call by itself.

        The API has no look-up for links. After a lost answer only the vendor's dashboard shows whether they exist.

        Args:
            campaign_id: The id of the campaign.
            quantity: The number of links; the vendor states no maximum.
            expires_on: The last day on which the links are valid.

        Returns:
            The links.

        Raises:
            ConfigError: An argument is wrong; nothing was sent.
            OutcomeUnknownError: The answer was lost, and the vendor may have made the links.
            XoxoError: The call failed; see `effect`.

        Example:
            ```python
            batch = await xoxo.links.generate(campaign_id=7001, quantity=5, expires_on=date(2027, 12, 31))
            ```
        """
        request = GenerateRequest(
            campaign_id=checks.whole("campaign_id", campaign_id),
            # No page states a maximum. This bound stops a mistyped quantity, since every link is worth money.
            links_quantity=checks.whole("quantity", quantity, high=100_000),
            link_expiry=checks.day("expires_on", expires_on).strftime("%d-%m-%Y"),
        )
        return await self._dispatch(GENERATE_LINKS, request)

    async def send(self, *, campaign_id: int, emails: Sequence[str], expires_on: date) -> LinksSent:
        """Let the vendor mail a link to each address. Moves money when redeemed; the SDK never repeats the call.

        Args:
            campaign_id: The id of the campaign.
            emails: The e-mail addresses. One that is there twice is refused: it would get two links.
            expires_on: The last day on which the links are valid.

        Returns:
            The vendor's confirmation, without the links.

        Raises:
            ConfigError: An argument is wrong; nothing was sent.
            OutcomeUnknownError: The answer was lost, and the vendor may have sent the mails.
            XoxoError: The call failed; see `effect`.

        Example:
            ```python
            await xoxo.links.send(campaign_id=7001, emails=["jane@example.com"], expires_on=date(2027, 12, 31))
            ```
        """
        if not emails or isinstance(emails, str):
            raise ArgumentError("emails must be a list of at least one address")
        request = EmailRequest(
            # The wire has one comma-separated text of addresses, and DD-MM-YYYY (wire documentation § 4.11).
            campaign_id=checks.whole("campaign_id", campaign_id),
            email_ids=",".join(_addresses(emails)),
            link_expiry=checks.day("expires_on", expires_on).strftime("%d-%m-%Y"),
        )
        return await self._dispatch(SEND_LINKS, request)

    async def list_campaigns(
        self, *, page: int = 1, limit: int = 100, name: str = "", enabled: bool = True
    ) -> Page[Campaign]:
        """Read one page of campaigns. Moves no money; one call.

        Args:
            page: The page, from 1.
            limit: Campaigns a page.
            name: The only name; empty means all campaigns.
            enabled: True for the campaigns in use, False for those that are switched off.

        Returns:
            The page.

        Raises:
            ConfigError: An argument is wrong.
            XoxoError: The call failed.

        Example:
            ```python
            page = await xoxo.links.list_campaigns()
            ```
        """
        checks.check_page(page, limit)
        # This list alone counts items and not pages (wire documentation § 4.11).
        request = CampaignsRequest(limit, (page - 1) * limit, checks.text("name", name) or "", int(enabled))
        return Page(await self._dispatch(LIST_CAMPAIGNS, request), page, limit)

    def iterate_campaigns(self, *, limit: int = 100, name: str = "", enabled: bool = True) -> AsyncIterator[Campaign]:
        """Iterate over all campaigns. Moves no money; one call a page.

        Args:
            limit: Campaigns a page.
            name: The only name; empty means all campaigns.
            enabled: True for the campaigns in use, False for those that are switched off.

        Returns:
            An iterator over the campaigns for `async for`. It reads a page when its first campaign is needed.

        Raises:
            ConfigError: An argument is wrong. The first step of the iteration raises it.
            DecodeError: The list has no end, because the server sends the same items again and again.
            XoxoError: A call failed.

        Example:
            ```python
            async for campaign in xoxo.links.iterate_campaigns():
                print(campaign.campaign_id, campaign.campaign_name)
            ```
        """
        return iterate_pages(
            lambda page: self.list_campaigns(page=page, limit=limit, name=name, enabled=enabled),
            lambda campaign: campaign.campaign_id,
        )

    async def get_campaign(self, campaign_id: int) -> Campaign:
        """Read one campaign with its products. Moves no money; one call.

        Args:
            campaign_id: The id of the campaign.

        Returns:
            The campaign.

        Raises:
            NotFoundError: There is no such campaign.
            XoxoError: The call failed.

        Example:
            ```python
            campaign = await xoxo.links.get_campaign(7001)
            ```
        """
        request = CampaignRequest(checks.whole("campaign_id", campaign_id))
        campaigns = await self._dispatch(GET_CAMPAIGN, request)
        for campaign in campaigns:
            if campaign.campaign_id == campaign_id:
                return with_answer_of(campaign, campaigns)
        raise NotFoundError(f"no campaign {campaign_id}", operation=GET_CAMPAIGN.name)


def _addresses(emails: Sequence[str]) -> list[str]:
    """Return checked addresses, or raise `ArgumentError`; two spellings of one address are one."""
    first: dict[str, int] = {}
    found: list[str] = []
    for index, email in enumerate(emails):
        address = checks.email(f"emails[{index}]", checks.needed(f"emails[{index}]", email)) or ""
        other = first.setdefault(same_address(address), index)
        if other != index:
            raise ArgumentError(f"emails[{index}] is the address of emails[{other}]: it would get two links")
        found.append(address)
    return found
