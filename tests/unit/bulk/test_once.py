"""`Once`: a message that comes twice, at once, late, cut off, wrong or too dear makes one order, or none."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from tests.postgres import PostgresServer
from tests.unit.bulk.jobs import Client, broke, delivered
from xoxo_async import RateLimits, Verdict, errors
from xoxo_async.bulk import (
    Delivery,
    LineBusyError,
    LineState,
    Once,
    OrderLine,
    PostgresLedger,
    SettledLine,
    SqliteLedger,
)
from xoxo_async.bulk.ledger.lines import Change, Evidence
from xoxo_async.hooks import Event
from xoxo_async.pacing import Pacer
from xoxo_async.postgres.operations import raise_generation
from xoxo_async.services.account import Balance
from xoxo_async.services.catalog import Voucher
from xoxo_async.services.orders import Order

pytestmark = pytest.mark.anyio


def order(key: str = "m-1", **other: Any) -> OrderLine:
    return OrderLine(**{"key": key, "product_id": 1, "denomination": Decimal(100), **other})


def once(client: Client, ledger: SqliteLedger, **settings: Any) -> Once:
    """Return one for which two absences count at once."""
    return Once(client, ledger, **{"job": "march", "settle_s": 0, **settings})  # type: ignore[arg-type]


def gate(client: Client) -> tuple[anyio.Event, anyio.Event]:
    """Hold every answer back: the first event says that a request arrived, the second one lets its answer go."""
    arrived, go_on = anyio.Event(), anyio.Event()

    async def happen(_po_number: str) -> None:
        arrived.set()
        await go_on.wait()

    client.happens = happen
    return arrived, go_on


async def states(ledger: SqliteLedger) -> list[LineState]:
    return [line.state async for line in ledger.lines()]


# Delivered once, and again.


async def test_a_new_message_is_ordered(client: Client, ledger: SqliteLedger) -> None:
    """The outcome has the order and its code, masked; the ledger has line, job, account and bounds."""
    settled = await once(client, ledger).issue(order())
    assert (settled.key, settled.state, settled.order_id) == ("m-1", LineState.PLACED, 1)
    assert settled.po_number == client.sent[0]
    assert [voucher.code.reveal() for voucher in settled.codes] == ["C1"]
    assert (settled.delivery, settled.verdict.action) == (Delivery.DELIVERED, "done")


async def test_a_message_brings_its_columns_along(client: Client, ledger: SqliteLedger) -> None:
    """The ledger keeps them, and the request lacks them."""
    await once(client, ledger).issue(order(kept={"Dept": "R&D"}))
    assert await ledger.kept(["m-1"]) == {"m-1": {"Dept": "R&D"}}
    assert [b"Dept" in line.request async for line in ledger.lines()] == [False]
    assert ledger.job == "march"
    assert ledger.identity is not None
    assert client.looked_up == []


async def test_a_redelivered_message_costs_no_call(client: Client, ledger: SqliteLedger) -> None:
    """The stored outcome is returned, also by another object, and after a restart."""
    first = await once(client, ledger).issue(order())
    client.pacer = Pacer(RateLimits(place_order=1))
    client.pacer.penalise("placeOrder", 1000)  # it waits for no slot, and uses none
    assert await once(client, ledger).issue(order()) == first
    assert (len(client.sent), client.looked_up) == (1, [])


async def test_deliveries_at_once_order_once(client: Client, ledger: SqliteLedger) -> None:
    """Twenty messages, each delivered five times at once to one worker: twenty orders, and all outcomes agree."""
    worker = once(client, ledger)
    calls = [worker.issue(order(f"m-{number}")) for number in range(20) for _ in range(5)]
    settled = await asyncio.gather(*calls)
    assert len(client.sent) == len(set(client.sent)) == 20
    assert len({(one.key, one.order_id) for one in settled}) == 20
    assert all(one.codes for one in settled)


async def test_two_workers_at_once_order_once(client: Client, ledger: SqliteLedger) -> None:
    """The second one is told to come back; then it gets the first one's outcome."""
    arrived, go_on = gate(client)
    first = asyncio.create_task(once(client, ledger).issue(order()))
    await arrived.wait()
    with pytest.raises(LineBusyError, match="being sent by another worker") as busy:
        await once(client, ledger).issue(order())
    assert busy.value.retry_after_s > 0
    go_on.set()
    assert (await first).order_id == (await once(client, ledger).issue(order())).order_id == 1


async def test_other_contents_are_a_conflict(client: Client, ledger: SqliteLedger) -> None:
    """A key stands for one order: other contents under it, or a poNumber of another key, are refused."""
    worker = once(client, ledger)
    await worker.issue(order(po_number="PO-1"))
    for other in (order(po_number="PO-1", quantity=2), order("m-2", po_number="PO-1")):
        with pytest.raises(errors.LedgerConflictError):
            await worker.issue(other)
        assert (await worker.handle(other)).action == "person"
    assert len(client.sent) == 1


# Answers that are lost.


async def test_a_lost_answer_is_looked_up(client: Client, ledger: SqliteLedger) -> None:
    """The order is found under its poNumber, in the same call."""
    client.loses(1, booked=True)
    settled = await once(client, ledger).issue(order())
    assert (settled.order_id, len(client.sent), len(client.looked_up)) == (1, 1, 1)


async def test_a_lost_order_is_sent_again_once_absent(client: Client, ledger: SqliteLedger) -> None:
    """Two look-ups say absent, and then the same poNumber is sent; until then the message comes again."""
    client.loses(1, booked=False)
    worker = once(client, ledger)
    with pytest.raises(LineBusyError, match="nobody knows yet"):
        await worker.issue(order())
    settled = await worker.issue(order())
    assert settled.order_id == 2
    assert client.sent[0] == client.sent[1]
    assert settled.attempts == 2


async def test_one_call_may_look_up_twice(client: Client, ledger: SqliteLedger) -> None:
    """The first look-up proves absence, so the order is sent; its answer is lost, too, and the second one finds it."""
    client.loses(1, booked=False)
    worker = once(client, ledger)
    with pytest.raises(LineBusyError):
        await worker.issue(order())
    before = len(client.sent), len(client.looked_up)
    client.loses(2, booked=True)
    assert (await worker.issue(order())).order_id == 2
    assert (len(client.sent) - before[0], len(client.looked_up) - before[1]) == (1, 2)


async def test_doubt_waits_for_the_settling_time(client: Client, ledger: SqliteLedger) -> None:
    """Until then no look-up can count, so none is made, and the error says when to come back."""
    client.loses(1, booked=False)
    worker = once(client, ledger, settle_s=150)
    for _ in range(3):
        with pytest.raises(LineBusyError) as busy:
            await worker.issue(order())
        assert 140 < busy.value.retry_after_s <= 150
    assert len(client.looked_up) == 1
    assert len(client.sent) == 1


async def test_doubt_is_left_to_a_person_where_asked(client: Client, ledger: SqliteLedger) -> None:
    """With `resend="never"` an order that is absent goes to a person, and never again."""
    client.loses(1, booked=False)
    worker = once(client, ledger, resend="never")
    for _ in range(10):
        verdict = await worker.handle(order())
        if verdict.action == "person":
            break
    assert "manual" in verdict.why
    assert len(client.sent) == 1
    assert await states(ledger) == [LineState.MANUAL]


async def test_a_product_that_stays_sold_out_ends(client: Client, ledger: SqliteLedger) -> None:
    """After five sends of one order a person decides: it is not delivered for ever."""

    async def sold_out(_po_number: str) -> None:
        raise errors.OutOfStockError("sold out", error_id="PLE10024", effect="possible", status=400)

    client.happens = sold_out
    worker = once(client, ledger)
    deliveries = 0
    while (verdict := await worker.handle(order(), attempts=deliveries)).action == "again":
        deliveries += 1
        assert deliveries < 50
    assert verdict.action == "person"
    assert "is manual after 5 sends: OutOfStockError: sold out" in verdict.why
    assert len(client.sent) == 5


async def test_a_failing_look_up_settles_nothing(client: Client, ledger: SqliteLedger) -> None:
    """The message comes again; after five refused look-ups a person decides about it."""
    client.loses(1, booked=True)
    client.refuses = errors.BadRequestError("no", status=400, error_id="PLE10002")
    worker = once(client, ledger)
    for _ in range(4):
        with pytest.raises(LineBusyError):
            await worker.issue(order())
    settled = await worker.issue(order())
    assert settled.state is LineState.MANUAL
    assert "its look-ups fail: no" in settled.error
    assert settled.verdict.action == "person"


async def test_look_ups_without_credentials_pause(client: Client, ledger: SqliteLedger) -> None:
    """A person must act, and no message goes to the dead letters for it."""
    client.loses(1, booked=True)
    client.refuses = errors.CredentialsRejectedError("no such client")
    worker = once(client, ledger)
    verdict = await worker.handle(order())
    assert (verdict.action, verdict.pause) == ("again", True)
    client.refuses = errors.RateLimitedError("slow down", retry_after_s=33.0)
    assert (await worker.handle(order())).after_s == 33
    client.refuses = None
    assert (await worker.issue(order())).order_id == 1


# Calls that are cut off.


async def test_a_cancelled_send_is_a_doubt(client: Client, ledger: SqliteLedger) -> None:
    """It is in the ledger before the cancellation goes on, and the next delivery looks it up."""
    arrived, _ = gate(client)
    worker = once(client, ledger)
    issuing = asyncio.create_task(worker.issue(order()))
    await arrived.wait()
    issuing.cancel()
    await asyncio.wait([issuing])
    assert issuing.cancelled()
    (line,) = [line async for line in ledger.lines()]
    assert (line.state, line.error) == (LineState.UNKNOWN, "cancelled in flight")
    client.books[line.po_number] = delivered(1)
    assert (await worker.issue(order())).order_id == 1
    assert len(client.sent) == 1


async def test_a_waiting_twin_goes_on_after_a_cancellation(client: Client, ledger: SqliteLedger) -> None:
    """The second delivery of a key waits for the first one; when that is cancelled, it looks the order up."""
    arrived, _ = gate(client)
    worker = once(client, ledger)
    first, second = (asyncio.create_task(worker.issue(order())) for _ in range(2))
    await arrived.wait()
    client.books[client.sent[0]] = delivered(1)
    first.cancel()
    assert (await second).order_id == 1
    assert first.cancelled()
    assert len(client.sent) == 1


async def test_a_cancelled_wait_for_a_slot_stores_nothing(client: Client, ledger: SqliteLedger) -> None:
    """Nothing was taken, so nothing is in doubt."""
    client.pacer = Pacer(RateLimits(place_order=60))
    await client.pacer.slot("placeOrder")
    worker = once(client, ledger)
    with anyio.move_on_after(0.05):
        await worker.issue(order())
    assert await states(ledger) == []
    assert client.sent == []


async def test_a_killed_senders_message_is_looked_up(client: Client, tmp_path: Path) -> None:
    """The next process finds the line in flight, puts it in doubt, and finds its order."""
    async with SqliteLedger(tmp_path / "k.db") as ledger:
        arrived, _ = gate(client)
        dying = asyncio.create_task(once(client, ledger).issue(order()))
        await arrived.wait()
        (line,) = [line async for line in ledger.lines()]
        assert line.state is LineState.SENDING
        await ledger.aclose()  # as if its process had ended here: nothing of the call is recorded
        dying.cancel()
        await asyncio.wait([dying])
        assert dying.cancelled()
    client.books[line.po_number] = delivered(9)
    async with SqliteLedger(tmp_path / "k.db") as ledger:
        settled = await once(client, ledger).issue(order())
        journal = [row.transition async for row in ledger.journal(seq=line.seq)]
    assert settled.order_id == 9
    assert journal == ["T0", "T1", "T7", "T8"]
    assert len(client.sent) == 1


# Refusals.


async def test_a_refusal_is_an_outcome(client: Client, ledger: SqliteLedger) -> None:
    """It is stored, and returned to every later delivery without a call."""

    async def refuse(_po_number: str) -> None:
        raise errors.DenominationError("not offered", error_id="PLE10018", effect="none", status=400)

    client.happens = refuse
    worker = once(client, ledger)
    for _ in range(2):
        settled = await worker.issue(order())
        assert (settled.state, settled.error_id, settled.codes) == (LineState.REJECTED, "PLE10018", ())
        assert settled.verdict.action == "person"
        assert "not offered" in settled.verdict.why
    assert len(client.sent) == 1


@pytest.mark.parametrize(
    ("error", "pause"),
    [
        (errors.ConnectError("refused"), False),
        (errors.RateLimitedError("slow", retry_after_s=60.0, status=429), False),
        (errors.CredentialsRejectedError("no"), True),
    ],
    ids=["not reached", "a rate limit", "credentials"],
)
async def test_what_was_not_processed_goes_back(
    client: Client, ledger: SqliteLedger, error: errors.XoxoError, pause: bool
) -> None:
    """The line is planned again, the caller gets the error, and the next delivery sends it."""

    async def fail(_po_number: str) -> None:
        raise error

    client.happens = fail
    worker = once(client, ledger)
    with pytest.raises(type(error)):
        await worker.issue(order())
    assert await states(ledger) == [LineState.PLANNED]
    verdict = await worker.handle(order())
    assert (verdict.action, verdict.pause) == ("again", pause)
    client.happens = lambda _po_number: anyio.sleep(0)
    settled = await worker.issue(order())
    assert (settled.order_id, settled.attempts) == (3, 3)


async def test_a_penalty_during_the_arming_sends_nothing(
    client: Client, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came after the slot: the line goes back unsent."""
    arm = ledger.arm

    async def penalised(*args: Any, **kwargs: Any) -> Any:
        armed = await arm(*args, **kwargs)
        client.pacer.penalise("placeOrder", 44)
        return armed

    monkeypatch.setattr(ledger, "arm", penalised)
    verdict = await once(client, ledger).handle(order())
    assert verdict.action == "again"
    assert 43 < verdict.after_s <= 44
    assert client.sent == []
    assert await states(ledger) == [LineState.PLANNED]


async def test_low_funds_pause(client: Client, ledger: SqliteLedger) -> None:
    """The vendor's words leave open whether the order exists: it is looked up later, and the worker pauses."""
    client.happens = broke
    worker = once(client, ledger)
    verdict = await worker.handle(order())
    assert (verdict.action, verdict.pause) == ("again", True)
    assert await states(ledger) == [LineState.UNKNOWN]


async def test_a_slot_that_comes_too_late_is_refused(client: Client, ledger: SqliteLedger) -> None:
    """A message waits `wait_s` for a slot; otherwise it comes again when there is one, and nothing is stored."""
    client.pacer = Pacer(RateLimits(place_order=2))
    worker = once(client, ledger, wait_s=5)
    await worker.issue(order("m-1"))
    verdict = await worker.handle(order("m-2"))
    assert verdict.action == "again"
    assert 25 < verdict.after_s < 31
    assert len(await states(ledger)) == 1


# Messages and settings that are wrong.


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"denomination": Decimal(-1)}, "denomination: must be a number above 0"),
        ({"product_id": "x"}, "product_id: must be a whole number"),
        ({"email": "no"}, "email: must be one e-mail address"),
        ({"key": ""}, "key: is empty"),
        ({"quantity": 0, "tag": 5}, "quantity"),
    ],
)
async def test_a_wrong_message_goes_to_a_person(
    client: Client, ledger: SqliteLedger, wrong: dict[str, Any], words: str
) -> None:
    """Its field is named; nothing is sent or stored, and the queue goes on."""
    worker = once(client, ledger)
    with pytest.raises(errors.ArgumentError) as refused:
        await worker.issue(order(**wrong))
    assert words in refused.value.message
    verdict = await worker.handle(order(**wrong))
    assert (verdict.action, verdict.pause) == ("person", False)
    assert (await worker.handle(order("m-2"))).action == "done"
    assert len(client.sent) == len(await states(ledger)) == 1


async def test_what_is_no_order_line_is_refused(client: Client, ledger: SqliteLedger) -> None:
    """A dict is no order line."""
    with pytest.raises(errors.ArgumentError, match="OrderLine, not dict"):
        await once(client, ledger).issue({"key": "m-1"})  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", [{"job": ""}, {"job": "april"}, {"address": "https://other.test"}])
async def test_wrong_settings_pause(client: Client, ledger: SqliteLedger, settings: dict[str, str]) -> None:
    """No job, another job, another server: no message can be sent, and none goes to a person."""
    if settings["job" if "job" in settings else "address"]:
        await once(client, ledger).issue(order("m-0"))
    sent = len(client.sent)
    worker = once(client, ledger, **settings)
    with pytest.raises(errors.ConfigError):
        await worker.issue(order())
    verdict = await worker.handle(order())
    assert (verdict.action, verdict.pause) == ("again", True)
    assert len(client.sent) == sent


@pytest.mark.parametrize("settings", [{"wait_s": -1}, {"settle_s": -1}, {"resend": "often"}, {"max_spend": -1}])
def test_senseless_settings_are_refused(client: Client, tmp_path: Path, settings: dict[str, Any]) -> None:
    """They are refused when the object is made."""
    with pytest.raises(errors.ConfigError):
        once(client, SqliteLedger(tmp_path / "l.db"), **settings)


# The catalog and the budget.


async def test_a_message_is_compared_with_the_catalog(client: Client, ledger: SqliteLedger) -> None:
    """With `check`, a currency that is not the product's is refused before anything is sent."""
    worker = once(client, ledger, check=True)
    with pytest.raises(errors.ArgumentError, match="column currency: Shop is in INR, not in USD"):
        await worker.issue(order(currency="USD"))
    assert (await worker.issue(order(currency="INR"))).state is LineState.PLACED
    assert len(client.sent) == 1


async def test_a_catalog_that_fails_comes_again(client: Client, ledger: SqliteLedger) -> None:
    """The vendor is away: that is no fault of the message, which was not sent."""

    async def fail(**_given: object) -> list[Voucher]:
        raise errors.ServerError("down", status=503, effect="none")

    worker = once(client, ledger, check=True)
    client.catalog.list_vouchers = fail  # type: ignore[method-assign, assignment]
    verdict = await worker.handle(order())
    assert (verdict.action, verdict.pause, client.sent) == ("again", False, [])


async def test_a_budget_holds(client: Client, ledger: SqliteLedger) -> None:
    """A message that does not fit is not stored, the worker pauses, and a greater budget lets it through."""
    worker = once(client, ledger, max_spend=Decimal(250))
    verdicts = [await worker.handle(order(f"m-{number}")) for number in range(3)]
    assert [(one.action, one.pause) for one in verdicts] == [("done", False), ("done", False), ("again", True)]
    assert "may cost 100, and 50 is left of the 250" in verdicts[2].why
    assert len(client.sent) == len(await states(ledger)) == 2
    kept = once(client, ledger)  # the ledger keeps the budget
    assert (await kept.handle(order("m-2"))).pause
    assert (await once(client, ledger, max_spend=Decimal(300)).handle(order("m-2"))).action == "done"


async def test_a_paused_job_pauses_the_worker(client: Client, ledger: SqliteLedger) -> None:
    """A person paused it: no message is sent, and none goes to the dead letters; what is settled is returned."""
    worker = once(client, ledger)
    await worker.issue(order("m-1"))
    await ledger.pause("a person said so")
    verdict = await worker.handle(order("m-2"))
    assert (verdict.action, verdict.pause) == ("again", True)
    assert "the job is paused: a person said so" in verdict.why
    assert (await worker.handle(order("m-1"))).action == "done"
    await ledger.unpause()
    assert (await worker.handle(order("m-2"))).action == "done"


async def test_an_overcharge_ends_a_budget(client: Client, ledger: SqliteLedger) -> None:
    """The price has moved: no further order is sent under this budget; what was issued is still returned."""
    worker = once(client, ledger, max_spend=Decimal(10_000))
    answer = client.once

    async def dear(*args: Any, **kwargs: Any) -> Order:
        return msgspec.structs.replace(await answer(*args, **kwargs), amount_charged=Decimal(150), currency_code="INR")

    client.once = dear  # type: ignore[method-assign]
    assert (await worker.handle(order("m-1"))).action == "done"
    verdict = await worker.handle(order("m-2"))
    assert (verdict.action, verdict.pause) == ("again", True)
    assert "the price has changed" in verdict.why
    assert (await worker.handle(order("m-1"))).action == "done"
    assert len(client.sent) == 1


async def test_a_currency_without_a_rate_fits_no_budget(client: Client, ledger: SqliteLedger) -> None:
    """What an order may cost is not known, so it is not sent."""
    client.balance = Balance(value=Decimal(5), currency="USD")
    verdict = await once(client, ledger, max_spend=Decimal(1000)).handle(order())
    assert "what it may cost is not known" in verdict.why
    assert client.sent == []


# Codes.


async def test_codes_that_come_later_are_awaited(client: Client, ledger: SqliteLedger) -> None:
    """The message comes again until the codes are there, and then has them; no second order is placed."""
    answer = client.once

    async def pending(*args: Any, **kwargs: Any) -> Order:
        done = await answer(*args, **kwargs)
        po_number = client.sent[-1]
        client.books[po_number] = Order(order_id=done.order_id, quantity=1)
        return client.books[po_number]

    client.once = pending  # type: ignore[method-assign]
    worker, handed = once(client, ledger), []

    async def deliver(settled: SettledLine) -> None:
        handed.append(settled)

    first = await worker.handle(order(), deliver)
    assert (first.action, handed) == ("again", [])
    assert (await once(client, ledger, await_codes=False).handle(order())).action == "done"
    client.books[client.sent[0]] = delivered(1)
    assert (await worker.handle(order(), deliver)).action == "done"
    assert [code.code.reveal() for code in handed[0].codes] == ["C1"]
    assert len(client.sent) == 1


async def test_a_ledger_without_codes_fetches_them(client: Client, tmp_path: Path) -> None:
    """Only their marks are stored; each delivery reads them from the vendor again."""
    async with SqliteLedger(tmp_path / "n.db", store_codes=False) as ledger:
        for _ in range(2):
            settled = await once(client, ledger).issue(order())
            assert [code.code.reveal() for code in settled.codes] == ["C1"]
    assert b'C1"' not in (tmp_path / "n.db").read_bytes()
    assert len(client.sent) == 1


@pytest.fixture
async def bare(client: Client, tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    """Yield a ledger that keeps no codes; m-1 was delivered with one."""
    async with SqliteLedger(tmp_path / "n.db", store_codes=False) as ledger:
        assert (await once(client, ledger).issue(order())).codes
        yield ledger


async def hand_over_again(client: Client, ledger: SqliteLedger, **settings: Any) -> tuple[Verdict, int]:
    """Deliver m-1 again; return its verdict, and how often its outcome was handed over."""
    handed: list[SettledLine] = []

    async def deliver(settled: SettledLine) -> None:
        handed.append(settled)

    verdict = await once(client, ledger, **settings).handle(order(), deliver)
    assert len(client.sent) == 1
    return verdict, len(handed)


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        (None, "the vendor does not find order 1"),
        (msgspec.structs.replace(delivered(1), quantity=9), "order 1 at the vendor is another one: "),
        (Order(order_id=1, quantity=1), "the vendor lists 0 of 1 codes that are its own"),
    ],
    ids=["not found", "another order", "no code"],
)
async def test_codes_that_cannot_be_fetched_go_to_a_person(
    client: Client, bare: SqliteLedger, listed: Order | None, words: str
) -> None:
    """The message must not be acknowledged without the codes that it is about; no second order is placed."""
    del client.books[client.sent[0]]
    if listed is not None:
        client.books[client.sent[0]] = listed
    verdict, handed = await hand_over_again(client, bare)
    assert (verdict.action, verdict.pause, handed) == ("person", False, 0)
    assert f"order 1 (m-1) is delivered, but its codes cannot be handed over: {words}" in verdict.why
    assert await hand_over_again(client, bare, await_codes=False) == (Verdict.done(), 1)


async def test_codes_of_another_order_go_to_a_person(client: Client, bare: SqliteLedger) -> None:
    """The vendor lists a code under a second order as well: it is handed over once."""
    await once(client, bare).issue(order("m-2"))
    client.books[client.sent[0]] = msgspec.structs.replace(delivered(2), order_id=1)
    client.sent.pop()
    verdict, handed = await hand_over_again(client, bare)
    assert (verdict.action, handed) == ("person", 0)
    assert "0 of 1 codes that are its own" in verdict.why
    assert (await bare.counts()).alarms_total == 1


async def test_codes_that_cannot_be_fetched_now_come_again(
    client: Client, bare: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vendor is away: a later delivery hands the codes over."""

    async def fail(**_given: object) -> Order:
        raise errors.ServerError("down", status=503, effect="none")

    with monkeypatch.context() as away:
        away.setattr(client, "get", fail)
        verdict, handed = await hand_over_again(client, bare)
    assert (verdict.action, verdict.pause, handed) == ("again", False, 0)
    assert await hand_over_again(client, bare) == (Verdict.done(), 1)


async def test_codes_of_an_earlier_ledger_are_fetched(client: Client, bare: SqliteLedger, tmp_path: Path) -> None:
    """The ledger keeps codes from now on, and did not when this order was delivered."""
    await bare.aclose()
    async with SqliteLedger(tmp_path / "n.db") as ledger:
        assert await hand_over_again(client, ledger) == (Verdict.done(), 1)
        assert [code.code.reveal() for code in (await once(client, ledger).issue(order())).codes] == ["C1"]
        client.books.clear()
        verdict, handed = await hand_over_again(client, ledger)
    assert (verdict.action, handed) == ("person", 0)


async def test_a_failed_hand_over_passes_through(client: Client, ledger: SqliteLedger) -> None:
    """The message must not be acknowledged; the next delivery hands the same outcome over."""
    handed: list[int | None] = []

    async def deliver(settled: SettledLine) -> None:
        handed.append(settled.order_id)
        if len(handed) == 1:
            raise OSError("the mail server is down")

    worker = once(client, ledger)
    with pytest.raises(OSError, match="mail server"):
        await worker.handle(order(), deliver)
    assert (await worker.handle(order(), deliver)).action == "done"
    assert handed == [1, 1]


async def test_hooks_hear_of_lines(client: Client, ledger: SqliteLedger) -> None:
    """A worker's lines report the same events as those of a run."""
    heard: list[Event] = []
    client.hooks = [heard.append]
    client.loses(1, booked=True)
    await once(client, ledger).issue(order())
    assert [type(event).__name__ for event in heard] == ["LineDoubted", "LineSettled"]


# Ledgers that may lack sends.


@pytest.fixture
async def copied(client: Client, tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    """Yield a copy of a ledger; the original has placed m-1 since."""
    path = tmp_path / "original.db"
    async with SqliteLedger(path) as ledger:
        await once(client, ledger).issue(order("m-0"))
    (tmp_path / "copy.db").write_bytes(path.read_bytes())
    async with SqliteLedger(path) as ledger:
        await once(client, ledger).issue(order("m-1"))
    async with SqliteLedger(tmp_path / "copy.db") as ledger:
        yield ledger


async def test_a_copy_is_refused(client: Client, copied: SqliteLedger) -> None:
    """Nobody knows what the original has sent since, so the worker pauses until a person says so."""
    verdict = await once(client, copied).handle(order("m-2"))
    assert (verdict.action, verdict.pause) == ("again", True)
    assert "restore=True" in verdict.why
    assert len(client.sent) == 2


async def test_a_restored_ledger_looks_before_it_sends(client: Client, copied: SqliteLedger) -> None:
    """What the lost ledger has placed is found and adopted; what it has not is sent."""
    worker = once(client, copied, restore=True)
    assert (await worker.issue(order("m-1"))).order_id == 2
    assert (await worker.issue(order("m-2"))).order_id == 3
    assert len(client.sent) == 3


async def test_a_restored_ledger_sends_nothing_unseen(client: Client, copied: SqliteLedger) -> None:
    """A look-up that fails gives the line back; one that finds another order leaves it to a person."""
    worker = once(client, copied, restore=True)
    client.refuses = errors.ServerError("down", status=503)
    assert (await worker.handle(order("m-1"))).action == "again"
    client.refuses = None
    (line,) = [line async for line in copied.lines(states=(LineState.PLANNED,))]
    client.books[line.po_number] = msgspec.structs.replace(delivered(2), quantity=9)
    settled = await worker.issue(order("m-1"))
    assert (settled.state, len(client.sent)) == (LineState.MANUAL, 2)


async def test_a_restored_database_must_be_told(client: Client, postgres: PostgresServer) -> None:
    """A worker that is not told refuses each message; one that is adopts the order that the backup lacks."""
    database = await postgres.new_database()
    async with PostgresLedger(f"{database}#march", codes_key="") as ledger:
        await once(client, ledger).issue(order("m-0"))
    backup = await postgres.copy_of(database)
    async with PostgresLedger(f"{database}#march", codes_key="") as ledger:
        await once(client, ledger).issue(order("m-1"))
    await raise_generation(backup)
    async with PostgresLedger(f"{backup}#march", codes_key="") as ledger:
        verdicts = [await once(client, ledger).handle(order(key)) for key in ("m-0", "m-1", "m-2")]
        assert {(verdict.action, verdict.pause) for verdict in verdicts} == {("again", True)}
        assert all("restore=True" in verdict.why for verdict in verdicts)
    async with PostgresLedger(f"{backup}#march", codes_key="") as ledger:
        told = once(client, ledger, restore=True)
        assert [(await told.issue(order(key))).order_id for key in ("m-0", "m-1", "m-2")] == [1, 2, 3]
    assert (len(client.sent), len(client.looked_up)) == (3, 2)


async def test_a_line_taken_over_is_not_this_workers(client: Client, ledger: SqliteLedger) -> None:
    """A person or another worker settled the line while its answer was under way: the ledger's word counts."""
    arrived, go_on = gate(client)
    issuing = asyncio.create_task(once(client, ledger).issue(order()))
    await arrived.wait()
    (line,) = [line async for line in ledger.lines()]
    await ledger.record([Change(seq=line.seq, evidence=Evidence.LATE_PROOF, epoch=line.epoch, order_id=77)])
    go_on.set()
    settled = await issuing
    assert (settled.state, settled.order_id) == (LineState.PLACED, 77)
    assert (await ledger.counts()).alarms_total == 1
