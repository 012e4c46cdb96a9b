"""`files`: an export is private and whole, and replaces only an older export."""

import csv
import errno
import json
import os
import stat
import sys
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
    "code,pin,valid_to,amount,currency,error,tag"
)
AS_JSON = json.dumps(dict.fromkeys(COLUMNS.split(","), ""))
ROWS = [OrderLine(key=key, product_id=1001, denomination=Decimal(100), quantity=2) for key in ("=A", "B")]


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
        assert [row[16:] for row in csv.reader(text.splitlines()[1:])] == [["'+1", "Goa"], ["R,D", ""], ["", ""]]
    else:
        kept = [json.loads(line).get("kept") for line in text.splitlines()]
        assert kept == [{"=Dept": "+1", "state": "Goa"}, {"=Dept": "R,D", "state": ""}, None]


@pytest.mark.parametrize(("name", "said"), [("codes.xls", ".xls"), ("codes", "nothing"), ("codes.csv.gz", ".gz")])
def test_an_export_has_one_of_three_forms(tmp_path: Path, name: str, said: str) -> None:
    """The ending of its name chooses."""
    with pytest.raises(ConfigError, match=rf"must end in \.xlsx, \.csv or \.jsonl, not {said}"):
        ExportFile(tmp_path / name, ledger="m.db")


def test_the_ledger_is_never_overwritten(tmp_path: Path) -> None:
    """Also where it is named like an export, and by another path."""
    (tmp_path / "m.csv").write_text("ledger")
    with pytest.raises(ConfigError, match="must not be the ledger"):
        ExportFile(tmp_path / "x" / ".." / "m.csv", ledger=str(tmp_path / "m.csv"))


def test_an_unwritable_place_is_an_error(tmp_path: Path) -> None:
    """A folder of that name."""
    (tmp_path / "codes.csv").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
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


@pytest.mark.parametrize("name", ["codes.xlsx", "codes.jsonl"])
def test_only_csv_is_guarded(tmp_path: Path, name: str) -> None:
    """The other forms need no guards, and --excel with them is a mistake."""
    with pytest.raises(ConfigError, match=r"only a \.csv needs guards for Excel"):
        ExportFile(tmp_path / name, ledger="m.db", excel=True)


def test_a_missing_extra_names_the_pip_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is read or fetched."""
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(ConfigError, match=r"pip install 'xoxo-async\[files\]'"):
        ExportFile(tmp_path / "codes.xlsx", ledger="m.db")


async def job(path: Path) -> None:
    """Issue three rows of two departments and one without any; the last one is rejected."""
    rows = [
        OrderLine(key="A", product_id=1001, denomination=Decimal(100), kept={"Dept": "R/D"}, tag="=x"),
        OrderLine(key="B", product_id=1001, denomination=Decimal(100), kept={"Dept": "Sales"}),
        OrderLine(key="C", product_id=1001, denomination=Decimal(100), kept={"Dept": " "}),
    ]
    async with Sandbox() as sandbox, client_of(sandbox) as client, open_ledger(path) as ledger:
        assert (await BulkIssuer(client, ledger, job="j").run(rows)).issued == 3


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
async def test_each_value_has_its_file(tmp_path: Path, kind: str) -> None:
    """Names are safe, blanks are `none`, all files are 0600, and no draft stays; a second export replaces them."""
    await job(tmp_path / "m.db")
    out = tmp_path / "out"
    out.mkdir()
    async with open_ledger(tmp_path / "m.db") as ledger:
        for _ in range(2):
            done = await export_codes(None, ledger, out / f"codes.{kind}", reveal=True, split_by="dept")
    names = [f"codes-R_D.{kind}", f"codes-Sales.{kind}", f"codes-none.{kind}"]
    assert sorted(os.listdir(out)) == names
    assert sorted(done.files) == [str(out / name) for name in names]
    assert {stat.S_IMODE((out / name).stat().st_mode) for name in names} == {0o600}
    assert (done.rows, done.codes) == (3, 3)


@pytest.mark.anyio
async def test_no_part_is_written_over_another_file(tmp_path: Path) -> None:
    """All files of a split are checked before the first one takes its name."""
    await job(tmp_path / "m.db")
    (tmp_path / "codes-Sales.csv").write_text("mine\n")
    async with open_ledger(tmp_path / "m.db") as ledger:
        with pytest.raises(ConfigError, match=r"codes-Sales\.csv is there already and is no older export"):
            await export_codes(None, ledger, tmp_path / "codes.csv", split_by="Dept")
        with pytest.raises(ConfigError, match="cannot be split by 'Team'; the columns by which it can are: Dept, key"):
            await export_codes(None, ledger, tmp_path / "codes.csv", split_by="Team")
    assert sorted(name for name in os.listdir(tmp_path) if "codes" in name) == ["codes-Sales.csv"]


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["codes.csv", "codes.jsonl", "codes.xlsx"])
@pytest.mark.parametrize("split_by", ["", "Dept"])
async def test_a_full_disk_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, split_by: str
) -> None:
    """The error says so, with the file that failed."""
    await job(tmp_path / "m.db")
    before = sorted(os.listdir(tmp_path))

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async with open_ledger(tmp_path / "m.db") as ledger:
        monkeypatch.setattr("xoxo_async.private_files.os.fsync", full)
        with pytest.raises(ConfigError, match="cannot be written: No space left on device") as caught:
            await export_codes(None, ledger, tmp_path / name, split_by=split_by)
        assert ("codes-none." in caught.value.message) is bool(split_by)
        monkeypatch.undo()
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.anyio
async def test_a_tag_stands_in_the_export(tmp_path: Path) -> None:
    """From the request of the row; in CSV no formula."""
    await job(tmp_path / "m.db")
    async with open_ledger(tmp_path / "m.db") as ledger:
        await export_codes(None, ledger, tmp_path / "codes.csv")
        await export_codes(None, ledger, tmp_path / "codes.jsonl")
    rows = list(csv.DictReader((tmp_path / "codes.csv").read_text().splitlines()))
    assert [row["tag"] for row in rows] == ["'=x", "", ""]
    assert [json.loads(row)["tag"] for row in (tmp_path / "codes.jsonl").read_text().splitlines()] == ["=x", "", ""]
