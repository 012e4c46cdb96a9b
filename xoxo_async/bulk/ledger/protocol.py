"""The protocol of a ledger: the methods that runs, reports and commands call on a store of order lines."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from decimal import Decimal
from types import TracebackType
from typing import Protocol, Self

from msgspec import UNSET, UnsetType

from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import (
    DEFAULT_RULES,
    Armed,
    Change,
    Counts,
    JournalRow,
    LedgerLine,
    LineState,
    PackedLine,
    PlannedLine,
    Rules,
)
from xoxo_async.bulk.ledger.overview import Overview, RunNote
from xoxo_async.bulk.ledger.terms import NO_TERMS, Approve, Holder, Identity, Planned, PlanTerms, Pricing, Share
from xoxo_async.bulk.ledger.vouchers import StoredCode

__all__ = ["NO_TERMS", "Approve", "Holder", "Identity", "Ledger", "PlanTerms", "Planned", "Pricing", "Share"]


class Ledger(Protocol):
    """The store of a run's order lines, and the only record of the run.

    Open it with `async with`, or with `open` and `aclose`. Every method raises `LedgerError` when the storage fails.

    A store only reads and writes rows. All stores share what is decided, and in which order: the steps are listed in
    `recording` (record), `bookkeeping` (claim, recover, restore, withdraw), `plans` (plan) and `arming` (arm), and the
    rules are in `backlog`, `budget`, `counting` and `clock`. A store's constructor takes the clock, so that tests can
    set it. The conformance suite in `tests/unit/bulk/ledger/conformance` runs against every store.
    """

    @property
    def name(self) -> str:
        """The ledger's name in reports and messages: a file's path, or a URL without its password."""
        ...

    @property
    def argument(self) -> str:
        """What `--ledger` takes to reach this ledger: the path, or the URL with its options and job; no password."""
        ...

    @property
    def job(self) -> str | None:
        """The job this ledger holds; before its first plan the one that was asked for on opening, None without one."""
        ...

    @property
    def kind(self) -> JobKind | None:
        """What the job of this ledger is of; None before its first line."""
        ...

    @property
    def identity(self) -> Identity | None:
        """The account and address of this ledger, None before they are set."""
        ...

    @property
    def keeps_codes(self) -> bool:
        """Whether voucher codes are kept; otherwise only order ids are, and a keyed hash of each code."""
        ...

    @property
    def copied(self) -> bool:
        """Whether this may be an older or another copy of the ledger that earlier runs wrote to.

        Then its planned lines may have been sent. It stays True until `restored`.
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
        """The one process that works on this ledger; None when there is none, or when many may work at once."""
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
            LedgerLockedError: When another process works on it, and only one may.
            LedgerError: When it cannot be used; the message says why.
        """
        ...

    async def aclose(self) -> None:
        """Finish the calls under way, write what is left, and release the ledger. Safe to call twice."""
        ...

    def now(self) -> float:
        """Return the ledger's clock: seconds that nobody can set, the same for all processes on the ledger."""
        ...

    async def plan(self, job: str, lines: AsyncIterator[PlannedLine], terms: PlanTerms = NO_TERMS) -> Planned:
        """Add lines, all or none: an error anywhere, also in `lines` or in `approve`, leaves the ledger as it was.

        Args:
            job: The job's name; a ledger holds one job.
            lines: The lines. A line that is there already, with the same digest, stays as it is.
            terms: What else the plan has to keep to. The first plan also keeps the fact `PLANNED_AT`.

        Raises:
            LedgerConflictError: When a key or poNumber is there with other contents; names key and row.
            PlanError: When planned lines are missing from the plan and may not be, or when rows of the plan repeat each
                other; names them.
            LedgerError: When the ledger holds another job, or another account's orders; or when `approve` writes to it.
        """
        ...

    async def rebind(self, identity: Identity, *, reason: str, expected: Identity | UnsetType | None = UNSET) -> None:
        """Bind the ledger to another account or address, on a person's word; journalled.

        Args:
            identity: The new account and address.
            reason: Why.
            expected: What it belongs to as the caller knows it; None is no account. Default: whatever it is.

        Raises:
            LedgerConflictError: When it does not belong to `expected`; nothing was changed, and `identity` is what it
                belongs to.
        """
        ...

    async def restored(self, *, reason: str, copied: bool = False) -> int:
        """Put every planned line in doubt (T15): this ledger may be an older copy, and they may have been sent.

        Unknown lines may have been sent again, so their absence is counted from now on. Call `recover` first.

        Args:
            reason: The reason for that; journalled.
            copied: Whether it may be a copy beside another ledger, and no person denies it.

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
        """Update what orders that are not placed may cost at most; `backlog.repriced` is the rule.

        Args:
            pricing: What a piece may cost today.
        """
        ...

    async def backlog(self, *, doubted: bool = False) -> list[Share]:
        """Return what is planned and not sent; `backlog.shares_of` is the rule.

        Args:
            doubted: Whether to count in what may have been sent, and may be sent again, also by a person's word.
        """
        ...

    async def claim(self, limit: int, *, budget: Decimal | None = None) -> list[LedgerLine]:
        """Take up to `limit` planned lines for sending (T1), in order. Durable when it returns.

        It gives none when none is left, when the job is paused, or when other workers have just reserved the rest. It
        keeps the fact `LAST_SLOT` with each claim. If its caller is cancelled, the lines go back.

        Args:
            limit: How many; no more than can be sent at once (see `MAX_HOLD_S`).
            budget: What the job may cost, in the currency of the fact `CURRENCY`. A claim reserves what its lines may
                cost at most; an answer settles that to what was charged, and a certain refusal frees it.

        Raises:
            BudgetError: When the next line may cost more than is left of the budget; nothing was taken.
            LedgerError: When the intent cannot be written, or the key of the code marks cannot be opened: nothing may
                be sent.
        """
        ...

    async def arm(
        self, job: str, line: PlannedLine, *, identity: Identity | None = None, budget: Decimal | None = None
    ) -> Armed:
        """Add one line and take it for sending in one transaction (T0, T1); `arming` has the rules.

        A line that is there with the same contents is taken if it is planned, and otherwise returned as it stands. If
        its sender is proven dead, it is put in doubt first (T7). If the caller is cancelled, an armed line goes back.

        Args:
            job: The job's name; a new ledger keeps it.
            line: The line. With row 0, it gets its own number in the ledger as its row.
            identity: The account and address of its order; a ledger without any keeps it.
            budget: As for `claim`.

        Raises:
            LedgerConflictError: When its key or poNumber is there with other contents, or when it shares an order with
                other lines.
            BudgetError: When it may cost more than is left of the budget; it was not added.
            LedgerError: When the job is paused or the ledger is `copied`, and the line is not settled; when the ledger
                holds another job, or another account's orders, or cannot be written.
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
            doubts: poNumber and order id of each answer on a connection that was not in step: those lines are put in
                doubt (T16) in the same transaction, unless a person named their order.

        Returns:
            For every change, the line as it stands after it; then the lines that came into doubt, in order of `seq`. A
            ledger that many work on also returns the line of a superseded change: its sender was taken for dead, and
            the line has a newer epoch. Such a change moves nothing, and is no error.

        Raises:
            LedgerConflictError: When some changes were refused; it names them.
        """
        ...

    async def recover(self) -> int:
        """Put lines in doubt (T7) whose sender is proven to send no more: its lock is free, or its lease has ended.

        Call it before the first claim, and again and again while other workers hold lines. A line whose sender may
        still be alive stays as it is.

        Returns:
            How many there were.
        """
        ...

    async def pause(self, reason: str) -> None:
        """Pause the job for everyone who works on it: until `unpause`, a claim gives nothing. Durable when it returns.

        Lines that are claimed already are still sent and recorded, and lines in doubt are still settled.

        Args:
            reason: Why; a later reason replaces it.
        """
        ...

    async def unpause(self) -> None:
        """Let claims give lines again; does nothing to a job that is not paused."""
        ...

    async def paused(self) -> str | None:
        """Return why the job is paused, None when it is not."""
        ...

    async def require_key(self) -> None:
        """Refuse to go on without the key that voucher codes are recognised with: no line could be claimed. Reads only.

        A ledger that keeps codes refuses a wrong key when it is opened. One that keeps none opens without it, so that a
        person can still pause, withdraw and resolve.

        Raises:
            LedgerKeyError: When the key is missing or another one.
        """
        ...

    async def settles(self) -> bool:
        """Return whether this opening of the ledger is the one that settles lines in doubt now.

        Two that look the same lines up would only use up the allowance. A shared ledger gives one of its workers a
        lease, which each call renews. A ledger for one process at a time always returns True.
        """
        ...

    async def holders(self) -> list[Holder]:
        """Return the processes that work on the ledger now, as far as the store knows; also when it only reads."""
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

    async def find(self, key: str, *, with_codes: bool = False) -> LedgerLine | None:
        """Return the order that the line of a key is, or travels in; None when there is no such line.

        Args:
            key: The caller's row key.
            with_codes: Whether to fill in `codes`.
        """
        ...

    async def packed(self, orders: Sequence[LedgerLine]) -> dict[int, list[PackedLine]]:
        """Return the lines that travel in some orders, in the order in which the vouchers are dealt to them.

        Args:
            orders: The orders; those of a single line have no entry.
        """
        ...

    async def kept(self, keys: Collection[str]) -> dict[str, dict[str, str]]:
        """Return the columns that ride along with some lines, by key; see `OrderLine.kept`.

        Args:
            keys: The keys of the lines, also of lines that share an order. One without such columns has no entry.
        """
        ...

    async def kept_names(self) -> list[str]:
        """Return the names of the columns that ride along with the lines of the job, in the order of the input."""
        ...

    async def vet(self, found: Mapping[int, bytes]) -> dict[int, tuple[StoredCode, ...]]:
        """Return the codes that placed lines may get, for a ledger that does not keep codes.

        Args:
            found: The codes as the vendor lists them now, by line: JSON as in `Change.codes`.

        Returns:
            Distinct codes by line, without those that another line has. Each code of another line becomes an alarm, and
            so does an order that lists more codes than it has pieces.
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
        """Return what the job has cost, and what its orders under way may cost, in the account's currency.

        The fact `CURRENCY` names it: a charge in another currency does not count, and the order's worth counts instead.
        """
        ...

    async def get_fact(self, name: str) -> str | None:
        """Return a fact kept with `set_fact`, None when there is none; `ledger/facts.py` has the names."""
        ...

    async def set_fact(self, name: str, value: str) -> None:
        """Keep a small fact about the run beside it, durably."""
        ...

    async def counts(self) -> Counts:
        """Return the ledger in numbers; `counting` has the rules."""
        ...

    async def overview(self) -> Overview:
        """Return the job in groups, for its report, from one snapshot; the store adds them up."""
        ...

    async def note_run(self, note: RunNote) -> None:
        """Keep what a run says about itself, as the fact `RUNS`; its later note replaces it. Durable when it returns.

        Args:
            note: The note.
        """
        ...
