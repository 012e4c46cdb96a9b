"""What a job is of: orders, points, links or mails; and what may follow a lost answer of its calls."""

from enum import StrEnum
from typing import Final, Protocol

from xoxo_async.bulk.ledger.commands import command_for
from xoxo_async.effects import EffectClass
from xoxo_async.errors import LedgerError

__all__ = ["JobKind", "check_kind", "kind_of", "require_kind"]


class JobKind(StrEnum):
    """What the lines of a ledger are. A ledger holds one job, and a job is of one kind."""

    ORDERS = "orders"
    """Each line is an order under a poNumber."""
    POINTS = "points"
    """Each line is a credit of points to one recipient."""
    LINKS = "links"
    """Each line is one row of reward links."""
    LINK_MAILS = "link_mails"
    """Each line is a link that the vendor mails to one address."""

    @property
    def effect(self) -> EffectClass:
        """What may follow a lost answer: only orders have a key that they can be looked up by."""
        return EffectClass.KEYED if self is JobKind.ORDERS else EffectClass.UNKEYED

    @property
    def words(self) -> str:
        """The kind in words, as in "a job of points"."""
        return _WORDS[self]

    @property
    def command(self) -> str:
        """The command that sends a job of this kind."""
        return _COMMANDS[self]


_WORDS: Final = {
    JobKind.ORDERS: "orders",
    JobKind.POINTS: "points",
    JobKind.LINKS: "links",
    JobKind.LINK_MAILS: "mailed links",
}
_COMMANDS: Final = {
    JobKind.ORDERS: "xoxo bulk resume",
    JobKind.POINTS: "xoxo points send",
    JobKind.LINKS: "xoxo links generate",
    JobKind.LINK_MAILS: "xoxo links send",
}


class OfKind(Protocol):
    """The part of a ledger that says what it holds."""

    @property
    def name(self) -> str:
        """The ledger's name in messages."""
        ...

    @property
    def argument(self) -> str:
        """What `--ledger` takes to reach it."""
        ...

    @property
    def kind(self) -> JobKind | None:
        """What its job is of; None before its first line."""
        ...


def kind_of(fact: str | None) -> JobKind:
    """Return the kind that the fact `KIND` names; a ledger without it holds orders.

    Args:
        fact: The fact.

    Raises:
        LedgerError: A newer version of this package knows more kinds.
    """
    try:
        return JobKind(fact or JobKind.ORDERS)
    except ValueError:
        raise LedgerError(f"the job is of the kind {fact!r}, which this version of xoxo-async does not know") from None


def check_kind(stored: JobKind, kind: JobKind) -> None:
    """Refuse lines of another kind than a ledger holds.

    Args:
        stored: The kind of the ledger's job.
        kind: The kind of the lines.

    Raises:
        LedgerError: When they are not the same.
    """
    if stored is not kind:
        raise LedgerError(f"this ledger holds a job of {stored.words}, not of {kind.words}: one ledger, one job")


def require_kind(ledger: OfKind, kind: JobKind) -> None:
    """Refuse to work on a ledger whose job is of another kind; a ledger without a job may become any.

    Args:
        ledger: The ledger, open.
        kind: What the caller sends.

    Raises:
        LedgerError: When it holds a job of another kind; the message names the command for it.
    """
    stored = ledger.kind
    if stored is not None and stored is not kind:
        raise LedgerError(
            f"{ledger.name} holds a job of {stored.words}, not of {kind.words}; nothing was sent. Go on with it by"
            f" `{command_for(ledger, stored.command)}`"
        )
