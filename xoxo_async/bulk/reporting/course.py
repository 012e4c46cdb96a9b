"""The course of a job: orders over time, what held them back, and how long answers took; no I/O."""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.bulk.ledger.overview import Beat, PauseMark, RunNote
from xoxo_async.bulk.reporting.words import ENDS, masked

__all__ = [
    "Allowance",
    "BeatFact",
    "Latency",
    "LatencyBar",
    "Mark",
    "RunFact",
    "Timeline",
    "latency_of",
    "runs_of",
    "timeline_of",
]

_EDGES_S: Final = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)
_CLOSED: Final = {LineState.PLACED: "placed", LineState.REJECTED: "rejected"}


class BeatFact(msgspec.Struct, frozen=True):
    """Orders that were first sent in one stretch of time, by how they stand now.

    Attributes:
        at: When it begins, in epoch seconds.
        placed: Placed orders.
        rejected: Refused orders.
        open: Orders in doubt or under way.
    """

    at: float
    placed: int
    rejected: int
    open: int


class Allowance(msgspec.Struct, frozen=True):
    """How fast a run was allowed to send.

    Attributes:
        since: In epoch seconds.
        until: In epoch seconds.
        per_minute: Orders a minute.
    """

    since: float
    until: float
    per_minute: float


class Mark(msgspec.Struct, frozen=True):
    """A moment or a stretch of time that explains the pace.

    Attributes:
        kind: `penalty` of the vendor, `pause` of the job, or `stop`: a run ended early.
        since: In epoch seconds.
        until: When it ended; None for a moment, and for a pause that lasts.
        text: What happened.
    """

    kind: Literal["penalty", "pause", "stop"]
    since: float
    until: float | None
    text: str


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """Orders over time.

    Attributes:
        width_s: Seconds that each beat covers.
        beats: The beats in which orders were sent.
        allowances: How fast runs were allowed to send; empty where none left a note, or where there is no limit.
        marks: Penalties, pauses and early ends.
        noted: Whether runs left notes: otherwise allowance and penalties are not recorded.
    """

    width_s: int
    beats: list[BeatFact]
    allowances: list[Allowance]
    marks: list[Mark]
    noted: bool


class LatencyBar(msgspec.Struct, frozen=True):
    """Orders that were answered within a time.

    Attributes:
        above_s: Later than this many seconds.
        up_to_s: Within this many; None for the slowest.
        orders: How many.
    """

    above_s: float
    up_to_s: float | None
    orders: int


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """How long answers took: from the claim of an order until its answer. It includes the wait for a connection.

    Attributes:
        orders: Orders that one answer placed at their only send; the times of others are not known.
        half_s: Half of them were answered within this many seconds.
        most_s: 95 of 100 were.
        nearly_all_s: 99 of 100 were.
        slowest_s: All of them were.
        bars: How many took how long.
    """

    orders: int
    half_s: float
    most_s: float
    nearly_all_s: float
    slowest_s: float
    bars: list[LatencyBar]


class RunFact(msgspec.Struct, frozen=True, kw_only=True):
    """A run, from the note that it left.

    Attributes:
        began_at: In epoch seconds.
        ended_at: None while it works, and after it died.
        per_minute: Orders a minute that it might send; None without a limit.
        placed: Lines that it placed, or found placed.
        end: How it ended, in words.
        penalties: How often the vendor held it back.
        held_s: For how many seconds in all.
    """

    began_at: float
    ended_at: float | None
    per_minute: float | None
    placed: int
    end: str
    penalties: int
    held_s: float


def timeline_of(
    width_s: int,
    beats: Iterable[Beat],
    notes: Sequence[RunNote],
    pauses: Sequence[PauseMark],
    now: float,
    *,
    at_work: bool,
) -> Timeline:
    """Return orders over time.

    Args:
        width_s: Seconds that each beat covers.
        beats: The orders, by when they were first sent.
        notes: The notes of runs.
        pauses: When the job was paused and went on.
        now: When the report is made: runs at work last until then.
        at_work: Whether a process works on the job. A run without an end died otherwise, after its last order.
    """
    sums: dict[float, dict[str, int]] = {}
    for beat in beats:
        if beat.state not in {LineState.PLANNED, LineState.CANCELLED}:
            sums.setdefault(beat.at, {"placed": 0, "rejected": 0, "open": 0})[_CLOSED.get(beat.state, "open")] += (
                beat.orders
            )
    marks = [
        Mark("penalty", one.at, one.at + one.wait_s, f"the vendor held {one.what} back for {one.wait_s:,.0f} s")
        for note in notes
        for one in note.penalties
    ]
    marks += [
        Mark("stop", note.ended_at, None, f"a run stopped: {_end_of(note.end)}")
        for note in notes
        if note.end and note.ended_at is not None
    ]
    lasts_until = now if at_work else max(sums, default=0.0) + width_s
    return Timeline(
        width_s=width_s,
        beats=[BeatFact(at, **found) for at, found in sorted(sums.items())],
        allowances=[
            Allowance(note.began_at, lasts_until if note.ended_at is None else note.ended_at, note.rate)
            for note in notes
            if note.rate is not None
        ],
        marks=sorted([*marks, *_pauses(pauses)], key=lambda mark: mark.since),
        noted=bool(notes),
    )


def _pauses(pauses: Sequence[PauseMark]) -> list[Mark]:
    marks: list[Mark] = []
    began: PauseMark | None = None
    for one in pauses:
        if began is not None:
            marks.append(Mark("pause", began.at, one.at, f"the job was paused: {masked(began.reason)}"))
        began = one if one.paused else None
    if began is not None:
        marks.append(Mark("pause", began.at, None, f"the job is paused: {masked(began.reason)}"))
    return marks


def latency_of(beats: Iterable[Beat]) -> Latency | None:
    """Return how long answers took; None if no order shows it.

    Args:
        beats: The orders, with the time that their answers took.
    """
    counts: dict[float, int] = {}
    for beat in beats:
        if beat.answered_ms is not None:
            ends_s = _ends_s(beat.answered_ms)
            counts[ends_s] = counts.get(ends_s, 0) + beat.orders
    if not counts:
        return None
    orders, slowest = sum(counts.values()), max(counts)

    def within(share: float) -> float:
        left = share * orders
        for ends_s in sorted(counts):
            left -= counts[ends_s]
            if left <= 0:
                return ends_s
        return slowest

    bars: list[LatencyBar] = []
    for above_s, up_to_s in zip((0.0, *_EDGES_S), (*_EDGES_S, None), strict=True):
        found = sum(n for ends_s, n in counts.items() if ends_s > above_s and (up_to_s is None or ends_s <= up_to_s))
        bars.append(LatencyBar(above_s, up_to_s, found))
    used = [number for number, bar in enumerate(bars) if bar.orders]
    return Latency(
        orders=orders,
        half_s=within(0.5),
        most_s=within(0.95),
        nearly_all_s=within(0.99),
        slowest_s=slowest,
        bars=bars[used[0] : used[-1] + 1],
    )


def _ends_s(answered_ms: int) -> float:
    """Return within how many seconds an answer came; a store rounds its time down."""
    return (answered_ms + (10 if answered_ms < 1_000 else 100 if answered_ms < 10_000 else 1_000)) / 1000


def _end_of(end: str) -> str:
    return ENDS.get(end) or masked(end)


def runs_of(notes: Sequence[RunNote], *, at_work: bool) -> list[RunFact]:
    """Return the latest runs, the last first.

    Args:
        notes: The notes that they left.
        at_work: Whether a process works on the job; a run without an end died otherwise.
    """
    return [
        RunFact(
            began_at=note.began_at,
            ended_at=note.ended_at,
            per_minute=note.rate,
            placed=note.placed,
            end=_end_of(note.end) if note.ended_at is not None else "at work" if at_work else "it died",
            penalties=len(note.penalties),
            held_s=sum(one.wait_s for one in note.penalties),
        )
        for note in reversed(notes)
    ]
