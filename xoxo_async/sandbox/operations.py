"""The names of the sandbox's operations, and where each expects its data."""

from typing import Final

__all__ = ["OPERATIONS", "data_of", "failure_of", "reply_key"]

_ROOTS: Final[dict[str, str]] = {
    "getFilters": "data",
    "getVouchers": "data",
    "getBalance": "data",
    "placeOrder": "data",
    "getOrderDetails": "data",
    "getOrderHistory": "data",
    "paymentHistory": "data",
    "getPaymentReport": "data",
    "user_balance": "user_data",
    "sendBalance": "recipients_data",
    "cancelBalance": "recipients_data",
    "campaignList": "add_data",
    "campaignDetails": "data",
    "generateLink": "data",
    "generateLinkEmail": "data",
    "lookupMobileNumber": "data",
}
"""The wrapper inside `variables` that holds an operation's data."""

OPERATIONS: Final = frozenset(_ROOTS)
"""The names of all operations."""


def data_of(operation: str, variables: dict[str, object]) -> object:
    """Return an operation's data out of the request's `variables`; without its wrapper, the variables are the data.

    Args:
        operation: The operation's name.
        variables: As sent.
    """
    return variables.get(_ROOTS.get(operation, "data"), variables)


def reply_key(operation: str) -> str:
    """Return the key under which the vendor answers an operation: generateLinkEmail answers as generateLink.

    Args:
        operation: The operation's name.
    """
    return "generateLink" if operation == "generateLinkEmail" else operation


def failure_of(operation: str) -> dict[str, object]:
    """Return the success flag of an operation, as an answer has it that is a failure.

    Args:
        operation: The operation's name.
    """
    if operation in {"sendBalance", "cancelBalance"}:
        return {"error": True}
    if operation == "user_balance" or operation.startswith(("campaign", "generateLink")):
        return {"success": 0}
    return {"status": 0}
