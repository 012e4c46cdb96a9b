"""Claim lines: reserve them in one trip, decide, and write the intent in another one. Recover those of dead workers."""

# ruff: noqa: S608 - the only names put into SQL are this package's own

import logging
import time
from collections.abc import Collection, Sequence
from functools import partial
from typing import Final

from xoxo_async.bulk.ledger.bookkeeping import ClaimRequest, decide_claims, state_for_all
from xoxo_async.bulk.ledger.budget import Funds, commitment
from xoxo_async.bulk.ledger.lines import Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.moves import Move
from xoxo_async.bulk.ledger.postgres.columns import LINE_COLUMNS, Stored, prefixed, stored_of
from xoxo_async.bulk.ledger.postgres.leases import LEASE_S, DeadClaim, dead_claims, fence
from xoxo_async.bulk.ledger.postgres.records import Records
from xoxo_async.bulk.ledger.postgres.servers import STARTED
from xoxo_async.bulk.ledger.postgres.sums import first_unpriced
from xoxo_async.bulk.ledger.postgres.work import Found, Work, bound_wait, check_held, new_epoch, read_stored
from xoxo_async.bulk.ledger.postgres.writing import Guard, RefusedWriteError, Why, Write, write
from xoxo_async.bulk.ledger.recording import given_back
from xoxo_async.bulk.ledger.table import MAX_HOLD_S
from xoxo_async.errors import LedgerError
from xoxo_async.postgres.driver import DatabaseConnection, Row
from xoxo_async.postgres.failures import DatabaseError, is_passing

__all__ = ["Claiming", "most_committed"]

_LOG: Final = logging.getLogger("xoxo_async")

_TRIES: Final = 20
_DEAD_AT_ONCE: Final = 100
_FRESH_S: Final = MAX_HOLD_S / 4
_STRAYS_S: Final = 120.0
"""How long claims are looked for whose answer was lost: the database may still run such a statement."""


_RESERVE: Final = (
    f"SELECT {prefixed(LINE_COLUMNS, 'r')}, r.rev, r.claimed_epoch, r.job_state, r.alive, r.committed, r.unpriced,"
    f" r.job_currency, {STARTED} AS started FROM xoxo.reserve($1, $2, $3) AS r"
)
_OWN: Final = (
    "SELECT epoch, worker, seqs FROM xoxo.claim WHERE worker = $1 AND seqs <> '{}' AND NOT epoch = ANY ($2::bigint[])"
)
# Waits for a write of that claim which the database still runs, and forbids one that it has not begun.
_FENCE_CLAIM: Final = (
    "INSERT INTO xoxo.claim (epoch, job, worker, seqs) OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, '{}')"
    " ON CONFLICT DO NOTHING"
)
# A server that crashed may have forgotten a reservation, and have given its epoch to another worker since.
_RELEASE: Final = (
    "WITH gone AS (DELETE FROM xoxo.claim WHERE epoch = $1 AND worker = $3 RETURNING epoch)"
    " UPDATE xoxo.line AS l SET look = 'send', rev = l.rev + 1 FROM gone"
    " WHERE l.id = ANY ($2::bigint[]) AND l.state = 'planned' AND l.look IS NULL"
)


class _Reserved:
    """What `xoxo.reserve` has answered."""

    def __init__(self, rows: Sequence[Row]) -> None:
        first = rows[0]
        self.epoch: Final[int | None] = first["claimed_epoch"]
        self.alive: Final = bool(first["alive"])
        self.running: Final = first["job_state"] == "running"
        self.copied: Final = first["job_state"] == "copied"
        self.committed: Final = int(first["committed"] or 0)
        self.unpriced: Final = int(first["unpriced"] or 0)
        self.currency: Final = str(first["job_currency"] or "")
        self.started: Final = float(first["started"])
        self.lines: Final = {int(row["id"]): stored_of(row) for row in rows if row["id"] is not None}


class Claiming:
    """The claims of an open ledger, and the recovery of those of dead workers.

    Args:
        work: Of the ledger.
        records: Writes that lines go back.
    """

    def __init__(self, work: Work, records: Records) -> None:
        self._work: Final = work
        self._records: Final = records
        self._doubted_until: float | None = None
        self._connects = work.writer.connects
        self._doubted: Final[list[int]] = []

    async def claim(self, requests: Sequence[ClaimRequest]) -> None:
        """Hand out planned lines (T1), for any number of callers; the requests are filled with them.

        Args:
            requests: What is wanted.

        Raises:
            DatabaseError: When the database cannot be used, has not answered for `patience_s`, or fails each try:
                nobody gets a line.
            LedgerError: When the key of the code marks cannot be opened, or other workers take each line first.
        """
        if self._work.job is None:
            return
        until = time.monotonic() + self._work.writer.patience_s
        for left in reversed(range(_TRIES)):
            try:
                if await self._try(requests):
                    return
            except DatabaseError as error:
                # What was reserved, and perhaps armed, is not known: the next try, or claim, gives it back first.
                self.doubt_claims()
                for request in requests:
                    request.lines, request.short = [], ""
                if not is_passing(error) and (error.final or not left or time.monotonic() >= until):
                    raise
        raise LedgerError(f"other workers keep changing the lines that {self._work.name} claims")

    async def _try(self, requests: Sequence[ClaimRequest]) -> bool:
        """Claim once; return whether that is the answer."""
        work = self._work
        await self.settle_doubt()
        job = work.job_to_send()
        for request in requests:
            request.lines, request.short = [], ""
        wanted = sum(request.limit for request in requests)
        reserved = _Reserved(await work.writer.run(lambda c: c.fetch(_RESERVE, job.id, work.worker, wanted)))
        if self.is_elsewhere(reserved.started):
            self.doubt_claims()  # what was reserved goes back once it is known what this server lacks
            return False
        if not reserved.alive:
            await self.register_anew()
            return False
        work.note_currency(reserved.currency)
        if reserved.copied:
            await work.reread_job()  # so that the ledger says it is `copied`
        if reserved.epoch is None:
            return True
        funds = Funds(reserved.committed, reserved.currency)
        if reserved.unpriced and any(request.budget is not None for request in requests):
            unpriced = await work.writer.run(lambda c: first_unpriced(c, job.id, reserved.currency))
            funds = funds._replace(unpriced=unpriced)
        moment = work.moment(reserved.epoch)
        moves = decide_claims(requests, [one.line for one in reserved.lines.values()], moment, funds)
        if not moves:
            await self._release(reserved.epoch, reserved.lines)
            return True
        try:
            await self._arm(
                reserved,
                moves,
                Guard(
                    moment.now,
                    most_committed([(request.budget, request.lines) for request in requests], funds),
                    running=True,
                    reserved=reserved.epoch,
                ),
            )
        except RefusedWriteError as refused:
            await self._release(reserved.epoch, reserved.lines)
            if refused.why is Why.LEASE:
                await self.register_anew()
            elif refused.why is Why.JOB:
                await work.reread_job()
            return False
        lines = [line for request in requests for line in request.lines]
        return not await self.given_back_late(lines, moment.now)

    async def given_back_late(self, lines: Sequence[LedgerLine], since: float) -> bool:
        """Give lines back whose hold began long ago: this process was stopped. Return whether it did.

        Args:
            lines: Lines that were armed, and that no caller has yet.
            since: When, by the ledger's clock.

        Raises:
            DatabaseError: They cannot be given back now; the next claim does it.
            LedgerError: Likewise.
        """
        if not lines or self._work.clock.now() <= since + _FRESH_S:
            return False
        try:
            await self._records.write([given_back(lines)])
        except (DatabaseError, LedgerError):
            self._work.holding.drop(lines)  # no caller gets them, so they are what `settle_doubt` looks for
            self.doubt_claims()
            raise
        return True

    async def _arm(self, reserved: _Reserved, moves: Sequence[Move], guard: Guard) -> None:
        """Write the intent to send lines; the reserved ones that were not taken go back."""
        work, job = self._work, self._work.known_job()
        taken = {move.after.seq: move.after for move in moves}
        back = [seq for seq in reserved.lines if seq not in taken]
        epoch = reserved.epoch or 0
        what = Write(
            job=job.id,
            account=job.account,
            worker=work.worker,
            at=guard.slot,
            currency=reserved.currency,
            moves=moves,
            revs={seq: stored.rev for seq, stored in reserved.lines.items()},
            back=back,
            narrowed=(epoch, list(taken)) if back else None,
            guard=guard,
        )
        revs = await work.writer.run(lambda connection: write(connection, what))
        work.holding.take(epoch, [Stored(line, revs[seq]) for seq, line in taken.items()])

    async def _release(self, epoch: int, seqs: Collection[int]) -> None:
        """Give back what was reserved and not armed."""
        work = self._work
        await work.writer.run(lambda c: c.execute(_RELEASE, epoch, list(seqs), work.worker))

    async def register_anew(self) -> None:
        """Go on as a new worker: the lease has ended, so others may have taken over what this one held."""
        work = self._work
        if work.lease is None:
            return
        before = work.worker
        try:
            await work.lease.register()
        finally:
            # While this is the old worker, its claims are still its own, and the lines that are held are on their way
            # to the vendor. If they were forgotten and the registration failed, they would look like stray claims.
            if work.worker != before:
                work.holding.clear()
                _LOG.warning(
                    "the lease of worker %d has ended, as after a stop or a cut-off of more than %.0f s: this process"
                    " goes on as worker %d, and whoever took over settles what it was sending",
                    before,
                    LEASE_S,
                    work.worker,
                )

    @property
    def has_reconnected(self) -> bool:
        """Whether there is another connection since `settle_doubt` looked at what is held.

        Perhaps it leads to another server, which lacks commits: it may show lines as planned that this worker is
        sending. Nothing that was read since then may be armed.
        """
        return self._connects != self._work.writer.connects

    def is_elsewhere(self, started: float) -> bool:
        """Return whether another server answers than the one that `settle_doubt` looked at, or on another connection.

        Args:
            started: When the server started that has answered.
        """
        server = self._work.server
        return self.has_reconnected or server is None or server.started != started

    def doubt_claims(self, epoch: int | None = None) -> None:
        """Note that a claim's answer was lost: what it has reserved, and perhaps armed, is not known.

        Args:
            epoch: The claim's, if its row is written together with its lines.
        """
        self._doubted_until = time.monotonic() + _STRAYS_S
        if epoch is not None:
            self._doubted.append(epoch)

    async def settle_doubt(self) -> None:
        """Give back lines of claims whose answer was lost: nobody has sent them. Do this before each claim.

        A lost statement may still run, or wait for a lock. One that would arm lines is waited for, or forbidden. One
        that would only reserve lines shows its claim when it ends, so claims are looked for during two minutes; after
        that, its lines come back with the end of this worker.
        """
        work = self._work
        # Send nothing whose codes could not be told. It also connects where the connection was lost: before the look.
        await work.writer.run(work.open_marks, again=True)
        # A pooler may lead to another server on the same connection, and then a statement fails, or names that server.
        # A job that this opening made, or found, has not noted its server yet.
        if self.has_reconnected or self._doubted_until is not None or not work.has_noted_server:
            await check_held(work)
            self._connects = work.writer.connects
        if self._doubted_until is None:
            return
        late = time.monotonic() > self._doubted_until
        while self._doubted:
            forbidden = (_FENCE_CLAIM, self._doubted[-1], work.known_job().id, work.worker)
            await work.writer.run(partial(_execute, arguments=forbidden), again=True)
            self._doubted.pop()
        for row in await work.writer.run(lambda c: c.fetch(_OWN, work.worker, work.holding.epochs)):
            claim = DeadClaim(*row.values())
            for _ in range(_TRIES):
                armed = await work.writer.run(partial(self._release_stray, claim=claim))
                if not armed:
                    break
                await self._records.write([given_back(armed)])
        if late:
            self._doubted_until = None

    async def _release_stray(self, connection: DatabaseConnection, claim: DeadClaim) -> list[LedgerLine]:
        """Release a claim that nobody has, unless lines of it are armed; return these."""
        async with connection.transaction():
            await bound_wait(connection)
            # The locks wait for a lost statement that is arming these lines now; one that comes later finds other
            # revisions.
            found = await read_stored(connection, claim.seqs, lock=True)
            armed = [one.line for one in found.lines.values() if _is_armed(one, claim.epoch)]
            if not armed:
                await connection.execute(_RELEASE, claim.epoch, list(_reserved_only(found, claim.epoch)), claim.worker)
        return armed

    async def recover(self) -> int:
        """Put lines in doubt (T7) that workers were sending whose lease has ended; give back what they only reserved.

        Returns:
            How many lines are in doubt now.
        """
        work, moved = self._work, 0
        if work.job is None:
            return 0
        await work.reread_job()  # every run begins with this: it must not begin with an old generation or account
        await check_held(work)
        job = work.known_job().id
        await work.writer.run(fence, again=True)
        for _ in range(_TRIES):
            dead = await work.writer.run(lambda c: dead_claims(c, job, _DEAD_AT_ONCE), again=True)
            if not dead:
                return moved
            try:
                moved += await work.writer.run(partial(self._doubt, dead=dead))
            except RefusedWriteError:
                await work.reread_job()
                continue  # a late result, or another worker that recovers: read again
        return moved

    async def _doubt(self, connection: DatabaseConnection, dead: Sequence[DeadClaim]) -> int:
        work, job = self._work, self._work.known_job()
        found = await read_stored(connection, [seq for claim in dead for seq in claim.seqs])
        armed: list[Stored] = []
        back: list[int] = []
        for claim in dead:
            ours = [found.lines[seq] for seq in claim.seqs if seq in found.lines]
            armed += [stored for stored in ours if _is_armed(stored, claim.epoch)]
            back += [seq for seq in _reserved_only(found, claim.epoch) if seq in claim.seqs]
        work.note_currency(found.currencies.get(job.id, ""))
        moment = work.moment(await new_epoch(connection))
        # A lease that has ended stops nobody: the last byte may leave until the end of the hold, which begins with the
        # claim. So no earlier moment is known after which the sender surely sent nothing.
        moves = state_for_all(Evidence.SENDER_DIED, [stored.line for stored in armed], moment, at=None)
        what = Write(
            job=job.id,
            account=job.account,
            worker=work.worker,
            at=moment.now,
            currency=work.currency,
            moves=moves,
            revs={seq: stored.rev for seq, stored in found.lines.items()},
            back=sorted(set(back)),
            closed=[claim.epoch for claim in dead],
        )
        await write(connection, what)
        return len(moves)


async def _execute(connection: DatabaseConnection, arguments: tuple[str, int, int, int]) -> None:
    await connection.execute(*arguments)


def _is_armed(stored: Stored, epoch: int) -> bool:
    """Return whether a line is being sent by a claim."""
    return stored.line.state is LineState.SENDING and stored.line.epoch == epoch


def _reserved_only(found: Found, epoch: int) -> dict[int, Stored]:
    """Return the lines that a claim has reserved and never armed."""
    return {
        seq: stored
        for seq, stored in found.lines.items()
        if stored.line.state is LineState.PLANNED and found.looks[seq] is None and stored.line.epoch < epoch
    }


def most_committed(taken: Sequence[tuple[int | None, Sequence[LedgerLine]]], funds: Funds) -> int | None:
    """Return the most that may be committed before lines are taken, so that each still fits; None if nothing bounds it.

    Args:
        taken: Budget and lines of each request, in order of asking.
        funds: What was committed when they were taken.
    """
    reserved, most = 0, None
    for budget, lines in taken:
        reserved += sum(commitment(line, funds.currency) for line in lines)
        if budget is not None and lines:
            left = budget - reserved
            most = left if most is None else min(most, left)
    return most
