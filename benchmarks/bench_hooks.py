"""What hooks cost an order through `orders.place`: none, one that does nothing, the log, Prometheus, OpenTelemetry."""

import asyncio
import logging
from argparse import Namespace
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import instructions
import report
from placers import WARM_UP, Placer, Sdk, place_many
from report import Goal
from rounds import AGAIN, Series, Spread, ratio, take_turns
from stub import stub_server

from xoxo_async.hooks import Event, Hook, LoggingHook

_NONE: Final = "no hook"
IDLE: Final = "a hook that does nothing"
_LOG: Final = "LoggingHook, under INFO"
_PROMETHEUS: Final = "PrometheusHook"
_METRICS: Final = "OpenTelemetryHook, metrics"
_SAMPLED_OUT: Final = "OpenTelemetryHook, metrics, spans not sampled"
_ONE_IN_TEN: Final = "OpenTelemetryHook, metrics, 1 span in 10"
_SPANS: Final = "OpenTelemetryHook, metrics and every span"

_GOAL_US: Final = 15.0

_COLUMNS: Final = ("hooks", "CPU us/order", "of no hook", "us more", "k instructions more")


def _idle(_event: Event) -> None:
    return None


def _prometheus() -> list[Hook]:
    from prometheus_client import CollectorRegistry

    from xoxo_async.integrations.prometheus import PrometheusHook

    return [PrometheusHook(CollectorRegistry())]


def _opentelemetry(traces: bool, part: float = 1.0) -> list[Hook]:
    """A batch processor as in production, whose exporter throws away what it gets."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    from xoxo_async.integrations.opentelemetry import OpenTelemetryHook

    class Nowhere(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:  # noqa: ARG002
            return SpanExportResult.SUCCESS

    tracers = TracerProvider(sampler=ParentBased(TraceIdRatioBased(part)))
    tracers.add_span_processor(BatchSpanProcessor(Nowhere()))
    meters = MeterProvider([InMemoryMetricReader()])
    return [OpenTelemetryHook(tracer_provider=tracers, meter_provider=meters, traces=traces)]


_HOOKS: Final[dict[str, Callable[[], list[Hook]]]] = {
    _NONE: list,
    IDLE: lambda: [_idle],
    _LOG: lambda: [LoggingHook()],
    _PROMETHEUS: _prometheus,
    _METRICS: lambda: _opentelemetry(traces=False),
    _SAMPLED_OUT: lambda: _opentelemetry(traces=True, part=0.0),
    _ONE_IN_TEN: lambda: _opentelemetry(traces=True, part=0.1),
    _SPANS: lambda: _opentelemetry(traces=True),
}


def hooks_of(name: str) -> list[Hook]:
    """Return new hooks of one kind."""
    return _HOOKS[name]()


async def _measure(base_url: str, names: list[str], orders: int, rounds: int) -> dict[str, Series]:
    placers = {name: Sdk(hooks_of(name.removesuffix(AGAIN))) for name in names}
    for placer in placers.values():
        await placer.open(base_url)

    def contestant(placer: Placer) -> tuple[Callable[[], Coroutine[Any, Any, None]], int]:
        return lambda: place_many(placer, orders), orders

    try:
        return await take_turns({name: contestant(placer) for name, placer in placers.items()}, rounds)
    finally:
        for placer in placers.values():
            await placer.close()


def _more(one: Series, none: Series) -> Spread:
    """Microseconds more than without a hook, within each round."""
    return Spread.over([(a - b) * 1e6 for a, b in zip(one.cpu_s, none.cpu_s, strict=True)])


def compare(asked: Namespace) -> None:
    """Measure and print."""
    orders, rounds = (64, 2) if asked.quick else (1000, asked.rounds)
    names = [*_HOOKS, _NONE + AGAIN]
    counts: dict[str, float] = {}
    with stub_server(0.0) as base_url:
        series = asyncio.run(_measure(base_url, names, orders, rounds))
        if instructions.available() and not asked.quick and not asked.no_instructions:
            argv = [str(Path(__file__)), "--url", base_url]
            for name in _HOOKS:
                counts[name] = instructions.per_operation([*argv, "--solo", name, "--orders"], 1000)

    def row(name: str) -> list[object]:
        one, none, counted = series[name], series[_NONE], None
        if counts:
            counted = (counts[name.removesuffix(AGAIN)] - counts[_NONE]) / 1000
        median = Spread.over([value * 1e6 for value in one.cpu_s]).median
        return [name, median, ratio(one, none), _more(one, none), counted]

    goals = []
    for name in (_PROMETHEUS, _METRICS, _SAMPLED_OUT, _ONE_IN_TEN, _SPANS):
        more = _more(series[name], series[_NONE])
        goals.append(Goal(f"CPU of {name} for an order", more.median, _GOAL_US, "<=", more, None, "us"))
    notes = [
        "64 in flight, 1 KB answers from a stub; an order without a failure has four events",
        "what a span costs is the OpenTelemetry SDK's own: two spans an order, batch processor, exporter to nowhere",
    ]
    rows = [row(name) for name in _HOOKS]
    report.show("bench_hooks", _COLUMNS, rows, goals, control=row(_NONE + AGAIN), asked=asked, notes=notes)


def main() -> None:
    """Compare all; or, with --solo, place orders with one kind of hook and end."""
    logging.getLogger("xoxo_async").setLevel(logging.INFO)
    asked = report.options(
        __doc__ or "",
        ("--rounds", {"type": int, "default": 15, "help": "rounds counted"}),
        ("--no-instructions", {"action": "store_true", "help": "do not run callgrind, which takes minutes"}),
        ("--solo", {"choices": list(_HOOKS), "help": "only place orders, for a profiler"}),
        ("--url", {"help": "with --solo: where the stub is; one of its own by default"}),
        ("--orders", {"type": int, "default": 20_000, "help": "with --solo: how many"}),
    )
    if not asked.solo:
        compare(asked)
        return

    async def solo(base_url: str) -> None:
        placer = Sdk(hooks_of(asked.solo))
        await placer.open(base_url)
        await place_many(placer, WARM_UP)
        with instructions.counted():
            await place_many(placer, asked.orders)
        await placer.close()

    if asked.url:
        asyncio.run(solo(asked.url))
        return
    with stub_server() as base_url:
        asyncio.run(solo(base_url))


if __name__ == "__main__":
    main()
