"""Whose a ledger is: its job, its account and its address; what belongs to others is refused."""

from typing import Final

import msgspec

from xoxo_async.errors import LedgerError

__all__ = ["OWN_SANDBOX", "Identity", "check_identity", "check_job", "is_own_sandbox"]

OWN_SANDBOX: Final = "sandbox"
"""The address that a ledger stores for a sandbox that keeps its books beside it: the port differs each time."""


class Identity(msgspec.Struct, frozen=True):
    """The account and address that a ledger belongs to.

    Another account or server does not have the ledger's orders, so every order would look absent and be bought again.

    Attributes:
        address: The API's base URL with its path.
        account: A fingerprint of the account; never a secret. Empty if the token provider does not know it.
    """

    address: str
    account: str


def is_own_sandbox(identity: Identity | None) -> bool:
    """Return whether the orders of a ledger are in a sandbox of its own.

    Args:
        identity: The ledger's; None before it has one.
    """
    return identity is not None and identity.address == OWN_SANDBOX


def check_job(ledger_job: str | None, job: str) -> None:
    """Refuse lines of another job.

    Args:
        ledger_job: The ledger's job; None before its first plan.
        job: The lines'.

    Raises:
        LedgerError: When they are not the same.
    """
    if ledger_job is not None and ledger_job != job:
        raise LedgerError(f"this ledger holds the job {ledger_job!r}, not {job!r}: one ledger, one job")


def check_identity(owner: Identity | None, identity: Identity | None) -> None:
    """Refuse lines of another account or address.

    Args:
        owner: The ledger's account and address; None before they are set.
        identity: The lines'; None if it is not known.

    Raises:
        LedgerError: When they are not the same.
    """
    if owner is not None and identity is not None and owner != identity:
        raise LedgerError(f"this ledger belongs to another account or address: {owner.address}")
