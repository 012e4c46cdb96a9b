"""Spans and metrics for OpenTelemetry, from the events of a client: `pip install 'xoxo-async[opentelemetry]'`.

    from xoxo_async.integrations.opentelemetry import OpenTelemetryHook

    client = XoxoClient.from_env(hooks=[OpenTelemetryHook()])

Each call is one CLIENT span with the operation's name, and each HTTP attempt in it a CLIENT span of its own, which
follows the semantic conventions for HTTP. No span and no metric holds a code, a PIN, a token, a secret, an e-mail
address or words of the vendor's.
"""

from collections.abc import Callable, Iterable
from contextvars import Token
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

try:
    from opentelemetry import context as otel_context
    from opentelemetry import metrics, trace
    from opentelemetry.context import Context
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
    from opentelemetry.trace import Span, SpanKind, StatusCode, TracerProvider
except ImportError:  # pragma: no cover - a process of its own tests it
    raise ImportError(
        "OpenTelemetryHook needs opentelemetry-api: pip install 'xoxo-async[opentelemetry]'", name="opentelemetry"
    ) from None

from xoxo_async.bulk.events import LineDoubted, LineSettled, RunFailed, RunFinished, RunStarted
from xoxo_async.hooks import (
    AttemptEnded,
    AttemptFailed,
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

__all__ = ["OpenTelemetryHook"]

_SCOPE: Final = "xoxo_async"
_SCHEMA: Final = "https://opentelemetry.io/schemas/1.40.0"

# The name is private in the API, and is what every HTTP instrumentation asks. Without it, attempts are spans twice.
_SUPPRESS_HTTP: Final[str] = getattr(
    otel_context, "_SUPPRESS_HTTP_INSTRUMENTATION_KEY", "suppress_http_instrumentation"
)

_HTTP_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""The buckets that the conventions name for `http.client.request.duration`."""

_CALL_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 180, 300)
"""The vendor may take 120 s to place an order, and a slot may be minutes away."""

_NO_WAIT_S: Final = 0.001
"""An attempt that left sooner did not wait. It is no value of the histogram, because each value costs 5 us."""

_MOST_KEPT: Final = 1_000
"""How many sets of attributes are kept ready: operations and errors of a caller's own may be without end."""

_Tally = dict[tuple[tuple[str, str], ...], float]


class _Open:
    """What is open of one call: its span, and the span of the attempt under way."""

    __slots__ = ("addressed", "attempt", "attempt_context", "attempt_token", "context", "span", "token")

    def __init__(self, span: "Span", context: "Context", token: "Token[Context]") -> None:
        self.span: Final = span
        self.context: Final = context
        self.token: Final = token
        self.addressed = False
        self.attempt: Span | None = None
        self.attempt_context: Context = context
        self.attempt_token: Token[Context] | None = None


class OpenTelemetryHook:
    """Make spans and metrics of a client's events. One hook serves any number of clients; several do as well.

    While an attempt runs, its span is the current one, and HTTP instrumentations (`opentelemetry-instrumentation-
    aiohttp-client`) make none of their own for it. With `attempts=False` it is the other way round: their spans are the
    attempts, below the call's span.

    Args:
        tracer_provider: Where spans go; the global provider by default.
        meter_provider: Where metrics go; the global provider by default.
        traces: Whether to make spans.
        attempts: Whether to make a span, and a value of `http.client.request.duration`, of each HTTP attempt.
        metrics: Whether to make metrics.
    """

    def __init__(
        self,
        *,
        tracer_provider: "TracerProvider | None" = None,
        meter_provider: "MeterProvider | None" = None,
        traces: bool = True,
        attempts: bool = True,
        metrics: bool = True,
    ) -> None:
        self._tracer: Final = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider, schema_url=_SCHEMA)
        self._attempts: Final = attempts
        self._open: Final[dict[str, _Open]] = {}
        self._meters: Final = _Meters.of(meter_provider) if metrics else None
        self._requests: Final[dict[tuple[str, str], dict[str, str | int]]] = {}
        spans: dict[type[Event], Callable[[Any], None]] = {
            CallQueued: self._begin,
            AttemptStarted: self._begin_attempt,
            AttemptEnded: self._end_attempt,
            AttemptFailed: self._note,
            Penalised: self._note,
            OrderSettled: self._note,
            OrderInDoubt: self._note,
            CallFinished: self._end,
        }
        self._on: Final = spans if traces else {}

    def __call__(self, event: Event, /) -> None:
        """Receive one event.

        Args:
            event: What happened.
        """
        kind = type(event)
        on_span = self._on.get(kind)
        if on_span is not None:
            on_span(event)
        if self._meters is not None and (self._attempts or kind is not AttemptEnded):
            on_meter = self._meters.on.get(kind)
            if on_meter is not None:
                on_meter(event)

    def _begin(self, event: CallQueued) -> None:
        attributes = {"xoxo.operation": event.operation, "xoxo.call_id": event.call_id}
        if event.po_number:
            attributes["xoxo.po_number"] = event.po_number
        span = self._tracer.start_span(event.operation, kind=SpanKind.CLIENT, attributes=attributes)
        context = trace.set_span_in_context(span)
        self._open[event.call_id] = _Open(span, context, otel_context.attach(context))

    def _begin_attempt(self, event: AttemptStarted) -> None:
        call = self._open.get(event.call_id)
        if call is None:
            return
        key = event.operation, event.url
        request = self._requests.get(key)
        if request is None:
            request = _request_of(event) | {"url.full": event.url}
            if len(self._requests) < _MOST_KEPT:
                self._requests[key] = request
        context, recording = call.context, call.span.is_recording()
        if recording and not call.addressed:
            call.addressed = True
            call.span.set_attributes({name: request[name] for name in ("server.address", "server.port")})
        if not self._attempts:
            return
        if recording:
            if event.attempt > 1:
                request = request | {"http.request.resend_count": event.attempt - 1}
            call.attempt = self._tracer.start_span(event.method, context, kind=SpanKind.CLIENT, attributes=request)
            context = trace.set_span_in_context(call.attempt, context)
        call.attempt_context = otel_context.set_value(_SUPPRESS_HTTP, True, context)
        call.attempt_token = otel_context.attach(call.attempt_context)

    def _end_attempt(self, event: AttemptEnded) -> None:
        call = self._open.get(event.call_id)
        if call is None or call.attempt_token is None:
            return
        _detach(call.attempt_context, call.attempt_token)
        span, call.attempt, call.attempt_token = call.attempt, None, None
        if span is None:
            return
        if event.status is not None:
            span.set_attribute("http.response.status_code", event.status)
        if event.error:
            span.set_attributes({"error.type": _error_type(event), "xoxo.error": outcome_of(event.error)})
            span.set_status(StatusCode.ERROR)
        span.end()

    def _note(self, event: AttemptFailed | Penalised | OrderSettled | OrderInDoubt) -> None:
        call = self._open.get(event.call_id)
        if call is not None and call.span.is_recording():
            fields = {f"xoxo.{name}": value for name, value in event.fields().items() if name != "call_id"}
            call.span.add_event(f"xoxo.{event.name}", fields)

    def _end(self, event: CallFinished) -> None:
        call = self._open.pop(event.call_id, None)
        if call is None:
            return
        _detach(call.context, call.token)
        span = call.span
        if span.is_recording():
            span.set_attribute("xoxo.attempts", event.attempts)
            if event.queued_s >= 0.001:
                span.set_attribute("xoxo.queued_s", event.queued_s)
            if event.look_ups:
                span.set_attributes({"xoxo.look_ups": event.look_ups, "xoxo.settled": event.settled})
            if event.error:
                span.set_attributes({"error.type": event.error, "xoxo.effect": event.effect})
                if event.error_id:
                    span.set_attribute("xoxo.error_id", event.error_id)
                span.set_status(StatusCode.ERROR)
        span.end()


class _Meters:
    """The instruments. What is seldom, or only counted, is kept in a dictionary and read when metrics are collected."""

    _made: ClassVar["WeakKeyDictionary[MeterProvider, _Meters]"] = WeakKeyDictionary()

    @classmethod
    def of(cls, provider: "MeterProvider | None") -> "_Meters":
        """Return the instruments of a provider: it takes each of them once, and the hooks share them."""
        provider = metrics.get_meter_provider() if provider is None else provider
        known = cls._made.get(provider)
        if known is None:
            known = cls._made[provider] = cls(provider)
        return known

    def __init__(self, provider: "MeterProvider") -> None:
        meter = metrics.get_meter(_SCOPE, meter_provider=provider, schema_url=_SCHEMA)
        self._calls: Final = meter.create_histogram(
            "xoxo.client.operation.duration",
            "s",
            "Duration of calls, waits and retries included. A settled order is one call.",
            explicit_bucket_boundaries_advisory=_CALL_SECONDS,
        )
        self._queued: Final = meter.create_histogram(
            "xoxo.client.queue.duration",
            "s",
            "How long attempts waited for a token and a rate slot, of those that waited.",
            explicit_bucket_boundaries_advisory=_CALL_SECONDS,
        )
        self._requests: Final = meter.create_histogram(
            "http.client.request.duration",
            "s",
            "Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_HTTP_SECONDS,
        )
        self._labels: Final = Labels()
        self._lines: Final = JobLines()
        self._kept: Final[dict[tuple[str, ...], dict[str, str | int]]] = {}
        self._limits: Final[_Tally] = {}
        self._expires: Final[_Tally] = {}
        self._active = 0
        self._counts: Final[dict[str, _Tally]] = {}
        for name, unit, about in _COUNTERS:
            tally = self._counts[name] = {}
            meter.create_observable_counter(name, [_reader(tally)], unit, about)
        meter.create_observable_up_down_counter(
            "xoxo.client.calls.active", [lambda _: [Observation(self._active)]], "{call}", "Calls that have not ended."
        )
        limit_about = "Calls of an operation that the allowance has in a minute."
        meter.create_observable_gauge("xoxo.client.allowance.limit", [_reader(self._limits)], "{call}/min", limit_about)
        meter.create_observable_gauge(
            "xoxo.client.token.expiry", [_reader(self._expires)], "s", "When the token expires, in epoch seconds."
        )
        lines_about = "Lines of all jobs, as the begin or the end of each job's last run has told them."
        meter.create_observable_gauge("xoxo.bulk.lines", [self._read_lines], "{line}", lines_about)
        self.on: Final[dict[type[Event], Callable[[Any], None]]] = {
            CallQueued: self._queue,
            AttemptStarted: self._begin_attempt,
            AttemptEnded: self._end_attempt,
            CallFinished: self._finish,
            Penalised: lambda event: self._count("xoxo.client.penalties", "xoxo.operation", event.operation),
            OrderSettled: lambda _: self._count("xoxo.client.orders.settled"),
            OrderInDoubt: lambda _: self._count("xoxo.client.orders.in_doubt"),
            TokenRenewed: self._renew,
            TokenNotRenewed: self._fail_to_renew,
            LineSettled: self._move,
            LineDoubted: self._move,
            RunStarted: self._lines.note,
            RunFinished: self._end_run,
            RunFailed: lambda event: self._count("xoxo.bulk.runs", "error.type", outcome_of(event.error)),
        }

    def _count(self, name: str, label: str = "", value: str = "", by: float = 1) -> None:
        tally, key = self._counts[name], ((label, value),) if label else ()
        tally[key] = tally.get(key, 0) + by

    def _attributes(self, *values: str) -> dict[str, str | int]:
        """Return the attributes of an operation and an error: one dictionary for each pair, because they are few."""
        known = self._kept.get(values)
        if known is None:
            made: dict[str, str | int] = {"xoxo.operation": self._labels.operation(values[0])}
            if len(values) > 1 and values[1]:
                made["error.type"] = outcome_of(values[1])
            if len(self._kept) < _MOST_KEPT:
                self._kept[values] = made
            return made
        return known

    def _queue(self, _event: CallQueued) -> None:
        self._active += 1

    def _begin_attempt(self, event: AttemptStarted) -> None:
        if event.queued_s >= _NO_WAIT_S:
            self._queued.record(event.queued_s, self._attributes(event.operation))
        if event.per_minute is not None:
            operation = self._labels.operation(event.operation)
            self._limits[(("xoxo.operation", operation),)] = event.per_minute
            self._count("xoxo.client.allowance.used", "xoxo.operation", operation)

    def _end_attempt(self, event: AttemptEnded) -> None:
        key = event.operation, event.url, event.error, str(event.status)
        known = self._kept.get(key)
        if known is None:
            known = _request_of(event) | {"xoxo.operation": self._labels.operation(event.operation)}
            if event.status is not None:
                known["http.response.status_code"] = event.status
            if event.error:
                known["error.type"] = _error_type(event)
            if len(self._kept) < _MOST_KEPT:
                self._kept[key] = known
        self._requests.record(event.elapsed_s, known)

    def _finish(self, event: CallFinished) -> None:
        self._active -= 1
        self._calls.record(event.elapsed_s, self._attributes(event.operation, event.error))

    def _renew(self, event: TokenRenewed) -> None:
        self._count("xoxo.client.tokens.renewed")
        if event.expires_at is not None:
            self._expires[()] = event.expires_at

    def _fail_to_renew(self, event: TokenNotRenewed) -> None:
        self._count("xoxo.client.tokens.failed", "error.type", outcome_of(event.error))

    def _move(self, event: LineSettled | LineDoubted) -> None:
        self._count("xoxo.bulk.lines.moved", "xoxo.state", event.state, event.lines)

    def _end_run(self, event: RunFinished) -> None:
        self._lines.note(event)
        self._count("xoxo.bulk.runs", "xoxo.pause", event.pause.value or "none")

    def _read_lines(self, _options: "CallbackOptions") -> Iterable["Observation"]:
        return [Observation(self._lines.total(state), {"xoxo.state": state}) for state in JOB_STATES]


_COUNTERS: Final = (
    ("xoxo.client.allowance.used", "{call}", "Rate slots used, of operations with a limit."),
    ("xoxo.client.penalties", "{penalty}", "Penalties that the vendor imposed."),
    ("xoxo.client.orders.settled", "{order}", "Orders whose answer was lost and that a look-up found."),
    ("xoxo.client.orders.in_doubt", "{order}", "Orders with an unknown outcome."),
    ("xoxo.client.tokens.renewed", "{token}", "Access tokens received."),
    ("xoxo.client.tokens.failed", "{request}", "Token requests that failed."),
    ("xoxo.bulk.lines.moved", "{line}", "Lines that came into a state."),
    ("xoxo.bulk.runs", "{run}", "Runs that ended."),
)


def _request_of(event: AttemptStarted | AttemptEnded) -> dict[str, str | int]:
    """Return what the conventions want to know of a request."""
    parts = urlsplit(event.url)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    return {
        "http.request.method": event.method,
        "server.address": parts.hostname or "",
        "server.port": port,
        "xoxo.operation": event.operation,
    }


def _error_type(event: AttemptEnded) -> str:
    """Return the conventions' `error.type`: the status that is an error, otherwise the error's class."""
    return str(event.status) if event.status is not None and event.status >= 400 else outcome_of(event.error)


def _reader(tally: _Tally) -> "Callable[[CallbackOptions], Iterable[Observation]]":
    return lambda _options: [Observation(value, dict(key)) for key, value in list(tally.items())]


def _detach(context: "Context", token: "Token[Context]") -> None:
    """Leave a span's context, if it is still the current one: a task that is thrown away ends in another."""
    if otel_context.get_current() is context:
        otel_context.detach(token)
