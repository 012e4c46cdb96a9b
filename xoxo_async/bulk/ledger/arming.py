"""Decide what becomes of single lines that are to be sent at once (`Ledger.arm`). Uses no database; no I/O.

The steps of a store, all in one transaction, for any number of requests:

1. Open the key of the marks, or fail, as for a claim.
2. Read what the ledger has under the keys and poNumbers of the requests, also lines that share an order (not those of
   an order that was taken apart), and read these orders.
3. If a request has a budget, read `Funds`, as for a claim.
4. If one of these orders is planned or has a dead sender, or a request has none, begin a new epoch and keep
   `LAST_SLOT`, as for a claim. Otherwise nothing will be written.
5. Read whether the job is paused, and call `decide_arms`. If it gives a job, keep job and `PLANNED_AT`, and the
   identity it gives.
6. Insert the lines of `new` as planned, with their journal rows (T0) and their columns of `kept`, and write the moves.
   A store may insert a line as
   its move leaves it; its journal has both rows all the same.
7. Commit. Only then answer: with `ArmRequest.error` where there is one, else with `ArmRequest.armed`. If the caller is
   gone and the line is his, record `recording.given_back`.

If the commit fails, no caller gets a line; those that may be armed on disk are given back.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from xoxo_async.bulk.ledger.bookkeeping import (
    ClaimRequest,
    StoredLine,
    decide_claims,
    state_for_all,
)
from xoxo_async.bulk.ledger.budget import Funds, units
from xoxo_async.bulk.ledger.kinds import JobKind, check_kind
from xoxo_async.bulk.ledger.lines import Armed, Evidence, LedgerLine, LineState, PlannedLine
from xoxo_async.bulk.ledger.moves import Move
from xoxo_async.bulk.ledger.owners import Identity, check_identity, check_job
from xoxo_async.bulk.ledger.table import Moment
from xoxo_async.errors import BulkError, LedgerConflictError, LedgerError

__all__ = ["ArmRequest", "Arms", "Owner", "decide_arms"]


class ArmRequest:
    """One line to be sent at once, and the result.

    Args:
        job: The job's name.
        line: The line.
        identity: The account and address of its order; None if they are not known.
        budget: What the job may cost, in ten-thousandths; None is no bound.

    Attributes:
        armed: The line as it stands, and whether it is the caller's.
        error: Why there is none.
    """

    __slots__ = ("armed", "budget", "error", "identity", "job", "line")

    def __init__(self, job: str, line: PlannedLine, identity: Identity | None, budget: int | None) -> None:
        self.job: Final = job
        self.line: Final = line
        self.identity: Final = identity
        self.budget: Final = budget
        self.armed: Armed | None = None
        self.error: Exception | None = None

    @property
    def mine(self) -> list[LedgerLine]:
        """The line if the caller has armed it; empty otherwise."""
        return [self.armed.line] if self.armed is not None and self.armed.mine else []


class Owner(NamedTuple):
    """What a ledger is of.

    Attributes:
        job: Its job; None before its first plan.
        identity: Its account and address; None before they are set.
        copied: Whether it may be an older or another copy, so that lines it does not know of may have been sent.
        paused: Why the job is paused; empty if it is not.
        kind: What the job is of; before its first line what it becomes by it.
    """

    job: str | None
    identity: Identity | None
    copied: bool
    paused: str = ""
    kind: JobKind = JobKind.ORDERS


class Arms(NamedTuple):
    """What a store has to write.

    Attributes:
        owner: What the ledger is of from now on.
        new: Lines that are new to the ledger, as planned.
        moves: The decided changes, in order; some are about the lines of `new`.
        kept: The lines of `new` as they were given: their columns that ride along are kept.
    """

    owner: Owner
    new: list[LedgerLine]
    moves: list[Move]
    kept: list[PlannedLine]


def decide_arms(
    requests: Sequence[ArmRequest],
    stored: Iterable[StoredLine],
    lines: Mapping[int, LedgerLine],
    owner: Owner,
    moment: Moment,
    funds: Funds,
    *,
    after: int,
    dead: Callable[[LedgerLine], bool],
    died_at: float | None,
) -> Arms:
    """Arm lines, for any number of callers; a request that is refused does not hold up the others.

    Args:
        requests: Filled with the lines as they stand, or with an error.
        stored: What the ledger has under their keys and poNumbers; `place` is the request's.
        lines: The orders of `stored`, by `seq`.
        owner: What the ledger is of.
        moment: Who writes, and when.
        funds: What the job has committed; read only for requests with a budget.
        after: The greatest `seq` there is: new lines get the numbers after it.
        dead: Whether the sender of a line that is being sent is proven dead.
        died_at: A moment after which a dead sender surely sent nothing; None where no such moment is known.

    Returns:
        What is to be written.
    """
    matches: dict[int, list[StoredLine]] = {}
    for match in stored:
        matches.setdefault(match.place, []).append(match)
    arming = _Arming(dict(lines), owner, moment, funds, after, dead, died_at)
    for place, request in enumerate(requests):
        request.armed, request.error = None, None
        try:
            request.armed = arming.take(request, matches.get(place, ()))
        except BulkError as error:
            request.error = error
    return Arms(arming.owner, arming.new, arming.moves, arming.kept)


class _Arming:
    """Requests of one transaction, one after another: each finds the lines as the one before left them."""

    def __init__(
        self,
        lines: dict[int, LedgerLine],
        owner: Owner,
        moment: Moment,
        funds: Funds,
        after: int,
        dead: Callable[[LedgerLine], bool],
        died_at: float | None,
    ) -> None:
        self.owner = owner
        self.new: Final[list[LedgerLine]] = []
        self._new_keys: Final[dict[str, LedgerLine]] = {}
        self._new_po_numbers: Final[dict[str, LedgerLine]] = {}
        self.moves: Final[list[Move]] = []
        self.kept: Final[list[PlannedLine]] = []
        self._lines: Final = lines
        self._moment: Final = moment
        self._funds = funds
        self._seq = after
        self._dead: Final = dead
        self._died_at: Final = died_at

    def take(self, request: ArmRequest, stored: Sequence[StoredLine]) -> Armed:
        check_job(self.owner.job, request.job)
        check_kind(self.owner.kind, JobKind.ORDERS)  # no other call is sent one line at a time
        check_identity(self.owner.identity, request.identity)
        seq = _known(request.line, [*stored, *self._new_ones(request.line)])
        if seq is not None:
            armed = self._again(self._lines[seq], request)
        else:
            born = _born(request.line, self._seq + 1)
            armed = self._arm(born, request)
            self._add(born)
            self.kept.append(request.line)
        self.owner = self.owner._replace(job=request.job, identity=self.owner.identity or request.identity)
        return armed

    def _new_ones(self, line: PlannedLine) -> list[StoredLine]:
        """Return the lines of this transaction that have the key or the poNumber of a line."""
        found = (self._new_keys.get(line.key), self._new_po_numbers.get(line.po_number))
        return [StoredLine(0, one.key, one.po_number, one.digest, one.row, one.seq, None) for one in found if one]

    def _add(self, line: LedgerLine) -> None:
        self.new.append(line)
        self._new_keys[line.key] = self._new_po_numbers[line.po_number] = line
        self._seq = line.seq

    def _again(self, line: LedgerLine, request: ArmRequest) -> Armed:
        """Arm a line that was given back; return any other one as it stands."""
        if line.state is LineState.SENDING and self._dead(line):
            self._write(state_for_all(Evidence.SENDER_DIED, [line], self._moment, at=self._died_at))
            line = self._lines[line.seq]
        return self._arm(line, request) if line.state is LineState.PLANNED else Armed(line, mine=False)

    def _arm(self, line: LedgerLine, request: ArmRequest) -> Armed:
        if self.owner.copied:
            # No conflict: that is about one line, and here no further line is sent until they were looked up.
            raise LedgerError(
                f"{line.key} may have been sent, since this ledger is an older or another copy of one; nothing was sent"
            )
        if self.owner.paused:
            raise LedgerError(f"the job is paused: {self.owner.paused}; nothing was sent")
        claim = ClaimRequest(1, request.budget)
        moves = decide_claims([claim], [line], self._moment, self._funds)
        if claim.refusal is not None:
            raise claim.refusal
        self._write(moves)
        return Armed(claim.lines[0], mine=True)

    def _write(self, moves: Sequence[Move]) -> None:
        self.moves.extend(moves)
        self._lines.update((move.after.seq, move.after) for move in moves)
        self._funds = self._funds.after([(move.before, move.after) for move in moves])


def _born(line: PlannedLine, seq: int) -> LedgerLine:
    """Return a new line as planned."""
    return LedgerLine(
        seq=seq,
        key=line.key,
        po_number=line.po_number,
        digest=line.digest,
        body=line.request.decode(),
        row=line.row or seq,
        worth=units(line.worth),
    )


def _known(line: PlannedLine, stored: Sequence[StoredLine]) -> int | None:
    """Return the number of the stored line that is this one; None if it is new.

    Raises:
        LedgerConflictError: A stored line contradicts it, or it shares an order.
    """
    seq = None
    for match in stored:
        if match.key != line.key:
            raise LedgerConflictError(f"{line.key} has the poNumber of {match.key}, which is in this ledger already")
        if (match.po_number, match.digest) != (line.po_number, line.digest):
            raise LedgerConflictError(
                f"{line.key} is in this ledger with other contents; what was ordered never changes"
            )
        if match.first is not None:
            raise LedgerConflictError(
                f"{line.key} shares an order with other rows of this ledger: a bulk run issues it"
            )
        seq = match.seq
    return seq
