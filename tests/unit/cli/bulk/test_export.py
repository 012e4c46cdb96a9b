"""`export`: the file has what the ledger has, and the command names the rows without codes."""

import json
from pathlib import Path

import anyio
import pytest

from tests.unit.cli.in_process import Command
from xoxo_async.bulk import derive_po_number, open_ledger
from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.cli.bulk.export import run_export
from xoxo_async.cli.connection import Connection
from xoxo_async.errors import ConfigError
from xoxo_async.sandbox import Sandbox

PO = derive_po_number("m", "A")
COLUMNS = (
    "key,po_number,order_id,state,delivery,product_id,denomination,quantity,email,"
    "code,pin,valid_to,amount,currency,error,tag"
)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A ledger without a line."""
    path = tmp_path / "m.db"

    async def make() -> None:
        async with open_ledger(path):
            pass

    anyio.run(make)
    return path


def export(ledger: Path, path: Path) -> None:
    run_export(LedgerAddress.read(ledger), path, Connection(), reveal=False, as_json=True)


def test_a_csv_without_rows_has_its_columns(ledger: Path, tmp_path: Path) -> None:
    """A script that reads it finds the columns. A .jsonl without rows is empty."""
    export(ledger, tmp_path / "codes.csv")
    export(ledger, tmp_path / "codes.jsonl")
    assert (tmp_path / "codes.csv").read_text().splitlines() == [COLUMNS]
    assert (tmp_path / "codes.jsonl").read_text() == ""


def test_json_has_the_exported_counts(ledger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Codes are masked without --reveal."""
    export(ledger, tmp_path / "codes.csv")
    told = json.loads(capsys.readouterr().out)
    assert (told["out"], told["rows"], told["codes"], told["revealed"]) == (str(tmp_path / "codes.csv"), 0, 0, False)
    assert told["continue_with"] == ""


@pytest.mark.parametrize("name", ["codes.xls", "m.csv"])
def test_a_wrong_file_is_refused_first(tmp_path: Path, name: str) -> None:
    """Another suffix, or the ledger itself, is exit 2 before the ledger is opened."""
    (tmp_path / "m.csv").write_text("ledger")
    with pytest.raises(ConfigError, match="the file of an export must"):
        export(tmp_path / "m.csv", tmp_path / name)
    assert (tmp_path / "m.csv").read_text() == "ledger"


def test_an_export_names_what_it_lacks(command: Command, sandbox: Sandbox) -> None:
    """With unsent rows it is exit 3, with the command that sends them. After that, every code is in the file."""
    Path("orders.csv").write_text("key,product_id,denomination\nA,1001,500\nB,1001,250\n")
    assert command("bulk", "plan", "orders.csv", "--ledger", "march.db").code == 0
    early = command("bulk", "export", "--ledger", "march.db", "--out", "codes.csv", "--json")
    assert (early.code, early.facts["not_sent"], early.facts["missing"]) == (3, 2, 0)
    assert "warning: 2 rows not sent yet" in early.err
    assert command("bulk", "resume", "--ledger", "march.db", "--rate", "none", "--no-codes").code == 0
    masked = command("bulk", "export", "--ledger", "march.db", "--out", "codes.csv")
    assert (masked.code, "A: this ledger keeps no codes, and --reveal fetches them" in masked.err) == (3, True)
    done = command("bulk", "export", "--ledger", "march.db", "--out", "codes.csv", "--reveal")
    assert done.code == 0, done.err
    sold = [code for order in sandbox.state.orders.values() for code, _pin in order.codes]
    assert all(code in Path("codes.csv").read_text() for code in sold)
    assert not any(code in done.out + done.err for code in sold)


def test_late_codes_are_collected_first(command: Command, sandbox: Sandbox) -> None:
    """The command that collects them is printed."""
    Path("orders.csv").write_text("key,product_id,denomination\nA,1010,500\n")
    assert command("bulk", "run", "orders.csv", "--ledger", "march.db", "--rate", "none").code == 0
    ended = command("bulk", "export", "--ledger", "march.db", "--out", "codes.jsonl", "--reveal", "--json")
    assert (ended.code, ended.facts["waiting"], ended.facts["missing"]) == (3, 1, 1)
    assert "collect them with: " in ended.err
    assert "bulk reconcile --ledger march.db" in ended.facts["continue_with"]


def test_a_workbook_is_split_by_a_column(command: Command, sandbox: Sandbox) -> None:
    """JSON lists the files; a column that is not there is exit 2 and names those that are."""
    Path("orders.csv").write_text("key,product_id,denomination,tag\nA,1001,500,spring\nB,1001,250,\n")
    assert command("bulk", "run", "orders.csv", "--ledger", "march.db", "--rate", "none").code == 0
    asked = ("bulk", "export", "--ledger", "march.db", "--reveal", "--json")
    done = command(*asked, "--out", "codes.xlsx", "--split-by", "tag")
    assert (done.code, done.facts["rows"], done.facts["codes"], done.facts["missing"]) == (0, 2, 2, 0)
    assert done.facts["files"] == ["codes-none.xlsx", "codes-spring.xlsx"]
    assert "2 rows in 2 files: codes-none.xlsx, codes-spring.xlsx, 2 codes in clear" in done.err
    wrong = command(*asked, "--out", "codes.csv", "--split-by", "Team")
    assert (wrong.code, "the columns by which it can are: key, po_number" in wrong.err) == (2, True)
    assert command(*asked, "--out", "codes.jsonl", "--excel").code == 2
    assert command(*asked, "--out", "codes.csv", "--excel").facts["files"] == ["codes.csv"]
    assert Path("codes.csv").read_bytes().startswith(b"\xef\xbb\xbfkey,")


def test_a_ledger_that_cannot_be_written_is_read(
    command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive or a read-only mount has no place for a lock, and an export writes nothing there."""
    Path("orders.csv").write_text("key,product_id,denomination\nA,1001,500\n")
    assert command("bulk", "run", "orders.csv", "--ledger", "m.db", "--rate", "none").code == 0
    Path("m.db.lock").unlink()
    monkeypatch.setattr("os.access", lambda *_: False)
    ended = command("bulk", "export", "--ledger", "m.db", "--out", "codes.jsonl", "--reveal")
    assert ended.code == 0
    assert json.loads(Path("codes.jsonl").read_text())["code"] in {code for code, _ in sandbox.order(PO).codes}  # type: ignore[union-attr]
    assert not Path("m.db.lock").exists()
