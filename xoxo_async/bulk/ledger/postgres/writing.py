"""Write decided moves in one statement: lines, journal, orders and codes, marks, counts, budget, finished claims.

The statement is one trip and one commit. It writes everything or nothing: a line that is no longer as it was read ends
it, and so does a mark or an order that another line has. It holds no lock beyond itself, so a worker that is stopped at
any moment stops nobody else.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from xoxo_async.bulk.ledger.dealing import Claim
from xoxo_async.bulk.ledger.lines import Delivery, LedgerLine, LineState
from xoxo_async.bulk.ledger.moves import Move
from xoxo_async.bulk.ledger.postgres.codes import id_to_store
from xoxo_async.bulk.ledger.postgres.columns import NOTED, kind_of, look_of, moving_arrays, noted_arrays
from xoxo_async.bulk.ledger.postgres.statements import Why, statement_of
from xoxo_async.bulk.ledger.tallying import TallyRow, ends_of, spent_by, tally_of
from xoxo_async.effects import EffectClass
from xoxo_async.postgres.driver import DatabaseConnection
from xoxo_async.postgres.failures import FOREIGN

__all__ = ["Guard", "RefusedWriteError", "Why", "Write", "write"]


class RefusedWriteError(Exception):
    """Nothing was written: what was decided rests on what is no longer so. Read again, and decide again.

    Attributes:
        why: What has changed.
    """

    def __init__(self, why: Why) -> None:
        super().__init__(why.name)
        self.why = why


class Guard(NamedTuple):
    """What must hold in a claim's write: the job runs, the worker's lease lasts, and the budget holds the lines.

    The job must not be of an older generation than the database, either: see `JobRow.copied`.

    Attributes:
        slot: When the claim is, by the ledger's clock; kept as `LAST_SLOT`.
        most: The most that the job may have committed before this claim, in ten-thousandths; None is no bound. Another
            worker may have claimed since this one has read what is committed: together they never overspend.
        running: Whether the job must not be paused.
        reserved: The epoch under which the lines are reserved, if they are: its claim must be there.
    """

    slot: float
    most: int | None
    running: bool = False
    reserved: int | None = None


class Write(NamedTuple):
    """What a statement writes.

    Attributes:
        job: The job of the lines.
        account: The job's account.
        worker: Who writes; it adds to its own rows of the counts.
        at: For the journal, in epoch seconds.
        currency: The account's, as the budget was decided with; None leaves the job's budget as it is.
        moves: In order; a line may occur more than once.
        revs: The revision of each line as it was read.
        codes: The codes that lines get, as they are kept.
        marks: The marks that they take.
        back: Lines that are reserved, and go back as they are.
        closed: Claims of which nothing is left to send.
        narrowed: A claim, and the lines of it that were taken; the others go back.
        new: Those of the moves' lines that are new: each has one move, which arms it.
        begun: The epoch of a claim that begins here, and its lines.
        guard: Of a claim; None for everything else.
        effect: What may follow a lost answer of the job's calls: ids of points are no ids of orders.
        awake: Whether the worker's lease must last if a stamp of its clock goes into a line from which absence counts.
    """

    job: int
    account: int
    worker: int
    at: float
    currency: str | None
    moves: Sequence[Move] = ()
    revs: Mapping[int, int] = {}
    codes: Sequence[tuple[int, str]] = ()
    marks: Sequence[Claim] = ()
    back: Sequence[int] = ()
    closed: Sequence[int] = ()
    narrowed: tuple[int, Sequence[int]] | None = None
    new: Sequence[int] = ()
    begun: tuple[int, Sequence[int]] | None = None
    guard: Guard | None = None
    effect: EffectClass = EffectClass.KEYED
    awake: bool = False


async def write(connection: DatabaseConnection, what: Write) -> dict[int, int]:
    """Write moves, in a transaction of the caller's or by themselves.

    Args:
        connection: To write with.
        what: What to write.

    Returns:
        The new revision of each line that was written.

    Raises:
        RefusedWriteError: When nothing was written, since something has changed.
    """
    ends = ends_of(what.moves)
    parts = _parts(what, ends)
    if not parts:
        return {}
    if what.awake and any(move.transition in _STAMPED for move in what.moves):
        parts.append(("awake", []))
    text = statement_of(tuple((name, len(values)) for name, values in parts))
    arguments = [value for _, values in parts for value in values]
    try:
        await connection.execute(text, what.job, what.account, what.worker, what.at, what.currency, *arguments)
    except FOREIGN as error:
        state = str(getattr(error, "sqlstate", "") or "")
        if state[:2] == "40":
            raise RefusedWriteError(Why.LINE) from error  # a deadlock: the other one goes on, and this one again
        if state in _REFUSALS:
            raise RefusedWriteError(Why(state)) from error
        raise
    return {before.seq: what.revs.get(before.seq, 0) + 1 for before, _ in ends}


_REFUSALS: Final = frozenset(why.value for why in Why)


def _parts(what: Write, ends: Sequence[tuple[LedgerLine, LedgerLine]]) -> list[tuple[str, list[Any]]]:
    """Return the parts that the statement has, each with its arguments."""
    parts: list[tuple[str, list[Any]]] = []
    new = set(what.new)
    known = [(before, after) for before, after in ends if before.seq not in new]
    added = [after for before, after in ends if before.seq in new]
    if known:
        seqs = [before.seq for before, _ in known]
        after = [line for _, line in known]
        looks = [look_of(line) for line in after]
        kind = kind_of(known)
        parts.append((kind, [seqs, [what.revs[seq] for seq in seqs], looks, *moving_arrays(after, kind)]))
    if added:
        parts.append(("added", [*_columns([_fixed(line) for line in added]), *moving_arrays(added)]))
    if ends:
        parts.append(("noted", _noted(what.moves, added)))
    if tally := _tally(known, added):
        parts.append(("told", _columns([(row.state.value, row.delivery.value, *row[2:]) for row in tally])))
    codes = dict(what.codes)
    orders = [
        (line.seq, id_to_store(line.order_id, what.effect), codes.get(line.seq))
        for before, line in ends
        if line.seq in codes or (line.order_id is not None and line.order_id != before.order_id)
    ]
    if orders:
        parts.append(("ordered", _columns(orders)))
    if what.marks:
        parts.append(("marked", _columns(what.marks)))
    spent = (0, 0) if what.currency is None else spent_by(ends, what.currency)
    if what.guard is not None:
        slot, *rest = what.guard
        parts.append(("claimed", [*spent, f"{slot}", *rest]))
    elif any(spent) or (what.currency is not None and any(_in_doubt(line, what.currency) for _, line in ends)):
        parts.append(("spent", list(spent)))
    if what.back:
        parts.append(("back", [list(what.back), [what.revs[seq] for seq in what.back]]))
    if what.narrowed:
        parts.append(("narrowed", [what.narrowed[0], list(what.narrowed[1])]))
    if what.begun:
        parts.append(("begun", [what.begun[0], list(what.begun[1])]))
    if what.closed:
        parts.append(("closed", [list(what.closed)]))
    return parts


_STAMPED: Final = frozenset({"T5", "T6", "T16"})


def _in_doubt(line: LedgerLine, currency: str) -> bool:
    """Return whether a line's cost depends on which currency is the account's: another worker may just have set it."""
    return line.state is LineState.PLACED and line.amount_charged is not None and line.currency != currency


def _columns(rows: Iterable[Sequence[object]]) -> list[object]:
    """Return rows as an array a column."""
    return [list(column) for column in zip(*rows, strict=True)]


def _fixed(line: LedgerLine) -> tuple[object, ...]:
    return line.seq, line.key, line.po_number, line.digest, line.body, line.row, line.lines, line.worth


def _noted(moves: Sequence[Move], added: Sequence[LedgerLine]) -> list[object]:
    """Return the journal rows of moves, after those (T0) of the lines that are new."""
    planned = noted_arrays([Move(_UNBORN, line, "T0", "planned", None, "", "") for line in added])
    noted = noted_arrays(moves)
    if added:
        for name, value in (("from_state", ""), ("to_state", "planned"), ("attempts", 0), ("epoch", 0)):
            planned[_NOTED_NAMES.index(name)] = [value] * len(added)
    return [[*born, *moved] for born, moved in zip(planned, noted, strict=True)]


_UNBORN: Final = LedgerLine(0, "", "", "", "", 0)
_NOTED_NAMES: Final = [name for name, _ in NOTED]


def _tally(known: Sequence[tuple[LedgerLine, LedgerLine]], added: Sequence[LedgerLine]) -> list[TallyRow]:
    """Return by how much the counts change."""
    changes = tally_of(known)
    if not added:
        return changes
    sums = {row[:4]: row[4:] for row in changes}
    group = (LineState.SENDING, Delivery.NONE, "", True)
    orders, priced, charged = sums.get(group, (0, 0, Decimal(0)))
    sums[group] = (orders + len(added), priced, charged)
    return [TallyRow(*key, *total) for key, total in sorted(sums.items())]
