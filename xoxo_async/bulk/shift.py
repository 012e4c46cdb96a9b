"""`run_shift`: work on the job of a ledger for a while. Any number of shifts may run at once, on any machine."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Literal

import anyio

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.identity import check_identity, identity_of
from xoxo_async.bulk.ledger.facts import CURRENCY, REFRESHED_AT
from xoxo_async.bulk.ledger.kinds import JobKind, require_kind
from xoxo_async.bulk.ledger.lines import Counts, LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.order_road import OrderRoad
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.report import Report, Shift
from xoxo_async.bulk.running.history import LONGEST_S
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.bulk.session import BulkSession
from xoxo_async.bulk.settings import Bounds, kept_bounds
from xoxo_async.bulk.trust import Trust
from xoxo_async.config import check_number
from xoxo_async.errors import ConfigError

__all__ = ["run_shift"]

_FIRST_PART: Final = 0.25
"""The first part of a shift may be spent on look-ups of lines in doubt. Sending has the rest."""

_LAST_PART: Final = 0.25
_LAST_PART_S: Final = 15.0
"""The last part of a shift takes no more lines, so that what is in flight may end within its time."""

_REFRESH_EVERY_S: Final = 600.0
"""Seconds between two look-ups of the lines that wait for their codes: each line costs a call of the allowance."""

_IN_DOUBT: Final = (LineState.SENDING, LineState.UNKNOWN, LineState.CONFLICT)

_OTHERS_S: Final = 5.0
_PERSON_S: Final = 60.0
_SHORTEST_S: Final = 1.0
_LONGEST_S: Final = 15.0


async def run_shift(
    client: BulkClient,
    ledger: Ledger,
    *,
    seconds: float = 60.0,
    concurrency: int | Literal["auto"] | None = None,
    settle_s: float | None = None,
    resend: Literal["settled", "never"] | None = None,
    pause_limit_s: float = 30.0,
    address: str = "",
    progress: Progress | None = None,
    stopping: anyio.Event | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Shift:
    """Work on the job of an open ledger for a while: send planned lines, settle what is in doubt. Moves money.

    A queue may deliver a shift twice, or two at once: the ledger gives each line to one of them. A shift plans nothing
    and changes no bound of the job. Where `BulkIssuer.resume` goes on with a paused job, a shift sends nothing.

    A shift first looks up what is in doubt, for a quarter of its time at most, and once more if all lines are sent
    in time. It takes no more lines in the last quarter of its time (at most 15 s), and gives back what it has not sent.
    It returns when its requests in flight have ended: if the vendor is slow, up to `Timeouts.order_s` after its time.
    Let a queue wait that long before it delivers the message again. If it is cancelled, what was in flight is in doubt,
    and the next shift looks it up.

    Args:
        client: An `XoxoClient`: sends and looks up.
        ledger: The job's ledger, open.
        seconds: How long.
        concurrency: Requests in flight at most; None takes what the ledger keeps.
        settle_s: Seconds after a lost answer before "no such order" counts; None takes what the ledger keeps.
        resend: Whether a row is sent again once its order is proven absent; None takes what the ledger keeps.
        pause_limit_s: How many seconds the shift waits for a dead server or the end of a penalty.
        address: The address that the ledger stores, see `BulkIssuer`.
        progress: Where the shift shows what it does.
        stopping: Set it to end the shift early and in order.
        clock: A monotonic clock, in seconds.

    Returns:
        What is left, and when another shift makes sense.

    Raises:
        ConfigError: The ledger has no job, or is of another account or address; nothing was sent.
        LedgerError: The ledger fails.
        XoxoError: The vendor could not be asked whether an order of the ledger is at this server; nothing was sent.

    Example:
        ```python
        async with open_ledger("march.db") as ledger:  # or "postgresql://xoxo@db/xoxo#march", for many workers
            await BulkIssuer(xoxo, ledger, job="march").plan(read_orders("orders.csv"))
            shift = await run_shift(xoxo, ledger, seconds=60)
        ```
    """
    check_number("seconds", seconds)
    if ledger.job is None:
        raise ConfigError(f"{ledger.name} holds no job yet: plan one first")
    require_kind(ledger, JobKind.ORDERS)
    await ledger.require_key()
    bounds = Bounds(settle_s=settle_s, resend=resend, concurrency=concurrency).over(await kept_bounds(ledger))
    await check_identity(client, ledger, identity_of(client, address))
    await ledger.recover()
    await Trust(ledger, restore=False).doubt_planned_rows()
    session = _session(client, ledger, bounds, progress, seconds, pause_limit_s, clock)
    return await _shift_of(ledger, session, await _work(ledger, session, seconds, stopping, clock))


def _session(
    client: BulkClient,
    ledger: Ledger,
    bounds: Bounds,
    progress: Progress | None,
    seconds: float,
    pause_limit_s: float,
    clock: Callable[[], float],
) -> BulkSession:
    return BulkSession(
        client,
        ledger,
        # The next shift reads a long history from its beginning again: what is not read by then goes to a person.
        OrderRoad(client, ledger, min(seconds / 2, LONGEST_S)),
        bounds,
        Progress() if progress is None else progress,
        restore=False,
        pause_limit_s=pause_limit_s,
        shift=True,
        settle_first_s=seconds * _FIRST_PART,
        clock=clock,
        wall=ledger.now,
    )


async def _work(
    ledger: Ledger, session: BulkSession, seconds: float, stopping: anyio.Event | None, clock: Callable[[], float]
) -> Report:
    # A plain task, and no task group: an error of the work reaches the caller as itself.
    ending = asyncio.create_task(_end(session, seconds - min(seconds * _LAST_PART, _LAST_PART_S), stopping))
    try:
        report = await session.work(
            send=True,
            pending=await _refresh_is_due(ledger),
            currency=await ledger.get_fact(CURRENCY) or "",
            started=clock(),
        )
    finally:
        ending.cancel()
    if session.refreshed:
        await ledger.set_fact(REFRESHED_AT, f"{ledger.now():.3f}")
    return report


async def _end(session: BulkSession, seconds: float, stopping: anyio.Event | None) -> None:
    with anyio.move_on_after(seconds):
        await (anyio.Event() if stopping is None else stopping).wait()
    session.stop("the shift is over")


async def _refresh_is_due(ledger: Ledger) -> bool:
    """Return whether this shift looks up the lines that wait for their codes, if it has the time."""
    if not (await ledger.counts()).pending:
        return False
    last = float(await ledger.get_fact(REFRESHED_AT) or "-inf")
    return ledger.now() >= last + _REFRESH_EVERY_S and await ledger.settles()


async def _shift_of(ledger: Ledger, session: BulkSession, report: Report) -> Shift:
    counts, paused = await ledger.counts(), await ledger.paused()
    planned = counts.states.get(LineState.PLANNED, 0)
    in_doubt = sum(counts.states.get(state, 0) for state in _IN_DOUBT)
    return Shift(
        job=report.job,
        issued=report.placed_now,
        left=planned + in_doubt,
        in_doubt=in_doubt,
        again_in_s=_again_in_s(ledger, session, report.pause, counts, planned=planned, in_doubt=in_doubt),
        lookup_in_s=None if session.next_due is None else max(session.next_due - ledger.now(), 0.0),
        paused=paused,
        report=report,
    )


def _again_in_s(
    ledger: Ledger, session: BulkSession, pause: Pause, counts: Counts, *, planned: int, in_doubt: int
) -> float | None:
    """Return when another shift makes sense; None if there is nothing left for it."""
    if not planned and not in_doubt:
        return _REFRESH_EVERY_S if counts.pending > counts.delivery_cancelled else None
    if pause is Pause.INTERRUPTED:
        return 0.0
    if pause and not in_doubt:
        return _PERSON_S
    if session.next_due is not None:
        return min(max(session.next_due - ledger.now(), _SHORTEST_S), _LONGEST_S)
    return _OTHERS_S
