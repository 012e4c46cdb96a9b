"""`Once` against the sandbox: a queue that delivers late, twice and at once, over a vendor that loses answers."""

import asyncio
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from tests.integration.jobs import booked_codes, connected
from xoxo_async import Verdict
from xoxo_async.bulk import LineState, Once, OrderLine, SettledLine, SqliteLedger
from xoxo_async.sandbox import Faults, Sandbox

pytestmark = pytest.mark.anyio

FAULTS = {
    "commit_then_reset": 0.06,
    "reset_before_commit": 0.06,
    "error_5xx_after": 0.03,
    "error_5xx_before": 0.03,
    "truncated": 0.02,
    "short_answer": 0.02,
}


class Queue:
    """Delivers each message at least once, and again as the verdicts say; waits are cut short."""

    def __init__(self) -> None:
        self.outcomes: dict[str, list[SettledLine]] = {}
        self.dead: dict[str, str] = {}
        self.verdicts = Counter[str]()

    async def work(self, once: Once, line: OrderLine) -> Verdict:
        """Deliver one message until it is acknowledged, or a dead letter."""

        async def deliver(settled: SettledLine) -> None:
            self.outcomes.setdefault(line.key, []).append(settled)

        for attempts in range(1, 200):
            verdict = await once.handle(line, deliver, attempts=attempts)
            self.verdicts[verdict.action] += 1
            if verdict.action == "person":
                self.dead[line.key] = verdict.why
            if verdict.action != "again":
                return verdict
            await asyncio.sleep(min(verdict.after_s, 0.05))
        raise AssertionError(f"delivered for ever: {verdict}")


def message(number: int, product_id: int = 1001, value: int = 100) -> OrderLine:
    return OrderLine(key=f"m-{number}", product_id=product_id, denomination=Decimal(value))


@pytest.mark.parametrize("unique", [False, True], ids=["accepts duplicates", "refuses duplicates"])
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_each_message_is_bought_once(tmp_path: Path, seed: int, unique: bool) -> None:
    """A hundred messages, each delivered three times at once to one of two workers, a fifth of the answers lost."""
    faults = Faults(mix=FAULTS, seed=seed)
    async with Sandbox(faults=faults, unique_po_numbers=unique) as sandbox, connected(sandbox) as client:
        async with SqliteLedger(tmp_path / "m.db") as ledger:
            workers = [Once(client, ledger, job="messages", settle_s=0.2) for _ in range(2)]
            queue = Queue()
            await asyncio.gather(
                *(queue.work(workers[copy % 2], message(number)) for number in range(100) for copy in range(3))
            )
            counts = await ledger.counts()
        assert sandbox.books().orders == 100
        assert (counts.rows, counts.issued, counts.alarms_total) == (100, 100, 0)
        assert queue.dead == {}
        assert queue.verdicts["again"] > 0
        codes = booked_codes(sandbox)
    agreed = {key: {(one.order_id, one.codes[0].code.reveal()) for one in some} for key, some in queue.outcomes.items()}
    assert [len(outcome) for outcome in agreed.values()] == [1] * 100
    assert sorted(code for outcome in agreed.values() for _, code in outcome) == sorted(codes)


async def test_one_bad_message_stops_no_other(tmp_path: Path) -> None:
    """A wrong field, a value that is not sold and a product that is sold out go to a person; the queue goes on."""
    async with Sandbox(unique_po_numbers=False) as sandbox, connected(sandbox) as client:
        async with SqliteLedger(tmp_path / "m.db") as ledger:
            once, queue = Once(client, ledger, job="messages", settle_s=0), Queue()
            good = [message(number) for number in range(5)]
            wrong = [message(7, value=-1), message(8, value=333), message(9, product_id=1011, value=500)]
            await asyncio.gather(*(queue.work(once, line) for line in [*good, *wrong]))
            states = {line.key: line.state async for line in ledger.lines()}
        assert sorted(queue.dead) == ["m-7", "m-8", "m-9"]
        assert "denomination" in queue.dead["m-7"]
        assert "DenominationError" in queue.dead["m-8"]
        assert "is manual after 5 sends" in queue.dead["m-9"]
        assert (states["m-8"], states["m-9"]) == (LineState.REJECTED, LineState.MANUAL)
        assert "m-7" not in states
        assert sandbox.books().orders == 5
