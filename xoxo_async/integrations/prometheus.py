"""Metrics for Prometheus, from the events of a client: `pip install 'xoxo-async[prometheus]'`.

    from xoxo_async.integrations.prometheus import PrometheusHook

    client = XoxoClient.from_env(hooks=[PrometheusHook()])

The labels have few values: operations, statuses, classes of errors, states. None holds a poNumber or a job's name.
"""

from collections.abc import Callable
from typing import Any, Final

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
except ImportError:  # pragma: no cover - a process of its own tests it
    raise ImportError(
        "PrometheusHook needs prometheus-client: pip install 'xoxo-async[prometheus]'", name="prometheus_client"
    ) from None

from xoxo_async.bulk.events import LineDoubted, LineSettled, RunFailed, RunFinished, RunStarted
from xoxo_async.hooks import (
    AttemptEnded,
    AttemptStarted,
    CallFinished,
    CallQueued,
    Event,
    OrderInDoubt,
    OrderSettled,
    Penalised,
    TokenNotRenewed,
    TokenRenewed,
)
from xoxo_async.integrations.tallies import JOB_STATES, JobLines, Labels, outcome_of

__all__ = ["PrometheusHook"]

_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 180, 300)
"""The vendor may take 120 s to place an order, and a slot may be minutes away."""


class PrometheusHook:
    """Count a client's events as Prometheus metrics. One hook serves any number of clients.

    A registry takes each metric once: make one hook for a registry. The metrics also work in prometheus-client's
    multiprocess mode.

    Args:
        registry: Where the metrics are registered; the global registry by default.

    Raises:
        ValueError: The registry has the metrics already.
    """

    def __init__(self, registry: "CollectorRegistry | None" = None) -> None:
        kept: dict[str, Any] = {"registry": registry if registry is not None else REGISTRY}

        def seconds(name: str, about: str, *labels: str) -> Histogram:
            return Histogram(name, about, labels, buckets=_SECONDS, **kept)

        def count(name: str, about: str, *labels: str) -> Counter:
            return Counter(name, about, labels, **kept)

        def gauge(name: str, about: str, *labels: str, of: Any) -> Gauge:
            return Gauge(name, about, labels, multiprocess_mode=of, **kept)

        self._labels: Final = Labels()
        self._lines: Final = JobLines()
        about = "Duration of calls, waits and retries included. A settled order is one call."
        self._calls: Final = seconds("xoxo_call_seconds", about, "operation", "outcome")
        about = "How long attempts waited for a token and a rate slot."
        self._queued: Final = seconds("xoxo_queue_seconds", about, "operation")
        self._attempts: Final = seconds("xoxo_attempt_seconds", "Duration of HTTP attempts.", "operation", "status")
        self._active: Final = gauge("xoxo_calls_active", "Calls that have not ended.", of="livesum")
        about = "Rate slots used, of operations with a limit."
        self._used: Final = count("xoxo_allowance_used_total", about, "operation")
        about = "Calls of an operation that the allowance has in a minute."
        self._limit: Final = gauge("xoxo_allowance_per_minute", about, "operation", of="livemax")
        self._penalties: Final = count("xoxo_penalties_total", "Penalties that the vendor imposed.", "operation")
        about = "Orders whose answer was lost and that a look-up found."
        self._settled: Final = count("xoxo_orders_settled_total", about)
        self._in_doubt: Final = count("xoxo_orders_in_doubt_total", "Orders with an unknown outcome.")
        self._tokens: Final = count("xoxo_tokens_renewed_total", "Access tokens received.")
        self._not_renewed: Final = count("xoxo_tokens_failed_total", "Token requests that failed.", "outcome")
        about = "When the token expires, in epoch seconds."
        self._expiry: Final = gauge("xoxo_token_expiry_timestamp_seconds", about, of="livemin")
        self._moved: Final = count("xoxo_lines_total", "Lines of jobs that came into a state.", "state")
        about = "Lines of all jobs by state, as the begin or the end of each job's last run has told them."
        self._job_lines: Final = gauge("xoxo_job_lines", about, "state", of="livemostrecent")
        self._runs: Final = count("xoxo_runs_total", "Runs of jobs that ended.", "outcome")
        self._kept: Final[dict[tuple[str, ...], Any]] = {}
        self._on: Final[dict[type[Event], Callable[[Any], None]]] = {
            CallQueued: self._queue,
            AttemptStarted: self._begin_attempt,
            AttemptEnded: self._end_attempt,
            CallFinished: self._finish,
            Penalised: lambda event: self._penalties.labels(self._labels.operation(event.operation)).inc(),
            OrderSettled: lambda _: self._settled.inc(),
            OrderInDoubt: lambda _: self._in_doubt.inc(),
            TokenRenewed: self._renew,
            TokenNotRenewed: lambda event: self._not_renewed.labels(outcome_of(event.error)).inc(),
            LineSettled: self._move,
            LineDoubted: self._move,
            RunStarted: self._note_run,
            RunFinished: self._note_run,
            RunFailed: lambda event: self._runs.labels(outcome_of(event.error)).inc(),
        }

    def __call__(self, event: Event, /) -> None:
        """Receive one event.

        Args:
            event: What happened.
        """
        on = self._on.get(type(event))
        if on is not None:
            on(event)

    def _child(self, metric: "Histogram | Counter", name: str, *labels: str) -> Any:
        """Return a metric's child, kept for the labels as they came: looking it up again would take a lock."""
        key = (name, *labels)
        child = self._kept.get(key)
        if child is None:
            operation, *others = labels
            child = metric.labels(self._labels.operation(operation), *others)
            if len(self._kept) < 1_000:
                self._kept[key] = child
        return child

    def _queue(self, _event: CallQueued) -> None:
        self._active.inc()

    def _begin_attempt(self, event: AttemptStarted) -> None:
        self._child(self._queued, "queued", event.operation).observe(event.queued_s)
        if event.per_minute is not None:
            self._child(self._used, "used", event.operation).inc()
            self._limit.labels(self._labels.operation(event.operation)).set(event.per_minute)

    def _end_attempt(self, event: AttemptEnded) -> None:
        # An attempt without an answer has no status: then the class of its error says more than nothing.
        status = str(event.status) if event.status is not None else outcome_of(event.error)
        self._child(self._attempts, "attempts", event.operation, status).observe(event.elapsed_s)

    def _finish(self, event: CallFinished) -> None:
        self._active.dec()
        self._child(self._calls, "calls", event.operation, outcome_of(event.error)).observe(event.elapsed_s)

    def _renew(self, event: TokenRenewed) -> None:
        self._tokens.inc()
        if event.expires_at is not None:
            self._expiry.set(event.expires_at)

    def _move(self, event: LineSettled | LineDoubted) -> None:
        self._moved.labels(event.state).inc(event.lines)

    def _note_run(self, event: RunStarted | RunFinished) -> None:
        self._lines.note(event)
        for state in JOB_STATES:
            self._job_lines.labels(state).set(self._lines.total(state))
        if isinstance(event, RunFinished):
            self._runs.labels(event.pause.value or "ok").inc()
