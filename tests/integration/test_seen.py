"""What is seen of a client: one id a call, a settled order as one success, sums that agree, and never a secret."""

import asyncio
from collections import Counter
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.trace import SpanKind, StatusCode

from tests.integration.raw_server import Reply, Server, serving
from tests.integration.watching import Watch, logged
from xoxo_async import ClientCredentials, RateLimits, RetryPolicy, Timeouts, XoxoClient, XoxoError
from xoxo_async.bulk import BulkIssuer, LineSettled, OrderLine, SqliteLedger
from xoxo_async.hooks import AttemptEnded, CallEvent, CallFinished, OrderInDoubt, OrderSettled
from xoxo_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

ORDER = {"product_id": 1002, "denomination": 150}


def client_of(sandbox: Sandbox, watch: Watch, **settings: object) -> XoxoClient:
    given: dict[str, object] = {"rate_limits": RateLimits.unlimited(), "retry": RetryPolicy(base_s=0, max_s=0)}
    return XoxoClient(
        ClientCredentials(sandbox.client_id, sandbox.client_secret),
        base_url=sandbox.base_url,
        hooks=watch.hooks,
        **(given | settings),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("view", [False, True], ids=["client", "view"])
async def test_a_settled_order_is_one_success(xoxo_sandbox: Sandbox, view: bool) -> None:
    """In events, spans and metrics: one call without an error, and its look-up within it."""
    watch = Watch()
    xoxo_sandbox.script("commit_then_reset", operation="placeOrder", first=1)
    async with client_of(xoxo_sandbox, watch) as client:
        placing = client.with_options(attempts=2) if view else client
        order = await placing.orders.place(**ORDER, po_number="PO-7")
    of_call = [event for event in watch.events if isinstance(event, CallEvent)]
    assert len({event.call_id for event in of_call}) == 1
    assert {event.po_number for event in of_call} == {"PO-7"}
    (finished,) = [event for event in watch.events if isinstance(event, CallFinished)]
    assert (finished.operation, finished.error, finished.settled) == ("placeOrder", "", True)
    assert (finished.attempts, finished.look_ups) == (1, 1)
    (settled,) = [event for event in watch.events if isinstance(event, OrderSettled)]
    assert (settled.order_id, settled.reason) == (order.order_id, "ReplyLostError")
    assert not any(isinstance(event, OrderInDoubt) for event in watch.events)
    assert watch.sums("xoxo_call_seconds_count") == {"placeOrder": 1}
    calls = watch.metrics()["xoxo.client.operation.duration"]
    assert calls == [({"xoxo.operation": "placeOrder"}, 1)]
    *attempts, call = watch.spans
    assert (call.name, call.kind, call.status.status_code) == ("placeOrder", SpanKind.CLIENT, StatusCode.UNSET)
    assert [span.attributes["xoxo.operation"] for span in attempts if span.attributes] == [
        "placeOrder",
        "getOrderDetails",
    ]
    assert {span.parent and span.parent.span_id for span in attempts} == {call.context.span_id}


@pytest.mark.parametrize("own", [True, False], ids=["spans of ours", "spans of theirs"])
async def test_aiohttps_instrumentation_doubles_nothing(own: bool) -> None:
    """Each request is one HTTP span below its call's span, ours or the instrumentation's; one value of the metric."""
    watch = Watch(attempts=own)
    instrumentor = AioHttpClientInstrumentor()
    instrumentor.instrument(tracer_provider=watch.tracers, meter_provider=watch.meters)
    try:
        async with Sandbox() as sandbox, client_of(sandbox, watch) as client:
            await client.account.get_balance()
    finally:
        instrumentor.uninstrument()
    (call,) = [span for span in watch.spans if span.name == "getBalance"]
    below = [span for span in watch.spans if span.parent and span.parent.span_id == call.context.span_id]
    scopes = Counter(span.instrumentation_scope.name for span in below if span.instrumentation_scope)
    theirs = "opentelemetry.instrumentation.aiohttp_client"
    assert len(watch.spans) == 3  # the call, its token request, its request
    assert scopes == ({"xoxo_async": 1, theirs: 1} if own else {theirs: 2})
    assert ("http.client.request.duration" in watch.metrics()) is own


async def test_sums_agree_with_the_servers_count(xoxo_sandbox: Sandbox) -> None:
    """Forty callers, faults, a revoked token and cancellations: attempts that were sent are the server's requests."""
    watch = Watch()
    for kind, nth in (("error_5xx_after", 3), ("commit_then_reset", 9), ("throttle", 14), ("revoke_token", 41)):
        xoxo_sandbox.script(kind, nth=nth, **({"seconds": 0.05} if kind == "throttle" else {}))
    async with client_of(xoxo_sandbox, watch) as client:
        await client.account.get_balance()

        async def place(number: int) -> None:
            task = asyncio.ensure_future(client.orders.place(**ORDER, po_number=f"PO-{number}"))
            if number % 20 == 5:
                await asyncio.sleep(0)
                task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()

        await asyncio.gather(*(place(number) for number in range(40)))
    ended = [event for event in watch.events if isinstance(event, AttemptEnded)]
    sent = Counter(event.operation for event in ended if event.error not in {"ConnectError", "CancelledError"})
    served = Counter({name: xoxo_sandbox.state.requests[name] for name in sent})
    assert sent == served
    assert Counter(event.operation for event in ended) == watch.sums("xoxo_attempt_seconds_count")
    calls = [event for event in watch.events if isinstance(event, CallFinished)]
    assert len(calls) == 41
    assert watch.sums("xoxo_call_seconds_count") == Counter(event.operation for event in calls)
    assert watch.sums("xoxo_calls_active") == {"": 0}
    assert len(watch.spans) == len(calls) + len(ended)
    requests = watch.metrics()["http.client.request.duration"]
    assert sum(count for _, count in requests) == len(ended)


async def test_a_bulk_run_is_seen_by_po_number(xoxo_sandbox: Sandbox, tmp_path: Path) -> None:
    """Each line's event has its poNumber, and the calls of the run have it too."""
    watch = Watch()
    async with client_of(xoxo_sandbox, watch) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        lines = [OrderLine(key=f"k{n}", product_id=1002, denomination=150, po_number=f"PO-{n}") for n in range(3)]
        await BulkIssuer(client, ledger, job="march").run(lines)
    settled = {event.po_number for event in watch.events if isinstance(event, LineSettled)}
    placed = {e.po_number for e in watch.events if isinstance(e, CallFinished) and e.operation == "placeOrder"}
    assert settled == placed == {"PO-0", "PO-1", "PO-2"}
    assert watch.sums("xoxo_lines_total") == {"placed": 3}
    assert watch.sums("xoxo_job_lines")["issued"] == 3
    assert watch.sums("xoxo_runs_total") == {"ok": 1}


CODE, PIN, MAIL = "CODE7431", "PIN99812", "alice@example.org"
WORDS = f"voucher {CODE} pin {PIN} of {MAIL} with token1 hush-hush"
LOUD = f"X-Echo: {CODE} {PIN} {MAIL} token1\r\nSet-Cookie: c={CODE}\r\n"


def refusal(status: int, error_id: str = "PLE10005", **more: object) -> Reply:
    return Reply(status, {"code": status, "errorId": error_id, "error": WORDS, "message": WORDS, **more}, LOUD)


ECHOES = {
    "bad request": refusal(400),
    "code as error id": refusal(422, CODE),
    "mail as error id": refusal(422, MAIL),
    "server error": refusal(500, ""),
    "page": Reply(502, WORDS, LOUD),
    "penalty": refusal(429, "", errors=[{"message": f"auth.request_limit_exceeded {WORDS}", "penaltySeconds": 30}]),
    "away": Reply(503, {"error": WORDS}, f"Retry-After: 30\r\n{LOUD}"),
    "not allowed": refusal(403, "PLE10010"),
    "bad answer": Reply(200, {"data": {"placeOrder": {"status": WORDS, "data": {"orderId": WORDS}}}}, LOUD),
    "token": Reply(401, {"error": "invalid_token", "error_description": WORDS}, LOUD),
    "order": Reply(
        200,
        {
            "data": {
                "placeOrder": {
                    "status": 1,
                    "data": {
                        "orderId": 5,
                        "deliveryStatus": "delivered",
                        "vouchers": [{"voucherCode": CODE, "pin": PIN}],
                        "tag": MAIL,
                    },
                }
            }
        },
        LOUD,
    ),
}


@pytest.mark.parametrize("echo", list(ECHOES))
async def test_nothing_that_is_seen_repeats_the_server(echo: str, tmp_path: Path) -> None:
    """A server puts codes, tokens, secrets and e-mail addresses into every part of its answer; none is told on."""
    watch = Watch()
    with logged() as log:
        async with serving() as server:
            _answer_everything(server, ECHOES[echo])
            client = XoxoClient(
                ClientCredentials("me", "hush-hush"),
                base_url=server.url,
                hooks=watch.hooks,
                rate_limits=RateLimits.unlimited(),
                retry=RetryPolicy(attempts=1),
                timeouts=Timeouts(call_s=0.4, order_s=0.1, read_s=0.1, connect_s=0.1),
            )
            async with client, SqliteLedger(tmp_path / "l.db") as ledger:
                with suppress(XoxoError):
                    await client.orders.place(**ORDER, po_number="PO-7", email=MAIL, tag=MAIL)
                line = OrderLine(key=MAIL, product_id=1002, denomination=150, email=MAIL, po_number="PO-8")
                with anyio.move_on_after(0.1), suppress(XoxoError):
                    await BulkIssuer(client, ledger, job="march", settle_s=0.1).run([line])
    assert any(isinstance(event, CallFinished) for event in watch.events)
    told = watch.everything(log.getvalue())
    assert [secret for secret in (CODE, PIN, MAIL, "token1", "hush-hush") if secret in told] == []


def _answer_everything(server: Server, reply: Reply) -> None:
    server.answer = lambda operation, _nth: None if operation == "token" else reply
