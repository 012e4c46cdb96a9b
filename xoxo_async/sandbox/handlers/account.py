"""The balance, and the payment report."""

from xoxo_async.sandbox.reading import Data, dates, number, page_of
from xoxo_async.sandbox.state import State

__all__ = ["get_balance", "payment_history"]


def get_balance(state: State, _data: Data, openapi: bool) -> object:
    """Return the balance. The vendor adds the points left to give; the OpenAPI file does not list them."""
    balance: dict[str, object] = {"value": number(state.balance), "currency": "INR"}
    return balance if openapi else {**balance, "points": number(state.points_left)}


def payment_history(state: State, data: Data, openapi: bool) -> object:
    """Return a page of the payment report, newest first."""
    start, end = dates(data)
    rows = [entry for entry in reversed(state.payments) if start <= entry.day <= end]
    return [
        {
            "invoice_number": f"IN{entry.reference}",
            "reference_id": entry.reference,
            "date": entry.day,
            "reason": entry.reason,
            "adjusted_amount": int(entry.amount) if openapi else number(entry.amount),
            "transaction_status": "Complete",
            "closing_balance": int(entry.balance) if openapi else number(entry.balance),
        }
        for entry in page_of(data, rows)
    ]
