"""Points, links and the operator look-up: operations whose reply carries its own success flag."""

import re
from collections.abc import Callable
from typing import Final

from xoxo_async.sandbox.reading import Data, digits
from xoxo_async.sandbox.state import State

__all__ = ["FLAT_HANDLERS", "ROOTS", "as_openapi"]

_CAMPAIGNS: Final = (
    (7001, "Spring Thanks", 100, "INR", "India", ("Corner Shop", "Book Nook")),
    (7002, "Summer Rewards", 10, "USD", "USA", ("Main Street Market",)),
    (7003, "Founders Day", 20, "EUR", "Germany", ("Marktplatz",)),
    (7004, "Last Year", 50, "GBP", "United Kingdom", ("High Street Card",)),
)
_SWITCHED_OFF: Final = frozenset({7004})
_DAY: Final = re.compile(r"\d{2}-\d{2}-\d{4}")


def user_balance(state: State, data: Data) -> object:
    """Return the points of one user."""
    user = str(data.get("email") or data.get("phone") or "")
    if not user:
        return {"success": 0, "message": "missing user's details", "data": None}
    return {"success": 1, "message": None, "data": {"total": state.points.get(user, 0)}}


def send_balance(state: State, data: Data) -> object:
    """Give points to each recipient."""
    recipients = data.get("recipients")
    if not isinstance(recipients, list) or not recipients or not data.get("sender_email"):
        return {"error": True, "message": "invalid recipients", "recipients": []}
    given = []
    for recipient in recipients:
        email = str(recipient.get("to_email", "")) if isinstance(recipient, dict) else ""
        amount = digits(str(recipient.get("amount", ""))) if isinstance(recipient, dict) else None
        if "@" not in email or amount is None:
            return {"error": True, "message": "invalid recipient", "recipients": []}
        given.append((email, amount, str(recipient.get("to_name", ""))))
    made: list[dict[str, object]] = []
    for address, points, name in given:
        unique_id = 9_000_001 + len(state.credits)
        state.credits[unique_id] = (address, points, True)
        state.points[address] = state.points.get(address, 0) + points
        phone = {"phone_code": "", "phone_number": ""}
        made.append({"unique_id": unique_id, "email": address, "points": points, "name": name, **phone})
    return {"error": False, "message": "points sent", "recipients": made}


def cancel_balance(state: State, data: Data) -> object:
    """Take credits back, each for itself."""
    results = []
    recipients = data.get("recipients")
    for entry in recipients if isinstance(recipients, list) else []:
        unique_id = entry.get("unique_id") if isinstance(entry, dict) else None
        credit = state.credits.get(unique_id) if isinstance(unique_id, int) else None
        good = credit is not None and credit[2]
        if credit is not None and good and isinstance(unique_id, int):
            state.credits[unique_id] = (credit[0], credit[1], False)
            state.points[credit[0]] -= credit[1]
        text = "Points cancelled successfully" if good else "No such credit"
        results.append({"unique_id": unique_id if isinstance(unique_id, int) else 0, "success": good, "message": text})
    return {"error": False, "message": "Cancellation processed successfully", "recipients": results}


def campaign_list(_state: State, data: Data) -> object:
    """Return campaigns, by offset."""
    limit, offset = _number(data, "limit", 10), _number(data, "offset", 0)
    name, enabled = str(data.get("name") or "").lower(), str(data.get("enabled", 1)) not in {"0", "False"}
    found = [
        campaign
        for campaign in _CAMPAIGNS
        if name in campaign[1].lower() and (campaign[0] not in _SWITCHED_OFF) == enabled
    ]
    rows = [
        {
            "campaignId": number,
            "campaignName": title,
            "denomination_value": value,
            "currencyCode": currency,
            "countryName": country,
            "product_count": str(len(products)),
            "created_date": "0000-00-00 00:00:00",
        }
        for number, title, value, currency, country, products in found[offset : offset + limit]
    ]
    return {"success": 1, "count": len(found), "errors": None, "data": rows}


def campaign_details(_state: State, data: Data) -> object:
    """Return one campaign and what it offers."""
    rows = [
        {
            "campaignId": number,
            "campaignName": title,
            "denomination_value": value,
            "currency_code": currency,
            "countryName": country,
            "vouchers": [{"name": product, "image": "https://images.example.com/x.png"} for product in products],
        }
        for number, title, value, currency, country, products in _CAMPAIGNS
        if str(number) == str(data.get("campaignId"))
    ]
    return {"success": 1, "data": rows}


def generate_link(state: State, data: Data) -> object:
    """Make links."""
    live = [campaign for campaign in _CAMPAIGNS if campaign[0] not in _SWITCHED_OFF]
    campaign = next((c for c in live if str(c[0]) == str(data.get("campaignId"))), None)
    quantity = _number(data, "links_quantity", 0)
    if campaign is None or not 1 <= quantity <= 10_000 or not _DAY.fullmatch(str(data.get("link_expiry"))):
        return {"success": 0, "message": "invalid campaign, quantity or expiry", "links": []}
    links = [f"https://claim.example.com/{state.seed}-{len(state.links) + n:08d}" for n in range(quantity)]
    state.links.extend((campaign[0], link) for link in links)
    return {
        "success": 1,
        "message": "Links generated successfully",
        "links": links,
        "batchId": f"batch_{len(state.links):06d}",
        "campaignName": campaign[1],
        "campaignId": str(campaign[0]),
        "denomination_value": campaign[2],
        "countryName": campaign[4],
        "currencyCode": campaign[3],
    }


def generate_link_email(state: State, data: Data) -> object:
    """Mail a link to each address."""
    addresses = [part.strip() for part in str(data.get("email_ids") or "").split(",") if "@" in part]
    made = generate_link(state, {**data, "links_quantity": len(addresses)})
    if not isinstance(made, dict) or made["success"] != 1:
        return made
    state.link_mails.extend(addresses)
    return {
        "success": 1,
        "message": "Links sent",
        "campaignId": made["campaignId"],
        "campaignName": made["campaignName"],
    }


def lookup_mobile_number(_state: State, data: Data) -> object:
    """Return the operator of a number: the sandbox knows one."""
    number = str(data.get("mobile_number") or "")
    if not number.startswith("+") or digits(number[1:]) is None:
        return {"status": "failure", "message": "invalid number"}
    return {
        "status": "success",
        "message": "",
        "phone": number,
        "network_operator": "Ring Mobile",
        "is_active": True,
        "parentProductId": 1024,
    }


def as_openapi(operation: str, reply: object) -> object:
    """Return a reply as the OpenAPI file has it: no more fields than it lists.

    Args:
        operation: What was asked.
        reply: The vendor's form of it.
    """
    if operation != "sendBalance" or not isinstance(reply, dict):
        return reply
    listed = ("unique_id", "points", "name", "phone_code", "phone_number")
    rows = reply.get("recipients")
    recipients = [{name: row[name] for name in listed} for row in rows] if isinstance(rows, list) else []
    return {**reply, "recipients": recipients}


def _number(data: Data, name: str, default: int) -> int:
    found = digits(str(data.get(name, default)))
    return default if found is None else found


FLAT_HANDLERS: Final[dict[str, Callable[[State, Data], object]]] = {
    "user_balance": user_balance,
    "sendBalance": send_balance,
    "cancelBalance": cancel_balance,
    "campaignList": campaign_list,
    "campaignDetails": campaign_details,
    "generateLink": generate_link,
    "generateLinkEmail": generate_link_email,
    "lookupMobileNumber": lookup_mobile_number,
}

ROOTS: Final = {
    "user_balance": "user_data",
    "sendBalance": "recipients_data",
    "cancelBalance": "recipients_data",
    "campaignList": "add_data",
}
"""The wrapper inside `variables`, where it is not `data`."""
