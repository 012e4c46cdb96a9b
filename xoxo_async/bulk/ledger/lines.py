"""The types of a ledger: its lines, the facts that are recorded about them, and its numbers."""

from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal, NamedTuple

import msgspec

__all__ = [
    "DEFAULT_RULES",
    "POINTS",
    "UNKEYED_IN_DOUBT",
    "Alarm",
    "Armed",
    "Change",
    "Counts",
    "Delivery",
    "Evidence",
    "JournalRow",
    "LedgerLine",
    "LineState",
    "Pack",
    "PackedLine",
    "PlannedLine",
    "Rules",
    "is_taken_back",
]

POINTS: Final = "points"
"""The unit of a job of points: what its budget, its charges and its counts are in."""


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


UNKEYED_IN_DOUBT: Final = (LineState.SENDING, LineState.UNKNOWN, LineState.MANUAL)
"""The states of a row without a key that may have been sent, and nobody knows. Such a row is never in conflict."""


class Delivery(StrEnum):
    """Whether the codes of a placed line have come; for points, whether the recipient still has them."""

    NONE = ""
    DELIVERED = "delivered"
    PENDING = "pending"
    CANCELLED = "cancelled"
    CANCELLING = "cancelling"
    """Points: their cancellation was asked for, and no answer says what became of it."""


def is_taken_back(state: LineState, delivery: Delivery, currency: str) -> bool:
    """Return whether an order is points that were cancelled: they were sent, and nothing of them is still to come.

    Only this job cancels points. An order whose delivery the vendor cancelled is another thing: its money is owed.

    Args:
        state: Of the order.
        delivery: Of the order.
        currency: Of what it was charged.
    """
    return state is LineState.PLACED and delivery is Delivery.CANCELLED and currency == POINTS


class Evidence(StrEnum):
    """A fact about one line. The table decides what it changes.

    - `SENDER_DIED`: the store has proof that the row's sender sends no more: it holds the lock that the sender held, or
      the sender's lease has ended. Only a store states it.
    - `LOOKUP_MATCHED`: the poNumber has an order, and every field that the vendor returns matches the row.
    - `ORDER_OF_THIS_SEND`: the same, and the order's date lies within the row's last send.
    - `ORDER_SINCE_PLAN`: the same, and the order is not older than the job.
    - `ANSWER_DOUBTED`: the answer that placed the row may belong to another request.
    - `CONNECTION_DOUBTED`: the connection that named the row's order was not in step.
    - `LEDGER_RESTORED`: a person says that the ledger replaces another one, so the row may have been sent, or sent
      again, without a trace here.
    - `LEDGER_COPIED`: the ledger's file is a copy, with the same consequence, and no person confirmed it.
    - `ANSWERED_DONE`: the vendor answered that a call without a key succeeded, and named no id for the row.
    - `BALANCE_SEEN`: what the recipient of a row without a key holds, read before its call; it moves nothing.
    - `NO_LOOKUP`: the answer of a call without a key was lost, and no call can tell what became of it.
    - `UNWANTED`: the input no longer has the row.
    - `CANCEL_ASKED`: the points of the row are about to be cancelled: the intent, before the request leaves. This fact
      and those that follow name the credit by its id, and are refused where the row has another one.
    - `CANCEL_DONE`, `CANCEL_REFUSED`: the vendor answered for the row's credit; refused also where nothing was sent.
    - `CANCEL_LOST`: the answer was lost, or does not name the row's credit.
    - `PERSON_CANCELLED`, `PERSON_KEPT`: a person found out what became of a cancellation in doubt.
    - `PERSON_CLOSED`: a person says that nothing of the row is still to come, although its answer had not what was
      asked for: fewer links, for example.
    """

    SLOT_IN_HAND = "slot_in_hand"
    NOT_PROCESSED = "not_processed"
    ANSWERED_PLACED = "answered_placed"
    ANSWERED_DONE = "answered_done"
    REFUSED_NO_ORDER = "refused_no_order"
    REFUSED_UNCLEAR = "refused_unclear"
    OUTCOME_LOST = "outcome_lost"
    SENDER_DIED = "sender_died"
    LOOKUP_MATCHED = "lookup_matched"
    LOOKUP_MISMATCHED = "lookup_mismatched"
    LOOKUP_ABSENT = "lookup_absent"
    LOOKUPS_EXHAUSTED = "lookups_exhausted"
    HISTORY_ABSENT = "history_absent"
    NO_LOOKUP = "no_lookup"
    BALANCE_SEEN = "balance_seen"
    LATE_PROOF = "late_proof"
    DELIVERY_SEEN = "delivery_seen"
    ORDER_OF_THIS_SEND = "order_of_this_send"
    ANSWER_DOUBTED = "answer_doubted"
    ORDER_SINCE_PLAN = "order_since_plan"
    CONNECTION_DOUBTED = "connection_doubted"
    LEDGER_RESTORED = "ledger_restored"
    LEDGER_COPIED = "ledger_copied"
    UNWANTED = "unwanted"
    PERSON_PLACED = "person_placed"
    PERSON_CORRECTED = "person_corrected"
    PERSON_RESEND = "person_resend"
    PERSON_REJECTED = "person_rejected"
    WITHDRAWN = "withdrawn"
    CANCEL_ASKED = "cancel_asked"
    CANCEL_DONE = "cancel_done"
    CANCEL_REFUSED = "cancel_refused"
    CANCEL_LOST = "cancel_lost"
    PERSON_CANCELLED = "person_cancelled"
    PERSON_KEPT = "person_kept"
    PERSON_CLOSED = "person_closed"


class PlannedLine(msgspec.Struct, frozen=True):
    """One intended order. It never changes: every attempt sends the bytes of `request`.

    Attributes:
        key: The caller's row key, unique within the job.
        po_number: The order's poNumber, unique within the ledger.
        digest: Of `request`.
        request: The canonical JSON of the order line.
        row: The row's number in the input, from 1.
        worth: What it may cost at most, in the account's currency; None if that is not known.
        pieces: Vouchers wanted.
        room: Pieces that one order of its kind may hold, if it may share an order; 0 if it may not.
        order: The struct that `request` is made of; a line with room needs it, so that `request` is not decoded again.
        kept: The columns that ride along with the line: a JSON object of texts; empty without any. It is no part of
            `digest`, and of a key that is planned again the first one stays.
    """

    key: str
    po_number: str
    digest: str
    request: bytes
    row: int
    worth: Decimal | None = None
    pieces: int = 1
    room: int = 0
    order: msgspec.Struct | None = None
    kept: str = ""


class PackedLine(msgspec.Struct, frozen=True, array_like=True):
    """An order line that shares an order with others, and its part of the order's vouchers.

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


class Pack(NamedTuple):
    """One order and the lines that travel in it, in the order in which its codes are dealt to them.

    Attributes:
        order: What is sent.
        lines: Its lines; a single one is the order itself.
    """

    order: PlannedLine
    lines: tuple[PlannedLine, ...]


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
        worth: What it may cost at most, in ten-thousandths of the account's currency; None if that is not known.
        state: Its state.
        attempts: How often it was claimed for sending.
        suspect: Whether some send ended without proof; sticky.
        epoch: The fence: changes about an earlier epoch are refused, unless they prove an order.
        lookups: Look-ups since the last send that say absent and count: late enough, and spaced.
        delivery: Whether the codes of a placed line have come.
        first_sent_at: When it was first claimed, in epoch seconds. Sends that were certainly not processed are not
            counted.
        last_sent_at: The latest moment at which a byte of it may have left, in epoch seconds: for dates.
        last_lookup_at: When the last counted look-up was made, by the ledger's clock.
        order_id: The vendor's order, once proven.
        amount_charged: What it cost; None if the vendor gave no charge.
        currency: Of that amount.
        error_id: The last refusal's error id.
        error: The last refusal or doubt, in words.
        evidence: The fact that moved it last.
        held: How many of its vouchers have come: complete codes, counted from the first until one that is not.
        foreign: Whether its poNumber was refused as known although no earlier send of this ledger was in doubt: then
            another sender may own the order. Sticky.
        unwanted: Whether the input no longer has the row: then it is not sent again.
        last_sent_tick: `last_sent_at` by the ledger's clock, which nobody can set: absence is counted from here.
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
    last_sent_tick: float | None = None
    unwanted: bool = False
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


class Armed(NamedTuple):
    """The result of `Ledger.arm`.

    Attributes:
        line: The line as it stands.
        mine: Whether the caller has armed it: only then does it send the line, at once. Otherwise it sends nothing.
    """

    line: LedgerLine
    mine: bool


# gc=False: it can be part of no cycle, and each line has one. The collector would walk those that wait for a commit.
class Change(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A fact to be recorded about one line.

    Attributes:
        seq: The line.
        evidence: The fact.
        epoch: The line's epoch as the caller read it.
        at: When it was observed, by the ledger's clock; for a look-up, when it was sent. None is now. For
            `SENDER_DIED`, a moment after which the sender surely sent nothing; None if there is no such moment.
        order_id: The order it proves, or the credit whose cancellation it is about.
        delivery: Of that order; if the fact has codes, the ledger counts them itself.
        amount_charged: Of that order.
        currency: Of that order.
        error_id: The refusal's error id.
        error: The refusal or doubt, in words.
        reason: The reason of a person, or of the program; kept in the journal.
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
    """When look-ups prove that an order is absent, and what happens then.

    Attributes:
        resend: `settled`: place an order that is proven absent again, under the same poNumber. `never`: a person
            decides.
        settle_s: Seconds after the last send before a look-up that says absent counts. The vendor may take 120.
        spacing_s: Seconds between two look-ups that count.
        absences: How many of them it takes.
        restore: Whether this ledger replaces a lost one: then an order found under a row's poNumber is the row's, even
            if this ledger never sent the row.
    """

    resend: Literal["settled", "never"] = "settled"
    settle_s: float = 150.0
    spacing_s: float = 5.0
    absences: int = 2
    restore: bool = False


DEFAULT_RULES: Final = Rules()
"""The vendor's own rule: look up by poNumber, place again only if absent."""


class JournalRow(msgspec.Struct, frozen=True, array_like=True):
    """One entry of the append-only journal.

    Attributes:
        id: Its number.
        seq: The line.
        at: When it was written, in epoch seconds.
        from_state: The line's state before; empty at planning.
        to_state: The line's state after.
        transition: The row of the table (`T3`); `-` for a fact that moved nothing, `!` for an alarm.
        evidence: The fact.
        attempts: The line's attempts after.
        epoch: The writer's fence.
        order_id: The order the fact named.
        error_id: The refusal's error id.
        reason: The person's reason, or the refusal in words.
    """

    id: int
    seq: int
    at: float
    from_state: str
    to_state: str
    transition: str
    evidence: str
    attempts: int
    epoch: int
    order_id: int | None
    error_id: str
    reason: str


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """A problem that a person must see. It stays in the ledger.

    Attributes:
        key: The key of the order it is about.
        row: Row number in the input.
        order_id: The vendor's order.
        at: When it was first found, in epoch seconds.
        text: What is wrong. It names orders and rows, and no voucher code.
    """

    key: str
    row: int
    order_id: int | None
    at: float
    text: str


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger in numbers: `issued + pending + rejected + unknown + not_sent == rows`, at every moment.

    It counts order lines, also each line of a shared order.

    Attributes:
        rows: Lines.
        issued: Placed and delivered; also points that were cancelled later, see `taken_back`.
        pending: Placed, and not delivered (or delivery cancelled, see `delivery_cancelled`).
        rejected: Refused for certain.
        unknown: In flight, in doubt, or waiting for a person.
        not_sent: Planned or withdrawn.
        delivery_cancelled: Of the pending ones, those whose delivery the vendor cancelled.
        taken_back: Of the issued ones, those whose points were cancelled later. They are no part of `charged`.
        states: Lines by state.
        charged: What placed orders cost, by currency; points that were cancelled cost nothing.
        orders: Orders; fewer than lines where lines are packed.
        alarms: What a person must see; the first hundred.
        alarms_total: How many there are.
    """

    rows: int
    issued: int
    pending: int
    rejected: int
    unknown: int
    not_sent: int
    delivery_cancelled: int = 0
    taken_back: int = 0
    states: dict[LineState, int] = {}
    charged: dict[str, Decimal] = {}
    orders: int = 0
    alarms: tuple[Alarm, ...] = ()
    alarms_total: int = 0

    @property
    def for_a_person(self) -> int:
        """Of the unknown lines, those that only a person settles: manual ones, and cancellations in doubt."""
        return self.unknown - sum(self.states.get(state, 0) for state in _FOR_A_RUN)

    @property
    def cancels_in_doubt(self) -> int:
        """Of the unknown lines, those that have points, and whose cancellation is in doubt."""
        return self.for_a_person - self.states.get(LineState.MANUAL, 0)


_FOR_A_RUN: Final = (LineState.SENDING, LineState.UNKNOWN, LineState.CONFLICT)
