"""`listing`: each list is a table, JSON or CSV by the same flag."""

import csv
import io
from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.cli.in_process import Command
from xoxo_async.cli.listing import print_listing
from xoxo_async.sandbox import Sandbox


@pytest.mark.parametrize(
    "line",
    [
        "catalog vouchers --limit 3",
        "catalog filters",
        "order history",
        "links campaigns",
        "profile list",
        "profile show",
        "doctor",
    ],
)
def test_every_list_has_three_forms(
    command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str
) -> None:
    """`--json` is `--output json`, and every row of CSV has a cell for each column."""
    limits = ("vouchers", "filters", "balance", "order_history")
    none = "".join(f'{name} = "none"\n' for name in limits)
    (tmp_path / "c.toml").write_text(f"[profiles.march.limits]\n{none}")
    monkeypatch.setenv("XOXO_CONFIG", str(tmp_path / "c.toml"))
    monkeypatch.setenv("XOXO_PROFILE", "march")
    command("order", "place", "--product-id", "1001", "--denomination", "500", "--po-number", "A")
    as_csv, as_json = command(*line.split(), "--output", "csv"), command(*line.split(), "--output", "json")
    assert (as_csv.code, as_json.code) == (0, 0)
    rows = list(csv.reader(io.StringIO(as_csv.out), strict=True))
    assert len(rows) > 1
    assert len({len(row) for row in rows}) == 1
    assert as_json.facts.keys() == command(*line.split(), "--json").facts.keys()
    assert command(*line.split(), "--output", "table").code == 0


def test_two_forms_at_once_are_wrong_usage(command: Command) -> None:
    """The error names both, and is JSON."""
    shown = command("catalog", "filters", "--json", "--output", "csv")
    assert shown.code == 2
    assert "--json is --output json" in shown.facts["error"]


def test_an_error_is_json_too(command: Command) -> None:
    """Also by the longer flag."""
    assert command("catalog", "filters", "--output", "json").facts["exit_code"] == 2
    assert command("catalog", "filters", "--output", "xml").code == 2


def test_csv_runs_no_formula(capsys: pytest.CaptureFixture[str]) -> None:
    """A text that a spreadsheet would calculate gets an apostrophe; numbers stay as they are."""
    rows = (("a", "b", "c", "d"), [("=1+1", Decimal("-5.50"), -3, None), ('x,"y', True, "+", "'z")])
    print_listing("csv", lambda: rows, facts=dict)
    assert capsys.readouterr().out == "a,b,c,d\n'=1+1,-5.50,-3,\n\"x,\"\"y\",true,'+,''z\n"


def test_csv_has_plain_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    """A person reads `INR 1,250`, and a spreadsheet 1250."""
    print_listing("csv", lambda: (("a",), [("INR 1,250",)]), facts=dict, plain=lambda: (("a",), [(Decimal(1250),)]))
    assert capsys.readouterr().out == "a\n1250\n"
