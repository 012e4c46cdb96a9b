"""`outcome`: a run that has ended prints its counts, its exit code, and the one command that is next."""

import json
import shlex
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from xoxo_async import errors
from xoxo_async.bulk.events import Pause
from xoxo_async.bulk.ledger.lines import Alarm
from xoxo_async.bulk.report import Report
from xoxo_async.cli.bulk.outcome import Outcome, print_failure, print_report
from xoxo_async.cli.bulk.request import RunRequest
from xoxo_async.cli.connection import Connection

COUNTS = ("issued", "pending", "rejected", "unknown", "not_sent")


class Told(NamedTuple):
    """What was said: the exit code, both streams, and the next command from behind `xoxo`."""

    code: int
    out: str
    err: str

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.out)
        return facts

    def next(self, word: str = "continue with: ") -> str:
        lines = [line.removeprefix(word) for line in self.err.splitlines() if line.startswith(word)]
        words = shlex.split(lines[0]) if lines else []
        return " ".join(words[words.index("bulk") :] if words else [])


def work(action: str = "run", **given: Any) -> RunRequest:
    plain: dict[str, Any] = {"orders": "orders.csv", "ledger": Path("m.db"), "connection": Connection()}
    return RunRequest(action=action, **{**plain, **given})


def report(**given: Any) -> Report:
    rows = sum(given.get(name, 0) for name in COUNTS)
    plain: dict[str, Any] = dict.fromkeys(COUNTS, 0)
    plain |= {"job": "j", "ledger": "m.db", "rows": rows, "orders": rows, "charged": {"INR": Decimal(500)}}
    return Report(**{**plain, **given})


class Teller:
    """Tells an end, and hears what was said."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def end(self, asked: RunRequest, reported: Report, ended: Outcome | None = None) -> Told:
        code = print_report(asked, reported, ended or Outcome(began=True))
        return Told(code, *self.capsys.readouterr())

    def failure(self, asked: RunRequest, ended: Outcome) -> Told:
        code = print_failure(asked, ended, 1.5)
        return Told(code, *self.capsys.readouterr())


@pytest.fixture
def teller(capsys: pytest.CaptureFixture[str]) -> Teller:
    return Teller(capsys)


def test_a_run_that_issued_everything_names_the_way_to_its_codes(teller: Teller) -> None:
    """Counts and cost on standard output; nothing is left to continue."""
    told = teller.end(work(), report(issued=3))
    assert told.code == 0
    assert "issued            3" in told.out
    assert "charged   INR 500" in told.out
    assert told.next("the codes: ") == "bulk export --ledger m.db --out m-codes.csv --reveal"
    assert told.next() == ""


def test_codes_that_are_not_kept_are_fetched_where_they_were_bought(teller: Teller) -> None:
    """Only then does the export need the server."""
    elsewhere = Connection(base_url="https://x.example")
    kept = teller.end(work(connection=elsewhere), report(issued=3))
    assert "--base-url" not in kept.err
    fetched = teller.end(work(connection=elsewhere, no_codes=True), report(issued=3))
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
        ("run", {"issued": 2}, {"skipped": 1}, 3, "bulk run orders.csv --ledger m.db"),
        ("run", {"issued": 2, "rejected": 1}, {"skipped": 1}, 3, "bulk status --ledger m.db"),
        ("reconcile", {"unknown": 1}, {}, 4, "bulk reconcile --ledger m.db"),
        ("reconcile", {"unknown": 1, "not_sent": 1}, {}, 4, "bulk resume --ledger m.db"),
    ],
)
def test_what_is_left_to_do_has_one_command(
    teller: Teller, action: str, counts: dict[str, Any], ended: dict[str, int], code: int, command: str
) -> None:
    """What time can settle is resumed, what only a person can is shown, what was left out is mended and run again."""
    told = teller.end(work(action), report(**counts), Outcome(began=True, **ended))
    assert (told.code, told.next()) == (code, command)


def test_a_person_is_told_when_only_a_person_can_decide(teller: Teller) -> None:
    """By name of the command that decides."""
    told = teller.end(work(), report(unknown=2), Outcome(began=True, manual=2))
    assert "2 rows only a person can decide, with `xoxo bulk resolve`" in told.err


def alarms(count: int) -> dict[str, Any]:
    """Return what a report has of so many alarms."""
    told = [Alarm(key=f"k{n}", row=n, order_id=n, at=5.0, text=f"order {n} is odd") for n in range(count)]
    return {"alarms": tuple(told), "alarms_total": count}


@pytest.mark.parametrize(("pending", "unknown", "command"), [(1, 0, "status"), (0, 0, "status"), (0, 1, "resume")])
def test_an_alarm_is_named_and_ends_with_its_exit_code(
    teller: Teller, pending: int, unknown: int, command: str
) -> None:
    """A person decides about it, so that the next command shows it; what time can settle is resumed first."""
    told = teller.end(work(), report(issued=2, pending=pending, unknown=unknown, **alarms(1)))
    assert (told.code, told.next()) == (4, f"bulk {command} --ledger m.db")
    assert "alarm: order 0 is odd\n" in told.err
    assert "the codes:" not in told.err


def test_many_alarms_are_counted(teller: Teller) -> None:
    """Ten are named; JSON has what the report has."""
    told = teller.end(work(as_json=True), report(issued=2, **alarms(12)))
    assert "order 9 is odd" in told.err
    assert "order 10 is odd" not in told.err
    assert "… and 2 alarms more" in told.err
    assert (len(told.facts["alarms"]), told.facts["alarms_total"], told.facts["exit_code"]) == (12, 12, 4)


def test_alarms_are_named_when_an_error_ends_the_run_too(teller: Teller) -> None:
    """They are in the ledger all the same."""
    ended = Outcome(report=report(issued=1, **alarms(1)), error=errors.LedgerError("full"), began=True)
    assert "alarm: order 0 is odd" in teller.failure(work(), ended).err


@pytest.mark.parametrize(("cancelled", "command"), [(0, "bulk reconcile --ledger m.db"), (2, "")])
def test_codes_to_come_are_collected_unless_they_never_will(teller: Teller, cancelled: int, command: str) -> None:
    """Of a delivery that the vendor cancelled there is nothing to wait for."""
    told = teller.end(work(), report(issued=1, pending=2), Outcome(began=True, cancelled=cancelled))
    assert (told.code, told.next("collect them with: ")) == (0, command)
    assert ("2 rows wait for codes" in told.err) is bool(command)


def test_a_run_with_nothing_to_do_says_so(teller: Teller) -> None:
    """With what is there."""
    told = teller.end(work(), report(issued=1, pending=2), Outcome(began=True, idle=True))
    assert told.out.startswith("nothing left to do: 1 of 3 issued, 2 pending delivery\n")


def test_a_pause_says_why_without_a_secret(teller: Teller, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason may be the vendor's words."""
    monkeypatch.setenv("XOXO_CLIENT_SECRET", "hush-hush")
    told = teller.end(work(), report(not_sent=1, pause=Pause.CREDENTIALS, reason="refused hush-hush\x1b[2J"))
    assert "paused (credentials): refused ***[2J" in told.err
    assert "hush" not in told.out + told.err


def test_an_end_before_the_first_order_says_that_nothing_was_sent(teller: Teller) -> None:
    """And the same command does it all."""
    told = teller.end(work(), report(not_sent=2, pause=Pause.INTERRUPTED), Outcome())
    assert told.code == 130
    assert "interrupted, nothing was sent" in told.err
    assert told.next() == "bulk run orders.csv --ledger m.db"


def test_lines_that_share_orders_are_counted_as_lines(teller: Teller) -> None:
    """The orders are named beside them."""
    told = teller.end(work(), report(issued=10, orders=1))
    assert "10 rows in 1 order" in told.out


def test_json_has_the_whole_report_alone_on_standard_output(teller: Teller) -> None:
    """What is said to a person goes to standard error; amounts are exact; the next command is a field."""
    told = teller.end(work(as_json=True), report(issued=1, rejected=1, job=""), Outcome(began=True, skipped=2))
    facts = told.facts
    assert {name: facts[name] for name in ("rows", "issued", "rejected")} == {"rows": 2, "issued": 1, "rejected": 1}
    assert (facts["exit_code"], facts["skipped"], facts["charged"]) == (3, 2, {"INR": 500})
    assert facts["continue_with"].endswith("bulk status --ledger m.db")
    assert "2 bad rows, not in the ledger" in told.err


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
def test_a_failure_is_run_again_only_where_that_may_help(
    teller: Teller, error: errors.XoxoError | None, began: bool, code: int, command: str
) -> None:
    """Wrong usage is not; a ledger that fails after orders were sent is a pause, not a wrong usage."""
    told = teller.failure(work(), Outcome(error=error, began=began))
    assert (told.code, told.next()) == (code, command)
    assert (f"error: {error}" if error else "interrupted, nothing was sent") in told.err
    assert told.out == ""


def test_a_failure_in_json_tells_every_count_of_a_job_nobody_knows(teller: Teller) -> None:
    """The keys that a script looks for are there at every end."""
    facts = teller.failure(work(as_json=True, job="march"), Outcome(error=errors.ConnectError("not reached"))).facts
    assert {name: facts[name] for name in ("rows", *COUNTS)} == dict.fromkeys(("rows", *COUNTS), 0)
    assert (facts["job"], facts["ledger"], facts["elapsed_s"]) == ("march", "m.db", 1.5)
    assert (facts["error"], facts["kind"], facts["exit_code"]) == ("not reached", "ConnectError", 5)
    assert facts["continue_with"].endswith("bulk run orders.csv --ledger m.db --job march --json")


def test_a_failure_after_orders_were_sent_tells_how_far_it_came(teller: Teller) -> None:
    """The counts are the ledger's; what ended it is the error, not the pause it caused."""
    paused = report(issued=2, not_sent=1, pause=Pause.LEDGER, reason="disk full")
    ended = Outcome(report=paused, error=errors.LedgerError("disk full"), began=True)
    facts = teller.failure(work(as_json=True), ended).facts
    assert (facts["issued"], facts["not_sent"], facts["pause"], facts["reason"]) == (2, 1, "", "")
    assert "issued            2" in teller.failure(work(), ended).err
