"""What is done to a job's lines as a whole, in a transaction of the caller's: withdraw, doubt, price, and add up.

Lines are locked as they are read: claims and results of other workers wait for the end of the transaction, or decide
again after it. So nothing here rests on a line that has changed meanwhile.
"""

# ruff: noqa: S608 - the only names put into SQL are this package's own

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple, TypeVar

from xoxo_async.bulk.ledger.backlog import DOUBTED, OrderKind, Piece, repriced, shares_of, states_to_send
from xoxo_async.bulk.ledger.bookkeeping import first_few, maybe_sent, never_sent, state_for_all
from xoxo_async.bulk.ledger.bookkeeping import withdraw as decide_withdrawals
from xoxo_async.bulk.ledger.budget import commitment, is_unpriced, units
from xoxo_async.bulk.ledger.facts import CURRENCY
from xoxo_async.bulk.ledger.lines import DEFAULT_RULES, Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.moves import Move
from xoxo_async.bulk.ledger.postgres.columns import Stored
from xoxo_async.bulk.ledger.postgres.jobs import JobRow
from xoxo_async.bulk.ledger.postgres.packs import keys_of, unpack
from xoxo_async.bulk.ledger.postgres.reading import FIRST_ORDINAL, LAST_ORDINAL, lock_lines, lock_next
from xoxo_async.bulk.ledger.postgres.writing import RefusedWriteError, Write, write
from xoxo_async.bulk.ledger.protocol import Pricing, Share
from xoxo_async.bulk.ledger.recording import storable_text
from xoxo_async.bulk.ledger.table import Moment
from xoxo_async.bulk.ledger.tallying import PLANNER
from xoxo_async.errors import LedgerConflictError, LedgerError
from xoxo_async.postgres.driver import DatabaseConnection
from xoxo_async.postgres.failures import FOREIGN, is_passing

__all__ = ["Whole", "note_job", "read_backlog", "undisturbed"]

T = TypeVar("T")

_CHUNK: Final = 1000
_TURNS: Final = 20
_WAIT_S: Final = 0.02

_NOTE: Final = (
    "INSERT INTO xoxo.journal (job, line, at, from_state, to_state, transition, evidence, attempts, epoch, reason)"
    " VALUES ($1, 0, $2, '', '', '-', $3, 0, 0, $4)"
)
_RESTORED: Final = (
    "UPDATE xoxo.job SET generation = greatest(generation + 1, (SELECT value::integer FROM xoxo.meta WHERE name ="
    " 'generation')) WHERE id = $1 RETURNING generation"
)
_EPOCH: Final = "SELECT nextval('xoxo.claim_epoch_seq')"
# The numbers as they were written: money must not become a float.
_PIECE: Final = (
    "(body::json ->> 'productId')::bigint, body::json ->> 'denomination', (body::json ->> 'quantity')::bigint"
)
_MAIL: Final = "body::json ->> 'email', body::json ->> 'notifyReceiverEmail'"
_BACKLOG: Final = (
    "SELECT product_id, denomination, quantity, worth, count(*) AS orders, sum(lines)::bigint AS rows,"
    " coalesce(sum(lines) FILTER (WHERE email <> ''), 0)::bigint AS addressed,"
    " coalesce(sum(lines) FILTER (WHERE email <> '' AND mail = '1'), 0)::bigint AS mailed FROM"
    f" (SELECT {_PIECE}, worth, lines, {_MAIL} FROM xoxo.line WHERE job = $1 AND state = ANY ($2))"
    " AS one (product_id, denomination, quantity, worth, lines, email, mail) GROUP BY 1, 2, 3, 4"
)
_KINDS: Final = {
    "line": (
        f"SELECT DISTINCT product_id, denomination, quantity, state, worth FROM"
        f" (SELECT {_PIECE}, state, worth FROM xoxo.line WHERE job = $1 AND state = ANY ($2))"
        " AS one (product_id, denomination, quantity, state, worth)"
    ),
    "packed_line": (
        f"SELECT DISTINCT product_id, denomination, quantity, 'planned' AS state, worth FROM"
        f" (SELECT {_PIECE}, worth FROM xoxo.packed_line WHERE job = $1 AND NOT unpacked)"
        " AS one (product_id, denomination, quantity, worth)"
    ),
}
_NEW: Final = (
    "unnest($2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[])"
    " AS new (product_id, denomination, quantity, state, was, worth)"
)
_IS_NEW: Final = (
    f"({_PIECE}) = (new.product_id, new.denomination, new.quantity) AND old.worth IS NOT DISTINCT FROM new.was"
)
# A line under way commits what it may cost, so the job's budget changes with its price; a planned one commits nothing.
_REPRICE: Final = (
    f"UPDATE xoxo.line AS old SET worth = new.worth, rev = old.rev + 1 FROM {_NEW}"
    f" WHERE old.job = $1 AND old.state = new.state AND {_IS_NEW}"
    " RETURNING old.state, new.was, new.worth"
)
_REPRICE_PACKED: Final = (
    f"UPDATE xoxo.packed_line AS old SET worth = new.worth FROM {_NEW} WHERE old.job = $1 AND NOT old.unpacked"
    f" AND new.state = 'planned' AND {_IS_NEW}"
)
_SPENT: Final = "UPDATE xoxo.job SET committed = committed + $2, unpriced = unpriced + $3 WHERE id = $1"
_WANT_AGAIN: Final = "UPDATE xoxo.line SET unwanted = false, rev = rev + 1 WHERE job = $1 AND id = ANY ($2)"


async def undisturbed(connection: DatabaseConnection, work: Callable[[], Awaitable[T]]) -> T:
    """Do some work in a transaction, or in a part of one, and do it again where another worker was in its way.

    Args:
        connection: To write with.
        work: Reads, decides and writes.

    Raises:
        LedgerError: When it is disturbed again and again.
    """
    for turn in range(_TURNS):
        try:
            async with connection.transaction():
                return await work()
        except RefusedWriteError:
            pass
        except FOREIGN as error:
            if not is_passing(error):
                raise
        await asyncio.sleep(_WAIT_S * turn)
    raise LedgerError("other workers keep changing the same lines; pause the job, and try again")


async def note_job(connection: DatabaseConnection, job: int, at: float, evidence: str, reason: str) -> None:
    """Write a journal row about a job as a whole; its `seq` is 0.

    Args:
        connection: In a transaction.
        job: The job's number.
        at: For the journal, in epoch seconds.
        evidence: What happened.
        reason: Why.
    """
    await connection.execute(_NOTE, job, at, evidence, storable_text(reason))


async def read_backlog(connection: DatabaseConnection, job: int, *, doubted: bool = False) -> list[Share]:
    """Return the planned orders of a job, summed by product, denomination and quantity.

    Args:
        connection: To read with.
        job: The job's number.
        doubted: Whether to include orders in doubt, which may be sent again.
    """
    states = [state.value for state in states_to_send(doubted=doubted)]
    kinds = [
        OrderKind(
            Piece(row["product_id"], Decimal(row["denomination"]), row["quantity"]),
            row["worth"],
            row["orders"],
            row["rows"],
            row["addressed"],
            row["mailed"],
        )
        for row in await connection.fetch(_BACKLOG, job, states)
    ]
    return [Share(*kind.piece, kind.orders, kind.rows, kind.worth, *kind[4:]) for kind in shares_of(kinds)]


class Whole(NamedTuple):
    """One job in one transaction.

    Attributes:
        connection: In the transaction.
        job: The job.
        now: The ledger's clock.
    """

    connection: DatabaseConnection
    job: JobRow
    now: float

    async def restored(self, reason: str, *, copied: bool = False) -> int:
        """Put every planned line in doubt, and restart the count of absences of unknown ones; see `Ledger.restored`."""
        generation = await self.connection.fetchval(_RESTORED, self.job.id)
        await note_job(self.connection, self.job.id, self.now, "restored", f"generation {generation}: {reason}")
        moment = self.moment(int(await self.connection.fetchval(_EPOCH)))
        evidence = Evidence.LEDGER_COPIED if copied else Evidence.LEDGER_RESTORED
        moved = 0
        # Unknown lines first: afterwards the planned lines are unknown, too.
        for state in (LineState.UNKNOWN, LineState.PLANNED):
            async for lines in self._chunks((state,)):
                moves = state_for_all(evidence, [one.line for one in lines], moment, at=moment.now)
                await self.write(moves, lines)
                moved += len(moves)
        return moved

    async def withdraw(self, keys: Collection[str] | None, reason: str) -> int:
        """Cancel lines that were never sent; see `Ledger.withdraw`."""
        if self.job.copied:
            raise maybe_sent()
        if keys is None:
            # All lines of an order are cancelled, so a shared order is cancelled with its lines.
            cancelled = 0
            async for lines in self._chunks((LineState.PLANNED,)):
                free = [one for one in lines if never_sent(one.line)]
                cancelled += sum(line.lines for line in await self._withdraw(free, reason))
            return cancelled
        where = await keys_of(self.connection, self.job.id, keys)
        if missing := [key for key in keys if key not in where]:
            raise LedgerConflictError(
                f"the ledger holds no line with the key {first_few(missing)}; nothing was changed"
            )
        # For a line that shares an order, cancel the order, and make each of its lines an order by itself.
        shared = {seq for seq, alone in where.values() if not alone}
        if shared:
            given_up = await self._withdraw(await lock_lines(self.connection, self.job.id, shared), reason)
            packs = [line.seq for line in given_up]
            await unpack(self.connection, self.job.id, PLANNER, packs, self.now)
            where = await keys_of(self.connection, self.job.id, keys)
        seqs = {seq for seq, _ in where.values()}
        return len(await self._withdraw(await lock_lines(self.connection, self.job.id, seqs), reason))

    async def _withdraw(self, lines: Sequence[Stored], reason: str) -> list[LedgerLine]:
        moves = decide_withdrawals([one.line for one in lines], reason, self.moment())
        await self.write(moves, lines)
        return [move.after for move in moves]

    async def unwanted(self, lines: Sequence[Stored]) -> None:
        """Mark lines in doubt that the input lacks: they are looked up, and not sent again."""
        moves = state_for_all(
            Evidence.UNWANTED, [one.line for one in lines], self.moment(), reason="the input lacks it"
        )
        await self.write(moves, lines)

    async def want_again(self, seqs: Collection[int]) -> None:
        """Unmark lines that the input has again, so that they are sent again once they are proven absent."""
        if seqs:
            await self.connection.execute(_WANT_AGAIN, self.job.id, list(seqs))

    async def reprice(self, pricing: Pricing) -> None:
        """Update what orders that are not placed may cost at most. What costs the same as before is not written."""
        job = self.job.id
        states = [state.value for state in (LineState.PLANNED, *DOUBTED)]
        columns = await self._new_prices(_KINDS["line"], pricing, job, states)
        if columns:
            currency = self.job.facts.get(CURRENCY, "")
            committed = unpriced = 0
            for row in await self.connection.fetch(_REPRICE, job, *columns):
                before, after = (
                    LedgerLine(0, "", "", "", "", 0, worth=worth, state=LineState(row["state"]))
                    for worth in (row["was"], row["worth"])
                )
                committed += commitment(after, currency) - commitment(before, currency)
                unpriced += is_unpriced(after, currency) - is_unpriced(before, currency)
            if committed or unpriced:
                await self.connection.execute(_SPENT, job, committed, unpriced)
        if packed := await self._new_prices(_KINDS["packed_line"], pricing, job):
            await self.connection.execute(_REPRICE_PACKED, job, *packed)

    async def _new_prices(self, kinds: str, pricing: Pricing, *args: object) -> list[list[object]]:
        """Return the kinds of lines whose price changes, an array a column; empty where none does."""
        changed: list[tuple[object, ...]] = []
        for row in await self.connection.fetch(kinds, *args):
            product_id, denomination, quantity, state, worth = row.values()
            price = units(pricing(product_id, Decimal(denomination), quantity))
            now = repriced(LineState(state), worth, price)
            if now != worth:
                changed.append((product_id, denomination, quantity, state, worth, now))
        return [list(column) for column in zip(*changed, strict=True)]

    async def write(self, moves: Sequence[Move], lines: Sequence[Stored]) -> None:
        """Write decided changes of lines that were read with a lock.

        Args:
            moves: In order.
            lines: The lines as read.

        Raises:
            RefusedWriteError: A line has changed although it was locked.
        """
        if moves:
            revs: Mapping[int, int] = {one.line.seq: one.rev for one in lines}
            currency = self.job.facts.get(CURRENCY, "")
            what = Write(self.job.id, self.job.account, PLANNER, self.now, currency, moves, revs)
            await write(self.connection, what)

    def moment(self, epoch: int = 0) -> Moment:
        """Return who writes, and when."""
        return Moment(now=self.now, epoch=epoch, rules=DEFAULT_RULES, effect=self.job.effect)

    async def _chunks(self, states: Sequence[LineState]) -> AsyncIterator[list[Stored]]:
        """Yield all lines in some states, locked, in chunks."""
        after = FIRST_ORDINAL
        while rows := await lock_next(self.connection, self.job.id, states, after, LAST_ORDINAL, _CHUNK):
            after = rows[-1][0]
            yield [one for _, one in rows]
