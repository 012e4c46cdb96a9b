"""`watch`: what all workers do together, until nothing is left or until a signal."""

import signal
import threading
from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.cli.in_process import Command
from xoxo_async.bulk.ledger.lines import Alarm, Counts, LineState
from xoxo_async.bulk.ledger.terms import Holder
from xoxo_async.cli.bulk import watch as watching
from xoxo_async.cli.bulk.watch import Attendance, Pace, Reading, watch
from xoxo_async.sandbox import Sandbox

LEDGER = ("--ledger", "march.db")


def reading(placed: int = 3, **given: object) -> Reading:
    states = {LineState.PLACED: placed, LineState.SENDING: 2, LineState.UNKNOWN: 1, LineState.PLANNED: 4}
    counts = Counts(
        rows=10,
        issued=placed,
        pending=0,
        rejected=0,
        unknown=3,
        not_sent=4,
        states=states,
        charged={"INR": Decimal(300)},
    )
    workers = [Holder("web-1", 7, 2, 0.4), Holder("web-2", 9, 0, 3.0)]
    return Reading(**{"job": "march", "counts": counts, "workers": workers, "paused": None, **given})  # type: ignore[arg-type]


def test_a_line_has_all_figures() -> None:
    """Lines in flight are not called unknown."""
    assert reading().line(60.0) == (
        "march: 3 of 10 issued, 2 in flight, 1 unknown, 0 rejected, 60/min, ETA 0:07, spent INR 300, 2 workers"
    )
    assert "ETA -" in reading().line(0.0)


def test_a_pause_and_alarms_are_troubles() -> None:
    """The pause says how to go on; no secret is shown."""
    alarm = Alarm(key="k", row=1, order_id=2, at=0.0, text="order 2 is row 1's and row 2's")
    counts = Counts(rows=1, issued=1, pending=0, rejected=0, unknown=0, not_sent=0, alarms=(alarm,), alarms_total=1)
    lines = reading(paused="no funds", counts=counts).troubles()
    assert lines[0] == "paused: no funds; `xoxo bulk resume` goes on"
    assert lines[1] == "1 alarm, the first: order 2 is row 1's and row 2's"
    assert reading().troubles() == []


def test_the_pace_is_that_of_the_last_minute() -> None:
    """Of all workers together; an hour of standstill before does not count."""
    pace = Pace()
    pace.add(0.0, 0)
    assert pace.per_minute == 0.0
    pace.add(3600.0, 0)
    for second in range(1, 91):
        pace.add(3600.0 + second, 2 * second)
    assert pace.per_minute == pytest.approx(120.0)


def test_a_worker_between_shifts_counts() -> None:
    """Its lease ends with each shift; only a long silence says that it does not work on this job any more."""
    one, other = Holder("web-1", 7, 2, 0.4), Holder("web-2", 9, 1, 0.2)
    attendance = Attendance()
    assert attendance.add(100.0, [one, other]) == [one, other]
    assert attendance.add(101.0, [other]) == [other, Holder("web-1", 7, 0, 1.0)]
    assert attendance.add(115.0, [one]) == [one, Holder("web-2", 9, 0, 14.0)]
    assert attendance.add(122.0, []) == [Holder("web-1", 7, 0, 7.0)]


@pytest.mark.anyio
async def test_a_shifts_end_is_no_workers_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The watch names a worker once, and does not call it gone between its shifts."""
    monkeypatch.setattr("xoxo_async.cli.bulk.watch._LOOK_EVERY_S", 0.01)
    states = [{LineState.PLACED: placed, LineState.PLANNED: 2 - placed} for placed in (0, 0, 0, 1, 2)]
    ledger = Ledger(states)
    shifts = [[Holder("web-1", 7, 1, 0.1)], [], [Holder("web-1", 7, 1, 0.1)], [], []]

    async def holders() -> list[Holder]:
        return shifts.pop(0)

    monkeypatch.setattr(ledger, "holders", holders)
    await watch(ledger)  # type: ignore[arg-type]
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if line.startswith("worker")] == ["worker 7 on web-1 is at work"]
    assert "1 worker" in said[-2]


def planned(command: Command, rows: int) -> None:
    body = "".join(f"k{n},1001,100\n" for n in range(rows))
    Path("orders.csv").write_text(f"key,product_id,denomination\n{body}")
    assert command("bulk", "plan", "orders.csv", *LEDGER).code == 0


def test_a_finished_job_ends_the_watch(command: Command, sandbox: Sandbox) -> None:
    """With its last figures."""
    planned(command, 3)
    assert command("worker", *LEDGER, "--rate", "none", "--until-done").code == 0
    shown = command("bulk", "status", *LEDGER, "--watch")
    assert shown.code == 0
    assert "march: 3 of 3 issued" in shown.err
    assert shown.err.splitlines()[-1] == "nothing is left for a worker"


def test_a_signal_ends_the_watch(command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever watches has seen enough: no failure, and no command that continues."""
    planned(command, 3)
    main = threading.main_thread().ident
    assert main is not None

    listening = threading.Event()
    follow = watching._Follow.until_done

    async def until_done(self: watching._Follow) -> None:
        listening.set()  # a signal before that ends the command with 130
        await follow(self)

    monkeypatch.setattr(watching._Follow, "until_done", until_done)

    def interrupt() -> None:
        assert listening.wait(60)
        signal.pthread_kill(main, signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    shown = command("bulk", "status", *LEDGER, "--watch")
    interrupting.join()
    assert shown.code == 0
    assert "march: 0 of 3 issued" in shown.err
    assert "continue with" not in shown.err


class Ledger:
    """A ledger whose rows are issued one by one, at each look."""

    job = "march"

    def __init__(self, states: list[dict[LineState, int]]) -> None:
        self._states = states

    async def counts(self) -> Counts:
        states = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        issued = states.get(LineState.PLACED, 0)
        return Counts(rows=2, issued=issued, pending=0, rejected=0, unknown=0, not_sent=2 - issued, states=states)

    async def holders(self) -> list[Holder]:
        return []

    async def paused(self) -> str | None:
        return None


@pytest.mark.anyio
async def test_a_watch_goes_on_after_a_quick_look(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A ledger that answers at once is looked at every second, until nothing is left."""
    monkeypatch.setattr("xoxo_async.cli.bulk.watch._LOOK_EVERY_S", 0.05)
    states = [{LineState.PLACED: placed, LineState.PLANNED: 2 - placed} for placed in range(3)]
    counts = await watch(Ledger(states))  # type: ignore[arg-type]
    assert counts.issued == 2
    assert capsys.readouterr().err.splitlines()[-1] == "nothing is left for a worker"


def test_a_watch_prints_no_json(command: Command) -> None:
    """One object is what --json promises."""
    ended = command("bulk", "status", *LEDGER, "--watch", "--json")
    assert ended.code == 2
    assert "give one of them" in ended.err


def test_a_paused_job_is_shown(command: Command, sandbox: Sandbox) -> None:
    """By `status` too, with the command that goes on."""
    planned(command, 3)
    sandbox.state.balance = Decimal(50)
    ended = command(
        "worker", *LEDGER, "--rate", "none", "--settle", "0", "--concurrency", "1", "--until-done", "--json"
    )
    assert ended.code == 5, ended.err
    assert "job march is paused" in ended.err
    shown = command("bulk", "status", *LEDGER)
    assert "the job is paused: the vendor refused for lack of funds" in shown.out
    assert "bulk resume" in shown.err
    assert command("bulk", "status", *LEDGER, "--json").facts["paused"]
