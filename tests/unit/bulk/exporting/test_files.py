"""`files`: an export is private and whole, and replaces only an older export."""

import csv
import json
import os
import stat
from decimal import Decimal
from pathlib import Path

import pytest

from xoxo_async import ClientCredentials, RateLimits, XoxoClient
from xoxo_async.bulk import BulkIssuer, OrderLine, export_codes, open_ledger
from xoxo_async.bulk.exporting.files import ExportFile, without_controls
from xoxo_async.errors import ConfigError
from xoxo_async.sandbox import Sandbox

COLUMNS = (
    "key,po_number,order_id,state,delivery,product_id,denomination,quantity,email,"
    "code,pin,valid_to,amount,currency,error"
)
AS_JSON = json.dumps(dict.fromkeys(COLUMNS.split(","), ""))
ROWS = [OrderLine(key=key, product_id=1001, denomination=Decimal(100), quantity=2) for key in ("=A", "B")]


@pytest.mark.parametrize("older", ["", f"{COLUMNS}\nEMP-1,PO-1\n", f"{AS_JSON}\n"], ids=["empty", "csv", "jsonl"])
@pytest.mark.parametrize("name", ["codes.csv", "CODES.JSONL"])
def test_an_older_export_may_be_replaced(tmp_path: Path, name: str, older: str) -> None:
    """In either form, by either name."""
    (tmp_path / name).write_text(older)
    assert ExportFile(tmp_path / name, ledger="m.db").as_csv is (name == "codes.csv")


@pytest.mark.parametrize(
    "other",
    ["key,product_id,denomination\nA,1001,5\n", "notes\n", '{"key": 1}\n', "{\n", "\x00\xff", f"x,{COLUMNS}\n"],
)
def test_any_other_file_is_kept(tmp_path: Path, other: str) -> None:
    """An orders file beside the ledger most of all."""
    path = tmp_path / "orders.csv"
    path.write_text(other)
    with pytest.raises(ConfigError, match="no older export"):
        ExportFile(path, ledger="m.db")
    assert path.read_text() == other


@pytest.mark.parametrize("kept", [["Dept"], []])
def test_columns_of_a_person_are_kept(tmp_path: Path, kept: list[str]) -> None:
    """Someone has added notes to an export: no column of the ledger explains them."""
    (tmp_path / "codes.csv").write_text(f"{COLUMNS},Dept,notes\n")
    with pytest.raises(ConfigError, match="no older export"):
        ExportFile(tmp_path / "codes.csv", ledger="m.db").check_columns(kept)


@pytest.mark.parametrize("older", ["", ",'=Dept", ",'=Dept,state (kept)"])
def test_an_export_with_kept_columns_is_replaced(tmp_path: Path, older: str) -> None:
    """Also one that has fewer of them than the ledger has by now."""
    (tmp_path / "codes.csv").write_text(f"{COLUMNS}{older}\nEMP-1\n")
    ExportFile(tmp_path / "codes.csv", ledger="m.db").check_columns(["=Dept", "state"])


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["codes.csv", "codes.jsonl"])
async def test_kept_columns_stand_in_the_export(tmp_path: Path, name: str) -> None:
    """After the fixed columns, also those of packed rows, and no cell is a formula; replaced by the next export."""
    rows = [
        OrderLine(key=key, product_id=1001, denomination=Decimal(100), kept=kept)
        for key, kept in {"A": {"=Dept": "+1", "state": "Goa"}, "B": {"=Dept": "R,D", "state": ""}, "C": {}}.items()
    ]
    out = tmp_path / name
    async with Sandbox() as sandbox, client_of(sandbox) as client, open_ledger(tmp_path / "m.db") as ledger:
        assert (await BulkIssuer(client, ledger, job="j", pack=True).run(rows)).issued == 3
        await export_codes(None, ledger, out)
        await export_codes(None, ledger, out)
    text = out.read_text()
    if name == "codes.csv":
        assert text.splitlines()[0] == f"{COLUMNS},'=Dept,state (kept)"
        assert [row[15:] for row in csv.reader(text.splitlines()[1:])] == [["'+1", "Goa"], ["R,D", ""], ["", ""]]
    else:
        kept = [json.loads(line).get("kept") for line in text.splitlines()]
        assert kept == [{"=Dept": "+1", "state": "Goa"}, {"=Dept": "R,D", "state": ""}, None]


@pytest.mark.parametrize(("name", "said"), [("codes.xlsx", ".xlsx"), ("codes", "nothing"), ("codes.csv.gz", ".gz")])
def test_an_export_has_one_of_two_forms(tmp_path: Path, name: str, said: str) -> None:
    """The ending of its name chooses."""
    with pytest.raises(ConfigError, match=rf"must end in \.csv or \.jsonl, not {said}"):
        ExportFile(tmp_path / name, ledger="m.db")


def test_the_ledger_is_never_overwritten(tmp_path: Path) -> None:
    """Also where it is named like an export, and by another path."""
    (tmp_path / "m.csv").write_text("ledger")
    with pytest.raises(ConfigError, match="must not be the ledger"):
        ExportFile(tmp_path / "x" / ".." / "m.csv", ledger=str(tmp_path / "m.csv"))


def test_an_unwritable_place_is_an_error(tmp_path: Path) -> None:
    """A folder of that name."""
    (tmp_path / "codes.csv").mkdir()
    with pytest.raises(ConfigError, match="cannot be written"):
        ExportFile(tmp_path / "codes.csv", ledger="m.db")


def test_a_text_moves_no_cursor() -> None:
    """Tabs and line ends stay: the form of the file says how they are written."""
    assert without_controls("a\x1b[2J\x00\tb\n") == "a[2J\tb\n"


async def issued(sandbox: Sandbox, path: Path, *, keep: bool) -> None:
    async with client_of(sandbox) as client, open_ledger(path, store_codes=keep) as ledger:
        assert (await BulkIssuer(client, ledger, job="j").run(ROWS)).issued == 2


def client_of(sandbox: Sandbox) -> XoxoClient:
    credentials = ClientCredentials(sandbox.client_id, sandbox.client_secret)
    return XoxoClient(credentials, base_url=sandbox.base_url, rate_limits=RateLimits.unlimited())


@pytest.mark.anyio
@pytest.mark.parametrize("keep", [True, False], ids=["kept", "fetched"])
@pytest.mark.parametrize("name", ["codes.csv", "codes.jsonl"])
async def test_every_code_is_written_once(tmp_path: Path, keep: bool, name: str) -> None:
    """From the ledger or from the vendor; 0600; no cell is a formula."""
    path, out = tmp_path / "m.db", tmp_path / name
    async with Sandbox() as sandbox:
        await issued(sandbox, path, keep=keep)
        async with client_of(sandbox) as client, open_ledger(path, store_codes=keep) as ledger:
            done = await export_codes(client, ledger, out, reveal=True)
        sold = sorted(code for order in sandbox.state.orders.values() for code, _pin in order.codes)
    assert (done.rows, done.codes, done.missing, done.fetched) == (4, 4, 0, 0 if keep else 2)
    text = out.read_text()
    rows = list(csv.DictReader(text.splitlines())) if name == "codes.csv" else list(map(json.loads, text.splitlines()))
    assert sorted(row["code"] for row in rows) == sold
    assert {row["key"] for row in rows} == ({"'=A", "B"} if name == "codes.csv" else {"=A", "B"})
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


@pytest.mark.anyio
async def test_without_a_client_nothing_is_fetched(tmp_path: Path) -> None:
    """The rows have a reason for each missing code; masked codes need no client."""
    path, out = tmp_path / "m.db", tmp_path / "codes.jsonl"
    async with Sandbox() as sandbox:
        await issued(sandbox, path, keep=False)
    async with open_ledger(path, store_codes=False) as ledger:
        done = await export_codes(None, ledger, out, reveal=True)
    assert (done.rows, done.codes, done.missing) == (2, 0, 2)
    assert "no client was given" in done.missing_rows[0].why


@pytest.mark.anyio
async def test_a_failure_leaves_the_older_export(tmp_path: Path) -> None:
    """Whole or not at all; no draft stays."""
    path, out = tmp_path / "m.db", tmp_path / "codes.csv"
    out.write_text(f"{COLUMNS}\nold\n")
    async with Sandbox() as sandbox:
        await issued(sandbox, path, keep=False)
        async with open_ledger(path, store_codes=False) as ledger:
            with pytest.raises(ConfigError, match="another account"):
                async with XoxoClient(ClientCredentials("x", "y"), base_url=sandbox.base_url) as other:
                    await export_codes(other, ledger, out, reveal=True)
    assert out.read_text() == f"{COLUMNS}\nold\n"
    assert sorted(os.listdir(tmp_path)) == ["codes.csv", "m.db", "m.db.lock"]
