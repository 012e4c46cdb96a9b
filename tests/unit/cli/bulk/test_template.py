"""`template`: it writes an orders file that goes back in."""

from pathlib import Path

from tests.unit.cli.in_process import Command


def test_a_template_goes_back_in(command: Command) -> None:
    """The command that it prints refuses the example alone, and sends nothing."""
    ended = command("bulk", "template", "orders.xlsx", "--country", "IN", "--sandbox", "--json")
    assert (ended.code, ended.facts["out"]) == (0, "orders.xlsx")
    assert ended.facts["products"] > 1
    assert ended.facts["continue_with"].endswith("bulk plan orders.xlsx --sandbox")
    ended = command("bulk", "plan", "orders.xlsx", "--sandbox")
    assert (ended.code, "only the template's example" in ended.err) == (2, True)
    assert Path("orders.xlsx").stat().st_size > 5000


def test_a_workbook_is_planned_like_csv(command: Command) -> None:
    """What was recognised stands before the totals."""
    book = Path(__file__).parents[3] / "fuzz" / "files" / "libreoffice.xlsx"
    ended = command("bulk", "plan", book, "--sandbox", "--keep", "all", "--sheet", "gifts", "--skip-invalid", "--json")
    assert (ended.code, ended.facts["rows"], ended.facts["skipped"]) == (3, 9, 3)
    assert ended.facts["recognised"].startswith("sheet Gifts, 1 hidden row, 12 rows; Employee ID is key")
