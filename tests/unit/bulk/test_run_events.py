"""`run_events` and `recorder`: what the hooks of a client receive of a run, and that a hook cannot harm the run."""

import logging
from decimal import Decimal

import anyio
import msgspec
import pytest

from tests.unit.bulk.jobs import Client, broke, issuer, lines, refuses_known
from tests.unit.bulk.ledger.ledgers import each, line
from xoxo_async import errors
from xoxo_async.bulk import (
    LineDoubted,
    LineSettled,
    OrderLine,
    Pause,
    PenaltyMet,
    RunFailed,
    RunFinished,
    RunPaused,
    RunStarted,
    SqliteLedger,
)
from xoxo_async.bulk.intake.keys import derive_po_number
from xoxo_async.bulk.ledger.facts import RUNS
from xoxo_async.bulk.ledger.overview import Penalty, notes_of
from xoxo_async.bulk.run_events import RunEvents
from xoxo_async.hooks import Event, LoggingHook

pytestmark = pytest.mark.anyio

PO_A, PO_B = (derive_po_number("march", key) for key in "ab")


@pytest.fixture
def events(client: Client) -> list[Event]:
    """Return the list in which the client's hook collects events."""
    collected: list[Event] = []
    client.hooks = [collected.append]
    return collected


async def test_a_run_reports_its_start_lines_and_end(client: Client, ledger: SqliteLedger, events: list[Event]) -> None:
    """In this order, with the numbers of the ledger and of the report."""
    report = await issuer(client, ledger).run(lines("a", "b"))
    assert events == [
        RunStarted(job="march", ledger=ledger.name, sends=True, rows=2, not_sent=2, unknown=0),
        LineSettled(row=1, lines=1, state="placed", evidence="answered_placed", attempts=1, order_id=1, po_number=PO_A),
        LineSettled(row=2, lines=1, state="placed", evidence="answered_placed", attempts=1, order_id=2, po_number=PO_B),
        RunFinished(
            job="march",
            ledger=ledger.name,
            rows=2,
            issued=2,
            pending=0,
            rejected=0,
            unknown=0,
            not_sent=0,
            placed_now=2,
            alarms=0,
            elapsed_s=report.elapsed_s,
        ),
    ]


async def test_a_lost_answer_is_doubted_until_settled(
    client: Client, ledger: SqliteLedger, events: list[Event]
) -> None:
    """First the doubt, then the order that the look-up found; a repeated look-up without news adds no event."""
    client.loses(1, booked=True)
    await issuer(client, ledger).run(lines("a"))
    of_lines = [event for event in events if isinstance(event, LineDoubted | LineSettled)]
    assert of_lines == [
        LineDoubted(row=1, lines=1, state="unknown", evidence="outcome_lost", attempts=1, po_number=PO_A),
        LineSettled(row=1, lines=1, state="placed", evidence="lookup_matched", attempts=1, order_id=1, po_number=PO_A),
    ]


async def test_a_refusal_is_settled_with_its_error_id(
    client: Client, ledger: SqliteLedger, events: list[Event]
) -> None:
    """A later run settles the other row, and reports nothing of the one that was settled before."""

    async def refuse(_po_number: str) -> None:
        raise errors.DenominationError("no", error_id="PLE10018")

    client.happens = refuse
    await issuer(client, ledger).run(lines("a"))
    refuses_known(client)
    await issuer(client, ledger).run(lines("a", "b"))
    states = [
        (event.row, event.state, event.error_id) for event in events if isinstance(event, LineDoubted | LineSettled)
    ]
    assert states == [(1, "rejected", "PLE10018"), (2, "placed", "")]


async def test_a_pause_is_reported_once(client: Client, ledger: SqliteLedger, events: list[Event]) -> None:
    """As in the report; the end of the run says so, too."""
    client.happens = broke
    await issuer(client, ledger).run(lines("a", "b"))
    pauses = [event for event in events if isinstance(event, RunPaused)]
    assert pauses == [RunPaused(pause=Pause.FUNDS)]
    assert isinstance(events[-1], RunFinished)
    assert events[-1].pause is Pause.FUNDS


async def test_a_pause_repeats_no_words(client: Client, ledger: SqliteLedger, events: list[Event]) -> None:
    """The reason may name a row's key, which may be an e-mail address; no event has it, because logs keep events."""

    async def refuse(_po_number: str) -> None:
        raise errors.InsufficientFundsError("no funds for anna@example.com")

    client.happens = refuse
    report = await issuer(client, ledger).run([OrderLine(key="anna@example.com", product_id=1, denomination=10)])
    assert "anna@example.com" in report.reason
    assert any(isinstance(event, RunPaused) for event in events)
    assert not any("@" in repr(event) for event in events)


async def test_look_ups_given_up_are_a_pause(client: Client, ledger: SqliteLedger, events: list[Event]) -> None:
    """Where the report names it as the reason of the end."""
    client.refuses = errors.CredentialsRejectedError("not you")
    client.loses(1, booked=True)
    await issuer(client, ledger).run(lines("a"))
    assert [event for event in events if isinstance(event, RunPaused)] == [RunPaused(pause=Pause.CREDENTIALS)]


async def test_a_penalty_is_reported_once_with_its_length(
    client: Client, ledger: SqliteLedger, events: list[Event]
) -> None:
    """When the run begins to wait for its end."""

    async def impose(_po_number: str) -> None:
        if len(client.sent) == 1:
            client.pacer.penalise("placeOrder", 0.1)

    client.happens = impose
    await issuer(client, ledger).run(lines("a", "b", "c"))
    (penalty,) = [event for event in events if isinstance(event, PenaltyMet)]
    assert penalty.what == "orders"
    assert 0 < penalty.wait_s <= 0.1


async def test_a_failed_run_is_reported_with_its_error(
    client: Client, ledger: SqliteLedger, events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error itself goes to the caller."""

    async def full(*_given: object, **_more: object) -> object:
        raise errors.LedgerError("the disk is full")

    await issuer(client, ledger).plan(lines("a"))
    monkeypatch.setattr(ledger, "claim", full)
    with pytest.raises(errors.LedgerError):
        await issuer(client, ledger).issue()
    assert isinstance(events[-1], RunFailed)
    assert (events[-1].error, events[-1].placed_now, events[-1].job) == ("LedgerError", 0, "march")


async def test_a_cancelled_run_is_reported_as_failed(client: Client, ledger: SqliteLedger, events: list[Event]) -> None:
    """With what it had placed by then."""

    async def cancel(_po_number: str) -> None:
        if len(client.sent) == 2:
            scope.cancel()
            await anyio.sleep_forever()

    client.happens = cancel
    with anyio.CancelScope() as scope:
        await issuer(client, ledger).run(lines("a", "b"))
    assert isinstance(events[-1], RunFailed)
    assert (events[-1].error, events[-1].placed_now) == ("CancelledError", 1)
    assert [type(event) for event in events[1:3]] == [LineSettled, LineDoubted]


async def test_no_event_carries_key_address_or_code(client: Client, ledger: SqliteLedger, events: list[Event]) -> None:
    """A key may be an e-mail address, and hooks write logs."""
    who = "jane@example.com"
    client.loses(2, booked=True)
    rows = [
        OrderLine(key=who, product_id=1, denomination=Decimal(100), email=who, contact="+1-5550100"),
        *lines("b"),
    ]
    await issuer(client, ledger).run(rows)
    told = b"".join(msgspec.json.encode(event) for event in events).decode()
    codes = [code for line in [line async for line in ledger.lines(with_codes=True)] for code in (line.codes or b"",)]
    assert any(b"C1" in code for code in codes)
    assert all(secret not in told for secret in (who, "5550100", '"C1"', '"C2"'))


async def test_a_hook_that_raises_changes_no_result(client: Client, ledger: SqliteLedger) -> None:
    """Its fault is logged, and every order is issued and recorded."""

    def broken(_event: Event) -> None:
        raise ValueError("of the observer")

    client.hooks = [broken]
    report = await issuer(client, ledger).run(lines("a", "b"))
    assert (report.issued, report.pause) == (2, Pause.NONE)


async def test_the_log_shows_runs_and_warns_of_pauses(
    client: Client, ledger: SqliteLedger, caplog: pytest.LogCaptureFixture
) -> None:
    """Starts and ends under INFO, pauses under WARNING, single orders under DEBUG alone."""
    client.hooks = [LoggingHook()]
    client.happens = broke
    with caplog.at_level(logging.INFO, logger="xoxo_async"):
        await issuer(client, ledger).run(lines("a"))
    levels = [(record.levelno, record.getMessage().split()[0]) for record in caplog.records]
    assert levels == [
        (logging.INFO, "run_started"),
        (logging.WARNING, "run_paused"),
        (logging.WARNING, "line_doubted"),
        (logging.INFO, "run_finished"),
    ]


async def test_a_run_leaves_a_note(client: Client, ledger: SqliteLedger) -> None:
    """With its end and its penalties; a run that finds nothing to send leaves none."""
    await issuer(client, ledger).run(lines("a", "b"))
    await issuer(client, ledger).resume()
    [note] = notes_of(await ledger.get_fact(RUNS))
    assert (note.placed, note.end, note.penalties) == (2, "", ())
    assert note.ended_at is not None
    assert note.ended_at >= note.began_at


async def test_a_note_has_penalties_and_the_end(ledger: SqliteLedger) -> None:
    """A ledger that cannot be written any more keeps what the run noted when it began."""
    events = RunEvents((), ledger, lambda: 5.0)
    events.penalty("tokens", 1.0)  # before it began to send
    await events.end_note(placed=0, end="")
    await ledger.plan("march", each([line(1)]))
    await events.begin_note(0.5)
    [began] = notes_of(await ledger.get_fact(RUNS))
    assert (began.rate, began.began_at, began.ended_at) == (120.0, 5.0, None)
    events.penalty("orders", 2.0)
    await events.end_note(placed=3, end="funds")
    [ended] = notes_of(await ledger.get_fact(RUNS))
    assert (ended.id, ended.placed, ended.end, ended.penalties) == (
        began.id,
        3,
        "funds",
        (Penalty(5.0, 2.0, "orders"),),
    )
    await ledger.aclose()
    await events.end_note(placed=4, end="")
