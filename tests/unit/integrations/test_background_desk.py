"""`integrations.background_desk`: one client for every thread and loop, calls that go on, forks, and the end."""

import asyncio
import gc
import logging
import os
import threading
import weakref
from collections.abc import Iterator

import pytest

from tests.unit.integrations.shop import client_of
from xoxo_async import Order, errors
from xoxo_async.integrations.background_desk import BackgroundDesk
from xoxo_async.integrations.desk import OrderDesk
from xoxo_async.sandbox import Sandbox


@pytest.fixture
def background(xoxo_sandbox: Sandbox) -> Iterator[BackgroundDesk]:
    made = BackgroundDesk(lambda: client_of(xoxo_sandbox))
    yield made
    made.close()
    assert not any(thread.name == "xoxo-background" for thread in threading.enumerate())


async def place(desk: OrderDesk, po_number: str = "PO-1") -> Order | None:
    return await desk.place(product_id=1001, denomination=500, po_number=po_number)


def test_threads_and_loops_share_one_client(background: BackgroundDesk, xoxo_sandbox: Sandbox) -> None:
    """A loop for each request, as Django and Flask have it: one client, one token."""
    clients = {background.run(client_named)}
    clients |= {asyncio.run(background.call(client_named)) for _ in range(3)}
    threads = [threading.Thread(target=lambda: clients.add(background.run(client_named))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(clients) == 1
    orders = background.run(place), asyncio.run(background.call(place))
    assert len({order.order_id for order in orders if order}) == 1
    assert xoxo_sandbox.books().orders == 1


async def client_named(desk: OrderDesk) -> int:
    await desk.client.account.get_balance()
    return id(desk.client)


def test_an_order_outlives_its_request(background: BackgroundDesk, xoxo_sandbox: Sandbox) -> None:
    """The request is cancelled and its loop is closed; the order is placed to its end."""
    begun, go_on, placed = threading.Event(), asyncio.Event(), threading.Event()

    async def slow(desk: OrderDesk) -> None:
        begun.set()
        await go_on.wait()
        await place(desk)
        placed.set()

    async def request() -> None:
        asking = asyncio.ensure_future(background.call(slow))
        await asyncio.to_thread(begun.wait)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(request())

    async def release(_desk: OrderDesk) -> None:
        go_on.set()

    background.run(release)
    assert placed.wait(60)
    assert xoxo_sandbox.books().orders == 1


def test_an_error_without_callers_is_logged(background: BackgroundDesk, caplog: pytest.LogCaptureFixture) -> None:
    """A request that went away does not take the error with it."""

    async def fail(_desk: OrderDesk) -> None:
        await asyncio.sleep(0)
        raise errors.OutcomeUnknownError("lost", po_number="PO-1")

    async def bug(_desk: OrderDesk) -> None:
        raise ZeroDivisionError

    async def request() -> None:
        asking = [asyncio.ensure_future(background.call(use)) for use in (fail, bug)]
        await asyncio.sleep(0)  # both are on their way
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    asyncio.run(request())
    background.close()
    assert {(record.levelno, record.__dict__.get("po_number")) for record in caplog.records} <= {
        (logging.WARNING, "PO-1"),
        (logging.ERROR, None),
    }


def test_errors_reach_the_caller(background: BackgroundDesk) -> None:
    """Those of the call, and those of a function that is no coroutine function."""
    with pytest.raises(errors.ArgumentError, match="po_number"):
        background.run(lambda desk: place(desk, ""))
    with pytest.raises(ZeroDivisionError):
        background.run(lambda _desk: 1 / 0)  # type: ignore[arg-type,return-value]


def test_run_refuses_to_block_a_loop(background: BackgroundDesk) -> None:
    """An async view awaits `call`."""

    async def view() -> None:
        background.run(place)

    with pytest.raises(errors.ConfigError, match=r"await call\(\)"):
        asyncio.run(view())


def test_wrong_settings_are_raised_each_time() -> None:
    """A client that cannot be made is tried again by the next call, and leaves no thread."""
    tries: list[int] = []

    def source() -> None:
        tries.append(1)

    background = BackgroundDesk(source)  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(errors.ConfigError, match="returned NoneType"):
            background.run(place)
    assert len(tries) == 2
    with pytest.raises(errors.ConfigError, match="source must be a function"):
        BackgroundDesk(object())  # type: ignore[arg-type]


def test_closing_ends_calls_and_refuses_more(xoxo_sandbox: Sandbox) -> None:
    """A call that takes longer than `finish_s` is cancelled, and its caller is told."""
    background = BackgroundDesk(lambda: client_of(xoxo_sandbox), finish_s=0.01)
    begun = threading.Event()
    caught: list[BaseException] = []

    async def hang(_desk: OrderDesk) -> None:
        begun.set()
        await asyncio.Event().wait()

    def view() -> None:
        try:
            background.run(hang)
        except BaseException as error:  # noqa: BLE001
            caught.append(error)

    thread = threading.Thread(target=view)
    thread.start()
    assert begun.wait(60)
    background.close()
    thread.join()
    assert [type(error) for error in caught] == [errors.OutcomeUnknownError]
    with pytest.raises(errors.ConfigError, match="closed"):
        background.run(place)
    background.close()


def test_a_forked_worker_has_its_own_client(background: BackgroundDesk, xoxo_sandbox: Sandbox) -> None:
    """A server that imports the app and then forks: parent and child both order."""
    background.run(place)
    child = os.fork()
    if child == 0:  # pragma: no cover - pytest must not go on in the child
        try:
            background.run(lambda desk: place(desk, "PO-2"))
            background.close()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    background.run(lambda desk: place(desk, "PO-3"))
    assert xoxo_sandbox.books().orders == 3


def test_an_unused_object_leaves_nothing() -> None:
    """The end of the process does not keep it alive."""
    background = BackgroundDesk()
    known = weakref.ref(background)
    del background
    gc.collect()
    assert known() is None
