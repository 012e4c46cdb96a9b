"""Everything that can be seen of a client, collected: events, logs, structlog, spans, metrics of both kinds."""

import io
import json
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import prometheus_client
import structlog
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from xoxo_async import LoggingHook
from xoxo_async.hooks import Event, Hook
from xoxo_async.integrations.opentelemetry import OpenTelemetryHook
from xoxo_async.integrations.prometheus import PrometheusHook
from xoxo_async.integrations.structlog import StructlogHook

__all__ = ["Watch"]


class Watch:
    """All hooks, and what they have told."""

    def __init__(self, **opentelemetry: bool) -> None:
        self.events: list[Event] = []
        self.spans_kept = InMemorySpanExporter()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans_kept))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)
        self.registry = prometheus_client.CollectorRegistry()
        self.lines = io.StringIO()
        written = structlog.wrap_logger(
            structlog.PrintLogger(self.lines), processors=[structlog.processors.JSONRenderer()]
        )
        self.hooks: list[Hook] = [
            self.events.append,
            LoggingHook(),
            LoggingHook(json=True),
            StructlogHook(_Levelled(written)),
            OpenTelemetryHook(tracer_provider=self.tracers, meter_provider=self.meters, **opentelemetry),
            PrometheusHook(self.registry),
        ]

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.spans_kept.get_finished_spans()

    def metrics(self) -> dict[str, list[tuple[dict[str, Any], float]]]:
        """OpenTelemetry's values by name: attributes, and the value or the count."""
        data = self.reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        return {
            metric.name: [
                (dict(point.attributes), getattr(point, "count", getattr(point, "value", 0)))
                for point in metric.data.data_points
            ]
            for scope in scopes
            if scope.scope.name == "xoxo_async"
            for metric in scope.metrics
        }

    def exposed(self) -> str:
        return prometheus_client.generate_latest(self.registry).decode()

    def sums(self, metric: str) -> Counter[str]:
        """A Prometheus metric's values by its first label."""
        found: Counter[str] = Counter()
        for family in self.registry.collect():
            for sample in family.samples:
                if sample.name == metric:
                    found[next(iter(sample.labels.values()), "")] += int(sample.value)
        return found

    def everything(self, log: str) -> str:
        """All that was told, as one text."""
        spans = "\n".join(span.to_json() for span in self.spans)
        return "\n".join(
            (repr(self.events), log, self.lines.getvalue(), spans, json.dumps(self.metrics()), self.exposed())
        )


class _Levelled:
    """A structlog logger whose `log` needs no filtering wrapper."""

    def __init__(self, logger: Any) -> None:
        self.logger = logger

    def log(self, level: int, event: str, **fields: object) -> None:
        self.logger.msg(event, level=logging.getLevelName(level), **fields)


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """Everything that any logger writes, at DEBUG, with the fields of each record."""
    stream = io.StringIO()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            stream.write(f"{self.format(record)} {vars(record)}\n")

    handler, root = Handler(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
