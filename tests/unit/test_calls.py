"""`calls`: all events of a call have one id, every call has an end, and a penalty is told once."""

import anyio
import pytest

from xoxo_async.calls import Call, Calls, current_call_id, report_doubt
from xoxo_async.config import RateLimits
from xoxo_async.errors import ConnectError, RateLimitedError
from xoxo_async.hooks import (
    AttemptEnded,
    AttemptStarted,
    CallEvent,
    CallFinished,
    CallQueued,
    Event,
    OrderInDoubt,
    Penalised,
)
from xoxo_async.pacing import Pacer

pytestmark = pytest.mark.anyio


class Asked:
    def __init__(self, name: str = "placeOrder") -> None:
        self.name = name
        self.method = "POST"
        self.path = "/v1/api?token=abc"


ORDER, LOOK_UP = Asked(), Asked("getOrderDetails")


class Watched:
    """Calls whose events are kept, with a clock that a test moves."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.now = 100.0
        self.pacer = Pacer(RateLimits(place_order=60), clock=lambda: self.now)
        self.calls = Calls([self.events.append], base_url="https://x/chef", pacer=self.pacer, clock=lambda: self.now)

    def begin(self) -> Call:
        return self.calls.begin("placeOrder", "PO-7")

    def one(self, kind: type[Event]) -> Event:
        (event,) = [event for event in self.events if isinstance(event, kind)]
        return event


@pytest.fixture
def watched() -> Watched:
    return Watched()


async def test_an_answered_call_tells_four_events(watched: Watched) -> None:
    """With one id, the waits and the times; the address comes without its query."""
    call = watched.begin()
    assert current_call_id() == call.id
    watched.now += 2
    call.attempting(ORDER)
    watched.now += 3
    call.answered(200)
    call.ended()
    url, same = "https://x/chef/v1/api", {"operation": "placeOrder", "call_id": call.id, "po_number": "PO-7"}
    assert watched.events == [
        CallQueued(**same),
        AttemptStarted(**same, attempt=1, queued_s=2, method="POST", url=url, per_minute=60),
        AttemptEnded(**same, attempt=1, elapsed_s=3, method="POST", url=url, status=200),
        CallFinished(**same, attempts=1, elapsed_s=5, queued_s=2, status=200),
    ]
    assert current_call_id() == ""


async def test_no_two_calls_have_one_id(watched: Watched) -> None:
    """Ids are short, and unique in the process."""
    ids = set()
    for _ in range(100):
        call = watched.begin()
        call.ended()
        ids.add(call.id)
    assert len(ids) == 100
    assert max(map(len, ids)) < 20


async def test_look_ups_belong_to_the_held_call(watched: Watched) -> None:
    """What `place` asks until it closes the call has its id, and adds no call of its own."""
    held = watched.calls.hold("placeOrder", "PO-7")
    error = ConnectError("x", effect="possible")
    for operation, end in ((ORDER, error), (LOOK_UP, None)):
        call = watched.calls.begin(operation.name, "PO-7")
        assert call is held
        call.attempting(operation)
        if end is None:
            call.answered(200)
        call.ended(end)
    held.settled(6, error)
    held.close()
    assert {event.call_id for event in watched.events if isinstance(event, CallEvent)} == {held.id}
    finished = watched.one(CallFinished)
    assert isinstance(finished, CallFinished)
    assert (finished.attempts, finished.look_ups, finished.settled, finished.error) == (1, 1, True, "")


async def test_another_task_never_joins_a_held_call(watched: Watched) -> None:
    """A task that was started during a call makes calls of its own."""
    held = watched.calls.hold("placeOrder", "PO-7")

    async def other() -> None:
        call = watched.calls.begin("getBalance", None)
        assert call is not held
        call.ended()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
    held.close()


async def test_a_failed_call_names_itself_in_the_error(watched: Watched) -> None:
    """The error has the call's id; the event has class, effect and error id, and an unlisted id is not repeated."""
    call = watched.begin()
    call.attempting(ORDER)
    error = ConnectError("secret words", error_id="ALICE@EXAMPLE.ORG", status=502)
    call.ended(error)
    assert error.call_id == call.id
    finished = watched.one(CallFinished)
    assert isinstance(finished, CallFinished)
    assert (finished.error, finished.effect, finished.error_id) == ("ConnectError", "none", "unlisted")
    assert "secret" not in repr(watched.events)


async def test_a_cancelled_call_has_an_end(watched: Watched) -> None:
    """So what counts open calls comes back to 0."""
    call = watched.begin()
    call.attempting(ORDER)
    call.ended(anyio.get_cancelled_exc_class()())
    kinds = [type(event) for event in watched.events]
    assert kinds == [CallQueued, AttemptStarted, AttemptEnded, CallFinished]
    finished = watched.one(CallFinished)
    assert isinstance(finished, CallFinished)
    assert (finished.error, finished.effect) == ("CancelledError", "possible")


async def test_a_penalty_is_told_once(watched: Watched) -> None:
    """Many calls in flight meet one penalty; the next penalty is told again."""
    for _ in range(3):
        watched.pacer.penalise("placeOrder", 60)
        call = watched.begin()
        call.attempting(ORDER)
        call.ended(RateLimitedError("x", status=429, retry_after_s=60))
        watched.now += 0.1
    told = watched.one(Penalised)
    assert isinstance(told, Penalised)
    assert (told.operation, told.wait_s, told.level) == ("placeOrder", 60, 30)
    watched.now += 100
    watched.pacer.penalise("placeOrder", 60)
    call = watched.begin()
    call.attempting(ORDER)
    call.ended(RateLimitedError("x", status=429, retry_after_s=60))
    assert sum(isinstance(event, Penalised) for event in watched.events) == 2


async def test_a_doubt_names_the_call_of_its_order(watched: Watched) -> None:
    """A doubt about the order of another call has no id: it is not this call's."""
    call = watched.begin()
    for po_number in ("PO-7", "PO-8"):
        report_doubt([watched.events.append], po_number, "why")
    call.ended()
    doubts = [event for event in watched.events if isinstance(event, OrderInDoubt)]
    assert [(event.po_number, event.call_id) for event in doubts] == [("PO-7", call.id), ("PO-8", "")]
