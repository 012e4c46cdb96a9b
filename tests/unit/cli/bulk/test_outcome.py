"""`outcome`: after a run, the command prints the counts, the next command, and returns the exit code."""

import json
import shlex
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from xoxo_async import errors
from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.bulk.ledger.lines import Alarm
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.report import Report
from xoxo_async.cli.bulk.outcome import Outcome, count_line, print_failure, print_report
from xoxo_async.cli.bulk.request import RunRequest
from xoxo_async.cli.connection import Connection

COUNTS = ("issued", "pending", "rejected", "unknown", "not_sent")


class Output(NamedTuple):
    """The output of one report: the exit code, both streams, and the next command without `xoxo`."""

    code: int
    out: str
    err: str

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.out)
        return facts

    def next(self, word: str = "continue with: ") -> str:
        lines = [line.partition(word)[2] for line in self.err.splitlines() if word in line]
        words = shlex.split(lines[0]) if lines else []
        return " ".join(words[words.index("bulk") :] if words else [])


def work(action: str = "run", **given: Any) -> RunRequest:
    plain: dict[str, Any] = {"source": "orders.csv", "ledger": LedgerAddress.read("m.db"), "connection": Connection()}
    return RunRequest(action=action, **{**plain, **given})


def report(**given: Any) -> Report:
    rows = sum(given.get(name, 0) for name in COUNTS)
    plain: dict[str, Any] = dict.fromkeys(COUNTS, 0)
    plain |= {"job": "j", "ledger": "m.db", "rows": rows, "orders": rows, "charged": {"INR": Decimal(500)}}
    return Report(**{**plain, **given})


class Printer:
    """Prints an outcome, and returns the output."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def end(self, asked: RunRequest, reported: Report, ended: Outcome | None = None) -> Output:
        code = print_report(asked, reported, ended or Outcome(began=True))
        return Output(code, *self.capsys.readouterr())

    def failure(self, asked: RunRequest, ended: Outcome) -> Output:
        code = print_failure(asked, ended, 1.5)
        return Output(code, *self.capsys.readouterr())


@pytest.fixture
def printer(capsys: pytest.CaptureFixture[str]) -> Printer:
    return Printer(capsys)


def test_a_complete_run_names_the_export(printer: Printer) -> None:
    """Counts and cost go to standard output, and no command continues."""
    output = printer.end(work(), report(issued=3))
    assert output.code == 0
    assert "issued            3" in output.out
    assert "charged   INR 500" in output.out
    assert output.next("the codes: ") == "bulk export --ledger m.db --out m-codes.csv --reveal"
    assert output.next() == ""


def test_the_export_has_a_file_that_is_taken(printer: Printer) -> None:
    """The name that a ledger's gives may look like an address."""
    output = printer.end(work(ledger=LedgerAddress.read("./host=a port=1.db")), report(issued=3))
    words = output.next("the codes: ")
    assert words.endswith(" --out ./host=a port=1-codes.csv --reveal")


def test_an_export_needs_the_server_without_codes(printer: Printer) -> None:
    """The export has the flags of the server only if the ledger keeps no codes."""
    elsewhere = Connection(base_url="https://x.example")
    kept = printer.end(work(connection=elsewhere), report(issued=3))
    assert "--base-url" not in kept.err
    fetched = printer.end(work(connection=elsewhere, no_codes=True), report(issued=3))
    assert "--base-url https://x.example" in fetched.err


@pytest.mark.parametrize(
    ("action", "counts", "ended", "code", "command"),
    [
        ("run", {"issued": 1, "rejected": 1}, {}, 3, "bulk status --ledger m.db"),
        ("run", {"issued": 1, "unknown": 1}, {}, 4, "bulk resume --ledger m.db"),
        ("run", {"unknown": 2}, {"manual": 1}, 4, "bulk resume --ledger m.db"),
        ("run", {"unknown": 2}, {"manual": 2}, 4, "bulk status --ledger m.db"),
        ("run", {"unknown": 2, "not_sent": 1}, {"manual": 2}, 4, "bulk resume --ledger m.db"),
        ("run", {"not_sent": 1, "pause": Pause.FUNDS, "reason": "no funds"}, {}, 5, "bulk resume --ledger m.db"),
        ("run", {"not_sent": 1, "pause": Pause.INTERRUPTED}, {}, 130, "bulk resume --ledger m.db"),
        (
            "run",
            {"rejected": 3, "not_sent": 1, "pause": Pause.REFUSALS},
            {},
            5,
            "bulk resume --ledger m.db --max-errors none",
        ),
        ("run", {"issued": 2}, {"skipped": 1}, 3, "bulk run orders.csv --ledger m.db"),
        ("run", {"issued": 2, "rejected": 1}, {"skipped": 1}, 3, "bulk status --ledger m.db"),
        ("reconcile", {"unknown": 1}, {}, 4, "bulk reconcile --ledger m.db"),
        ("reconcile", {"unknown": 1, "not_sent": 1}, {}, 4, "bulk resume --ledger m.db"),
    ],
)
def test_remaining_work_has_one_command(
    printer: Printer, action: str, counts: dict[str, Any], ended: dict[str, int], code: int, command: str
) -> None:
    """The next command is resume, status for rejected rows and a person's rows, or run for bad rows."""
    output = printer.end(work(action), report(**counts), Outcome(began=True, **ended))
    word = "and what to do: " if ended.get("manual", 0) == 2 and not counts.get("not_sent") else "continue with: "
    assert (output.code, output.next(word)) == (code, command)


@pytest.mark.parametrize(
    ("most", "issued", "bound"),
    [("5%", 84, "5%"), ("5%", 50, "none"), (4, 50, "4"), (3, 50, "none"), (None, 50, "none")],
)
def test_a_bound_is_kept_where_it_holds(printer: Printer, most: int | str | None, issued: int, bound: str) -> None:
    """Orders in flight are placed after the pause, and then the share of the refused ones may be within the bound."""
    counts = {"rejected": 4, "issued": issued, "not_sent": 1, "pause": Pause.REFUSALS}
    output = printer.end(work("run", max_errors=most), report(**counts), Outcome(began=True))
    assert output.next("continue with: ") == f"bulk resume --ledger m.db --max-errors {bound}"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (1, "1 row needs your decision. To see it and what to do: "),
        (2, "2 rows need your decision. To see them and what to do: "),
    ],
)
def test_a_persons_rows_name_their_command(printer: Printer, rows: int, words: str) -> None:
    """It is `xoxo bulk status`, which has the commands that decide."""
    output = printer.end(work(), report(unknown=rows), Outcome(began=True, manual=rows))
    assert output.next(words) == "bulk status --ledger m.db"


@pytest.mark.parametrize(
    ("name", "number", "open_", "colour"),
    [("rejected", 1, True, "red"), ("unknown", 1, True, "yellow"), ("unknown", 1, False, ""), ("unknown", 0, True, "")],
)
def test_what_needs_a_person_has_a_colour(name: str, number: int, open_: bool, colour: str) -> None:
    """Rows in flight need nobody."""
    assert count_line(name, number, open_=open_)[1] == colour
    assert count_line("issued", 5)[1] == ""


def alarms(count: int) -> dict[str, Any]:
    """Return the fields of a report with this number of alarms."""
    output = [Alarm(key=f"k{n}", row=n, order_id=n, at=5.0, text=f"order {n} is odd") for n in range(count)]
    return {"alarms": tuple(output), "alarms_total": count}


@pytest.mark.parametrize(("pending", "unknown", "command"), [(1, 0, "status"), (0, 0, "status"), (0, 1, "resume")])
def test_an_alarm_has_its_exit_code(printer: Printer, pending: int, unknown: int, command: str) -> None:
    """The next command shows the alarm, unless rows are left that a resume can settle."""
    output = printer.end(work(), report(issued=2, pending=pending, unknown=unknown, **alarms(1)))
    assert (output.code, output.next()) == (4, f"bulk {command} --ledger m.db")
    assert "alarm: order 0 is odd\n" in output.err
    assert "the codes:" not in output.err


def test_many_alarms_are_counted(printer: Printer) -> None:
    """Ten alarms are printed, and JSON has all alarms of the report."""
    output = printer.end(work(as_json=True), report(issued=2, **alarms(12)))
    assert "order 9 is odd" in output.err
    assert "order 10 is odd" not in output.err
    assert "… and 2 more alarms" in output.err
    assert (len(output.facts["alarms"]), output.facts["alarms_total"], output.facts["exit_code"]) == (12, 12, 4)


def test_alarms_are_printed_beside_an_error(printer: Printer) -> None:
    """An error that ends the run does not hide the alarms of the ledger."""
    ended = Outcome(report=report(issued=1, **alarms(1)), error=errors.LedgerError("full"), began=True)
    assert "alarm: order 0 is odd" in printer.failure(work(), ended).err


def test_rows_that_came_back_are_named(printer: Printer) -> None:
    """Cancelled points are issued and settled: nothing is left to collect, and they stand below the counts."""
    taken = report(issued=3, taken_back=2, charged={"points": Decimal(100)})
    output = printer.end(work(), taken, Outcome(began=True, idle=True))
    assert (output.code, output.next()) == (0, "")
    assert "nothing left to do: 3 of 3 issued, 2 of them cancelled later\n" in output.out
    assert (
        "  cancelled         2, counted as issued: the points were taken back\n  charged   points 100\n" in output.out
    )


@pytest.mark.parametrize(("cancelled", "command"), [(0, "bulk reconcile --ledger m.db"), (2, "")])
def test_late_codes_are_collected_unless_cancelled(printer: Printer, cancelled: int, command: str) -> None:
    """The vendor never delivers codes of an order whose delivery it cancelled."""
    output = printer.end(work(), report(issued=1, pending=2), Outcome(began=True, cancelled=cancelled))
    assert (output.code, output.next("collect them with: ")) == (0, command)
    assert ("2 rows wait for codes" in output.err) is bool(command)


def test_a_run_with_nothing_to_do_says_so(printer: Printer) -> None:
    """Only the lines that count something are printed."""
    output = printer.end(work(), report(issued=1, pending=2), Outcome(began=True, idle=True))
    assert output.out.startswith("nothing left to do: 1 of 3 issued, 2 pending delivery\n")


def test_a_pause_says_why_without_a_secret(printer: Printer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control characters are removed, because the reason may contain words of the vendor."""
    monkeypatch.setenv("XOXO_CLIENT_SECRET", "hush-hush")
    output = printer.end(work(), report(not_sent=1, pause=Pause.CREDENTIALS, reason="refused hush-hush\x1b[2J"))
    assert "paused (credentials): refused ***[2J" in output.err
    assert "hush" not in output.out + output.err


def test_an_end_before_sending_says_so(printer: Printer) -> None:
    """The same command continues."""
    output = printer.end(work(), report(not_sent=2, pause=Pause.INTERRUPTED), Outcome())
    assert output.code == 130
    assert "interrupted, nothing was sent" in output.err
    assert output.next() == "bulk run orders.csv --ledger m.db"


def test_lines_that_share_orders_are_counted_as_lines(printer: Printer) -> None:
    """The number of orders is printed beside the rows."""
    output = printer.end(work(), report(issued=10, orders=1))
    assert "10 rows in 1 order" in output.out


def test_json_is_alone_on_standard_output(printer: Printer) -> None:
    """Messages go to standard error, amounts are exact, and the next command is a field."""
    output = printer.end(work(as_json=True), report(issued=1, rejected=1, job=""), Outcome(began=True, skipped=2))
    facts = output.facts
    assert {name: facts[name] for name in ("rows", "issued", "rejected")} == {"rows": 2, "issued": 1, "rejected": 1}
    assert (facts["exit_code"], facts["skipped"], facts["charged"]) == (3, 2, {"INR": 500})
    assert facts["continue_with"].endswith("bulk status --ledger m.db")
    assert "2 bad rows, not in the ledger" in output.err


@pytest.mark.parametrize(
    ("error", "began", "code", "command"),
    [
        (errors.ConfigError("wrong"), False, 2, ""),
        (errors.ConnectError("not reached"), False, 5, "bulk run orders.csv --ledger m.db"),
        (errors.LedgerError("disk full"), True, 5, "bulk resume --ledger m.db"),
        (errors.LedgerError("no ledger"), False, 2, ""),
        (None, False, 130, "bulk run orders.csv --ledger m.db"),
    ],
)
def test_a_failure_continues_only_if_that_helps(
    printer: Printer, error: errors.XoxoError | None, began: bool, code: int, command: str
) -> None:
    """Nothing continues wrong usage. A ledger that fails after orders were sent is a pause."""
    output = printer.failure(work(), Outcome(error=error, began=began))
    assert (output.code, output.next()) == (code, command)
    assert (f"error: {error}" if error else "interrupted, nothing was sent") in output.err
    assert output.out == ""


def test_a_failure_without_a_report_has_counts(printer: Printer) -> None:
    """A script finds every key in JSON."""
    facts = printer.failure(
        work(as_json=True, ledger=LedgerAddress.read("m.db", job="march")),
        Outcome(error=errors.ConnectError("not reached")),
    ).facts
    assert {name: facts[name] for name in ("rows", *COUNTS)} == dict.fromkeys(("rows", *COUNTS), 0)
    assert (facts["job"], facts["ledger"], facts["elapsed_s"]) == ("march", "m.db", 1.5)
    assert (facts["error"], facts["kind"], facts["exit_code"]) == ("not reached", "ConnectError", 5)
    assert facts["continue_with"].endswith("bulk run orders.csv --ledger m.db --job march --json")


def test_a_failure_after_sending_has_counts(printer: Printer) -> None:
    """The counts are those of the ledger. The error ended the run, not the pause that it caused."""
    paused = report(issued=2, not_sent=1, pause=Pause.LEDGER, reason="disk full")
    ended = Outcome(report=paused, error=errors.LedgerError("disk full"), began=True)
    facts = printer.failure(work(as_json=True), ended).facts
    assert (facts["issued"], facts["not_sent"], facts["pause"], facts["reason"]) == (2, 1, "", "")
    assert "issued            2" in printer.failure(work(), ended).err


def test_rows_at_other_workers_are_no_doubt(printer: Printer) -> None:
    """They are in flight: work is left, and nobody has to find out what became of them."""
    output = printer.end(work("reconcile"), report(issued=3, unknown=2, in_flight=2))
    assert output.code == 5
    assert "in flight         2, counted as unknown: sent, and not settled yet" in output.out
