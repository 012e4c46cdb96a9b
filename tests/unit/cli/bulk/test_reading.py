"""`reading`: the flags that say how ORDERS is read."""

from pathlib import Path

import pytest

from tests.unit.cli.in_process import Command
from xoxo_async.bulk.intake.reading import NO_CHOICE, ReadingChoices
from xoxo_async.cli.bulk.reading import reading_flags

GERMAN = 'Staff;Product ID;Amount;Team\nE-1;1001;"1.000,00";Müller\nE-2;1001;500,00;\n'.encode("cp1252")


def test_what_was_recognised_is_said(command: Command) -> None:
    """It comes with the sums, before a question, and in JSON."""
    Path("people.csv").write_bytes(GERMAN)
    ended = command("bulk", "plan", "people.csv", "--sandbox", "--map", "Staff=key", "--keep", "team", "--json")
    said = "semicolons, decimal comma, Windows-1252, 2 rows; Staff is key, Product ID is product_id, Amount is denomination; kept: Team"  # noqa: E501
    assert (ended.code, ended.facts["recognised"]) == (0, said)
    assert f"recognised: {said}" in ended.err


def test_a_ledger_remembers_the_columns(command: Command) -> None:
    """A later run of the same file needs no --map and no --keep."""
    Path("people.csv").write_bytes(GERMAN)
    run = ("bulk", "run", "people.csv", "--ledger", "march.db", "--sandbox")
    refused = command(*run)
    assert (refused.code, "--map" in refused.err) == (2, True)
    assert command(*run, "--map", "Staff=key", "--keep", "all").code == 0
    again = command(*run)
    assert again.code == 0
    assert "Staff is key" in again.err
    assert "kept: Team" in again.err


def test_an_unproven_number_is_settled_by_a_flag(command: Command) -> None:
    """Without it nothing is planned, and both readings are named."""
    Path("orders.csv").write_text('key,product_id,denomination\nA,1001,"1,000"\n')
    refused = command("bulk", "plan", "orders.csv", "--sandbox")
    assert refused.code == 2
    assert "it can be 1000 (decimal point) or 1 (decimal comma)" in refused.err
    planned = command("bulk", "plan", "orders.csv", "--sandbox", "--decimal", ".", "--json")
    assert (planned.code, planned.facts["face"]) == (0, {"INR": 1000})


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--map", "Staff"], "is not COLUMN=FIELD"),
        (["--map", "a=key", "--map", "a=tag"], "cannot be key and tag"),
        (["--encoding", "klingon"], "encoding must be"),
        (["--delimiter", "::"], "delimiter must be"),
        (["--sheet", "March"], "only a workbook has sheets"),
        (["--map", "key=colour"], "there is no field 'colour'"),
    ],
)
def test_a_flag_without_sense_is_refused(command: Command, flags: list[str], words: str) -> None:
    """It is exit 2, and names the flag."""
    Path("orders.csv").write_text("key,product_id,denomination\nA,1001,500\n")
    ended = command("bulk", "plan", "orders.csv", "--sandbox", *flags)
    assert (ended.code, words in ended.err) == (2, True)


def test_the_same_choices_can_be_given_again() -> None:
    """A command that is printed has every flag."""
    choices = ReadingChoices.of(columns={"Staff": "key"}, keep=["a", "b, c"], delimiter="\t", decimal=",")
    assert reading_flags(choices) == [
        *("--map", "Staff=key", "--keep", 'a,"b, c"'),
        *("--delimiter", "tab", "--decimal", ","),
    ]
    assert reading_flags(NO_CHOICE) == []
