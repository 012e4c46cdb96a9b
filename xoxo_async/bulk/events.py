"""What a bulk run reports about itself through the client's hooks.

The events carry counts, states and row numbers. They carry no voucher code, no e-mail address and no row key: a key may
be an e-mail address. `row` and `order_id` are enough to find a line in the ledger.
"""

import logging
from decimal import Decimal

from xoxo_async.bulk.pauses import Pause
from xoxo_async.hooks import Event

__all__ = [
    "InputChanged",
    "LineDoubted",
    "LineSettled",
    "PenaltyMet",
    "RunFailed",
    "RunFinished",
    "RunPaused",
    "RunStarted",
]


class RunStarted(Event, frozen=True, kw_only=True):
    """A run began to work on the lines of a ledger. Logged under INFO.

    Attributes:
        job: The job's name.
        ledger: What the ledger is called: its file.
        sends: Whether the run may place orders; a reconcile does not.
        rows: Order lines in the ledger.
        not_sent: Of these, lines that are planned or withdrawn.
        unknown: Of these, lines in doubt.
        issued: Of these, lines that are placed, with all codes delivered.
        pending: Of these, lines that are placed, codes still to come.
        rejected: Of these, lines that were refused for certain.
    """

    job: str
    ledger: str
    sends: bool
    rows: int
    not_sent: int
    unknown: int
    issued: int = 0
    pending: int = 0
    rejected: int = 0

    @property
    def level(self) -> int:
        """INFO."""
        return logging.INFO


class InputChanged(Event, frozen=True, kw_only=True):
    """A plan brings new rows, and lacks rows that the ledger has: the same rows may have got other keys.

    Then they would be ordered a second time. It is told before a plan is approved. Logged under WARNING.

    Attributes:
        job: The job's name.
        ledger: What the ledger is called: its file.
        absent: Rows that were planned or sent before, and are not in the input. Withdrawn rows do not count.
        added: Rows of the input that are new to the ledger.
    """

    job: str
    ledger: str
    absent: int
    added: int

    @property
    def level(self) -> int:
        """WARNING."""
        return logging.WARNING


class LineSettled(Event, frozen=True, kw_only=True):
    """The ledger recorded that an order is `placed`, `rejected` or `manual`.

    Attributes:
        row: Row number in the input; of the first line where lines share an order.
        po_number: The order's poNumber.
        lines: How many order lines travel in it.
        state: `placed`, `rejected`, or `manual`: a person decides.
        evidence: The fact that moved it, a value of the ledger's `Evidence`: `answered_placed`, `lookup_matched`, …
        attempts: How often it was claimed for sending.
        order_id: The vendor's order; None where there is none.
        error_id: The error id of the last refusal, where it is a known one; empty without one.
        charged: What the order cost; None where there is no order, or the vendor did not say.
        currency: The currency of `charged`.
    """

    row: int
    lines: int
    state: str
    evidence: str
    attempts: int
    order_id: int | None = None
    error_id: str = ""
    po_number: str = ""
    charged: Decimal | None = None
    currency: str = ""


class LineDoubted(Event, frozen=True, kw_only=True):
    """An order may or may not exist. The run looks it up later; a person decides only if look-ups cannot settle it.

    Logged under WARNING.

    Attributes:
        row: Row number in the input; of the first line where lines share an order.
        po_number: The order's poNumber.
        lines: How many order lines travel in it.
        state: `unknown` or `conflict`.
        evidence: The fact that moved it: `outcome_lost`, `refused_unclear`, `connection_doubted`, …
        attempts: How often it was claimed for sending.
        error_id: The error id of the last refusal, where it is a known one; empty without one.
    """

    row: int
    lines: int
    state: str
    evidence: str
    attempts: int
    error_id: str = ""
    po_number: str = ""

    @property
    def level(self) -> int:
        """WARNING."""
        return logging.WARNING


class PenaltyMet(Event, frozen=True, kw_only=True):
    """The vendor imposed a penalty, and the run waits. Logged under WARNING.

    Attributes:
        what: The calls that wait: `orders`, `look-ups` or `tokens`.
        wait_s: Seconds until the penalty ends, by what the vendor says.
    """

    what: str
    wait_s: float

    @property
    def level(self) -> int:
        """WARNING."""
        return logging.WARNING


class RunPaused(Event, frozen=True, kw_only=True):
    """A run takes no more lines. What is in flight still ends and is recorded. Logged under WARNING.

    Attributes:
        pause: Why. The report has the reason in words: these may name a row's key, or repeat the vendor's words.
    """

    pause: Pause

    @property
    def level(self) -> int:
        """INFO for an interruption on request, WARNING otherwise."""
        return logging.INFO if self.pause is Pause.INTERRUPTED else logging.WARNING


class RunFinished(Event, frozen=True, kw_only=True):
    """A run ended and returns its report. Logged under INFO.

    `rows == issued + pending + rejected + unknown + not_sent`, as in every report.

    Attributes:
        job: The job's name.
        ledger: What the ledger is called: its file.
        rows: Order lines in the ledger.
        issued: Placed, with all codes delivered.
        pending: Placed, codes still to come.
        rejected: Refused for certain.
        unknown: In doubt, or for a person to decide.
        not_sent: Not placed and nothing in flight.
        placed_now: Order lines that this run placed, or found placed.
        alarms: How many alarms the ledger holds.
        elapsed_s: Seconds that the run took.
        pause: Why it stopped early, empty when it did not.
    """

    job: str
    ledger: str
    rows: int
    issued: int
    pending: int
    rejected: int
    unknown: int
    not_sent: int
    placed_now: int
    alarms: int
    elapsed_s: float
    pause: Pause = Pause.NONE

    @property
    def level(self) -> int:
        """INFO."""
        return logging.INFO


class RunFailed(Event, frozen=True, kw_only=True):
    """A run ended with an error, or was cancelled. The ledger has the state of the job. Logged under WARNING.

    Attributes:
        job: The job's name.
        ledger: What the ledger is called: its file.
        error: The error class's name.
        placed_now: Order lines that this run placed, or found placed, before that.
        elapsed_s: Seconds that the run took.
    """

    job: str
    ledger: str
    error: str
    placed_now: int
    elapsed_s: float

    @property
    def level(self) -> int:
        """WARNING."""
        return logging.WARNING
