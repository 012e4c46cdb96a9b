"""Shifts delivered by procrastinate. Start as many of these processes as you like, on any machine.

Before the first one: xoxo ledger migrate --ledger "$XOXO_LEDGER" (a postgresql:// URL), and procrastinate's schema.
"""

import asyncio
import logging
import os
from contextlib import suppress

from procrastinate import App, JobContext, PsycopgConnector, exceptions, jobs

from xoxo_async import XoxoClient
from xoxo_async.bulk import open_jobs, open_ledger, run_shift

LEDGER, AGAIN_S = os.environ["XOXO_LEDGER"], 60.0
app = App(connector=PsycopgConnector(conninfo=LEDGER))


@app.task(name="xoxo_shift", queue="xoxo", pass_context=True)
async def shift(context: JobContext, job: str) -> None:
    """Work on a job for 20 s, less than Kubernetes gives a process to end. If it fails, the tick enqueues the next."""
    async with open_ledger(LEDGER, job=job, must_exist=True) as ledger:
        done = await run_shift(context.additional_context["xoxo"], ledger, seconds=20)
    if done.again_in_s is not None:
        await enqueue(job, done.again_in_s)


async def enqueue(job: str, in_s: float = 0) -> None:
    """Enqueue one shift, unless this process has one waiting. A fleet has as many as it has processes."""
    with suppress(exceptions.AlreadyEnqueued):
        await shift.configure(queueing_lock=f"{job} {os.getpid()}", schedule_in={"seconds": in_s}).defer_async(job=job)


async def tick() -> None:
    """Again and again, enqueue a shift for every job with open lines, and clear those of dead workers away."""
    while True:
        try:
            for job in await open_jobs(LEDGER):
                await enqueue(job)
            for stalled in await app.job_manager.get_stalled_jobs():
                await app.job_manager.finish_job(stalled, jobs.Status.FAILED, delete_job=True)
        except Exception:
            logging.getLogger("tick").exception("a tick failed, the next one comes")
        await asyncio.sleep(AGAIN_S)


async def main() -> None:
    async with XoxoClient.from_env() as xoxo, app.open_async():
        ticking = asyncio.create_task(tick())
        await app.run_worker_async(queues=["xoxo"], concurrency=1, additional_context={"xoxo": xoxo})
        ticking.cancel()


if __name__ == "__main__":
    asyncio.run(main())
