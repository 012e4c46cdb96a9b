"""Points: the balance of a user, credits, and their cancellation. Each reply carries its own success flag."""

from xoxo_async.sandbox.reading import Data, digits
from xoxo_async.sandbox.state import State

__all__ = ["as_openapi", "cancel_balance", "send_balance", "user_balance"]


def user_balance(state: State, data: Data) -> object:
    """Return the points of one user."""
    user = str(data.get("email") or data.get("phone") or "")
    if not user:
        return {"success": 0, "message": "missing user's details", "data": None}
    return {"success": 1, "message": None, "data": {"total": state.points.get(user, 0)}}


def send_balance(state: State, data: Data) -> object:
    """Give points to every recipient, or to none if one of them is not valid."""
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
    """Cancel credits. Each one succeeds or fails alone, and the answer as a whole succeeds."""
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
