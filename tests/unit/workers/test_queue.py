"""`queue`: pgqueuer delivers shifts at least once, to any number of workers; the ledger does the rest."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import anyio
import asyncpg
import pytest

from tests.unit.bulk.jobs import Client, broke, issuer, lines
from tests.unit.bulk.shared import Place
from xoxo_async import errors
from xoxo_async.bulk import LineState, Shift, run_shift
from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.roles import apply_roles
from xoxo_async.workers.loop import Worker
from xoxo_async.workers.queue import PREFIX, PgqueuerEngine
from xoxo_async.workers.shifts import ShiftSettings

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The queue logs each shift that is delivered again."""
    logger = logging.getLogger("pgqueuer")
    level, logger.level = logger.level, logging.CRITICAL
    yield
    logger.level = level


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """Yield a shared ledger, empty."""
    async with Place(tmp_path / "shared.db") as place:
        yield place


class Opened:
    """An opening of a shared ledger for one shift."""

    def __init__(self, place: Place) -> None:
        self._ledger = place.join()

    async def __aenter__(self) -> Any:
        return self._ledger

    async def __aexit__(self, *_error: object) -> None:
        pass


def worker(
    client: Client,
    place: Place,
    name: str = "",
    troubles: list[str] | None = None,
    *,
    told: list[Shift] | None = None,
    notes: list[str] | None = None,
    many: bool = False,
    job: str = "march",
) -> Worker:
    async def jobs() -> Sequence[str]:
        states = (await place.ledger.counts()).states
        open_ = (LineState.PLANNED, LineState.SENDING, LineState.UNKNOWN)
        return [job] if any(states.get(state) for state in open_) else []

    settings = ShiftSettings(concurrency=2, settle_s=0.0, seconds=5.0)
    one = Worker(
        client,  # type: ignore[arg-type]
        jobs,
        lambda _job: Opened(place),  # type: ignore[arg-type,return-value]
        run_shift=run_shift,
        settings=settings,
        told=(told if told is not None else []).append,
        troubled=(troubles if troubles is not None else []).append,
        noted=(notes if notes is not None else []).append,
        many=many,
    )
    one.name += name  # type: ignore[misc]
    return one


async def until_placed(place: Place, number: int) -> None:
    with anyio.fail_after(40):
        while (await place.ledger.counts()).states.get(LineState.PLACED, 0) < number:
            await anyio.sleep(0.01)


async def queued(database: str) -> list[str]:
    """Return the jobs of the shifts that wait or are under way."""
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch("SELECT entrypoint FROM pgqueuer ORDER BY id")
        return [row["entrypoint"].removeprefix(PREFIX) for row in rows]
    finally:
        await connection.close()


async def leave_a_shift(client: Client, place: Place, database: str, job: str) -> None:
    """Leave a shift of a job in the queue, as a worker that was killed does."""
    await issuer(client, place.join()).plan(lines(*"abcdef"))  # type: ignore[arg-type]
    dead = worker(client, place, f" dead of {job}", job=job)
    client.happens = lambda _po_number: stop(dead)
    await dead.run(engine=PgqueuerEngine(DatabaseAddress.read(database)))
    client.happens = lambda _po_number: anyio.sleep(0)


async def stop(one: Worker) -> None:
    one.stop()


async def test_the_queue_delivers_shifts(client: Client, place: Place, database: str) -> None:
    """Its tables are made by the first worker; a shift that left nothing is not delivered again."""
    await issuer(client, place.join()).plan(lines("a", "b", "c"))  # type: ignore[arg-type]
    one = worker(client, place)
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: one.run(engine=PgqueuerEngine(DatabaseAddress.read(database))))
        await until_placed(place, 3)
        with anyio.fail_after(20):
            while await queued(database):
                await anyio.sleep(0.01)
        one.stop()
    assert len(client.sent) == 3
    assert one.state.issued == 3


async def test_a_fleet_shares_the_queue(client: Client, place: Place, database: str) -> None:
    """Three workers that start at once work on one job at once; one is cut off, and no line is sent twice."""
    keys = [f"k{n}" for n in range(100)]
    await issuer(client, place.join()).plan(lines(*keys))  # type: ignore[arg-type]
    fleet = [worker(client, place, str(n)) for n in range(3)]

    async def happen(po_number: str) -> None:
        await anyio.sleep(0.1)
        if len(client.sent) == 20:
            fleet[0].cut_off()

    client.happens = happen
    address = DatabaseAddress.read(database)
    async with anyio.create_task_group() as group:
        for one in fleet:
            group.start_soon(lambda one=one: one.run(engine=PgqueuerEngine(address)))  # type: ignore[misc]
        await until_placed(place, 100)
        for one in fleet:
            one.stop()
    sent = Counter(client.sent)
    again = [po_number for po_number, times in sent.items() if times > 1]
    assert len(sent) == 100
    # What the cut worker had in flight was never booked here, so it is sent again; no other line is.
    assert len(client.sent) - 100 == len(again) <= fleet[0].cut_in_flight
    assert client.most_in_flight > 2


async def test_a_worker_that_is_done_may_end(client: Client, place: Place, database: str) -> None:
    """The queue goes on waiting for messages, so the worker looks at the jobs itself."""
    await issuer(client, place.join()).plan(lines("a", "b", "c"))  # type: ignore[arg-type]
    with anyio.fail_after(40):
        await worker(client, place).run(until_done=True, engine=PgqueuerEngine(DatabaseAddress.read(database)))
    assert len(client.sent) == 3


async def test_a_shift_left_by_a_stopped_worker_stays(client: Client, place: Place, database: str) -> None:
    """Another worker takes it from the queue at once."""
    await issuer(client, place.join()).plan(lines(*"abcdef"))  # type: ignore[arg-type]
    first, second = worker(client, place, "1"), worker(client, place, "2")

    async def stop(_po_number: str) -> None:
        first.stop()

    client.happens = stop
    address = DatabaseAddress.read(database)
    await first.run(engine=PgqueuerEngine(address))
    assert await queued(database) == ["march"]
    client.happens = lambda _po_number: anyio.sleep(0)
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: second.run(engine=PgqueuerEngine(address, tick_s=3600)))
        await until_placed(place, 6)
        second.stop()
    assert len(client.sent) == 6


async def test_a_paused_job_waits_in_the_queue(client: Client, place: Place, database: str) -> None:
    """It is asked about again after a minute, and not in a loop."""
    await issuer(client, place.join()).plan(lines("a", "b"))  # type: ignore[arg-type]
    client.happens = broke
    one = worker(client, place, told=(shifts := []))
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: one.run(engine=PgqueuerEngine(DatabaseAddress.read(database))))
        with anyio.fail_after(20):
            while not shifts:
                await anyio.sleep(0.01)
        sent = len(client.sent)
        await asyncio.wait([asyncio.ensure_future(asyncio.sleep(0.5))])
        assert (len(shifts), len(client.sent)) == (1, sent)
        one.stop()
    assert await queued(database) == ["march"]


async def test_a_lost_connection_is_made_again(
    client: Client, place: Place, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database ends it in the midst of the work, as at a restart; the worker tells it once, and goes on."""
    monkeypatch.setattr("xoxo_async.workers.queue._TROUBLE_S", 0.05)
    troubles: list[str] = []
    one = worker(client, place, troubles=troubles)
    async with anyio.create_task_group() as group:
        await issuer(client, place.join()).plan(lines("a"))  # type: ignore[arg-type]
        group.start_soon(lambda: one.run(engine=PgqueuerEngine(DatabaseAddress.read(database), tick_s=0.05)))
        await until_placed(place, 1)
        await end_connections(database)
        with anyio.fail_after(30):
            while not troubles:
                await anyio.sleep(0.01)
        await issuer(client, place.join()).plan(lines("a", "b"))  # type: ignore[arg-type]
        await until_placed(place, 2)
        one.stop()
    assert len(client.sent) == 2


async def test_the_documented_role_uses_the_queue(client: Client, place: Place, database: str) -> None:
    """Its owner makes the tables and applies the roles; until then the error says what to do, and names the queue."""
    await issuer(client, place.join()).plan(lines("a", "b"))  # type: ignore[arg-type]
    admin, user = f"a{uuid4().hex[:10]}", f"u{uuid4().hex[:10]}"
    address = DatabaseAddress.read(database)
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(f"CREATE ROLE {admin} LOGIN SUPERUSER")
        await apply_roles(connection, address)
        await connection.execute(f"CREATE ROLE {user} LOGIN")
        await connection.execute(f"GRANT xoxo_worker TO {user}")
        theirs = DatabaseAddress.read(database.replace("//xoxo@", f"//{user}@"))

        async def work(address: DatabaseAddress) -> None:
            with anyio.fail_after(40):
                await worker(client, place).run(until_done=True, engine=PgqueuerEngine(address))

        with pytest.raises(errors.ConfigError, match=r"no tables of pgqueuer.*--roles apply.*--engine none"):
            await work(theirs)
        await work(DatabaseAddress.read(database.replace("//xoxo@", f"//{admin}@")))
        await issuer(client, place.join()).plan(lines("a", "b", "c"))  # type: ignore[arg-type]
        with pytest.raises(errors.ConfigError, match=r"rights to the tables of pgqueuer.*--roles apply.*--engine none"):
            await work(theirs)
        await apply_roles(connection, address)
        await work(theirs)
    finally:
        await connection.close()
    assert len(client.sent) == 3


async def test_another_jobs_shift_waits_for_its_worker(
    client: Client, place: Place, database: str, tmp_path: Path
) -> None:
    """A worker of one job neither dies at it nor takes it; a worker of that job gets it at once."""
    await leave_a_shift(client, place, database, "april")
    before = await attempts(database)
    troubles: list[str] = []
    address = DatabaseAddress.read(database)
    async with Place(tmp_path / "march.db") as march, anyio.create_task_group() as group:
        await issuer(client, march.join()).plan(lines("c", "d"))  # type: ignore[arg-type]
        one = worker(client, march, " of march", troubles)
        group.start_soon(lambda: one.run(engine=PgqueuerEngine(address, tick_s=0.05)))
        await until_placed(march, 2)
        with anyio.fail_after(20):
            while await queued(database) != ["april"]:
                await anyio.sleep(0.01)
        await asyncio.wait([asyncio.ensure_future(asyncio.sleep(0.5))])
        assert (await queued(database), await attempts(database), troubles) == (["april"], before, [])
        assert not one.stopping.is_set()
        other = worker(client, place, " of april", job="april")
        group.start_soon(lambda: other.run(engine=PgqueuerEngine(address)))
        await until_placed(place, 6)
        one.stop()
        other.stop()


async def attempts(database: str) -> list[int]:
    """Return how often each shift in the queue was delivered again."""
    connection = await asyncpg.connect(database)
    try:
        return [row["attempts"] for row in await connection.fetch("SELECT attempts FROM pgqueuer ORDER BY id")]
    finally:
        await connection.close()


async def test_a_busy_worker_holds_no_other_shift(client: Client, place: Place, database: str) -> None:
    """It asks for none while it does one: what it takes and gives back, a free worker cannot take."""
    await leave_a_shift(client, place, database, "march")
    before = await attempts(database)
    go_on, one = anyio.Event(), worker(client, place, " busy")
    client.happens = lambda _po_number: go_on.wait()
    sent = len(client.sent)
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: one.run(engine=PgqueuerEngine(DatabaseAddress.read(database))))
        with anyio.fail_after(20):
            while len(client.sent) == sent or len(await queued(database)) < 2:
                await anyio.sleep(0.01)
        await asyncio.wait([asyncio.ensure_future(asyncio.sleep(1.5))])
        assert sum(await attempts(database)) <= sum(before) + 1
        go_on.set()
        await until_placed(place, 6)
        one.stop()


class Shifts:
    """A worker of three jobs that never end: it notes the shifts, and stops after some."""

    many, refused, failing = True, {}, {}  # type: ignore[var-annotated]

    def __init__(self, name: str, shifts: int) -> None:
        self.name = name
        self.stopping = anyio.Event()
        self.done: list[str] = []
        self._shifts = shifts

    async def open_jobs(self) -> list[str]:
        return ["a", "b", "c"]

    def takes(self, _job: str) -> bool:
        return True

    async def shift(self, job: str) -> Any:
        self.done.append(job)
        if len(self.done) == self._shifts:
            self.stopping.set()
        return SimpleNamespace(again_in_s=0.0 if job != "c" else 3600.0)

    def outlives(self, error: errors.XoxoError) -> bool:
        raise error

    def note(self, line: str) -> None:
        raise AssertionError(line)


async def test_jobs_take_turns(database: str) -> None:
    """The oldest message comes first, and one that is given back stays the oldest: the worker asks for the others."""
    address = DatabaseAddress.read(database)
    await PgqueuerEngine(address)(Shifts("dead", 1))  # so that there are more messages than workers
    one = Shifts("one", 9)
    with anyio.fail_after(40):
        await PgqueuerEngine(address)(one)
    assert one.done.count("c") <= 2
    turns = [job for job in one.done if job != "c"]
    assert abs(turns.count("a") - turns.count("b")) <= 1, one.done


async def test_a_finished_jobs_shift_is_taken_away(client: Client, place: Place, database: str, tmp_path: Path) -> None:
    """By a worker of all jobs, which tells it once: a purged job is no reason for trouble at each start."""
    await leave_a_shift(client, place, database, "old")
    assert await queued(database) == ["old"]
    troubles: list[str] = []
    notes: list[str] = []
    async with Place(tmp_path / "march.db") as march, anyio.create_task_group() as group:
        one = worker(client, march, " of all", troubles, notes=notes, many=True)
        group.start_soon(lambda: one.run(engine=PgqueuerEngine(DatabaseAddress.read(database), tick_s=0.05)))
        with anyio.fail_after(20):
            while await queued(database):
                await anyio.sleep(0.01)
        await asyncio.wait([asyncio.ensure_future(asyncio.sleep(0.3))])
        one.stop()
    assert troubles == []
    assert notes == ["job old has no lines for a worker: its old shift was taken out of the queue"]


async def test_an_older_messages_key_blocks_no_shift(client: Client, place: Place, database: str) -> None:
    """Under its entry point `xoxo_shift` nobody takes a message, and its key named the same worker and job."""
    await leave_a_shift(client, place, database, "march")
    one = worker(client, place, " of march")
    connection = await asyncpg.connect(database)
    try:
        older = ("xoxo_shift", f"xoxo march {one.name}")
        assert await connection.execute("UPDATE pgqueuer SET entrypoint = $1, dedupe_key = $2", *older) == "UPDATE 1"
    finally:
        await connection.close()
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: one.run(engine=PgqueuerEngine(DatabaseAddress.read(database), tick_s=0.05)))
        try:
            await until_placed(place, 6)
        finally:
            one.stop()


async def test_a_job_purged_meanwhile_is_no_trouble(client: Client, place: Place, database: str) -> None:
    """Its shift fails as no job does that still has lines; the message leaves the queue."""
    await issuer(client, place.join()).plan(lines("a"))  # type: ignore[arg-type]
    troubles: list[str] = []
    one = worker(client, place, "", troubles, many=True)
    is_purged = False

    async def purged(_client: Any, _ledger: Any, **_settings: Any) -> Shift:
        nonlocal is_purged
        is_purged = True
        raise errors.LedgerError("the job was purged")

    async def jobs() -> list[str]:
        return [] if is_purged else ["march"]

    one._run_shift, one._jobs = purged, jobs  # type: ignore[misc,assignment]
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: one.run(engine=PgqueuerEngine(DatabaseAddress.read(database))))
        with anyio.fail_after(20):
            while not is_purged or await queued(database):
                await anyio.sleep(0.01)
        one.stop()
    assert troubles == []


async def test_a_job_left_out_waits_for_another(client: Client, place: Place, database: str) -> None:
    """A worker of another account gives it back at once, and asks for it no more."""
    await issuer(client, place.join()).plan(lines("a", "b"))  # type: ignore[arg-type]
    foreign = Client()
    foreign.account_fingerprint = "another"
    address = DatabaseAddress.read(database)
    troubles: list[str] = []
    one = worker(foreign, place, " foreign", troubles, many=True)
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: one.run(engine=PgqueuerEngine(address, tick_s=0.05)))
        with anyio.fail_after(20):
            while not troubles:
                await anyio.sleep(0.01)
        await asyncio.wait([asyncio.ensure_future(asyncio.sleep(0.5))])
        assert (await queued(database), await attempts(database)) == (["march"], [1])
        other = worker(client, place, " right", many=True)
        group.start_soon(lambda: other.run(engine=PgqueuerEngine(address)))
        await until_placed(place, 2)
        one.stop()
        other.stop()
    assert (foreign.sent, len(troubles)) == ([], 1)


async def end_connections(database: str) -> None:
    """End all connections to a database but our own."""
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    finally:
        await connection.close()


async def test_a_database_away_at_the_start_ends_it(client: Client, place: Place) -> None:
    """In one line that names it, without a password."""
    address = DatabaseAddress.read("postgresql://xoxo:secret-word@127.0.0.1:1/xoxo")
    with pytest.raises(errors.LedgerError, match=r"the database postgresql://xoxo@127\.0\.0\.1:1/xoxo") as caught:
        await worker(client, place).run(engine=PgqueuerEngine(address))
    assert "secret-word" not in str(caught.value)


async def test_a_foreign_job_is_left_out(client: Client, place: Place, database: str) -> None:
    """It is named, and the worker ends once nothing else is left; the only job of a worker ends it with the error."""
    await issuer(client, place.join()).plan(lines("a"))  # type: ignore[arg-type]
    client.account_fingerprint = "another"
    engine = PgqueuerEngine(DatabaseAddress.read(database))
    troubles: list[str] = []
    with anyio.fail_after(40):
        await worker(client, place, "1", troubles, many=True).run(until_done=True, engine=engine)
    assert [line.startswith("job march: this ledger was begun with another account") for line in troubles] == [True]
    with anyio.fail_after(40), pytest.raises(errors.ConfigError, match="another account"):
        await worker(client, place, "2").run(engine=engine)
    assert client.sent == []


async def test_a_shift_that_fails_is_delivered_again(
    client: Client, place: Place, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its trouble is told once, with the name of the job."""
    monkeypatch.setattr("xoxo_async.workers.queue._TROUBLE_S", 0.05)
    monkeypatch.setattr("xoxo_async.workers.loop._FIRST_WAIT_S", 0.01)
    await issuer(client, place.join()).plan(lines("a"))  # type: ignore[arg-type]
    troubles: list[str] = []
    one = worker(client, place, troubles=troubles)
    works, failures = one._run_shift, 2

    async def fail(client: Any, ledger: Any, **settings: Any) -> Shift:
        nonlocal failures
        if failures:
            failures -= 1
            raise errors.LedgerError("its lines cannot be read")
        return await works(client, ledger, **settings)

    one._run_shift = fail  # type: ignore[misc,assignment]
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: one.run(engine=PgqueuerEngine(DatabaseAddress.read(database))))
        await until_placed(place, 1)
        one.stop()
    assert (failures, troubles) == (0, ["job march: its lines cannot be read"])


async def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    monkeypatch.setattr("xoxo_async.workers.queue.find_spec", lambda _name: None)
    with pytest.raises(errors.ConfigError, match=r"pip install 'xoxo-async\[cluster\]'"):
        PgqueuerEngine(DatabaseAddress.read("postgresql://db/xoxo"))
