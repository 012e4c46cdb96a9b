"""`running.single`: each step of one line is recorded before the next one, whatever happens to the caller."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.unit.bulk.jobs import Client, delivered
from tests.unit.bulk.ledger.facts import planned
from xoxo_async import errors
from xoxo_async.bulk.ledger.lines import Change, Evidence, LedgerLine, LineState, Rules
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.ledger.table import MAX_HOLD_S
from xoxo_async.bulk.running.line_lookup import LineLookUp
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.bulk.running.recorder import Recorder
from xoxo_async.bulk.running.single import SingleLine
from xoxo_async.bulk.running.stopping import StopSignal
from xoxo_async.services.orders import Order
from xoxo_async.transport.connections import OrderAnswer

pytestmark = pytest.mark.anyio

RULES = Rules(settle_s=0, spacing_s=0)


class Bench:
    """One ledger, one client, and a clock that a test moves."""

    def __init__(self, client: Client, ledger: SqliteLedger) -> None:
        self.client, self.ledger = client, ledger
        client.once = super(Client, client).once  # type: ignore[method-assign] # an order without vouchers fits any line
        self.later_s = 0.0
        self.recorder = Recorder(ledger, StopSignal())
        look_up = LineLookUp(client, ledger, RULES, Progress(), self.wall)  # type: ignore[arg-type]
        self.single = SingleLine(client, ledger, self.recorder, look_up, RULES, self.wall)  # type: ignore[arg-type]

    def wall(self) -> float:
        return self.ledger.now() + self.later_s

    async def armed(self, number: int = 1) -> LedgerLine:
        armed = await self.ledger.arm("march", planned(number, room=0))
        assert armed.mine
        return armed.line

    async def state(self, line: LedgerLine) -> LineState:
        found = await self.ledger.find(line.key)
        assert found is not None
        return found.state


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        yield Bench(Client(), ledger)


async def test_a_line_that_waited_too_long_goes_back(bench: Bench) -> None:
    """The process was suspended after the intent: recovery counts on lines that are sent at once."""
    line = await bench.armed()
    bench.later_s = MAX_HOLD_S / 2 + 1
    with pytest.raises(errors.RateLimitedError, match="nothing was sent"):
        await bench.single.send(line)
    assert await bench.state(line) is LineState.PLANNED
    assert bench.client.sent == []


async def test_a_second_cancellation_loses_nothing(bench: Bench) -> None:
    """The caller is cancelled in flight, and again while that is recorded."""
    arrived = asyncio.Event()

    async def hang(_po_number: str) -> None:
        arrived.set()
        await asyncio.Event().wait()

    bench.client.happens = hang
    line = await bench.armed()
    sending = asyncio.create_task(bench.single.send(line))
    await arrived.wait()
    sending.cancel()
    await asyncio.sleep(0)
    sending.cancel()
    await asyncio.wait([sending])
    assert sending.cancelled()
    await bench.ledger.record([])  # behind the one that was under way
    assert await bench.state(line) is LineState.UNKNOWN


async def test_a_cancelled_scope_waits_for_the_record(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scope cancels each further wait as well: the doubt is in the ledger before the cancellation goes on."""
    arrived, record, recorded = asyncio.Event(), bench.ledger.record, asyncio.Event()

    async def hang(_po_number: str) -> None:
        arrived.set()
        await asyncio.Event().wait()

    async def note(*args: Any, **kwargs: Any) -> list[LedgerLine]:
        after = await record(*args, **kwargs)
        recorded.set()
        return after

    bench.client.happens = hang
    monkeypatch.setattr(bench.ledger, "record", note)
    line = await bench.armed()
    async with anyio.create_task_group() as group:
        group.start_soon(bench.single.send, line)
        await arrived.wait()
        group.cancel_scope.cancel()
    assert recorded.is_set()
    assert await bench.state(line) is LineState.UNKNOWN


async def test_doubts_are_written_with_the_next_fact(bench: Bench) -> None:
    """An order that another answer shows to be out of step comes into doubt with that answer, in one transaction."""
    first, second = await bench.armed(1), await bench.armed(2)
    placed = await bench.single.send(first)
    assert placed.state is LineState.PLACED
    bench.recorder.add_doubt(OrderAnswer(first.po_number, placed.order_id or 0))
    assert (await bench.single.send(second)).state is LineState.PLACED
    assert await bench.state(first) is LineState.UNKNOWN
    assert await bench.recorder.write_doubts() == 0  # they are written


async def test_an_answer_to_another_request_is_a_doubt(bench: Bench) -> None:
    """It contradicts the line, so it is no proof, and its connection is not trusted."""
    answer = bench.client.once

    async def strange(*args: Any, **kwargs: Any) -> Order:
        await answer(*args, **kwargs)
        return Order(order_id=5, quantity=77)

    bench.client.once = strange  # type: ignore[method-assign]
    line = await bench.single.send(await bench.armed())
    assert (line.state, line.order_id) == (LineState.UNKNOWN, None)


async def test_a_line_settled_elsewhere_stands(bench: Bench) -> None:
    """A person placed it meanwhile: the look-up's word is refused, and the line returned as it stands."""
    line = await bench.armed()
    lost = Change(seq=line.seq, evidence=Evidence.OUTCOME_LOST, epoch=line.epoch)
    (unknown,) = await bench.ledger.record([lost])
    person = Change(seq=line.seq, evidence=Evidence.LATE_PROOF, epoch=line.epoch, order_id=70)
    await bench.ledger.record([person])
    bench.client.books[line.po_number] = delivered(71)
    after = await bench.single.settle(unknown)
    assert (after.state, after.order_id) == (LineState.PLACED, 70)


async def test_a_line_given_back_elsewhere_is_busy(bench: Bench) -> None:
    """It is free again, or another worker has it: this one does not know, so the message comes again."""
    line = await bench.armed()
    await bench.ledger.record([Change(seq=line.seq, evidence=Evidence.NOT_PROCESSED, epoch=line.epoch)])
    await bench.armed()
    with pytest.raises(errors.LineBusyError):
        await bench.single.give_back(line)
    assert await bench.state(line) is LineState.SENDING


async def test_a_failed_refresh_changes_nothing(bench: Bench) -> None:
    """The order is certain: codes that cannot be read now are read at the next delivery."""
    line = await bench.armed()
    proof = Change(seq=line.seq, evidence=Evidence.ANSWERED_PLACED, epoch=line.epoch, order_id=3)
    (placed,) = await bench.ledger.record([proof])
    get = bench.client.get

    async def fail(**_given: object) -> Order:
        raise errors.ServerError("down", status=503)

    bench.client.get = fail  # type: ignore[method-assign, assignment]
    assert await bench.single.refresh(placed) == placed
    bench.client.get = get  # type: ignore[method-assign]
    assert await bench.single.refresh(placed) == placed  # no such order: a look-up that lags
