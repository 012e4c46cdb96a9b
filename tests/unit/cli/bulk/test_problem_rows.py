"""`status --problems FILE`: every troubled row is in the file, and the screen shows the first ten."""

import csv
import json
import re
import shlex
from pathlib import Path

import pytest

from tests.unit.cli.in_process import Command
from xoxo_async.sandbox import Sandbox

ROWS = 25
LEDGER = ("--ledger", "my points.db")


@pytest.fixture(autouse=True)
def _in_doubt(command: Command, sandbox: Sandbox) -> None:
    """Leave all rows of one call to a person: its answer was lost."""
    people = "".join(f"E-{number},p{number}@example.com,P,10\n" for number in range(1, ROWS + 1))
    Path("people.csv").write_text(f"key,email,name,amount\n{people}")
    sandbox.script("commit_then_reset", operation="sendBalance", first=1)
    send = ("points", "send", "--file", "people.csv", *LEDGER, "--sender", "a@example.com", "--batch", "100")
    assert command(*send, "--settle", "0", "--rate", "none").code == 4


def test_a_printed_file_is_no_address(command: Command) -> None:
    """The ledger's name looks like one, and the command works as it stands."""
    Path("my points.db").rename("host=a port=1.db")
    shown = command("bulk", "status", "--ledger", "./host=a port=1.db")
    (words,) = re.findall(r"… and 15 more\. To see all of them: (.+)", shown.out)
    arguments = shlex.split(words)
    assert command(*arguments[arguments.index("bulk") :]).code == 0
    assert len(Path("host=a port=1-problems.csv").read_text().splitlines()) == 1 + ROWS


def test_the_printed_command_lists_every_row(command: Command) -> None:
    """The line about the rest names it; it works as it stands, again and again."""
    shown = command("bulk", "status", *LEDGER)
    (words,) = re.findall(r"… and 15 more\. To see all of them: (.+)", shown.out)
    arguments = shlex.split(words)
    for _ in range(2):
        ended = command(*arguments[arguments.index("bulk") :])
        assert (ended.code, "25 troubled rows: my points-problems.csv" in ended.err) == (0, True)
        assert "… and 15 more, in my points-problems.csv" in ended.out
    path = Path("my points-problems.csv")
    assert path.stat().st_mode & 0o777 == 0o600
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["key"] for row in rows] == [f"E-{number}" for number in range(1, ROWS + 1)]
    assert {row["state"] for row in rows} == {"manual"}
    assert rows[0]["sent_at"].endswith("+00:00")
    assert "answer was lost" in rows[0]["why"]


def test_objects_have_their_commands(command: Command) -> None:
    """Each object of JSONL is one of `problems`, and the JSON says how many there are."""
    read = command("bulk", "status", *LEDGER, "--json", "--problems", "all.jsonl").facts
    assert (len(read["problems"]), read["problems_total"], read["problems_file"]) == (10, ROWS, "all.jsonl")
    rows = [json.loads(line) for line in Path("all.jsonl").read_text().splitlines()]
    assert len(rows) == ROWS
    assert rows[:10] == [{**one, "age_s": rows[0]["age_s"]} for one in read["problems"]]
    assert rows[-1]["resolve"]["done"].endswith(f"--done E-{ROWS}")
    assert command("bulk", "status", *LEDGER, "--problems", "all.jsonl").code == 0  # it replaces its own file


def test_a_file_closes_many_rows_at_once(command: Command, sandbox: Sandbox) -> None:
    """A person keeps the rows that a decision is about; the job ends once all are decided."""
    assert command("bulk", "status", *LEDGER, "--problems", "all.csv").code == 0
    header, *rows = Path("all.csv").read_text().splitlines()
    Path("seen.csv").write_text("\n".join([header, *rows[:20]]))
    Path("rest.csv").write_text("Employee ID;Team\n" + "".join(f"{row.split(',')[0]};x\n" for row in rows[20:]))
    done = command("bulk", "resolve", "--file", "seen.csv", *LEDGER, "--done", "--reason", "in the dashboard")
    assert (done.code, done.out.count("is now placed")) == (0, 20)
    assert command("bulk", "resolve", "--file", "rest.csv", *LEDGER, "--reject", "--reason", "left").code == 0
    read = command("bulk", "status", *LEDGER, "--json").facts
    assert (read["issued"], read["rejected"], read["unknown"]) == (20, 5, 0)


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--problems", "x.xlsx"), "must end in .csv or .jsonl"),
        (("--problems", "people.csv"), "is there already and has no rows of an older status"),
        (("--problems", "none/x.csv"), "cannot be written"),
        (("--problems", "x.csv", "--watch"), "give one of them"),
    ],
)
def test_a_wrong_file_is_refused(command: Command, flags: tuple[str, ...], why: str) -> None:
    """That is exit 2, and nothing is replaced."""
    before = Path("people.csv").read_text()
    ended = command("bulk", "status", *LEDGER, *flags)
    assert (ended.code, why in ended.err) == (2, True), ended.err
    assert Path("people.csv").read_text() == before
