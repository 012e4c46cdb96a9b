"""What every ledger can do: the seam between a run and the place where its lines are kept."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from decimal import Decimal
from types import TracebackType
from typing import Final, Literal, NamedTuple, Protocol, Self

import msgspec

from xoxo_async.bulk.ledger.lines import (
    DEFAULT_RULES,
    Change,
    Counts,
    JournalRow,
    LedgerLine,
    LineState,
    PackedLine,
    PlannedLine,
    Rules,
)
from xoxo_async.bulk.ledger.vouchers import StoredCode

__all__ = ["NO_TERMS", "Approve", "Identity", "Ledger", "PlanTerms", "Planned", "Pricing", "Share"]


class Identity(msgspec.Struct, frozen=True):
    """Whose orders a ledger holds: one account at one address.

    At another account, or at another address, every order of the ledger looks absent, and would be bought again.

    Attributes:
        address: The API's base URL with its path.
        account: A fingerprint of the account; never a secret. Empty where the token provider does not tell.
    """

    address: str
    account: str


class Share(NamedTuple):
    """A part of what a ledger still has to send: all planned orders of one product, denomination and quantity.

    Attributes:
        product_id: The product.
        denomination: The value of one piece, in the product's currency.
        quantity: Pieces in each order.
        orders: Orders.
        rows: Order lines that travel in them.
        worth: What they may cost at most, in ten-thousandths of the account's currency; None where nobody knows.
    """

    product_id: int
    denomination: Decimal
    quantity: int
    orders: int
    rows: int
    worth: int | None


class Planned(NamedTuple):
    """What planning did.

    Attributes:
        added: Lines new to the ledger.
        known: Lines it had already.
        orders: Orders the new lines travel in.
        withdrawn: Lines that the input no longer has, and that were withdrawn.
        unwanted: Lines in doubt that the input no longer has: they are looked up, and not sent again.
    """

    added: int
    known: int
    orders: int
    withdrawn: int = 0
    unwanted: int = 0


Pricing = Callable[[int, Decimal, int], Decimal | None]
"""Product, denomination, quantity: what that may cost at most, in the account's currency; None where nobody knows."""

Approve = Callable[[Planned, list[Share] | None], Awaitable[None]]
"""Looks at what is to be sent before a plan becomes durable; an error that it raises undoes the plan.

It is given what the plan did, and everything that is planned then; None means that the plan's new lines are all of it.
"""


class PlanTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan has to keep to, beside its lines.

    Attributes:
        identity: Whose orders these are; kept with a ledger's first plan.
        missing: What becomes of planned lines that the plan does not name: `keep` leaves them to be sent, `withdraw`
            cancels those that were never sent, `refuse` makes them an error.
        pricing: Sets anew what planned orders may cost; None leaves that as it is.
        approve: Asked before the plan becomes durable; None asks nobody.
        restored: Why this ledger may have forgotten that it sent its planned lines: they are in doubt (T15) in the same
            transaction. Empty where it has forgotten nothing.
        copied: Whether it may be a copy beside another ledger, and no person says otherwise: then an order older than
            the job is not adopted.
        facts: Facts about the run to keep in the same transaction, as `Ledger.set_fact` does.
    """

    identity: Identity | None = None
    missing: Literal["refuse", "withdraw", "keep"] = "keep"
    pricing: Pricing | None = None
    approve: Approve | None = None
    restored: str = ""
    copied: bool = False
    facts: dict[str, str] = {}


NO_TERMS: Final = PlanTerms()
"""A plan that asks nobody, and leaves everything else in the ledger as it is."""


class Ledger(Protocol):
    """Where order lines are kept. The truth about a run; a runner, a queue and the network only bring work to it.

    Open it with `async with`, or with `open` and `aclose`. Every method raises `LedgerError` when the storage fails.
    """

    @property
    def name(self) -> str:
        """What the ledger is called in reports and messages: a file's path, or a URL without its password."""
        ...

    @property
    def job(self) -> str | None:
        """The job this ledger holds, None before its first plan."""
        ...

    @property
    def identity(self) -> Identity | None:
        """Whose orders this ledger holds, None before that was said."""
        ...

    @property
    def keeps_codes(self) -> bool:
        """Whether voucher codes are kept; otherwise only order ids are, and a keyed hash of each code."""
        ...

    @property
    def copied(self) -> bool:
        """Whether this may be an older or another copy of the ledger that earlier runs wrote to.

        Then lines that it holds as planned may have been sent. It stays so until `restored`.
        """
        ...

    @property
    def older(self) -> bool:
        """Whether a `copied` ledger surely is an older state of this very ledger, such as a backup that was put back.

        Then the orders of its planned lines are its own, and are adopted.
        """
        ...

    @property
    def holder(self) -> int | None:
        """The process that alone works on this ledger; None when there is none, or where many may work at once."""
        ...

    async def __aenter__(self) -> Self:
        """Open the ledger."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the ledger."""
        ...

    async def open(self) -> None:
        """Make the ledger ready for its other methods.

        Raises:
            LedgerLockedError: When somebody else works on it, and only one may.
            LedgerError: When it cannot be used; the message says why.
        """
        ...

    async def aclose(self) -> None:
        """Finish what was asked, write what is left, and let go of the ledger. Safe to call twice."""
        ...

    def now(self) -> float:
        """Return the ledger's clock: seconds that nobody can set, the same for everybody who works on the ledger."""
        ...

    async def plan(self, job: str, lines: AsyncIterator[PlannedLine], terms: PlanTerms = NO_TERMS) -> Planned:
        """Add lines, all or none: an error anywhere, also in `lines` or in `approve`, leaves the ledger as it was.

        Args:
            job: The job's name; a ledger holds one job.
            lines: The lines. One that is there already, with the same digest, is left as it is.
            terms: What else the plan has to keep to.

        Raises:
            LedgerConflictError: When a key or poNumber is there with other contents; names key and row.
            PlanError: When planned lines are missing from the plan and may not be; names them.
        """
        ...

    async def rebind(self, identity: Identity, *, reason: str) -> None:
        """Let the ledger belong to another account or address, on a person's word; journalled.

        Args:
            identity: Whose orders it holds from now on.
            reason: Why.
        """
        ...

    async def restored(self, *, reason: str, copied: bool = False) -> int:
        """Put every planned line in doubt (T15): this ledger may be an older copy, and they may have been sent.

        Unknown lines may have been sent again, so their absence is counted from now on. Call `recover` first.

        Args:
            reason: How that is known; journalled.
            copied: Whether it may be a copy beside another ledger, and no person says otherwise.

        Returns:
            How many lines there were.
        """
        ...

    async def withdraw(self, keys: Collection[str] | None, *, reason: str) -> int:
        """Cancel lines that were never sent (T14), all or none.

        Args:
            keys: Whose; None is every planned line that was never sent.
            reason: Why; journalled.

        Returns:
            How many lines were cancelled.

        Raises:
            LedgerConflictError: When one of them is not there, or was sent; names it.
        """
        ...

    async def reprice(self, pricing: Pricing) -> None:
        """Set anew what orders that are not placed may cost at most.

        Args:
            pricing: What a piece may cost today.
        """
        ...

    async def backlog(self, *, doubted: bool = False) -> list[Share]:
        """Return what is planned and not sent.

        Args:
            doubted: Whether to count in what may have been sent, and may be sent again.
        """
        ...

    async def claim(self, limit: int, *, budget: Decimal | None = None) -> list[LedgerLine]:
        """Take up to `limit` planned lines for sending (T1), in order; none when none is left. Durable when it returns.

        Args:
            limit: How many; no more than can be sent at once (see `MAX_HOLD_S`).
            budget: What the job may cost. A claim reserves what its lines may cost at most; an answer settles that to
                what was charged, and a certain refusal frees it.

        Raises:
            BudgetError: When the next line may cost more than is left of the budget; nothing was taken.
        """
        ...

    async def record(
        self, changes: Sequence[Change], *, rules: Rules = DEFAULT_RULES, doubts: Sequence[tuple[str, int]] = ()
    ) -> list[LedgerLine]:
        """Record facts about lines, each with its journal row. Durable when it returns.

        Changes that do not apply never hold up those that do: these are written, then the error is raised.

        Args:
            changes: The facts, in order; several may be about one line.
            rules: The settling rules, for facts about absence.
            doubts: poNumber and order id of what was answered on a connection that was not in step: those lines are in
                doubt (T16) in the same transaction, unless a person named their order.

        Returns:
            For every change, the line as it stands after it; then the lines that came into doubt.

        Raises:
            LedgerConflictError: When some changes were refused; it names them.
        """
        ...

    async def recover(self) -> int:
        """Put every line that a dead sender held in doubt (T7).

        Returns:
            How many there were.
        """
        ...

    def lines(
        self, *, states: Collection[LineState] = (), after: int = 0, with_codes: bool = False
    ) -> AsyncIterator[LedgerLine]:
        """Stream lines in order of `seq`; bounded memory, each chunk as it stands when it is read.

        Args:
            states: Only these; empty is all.
            after: Only lines with a greater `seq`.
            with_codes: Whether to fill in `codes`.
        """
        ...

    async def find(self, key: str) -> LedgerLine | None:
        """Return the order that the line of a key is, or travels in; None when there is no such line.

        Args:
            key: The caller's row key.
        """
        ...

    async def packed(self, orders: Sequence[LedgerLine]) -> dict[int, list[PackedLine]]:
        """Return the lines that travel in some orders, in the order in which the vouchers are dealt to them.

        Args:
            orders: The orders; those of a single line have no entry.
        """
        ...

    async def vet(self, found: Mapping[int, bytes]) -> dict[int, tuple[StoredCode, ...]]:
        """Return which codes placed lines may be given, where the ledger does not keep them.

        Args:
            found: The codes as the vendor lists them now, by line: JSON as in `Change.codes`.

        Returns:
            Distinct codes by line, without those that another line has. Each of these is an alarm from then on, and
            so is an order that lists more codes than it has pieces.
        """
        ...

    def journal(self, *, seq: int | None = None, after: int = 0) -> AsyncIterator[JournalRow]:
        """Stream the append-only journal, oldest first.

        Args:
            seq: Only this line's entries; None is all.
            after: Only entries with a greater id.
        """
        ...

    async def committed(self) -> Decimal:
        """Return what the job has cost, and may yet cost by what is on its way, in the account's currency."""
        ...

    async def get_fact(self, name: str) -> str | None:
        """Return a fact kept with `set_fact`, None when there is none."""
        ...

    async def set_fact(self, name: str, value: str) -> None:
        """Keep a small fact about the run beside it, durably."""
        ...

    async def counts(self) -> Counts:
        """Return the ledger in numbers."""
        ...
