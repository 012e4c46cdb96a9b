"""`sender`: a line is sent once, its end becomes a fact, and its error is applied to the next lines."""

from itertools import repeat
from typing import Any

import anyio
import msgspec
import pytest

from xoxo_async import errors
from xoxo_async.bulk.ledger.lines import Evidence, LedgerLine
from xoxo_async.bulk.ledger.table import MAX_HOLD_S
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.running.circuit import Circuit, Flow
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.bulk.running.sender import Sender, probe_orders, send_line
from xoxo_async.services.orders import Order
from xoxo_async.transport.connections import Attempt, OrderAnswer

pytestmark = pytest.mark.anyio

BODY = '{"productId":1001,"quantity":2,"denomination":100,"poNumber":"PO-1"}'
LINE = LedgerLine(seq=1, key="k", po_number="PO-1", digest="d", body=BODY, row=1, epoch=4)
FINE = Order(order_id=900, quantity=2)


class Server:
    """A dispatcher whose attempts all end in the same way, until told another; and all that a sender leans on."""

    def __init__(self, end: Order | errors.XoxoError = FINE, *, most: int = 256, one: str = "an order") -> None:
        self.end = end
        self.asked: list[tuple[str, Any]] = []
        self.pauses: list[tuple[Pause, str]] = []
        self.doubts: list[OrderAnswer] = []
        self.now = self.wall = self.waits_s = 0.0
        self.progress = Progress(in_flight=100)
        self.circuit = Circuit(60, lambda: self.now, most=most, waits=lambda: repeat(0.2))
        self.sender = Sender(
            lambda lines: send_line(self, self.doubts.append, lambda: self.wall, lines),  # type: ignore[arg-type]
            lambda: probe_orders(self),  # type: ignore[arg-type]
            self.circuit,
            self.progress,
            stop=lambda *pause: self.pauses.append(pause),
            clock=lambda: self.now,
            one=one,
        )

    async def once(self, operation: Any, request: Any, /, *, attempt: Attempt | None = None) -> Order:
        self.asked.append((operation.name, request))
        self.wall += self.waits_s
        if attempt is not None and attempt.may_leave is not None and not attempt.may_leave():
            raise errors.ConnectError("too late")
        if isinstance(self.end, errors.XoxoError):
            raise self.end
        return self.end

    @property
    def counted(self) -> tuple[int, int, int]:
        return self.progress.placed, self.progress.rejected, self.progress.in_doubt


@pytest.mark.parametrize(("waits_s", "leaves"), [(0.0, True), (MAX_HOLD_S / 2, True), (MAX_HOLD_S - 1, False)])
async def test_a_line_leaves_within_the_hold_of_its_claim_or_not_at_all(waits_s: float, leaves: bool) -> None:
    """A token or a connection may take longer than recovery counts on, whatever time limits are set."""
    server = Server()
    server.wall = 5_000.0
    server.waits_s = waits_s
    (change,) = await server.sender.send([msgspec.structs.replace(LINE, last_sent_tick=5_000.0)])
    assert change.evidence is (Evidence.ANSWERED_PLACED if leaves else Evidence.NOT_PROCESSED)


async def test_the_stored_bytes_are_sent_once() -> None:
    """Each attempt sends the same bytes, so it is the same order."""
    server = Server()
    (change,) = await server.sender.send([LINE])
    assert (change.evidence, change.order_id, change.epoch) == (Evidence.ANSWERED_PLACED, 900, 4)
    assert server.asked == [("placeOrder", msgspec.Raw(BODY.encode()))]


REFUSED = errors.DenominationError("no", error_id="PLE10018")
ENDS: dict[str, tuple[Order | errors.XoxoError, dict[str, Any], Evidence, tuple[int, int, int]]] = {
    "an order": (FINE, {}, Evidence.ANSWERED_PLACED, (1, 0, 0)),
    "an order of three lines": (FINE, {"lines": 3}, Evidence.ANSWERED_PLACED, (3, 0, 0)),
    "another order": (Order(order_id=900, quantity=9), {"lines": 3}, Evidence.OUTCOME_LOST, (0, 0, 3)),
    "a refusal": (REFUSED, {}, Evidence.REFUSED_NO_ORDER, (0, 1, 0)),
    "a refusal of three lines": (REFUSED, {"lines": 3}, Evidence.REFUSED_NO_ORDER, (0, 0, 0)),
    "a refusal after doubt": (REFUSED, {"suspect": True}, Evidence.REFUSED_NO_ORDER, (0, 0, 1)),
    "no answer": (errors.ReplyLostError("x"), {}, Evidence.OUTCOME_LOST, (0, 0, 1)),
    "no connection": (errors.ConnectError("x"), {}, Evidence.NOT_PROCESSED, (0, 0, 0)),
}


@pytest.mark.parametrize(("end", "line", "evidence", "counted"), ENDS.values(), ids=list(ENDS))
async def test_what_an_end_proves_is_what_is_counted(
    end: Order | errors.XoxoError, line: dict[str, Any], evidence: Evidence, counted: tuple[int, int, int]
) -> None:
    """(placed, rejected, in doubt): lines, not orders; a refused pack's get orders of their own, and are not over."""
    server = Server(end)
    (change,) = await server.sender.send([msgspec.structs.replace(LINE, **line)])
    assert (change.evidence, server.counted) == (evidence, counted)


@pytest.mark.parametrize(
    ("end", "pause"),
    [
        (errors.InsufficientFundsError("too low", effect="possible", error_id="PLE10010"), Pause.FUNDS),
        (errors.CredentialsRejectedError("not you"), Pause.CREDENTIALS),
        (errors.RefreshTokenDeadError("spent"), Pause.CREDENTIALS),
        (errors.ConfigError("the client is closed"), Pause.CREDENTIALS),
        (REFUSED, None),
        (errors.TokenRejectedError("once", retryable=True), None),
        (errors.ServerError("502"), None),
        (errors.RateLimitedError("slow down", retry_after_s=1), None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
async def test_errors_that_meet_every_line_stop_the_run(end: errors.XoxoError, pause: Pause | None) -> None:
    """Missing funds and dead credentials stop it; passing errors and a line's own errors do not."""
    server = Server(end)
    await server.sender.send([LINE])
    assert [told for told, _ in server.pauses] == ([] if pause is None else [pause])
    assert all(end.message in reason for _, reason in server.pauses)


@pytest.mark.parametrize("end", [errors.ConnectError("x"), errors.TokenRejectedError("x", retryable=True)])
async def test_one_send_that_never_arrived_shuts_the_way(end: errors.XoxoError) -> None:
    """No other line would reach the server either."""
    server = Server(end)
    await server.sender.send([LINE])
    assert server.circuit.flow is Flow.NONE


@pytest.mark.parametrize("between", [FINE, REFUSED], ids=["an order", "a refusal"])
async def test_five_doubts_in_a_row_open_the_circuit(
    between: Order | errors.XoxoError,
) -> None:
    """A refusal with a reason proves that the server works, so it resets the count."""
    server = Server()
    for end in [*[errors.ReplyLostError("x")] * 4, between, *[errors.ServerError("x")] * 4]:
        server.end = end
        await server.sender.send([LINE])
    assert server.circuit.flow is Flow.FULL
    await server.sender.send([LINE])
    assert server.circuit.flow is Flow.NONE


async def test_a_rate_refusal_halves_the_limit() -> None:
    """The server works, and takes fewer orders."""
    server = Server(errors.RateLimitedError("slow down", retry_after_s=60))
    await server.sender.send([LINE])
    assert (server.circuit.flow, server.circuit.limit) == (Flow.FULL, 50)


async def penalties(server: Server, *at: float) -> None:
    server.end = errors.RateLimitedError("slow down", retry_after_s=60)
    for server.now in at:
        await server.sender.send([LINE])


async def test_five_penalties_in_a_row_pause_the_run() -> None:
    """More sends would bring more penalties."""
    server = Server()
    await penalties(server, 0, 60, 120, 180)
    assert server.pauses == []
    await penalties(server, 240)
    assert server.pauses == [(Pause.RATE, "5 penalties in a row without an order between them: slow down")]


async def test_penalties_on_other_calls_name_none() -> None:
    """Calls of points and links are no orders."""
    server = Server(one="a call that succeeded")
    await penalties(server, 0, 60, 120, 180, 240)
    assert [why for _, why in server.pauses] == [
        "5 penalties in a row without a call that succeeded between them: slow down"
    ]


async def test_refusals_within_a_penalty_are_one_penalty() -> None:
    """Requests in flight at its beginning were sent before it was known."""
    server = Server()
    await penalties(server, *range(50))
    assert server.pauses == []


async def test_an_order_between_penalties_begins_a_new_count() -> None:
    """An order shows that the vendor lets the run work."""
    server = Server()
    await penalties(server, 0, 60, 120, 180)
    server.end = FINE
    await server.sender.send([LINE])
    await penalties(server, 240, 300, 360, 420)
    assert server.pauses == []


@pytest.mark.parametrize(
    ("end", "flow"),
    [
        (errors.NotFoundError("no such order", error_id="PLE10016"), Flow.TRIAL),
        (errors.RateLimitedError("slow down"), Flow.TRIAL),
        (FINE, Flow.TRIAL),
        (errors.ServerError("its own failure", error_id="PLE10020"), Flow.TRIAL),
        (errors.ServerError("502"), Flow.TRIAL),
        (errors.DecodeError("a page of HTML"), Flow.TRIAL),
        (errors.ConnectError("refused"), Flow.NONE),
        (errors.ReplyLostError("gone"), Flow.NONE),
        (errors.AuthError("no token", retryable=True), Flow.NONE),
    ],
)
async def test_any_answer_to_a_probe_proves_life(end: Order | errors.XoxoError, flow: Flow) -> None:
    """The probe looks up an order that does not exist; after any answer one line is tried."""
    server = Server(errors.ConnectError("refused"))
    await server.sender.send([LINE])
    server.end = end
    await server.sender.probe()
    assert server.circuit.flow is flow
    assert [name for name, _ in server.asked] == ["placeOrder", "getOrderDetails"]
    assert server.pauses == []


async def test_a_failure_as_probe_answer_proves_less() -> None:
    """Right after a failed trial line it allows no other one; a good answer does."""
    server = Server(errors.ServerError("500"))
    for _ in range(5):
        await server.sender.send([LINE])
    await server.sender.probe()
    assert server.circuit.flow is Flow.TRIAL
    await server.sender.send([LINE])
    await server.sender.probe()
    assert server.circuit.flow is Flow.NONE
    server.end = FINE
    await server.sender.probe()
    assert server.circuit.flow is Flow.TRIAL


async def test_a_probe_with_dead_credentials_stops_the_run() -> None:
    """No time mends them."""
    server = Server(errors.ConnectError("refused"))
    await server.sender.send([LINE])
    server.end = errors.CredentialsRejectedError("not you")
    await server.sender.probe()
    assert server.pauses == [(Pause.CREDENTIALS, "not you")]


async def test_a_probe_ends_with_the_patience() -> None:
    """A server that keeps the connection open without an answer counts as dead."""
    server = Server(errors.ConnectError("refused"))
    await server.sender.send([LINE])
    server.now = 60.0

    async def silence(_operation: Any, _request: Any, /) -> Order:
        await anyio.sleep_forever()
        raise AssertionError

    server.once = silence  # type: ignore[method-assign]
    with anyio.fail_after(10):
        await server.sender.probe()
    assert server.circuit.flow is Flow.NONE
