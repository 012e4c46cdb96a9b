"""Read a ledger for its report."""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from xoxo_async.bulk.ledger.facts import CURRENCY, PLANNED_AT, PRODUCTS, RUNS
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Counts
from xoxo_async.bulk.ledger.overview import notes_of, products_of
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.reporting.facts import Context, Facts, facts_of
from xoxo_async.bulk.reporting.proof import ProofFact
from xoxo_async.errors import ConfigError

__all__ = ["Follow", "read_facts"]

Follow = Callable[[Counts, int | None], Awaitable[str]]
"""Returns the command that goes on with a job: from its counts, and from a process that works on it, if one does."""


async def read_facts(
    ledger: Ledger,
    *,
    proof: ProofFact | None = None,
    follow: Follow | None = None,
    clock: Callable[[], float] = time.time,
) -> Facts:
    """Return what the report of a ledger's job says. Moves no money, and needs no network but a ledger's own.

    Args:
        ledger: The ledger, open; to read only is enough.
        proof: The result of `xoxo bulk prove`, see `read_proof_fact`.
        follow: Returns the command that goes on, which the report shows; None shows none.
        clock: The wall clock, in epoch seconds.

    Raises:
        ConfigError: The proof is that of another job.
        LedgerError: The ledger cannot be read.
    """
    if proof is not None and proof.job and proof.job != (ledger.job or ""):
        raise ConfigError(f"{proof.file} is the proof of the job {proof.job!r}, and this is {ledger.job!r}")
    workers, paused = await ledger.holders(), await ledger.paused()
    overview = await ledger.overview()
    planned_at = await ledger.get_fact(PLANNED_AT)
    identity = ledger.identity
    context = Context(
        job=ledger.job or "",
        ledger=_short(ledger.name),
        address="" if identity is None else identity.address,
        now=clock(),
        planned_at=float(planned_at) if planned_at else None,
        currency=await ledger.get_fact(CURRENCY) or "",
        workers=len(workers),
        paused=paused,
        products=products_of(await ledger.get_fact(PRODUCTS)),
        notes=notes_of(await ledger.get_fact(RUNS)),
        follow="" if follow is None else await follow(overview.counts, workers[0].pid if workers else None),
        proof=proof,
        kind=ledger.kind or JobKind.ORDERS,
    )
    return facts_of(overview, context)


def _short(name: str) -> str:
    """Return a ledger's name without its folder, which may name a person: the report is passed on."""
    return name if "://" in name else Path(name).name
