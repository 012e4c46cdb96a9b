"""`dispatcher`: the road of one call, over a session that plays back answers."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from types import SimpleNamespace

import anyio
import msgspec
import pytest

from xoxo_async import EffectClass, Layout, Operation, RateLimits, RetryPolicy, SuccessFlag, Timeouts, errors, pacing
from xoxo_async.calls import Calls
from xoxo_async.dispatcher import Dispatcher
from xoxo_async.hooks import AttemptEnded, AttemptFailed, AttemptStarted, CallFinished, CallQueued, Event, Penalised
from xoxo_async.pacing import Pacer
from xoxo_async.transport.http import Answer
from xoxo_async.wire import Secret

pytestmark = pytest.mark.anyio


class Ask(msgspec.Struct):
    po_number: str = msgspec.field(default="PO-1", name="poNumber")
    amount: Decimal = Decimal("1.10")


class Reply(msgspec.Struct, frozen=True):
    value: int = 0


def operation(effect: EffectClass = EffectClass.READ, **options: object) -> Operation[Ask, Reply]:
    settings = {"query": "plumProAPI.query.ask", "request": Ask, "reply": Reply, "effect": effect, **options}
    return Operation("ask", **settings)  # type: ignore[arg-type]


TOKEN = Secret("tok")
FINE = b'{"data": {"ask": {"status": 1, "data": {"value": 7}}}}'
EXPIRED = (401, b'{"error": "invalid_token", "error_description": "x"}')
LIMITED = (200, b'{"errors": [{"message": "auth.request_limit_exceeded", "penaltySeconds": 0}]}')


class PlayedBack:
    """A session whose attempts end as listed; the last one repeats."""

    def __init__(self, *ends: object) -> None:
        self.ends = list(ends)
        self.has_token = True
        self.secrets: tuple[Secret, ...] = ()
        self.sent: list[tuple[str, str, bytes, str, float]] = []
        self.rejected: list[Secret | None] = []
        self.worked: list[bool] = []
        self.held: errors.TokenRejectedError | None = None

    async def send(
        self,
        method: str,
        path: str,
        body: bytes,
        content_type: str,
        total_s: float,
        may_leave: object = None,
        headers: object = (),
    ) -> Answer:
        self.sent.append((method, path, body, content_type, total_s))
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        if isinstance(end, BaseException):
            raise end
        status, body, retry_after_s = (*end, None)[:3] if isinstance(end, tuple) else (200, end, None)
        return Answer(status, body, TOKEN, retry_after_s)

    def reject(self, bearer: Secret | None, *, worked: bool) -> errors.TokenRejectedError | None:
        self.rejected.append(bearer)
        self.worked.append(worked)
        return self.held


def dispatcher(session: PlayedBack, events: Sequence[Event] = (), **settings: object) -> Dispatcher:
    pacer = Pacer(RateLimits.unlimited())
    return Dispatcher(
        session,  # type: ignore[arg-type]
        pacer=pacer,
        retry=RetryPolicy(attempts=3, base_s=0, max_s=0),
        timeouts=Timeouts(**settings),  # type: ignore[arg-type]
        calls=Calls([events.append], pacer=pacer) if isinstance(events, list) else None,
    )


async def test_a_call_is_one_post_in_the_vendors_envelope() -> None:
    """Query, tag and wrapper around the request; money as the exact JSON number; the reply out of its envelope."""
    session = PlayedBack(FINE)
    assert await dispatcher(session)(operation(), Ask()) == Reply(7)
    method, path, body, content_type, _ = session.sent[0]
    assert (method, path, content_type) == ("POST", "/v1/oauth/api", "application/json")
    assert body == (
        b'{"query":"plumProAPI.query.ask","tag":"plumProAPI","variables":{"data":{"poNumber":"PO-1","amount":1.10}}}'
    )


@pytest.mark.parametrize(
    ("options", "variables"), [({"root": "user_data"}, b'{"user_data":{'), ({"root": ""}, b'{"poNumber"')]
)
async def test_the_wrapper_is_the_operations(options: dict[str, object], variables: bytes) -> None:
    """Some operations wrap their request otherwise, or not at all."""
    session = PlayedBack(FINE)
    await dispatcher(session)(operation(**options), Ask())
    assert b'"variables":' + variables in session.sent[0][2]


@pytest.mark.parametrize("key", ["ask", "answered"])
async def test_a_reply_is_found_under_any_of_its_keys(key: str) -> None:
    """The payment report answers under another name than it is asked by."""
    session = PlayedBack(FINE.replace(b'"ask"', b'"%s"' % key.encode()))
    assert await dispatcher(session)(operation(also_under=("answered",)), Ask()) == Reply(7)


@pytest.mark.parametrize("flag", [b"1", b'"1"', b"true", b'"success"'])
async def test_success_flags_are_read_leniently(flag: bytes) -> None:
    """1 is also "1", true and "success"."""
    body = b'{"data": {"ask": {"success": %s, "data": {"value": 7}}}}' % flag
    assert await dispatcher(PlayedBack(body))(operation(flag=SuccessFlag.SUCCESS_1), Ask()) == Reply(7)


async def test_a_flat_reply_declares_its_flag() -> None:
    """An operation whose flat reply has no flag field is refused when it is defined."""
    with pytest.raises(errors.ConfigError, match="declares"):
        operation(layout=Layout.FLAT)


async def test_the_empty_answer_of_an_operation_is_no_error() -> None:
    """Error ids that mean "nothing there" give the operation's empty reply."""
    session = PlayedBack((404, b'{"code": 404, "errorId": "PLE10027", "error": "x"}'))
    empty = Reply(0)
    call = operation(empty_on=frozenset({"PLE10027"}), empty=empty)
    assert await dispatcher(session)(call, Ask()) is empty


READ_ENDS = {
    "timeout": errors.ReplyTimeoutError("x"),
    "lost": errors.ReplyLostError("x"),
    "unreached": errors.ConnectError("x"),
    "502": (502, b"<html>"),
    "limited": LIMITED,
}


@pytest.mark.parametrize("end", READ_ENDS.values(), ids=list(READ_ENDS))
async def test_a_read_is_tried_again(end: object) -> None:
    """What another try may cure is tried again, and told to the hooks."""
    events: list[Event] = []
    session = PlayedBack(end, end, FINE)
    assert await dispatcher(session, events)(operation(), Ask()) == Reply(7)
    assert len(session.sent) == 3
    attempt = [AttemptStarted, AttemptEnded]
    again = [*attempt, AttemptFailed]
    told = [type(event) for event in events if not isinstance(event, Penalised)]
    assert told == [CallQueued, *again, *again, *attempt, CallFinished]
    assert sum(isinstance(event, Penalised) for event in events) == 2 * (end is LIMITED)


async def test_attempts_are_bounded_and_counted() -> None:
    """The last error comes out, with operation, attempts and no effect."""
    session = PlayedBack(errors.ReplyTimeoutError("x"))
    with pytest.raises(errors.ReplyTimeoutError) as caught:
        await dispatcher(session)(operation(), Ask())
    assert (caught.value.operation, caught.value.attempts, caught.value.effect) == ("ask", 3, "none")


@pytest.mark.parametrize("effect", [EffectClass.KEYED, EffectClass.UNKEYED])
@pytest.mark.parametrize(
    "end",
    [
        errors.ReplyTimeoutError("x"),
        errors.ReplyLostError("x"),
        (502, b"<html>"),
        (200, b""),
        (200, b'{"data": {"ask": {"status": 1}}}'),
        (200, b'{"data": {"ask": {"status": 1, "data": {"value": {}}}}}'),
        (200, b'{"data": null}'),
        (400, b'{"error": "x"}'),
        (307, b""),
    ],
)
async def test_money_in_doubt_is_sent_once_and_says_so(end: object, effect: EffectClass) -> None:
    """No answer that tells what happened: one attempt, OutcomeUnknownError, the poNumber and the cause with it."""
    session = PlayedBack(end)
    with pytest.raises(errors.OutcomeUnknownError) as caught:
        await dispatcher(session)(operation(effect), Ask())
    assert len(session.sent) == 1
    assert (caught.value.po_number, caught.value.effect) == ("PO-1", "possible")
    assert isinstance(caught.value.__cause__, errors.XoxoError)


async def test_a_vendors_refusal_keeps_its_class() -> None:
    """A refusal with an id says more than doubt, and says whether an order may exist."""
    for error_id, kind, effect in [
        ("PLE10018", errors.DenominationError, "none"),
        ("PLE10004", errors.DuplicatePoNumberError, "possible"),
        ("PLE10010", errors.InsufficientFundsError, "possible"),
    ]:
        session = PlayedBack((422, b'{"errorId": "%s"}' % error_id.encode()))
        with pytest.raises(kind) as caught:
            await dispatcher(session)(operation(EffectClass.KEYED), Ask())
        assert (caught.value.effect, len(session.sent)) == (effect, 1)


@pytest.mark.parametrize("effect", list(EffectClass))
async def test_a_refused_token_is_renewed_once_for_free(effect: EffectClass) -> None:
    """A token refusal proves that nothing was processed: the token is forgotten, and the call goes again."""
    session = PlayedBack(EXPIRED, FINE)
    assert await dispatcher(session)(operation(effect), Ask()) == Reply(7)
    assert session.rejected == [TOKEN]


async def test_a_token_refused_twice_is_an_error() -> None:
    """No storm of renewals: the second refusal in a call comes out, however many attempts there are."""
    session = PlayedBack(EXPIRED)
    with pytest.raises(errors.TokenRejectedError):
        await dispatcher(session)(operation(), Ask())
    assert len(session.sent) == 2


NOT_FOUND = (404, b'{"code": 404, "errorId": "PLE10016", "error": "x"}')


@pytest.mark.parametrize(
    ("before", "worked"), [((), False), ((FINE,), True), ((NOT_FOUND,), True), (((502, b"<html>"),), False)]
)
async def test_a_token_that_was_accepted_before_is_refused_as_such(before: tuple[object, ...], worked: bool) -> None:
    """By a success, or by a refusal of the operation itself; an edge server's page accepts nothing."""
    session = PlayedBack(*before, EXPIRED)
    road = dispatcher(session)
    for _ in range(len(before) + 1):
        with suppress(errors.XoxoError):
            await road.once(operation(), Ask())
    assert session.worked == [worked]


async def test_while_no_token_is_asked_for_the_refusal_says_so() -> None:
    """Of a single attempt, too, which does not come to the wait itself."""
    session = PlayedBack(EXPIRED)
    session.held = errors.TokenRejectedError("since then, until then", retryable=True)
    with pytest.raises(errors.TokenRejectedError, match="since then") as caught:
        await dispatcher(session).once(operation(), Ask())
    assert caught.value.status == 401


async def test_money_goes_again_after_proof() -> None:
    """Unreached, or refused for the rate: the same bytes go again."""
    session = PlayedBack(errors.ConnectError("x"), LIMITED, FINE)
    assert await dispatcher(session)(operation(EffectClass.KEYED), Ask()) == Reply(7)
    assert len({sent[2] for sent in session.sent}) == 1


async def test_once_is_once() -> None:
    """A single attempt: no retry, no renewal, the error as it came; encoded bytes go out as they are."""
    for end in (EXPIRED, LIMITED, errors.ConnectError("x")):
        session = PlayedBack(end)
        with pytest.raises(errors.XoxoError):
            await dispatcher(session).once(operation(EffectClass.KEYED), Ask())
        assert len(session.sent) == 1
    session = PlayedBack(FINE)
    await dispatcher(session).once(operation(), msgspec.Raw(b'{"as": "stored"}'))
    assert b'"variables":{"data":{"as": "stored"}}' in session.sent[0][2]


async def test_a_slot_after_the_deadline_fails_at_once() -> None:
    """A call that could only start after its deadline is not kept waiting."""
    session = PlayedBack(FINE)
    call = dispatcher(session, call_s=60)
    call.pacer.penalise("ask", 600)
    with anyio.fail_after(30), pytest.raises(errors.RateLimitedError) as caught:
        await call(operation(), Ask())
    assert not session.sent
    assert caught.value.effect == "none"


MONEY = [EffectClass.KEYED, EffectClass.UNKEYED]


@pytest.mark.parametrize(
    ("effect", "wait_s", "sent"),
    [
        (EffectClass.READ, 9.0, True),
        (EffectClass.KEYED, 4.0, True),
        (EffectClass.KEYED, 6.0, False),
        (EffectClass.UNKEYED, 7.0, True),
        (EffectClass.UNKEYED, 9.0, False),
    ],
)
async def test_money_takes_a_slot_only_while_its_answer_can_still_come(
    monkeypatch: pytest.MonkeyPatch, effect: EffectClass, wait_s: float, sent: bool
) -> None:
    """An order needs its own time and a look-up before the call's deadline, other money its own time; a read nothing.

    Otherwise the call ends at once, nothing is sent, and the slot is another caller's.
    """
    now = [100.0]

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(pacing, "asyncio", SimpleNamespace(sleep=sleep))
    session = PlayedBack(FINE)
    pacer = Pacer(RateLimits(other=60), clock=lambda: now[0])
    timeouts = Timeouts(order_s=3, read_s=2, call_s=10)
    call = Dispatcher(
        session,  # type: ignore[arg-type]
        pacer=pacer, retry=RetryPolicy(base_s=0, max_s=0), timeouts=timeouts, clock=lambda: now[0],
    )  # fmt: skip
    pacer.not_before("ask", 100 + wait_s)
    if sent:
        assert await call(operation(effect), Ask()) == Reply(7)
        limits = {EffectClass.KEYED: 3, EffectClass.UNKEYED: 2, EffectClass.READ: pytest.approx(1)}
        assert session.sent[0][4] == limits[effect]
        return
    with pytest.raises(errors.RateLimitedError, match="too late for the call's deadline") as caught:
        await call(operation(effect), Ask())
    assert (session.sent, caught.value.effect, now[0]) == ([], "none", 100)
    assert pacer.reserve("ask", 100 + wait_s) == wait_s


@pytest.mark.parametrize("effect", MONEY)
async def test_money_is_not_sent_again_so_late_that_its_answer_cannot_come(
    monkeypatch: pytest.MonkeyPatch, effect: EffectClass
) -> None:
    """The same holds for another try after a server that was not reached; the error is the one that called for it."""
    now = [0.0]
    session = PlayedBack(errors.ConnectError("refused"), FINE)

    async def send(*arguments: object) -> Answer:
        now[0] += 8.5
        return await PlayedBack.send(session, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(session, "send", send)
    call = Dispatcher(
        session,  # type: ignore[arg-type]
        pacer=Pacer(RateLimits.unlimited()), retry=RetryPolicy(base_s=0, max_s=0),
        timeouts=Timeouts(order_s=3, read_s=2, call_s=10), clock=lambda: now[0],
    )  # fmt: skip
    with pytest.raises(errors.ConnectError, match="refused"):
        await call(operation(effect), Ask())
    assert len(session.sent) == 1


async def test_an_order_in_a_short_call_leaves_time_for_its_look_up() -> None:
    """A call too short for `order_s` gives the order all but what the look-up keeps."""
    session = PlayedBack(FINE)
    await dispatcher(session, call_s=60)(operation(EffectClass.KEYED), Ask())
    assert session.sent[0][4] == pytest.approx(45, abs=1)


@pytest.mark.parametrize("waits_for", ["token", "slot", "retry"])
async def test_a_caller_cancelled_before_anything_was_sent_has_it_in_writing(
    monkeypatch: pytest.MonkeyPatch, waits_for: str
) -> None:
    """A service must not call an order doubtful that never left."""
    road = Road((200, b'{"errors": [{"penaltySeconds": 60}]}'), interval_s=0)
    waiting = anyio.Event()

    async def wait(*_: object) -> None:
        waiting.set()
        await anyio.sleep_forever()

    if waits_for == "token":
        road.has_token, road.authorise = False, wait  # type: ignore[method-assign]
    elif waits_for == "slot":
        road.slot = wait  # type: ignore[method-assign]
    else:
        monkeypatch.setattr(anyio, "sleep", wait)
    task = asyncio.ensure_future(road.dispatcher()(operation(), Ask()))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await task
    assert errors.effect_of(cancelled.value) == "none"


async def test_no_slot_for_another_try_does_not_hide_what_failed() -> None:
    """Where pacing leaves no time for a retry, the error is the one that called for it."""
    session = PlayedBack(errors.AuthError("no token within 1 s", retryable=True))
    call = Dispatcher(
        session,  # type: ignore[arg-type]
        pacer=Pacer(RateLimits(other=1)),
        retry=RetryPolicy(attempts=3, base_s=0, max_s=0),
        timeouts=Timeouts(call_s=5),
    )
    with anyio.fail_after(8), pytest.raises(errors.AuthError, match="no token"):
        await call(operation(), Ask())


async def test_a_broken_hook_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """An observer's exception is logged, and the call goes on."""

    def broken(_event: Event) -> None:
        raise ValueError("hook")

    call = Dispatcher(
        PlayedBack(FINE),  # type: ignore[arg-type]
        pacer=Pacer(RateLimits()),
        retry=RetryPolicy(),
        timeouts=Timeouts(),
        calls=Calls([broken]),
    )
    assert await call(operation(), Ask()) == Reply(7)
    assert "failed on CallFinished" in caplog.text


class Road(PlayedBack):
    """A session and a pacer in one, that note in which order they were asked."""

    def __init__(self, *ends: object, interval_s: float = 1.0) -> None:
        super().__init__(*ends)
        self.asked: list[str] = []
        self.lost_tokens = 0
        self.blocked = False
        self.interval_s = lambda _operation: interval_s
        self.is_blocked = lambda _operation: self.blocked
        self.is_free = lambda _operation: False

    async def authorise(self, _within_s: float = 0) -> None:
        self.asked.append("token")
        self.has_token = True
        self.secrets: tuple[Secret, ...] = ()

    async def slot(self, _operation: str, _deadline: float | None = None) -> None:
        self.asked.append("slot")
        self.blocked = False
        self.has_token = self.has_token and self.lost_tokens == 0
        self.lost_tokens = max(self.lost_tokens - 1, 0)

    def penalise(self, operation: str, seconds: float) -> None:
        self.asked.append(f"penalty {operation} {seconds:g}")
        self.blocked = True

    async def send(self, *arguments: object) -> Answer:  # type: ignore[override]
        self.asked.append("send")
        return await super().send(*arguments)  # type: ignore[arg-type]

    def dispatcher(self, base_s: float = 0.0) -> Dispatcher:
        retry = RetryPolicy(attempts=2, base_s=base_s, max_s=base_s)
        return Dispatcher(self, pacer=self, retry=retry, timeouts=Timeouts())  # type: ignore[arg-type]


async def test_the_token_comes_before_the_slot() -> None:
    """Whoever waits for a token within a slot leaves late, in a crowd with all others who did."""
    road = Road(FINE)
    road.has_token = False
    await road.dispatcher()(operation(), Ask())
    assert road.asked == ["token", "slot", "send"]


async def test_a_token_that_dies_during_the_wait_costs_the_slot() -> None:
    """A new token, then a new slot."""
    road = Road(FINE)
    road.lost_tokens = 2
    await road.dispatcher()(operation(), Ask())
    assert road.asked == ["slot", "token", "slot", "token", "slot", "send"]


@pytest.mark.parametrize(
    ("end", "penalty"),
    [
        ((503, b"{}", 7.0), ["penalty ask 7"]),
        ((429, b'{"errorId": "PLE99999", "error": "x"}', 7.0), ["penalty ask 7"]),
        ((429, b"{}", None), ["penalty ask 60"]),
        ((200, b'{"message": "auth.request_limit_exceeded"}', None), ["penalty ask 60"]),
        ((500, b"{}", 7.0), []),
        ((503, b"{}", None), []),
    ],
)
async def test_what_an_answer_imposes(end: object, penalty: list[str]) -> None:
    """A rate refusal, or a Retry-After under 429 and 503, holds the operation back for everybody."""
    road = Road(end)
    with pytest.raises(errors.ApiError):
        await road.dispatcher().once(operation(), Ask())
    assert road.asked == ["send", *penalty]


async def test_a_refused_call_stands_in_line_at_once() -> None:
    """Slept out first, the penalty would put it behind everybody who came meanwhile."""
    road = Road((200, b'{"errors": [{"penaltySeconds": 30}]}'), FINE)
    with anyio.fail_after(18):
        assert await road.dispatcher(base_s=20)(operation(), Ask()) == Reply(7)
    assert road.asked == ["slot", "send", "penalty ask 30", "slot", "send"]


async def test_without_a_limit_a_refused_call_waits_with_jitter() -> None:
    """No pacer spaces those; the vendor's penalty is waited for, and a little more."""
    road = Road((200, b'{"errors": [{"penaltySeconds": 0.2}]}'), FINE, interval_s=0)
    started = time.monotonic()
    await road.dispatcher()(operation(), Ask())
    assert time.monotonic() - started >= 0.19
