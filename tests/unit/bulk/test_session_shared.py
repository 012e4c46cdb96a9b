"""`session` beside other workers: each line is sent by one, the dead are recovered, a pause for funds is for all."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import anyio
import pytest

from tests.unit.bulk.jobs import Client, broke, delivered, issuer, lines
from tests.unit.bulk.shared import Place, Worker
from xoxo_async import errors
from xoxo_async.bulk import Pause
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.bulk.running.others import OtherWorkers

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for dead workers, and at what others hold, every few milliseconds."""
    monkeypatch.setattr("xoxo_async.bulk.session.OtherWorkers", partial(OtherWorkers, every_s=0.01))
    monkeypatch.setattr("xoxo_async.bulk.session._LOOK_AGAIN_S", 0.01)
    monkeypatch.setattr("xoxo_async.bulk.session._LOOK_AGAIN_AT_LAST_S", 0.01)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """Yield a shared ledger, empty."""
    async with Place(tmp_path / "l.db") as place:
        yield place


async def until(condition: object) -> None:
    """Wait until a callable returns something true."""
    with anyio.fail_after(20):
        while not condition():  # type: ignore[operator]
            await anyio.sleep(0.001)


async def test_two_workers_send_each_line_once(client: Client, place: Place) -> None:
    """Together they issue all of them, and both runs end."""
    keys = [f"k{number}" for number in range(40)]
    await issuer(client, place.join()).plan(lines(*keys))  # type: ignore[arg-type]
    runs = [issuer(client, place.join(), concurrency=3) for _ in range(2)]  # type: ignore[arg-type]
    with anyio.fail_after(30):
        reports = await asyncio.gather(*(run.resume() for run in runs))
    assert sum(report.placed_now for report in reports) == 40
    assert len(client.sent) == len(set(client.sent)) == 40
    assert all(report.issued == 40 for report in reports)


async def test_the_last_worker_stays_for_the_dead(client: Client, place: Place) -> None:
    """A worker dies with a claimed line while nothing else is left: the run that waits looks it up and sends it."""
    await issuer(client, place.join()).plan(lines("a"))  # type: ignore[arg-type]
    dying = place.join()
    await dying.claim(1)
    run = asyncio.create_task(issuer(client, place.join()).resume())  # type: ignore[arg-type]
    await asyncio.wait([run], timeout=0.2)
    assert not run.done()
    assert client.sent == []
    dying.dead = True
    with anyio.fail_after(20):
        report = await run
    assert (report.issued, len(client.sent)) == (1, 1), (report, client.looked_up)
    assert client.looked_up[0] == client.sent[0]


async def test_a_dead_worker_is_recovered_while_sending(client: Client, place: Place) -> None:
    """A run of hours must not leave the lines of the dead to its end."""
    await issuer(client, place.join()).plan(lines("a", "b"))  # type: ignore[arg-type]
    dying = place.join()
    (held,) = await dying.claim(1)
    seen: list[LineState] = []

    async def die(_po_number: str) -> None:
        dying.dead = True
        with anyio.fail_after(20):
            while not seen or seen[-1] is not LineState.UNKNOWN:
                line = await place.ledger.find(held.key)
                assert line is not None
                seen.append(line.state)
                await anyio.sleep(0.001)
        client.happens = lambda _po_number: anyio.sleep(0)

    client.happens = die
    report = await issuer(client, place.join()).resume()  # type: ignore[arg-type]
    assert seen[-1] is LineState.UNKNOWN
    assert report.issued == 2


async def test_missing_funds_pause_the_job_for_all(client: Client, place: Place) -> None:
    """The other worker claims nothing more; only a person goes on."""
    await issuer(client, place.join()).plan(lines("a", "b", "c"))  # type: ignore[arg-type]
    client.happens = broke
    first = await issuer(client, place.join()).resume()  # type: ignore[arg-type]
    assert first.pause is Pause.FUNDS
    assert await place.ledger.paused() == first.reason
    other = place.join()
    assert await other.claim(1) == []
    client.happens = lambda _po_number: anyio.sleep(0)
    report = await issuer(client, other).resume()  # type: ignore[arg-type]
    assert (report.pause, report.issued) == (Pause.NONE, 3)
    assert await place.ledger.paused() is None


async def test_a_pause_ends_the_other_runs(client: Client, place: Place) -> None:
    """While they work: what is in flight ends, and the report says why."""
    await issuer(client, place.join()).plan(lines("a", "b", "c"))  # type: ignore[arg-type]

    async def pause(_po_number: str) -> None:
        await place.ledger.pause("a person said so")

    client.happens = pause
    report = await issuer(client, place.join()).resume()  # type: ignore[arg-type]
    assert (report.pause, report.reason) == (Pause.JOB, "a person said so")
    assert (report.issued, report.not_sent, report.unknown, report.exit_code) == (1, 2, 0, 5)


@pytest.mark.parametrize("refusal", [errors.RateLimitedError("slow", retry_after_s=0), errors.ConnectError("gone")])
async def test_a_trouble_of_one_worker_pauses_nobody(client: Client, place: Place, refusal: errors.XoxoError) -> None:
    """A penalty or a dead network may be this worker's own."""
    await issuer(client, place.join()).plan(lines("a"))  # type: ignore[arg-type]

    async def refuse(_po_number: str) -> None:
        raise refusal

    client.happens = refuse
    report = await issuer(client, place.join(), pause_limit_s=0).resume()  # type: ignore[arg-type]
    assert report.pause in {Pause.RATE, Pause.UNREACHABLE}
    assert await place.ledger.paused() is None


async def test_one_worker_settles(client: Client, place: Place) -> None:
    """Another one that meets the same line in doubt waits, and looks nothing up."""
    await issuer(client, place.join()).plan(lines("a"))  # type: ignore[arg-type]
    settler = place.join()
    client.loses(1, booked=True)
    client.refuses = errors.CredentialsRejectedError("not you")
    await issuer(client, settler).resume()  # type: ignore[arg-type]
    client.refuses = None
    place.settler, place.settles_until = settler, float("inf")
    await place.ledger.unpause()
    client.looked_up.clear()
    run = asyncio.create_task(issuer(client, place.join()).reconcile())  # type: ignore[arg-type]
    await asyncio.wait([run], timeout=0.1)
    assert not run.done()
    assert client.looked_up == []
    place.settles_until = 0.0
    with anyio.fail_after(20):
        report = await run
    assert (report.unknown, report.issued) == (0, 1)


async def test_a_sleeper_counts_what_came_too_late(client: Client, place: Place) -> None:
    """Its line was taken over while it slept: no error, one count, and the order exists once."""
    await issuer(client, place.join()).plan(lines("a"))  # type: ignore[arg-type]
    sleeper, other = place.join(), place.join()

    async def sleep(po_number: str) -> None:
        sleeper.dead = True
        assert await other.recover() == 1
        sleeper.dead = False
        client.books[po_number] = delivered(50)
        client.happens = lambda _po_number: anyio.sleep(0)
        raise errors.ReplyLostError("gone")

    client.happens = sleep
    report = await issuer(client, sleeper).resume()  # type: ignore[arg-type]
    assert (report.superseded, report.issued, len(client.sent)) == (1, 1, 1)


async def test_an_idle_worker_does_not_spin(client: Client, place: Place) -> None:
    """Lines are planned, and the ledger gives none of them out: the claims come at growing distances."""
    await issuer(client, place.join()).plan(lines("a", "b"))  # type: ignore[arg-type]

    class Reserved(Worker):
        async def claim(self, limit: int, **budget: object) -> list[object]:  # type: ignore[override]
            self.claims += 1
            return [] if reserved else await super().claim(limit)

    reserved = True
    idle = Reserved(place)
    place.workers.append(idle)
    run = asyncio.create_task(issuer(client, idle).resume())  # type: ignore[arg-type]
    await asyncio.wait([run], timeout=0.5)
    assert 2 <= idle.claims <= 6
    reserved = False
    with anyio.fail_after(20):
        report = await run
    assert report.issued == 2
