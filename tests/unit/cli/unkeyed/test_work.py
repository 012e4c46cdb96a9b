"""`work`: points for the people of a file, each at most once, and what a person does about a lost answer."""

import shlex
from pathlib import Path

import anyio
import pytest

from tests.unit.cli.in_process import Command
from xoxo_async.bulk import SqliteLedger
from xoxo_async.bulk.settings import kept_bounds
from xoxo_async.sandbox import Sandbox

PEOPLE = "Emp ID,E-mail,Full name,Points,Reason,Team\n" + "".join(
    f"E-{n},p{n}@example.com,Person {n},{100 * n},Thanks,{'AB'[n % 2]}\n" for n in range(1, 6)
)
RATE = ("--rate", "none")
SEND = (
    "points",
    "send",
    "--file",
    "people.csv",
    "--ledger",
    "p.db",
    "--sender",
    "a@example.com",
    "--keep",
    "Team",
    *RATE,
)
RESUME = ("points", "send", "--ledger", "p.db", *RATE)


@pytest.fixture(autouse=True)
def _people(command: Command) -> None:
    Path("people.csv").write_text(PEOPLE)


def test_a_key_without_its_zeros_is_warned_of(command: Command, sandbox: Sandbox) -> None:
    """On standard error before anything is sent, and in JSON."""
    rows = "".join(f"{key},p{key}@example.com,P,1\n" for key in ("007", "008", "9"))
    Path("people.csv").write_text(f"key,email,name,Team,amount\n{rows.replace(',P,', ',P,A,')}")
    sent = command(*SEND, "--json")
    (warning,) = sent.facts["warnings"]
    assert warning.startswith("row 4 (key 9): its key has fewer digits than 007 in row 2")
    assert f"warning: look at 1 row before it is sent\n  {warning}" in sent.err


def test_everybody_gets_points_once(command: Command, sandbox: Sandbox) -> None:
    """The sum is told before, the result of each is kept, and a second run sends nothing."""
    sent = command(*SEND)
    assert sent.code == 0, sent.err
    assert "recognised: commas, UTF-8, 5 rows; Emp ID is key, E-mail is email" in sent.err
    assert "to send 1,500 points to 5 people, in 5 calls" in sent.err
    assert "the company has" in sent.err
    assert "issued            5" in sent.out
    assert "the codes" not in sent.err
    again, resumed = command(*SEND, "--json"), command(*RESUME, "--json")
    assert [(one.code, one.facts["issued"], one.facts["placed_now"]) for one in (again, resumed)] == [(0, 5, 0)] * 2
    assert sandbox.books().points == {f"p{n}@example.com": 100 * n for n in range(1, 6)}


def test_a_batch_is_one_call(command: Command, sandbox: Sandbox) -> None:
    """Several people travel together where the caller says so."""
    assert command(*SEND, "--batch", "3").code == 0
    assert sandbox.books().requests["sendBalance"] == 2
    assert sandbox.books().points_given == 1500


def test_bad_rows_are_named_before_anything_is_sent(command: Command, sandbox: Sandbox) -> None:
    """On the screen, and beside their rows in a file; no message shows an address."""
    Path("people.csv").write_text(
        PEOPLE + "E-6,P1@example.com,Twice,1,,A\nE-7,nobody,,0,,A\nE-8,p8@example.com,Half,12.5,,A\n"
    )
    ended = command(*SEND, "--problems", "bad.csv", "--json")
    assert (ended.code, ended.facts["rows"], sandbox.books().points_given) == (2, 0, 0)
    assert "people.csv: 5 problems, nothing was sent" in ended.err
    assert "row 7, column E-mail: is in row 2 already" in ended.err
    assert "row 8, column Points: must be a number above 0, not 0" in ended.err
    assert "row 9, column Points: must be a whole number of points, not 12.5" in ended.err
    assert "example.com" not in ended.err.lower()
    assert "5 problems of 3 rows, each beside its row: bad.csv" in ended.err
    assert "P1@example.com" in Path("bad.csv").read_text()
    skipped = command(*SEND, "--skip-invalid")
    assert (skipped.code, sandbox.books().points_given) == (3, 1500)


def test_a_lost_answer_waits_for_a_person(command: Command, sandbox: Sandbox) -> None:
    """It is never sent again by itself, whatever is run."""
    sandbox.script("commit_then_reset", operation="sendBalance", email="p3@example.com")
    ended = command(*SEND, "--json")
    assert (ended.code, ended.facts["issued"], ended.facts["unknown"]) == (4, 4, 1)
    assert "bulk status --ledger p.db" in ended.facts["continue_with"]
    for _ in range(2):
        assert command(*RESUME, "--json").facts["unknown"] == 1
    assert [credit.email for credit in sandbox.books().credits].count("p3@example.com") == 1
    status = command("bulk", "status", "--ledger", "p.db")
    assert "1 row needs your decision. Look for the recipient and the points in the vendor's dashboard" in status.out
    assert "poNumber" not in status.out
    assert "xoxo bulk resolve --ledger p.db --done E-3" in status.out
    decide = ("bulk", "resolve", "E-3", "--ledger", "p.db")
    early = command(*decide, "--resend", "--reason", "not there")
    assert (early.code, "E-3 was sent only now, and the vendor may still work on it" in early.err) == (2, True)
    done = command(*decide, "--done", "--json")
    assert (done.code, done.facts["state"], done.facts["continue_with"]) == (0, "placed", "")
    for other in (("--resend",), ("--reject", "--reason", "a slip")):  # a correction waits as long as a decision
        early = command(*decide, *other)
        assert (early.code, "E-3 was sent only now" in early.err) == (2, True)
    ended = command(*RESUME, "--json")
    assert (ended.code, ended.facts["issued"], ended.facts["charged"]) == (0, 5, {"points": 1500})


def test_json_has_balances_of_doubtful_rows(command: Command, sandbox: Sandbox) -> None:
    """As numbers, for a program that shows them to the person who decides."""
    sandbox.script("commit_then_reset", operation="sendBalance", email="p3@example.com")
    assert command(*SEND, "--balances").code == 4
    (problem,) = command("bulk", "status", "--ledger", "p.db", "--json").facts["problems"]
    assert problem["balances"] == {"before": 0, "after": 300}


def test_a_row_that_did_nothing_is_sent_again(command: Command, sandbox: Sandbox) -> None:
    """Only on a person's word."""
    sandbox.script("reset_before_commit", operation="sendBalance", email="p3@example.com", first=1)
    assert command(*SEND, "--settle", "0").code == 4
    facts = command("bulk", "status", "--ledger", "p.db", "--json").facts
    assert (facts["kind"], list(facts["problems"][0]["resolve"])) == ("points", ["done", "resend", "reject"])
    assert command("bulk", "resolve", "E-3", "--ledger", "p.db", "--resend", "--reason", "not there").code == 0
    assert command(*RESUME).code == 0
    assert sandbox.books().points_given == 1500


def test_a_budget_in_points_holds(command: Command, sandbox: Sandbox) -> None:
    """The job pauses before it could send more, and goes on with a greater one."""
    ended = command(*SEND, "--max-spend", "600", "--concurrency", "1", "--json")
    assert (ended.code, ended.facts["pause"], sandbox.books().points_given) == (5, "budget", 600)
    assert ended.facts["continue_with"].endswith("--concurrency 1 --rate none --json --max-spend 1500")
    assert "with a greater budget, in which all that is left fits, continue with: " in ended.err
    words = shlex.split(ended.facts["continue_with"])
    done = command(*words[words.index("points") :])
    assert (done.code, sandbox.books().points_given) == (0, 1500)


def test_the_ledger_keeps_the_rate(command: Command, sandbox: Sandbox) -> None:
    """A resume without flags, and a cancellation, make as many calls a minute; `none` lifts all limits."""

    def kept(path: str = "p.db") -> object:
        async def read() -> object:
            async with SqliteLedger(path, read_only=True) as ledger:
                return (await kept_bounds(ledger)).rate

        return anyio.run(read)

    assert command(*SEND[:-2], "--rate", "6000").code == 0
    assert kept() == 6000
    assert command("points", "send", "--ledger", "p.db").code == 0
    assert kept() == 6000
    assert command("points", "cancel", "--ledger", "p.db", "--all", "--reason", "a slip").code == 0
    assert command(*RESUME).code == 0
    assert kept() == "none"
    assert command(*SEND[:-2], "--ledger", "other.db").code == 0
    assert kept("other.db") is None  # the vendor states no limit for points


def test_another_command_does_not_send_the_rows(command: Command, sandbox: Sandbox) -> None:
    """A ledger of points is no ledger of orders or links; the message names the right command."""
    assert command(*SEND).code == 0
    for line in (("bulk", "resume"), ("links", "send"), ("links", "generate"), ("worker",)):
        ended = command(*line, "--ledger", "p.db")
        assert (ended.code, "p.db holds a job of points" in ended.err) == (2, True)
        assert "xoxo points send --ledger p.db" in ended.err
        assert "Progress is saved" not in ended.err


def test_a_ledger_without_a_job_is_no_resume(command: Command, sandbox: Sandbox) -> None:
    """Nothing can go on that has not begun."""
    assert (command(*RESUME).code, Path("p.db").exists()) == (2, False)


def test_real_money_needs_a_person_or_yes(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal and without --yes, no file is opened."""
    monkeypatch.setenv("XOXO_ACCESS_TOKEN", "T" * 20)
    monkeypatch.setattr("sys.stdin", None)
    ended = command(*SEND, "--base-url", "https://accounts.xoxoday.com/chef")
    assert (ended.code, "sending the points of people.csv needs --yes" in ended.err) == (2, True)
    assert not Path("p.db").exists()


def test_a_person_is_asked_once_about_the_sum(
    command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sum, the number of people, and what the company has."""
    asked: list[str] = []

    async def agree(_connection: object, what: str) -> None:
        asked.append(what)

    monkeypatch.setattr("xoxo_async.cli.bulk.request.is_real_money", lambda _connection: True)
    monkeypatch.setattr("xoxo_async.cli.bulk.session.need_a_person", lambda *_: None)
    monkeypatch.setattr("xoxo_async.cli.bulk.session.agree", agree)
    assert command(*SEND).code == 0
    assert [one.partition(" points")[0] for one in asked] == ["send 1,500"]
    assert "to 5 people; the company has " in asked[0]
    assert command(*SEND, "--yes").code == 0
    assert len(asked) == 1


def test_one_decision_settles_a_lost_batch(command: Command, sandbox: Sandbox) -> None:
    """Its rows are named together; a key that is not there, or cannot be decided, is named."""
    sandbox.script("reset_before_commit", operation="sendBalance", email="p3@example.com", first=1)
    assert command(*SEND, "--batch", "3", "--settle", "0").code == 4
    decide = ("bulk", "resolve", "--ledger", "p.db", "--resend", "--reason", "not there")
    missing = command(*decide, "E-1", "E-9")
    assert (missing.code, "no line with the key 'E-9'; nothing was recorded" in missing.err) == (2, True)
    assert command("bulk", "status", "--ledger", "p.db", "--json").facts["states"] == {"manual": 3, "placed": 2}
    assert "One command decides several rows" in command("bulk", "status", "--ledger", "p.db").out
    sure = command(*decide, "E-1", "E-4")
    assert (sure.code, "E-4 is placed, so no person can decide about it: " in sure.err) == (2, True)
    assert sure.err.endswith("takes the points back; recorded before: E-1\n")
    rest = command(*decide, "E-3", "E-2", "E-3", "--json")
    assert (rest.code, [row["key"] for row in rest.facts["rows"]]) == (0, ["E-3", "E-2"])
    one = command("bulk", "resolve", "--ledger", "p.db", "--placed", "5", "E-1", "E-2")
    assert (one.code, "--placed names the order of one row: give one KEY" in one.err) == (2, True)
    assert command(*RESUME).code == 0
    assert sandbox.books().points_given == 1500
