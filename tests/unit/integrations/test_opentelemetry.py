"""`integrations.opentelemetry`: a span a call, a span an attempt, names of the conventions, and metrics."""

from collections.abc import Sequence

import pytest
from opentelemetry import context, trace
from opentelemetry.instrumentation.utils import is_http_instrumentation_enabled
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.semconv.attributes import error_attributes, http_attributes, server_attributes, url_attributes
from opentelemetry.semconv.metrics.http_metrics import HTTP_CLIENT_REQUEST_DURATION
from opentelemetry.trace import SpanKind, StatusCode

from tests.integration.watching import Watch
from xoxo_async.bulk.events import LineDoubted, LineSettled, RunFailed, RunStarted
from xoxo_async.hooks import (
    AttemptEnded,
    AttemptFailed,
    AttemptStarted,
    CallFinished,
    CallQueued,
    Event,
    OrderInDoubt,
    Penalised,
    TokenNotRenewed,
    TokenRenewed,
)
from xoxo_async.integrations.opentelemetry import OpenTelemetryHook

URL = "https://stores.example/chef/v1/oauth/api"
OF = {"operation": "placeOrder", "call_id": "a-1", "po_number": "PO-7"}


def started(attempt: int = 1, **more: float) -> AttemptStarted:
    return AttemptStarted(**OF, attempt=attempt, queued_s=2.0, method="POST", url=URL, **more)


def ended(attempt: int = 1, status: int | None = 200, error: str = "") -> AttemptEnded:
    return AttemptEnded(**OF, attempt=attempt, elapsed_s=0.2, method="POST", url=URL, status=status, error=error)


TWO_ATTEMPTS: Sequence[Event] = (
    CallQueued(**OF),
    started(),
    ended(status=429, error="RateLimitedError"),
    Penalised(**OF, wait_s=60.0),
    AttemptFailed(**OF, attempt=1, error="RateLimitedError", wait_s=60.0),
    started(2),
    ended(2, None, "ReplyLostError"),
    OrderInDoubt(po_number="PO-7", reason="ReplyLostError", call_id="a-1"),
    CallFinished(**OF, attempts=2, elapsed_s=70.0, error="OutcomeUnknownError", effect="possible", error_id="PLE10035"),
)


def hook_of(watch: Watch, **settings: bool) -> OpenTelemetryHook:
    return OpenTelemetryHook(tracer_provider=watch.tracers, meter_provider=watch.meters, **settings)


def test_a_call_is_a_span_above_its_attempts() -> None:
    """Kind, names, attributes and status as the conventions for HTTP clients want them."""
    watch = Watch()
    hook = hook_of(watch)
    for event in TWO_ATTEMPTS:
        hook(event)
    first, second, call = watch.spans
    assert (call.name, call.kind, call.status.status_code) == ("placeOrder", SpanKind.CLIENT, StatusCode.ERROR)
    assert call.status.description is None
    assert call.parent is None
    assert dict(call.attributes or {}) == {
        "xoxo.operation": "placeOrder",
        "xoxo.call_id": "a-1",
        "xoxo.po_number": "PO-7",
        server_attributes.SERVER_ADDRESS: "stores.example",
        server_attributes.SERVER_PORT: 443,
        "xoxo.attempts": 2,
        error_attributes.ERROR_TYPE: "OutcomeUnknownError",
        "xoxo.effect": "possible",
        "xoxo.error_id": "PLE10035",
    }
    assert [event.name for event in call.events] == ["xoxo.penalised", "xoxo.attempt_failed", "xoxo.order_in_doubt"]
    common = {
        http_attributes.HTTP_REQUEST_METHOD: "POST",
        url_attributes.URL_FULL: URL,
        server_attributes.SERVER_ADDRESS: "stores.example",
        server_attributes.SERVER_PORT: 443,
        "xoxo.operation": "placeOrder",
    }
    assert dict(first.attributes or {}) == common | {
        http_attributes.HTTP_RESPONSE_STATUS_CODE: 429,
        error_attributes.ERROR_TYPE: "429",
        "xoxo.error": "RateLimitedError",
    }
    assert dict(second.attributes or {}) == common | {
        http_attributes.HTTP_REQUEST_RESEND_COUNT: 1,
        error_attributes.ERROR_TYPE: "ReplyLostError",
        "xoxo.error": "ReplyLostError",
    }
    for attempt in (first, second):
        assert (attempt.name, attempt.kind, attempt.status.status_code) == ("POST", SpanKind.CLIENT, StatusCode.ERROR)
        assert attempt.parent is not None
        assert attempt.parent.span_id == call.context.span_id


def test_the_current_span_is_the_innermost_one() -> None:
    """The call's while it waits, the attempt's while it runs; HTTP instrumentations are quiet only then."""
    watch = Watch()
    hook, before = hook_of(watch), context.get_current()
    hook(CallQueued(**OF))
    call = trace.get_current_span()
    assert is_http_instrumentation_enabled()
    hook(started())
    assert trace.get_current_span() is not call
    assert not is_http_instrumentation_enabled()
    hook(ended())
    assert trace.get_current_span() is call
    hook(CallFinished(**OF, attempts=1, elapsed_s=0.5))
    assert context.get_current() is before
    assert hook._open == {}


def test_an_outer_span_is_the_parent() -> None:
    """The span of a web request, for example."""
    watch = Watch()
    hook = hook_of(watch)
    with watch.tracers.get_tracer("web").start_as_current_span("GET /gift") as outer:
        hook(CallQueued(**OF))
        hook(CallFinished(**OF, attempts=0, elapsed_s=0.5, error="CancelledError"))
    call = watch.spans[0]
    assert call.parent is not None
    assert call.parent.span_id == outer.get_span_context().span_id


@pytest.mark.parametrize("left", ["attempts", "traces", "metrics"])
def test_each_part_can_be_left_out(left: str) -> None:
    """Spans of attempts, all spans, or all metrics."""
    watch = Watch()
    hook = hook_of(watch, **{left: False})
    for event in TWO_ATTEMPTS:
        hook(event)
    assert len(watch.spans) == {"attempts": 1, "traces": 0, "metrics": 3}[left]
    made = watch.metrics()
    assert (HTTP_CLIENT_REQUEST_DURATION in made) == (left == "traces")
    assert ("xoxo.client.operation.duration" in made) == (left != "metrics")


def test_an_unsampled_call_makes_no_attempts() -> None:
    """And an instrumentation below makes none either."""
    hook = OpenTelemetryHook(tracer_provider=TracerProvider(ALWAYS_OFF, shutdown_on_exit=False), metrics=False)
    hook(CallQueued(**OF))
    hook(started())
    assert not is_http_instrumentation_enabled()
    hook(ended())
    hook(CallFinished(**OF, attempts=1, elapsed_s=0.5))
    assert hook._open == {}
    assert is_http_instrumentation_enabled()


def test_metrics_tell_times_allowance_and_lines() -> None:
    """Names and attributes; what only counts is read when the metrics are collected."""
    watch = Watch()
    hook = hook_of(watch)
    for event in (
        *TWO_ATTEMPTS,
        TokenRenewed(expires_at=1_800_000_000.0),
        TokenNotRenewed(error="AuthError", status=500),
        started(per_minute=100.0),
        LineSettled(row=1, lines=2, state="placed", evidence="answered_placed", attempts=1),
        LineDoubted(row=2, lines=1, state="unknown", evidence="outcome_lost", attempts=1),
        RunStarted(job="a", ledger="l", sends=True, rows=3, not_sent=2, unknown=1),
        RunFailed(job="a", ledger="l", error="LedgerError", placed_now=0, elapsed_s=1.0),
    ):
        hook(event)
    made = watch.metrics()
    order = {"xoxo.operation": "placeOrder"}
    assert made["xoxo.client.operation.duration"] == [(order | {"error.type": "OutcomeUnknownError"}, 1)]
    assert made["xoxo.client.queue.duration"] == [(order, 3)]
    assert made["xoxo.client.allowance.used"] == [(order, 1)]
    assert made["xoxo.client.allowance.limit"] == [(order, 100)]
    assert made["xoxo.client.penalties"] == [(order, 1)]
    assert made["xoxo.client.orders.in_doubt"] == [({}, 1)]
    assert made["xoxo.client.tokens.renewed"] == [({}, 1)]
    assert made["xoxo.client.tokens.failed"] == [({"error.type": "AuthError"}, 1)]
    assert made["xoxo.client.token.expiry"] == [({}, 1_800_000_000)]
    assert made["xoxo.client.calls.active"] == [({}, 0)]
    assert made["xoxo.bulk.lines.moved"] == [({"xoxo.state": "placed"}, 2), ({"xoxo.state": "unknown"}, 1)]
    assert ({"xoxo.state": "not_sent"}, 2) in made["xoxo.bulk.lines"]
    assert made["xoxo.bulk.runs"] == [({"error.type": "LedgerError"}, 1)]
    statuses = [found.get("http.response.status_code") for found, _ in made[HTTP_CLIENT_REQUEST_DURATION]]
    assert statuses == [429, None]


def test_operations_without_end_are_not_kept() -> None:
    """Of 2,000 operations of a caller's own fifty have a name in the metrics, and memory holds no more than 1,000."""
    watch = Watch()
    hook = hook_of(watch)
    for number in range(2_000):
        of = {"operation": f"own{number}", "call_id": f"a-{number}"}
        hook(CallQueued(**of))
        hook(AttemptStarted(**of, attempt=1, queued_s=0.0, method="GET", url=f"https://x.example/{number}"))
        hook(AttemptEnded(**of, attempt=1, elapsed_s=0.1, method="GET", url=f"https://x.example/{number}", status=200))
        hook(CallFinished(**of, attempts=1, elapsed_s=0.1))
    assert len(watch.metrics()["xoxo.client.operation.duration"]) == 51
    assert hook._meters is not None
    assert max(len(hook._requests), len(hook._meters._kept)) <= 1_000
