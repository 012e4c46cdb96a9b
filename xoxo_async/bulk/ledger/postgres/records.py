"""Write the facts that callers state: nearly always in one statement, rarely in a transaction that locks the lines."""

from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.bookkeeping import doubt_answers
from xoxo_async.bulk.ledger.dealing import Claim, Dealing
from xoxo_async.bulk.ledger.lines import LedgerLine
from xoxo_async.bulk.ledger.moves import Move
from xoxo_async.bulk.ledger.postgres.codes import (
    drop_orders,
    keep_codes,
    order_owners,
    owners_of_marks,
    read_codes,
    take_marks,
)
from xoxo_async.bulk.ledger.postgres.columns import Stored
from xoxo_async.bulk.ledger.postgres.jobs import job_name
from xoxo_async.bulk.ledger.postgres.packs import unpack
from xoxo_async.bulk.ledger.postgres.work import Found, Work, bound_wait, read_stored, stop_if_lost
from xoxo_async.bulk.ledger.postgres.writing import RefusedWriteError, Why, Write, write
from xoxo_async.bulk.ledger.recording import (
    RecordRequest,
    decide_records,
    disputes,
    orders_named,
    put_alarms,
    seqs_with_codes,
    storable_text,
)
from xoxo_async.bulk.ledger.sealing import CodeBox
from xoxo_async.bulk.ledger.tallying import ends_of
from xoxo_async.bulk.ledger.vouchers import StoredCode
from xoxo_async.errors import LedgerError
from xoxo_async.postgres.driver import DatabaseConnection
from xoxo_async.postgres.failures import DatabaseError

__all__ = ["Records"]

_TRIES: Final = 50
_ALARM: Final = (
    "INSERT INTO xoxo.journal (job, line, at, from_state, to_state, transition, evidence, attempts, epoch, worker,"
    " reason)"
    " SELECT l.job, l.id, $2, l.state, l.state, '!', 'not written', l.attempts, l.epoch, $3, $4"
    " FROM xoxo.line AS l WHERE l.id = ANY ($1::bigint[])"
)
_OF_POS: Final = "SELECT id FROM xoxo.line WHERE account = $1 AND po_number = ANY ($2::text[])"


class _Road(Enum):
    """How facts are written: on lines as they are held, on lines as they are read, or on lines that are locked."""

    CACHED = 0
    READ = 1
    LOCKED = 2

    @property
    def next(self) -> "_Road":
        """The road to take after this one has led nowhere."""
        return _Road.READ if self is _Road.CACHED else _Road.LOCKED


class _Doubt:
    """A write whose commit is in doubt: the connection was lost in it."""

    def __init__(self, moves: Sequence[Move], revs: Mapping[int, int]) -> None:
        self.after: Final = {after.seq: Stored(after, revs[after.seq] + 1) for _, after in ends_of(moves)}


class Records:
    """The facts of an open ledger.

    Args:
        work: Of the ledger.
    """

    def __init__(self, work: Work) -> None:
        self._work: Final = work

    async def write(self, requests: Sequence[RecordRequest]) -> None:
        """Record facts, for any number of callers; the requests are filled with the lines and the refusals.

        Args:
            requests: The facts.

        Raises:
            DatabaseError: When the database cannot be used; nothing of it may be written.
            LedgerError: When the key of the code marks cannot be opened, or the lines change all the time.
        """
        road, awake = _Road.CACHED, True
        doubt: _Doubt | None = None
        for _ in range(_TRIES):
            try:
                if doubt is not None and await self._is_written(doubt):
                    return
                doubt = None
                if await self._go(road, requests, awake=awake):
                    return
                road = road.next
            except RefusedWriteError as refused:
                if refused.why is Why.LEASE and self._work.lease is not None:
                    # This machine may have stood still, and its clock with it: a stamp of it would be too early.
                    await self._work.lease.measure()
                    awake = False
                elif refused.why is Why.JOB:
                    await self._work.reread_job()
                road = _Road.LOCKED if refused.why in {Why.ORDER, Why.MARK} else road.next
            except _LostError as lost:
                doubt, road = lost.doubt, _Road.READ
                if not self._work.writer.patient:
                    raise lost.error from lost
            except DatabaseError as error:
                road = _Road.READ
                if error.final or not self._work.writer.patient:
                    raise
        raise LedgerError(f"the lines of {self._work.name} change faster than results can be written")

    async def _go(self, road: "_Road", requests: Sequence[RecordRequest], *, awake: bool) -> bool:
        """Take one of the roads; return whether it led to the end."""
        for request in requests:
            request.count_from(self._work.clock.since)
        if road is not _Road.LOCKED:
            return await self._at_once(requests, cached=road is _Road.CACHED, awake=awake)
        await self._work.writer.run(lambda connection: self._locked(connection, requests, awake=awake))
        return True

    async def _is_written(self, doubt: _Doubt) -> bool:
        """Return whether a write is in the database: its lines are as it wrote them."""
        found = await self._work.writer.run(lambda c: read_stored(c, list(doubt.after)), again=True)
        written = found.lines == doubt.after
        self._work.holding.update(found.lines.values())
        if written:
            self._work.holding.note_last(found.lines.values())
        return written

    async def _at_once(self, requests: Sequence[RecordRequest], *, cached: bool, awake: bool) -> bool:
        """Write facts that need only one statement; return whether they do."""
        if any(request.doubts for request in requests):
            return False
        work, job = self._work, self._work.known_job()
        seqs = {change.seq for request in requests for change in request.changes}
        held = work.holding.get(seqs) if cached else {}
        lines = dict(held)
        if missing := seqs - held.keys():
            sent = work.holding.get(missing)
            found = await work.writer.run(lambda c: read_stored(c, missing), again=True)
            await stop_if_lost(work, sent, found)
            lines |= {seq: stored for seq, stored in found.lines.items() if found.jobs[seq] == job.id}
            work.holding.update(found.lines.values())
            work.note_currency(found.currencies.get(job.id, ""))
        by_seq = {seq: stored.line for seq, stored in lines.items()}
        dealing = Dealing(work.marks.mark)
        if work.box is not None and seqs_with_codes(requests, by_seq):
            return False
        if any(change.codes is not None for request in requests for change in request.changes):
            await work.writer.run(work.open_marks, again=True)
        moment = work.moment()
        recorded = decide_records(requests, by_seq, moment, dealing)
        if held and _refuses(requests):
            return False  # a line that is held supports a fact, and never refuses one
        if recorded.lost_orders or recorded.refused_packs or dealing.alarms(recorded.lines, {}):
            return False
        claims = dealing.claims()
        if claims.listed or len(dict(claims.dealt)) < len(claims.dealt):
            return False
        codes = _sealed(dealing, work.box)
        await self._write(self._what(recorded.moves, lines, moment.now, codes, claims.dealt)._replace(awake=awake))
        return True

    def _what(
        self,
        moves: Sequence[Move],
        lines: Mapping[int, Stored],
        now: float,
        codes: Sequence[tuple[int, str]] = (),
        marks: Sequence[Claim] = (),
    ) -> Write:
        work, job = self._work, self._work.known_job()
        gone = [after.seq for _, after in ends_of(moves) if not _is_sent(after)]
        return Write(
            job=job.id,
            account=job.account,
            worker=work.worker,
            at=now,
            currency=work.currency,
            moves=moves,
            revs={seq: stored.rev for seq, stored in lines.items()},
            codes=codes,
            marks=marks,
            effect=job.effect,
            closed=work.holding.closed_by(gone),
        )

    async def _write(self, what: Write) -> None:
        try:
            revs = await self._work.writer.run(lambda connection: write(connection, what))
        except DatabaseError as error:
            if error.final:
                raise
            raise _LostError(error, _Doubt(what.moves, what.revs)) from error
        ends = [Stored(after, revs[after.seq]) for _, after in ends_of(what.moves)]
        self._work.holding.update(ends)
        self._work.holding.note_last(ends)

    async def alarm(self, seqs: Collection[int], text: str) -> None:
        """Write an alarm about lines; they stay as they are.

        Args:
            seqs: The lines.
            text: What is wrong.

        Raises:
            DatabaseError: When it cannot be written.
        """
        work = self._work
        arguments = (list(seqs), work.clock.now(), work.worker, storable_text(text))
        await work.writer.run(lambda c: c.execute(_ALARM, *arguments))

    # The rare road.

    async def _locked(self, connection: DatabaseConnection, requests: Sequence[RecordRequest], *, awake: bool) -> None:
        """Write facts in a transaction that locks their lines; see the steps in `recording`."""
        transaction = _Transaction(self._work, connection, awake=awake)
        async with connection.transaction():
            await bound_wait(connection)
            await transaction.record(requests)
            for request in requests:
                if request.doubts:
                    request.lines = [*request.lines, *await transaction.doubt(request.doubts)]
        self._work.holding.update(transaction.lines.values())
        self._work.holding.note_last(transaction.written.values())

    async def vet(self, found: Mapping[int, bytes]) -> dict[int, tuple[StoredCode, ...]]:
        """Return the codes that placed lines may get, see `Ledger.vet`."""

        async def run(connection: DatabaseConnection) -> dict[int, tuple[StoredCode, ...]]:
            transaction = _Transaction(self._work, connection)
            async with connection.transaction():
                await bound_wait(connection)
                return await transaction.vet(found)

        return await self._work.writer.run(run)


class _LostError(Exception):
    """The connection was lost in a write."""

    def __init__(self, error: DatabaseError, doubt: _Doubt) -> None:
        super().__init__(error.message)
        self.error = error
        self.doubt = doubt


def _refuses(requests: Sequence[RecordRequest]) -> bool:
    return any(request.refused for request in requests)


def _is_sent(line: LedgerLine) -> bool:
    return line.state.value == "sending"


def _sealed(dealing: Dealing, box: CodeBox | None) -> list[tuple[int, str]]:
    """Return the codes to keep as they are stored; none where no codes are kept."""
    if box is None:
        return []
    return [(seq, box.seal(msgspec.json.encode(codes), seq)) for seq, codes in dealing.codes_to_keep()]


class _Transaction:
    """The facts of one transaction that locks their lines, and those of other jobs that have their orders."""

    def __init__(self, work: Work, connection: DatabaseConnection, *, awake: bool = False) -> None:
        self._work: Final = work
        self._awake: Final = awake
        self._connection: Final = connection
        self._job: Final = work.known_job()
        self._jobs: dict[int, int] = {}
        self._currencies: dict[int, str] = {}
        self.lines: dict[int, Stored] = {}
        self.written: Final[dict[int, Stored]] = {}

    async def record(self, requests: Sequence[RecordRequest]) -> None:
        work, connection = self._work, self._connection
        if not any(request.changes for request in requests):
            return
        named = await order_owners(connection, self._job.account, orders_named(requests), self._job.effect)
        seqs = {change.seq for request in requests for change in request.changes}
        found = await read_stored(connection, seqs | set(named.values()), lock=True)
        self._read(found)
        # Only now that the lines are locked does it stay so.
        owners = await order_owners(connection, self._job.account, orders_named(requests), self._job.effect)
        ours = {
            seq: stored.line
            for seq, stored in found.lines.items()
            if found.jobs[seq] == self._job.id or seq in named.values()
        }
        owners = {order_id: seq for order_id, seq in owners.items() if seq in ours}
        dealing = Dealing(work.marks.mark)
        coded = seqs_with_codes(requests, ours)
        if coded and work.box is not None:
            stored = await read_codes(connection, coded)
            dealing.give({seq: work.box.open(codes, seq) for seq, codes in stored.items()})
        await work.open_marks(connection)
        moment = work.moment()
        recorded = decide_records(requests, ours, moment, dealing, owners)
        if lost := recorded.lost_orders:
            await drop_orders(connection, lost)
        if any(self._jobs[seq] != self._job.id for seq in owners.values()):
            jobs = {job: await job_name(connection, job) for job in set(self._jobs.values())}
            names = {seq: jobs[job] for seq, job in self._jobs.items()}
            recorded.moves.extend(disputes(requests, recorded.lines, owners, names))
        await self._write(recorded.moves, moment.now)
        alarms, codes = await self._settle_codes(dealing, recorded.lines)
        await keep_codes(connection, codes)
        await self._write(alarms, moment.now)
        put_alarms(requests, alarms)
        await unpack(connection, self._job.id, work.worker, recorded.refused_packs, moment.now)

    async def _settle_codes(
        self, dealing: Dealing, lines: Mapping[int, LedgerLine], *, keep: bool = True
    ) -> tuple[list[Move], list[tuple[int, str]]]:
        """Mark the codes of this transaction; return the alarms, and the codes to keep."""
        if dealing.is_empty:
            return [], []
        while refused := await self._take_marks(dealing):
            dealing.refuse(refused)
        codes = _sealed(dealing, self._work.box if keep else None)
        owners = await self._owners(dealing.owners()) if dealing.owners() else {}
        return dealing.alarms(lines, owners), codes

    async def _owners(self, seqs: Collection[int]) -> dict[int, LedgerLine]:
        """Return the lines that have codes of others, as an alarm names them: one of another job with that job."""
        found = await read_stored(self._connection, seqs)
        names = {job: await job_name(self._connection, job) for job in set(found.jobs.values()) - {self._job.id}}
        return {
            seq: stored.line
            if found.jobs[seq] == self._job.id
            else msgspec.structs.replace(stored.line, key=f"{stored.line.key} of the job {names[found.jobs[seq]]}")
            for seq, stored in found.lines.items()
        }

    async def _take_marks(self, dealing: Dealing) -> dict[Claim, int]:
        claims, account = dealing.claims(), self._job.account
        refused = await take_marks(self._connection, account, claims.dealt) if claims.dealt else {}
        return refused | (await owners_of_marks(self._connection, account, claims.listed) if claims.listed else {})

    async def doubt(self, answers: Sequence[tuple[str, int]]) -> list[LedgerLine]:
        """Put lines in doubt whose answers came on a connection that was not in step; return them as they stand."""
        po_numbers = list({po_number for po_number, _ in answers})
        rows = await self._connection.fetch(_OF_POS, self._job.account, po_numbers)
        found = await read_stored(self._connection, [int(row["id"]) for row in rows], lock=True)
        self._read(found)
        moment = self._work.moment()
        moves = doubt_answers(answers, [stored.line for stored in found.lines.values()], moment)
        if moves:
            await drop_orders(self._connection, [move.after.seq for move in moves])
        await self._write(moves, moment.now)
        return [move.after for move in moves]

    async def vet(self, found: Mapping[int, bytes]) -> dict[int, tuple[StoredCode, ...]]:
        self._read(await read_stored(self._connection, list(found), lock=True))
        lines = {seq: stored.line for seq, stored in self.lines.items()}
        await self._work.open_marks(self._connection)
        dealing = Dealing(self._work.marks.mark)
        dealing.vet(found, lines)
        alarms, _ = await self._settle_codes(dealing, lines, keep=False)
        await self._write(alarms, self._work.moment().now)
        return dealing.dealt()

    def _read(self, found: Found) -> None:
        self.lines |= found.lines
        self._jobs |= found.jobs
        self._currencies |= found.currencies

    async def _write(self, moves: Sequence[Move], now: float) -> None:
        """Write moves, those of each job by themselves: an order may be another job's."""
        for job in {self._jobs[move.after.seq] for move in moves}:
            ours = [move for move in moves if self._jobs[move.after.seq] == job]
            gone = [after.seq for _, after in ends_of(ours) if not _is_sent(after)]
            what = Write(
                job=job,
                account=self._job.account,
                worker=self._work.worker,
                at=now,
                currency=self._currencies.get(job, ""),
                moves=ours,
                revs={seq: stored.rev for seq, stored in self.lines.items()},
                closed=self._work.holding.closed_by(gone),
                effect=self._job.effect,
                awake=self._awake,
            )
            revs = await write(self._connection, what)
            self.written.update({after.seq: Stored(after, revs[after.seq]) for _, after in ends_of(ours)})
            self.lines |= self.written
