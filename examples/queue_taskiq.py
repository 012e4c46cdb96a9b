"""Shifts as taskiq tasks. Start as many of these processes as you like, on any machine.

Before the first one: `xoxo ledger migrate --ledger "$XOXO_LEDGER"`. XOXO_LEDGER is the database of the ledgers, for
example postgresql://xoxo@db/xoxo. Put your own broker in the place of this one, which works in memory. It may lose
a message, repeat it or hand it to all processes: the ledger gives each line to one shift, and the tick comes again.
SIGTERM or Ctrl-C ends it in order: no more orders are sent, those in flight end, and nothing is left in doubt.
"""

import asyncio
import logging
import os
import signal

import anyio
from taskiq import InMemoryBroker

from xoxo_async import XoxoClient
from xoxo_async.bulk import open_jobs, open_ledger, run_shift

LEDGER, AGAIN_S = os.environ["XOXO_LEDGER"], 5.0
broker = InMemoryBroker()


@broker.task(task_name="xoxo_shift")
async def shift(job: str) -> float:
    """Work on a job for 20 s, or until this process is told to end. Return when to come again."""
    async with open_ledger(LEDGER, job=job, must_exist=True) as ledger:
        done = await run_shift(broker.state.xoxo, ledger, seconds=20, stopping=broker.state.stopping)
    return 60.0 if done.again_in_s is None else done.again_in_s


async def tick() -> None:
    """Send a shift for every job with open lines, again and again. What failed, or was lost, comes again."""
    stopping: anyio.Event = broker.state.stopping
    while not stopping.is_set():
        waits = [AGAIN_S]
        try:
            for job in await open_jobs(LEDGER):
                sent = await shift.kiq(job)
                done = await sent.wait_result(timeout=300)
                waits.append(AGAIN_S if done.is_err else done.return_value)  # taskiq logs an error
        except Exception:
            logging.getLogger("tick").exception("a tick failed, the next one comes")
        with anyio.move_on_after(min(waits)):
            await stopping.wait()


async def main() -> None:
    broker.state.stopping = stopping = anyio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with XoxoClient.from_env() as xoxo:
        broker.state.xoxo = xoxo
        await broker.startup()
        try:
            await tick()
        finally:
            await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
