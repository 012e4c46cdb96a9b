"""Shifts delivered by procrastinate. Start as many of these processes as you like, on any machine.

Before the first one: `xoxo ledger migrate --ledger "$XOXO_LEDGER"`, and procrastinate's own schema (see its manual).
XOXO_LEDGER is the database of the ledgers, for example postgresql://xoxo@db/xoxo.
"""

import asyncio
import os
from contextlib import suppress

from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued

from xoxo_async import XoxoClient
from xoxo_async.bulk import open_jobs, open_ledger, run_shift

LEDGER = os.environ["XOXO_LEDGER"]
app = App(connector=PsycopgConnector(conninfo=LEDGER))


@app.task(name="xoxo_shift", queue="xoxo", pass_context=True)
async def shift(context: JobContext, job: str) -> None:
    """Work on a job for 20 s, which is less than the time that Kubernetes gives a process to end."""
    xoxo = context.additional_context["xoxo"]
    async with open_ledger(LEDGER, job=job, must_exist=True) as ledger:
        done = await run_shift(xoxo, ledger, seconds=20)
    if done.again_in_s is not None:
        await enqueue(job, done.again_in_s)


async def enqueue(job: str, seconds: float = 0) -> None:
    """Enqueue one shift, unless this process has one waiting. A fleet has as many as it has processes."""
    lock = f"{job} {os.getpid()}"
    with suppress(AlreadyEnqueued):
        await shift.configure(queueing_lock=lock, schedule_in={"seconds": seconds}).defer_async(job=job)


async def tick() -> None:
    """Each minute, enqueue a shift for every job with open lines, and the shifts of dead workers again."""
    while True:
        for job in await open_jobs(LEDGER):
            await enqueue(job)
        for stalled in await app.job_manager.get_stalled_jobs():
            await app.job_manager.retry_job(stalled)
        await asyncio.sleep(60)


async def main() -> None:
    async with XoxoClient.from_env() as xoxo, app.open_async():
        ticking = asyncio.create_task(tick())
        await app.run_worker_async(queues=["xoxo"], concurrency=1, additional_context={"xoxo": xoxo})
        ticking.cancel()


if __name__ == "__main__":
    asyncio.run(main())
