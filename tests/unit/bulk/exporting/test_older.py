"""`older`: an export replaces an older export, and no file that a person has work in."""

import json
import zipfile
from pathlib import Path

import pytest

from tests.unit.bulk.exporting.exports import ORDERS
from xoxo_async.bulk.exporting.columns import COLUMNS as COLUMNS_OF
from xoxo_async.bulk.exporting.older import check_columns, foreign_columns
from xoxo_async.bulk.exporting.workbook import workbook_writer
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.errors import ConfigError

BEFORE = (
    "key,po_number,order_id,state,delivery,product_id,denomination,quantity,email,"
    "code,pin,valid_to,amount,currency,error"
)
COLUMNS = f"{BEFORE},tag"
AS_JSON = json.dumps(dict.fromkeys(COLUMNS.split(","), ""))


@pytest.mark.parametrize(
    "older",
    ["", f"{COLUMNS}\nEMP-1,PO-1\n", f"{BEFORE}\n", f"\ufeff{COLUMNS}\r\n", f"{AS_JSON}\n"],
    ids=["empty", "csv", "without tag", "for Excel", "jsonl"],
)
@pytest.mark.parametrize("name", ["codes.csv", "CODES.JSONL", "codes.xlsx"])
def test_an_older_export_may_be_replaced(tmp_path: Path, name: str, older: str) -> None:
    """In any form, by any name; also one of an earlier version."""
    (tmp_path / name).write_text(older)
    check_columns(tmp_path / name, foreign_columns(tmp_path / name), [])


@pytest.mark.parametrize(
    "other",
    ["key,product_id,denomination\nA,1001,5\n", "notes\n", '{"key": 1}\n', "{\n", "\x00\xff", f"x,{COLUMNS}\n", "PK"],
)
def test_any_other_file_is_kept(tmp_path: Path, other: str) -> None:
    """An orders file beside the ledger most of all."""
    path = tmp_path / "orders.csv"
    path.write_text(other)
    with pytest.raises(ConfigError, match="no older export"):
        foreign_columns(path)
    assert path.read_text() == other


@pytest.mark.parametrize("kept", [["Dept"], []])
def test_columns_of_a_person_are_kept(tmp_path: Path, kept: list[str]) -> None:
    """Someone has added notes to an export: no column of the ledger explains them."""
    path = tmp_path / "codes.csv"
    path.write_text(f"{COLUMNS},Dept,notes\n")
    with pytest.raises(ConfigError, match="no older export"):
        check_columns(path, foreign_columns(path), kept)


@pytest.mark.parametrize("older", ["", ",'=Dept", ",'=Dept,state (kept)"])
def test_an_export_with_kept_columns_is_replaced(tmp_path: Path, older: str) -> None:
    """Also one that has fewer of them than the ledger has by now."""
    path = tmp_path / "codes.csv"
    path.write_text(f"{COLUMNS}{older}\nEMP-1\n")
    check_columns(path, foreign_columns(path), ["=Dept", "state"])


@pytest.mark.parametrize("fixed", [COLUMNS, ",".join(COLUMNS_OF[JobKind.POINTS].names)], ids=["orders", "points"])
def test_an_export_of_another_kind_is_replaced(tmp_path: Path, fixed: str) -> None:
    """Earlier versions gave a job of points the columns of orders; a kept column had no mark there."""
    path = tmp_path / "points.csv"
    path.write_text(f"{fixed},points,tag (kept)\nEMP-1\n")
    check_columns(path, foreign_columns(path), ["points", "tag"])
    with pytest.raises(ConfigError, match="no older export"):
        check_columns(path, foreign_columns(path), ["tag"])


def book_at(path: Path) -> dict[str, bytes]:
    with path.open("wb") as file, workbook_writer(file, path.parent, ORDERS, []):
        pass
    with zipfile.ZipFile(path) as book:
        return {name: book.read(name) for name in book.namelist()}


def save(path: Path, parts: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as book:
        for name, part in parts.items():
            book.writestr(name, part)


def test_a_workbook_of_an_export_is_replaced(tmp_path: Path) -> None:
    """It has a property that says so, and nobody has saved it since."""
    save(tmp_path / "codes.xlsx", book_at(tmp_path / "codes.xlsx"))
    assert foreign_columns(tmp_path / "codes.xlsx") == frozenset()


@pytest.mark.parametrize("change", ["saved later", "other order", "no property", "no parts"])
def test_a_persons_workbook_is_kept(tmp_path: Path, change: str) -> None:
    """A program keeps the property when it saves a workbook: what a person added to an export is not overwritten."""
    path = tmp_path / "codes.xlsx"
    parts = book_at(path)
    match change:
        case "saved later":
            core = parts["docProps/core.xml"]
            start = core.index(b"<dcterms:modified")
            parts["docProps/core.xml"] = core[:start] + core[start:].replace(b"20", b"19", 1)
        case "other order":
            parts = dict(sorted(parts.items()))
        case "no property":
            del parts["docProps/custom.xml"]
        case _:
            parts = {"a": b""}
    save(path, parts)
    with pytest.raises(ConfigError, match="no older export"):
        foreign_columns(path)


def test_an_unwritable_place_is_an_error(tmp_path: Path) -> None:
    """A folder of that name."""
    (tmp_path / "codes.csv").mkdir()
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory\), so it is not"):
        foreign_columns(tmp_path / "codes.csv")
