"""Add single lines that are to be sent at once, already armed; see the steps in `bulk.ledger.arming`."""

# ruff: noqa: S608 - the only names put into SQL are this package's own

from collections.abc import Sequence
from typing import Final

from xoxo_async.bulk.ledger.arming import ArmRequest, Owner, decide_arms
from xoxo_async.bulk.ledger.bookkeeping import StoredLine
from xoxo_async.bulk.ledger.budget import Funds
from xoxo_async.bulk.ledger.facts import CURRENCY, PLANNED_AT
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.bulk.ledger.owners import check_identity, check_job
from xoxo_async.bulk.ledger.postgres.claiming import Claiming, most_committed
from xoxo_async.bulk.ledger.postgres.columns import Stored
from xoxo_async.bulk.ledger.postgres.facts import set_facts
from xoxo_async.bulk.ledger.postgres.jobs import JobRow, bind, find_job, make_job, reread
from xoxo_async.bulk.ledger.postgres.kept import keep
from xoxo_async.bulk.ledger.postgres.sums import first_unpriced
from xoxo_async.bulk.ledger.postgres.work import Found, Work, bound_wait, next_epoch, read_stored
from xoxo_async.bulk.ledger.postgres.writing import Guard, RefusedWriteError, Why, Write, write
from xoxo_async.errors import BulkError, LedgerConflictError, LedgerError, LineBusyError
from xoxo_async.postgres.driver import DatabaseConnection
from xoxo_async.postgres.failures import DatabaseError, is_passing

__all__ = ["Arming"]

_TRIES: Final = 20
_BUSY_S: Final = 10.0
_WANTED: Final = "unnest($3::text[], $4::text[]) WITH ORDINALITY AS new (key, po_number, place)"
# A poNumber belongs to one line of the account, in whichever job; a key to one line of the job.
_STORED: Final = " UNION ALL ".join(
    f"SELECT (new.place - 1)::integer AS place, old.key, old.po_number, old.digest, old.row, {seq} AS seq,"
    f" {first} AS first, old.job FROM {_WANTED} JOIN xoxo.{table} AS old ON {match}{where}"
    for seq, first, table, where in (
        ("old.id", "NULL::integer", "line", ""),
        ("old.pack", "old.first", "packed_line", " AND NOT old.unpacked"),
    )
    for match in (
        "old.job = $1 AND old.key = new.key",
        "old.account = $2 AND old.po_number = new.po_number AND NOT (old.job = $1 AND old.key = new.key)",
    )
)
_IDS: Final = "SELECT nextval('xoxo.line_id_seq') AS id FROM generate_series(1, $1)"
_PAUSED: Final = "SELECT reason FROM xoxo.job WHERE id = $1 AND state = 'paused'"
_SPENT: Final = "SELECT committed, unpriced FROM xoxo.job WHERE id = $1"


class Arming:
    """The single lines of an open ledger.

    Args:
        work: Of the ledger.
        claiming: Recovers the lines of dead workers.
    """

    def __init__(self, work: Work, claiming: Claiming) -> None:
        self._work: Final = work
        self._claiming: Final = claiming

    async def arm(self, requests: Sequence[ArmRequest]) -> None:
        """Add lines and take them for sending (T0, T1), for any number of callers.

        Args:
            requests: Filled with the lines as they stand, or with an error.

        Raises:
            DatabaseError: When the database cannot be used: nobody gets a line.
            LedgerError: When the key of the code marks cannot be opened, or other workers change each line first.
        """
        for _ in range(_TRIES):
            try:
                if await self._try(requests):
                    return
            except DatabaseError as error:
                self._claiming.doubt_claims()
                for request in requests:
                    request.armed = request.error = None
                if not is_passing(error):
                    raise
        raise LedgerError(f"other workers keep changing the lines that {self._work.name} sends")

    async def _try(self, requests: Sequence[ArmRequest]) -> bool:
        """Arm once; return whether that is the answer."""
        work = self._work
        await self._claiming.settle_doubt()
        try:
            job = await work.writer.run(lambda c: self._job_for(c, requests))
        except BulkError as error:
            for request in requests:
                request.error = error
            return True
        if not work.has_noted_server:
            return False  # the job was made, or found, only now: `settle_doubt` notes the server first
        stored, found = await work.writer.run(lambda c: self._find(c, job, requests), again=True)
        if any(_may_be_dead(one) for seq, one in found.lines.items() if not work.holding.get([seq])):
            await self._claiming.recover()
            found = await work.writer.run(lambda c: read_stored(c, list(found.lines)), again=True)
        open_requests = [request for request in requests if request.error is None]
        places = {id(request): place for place, request in enumerate(open_requests)}
        ours = [
            match._replace(place=places[id(requests[match.place])])
            for match in stored
            if id(requests[match.place]) in places
        ]
        return await self._decide(job, open_requests, ours, found)

    async def _decide(
        self, job: JobRow, requests: Sequence[ArmRequest], stored: Sequence[StoredLine], found: Found
    ) -> bool:
        work = self._work
        new = len(requests) - len({match.place for match in stored})
        ids = await self._new_ids(new) if new else [0]
        funds = await work.writer.run(lambda c: _funds(c, job, requests))
        epoch, started = await work.writer.run(next_epoch)
        moment = work.moment(epoch)
        lines = {seq: one.line for seq, one in found.lines.items()}
        sends = new or any(line.state is LineState.PLANNED for line in lines.values())
        paused = await work.writer.run(lambda c: c.fetchval(_PAUSED, job.id)) if sends else None
        owner = Owner(job.name, job.identity, job.copied, paused or "", job.kind or JobKind.ORDERS)
        arms = decide_arms(
            requests, stored, lines, owner, moment, funds, after=ids[0] - 1, dead=lambda _: False, died_at=None
        )
        if self._claiming.is_elsewhere(started):
            for request in requests:
                request.armed = request.error = None
            return False
        if not arms.moves:
            return True
        # Before the lines: where the process dies between the two, the next delivery has the columns all the same.
        await work.writer.run(lambda c: keep(c, job.id, arms.kept))
        taken = [line for request in requests for line in request.mine]
        what = Write(
            job=job.id,
            account=job.account,
            worker=work.worker,
            at=moment.now,
            currency=funds.currency,
            moves=arms.moves,
            revs={seq: one.rev for seq, one in found.lines.items()},
            new=[line.seq for line in arms.new],
            begun=(moment.epoch, [line.seq for line in taken]),
            guard=Guard(
                moment.now,
                most_committed([(request.budget, request.mine) for request in requests], funds),
                running=True,
            ),
        )
        try:
            revs = await work.writer.run(lambda connection: write(connection, what))
        except DatabaseError:
            self._claiming.doubt_claims(moment.epoch)
            raise
        except RefusedWriteError as refused:
            if refused.why is Why.LEASE:
                await self._claiming.register_anew()
            elif refused.why is Why.JOB:
                await work.reread_job()  # its generation may be over
            for request in requests:
                request.armed = request.error = None
            if refused.why is Why.BUSY:
                await self._arm_apart(requests)
                return True
            return False  # read again: a line has changed or was added, the budget has shrunk, or the job was paused
        work.holding.take(moment.epoch, [Stored(line, revs[line.seq]) for line in taken])
        return not await self._claiming.given_back_late(taken, moment.now)

    async def _arm_apart(self, requests: Sequence[ArmRequest]) -> None:
        """Arm lines one by one, of which another process is writing one: only that one has to wait."""
        if len(requests) == 1:
            requests[0].error = LineBusyError(
                f"another process is adding or changing {requests[0].line.key}, such as a plan that has not ended yet;"
                " nothing was sent",
                retry_after_s=_BUSY_S,
            )
            return
        for request in requests:
            try:
                await self.arm([request])
            except DatabaseError as error:
                request.error = LedgerError(error.message)
            except LedgerError as error:
                request.error = error

    async def _new_ids(self, count: int) -> list[int]:
        """Return numbers for new lines, one after another without a gap."""
        for _ in range(_TRIES):
            rows = await self._work.writer.run(lambda c: c.fetch(_IDS, count))
            ids = [int(row["id"]) for row in rows]
            if ids[-1] - ids[0] == count - 1:
                return ids
        raise LedgerError(f"{self._work.name} has no numbers for new lines: other workers take them too fast")

    async def _job_for(self, connection: DatabaseConnection, requests: Sequence[ArmRequest]) -> JobRow:
        """Return the job; it is made, or gets its account, with the first line that is armed in it."""
        work = self._work
        name = work.job_name or requests[0].job
        identity = next((request.identity for request in requests if request.identity is not None), None)
        if work.job is None or (work.job.identity is None and identity is not None):
            check_job(name, requests[0].job)
            async with connection.transaction():
                await bound_wait(connection)
                job = await find_job(connection, name)
                if job is None:
                    job = await make_job(connection, name, identity)
                    await set_facts(connection, job.id, {PLANNED_AT: f"{work.clock.now()}"})
                check_identity(job.identity, identity)
                if job.identity is None and identity is not None:
                    job = await bind(connection, job, identity)
            work.job = await find_job(connection, name)
        elif work.job.copied:
            work.job = await reread(connection, work.job)  # another worker may have put its lines in doubt since then
        return work.job_to_send()

    async def _find(
        self, connection: DatabaseConnection, job: JobRow, requests: Sequence[ArmRequest]
    ) -> tuple[list[StoredLine], Found]:
        keys = [request.line.key for request in requests]
        po_numbers = [request.line.po_number for request in requests]
        matches: list[StoredLine] = []
        for row in await connection.fetch(_STORED, job.id, job.account, keys, po_numbers):
            *values, its_job = row.values()
            match = StoredLine(*values)
            if its_job == job.id:
                matches.append(match)
            else:
                request = requests[match.place]
                request.error = LedgerConflictError(
                    f"{request.line.key} has the poNumber of {match.key}, which is in another job of this account"
                )
        return matches, await read_stored(connection, {match.seq for match in matches})


def _may_be_dead(stored: Stored) -> bool:
    return stored.line.state is LineState.SENDING


async def _funds(connection: DatabaseConnection, job: JobRow, requests: Sequence[ArmRequest]) -> Funds:
    """Return the state of the job's budget; what it has committed is read only where a request has a bound."""
    currency = job.facts.get(CURRENCY, "")
    if all(request.budget is None for request in requests):
        return Funds(0, currency)
    row = await connection.fetchrow(_SPENT, job.id)
    committed, unpriced = (0, 0) if row is None else (int(row["committed"]), int(row["unpriced"]))
    return Funds(committed, currency, await first_unpriced(connection, job.id, currency) if unpriced else None)
