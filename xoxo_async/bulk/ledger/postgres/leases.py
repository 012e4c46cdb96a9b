"""Who works on a job: a row for each opening with a lease by the database's clock. A lease proves only who is dead.

A worker whose lease has ended is first fenced: its lease never lasts again, so its next claim is refused, whatever its
clock says. Only then are its lines taken from it. It may still be sending; the rules of doubt allow for that.
"""

# ruff: noqa: S608 - the only text put into SQL is this module's own

import asyncio
import logging
import os
import socket
from contextlib import suppress
from typing import Final, NamedTuple

from xoxo_async.bulk.ledger.postgres.clock import Reading, SharedClock
from xoxo_async.bulk.ledger.postgres.connections import Link
from xoxo_async.bulk.ledger.table import MAX_HOLD_S
from xoxo_async.bulk.ledger.terms import Holder
from xoxo_async.postgres.driver import DatabaseConnection
from xoxo_async.postgres.failures import DatabaseError

__all__ = ["LEASE_S", "DeadClaim", "Lease", "dead_claims", "fence", "read_holders"]

_LOG: Final = logging.getLogger("xoxo_async")

LEASE_S: Final = 15.0
"""How long a worker's lease lasts without a renewal."""

_RENEW_S: Final = LEASE_S / 3
# No lease is as long as this: it was written before the database's clock was set back, and says nothing any more.
_TOO_LONG: Final = f"clock_timestamp() + interval '{2 * LEASE_S} seconds'"
_SERVER: Final = "extract(epoch FROM clock_timestamp())::double precision"
_REGISTER: Final = (
    "INSERT INTO xoxo.worker (host, pid, job, lease_until)"
    " VALUES ($1, $2, $3, clock_timestamp() + make_interval(secs => $4)) RETURNING id"
)
_RENEW: Final = (
    "UPDATE xoxo.worker SET lease_until = clock_timestamp() + make_interval(secs => $2)"
    " WHERE id = $1 AND lease_until > clock_timestamp() RETURNING id"
)
_TIME: Final = f"SELECT {_SERVER}"
_OF_JOB: Final = "UPDATE xoxo.worker SET job = $2 WHERE id = $1"
_END: Final = (
    "WITH gone AS (DELETE FROM xoxo.worker AS w WHERE w.id = $1"
    " AND NOT EXISTS (SELECT FROM xoxo.claim AS c WHERE c.worker = w.id) RETURNING w.id)"
    " UPDATE xoxo.worker SET lease_until = 'epoch' WHERE id = $1 AND NOT EXISTS (SELECT FROM gone)"
)
_FENCE: Final = (
    "UPDATE xoxo.worker AS w SET lease_until = 'epoch' WHERE w.lease_until <> 'epoch'"
    f" AND (w.lease_until <= clock_timestamp() OR w.lease_until > {_TOO_LONG})"
)
_DEAD: Final = (
    "SELECT c.epoch, c.worker, c.seqs FROM xoxo.claim AS c JOIN xoxo.worker AS w ON w.id = c.worker"
    " WHERE c.job = $1 AND w.lease_until = 'epoch' ORDER BY c.epoch LIMIT $2"
)
_HOLDERS: Final = (
    "SELECT w.host, w.pid, (SELECT count(*) FROM xoxo.claim AS c, xoxo.line AS l WHERE c.worker = w.id"
    " AND c.job = $1 AND l.id = ANY (c.seqs) AND l.state = 'sending' AND l.epoch = c.epoch)::integer AS lines,"
    " greatest(0, extract(epoch FROM clock_timestamp() - w.lease_until) + $2)::double precision AS seen_s"
    " FROM xoxo.worker AS w WHERE w.job = $1 AND w.lease_until > clock_timestamp() ORDER BY w.id"
)
_SETTLE: Final = (
    "UPDATE xoxo.job SET settler = $2, settler_until = clock_timestamp() + make_interval(secs => $3)"
    f" WHERE id = $1 AND (settler = $2 OR settler_until <= clock_timestamp() OR settler_until > {_TOO_LONG})"
    " RETURNING id"
)
# As `bookkeeping.counted_anew`, and by the longest hold later: a dead sender's last byte may yet leave.
_COUNT_ANEW: Final = (
    "WITH noted AS (INSERT INTO xoxo.journal"
    " (job, line, at, from_state, to_state, transition, evidence, attempts, epoch, worker, reason)"
    " VALUES ($1, 0, $2, '', '', '-', 'clock', 0, 0, $4, $5))"
    " UPDATE xoxo.line SET last_sent_tick = $2 + $3, rev = rev + 1"
    " WHERE job = $1 AND state IN ('sending', 'unknown', 'conflict') AND last_sent_tick < $2 + $3"
)
_READINGS: Final = 3
_UNSETTLE: Final = "UPDATE xoxo.job SET settler = NULL, settler_until = 'epoch' WHERE settler = $1"


class DeadClaim(NamedTuple):
    """A claim of a worker that is fenced.

    Attributes:
        epoch: The claim's.
        worker: Who claimed.
        seqs: The lines that were reserved.
    """

    epoch: int
    worker: int
    seqs: list[int]


async def fence(connection: DatabaseConnection) -> None:
    """End for ever each lease that is over by the database's clock, or that this clock cannot have given.

    Args:
        connection: To write with.
    """
    await connection.execute(_FENCE)


async def dead_claims(connection: DatabaseConnection, job: int, limit: int) -> list[DeadClaim]:
    """Return claims of fenced workers, oldest first.

    Args:
        connection: To read with.
        job: The job.
        limit: How many at most.
    """
    return [DeadClaim(*row.values()) for row in await connection.fetch(_DEAD, job, limit)]


async def read_holders(connection: DatabaseConnection, job: int) -> list[Holder]:
    """Return the workers of a job whose lease lasts.

    Args:
        connection: To read with.
        job: The job.
    """
    return [Holder(*row.values()) for row in await connection.fetch(_HOLDERS, job, LEASE_S)]


class Lease:
    """This opening's lease, renewed on a connection of its own.

    Args:
        link: The connection.
        clock: Takes the database's time with each renewal.

    Attributes:
        worker: The number of this worker. A new one after the lease was lost: then nothing is held any more.
    """

    def __init__(self, link: Link, clock: SharedClock) -> None:
        self._link: Final = link
        self._clock: Final = clock
        self._renewing: asyncio.Task[None] | None = None
        self._job: int | None = None
        self._settles = False
        self.worker: int = 0

    async def begin(self, job: int | None) -> None:
        """Register as a worker, and keep the lease from here on.

        Args:
            job: The job; None before it exists.
        """
        self._job = job
        await self.register()
        self._renewing = asyncio.create_task(self._keep(), name="xoxo ledger lease")

    async def register(self) -> None:
        """Register as a new worker."""
        host, pid = socket.gethostname(), os.getpid()
        self.worker = int(await self._link.run(lambda c: c.fetchval(_REGISTER, host, pid, self._job, LEASE_S)))
        await self.measure()

    async def work_on(self, job: int) -> None:
        """Note which job this worker works on."""
        self._job = job
        await self._link.run(lambda c: c.execute(_OF_JOB, self.worker, job))

    async def renew(self) -> bool:
        """Renew the lease; return whether it still lasted."""
        alive = await self._link.run(lambda c: c.fetchval(_RENEW, self.worker, LEASE_S)) is not None
        await self.measure()
        return alive

    async def settles(self, job: int) -> bool:
        """Take or renew the lease of the one that settles doubts; return whether this worker has it.

        It is kept until the lease ends, or another worker has taken it over.

        Args:
            job: The job.
        """
        self._settles = await self._link.run(lambda c: c.fetchval(_SETTLE, job, self.worker, LEASE_S)) is not None
        return self._settles

    async def measure(self) -> None:
        """Read the database's clock; where it is ahead of this worker's, count lines in doubt anew and follow it."""
        for _ in range(_READINGS):
            reading = await self._link.run(self._read_clock)
            if reading is Reading.JUMPED:
                await self._link.run(self._count_anew)
                self._clock.go_forward()
            elif reading is Reading.BACK:
                _LOG.warning("the clock of the ledger's database was set back by more than two seconds")
            elif reading is not Reading.TAKEN:
                continue
            return

    async def _read_clock(self, connection: DatabaseConnection) -> Reading:
        begun = self._clock.begin()  # not before the connection is made, which may take long
        return self._clock.measured(float(await connection.fetchval(_TIME)), begun)

    async def _count_anew(self, connection: DatabaseConnection) -> None:
        by_s = self._clock.forward - self._clock.now()
        why = (
            f"the clock of the ledger's database is {by_s:.0f} s ahead of this worker's: it was set forward, or this"
            " machine stood still; the settling time of lines in doubt starts again"
        )
        _LOG.warning("%s", why)
        if self._job is not None:
            await connection.execute(_COUNT_ANEW, self._job, self._clock.forward, MAX_HOLD_S, self.worker, why)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_RENEW_S)
            try:
                await self.renew()  # a lost lease is noticed by the next claim, which registers anew
                if self._settles and self._job is not None:
                    # One pass of look-ups may take longer than a lease: another worker would begin with the same lines.
                    await self.settles(self._job)
            except DatabaseError as error:
                _LOG.warning("the lease of a worker cannot be renewed: %s", error.message)

    async def end(self) -> None:
        """Stop renewing, and end the lease: what this worker still holds can be taken over at once."""
        renewing, self._renewing = self._renewing, None
        if renewing is None:
            return
        renewing.cancel()
        with suppress(asyncio.CancelledError):
            await renewing
        with suppress(DatabaseError):
            await self._link.run(lambda c: c.execute(_UNSETTLE, self.worker))
            await self._link.run(lambda c: c.execute(_END, self.worker))
