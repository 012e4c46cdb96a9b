"""`bulk_export`: an export takes the place of an older one and of nothing else, in either of its two forms."""

import json
from pathlib import Path

import anyio
import pytest

from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.cli.bulk_export import run_export
from xoxo_async.cli.connect import Connection
from xoxo_async.errors import ConfigError

COLUMNS = (
    "key,po_number,order_id,state,delivery,product_id,denomination,quantity,email,"
    "code,pin,valid_to,amount,currency,error"
)
AS_JSON = json.dumps(dict.fromkeys(COLUMNS.split(","), ""))


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A ledger without a line."""
    path = tmp_path / "m.db"

    async def make() -> None:
        async with SqliteLedger(path):
            pass

    anyio.run(make)
    return path


def export(ledger: Path, path: Path) -> None:
    run_export(ledger, path, Connection(), reveal=False, as_json=True)


def test_a_csv_has_its_columns_even_without_a_row(ledger: Path, tmp_path: Path) -> None:
    """A script that reads it finds them; JSON lines of nothing are no lines."""
    export(ledger, tmp_path / "codes.csv")
    export(ledger, tmp_path / "codes.jsonl")
    assert (tmp_path / "codes.csv").read_text().splitlines() == [COLUMNS]
    assert (tmp_path / "codes.jsonl").read_text() == ""


def test_what_was_done_is_told_in_json(ledger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Codes are masked unless they are asked for."""
    export(ledger, tmp_path / "codes.csv")
    told = json.loads(capsys.readouterr().out)
    assert (told["out"], told["rows"], told["codes"], told["revealed"]) == (str(tmp_path / "codes.csv"), 0, 0, False)
    assert told["continue_with"] == ""


@pytest.mark.parametrize("older", ["", f"{COLUMNS}\nEMP-1,PO-1\n", f"{AS_JSON}\n"], ids=["empty", "csv", "jsonl"])
@pytest.mark.parametrize("name", ["codes.csv", "CODES.JSONL"])
def test_an_older_export_is_replaced(ledger: Path, tmp_path: Path, name: str, older: str) -> None:
    """The new one has more; of either form, by either name."""
    path = tmp_path / name
    path.write_text(older)
    export(ledger, path)
    assert "EMP-1" not in path.read_text()


@pytest.mark.parametrize(
    "other",
    ["key,product_id,denomination\nA,1001,5\n", "notes\n", '{"key": 1}\n', "{\n", "\x00\xff", f"{COLUMNS},more\n"],
)
def test_any_other_file_is_kept(ledger: Path, tmp_path: Path, other: str) -> None:
    """An orders file beside the ledger most of all."""
    path = tmp_path / "orders.csv"
    path.write_text(other)
    with pytest.raises(ConfigError, match="no older export"):
        export(ledger, path)
    assert path.read_text() == other


@pytest.mark.parametrize(("name", "said"), [("codes.xlsx", ".xlsx"), ("codes", "nothing"), ("codes.csv.gz", ".gz")])
def test_an_export_has_one_of_two_forms(ledger: Path, tmp_path: Path, name: str, said: str) -> None:
    """By its name, before the ledger is opened."""
    with pytest.raises(ConfigError, match=rf"must end in \.csv or \.jsonl, not {said}"):
        export(ledger, tmp_path / name)


def test_the_ledger_is_never_overwritten(tmp_path: Path) -> None:
    """Also where it is named like an export, and by another path."""
    path = tmp_path / "m.csv"
    path.write_text("ledger")
    with pytest.raises(ConfigError, match="must not be the ledger"):
        export(path, tmp_path / "x" / ".." / "m.csv")
    assert path.read_text() == "ledger"


def test_a_place_that_cannot_be_written_is_said(ledger: Path, tmp_path: Path) -> None:
    """A folder of that name."""
    (tmp_path / "codes.csv").mkdir()
    with pytest.raises(ConfigError, match="cannot be written"):
        export(ledger, tmp_path / "codes.csv")
