"""`session`: one run sends what is planned, settles what is in doubt, and collects late codes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from tests.unit.bulk.jobs import Client, delivered, issuer, lines
from xoxo_async import errors
from xoxo_async.bulk import Pause, SqliteLedger
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LineState
from xoxo_async.services.orders import Order
from xoxo_async.transport.connections import OrderAnswer

pytestmark = pytest.mark.anyio


async def test_an_order_with_a_lost_answer_is_found(client: Client, ledger: SqliteLedger) -> None:
    """Within the run, after the rest."""
    client.loses(2, booked=True)
    report = await issuer(client, ledger).run(lines("a", "b", "c"))
    assert (report.unknown, report.not_sent, report.placed_now) == (0, 0, 3)
    assert (len(client.sent), client.looked_up) == (3, [client.sent[1]])


async def test_an_absent_order_is_sent_under_its_number(client: Client, ledger: SqliteLedger) -> None:
    """In the same run."""
    client.loses(2, booked=False)
    report = await issuer(client, ledger).run(lines("a", "b", "c"))
    assert (report.unknown, report.not_sent, report.placed_now) == (0, 0, 3)
    assert (len(client.sent), client.sent[3]) == (4, client.sent[1])


async def test_settling_by_itself_sends_nothing(client: Client, ledger: SqliteLedger) -> None:
    """What is proven absent waits for the next run, and what was found is placed."""
    client.refuses = errors.CredentialsRejectedError("not you")
    client.loses(1, booked=True)
    assert (await issuer(client, ledger).run(lines("a"))).unknown == 1
    client.loses(2, booked=False)
    assert (await issuer(client, ledger).run(lines("b"))).unknown == 2
    client.refuses = None
    report = await issuer(client, ledger).reconcile()
    assert (report.unknown, report.not_sent, report.placed_now, len(client.sent)) == (0, 1, 1, 2)
    assert (await issuer(client, ledger).resume()).placed_now == 1


@pytest.mark.parametrize(
    ("refusal", "pause"),
    [(errors.ServerError("502"), Pause.UNREACHABLE), (errors.CredentialsRejectedError("not you"), Pause.CREDENTIALS)],
)
async def test_failed_look_ups_are_the_reason_of_doubt(
    client: Client, ledger: SqliteLedger, refusal: errors.XoxoError, pause: Pause
) -> None:
    """The report says so in their words."""
    client.refuses = refusal
    client.loses(1, booked=True)
    report = await issuer(client, ledger, pause_limit_s=0).run(lines("a"))
    assert (report.unknown, report.pause, report.reason) == (1, pause, f"look-ups fail: {refusal.message}")


async def test_sends_of_a_dead_process_are_looked_up(client: Client, tmp_path: Path) -> None:
    """It is in doubt, and may have been placed: it is found, and the line beside it is sent."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await issuer(client, ledger).plan(lines("a", "b"))
        (claimed,) = await ledger.claim(1)
    client.books[claimed.po_number] = delivered(77)
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        report = await issuer(client, ledger).resume()
        first = await ledger.find("a")
    assert first is not None
    assert (first.state, first.order_id) == (LineState.PLACED, 77)
    assert (report.placed_now, claimed.po_number in client.sent, len(client.sent)) == (2, False, 1)


async def test_connections_bound_the_requests_in_flight(client: Client, ledger: SqliteLedger) -> None:
    """Waiting for one, a request's time would run."""
    client.max_connections = 3
    await issuer(client, ledger, concurrency=50).run(lines(*"abcdefghij"))
    assert (client.most_in_flight, len(client.sent)) == (3, 10)


async def test_doubt_from_delivery_checks_is_settled_at_once(
    client: Client, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection may turn out to be out of step at any look-up, and each row ends with its own order."""
    run = issuer(client, ledger)
    await run.plan(lines("a", "b"))
    one, two = await ledger.claim(2)
    placed = [
        Change(seq=line.seq, evidence=Evidence.ANSWERED_PLACED, epoch=line.epoch, order_id=900 + line.seq)
        for line in (one, two)
    ]
    await ledger.record([msgspec.structs.replace(fact, delivery=Delivery.PENDING) for fact in placed])
    listeners: list[Callable[[OrderAnswer], None]] = []

    @contextmanager
    def telling_doubts(listener: Callable[[OrderAnswer], None]) -> Iterator[None]:
        listeners.append(listener)
        yield

    async def get(*, order_id: int) -> Order:
        listeners[-1](OrderAnswer(one.po_number, 901))
        return Order(order_id=order_id, quantity=1)

    monkeypatch.setattr(client, "telling_doubts", telling_doubts)
    monkeypatch.setattr(client, "get", get, raising=False)
    client.books[one.po_number] = delivered(77)
    report = await run.resume()
    assert (report.unknown, report.issued, report.pending) == (0, 1, 1)
    assert [line.order_id async for line in ledger.lines()] == [77, 902]
