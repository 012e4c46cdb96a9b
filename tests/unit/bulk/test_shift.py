"""`shift`: work for a while, leave the rest; harmless twice, at once, and on a paused job."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.unit.bulk.jobs import Client, broke, delivered, issuer, lines
from tests.unit.bulk.shared import Place
from xoxo_async import errors
from xoxo_async.bulk import Pause, Shift, SqliteLedger, run_shift
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LineState
from xoxo_async.bulk.ledger.protocol import Identity, Ledger
from xoxo_async.services.orders import Order

pytestmark = pytest.mark.anyio


async def shift(client: Client, ledger: Ledger, **settings: Any) -> Shift:
    """Run a shift for which two absences count at once."""
    return await run_shift(client, ledger, **{"settle_s": 0, "concurrency": 1, **settings})  # type: ignore[arg-type]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """Yield a shared ledger, empty."""
    async with Place(tmp_path / "shared.db") as place:
        yield place


async def test_a_shift_finishes_a_small_job(client: Client, ledger: SqliteLedger) -> None:
    """Then no other shift makes sense; one that comes again sends nothing."""
    await issuer(client, ledger).plan(lines("a", "b"))
    done = await shift(client, ledger)
    assert (done.job, done.issued, done.left, done.again_in_s, done.paused) == ("march", 2, 0, None, None)
    again = await shift(client, ledger)
    assert (again.issued, again.left, again.again_in_s, len(client.sent)) == (0, 0, None, 2)


async def test_a_shift_ends_in_its_time(client: Client, ledger: SqliteLedger) -> None:
    """What it has not sent is planned again, and another shift makes sense at once."""
    client.happens = lambda _po_number: anyio.sleep(0.01)
    await issuer(client, ledger).plan(lines(*(f"k{n}" for n in range(500))))
    done = await shift(client, ledger, seconds=0.4)
    assert done.report.pause is Pause.INTERRUPTED
    assert (done.again_in_s, done.left) == (0.0, 500 - done.issued)
    assert 0 < done.issued < 500
    assert LineState.SENDING not in {s for s, n in (await ledger.counts()).states.items() if n}


async def test_a_shift_is_stopped_in_order(client: Client, ledger: SqliteLedger) -> None:
    """What is in flight ends, the rest goes back."""
    stopping = anyio.Event()

    async def stop(_po_number: str) -> None:
        stopping.set()
        await anyio.sleep(0.01)

    client.happens = stop
    await issuer(client, ledger).plan(lines("a", "b", "c"))
    done = await shift(client, ledger, stopping=stopping)
    assert (done.issued, done.left, done.again_in_s) == (1, 2, 0.0)
    assert (await ledger.counts()).states.get(LineState.PLANNED) == 2


async def test_shifts_at_once_send_each_line_once(client: Client, place: Place) -> None:
    """A queue may deliver the same shift to several workers."""
    await issuer(client, place.join()).plan(lines(*(f"k{n}" for n in range(40))))  # type: ignore[arg-type]
    client.happens = lambda _po_number: anyio.sleep(0.001)
    done = await asyncio.gather(*(shift(client, place.join()) for _ in range(3)))  # type: ignore[arg-type]
    assert sum(one.issued for one in done) == 40
    assert len(client.sent) == len(set(client.sent)) == 40


async def test_a_shift_leaves_what_others_hold(client: Client, place: Place) -> None:
    """It does not wait for them, and says when to look again."""
    await issuer(client, place.join()).plan(lines("a", "b"))  # type: ignore[arg-type]
    await place.join().claim(1)
    with anyio.fail_after(10):
        done = await shift(client, place.join())  # type: ignore[arg-type]
    assert (done.issued, done.left, done.again_in_s) == (1, 1, 5.0)


async def test_a_shift_does_not_wait_for_look_ups(client: Client, ledger: SqliteLedger) -> None:
    """A line in doubt that may not count as absent yet is left for the next shift."""
    await issuer(client, ledger).plan(lines("a"))
    client.loses(1, booked=False)
    with anyio.fail_after(10):
        done = await shift(client, ledger, settle_s=100)
    assert (done.left, done.report.unknown, len(client.looked_up)) == (1, 1, 1)
    assert done.again_in_s == 15.0
    done = await shift(client, ledger, settle_s=0)
    while done.left:
        done = await shift(client, ledger, settle_s=0)
    assert (done.report.issued, len(client.sent)) == (1, 2)


async def test_a_long_job_looks_its_doubts_up(client: Client, ledger: SqliteLedger) -> None:
    """A shift that ends by its time looks them up at its start: they need not wait until all lines are sent."""
    await issuer(client, ledger).plan(lines(*(f"k{n}" for n in range(500))))
    client.loses(1, booked=True)
    lose = client.happens

    async def happen(po_number: str) -> None:
        await anyio.sleep(0.01)
        await lose(po_number)

    client.happens = happen
    first = await shift(client, ledger, seconds=0.4)
    assert (first.again_in_s, first.in_doubt, client.looked_up) == (0.0, 1, [])
    second = await shift(client, ledger, seconds=0.4)
    assert (second.again_in_s, second.in_doubt, client.looked_up) == (0.0, 0, client.sent[:1])
    assert second.left > 0


async def test_early_look_ups_leave_time_to_send(
    client: Client, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They take a quarter of the shift at most, also if the vendor is slow; what was found by then is kept."""
    await issuer(client, ledger).plan(lines(*(f"k{n}" for n in range(500))))
    for line in await ledger.claim(20):
        await ledger.record([Change(seq=line.seq, evidence=Evidence.OUTCOME_LOST, epoch=line.epoch)])
        client.books[line.po_number] = delivered(1000 + line.seq)
    client.happens = lambda _po_number: anyio.sleep(0.01)
    find = client.find

    async def slow(po_number: str) -> Order | None:
        found = await find(po_number)
        if len(client.looked_up) > 8:
            await anyio.sleep_forever()
        return found

    monkeypatch.setattr(client, "find", slow)
    with anyio.fail_after(10):
        done = await shift(client, ledger, seconds=2.0)
    assert done.in_doubt == 12
    assert client.sent


async def test_a_shift_without_time_asks_for_no_codes(client: Client, ledger: SqliteLedger) -> None:
    """A shift that ends by its time asks for none, so the next one that has time asks, and not ten minutes later."""
    asked = await late_code(client, ledger)
    await issuer(client, ledger).plan(lines(*(f"k{n}" for n in range(100))))
    client.happens = lambda _po_number: anyio.sleep(0.01)
    assert (await shift(client, ledger, seconds=0.2)).again_in_s == 0.0
    assert asked == []
    client.happens = lambda _po_number: anyio.sleep(0)
    assert (await shift(client, ledger)).again_in_s == 600.0
    assert asked == [9000]


async def test_a_paused_job_is_settled_and_not_sent(client: Client, ledger: SqliteLedger) -> None:
    """A pause ends the sending alone."""
    await issuer(client, ledger).plan(lines("a", "b"))
    client.loses(1, booked=True)
    client.refuses = errors.ServerError("502")
    first = await shift(client, ledger, pause_limit_s=0)
    client.refuses = None
    await ledger.pause("a person said so")
    sent = len(client.sent)
    done = await shift(client, ledger)
    assert first.report.unknown == 1
    assert (done.report.unknown, done.paused, len(client.sent)) == (0, "a person said so", sent)
    if done.left:
        assert done.again_in_s == 60.0
    assert await ledger.paused() is not None


async def test_missing_funds_pause_the_job(client: Client, ledger: SqliteLedger) -> None:
    """Also where one process works: the next shift must not ask the vendor again."""
    await issuer(client, ledger).plan(lines("a", "b"))
    client.happens = broke
    done = await shift(client, ledger)
    assert done.paused is not None
    assert "lack of funds" in done.paused
    sent = len(client.sent)
    again = await shift(client, ledger)
    assert (again.issued, len(client.sent)) == (0, sent)
    client.happens = lambda _po_number: anyio.sleep(0)
    assert (await issuer(client, ledger).resume()).issued == 2


async def test_a_cancelled_shift_loses_no_doubt(client: Client, ledger: SqliteLedger) -> None:
    """What was in flight is in doubt, and the next shift finds it."""
    await issuer(client, ledger).plan(lines("a"))

    async def hang(po_number: str) -> None:
        client.loses(1, booked=True)
        try:
            scope.cancel()
            await anyio.sleep_forever()
        finally:
            with pytest.raises(errors.ReplyLostError):
                await client.happens(po_number)

    client.happens = hang
    with anyio.CancelScope() as scope:
        await shift(client, ledger)
    assert (await ledger.counts()).states.get(LineState.UNKNOWN) == 1
    done = await shift(client, ledger)
    assert (done.left, done.report.issued, len(client.sent)) == (0, 1, 1)


async def test_late_codes_are_asked_for_seldom(client: Client, ledger: SqliteLedger) -> None:
    """Each line that waits costs a call; the next shift comes after ten minutes."""
    asked = await late_code(client, ledger)
    assert (await shift(client, ledger)).again_in_s == 600.0
    assert (await shift(client, ledger)).again_in_s == 600.0
    assert len(asked) == 1


async def late_code(client: Client, ledger: SqliteLedger) -> list[int]:
    """Plan a line whose code never comes; return the order ids that are asked for."""
    await issuer(client, ledger).plan(lines("a"))
    (line,) = await ledger.claim(1)
    fact = Change(seq=line.seq, evidence=Evidence.ANSWERED_PLACED, epoch=line.epoch, order_id=9000)
    await ledger.record(
        [Change(**{n: getattr(fact, n) for n in fact.__struct_fields__} | {"delivery": Delivery.PENDING})]
    )
    asked: list[int] = []

    async def get(*, order_id: int) -> object:
        asked.append(order_id)
        raise errors.NotFoundError("not yet")

    client.get = get  # type: ignore[method-assign,assignment]
    return asked


async def test_a_ledger_without_a_job_is_refused(client: Client, ledger: SqliteLedger) -> None:
    """There is nothing to work on."""
    with pytest.raises(errors.ConfigError, match="holds no job yet"):
        await shift(client, ledger)


async def test_another_account_is_refused(client: Client, ledger: SqliteLedger) -> None:
    """Nothing is sent."""
    await issuer(client, ledger).plan(lines("a"))
    await ledger.rebind(Identity("https://plum.test:443/chef", "another"), reason="a test")
    with pytest.raises(errors.ConfigError, match="another account"):
        await shift(client, ledger)
    assert client.sent == []


async def test_too_long_a_history_goes_to_a_person(
    client: Client, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each shift reads it from its beginning: without a bound of its own, no shift would ever come to its end."""

    async def endless(*_days: object) -> AsyncIterator[object]:
        await anyio.sleep_forever()
        yield

    monkeypatch.setattr(client.orders, "iterate_history", endless)
    await issuer(client, ledger).plan(lines("a"))
    (line,) = await ledger.claim(1)
    await ledger.record([Change(seq=line.seq, evidence=Evidence.REFUSED_UNCLEAR, epoch=line.epoch)])
    for _ in range(10):  # two absences, some seconds apart, and then the history
        if (await shift(client, ledger, seconds=4.0)).in_doubt == 0:
            break
    (line,) = [line async for line in ledger.lines()]
    assert line.state is LineState.MANUAL
    assert not client.sent
