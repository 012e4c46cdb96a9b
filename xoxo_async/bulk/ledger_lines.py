"""What a ledger holds and what is said to it: lines, facts, counts, and the protocol every ledger keeps."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal, NamedTuple, Protocol

import msgspec

__all__ = [
    "DEFAULT_RULES",
    "NO_TERMS",
    "Alarm",
    "Approve",
    "Change",
    "Counts",
    "Delivery",
    "Evidence",
    "Identity",
    "Ledger",
    "LedgerLine",
    "LineState",
    "PackedLine",
    "PlanTerms",
    "Planned",
    "PlannedLine",
    "Pricing",
    "Rules",
    "Share",
]


class LineState(StrEnum):
    """Where an order line stands. `placed`, `rejected` and `cancelled` are final."""

    PLANNED = "planned"
    SENDING = "sending"
    UNKNOWN = "unknown"
    CONFLICT = "conflict"
    PLACED = "placed"
    REJECTED = "rejected"
    MANUAL = "manual"
    CANCELLED = "cancelled"


class Delivery(StrEnum):
    """Whether the codes of a placed line have come."""

    NONE = ""
    DELIVERED = "delivered"
    PENDING = "pending"
    CANCELLED = "cancelled"


class Evidence(StrEnum):
    """A fact about one line. The table says what follows from it.

    `LOOKUP_MATCHED`: the poNumber has an order, and the order matches the row in everything the vendor tells.
    `ORDER_OF_THIS_SEND`: the same, and the order's date lies within the row's last send. `ANSWER_DOUBTED`: the answer
    that placed the row may belong to another request. `LEDGER_RESTORED`: the ledger may be an older copy of itself, so
    the row may have been sent without a trace here.
    """

    SLOT_IN_HAND = "slot_in_hand"
    NOT_PROCESSED = "not_processed"
    ANSWERED_PLACED = "answered_placed"
    REFUSED_NO_ORDER = "refused_no_order"
    REFUSED_UNCLEAR = "refused_unclear"
    OUTCOME_LOST = "outcome_lost"
    SENDER_DIED = "sender_died"
    LOOKUP_MATCHED = "lookup_matched"
    LOOKUP_MISMATCHED = "lookup_mismatched"
    LOOKUP_ABSENT = "lookup_absent"
    LOOKUPS_EXHAUSTED = "lookups_exhausted"
    HISTORY_ABSENT = "history_absent"
    LATE_PROOF = "late_proof"
    DELIVERY_SEEN = "delivery_seen"
    ORDER_OF_THIS_SEND = "order_of_this_send"
    ANSWER_DOUBTED = "answer_doubted"
    LEDGER_RESTORED = "ledger_restored"
    PERSON_PLACED = "person_placed"
    PERSON_CORRECTED = "person_corrected"
    PERSON_RESEND = "person_resend"
    PERSON_REJECTED = "person_rejected"
    WITHDRAWN = "withdrawn"


class PlannedLine(msgspec.Struct, frozen=True):
    """One intended order, fixed for good: what is sent is `request`, byte for byte, however often it is sent.

    Attributes:
        key: The caller's row key, unique within the job.
        po_number: The order's poNumber, unique within the ledger.
        digest: Of `request`.
        request: The canonical JSON of the order line.
        row: The row's number in the input, from 1.
        worth: What it may cost at most, in the account's currency; None where nobody knows.
        pieces: Vouchers wanted.
        room: Pieces that one order of its kind may hold, where it may travel with others; 0: it travels alone.
    """

    key: str
    po_number: str
    digest: str
    request: bytes
    row: int
    worth: Decimal | None = None
    pieces: int = 1
    room: int = 0


class PackedLine(msgspec.Struct, frozen=True, array_like=True):
    """An order line that travels with others in one order, and which of its vouchers are its own.

    Attributes:
        pack: The `seq` of the order it travels in.
        first: Its first voucher's place among the order's, from 0.
        pieces: How many it gets.
        key: The caller's row key.
        po_number: The poNumber it would have alone, and gets when its pack is refused.
        digest: Of its own request.
        body: Its own request.
        row: Row number in the input.
        worth: In ten-thousandths, see `LedgerLine`.
    """

    pack: int
    first: int
    pieces: int
    key: str
    po_number: str
    digest: str
    body: str
    row: int
    worth: int | None = None

    @property
    def end(self) -> int:
        """The place after its last voucher."""
        return self.first + self.pieces


class LedgerLine(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An order as the ledger holds it: of one order line, or of several that are packed into it.

    Attributes:
        seq: Its number in the ledger, in planning order.
        key: The caller's row key.
        po_number: Its poNumber.
        digest: Of `request`.
        body: `request` as text.
        row: Row number in the input; of the first line of a pack.
        lines: How many order lines travel in it.
        worth: What it may cost at most, in ten-thousandths of the account's currency; None where nobody knows.
        state: Where it stands.
        attempts: How often it was claimed for sending.
        suspect: Whether some send ended without proof; sticky.
        epoch: The fence: changes about an earlier epoch are refused, unless they prove an order.
        lookups: Look-ups since the last send that say absent and count: late enough, and spaced.
        delivery: Whether the codes of a placed line have come.
        first_sent_at: When it was first claimed, in epoch seconds. Sends that were certainly not processed are not
            counted.
        last_sent_at: The latest moment at which a byte of it may have left.
        last_lookup_at: When the last counted look-up was made.
        order_id: The vendor's order, once proven.
        amount_charged: What it cost, None where the vendor did not say.
        currency: Of that amount.
        error_id: The last refusal's error id.
        error: The last refusal or doubt, in words.
        evidence: What moved it last.
        held: How many of its vouchers have come: complete codes, counted from the first until one that is not.
        foreign: Whether its poNumber was refused as known although no earlier send of this ledger was in doubt: then
            somebody else may own the order. Sticky.
        codes: The voucher codes, where asked for. Bearer cash: not in the repr.
    """

    seq: int
    key: str
    po_number: str
    digest: str
    body: str
    row: int
    lines: int = 1
    worth: int | None = None
    state: LineState = LineState.PLANNED
    attempts: int = 0
    suspect: bool = False
    epoch: int = 0
    lookups: int = 0
    delivery: Delivery = Delivery.NONE
    first_sent_at: float | None = None
    last_sent_at: float | None = None
    last_lookup_at: float | None = None
    order_id: int | None = None
    amount_charged: Decimal | None = None
    currency: str = ""
    error_id: str = ""
    error: str = ""
    evidence: str = ""
    held: int = 0
    foreign: bool = False
    codes: bytes | None = None

    @property
    def request(self) -> bytes:
        """The bytes to send, the same for every attempt."""
        return self.body.encode()

    def __repr__(self) -> str:
        return (
            f"LedgerLine(seq={self.seq}, key={self.key!r}, po_number={self.po_number!r}, state={self.state.value!r}, "
            f"attempts={self.attempts}, suspect={self.suspect}, order_id={self.order_id})"
        )


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A fact to be recorded about one line.

    Attributes:
        seq: The line.
        evidence: The fact.
        epoch: The line's epoch as the caller read it.
        at: When it was observed, in epoch seconds; for a look-up, when it was sent. None is now.
        order_id: The order it proves.
        delivery: Of that order; where codes come with it, the ledger counts them itself.
        amount_charged: Of that order.
        currency: Of that order.
        error_id: The refusal's error id.
        error: The refusal or doubt, in words.
        reason: Why a person, or the program, decided so; kept in the journal.
        codes: The voucher codes: a JSON list of objects with `code` and `pin`. Bearer cash: not in the repr.
        held: How many of them are complete.
    """

    seq: int
    evidence: Evidence
    epoch: int
    at: float | None = None
    order_id: int | None = None
    delivery: Delivery = Delivery.NONE
    amount_charged: Decimal | None = None
    currency: str = ""
    error_id: str = ""
    error: str = ""
    reason: str = ""
    codes: bytes | None = None
    held: int = 0

    def __repr__(self) -> str:
        codes = "None" if self.codes is None else "***"
        return (
            f"Change(seq={self.seq}, evidence={self.evidence.value!r}, epoch={self.epoch}, order_id={self.order_id}, "
            f"delivery={self.delivery.value!r}, error_id={self.error_id!r}, codes={codes})"
        )


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """When absence is believed, and what follows from it.

    Attributes:
        resend: `settled`: place again, under the same poNumber, what is proven absent. `never`: ask a person instead.
        settle_s: Seconds after the last send before a look-up that says absent counts. The vendor may take 120.
        spacing_s: Seconds between two look-ups that count.
        absences: How many of them it takes.
        restore: Whether this ledger replaces a lost one: then an order found under a row's poNumber is the row's, even
            where the row was never sent from here.
    """

    resend: Literal["settled", "never"] = "settled"
    settle_s: float = 150.0
    spacing_s: float = 5.0
    absences: int = 2
    restore: bool = False


DEFAULT_RULES: Final = Rules()
"""The vendor's own rule: look up by poNumber, place again only if absent."""


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
    """

    added: int
    known: int
    orders: int
    withdrawn: int = 0


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
    """

    identity: Identity | None = None
    missing: Literal["refuse", "withdraw", "keep"] = "keep"
    pricing: Pricing | None = None
    approve: Approve | None = None
    restored: str = ""


NO_TERMS: Final = PlanTerms()
"""A plan that asks nobody, and leaves everything else in the ledger as it is."""


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """Something that must reach a person, and stays in the ledger.

    Attributes:
        key: The key of the order it is about.
        row: Row number in the input.
        order_id: The vendor's order.
        at: When it was noticed first, in epoch seconds.
        text: What is wrong. It names orders and rows, and no voucher code.
    """

    key: str
    row: int
    order_id: int | None
    at: float
    text: str


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger in numbers: `issued + pending + rejected + unknown + not_sent == rows`, at every moment.

    Order lines are counted, also those packed into one order: each by itself.

    Attributes:
        rows: Lines.
        issued: Placed and delivered.
        pending: Placed, and not delivered (or delivery cancelled, see `delivery_cancelled`).
        rejected: Refused for certain.
        unknown: In flight, in doubt, or waiting for a person.
        not_sent: Planned or withdrawn.
        delivery_cancelled: Of the pending ones, those whose delivery the vendor cancelled.
        states: Lines by state.
        charged: What placed orders cost, by currency.
        orders: Orders; fewer than lines where lines are packed.
        alarms: What must reach a person; the first hundred.
        alarms_total: How many there are.
    """

    rows: int
    issued: int
    pending: int
    rejected: int
    unknown: int
    not_sent: int
    delivery_cancelled: int = 0
    states: dict[LineState, int] = {}
    charged: dict[str, Decimal] = {}
    orders: int = 0
    alarms: tuple[Alarm, ...] = ()
    alarms_total: int = 0


class Ledger(Protocol):
    """Where order lines are kept. The truth about a run; a runner, a queue and the network only bring work to it.

    Every method raises `LedgerError` when the storage fails.
    """

    @property
    def job(self) -> str | None:
        """The job this ledger holds, None before its first plan."""
        ...

    @property
    def identity(self) -> Identity | None:
        """Whose orders this ledger holds, None before that was said."""
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

    async def restored(self, *, reason: str) -> int:
        """Put every planned line in doubt (T15): this ledger may be an older copy, and they may have been sent.

        Args:
            reason: How that is known; journalled.

        Returns:
            How many lines there were.
        """
        ...

    async def doubt(self, answers: Sequence[tuple[str, int]]) -> int:
        """Put lines in doubt (T16) whose answers may be to other requests, unless a look-up has proven their orders.

        Args:
            answers: poNumber and order id of each.

        Returns:
            How many lines are in doubt now.
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

    async def record(self, changes: Sequence[Change], *, rules: Rules = DEFAULT_RULES) -> list[LedgerLine]:
        """Record facts about lines, each with its journal row. Durable when it returns.

        Changes that do not apply never hold up those that do: these are written, then the error is raised.

        Args:
            changes: The facts, in order; several may be about one line.
            rules: The settling rules, for facts about absence.

        Returns:
            For every change, the line as it stands after it.

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

    async def get_meta(self, name: str) -> str | None:
        """Return a fact kept with `set_meta`, None when there is none."""
        ...

    async def set_meta(self, name: str, value: str) -> None:
        """Keep a small fact about the run beside it, durably."""
        ...

    async def counts(self) -> Counts:
        """Return the ledger in numbers."""
        ...
