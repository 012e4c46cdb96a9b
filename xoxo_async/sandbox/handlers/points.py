"""Points: the balance of a user, credits, and their cancellation. Each reply carries its own success flag."""

from xoxo_async.sandbox.points_book import Gift
from xoxo_async.sandbox.reading import Data, digits
from xoxo_async.sandbox.state import State

__all__ = ["as_openapi", "cancel_balance", "send_balance", "user_balance"]


def user_balance(state: State, data: Data) -> object:
    """Return the points of one user."""
    user = str(data.get("email") or data.get("phone") or "")
    if not user:
        return {"success": 0, "message": "missing user's details", "data": None}
    return {"success": 1, "message": None, "data": {"total": state.points.total(user)}}


def send_balance(state: State, data: Data) -> object:
    """Give points to every recipient, or to none if one of them is not valid or the account has too few."""
    recipients = data.get("recipients")
    if not isinstance(recipients, list) or not recipients or not data.get("sender_email"):
        return _failed("invalid recipients")
    gifts = [gift for recipient in recipients if (gift := _gift(recipient)) is not None]
    if len(gifts) < len(recipients):
        return _failed("invalid recipient")
    if sum(gift.points for gift in gifts) > state.points_left:
        return _failed("insufficient points")
    told = [
        {
            "unique_id": credit.unique_id,
            "email": credit.email,
            "points": credit.points,
            "name": credit.name,
            "phone_code": "",
            "phone_number": "",
        }
        for credit in state.book_points(gifts)
    ]
    return {"error": False, "message": "points sent", "recipients": told}


def _gift(recipient: object) -> Gift | None:
    if not isinstance(recipient, dict):
        return None
    email, points = str(recipient.get("to_email", "")), digits(str(recipient.get("amount", "")))
    if "@" not in email or points is None:
        return None
    return Gift(email, str(recipient.get("to_name", "")), points, str(recipient.get("citation", "")))


def _failed(message: str) -> object:
    return {"error": True, "message": message, "recipients": []}


def cancel_balance(state: State, data: Data) -> object:
    """Cancel credits. Each one succeeds or fails alone, and the answer as a whole succeeds."""
    results = []
    recipients = data.get("recipients")
    for entry in recipients if isinstance(recipients, list) else []:
        unique_id = entry.get("unique_id") if isinstance(entry, dict) else None
        good = isinstance(unique_id, int) and state.points.cancel(unique_id)
        text = "Points cancelled successfully" if good else "No such credit"
        results.append({"unique_id": unique_id if isinstance(unique_id, int) else 0, "success": good, "message": text})
    return {"error": False, "message": "Cancellation processed successfully", "recipients": results}


def as_openapi(operation: str, reply: object) -> object:
    """Return a reply with only those fields that the OpenAPI file lists.

    Args:
        operation: The operation that was asked for.
        reply: The reply in the vendor's form.
    """
    if operation != "sendBalance" or not isinstance(reply, dict):
        return reply
    listed = ("unique_id", "points", "name", "phone_code", "phone_number")
    rows = reply.get("recipients")
    recipients = [{name: row[name] for name in listed} for row in rows] if isinstance(rows, list) else []
    return {**reply, "recipients": recipients}
