"""What a run or a shift returns: counts that always add up, what was spent, why it stopped, and what is left."""

from decimal import Decimal

from xoxo_async.bulk.ledger.lines import Alarm, Counts, LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.pauses import Pause
from xoxo_async.wire.replies import Part

__all__ = ["Report", "Shift"]


class Report(Part, frozen=True, kw_only=True):
    """The state of a job after a run, also after one that paused.

    `rows == issued + pending + rejected + unknown + not_sent` holds in every report.

    Attributes:
        job: The job's name.
        ledger: What the ledger is called: its file.
        rows: Order lines in the ledger.
        issued: Placed, with all codes delivered.
        pending: Placed, codes still to come.
        rejected: Refused for certain; no money moved.
        unknown: May have been placed; a look-up or a person decides.
        not_sent: Not placed and nothing in flight.
        in_flight: Of the unknown rows, those in flight: other workers send them now.
        taken_back: Of the issued rows, those whose points were cancelled later. They are no part of `charged`.
        withdrawn: Of the rows not sent, those that were withdrawn and are never sent.
        charged: What placed orders cost, by currency.
        orders: The orders that the rows travel in; fewer than rows where lines share an order.
        placed_now: Order lines this run placed, or found placed.
        superseded: Results of this run that came after another worker had taken their lines over, because this one
            slept or was cut off. What became of these lines is settled by look-ups; none is an error.
        elapsed_s: Seconds that this run took.
        pause: Why the run stopped early, empty when it did not.
        reason: The same in words.
        warnings: Rows of this run's plan that a person should look at, see `PlanTotals.warnings`; at most twenty.
        alarms: What a person must look at, such as one voucher code under two orders; the first hundred. They name
            orders and rows, no codes, and stay in the ledger.
        alarms_total: How many there are.
    """

    job: str
    ledger: str
    rows: int
    issued: int
    pending: int
    rejected: int
    unknown: int
    not_sent: int
    charged: dict[str, Decimal]
    in_flight: int = 0
    taken_back: int = 0
    withdrawn: int = 0
    orders: int = 0
    placed_now: int = 0
    superseded: int = 0
    elapsed_s: float = 0.0
    pause: Pause = Pause.NONE
    reason: str = ""
    warnings: tuple[str, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    alarms_total: int = 0

    @classmethod
    def of(cls, ledger: Ledger, counts: Counts, *, pause: Pause, reason: str) -> "Report":
        """Return the report of a ledger's job.

        Args:
            ledger: The ledger.
            counts: Its numbers.
            pause: Why the run stopped early.
            reason: The same in words.
        """
        return cls(
            job=ledger.job or "",
            ledger=ledger.name,
            rows=counts.rows,
            issued=counts.issued,
            pending=counts.pending,
            rejected=counts.rejected,
            unknown=counts.unknown,
            not_sent=counts.not_sent,
            in_flight=counts.states.get(LineState.SENDING, 0),
            taken_back=counts.taken_back,
            withdrawn=counts.states.get(LineState.CANCELLED, 0),
            charged=dict(counts.charged),
            orders=counts.orders,
            pause=pause,
            reason=reason,
            alarms=counts.alarms,
            alarms_total=counts.alarms_total,
        )

    @property
    def exit_code(self) -> int:
        """The command's exit code for this report."""
        left = self.not_sent - self.withdrawn
        if self.pause is Pause.INTERRUPTED:
            return 130
        if self.pause and left:
            return 5
        if self.unknown > self.in_flight or self.alarms:
            return 4
        if left or self.in_flight:
            return 5
        return 3 if self.rejected else 0


class Shift(Part, frozen=True, kw_only=True):
    """What a shift did, and what it left.

    Attributes:
        job: The job's name.
        issued: Order lines that this shift placed, or found placed.
        left: Order lines that are planned, in flight at other workers, or in doubt. Lines that a person has to decide,
            or whose codes are still to come, are not among them.
        in_doubt: Of these, lines that are not planned: another shift has to settle them before the job is done.
        again_in_s: Seconds until another shift makes sense; 0 if its time was over. None if nothing is left that a
            worker can do.
        lookup_in_s: Seconds until a line in doubt is looked up next; None if none is, or another worker does it.
        paused: Why the job is paused for everybody; None if it is not. A person ends it: `xoxo bulk resume`.
        report: The state of the job after the shift.
    """

    job: str
    issued: int
    left: int
    in_doubt: int
    again_in_s: float | None
    lookup_in_s: float | None = None
    paused: str | None
    report: Report

    @property
    def needs_a_person(self) -> bool:
        """Whether lines are left, and no shift can do anything about them until a person ends the pause."""
        held_up = self.paused is not None or self.report.pause is Pause.BUDGET
        return bool(self.left) and not self.in_doubt and held_up
