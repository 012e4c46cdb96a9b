"""`loop`: shift after shift on each open job, through failures of the ledger, until stopped or done."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.unit.bulk.jobs import Client, broke, issuer, lines
from tests.unit.bulk.shared import Place
from xoxo_async import errors
from xoxo_async.bulk import LineState, Shift, SqliteLedger, open_jobs, open_ledger, run_shift
from xoxo_async.bulk.ledger.protocol import Identity, Ledger
from xoxo_async.workers.loop import Worker
from xoxo_async.workers.shifts import ShiftSettings
from xoxo_async.workers.state import Health

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for jobs every few milliseconds."""
    monkeypatch.setattr("xoxo_async.workers.loop._LOOK_EVERY_S", 0.01)


class Told:
    """What a worker says."""

    def __init__(self) -> None:
        self.shifts: list[Shift] = []
        self.troubles: list[str] = []
        self.notes: list[str] = []


async def planned(client: Client, path: Path, *keys: str, job: str = "march") -> None:
    async with SqliteLedger(path) as ledger:
        await issuer(client, ledger, job=job).plan(lines(*keys))


def worker(client: Client, folder: Path, told: Told | None = None, *, many: bool = False, **settings: Any) -> Worker:
    """Return a worker on all ledgers of a folder: `march.db` holds the job `march`."""
    told = told or Told()

    def files() -> list[Path]:
        return sorted(folder.glob("*.db"))

    async def jobs() -> Sequence[str]:
        return [job for path in files() for job in await open_jobs(path)]

    def opened(job: str) -> Ledger:
        return open_ledger(folder / f"{job}.db", must_exist=True)

    chosen = ShiftSettings(**{"concurrency": 1, "settle_s": 0.0, "pause_limit_s": 0.0, **settings})
    return Worker(
        client,  # type: ignore[arg-type]
        jobs,
        opened,
        run_shift=run_shift,
        settings=chosen,
        told=told.shifts.append,
        troubled=told.troubles.append,
        noted=told.notes.append,
        many=many,
    )


async def counts(path: Path) -> dict[LineState, int]:
    async with SqliteLedger(path, read_only=True) as ledger:
        return {state: number for state, number in (await ledger.counts()).states.items() if number}


async def test_all_jobs_are_worked_on_until_done(client: Client, tmp_path: Path) -> None:
    """Each gets its shifts; then the worker ends if it was asked to."""
    await planned(client, tmp_path / "april.db", "a", "b", job="april")
    await planned(client, tmp_path / "march.db", "c")
    told = Told()
    one = worker(client, tmp_path, told)
    with anyio.fail_after(20):
        await one.run(until_done=True)
    assert sorted(shift.job for shift in told.shifts if shift.issued) == ["april", "march"]
    assert await counts(tmp_path / "april.db") == {LineState.PLACED: 2}
    assert await counts(tmp_path / "march.db") == {LineState.PLACED: 1}
    assert (one.state.issued, one.state.ready().ok) == (3, True)


async def test_jobs_share_the_time(client: Client, tmp_path: Path) -> None:
    """A large job does not keep a small one waiting."""
    await planned(client, tmp_path / "april.db", *(f"a{n}" for n in range(400)), job="april")
    await planned(client, tmp_path / "march.db", "c")
    client.happens = lambda _po_number: anyio.sleep(0.01)
    told = Told()
    one = worker(client, tmp_path, told, seconds=0.4)
    async with anyio.create_task_group() as group:
        group.start_soon(one.run)
        with anyio.fail_after(20):
            while await counts(tmp_path / "march.db") != {LineState.PLACED: 1}:
                await anyio.sleep(0.01)
        one.stop()
    assert (await counts(tmp_path / "april.db"))[LineState.PLANNED] > 0


async def test_a_stopped_worker_gives_lines_back(client: Client, tmp_path: Path) -> None:
    """What is in flight ends; nothing stays claimed."""
    await planned(client, tmp_path / "march.db", "a", "b", "c")
    one = worker(client, tmp_path)

    async def stop(_po_number: str) -> None:
        one.stop()
        await anyio.sleep(0.01)

    client.happens = stop
    with anyio.fail_after(20):
        await one.run()
    assert await counts(tmp_path / "march.db") == {LineState.PLACED: 1, LineState.PLANNED: 2}
    assert one.state.ready().reason == "stopping"


async def test_a_worker_cut_off_keeps_the_doubt(client: Client, tmp_path: Path) -> None:
    """The order in flight may exist; the rest goes back."""
    await planned(client, tmp_path / "march.db", "a", "b")
    one = worker(client, tmp_path)

    async def hang(_po_number: str) -> None:
        one.cut_off()
        await anyio.sleep_forever()

    client.happens = hang
    with anyio.fail_after(20):
        await one.run()
    assert await counts(tmp_path / "march.db") == {LineState.UNKNOWN: 1, LineState.PLANNED: 1}
    assert one.cut_in_flight == 1


async def test_a_shift_cut_off_counts_what_it_issued(client: Client, tmp_path: Path) -> None:
    """The last words of a worker tell all that it issued."""
    await planned(client, tmp_path / "march.db", "a", "b", "c")
    one = worker(client, tmp_path)

    async def hang(_po_number: str) -> None:
        if len(client.sent) == 2:
            while not one.progress.placed:
                await anyio.sleep(0)
            one.cut_off()
            await anyio.sleep_forever()

    client.happens = hang
    with anyio.fail_after(20):
        await one.run()
    assert (one.state.issued, one.cut_in_flight) == (1, 1)


async def test_a_ledger_away_mid_shift_is_told(client: Client, tmp_path: Path) -> None:
    """A shift waits a minute before it fails; whoever watches the worker sees at once why nothing happens."""
    await planned(client, tmp_path / "march.db", "a")
    told = Told()
    one = worker(client, tmp_path, told)
    fails = True

    class Ledger:
        job = "march"

        async def paused(self) -> str | None:
            if fails:
                raise errors.LedgerError("the database is away")
            return None

    one._ledger = ledger = Ledger()  # type: ignore[assignment]
    for _ in range(2):
        await one._ask_ledger(ledger)  # type: ignore[arg-type]
    fails = False
    for _ in range(2):
        await one._ask_ledger(ledger)  # type: ignore[arg-type]
    assert told.troubles == ["the ledger fails: the database is away; the worker waits for it"]
    assert told.notes == ["the ledger answers again"]


async def test_a_paused_job_lets_a_worker_end(client: Client, tmp_path: Path) -> None:
    """Nothing else is left that it may do; a person has to."""
    await planned(client, tmp_path / "march.db", "a", "b")
    client.happens = broke
    one = worker(client, tmp_path)
    with anyio.fail_after(20):
        await one.run(until_done=True)
    assert one.last["march"].needs_a_person
    assert one.state.ready().reason.startswith("job march is paused: the vendor refused for lack of funds")


async def test_a_ledger_that_never_answers_ends_the_worker(client: Client, tmp_path: Path) -> None:
    """The address is wrong, or the database is down: whoever started the worker must see it."""

    async def jobs() -> Sequence[str]:
        raise errors.LedgerError("the database does not answer")

    one = Worker(client, jobs, lambda job: open_ledger(tmp_path / job), run_shift=run_shift)  # type: ignore[arg-type]
    with pytest.raises(errors.LedgerError, match="does not answer"):
        await one.run()


async def test_a_ledger_that_fails_later_is_waited_for(client: Client, tmp_path: Path) -> None:
    """The trouble is told once, and the health check knows it."""
    await planned(client, tmp_path / "march.db", "a")
    told = Told()
    one = worker(client, tmp_path, told)
    one.state.ledger_answered()
    reads = one._jobs
    failures = 3

    async def failing() -> Sequence[str]:
        nonlocal failures
        if failures:
            failures -= 1
            if failures == 1:
                assert one.state.ready().reason == "the ledger fails: the database restarts"
            raise errors.LedgerError("the database restarts")
        return await reads()

    one._jobs = failing  # type: ignore[misc]
    one._sleep = lambda _seconds: anyio.sleep(0)  # type: ignore[method-assign]
    with anyio.fail_after(20):
        await one.run(until_done=True)
    assert (told.troubles, told.notes) == (["the database restarts"], ["the ledger answers again"])
    assert await counts(tmp_path / "march.db") == {LineState.PLACED: 1}
    assert one.state.ready().ok


async def test_a_foreign_ledger_ends_the_worker(client: Client, tmp_path: Path) -> None:
    """Waiting does not make it ours."""
    await planned(client, tmp_path / "march.db", "a")
    client.account_fingerprint = "another"
    with pytest.raises(errors.ConfigError, match="another account"):
        await worker(client, tmp_path).run()
    assert client.sent == []


async def test_a_foreign_job_is_left_out(client: Client, tmp_path: Path) -> None:
    """A worker of all jobs works on the others, names that one once, and ends when the others are done."""
    await planned(client, tmp_path / "april.db", "a", job="april")
    await planned(client, tmp_path / "march.db", "b")
    async with SqliteLedger(tmp_path / "april.db") as ledger:
        await ledger.rebind(Identity("https://plum.test:443/chef", "another"), reason="a test")
    told = Told()
    one = worker(client, tmp_path, told, many=True)
    with anyio.fail_after(20):
        await one.run(until_done=True)
    assert await counts(tmp_path / "march.db") == {LineState.PLACED: 1}
    assert await counts(tmp_path / "april.db") == {LineState.PLANNED: 1}
    assert list(one.refused) == ["april"]
    (trouble,) = told.troubles
    assert trouble.startswith("job april: this ledger was begun with another account")


async def test_a_job_that_fails_keeps_no_other_waiting(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others get their shifts, its trouble is told once with its name, and it is tried at growing distances."""
    for job in ("april", "march"):
        await planned(client, tmp_path / f"{job}.db", "a", job=job)
    monkeypatch.setattr("xoxo_async.workers.loop._FIRST_WAIT_S", 0.1)
    told = Told()
    one = worker(client, tmp_path, told, many=True)
    works, tried = one._run_shift, list[float]()

    async def fail(client: Any, ledger: Ledger, **settings: Any) -> Shift:
        if ledger.job == "april":
            tried.append(anyio.current_time())
            raise errors.LedgerError("its lines cannot be read")
        return await works(client, ledger, **settings)

    one._run_shift = fail  # type: ignore[misc,assignment]
    async with anyio.create_task_group() as group:
        group.start_soon(one.run)
        with anyio.fail_after(20):
            while await counts(tmp_path / "march.db") != {LineState.PLACED: 1} or len(tried) < 3:
                await anyio.sleep(0.01)
            while one.state.ready().reason != "job april fails: its lines cannot be read":
                await anyio.sleep(0.01)
        assert tried[1] - tried[0] >= 0.1
        assert tried[2] - tried[1] >= 0.2
        one._run_shift = works  # type: ignore[misc]
        with anyio.fail_after(20):
            while await counts(tmp_path / "april.db") != {LineState.PLACED: 1}:
                await anyio.sleep(0.01)
        one.stop()
    assert told.troubles == ["job april: its lines cannot be read"]
    assert told.notes == ["job april: its shifts work again"]


async def test_a_database_that_fails_ends_the_round(client: Client, tmp_path: Path) -> None:
    """Its error is no job's own: no other job is tried, and the line names none."""
    for job in ("april", "march"):
        await planned(client, tmp_path / f"{job}.db", "a", job=job)
    told = Told()
    one = worker(client, tmp_path, told, many=True)
    works, reads, tried = one._run_shift, one._jobs, list[str]()

    async def away() -> Sequence[str]:
        one._jobs, one._run_shift = reads, works  # type: ignore[misc]
        raise errors.LedgerError("the database restarts")

    async def fail(_client: Any, ledger: Ledger, **_settings: Any) -> Shift:
        tried.append(str(ledger.job))
        one._jobs = away  # type: ignore[misc]
        raise errors.LedgerError("the database restarts")

    one._run_shift = fail  # type: ignore[misc,assignment]
    one._sleep = lambda _seconds: anyio.sleep(0.01)  # type: ignore[method-assign]
    with anyio.fail_after(20):
        await one.run(until_done=True)
    assert tried == ["april"]
    assert (told.troubles, told.notes) == (["the database restarts"], ["the ledger answers again"])


async def test_a_job_left_out_is_taken_later(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person binds it to this account; until then it is not opened at each look."""
    await planned(client, tmp_path / "march.db", "a")
    mine, client.account_fingerprint = client.account_fingerprint, "another"
    one = worker(client, tmp_path, many=True)
    assert await one.shift("march") is None
    client.account_fingerprint = mine
    assert await one.shift("march") is None
    monkeypatch.setitem(one._due, "march", 0.0)
    shift = await one.shift("march")
    assert shift is not None
    assert (shift.issued, one.refused) == (1, {})


async def test_a_job_for_no_worker_is_told_once(client: Client, tmp_path: Path) -> None:
    """The health check names it while nothing else is left, and forgets it once it is done."""
    await planned(client, tmp_path / "march.db", "a")
    told, others = Told(), {"points": "no worker sends points"}
    one = worker(client, tmp_path, told)
    one._others = lambda: others  # type: ignore[misc]
    with anyio.fail_after(20):
        await one.run(until_done=True)
    assert (len(client.sent), one.refused) == (1, others)
    await one.open_jobs()
    assert told.troubles == ["job points: no worker sends points"]
    assert one.state.ready() == Health(ok=False, reason="job points is left out: no worker sends points")
    others.clear()
    await one.open_jobs()
    assert (one.refused, one.state.ready().reason) == ({}, "no job has open lines")


async def test_an_unfit_place_ends_the_worker(client: Client, tmp_path: Path) -> None:
    """Before it looks for jobs."""
    one = worker(client, tmp_path)

    async def refuse() -> None:
        raise errors.LedgerError("it would lose orders")

    one._check = refuse  # type: ignore[misc]
    with pytest.raises(errors.LedgerError, match="lose orders"):
        await one.run(until_done=True)


async def test_a_missing_token_shows_in_the_health(client: Client, tmp_path: Path) -> None:
    """The check makes no call while the token lives."""

    async def refuse() -> None:
        raise errors.CredentialsRejectedError("not you")

    allow, client.authorise = client.authorise, refuse
    told = Told()
    one = worker(client, tmp_path, told)
    async with anyio.create_task_group() as group:
        group.start_soon(one.run)
        with anyio.fail_after(10):
            while one.state.ready().reason != "no token: not you":
                await anyio.sleep(0.001)
        one.stop()
    await one._ask_for_token()
    client.authorise = allow
    await one._ask_for_token()
    assert told.troubles == ["no token: not you; asked for again every 15 s"]
    assert told.notes == ["there is a token again"]


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


async def test_a_fleet_sends_each_line_once(client: Client, place: Place) -> None:
    """Three workers on one job; one is cut off half-way, and the others look its line up."""
    keys = [f"k{n}" for n in range(60)]
    await issuer(client, place.join()).plan(lines(*keys))  # type: ignore[arg-type]

    async def jobs() -> Sequence[str]:
        states = (await place.ledger.counts()).states
        open_ = (LineState.PLANNED, LineState.SENDING, LineState.UNKNOWN)
        return ["march"] if any(states.get(state) for state in open_) else []

    settings = ShiftSettings(concurrency=2, settle_s=0.0, seconds=5.0)
    fleet = [Worker(client, jobs, lambda _job: Opened(place), run_shift=run_shift, settings=settings) for _ in range(3)]  # type: ignore[arg-type,return-value]

    async def happen(po_number: str) -> None:
        await anyio.sleep(0.002)
        if len(client.sent) == 20:
            fleet[0].cut_off()
            await anyio.sleep(0.01)

    client.happens = happen
    with anyio.fail_after(30):
        await asyncio.gather(*(one.run(until_done=True) for one in fleet))
    assert {state: n for state, n in (await place.ledger.counts()).states.items() if n} == {LineState.PLACED: 60}
    sent = Counter(client.sent)
    again = [po_number for po_number, times in sent.items() if times > 1]
    assert len(sent) == 60
    # What the cut worker had in flight was never booked here, so it is sent again; no other line is.
    assert len(client.sent) - 60 == len(again) <= fleet[0].cut_in_flight
