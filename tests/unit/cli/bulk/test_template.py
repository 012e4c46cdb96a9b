"""`template`: it writes an orders file that goes back in."""

from pathlib import Path

import pytest

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


@pytest.mark.parametrize(("kind", "send"), [
    ("points", "xoxo points send --file new.xlsx --ledger new.db --sender EMAIL --sandbox"),
    ("links", "xoxo links generate --file new.xlsx --ledger new.db --campaign-id ID --expires-on YYYY-MM-DD --sandbox"),
    ("mails", "xoxo links send --file new.xlsx --ledger new.db --campaign-id ID --expires-on YYYY-MM-DD --sandbox"),
])  # fmt: skip
def test_other_kinds_have_templates_too(command: Command, kind: str, send: str) -> None:
    """No call is made; the command that is printed reads the file, and refuses the example alone."""
    ended = command("bulk", "template", "new.xlsx", "--kind", kind, "--sandbox", "--json")
    assert (ended.code, ended.facts["continue_with"]) == (0, send)
    given = send.replace("EMAIL", "a@example.com").replace("ID", "7001").replace("YYYY-MM-DD", "2099-12-31")
    ended = command(*given.split()[1:])
    assert (ended.code, "only the template's example" in ended.err) == (2, True)
    again = command("bulk", "template", "new.xlsx", "--kind", kind)
    assert (again.code, "a template never replaces a file" in again.err) == (2, True)


def test_only_orders_have_a_country(command: Command) -> None:
    """The flag is refused before a file is written."""
    ended = command("bulk", "template", "new.csv", "--kind", "points", "--country", "India")
    assert (ended.code, "--country is for orders" in ended.err, Path("new.csv").exists()) == (2, True, False)
