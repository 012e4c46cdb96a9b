"""`slots`: a token first, then a slot; a penalty that is too long pauses the run."""

import anyio
import pytest

from tests.unit.bulk.running.servers import Server
from xoxo_async import RateLimits, errors
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.bulk.running.slots import CallSlots
from xoxo_async.bulk.running.stopping import StopSignal
from xoxo_async.pacing import Pacer

pytestmark = pytest.mark.anyio


class Waiting:
    """Slots of a server, and what is said while they are waited for."""

    def __init__(self, server: Server, pause_limit_s: float = 60.0) -> None:
        self.stop, self.progress = StopSignal(), Progress()
        self.penalties: list[tuple[str, float]] = []
        self.slots = CallSlots(
            server,  # type: ignore[arg-type]
            "placeOrder",
            "orders",
            self.stop,
            self.progress,
            pause_limit_s=pause_limit_s,
            penalised=lambda what, wait_s: self.penalties.append((what, wait_s)),
            clock=anyio.current_time,
            wall=lambda: server.now,
        )


async def test_without_a_limit_all_slots_are_there() -> None:
    """None is waited for."""
    waiting = Waiting(Server())
    assert await waiting.slots.take(50) == 50


async def test_with_a_limit_due_slots_are_taken() -> None:
    """The first is waited for, the next ones are not."""
    server = Server()
    server.pacer = Pacer(RateLimits(place_order=1200))
    waiting = Waiting(server)
    with anyio.fail_after(30):
        assert await waiting.slots.take(50) == 1
        assert await waiting.slots.take(50) == 1
    assert waiting.penalties == []


async def test_a_stopped_run_takes_no_slot() -> None:
    """It gets no token either."""
    server, asked = Server(), list[bool]()

    async def authorise() -> None:
        asked.append(True)

    server.authorise = authorise
    waiting = Waiting(server)
    waiting.stop.stop(Pause.INTERRUPTED, "enough")
    await waiting.slots.authorise()
    assert (await waiting.slots.take(5), asked) == (0, [])


@pytest.mark.parametrize(
    ("penalty_s", "pause"), [(0.105, Pause.NONE), (0.5, Pause.RATE)], ids=["within the tolerance", "too long"]
)
async def test_a_penalty_of_orders_is_served_or_pauses(penalty_s: float, pause: Pause) -> None:
    """A tenth over the limit is served, since a rounded number must not pause a run."""
    server = Server()
    server.pacer.penalise("placeOrder", penalty_s)
    waiting = Waiting(server, pause_limit_s=0.1)
    with anyio.fail_after(30):
        taken = await waiting.slots.take(3)
    assert (waiting.stop.pause, taken) == (pause, 0 if pause else 3)
    assert [what for what, _ in waiting.penalties] == ([] if pause else ["orders"])
    assert waiting.progress.wait == ""


async def test_a_penalty_of_tokens_is_served_and_reported() -> None:
    """The token comes before the slots."""
    server, penalties = Server(), [errors.RateLimitedError("slow down", retry_after_s=0.001)]

    async def authorise() -> None:
        if penalties:
            raise penalties.pop()

    server.authorise = authorise
    waiting = Waiting(server)
    await waiting.slots.authorise()
    assert (waiting.penalties, waiting.stop.pause) == ([("tokens", 0.001)], Pause.NONE)


async def test_other_token_errors_are_left_to_sends() -> None:
    """The line's own attempt meets the error, and the sender acts on it."""
    server = Server()

    async def authorise() -> None:
        raise errors.CredentialsRejectedError("not you")

    server.authorise = authorise
    waiting = Waiting(server)
    with anyio.fail_after(30):
        await waiting.slots.authorise()
    assert waiting.stop.pause is Pause.NONE


class Shared(Pacer):
    """A pacer whose next slots another process may have: they come when the test says so."""

    def __init__(self) -> None:
        super().__init__(RateLimits(place_order=60))
        self.granted: list[float] = []
        self.asked = anyio.Event()
        self.answer = anyio.Event()

    def knows_next(self, operation: str) -> bool:
        return bool(self.granted)

    async def next_slot(self, operation: str, deadline: float | None = None) -> float:
        if not self.granted:
            self.asked.set()
            await self.answer.wait()
        return self.granted.pop(0)


async def test_due_slots_do_not_wait_for_a_store() -> None:
    """Two slots are there and the third is not known: the two are used at once."""
    server = Server()
    server.pacer = pacer = Shared()
    pacer.granted = [0.0, 0.0]
    with anyio.fail_after(30):
        assert await Waiting(server).slots.take(5) == 2
    assert not pacer.asked.is_set()


async def test_a_slot_counts_from_the_stores_answer() -> None:
    """The seconds until a slot begin when they are told, not when they were asked for."""
    server = Server()
    server.pacer = pacer = Shared()
    waiting = Waiting(server)
    taken: list[tuple[int, float]] = []

    async def take() -> None:
        taken.append((await waiting.slots.take(1), anyio.current_time()))

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(take)
            await pacer.asked.wait()
            await anyio.sleep(0.1)
            answered = anyio.current_time()
            pacer.granted = [0.2]
            pacer.answer.set()
    assert taken[0][0] == 1
    assert taken[0][1] >= answered + 0.2


async def test_a_stop_ends_the_wait_for_a_store() -> None:
    """A run that is stopped does not wait for its turn among other processes."""
    server = Server()
    server.pacer = pacer = Shared()
    waiting = Waiting(server)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(waiting.slots.take, 1)
            await pacer.asked.wait()
            waiting.stop.stop(Pause.INTERRUPTED, "enough")
