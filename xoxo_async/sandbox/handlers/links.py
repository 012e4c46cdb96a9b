"""Links: campaigns, and links made or mailed for them. Each reply carries its own success flag."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from xoxo_async.sandbox.products import COUNTRIES
from xoxo_async.sandbox.reading import Data, digits
from xoxo_async.sandbox.state import State

__all__ = ["campaign_details", "campaign_list", "generate_link", "generate_link_email"]


class _Campaign(NamedTuple):
    id: int
    name: str
    value: int
    currency: str
    country: str
    products: tuple[str, ...]
    enabled: bool = True


_CAMPAIGNS: Final = (
    _Campaign(7001, "Spring Thanks", 100, "INR", "India", ("Corner Shop", "Book Nook")),
    _Campaign(7002, "Summer Rewards", 10, "USD", "USA", ("Main Street Market",)),
    _Campaign(7003, "Founders Day", 20, "EUR", "Germany", ("Marktplatz",)),
    _Campaign(7004, "Last Year", 50, "GBP", "United Kingdom", ("High Street Card",), enabled=False),
)
_RATES: Final = {country.currency: country.rate for country in COUNTRIES}
_DAY: Final = re.compile(r"\d{2}-\d{2}-\d{4}")


def campaign_list(_state: State, data: Data) -> object:
    """Return campaigns by offset, and how many there are in all."""
    limit, offset = _number(data, "limit", 10), _number(data, "offset", 0)
    name, enabled = str(data.get("name") or "").lower(), str(data.get("enabled", 1)) not in {"0", "False"}
    found = [campaign for campaign in _CAMPAIGNS if name in campaign.name.lower() and campaign.enabled == enabled]
    rows = [
        {
            "campaignId": campaign.id,
            "campaignName": campaign.name,
            "denomination_value": campaign.value,
            "currencyCode": campaign.currency,
            "countryName": campaign.country,
            "product_count": str(len(campaign.products)),
            "created_date": "0000-00-00 00:00:00",
        }
        for campaign in found[offset : offset + limit]
    ]
    return {"success": 1, "count": len(found), "errors": None, "data": rows}


def campaign_details(_state: State, data: Data) -> object:
    """Return one campaign and its products."""
    rows = [
        {
            "campaignId": campaign.id,
            "campaignName": campaign.name,
            "denomination_value": campaign.value,
            "currency_code": campaign.currency,
            "countryName": campaign.country,
            "vouchers": [{"name": name, "image": "https://images.example.com/x.png"} for name in campaign.products],
        }
        for campaign in _CAMPAIGNS
        if str(campaign.id) == str(data.get("campaignId"))
    ]
    return {"success": 1, "data": rows}


def generate_link(state: State, data: Data) -> object:
    """Make links for a campaign that is enabled."""
    return _make(state, data, _number(data, "links_quantity", 0))


def generate_link_email(state: State, data: Data) -> object:
    """Mail a link to each address. The reply contains no link."""
    addresses = [part.strip() for part in str(data.get("email_ids") or "").split(",") if "@" in part]
    made = _make(state, data, len(addresses), addresses)
    if made["success"] != 1:
        return made
    return {
        "success": 1,
        "message": "Links sent",
        "campaignId": made["campaignId"],
        "campaignName": made["campaignName"],
    }


def _make(state: State, data: Data, quantity: int, emails: Sequence[str] = ()) -> dict[str, object]:
    wanted = str(data.get("campaignId"))
    campaign = next((one for one in _CAMPAIGNS if one.enabled and str(one.id) == wanted), None)
    if campaign is None or not 1 <= quantity <= 10_000 or not _DAY.fullmatch(str(data.get("link_expiry"))):
        return {"success": 0, "message": "invalid campaign, quantity or expiry", "links": []}
    worth = quantity * campaign.value * _RATES.get(campaign.currency, Decimal(1))
    batch = state.book_links(campaign.id, quantity, emails, worth)
    if batch is None:
        return {"success": 0, "message": "insufficient balance", "links": []}
    return {
        "success": 1,
        "message": "Links generated successfully",
        "links": list(batch.links),
        "batchId": batch.batch_id,
        "campaignName": campaign.name,
        "campaignId": str(campaign.id),
        "denomination_value": campaign.value,
        "countryName": campaign.country,
        "currencyCode": campaign.currency,
    }


def _number(data: Data, name: str, default: int) -> int:
    found = digits(str(data.get(name, default)))
    return default if found is None else found
