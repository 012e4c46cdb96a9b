"""Metrics for Prometheus, from the events of a client: `pip install 'xoxo-async[prometheus]'`.

    from xoxo_async.integrations.prometheus import PrometheusHook

    client = XoxoClient.from_env(hooks=[PrometheusHook()])

The labels have few values: operations, statuses, classes of errors, states. None holds a poNumber or a job's name.
"""

from typing import TYPE_CHECKING, Any, Final

try:
    from prometheus_client import REGISTRY, Counter, Gauge, Histogram
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
    TokenRenewed,
)
from xoxo_async.integrations.tallies import JOB_STATES, JobLines, Labels, outcome_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry

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
        self._labels: Final = Labels()
        self._lines: Final = JobLines()
        self._calls: Final = Histogram(
            "xoxo_call_seconds",
            "Duration of calls, waits and retries included. A settled order is one call.",
            ("operation", "outcome"),
            buckets=_SECONDS,
            **kept,
        )
        self._queued: Final = Histogram(
            "xoxo_queue_seconds",
            "How long attempts waited for a token and a rate slot.",
            ("operation",),
            buckets=_SECONDS,
            **kept,
        )
        self._attempts: Final = Histogram(
            "xoxo_attempt_seconds",
            "Duration of HTTP attempts.",
            ("operation", "status"),
            buckets=_SECONDS,
            **kept,
        )
        self._active: Final = Gauge(
            "xoxo_calls_active", "Calls that have not ended.", multiprocess_mode="livesum", **kept
        )
        self._used: Final = Counter(
            "xoxo_allowance_used_total", "Rate slots used, of operations with a limit.", ("operation",), **kept
        )
        self._limit: Final = Gauge(
            "xoxo_allowance_per_minute",
            "Calls of an operation that the allowance has in a minute.",
            ("operation",),
            multiprocess_mode="livemax",
            **kept,
        )
        self._penalties: Final = Counter(
            "xoxo_penalties_total", "Penalties that the vendor imposed.", ("operation",), **kept
        )
        self._settled: Final = Counter(
            "xoxo_orders_settled_total", "Orders whose answer was lost and that a look-up found.", **kept
        )
        self._in_doubt: Final = Counter("xoxo_orders_in_doubt_total", "Orders with an unknown outcome.", **kept)
        self._tokens: Final = Counter("xoxo_tokens_renewed_total", "Access tokens received.", **kept)
        self._expiry: Final = Gauge(
            "xoxo_token_expiry_timestamp_seconds",
            "When the token expires, in epoch seconds.",
            multiprocess_mode="livemin",
            **kept,
        )
        self._moved: Final = Counter("xoxo_lines_total", "Lines of jobs that came into a state.", ("state",), **kept)
        self._job_lines: Final = Gauge(
            "xoxo_job_lines",
            "Lines of all jobs by state, as the begin or the end of each job's last run has told them.",
            ("state",),
            multiprocess_mode="livemostrecent",
            **kept,
        )
        self._runs: Final = Counter("xoxo_runs_total", "Runs of jobs that ended.", ("outcome",), **kept)
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
