"""`--problems FILE`: every bad row is in the file, and the screen shows the first twenty."""

import csv
from pathlib import Path

import pytest

from tests.unit.cli.in_process import Command

ROWS = "key,product_id,denomination,tag\n" + "".join(f"K{n},1001,{n},=t{n}\n" for n in range(1, 31))


def rows_of(name: str) -> list[dict[str, str]]:
    """Read the file of problems."""
    return list(csv.DictReader(Path(name).read_text().splitlines()))


def test_a_plan_writes_every_bad_row(command: Command) -> None:
    """Those that the catalog refuses as well; once they are corrected, the file is empty."""
    Path("orders.csv").write_text(f"{ROWS}K31,1001,1,\nK1,1001,500,\n")
    plan = ("bulk", "plan", "orders.csv", "--sandbox", "--problems", "bad.csv")
    ended = command(*plan)
    assert (ended.code, "… and 12 more" in ended.err) == (2, True)
    assert "32 problems of 32 rows, each beside its row: bad.csv" in ended.err
    rows = rows_of("bad.csv")
    assert [row["row"] for row in rows] == [str(number) for number in range(2, 34)]
    assert (rows[1]["column"], rows[1]["value"], rows[1]["key"], rows[1]["tag"]) == ("denomination", "2", "K2", "'=t2")
    assert (rows[-1]["column"], rows[-1]["reason"]) == ("key", "K1 is in row 2 already")
    Path("orders.csv").write_text("key,product_id,denomination\nK1,1001,500\n")
    assert "0 problems: bad.csv" in command(*plan).err
    assert rows_of("bad.csv") == []


@pytest.mark.parametrize("skip", [True, False])
def test_a_run_writes_them_before_it_sends(command: Command, skip: bool) -> None:
    """With the rows left out, and with the rows refused; the command that goes on has the flag."""
    Path("orders.csv").write_text("key,product_id,denomination\nA,1001,500\nB,1001,333\n")
    flags = ["--skip-invalid"] if skip else []
    run = ("bulk", "run", "orders.csv", "--ledger", "m.db", "--sandbox", "--problems", "bad.csv")
    ended = command(*run, *flags)
    assert ended.code == (3 if skip else 2)
    assert [(row["row"], row["key"]) for row in rows_of("bad.csv")] == [("3", "B")]
    assert not skip or "--skip-invalid --problems bad.csv" in ended.err


def test_another_file_ends_the_command_first(command: Command) -> None:
    """Nothing is read, and the file stays."""
    Path("orders.csv").write_text(ROWS)
    ended = command("bulk", "plan", "orders.csv", "--sandbox", "--problems", "orders.csv")
    assert (ended.code, "is no file of problems" in ended.err) == (2, True)
    assert Path("orders.csv").read_text() == ROWS
