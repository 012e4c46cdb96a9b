"""`csv_table`: the rows of a CSV file with any separator, and the place of what cannot be read in it."""

import csv
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.bulk.intake.orders_files import HEAD, lines, problem
from xoxo_async import errors
from xoxo_async.bulk import OrderLine, read_orders
from xoxo_async.bulk.intake.csv_table import check_delimiter


def test_csv_fields_are_read(tmp_path: Path) -> None:
    """A file may have the columns of `OrderLine` in any order; a blank cell counts as absent."""
    head = "quantity,key,denomination,product_id,email,contact,tag,notify_receiver,notify_admin,po_number\n"
    (line,) = lines(tmp_path / "o.csv", head + "2, a1 ,50.50,1001,j@example.com,+91-9,march,yes,0,PO-1\n")
    assert line == OrderLine(
        key="a1",
        product_id=1001,
        denomination=Decimal("50.50"),
        quantity=2,
        email="j@example.com",
        contact="+91-9",
        tag="march",
        notify_receiver=True,
        po_number="PO-1",
    )


def test_spreadsheet_files_are_read(tmp_path: Path) -> None:
    """The reader accepts a byte order mark, CRLF, quoted commas and line ends, blank rows and capital headers."""
    content = '\ufeffKey,Product_ID,Denomination,Tag\r\na,1,10,"x, ""y"""\r\n,,,\r\n\r\nb,2,20.0,"two\r\nlines"\r\n'
    assert [line.key for line in lines(tmp_path / "o.csv", content)] == ["a", "b"]


def test_the_apostrophe_of_a_spreadsheet_goes(tmp_path: Path) -> None:
    """An export writes `'+919876543210`, a person `'0012`: keys, numbers, phones, kept columns, and their names."""
    content = (
        "key,product_id,denomination,contact,'-team,town\n"
        "'+919876543210,'1001,'1000,'+91-9,'00123,'s-Hertogenbosch\n"
        "b,1001,5,,''x,\"'=a\nb\"\n"
    )
    first, second = lines(tmp_path / "o.csv", content, keep="all")
    assert (first.key, first.product_id, first.denomination, first.contact) == ("+919876543210", 1001, 1000, "+91-9")
    assert first.kept == {"-team": "00123", "town": "'s-Hertogenbosch"}
    assert second.kept == {"-team": "'x", "town": "=a\nb"}


def test_a_po_number_may_be_the_key(tmp_path: Path) -> None:
    """In a file without a key column, poNumber is the key."""
    (line,) = lines(tmp_path / "o.csv", "po_number,product_id,denomination\nPO-7,1,10\n")
    assert (line.key, line.po_number) == ("PO-7", "PO-7")


BAD_ROWS = {
    "negative quantity": (HEAD + "a,1,10,-1\n", "row 2, column quantity"),
    "zero quantity": (HEAD + "a,1,10,0\n", "row 2, column quantity"),
    "half a piece": (HEAD + "a,1,10,1.5\n", "row 2, column quantity"),
    "quantity in words": (HEAD + "a,1,10,two\n", "row 2, column quantity"),
    "product in words": (HEAD + "a,x,10,1\n", "row 2, column product_id"),
    "thousands separator": (HEAD + 'a,1,"1,000",1\n', "row 2, column denomination"),
    "not a number": (HEAD + "a,1,nan,1\n", "row 2, column denomination"),
    "absurd number": (HEAD + "a,1,1e99,1\n", "row 2, column denomination"),
    "no denomination": (HEAD + "a,1,,1\n", "row 2, column denomination"),
    "no key": (HEAD + "a,1,10,1\n,1,10,1\n", "row 3, column key"),
    "too many cells": (HEAD + "a,1,10,1,5\n", "row 2"),
    "bad flag": ("key,product_id,denomination,notify_admin\na,1,10,maybe\n", "row 2, column notify_admin"),
    "row after quoted newline": (HEAD[:-1] + ',tag\na,1,10,1,"x\ny"\nb,1,10,z,\n', "row 3, column quantity"),
    "underscores": (HEAD + "a,1,5_00,1\n", "row 2, column denomination"),
    "fullwidth digit": (HEAD + "a,1,10,\uff11\n", "row 2, column quantity"),
    "arabic digits": (HEAD + "a,\u0661\u0662,10,1\n", "row 2, column product_id"),
    "empty poNumber as key": ("po_number,product_id,denomination\nP,1,1\n,1,1\n", "row 3, column po_number"),
    "long key": (HEAD + "k" * 300 + ",1,10,1\n", "row 2, column key: has 300 characters"),
    "long tag": (HEAD[:-1] + ",tag\na,1,10,1," + "t" * 300, "row 2, column tag: has 300 characters, and 255 are"),
}


@pytest.mark.parametrize(("content", "where"), BAD_ROWS.values(), ids=list(BAD_ROWS))
def test_bad_rows_are_named(tmp_path: Path, content: str, where: str) -> None:
    """The error names each bad row by its number and column."""
    assert where in problem(tmp_path / "o", content)


BAD_FILES = {
    "header alone": (HEAD.encode(), "no orders"),
    "no key column": (b"product_id,denomination\n1,10\n", "key or po_number"),
    "no product column": (b"key,denomination\na,10\n", "product_id"),
    "unknown column": (b"key,product_id,denomination,colour\na,1,10,red\n", "colour"),
    "column twice": (b"key,key,product_id,denomination\na,b,1,10\n", "more than once"),
    "open quote": (HEAD.encode() + b'a,1,10,"1\n', "row 2: not a CSV file"),
    "text behind a quote": (
        b'key\tproduct_id\tdenomination\n"a"b\t1\t10\n',
        "row 2: not a CSV file ('tab' expected after",
    ),
    "open quote in a later row": (
        HEAD.encode() + b'a,1,10,1\nb,1,10,"1\n' + b"c,1,10,1\n" * 9,
        "row 3: not a CSV file",
    ),
    "endless quote": (
        HEAD.encode() + b'a,1,10,1\nb,1,10,"' + b"1\n" * 100_000,
        "row 3, column quantity: the cell is longer than 131,072 characters, most likely because a quote",
    ),
    "endless cell": (
        HEAD.encode() + b'a,1,10,1\nb,"1",' + b"1" * 200_000 + b",1\n",
        "row 3, column denomination: the cell is longer than 131,072 characters;",
    ),
    "endless cell after a quoted comma": (
        HEAD[:-1].encode() + b',tag\n"a,""b""\n",1,10,1,' + b"1" * 200_000,
        "row 2, column tag: the cell is longer than 131,072 characters;",
    ),
    "endless cell in the header": (
        b"key,product_id," + b"x" * 200_000,
        "row 1, column 3: the cell is longer than 131,072 characters;",
    ),
    "endless cell and line": (
        HEAD.encode() + b"a,1," + b"1" * 3_000_000,
        "row 2, column denomination: the cell is longer than 131,072 characters;",
    ),
}


@pytest.mark.parametrize(("content", "words"), BAD_FILES.values(), ids=list(BAD_FILES))
def test_unreadable_files_say_why(tmp_path: Path, content: bytes, words: str) -> None:
    """The error names the file and says why it holds no orders."""
    text = problem(tmp_path / "orders.csv", content)
    assert words in text
    assert "orders.csv" in text
    assert text.replace("\n", "").isprintable()


def test_only_line_ends_end_a_row(tmp_path: Path) -> None:
    """Unicode's other line separators are part of the cell that holds them."""
    content = "key,product_id,denomination,tag\na,1,10,x\u2028y\x0bz\x85\n"
    (line,) = lines(tmp_path / "o.csv", content)
    assert line.tag == "x\u2028y\x0bz"


SEPARATED = {
    "comma": "key,product_id,denomination,tag\na,1,10,x\n",
    "semicolon": "key;product_id;denomination;tag\na;1;10;x\n",
    "tab": "key\tproduct_id\tdenomination\ttag\na\t1\t10\tx\n",
    "pipe": "key|product_id|denomination|tag\na|1|10|x\n",
    "sep line": "sep=;\nkey;product_id;denomination;tag\na;1;10;x\n",
    "sep line of another sign": '"sep=^"\r\nkey^product_id^denomination^tag\r\na^1^10^x\r\n',
    "quoted names": '"Employee ID";"Product ID";"Amount";"Tags"\r\n"a";"1";"10";"x"\r\n',
    "commas in names": "Employee ID;Product, ID;Amount, (INR);Tag,s\na;1;10;x\n",
    "a name on two lines": 'key;product_id;"Amount\n(INR)";tag\na;1;10;x\n',
    "blank lines before": "\n;;;\n \nkey;product_id;denomination;tag\na;1;10;x\n",
    "blank columns behind": "key,product_id,denomination,tag,,\na,1,10,x,,\n",
}


@pytest.mark.parametrize("content", SEPARATED.values(), ids=list(SEPARATED))
def test_the_header_shows_the_separator(tmp_path: Path, content: str) -> None:
    """The names that mean something decide, not the number of signs."""
    (line,) = lines(tmp_path / "o.csv", content)
    assert (line.key, line.product_id, line.denomination, line.tag) == ("a", 1, 10, "x")


def test_a_given_separator_counts(tmp_path: Path) -> None:
    """It may be a sign that is no usual separator, and it may be wrong."""
    path = tmp_path / "o.csv"
    path.write_text("key^product_id^denomination\na^1^10\n")
    assert [line.key for line in read_orders(path, delimiter="^")] == ["a"]


WRONG_SEPARATORS = {
    "a sign that is none of the usual": ("^", None, "", """separated by '^': add --delimiter "^\""""),
    "a colon": (":", None, "", """separated by ':': add --delimiter ":\""""),
    "a sign of the shell": ("$", None, "", "separated by '$': add --delimiter '$'"),
    "blanks": (" ", None, "", """separated by blanks: add --delimiter " \""""),
    "a given one": (
        ",", "semicolon", "", "separated by commas, not by semicolons as --delimiter says: add --delimiter comma",
    ),
    "a given one of two": ("\t", "^", "", "separated by tabs, not by '^' as --delimiter says: add --delimiter tab"),
    "a line above the header": (
        ";", None, "sep=,\n",
        "separated by semicolons, not by commas as its first line says: add --delimiter semicolon",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("sign", "given", "above", "words"), WRONG_SEPARATORS.values(), ids=list(WRONG_SEPARATORS))
def test_a_wrong_separator_is_named(tmp_path: Path, sign: str, given: str | None, above: str, words: str) -> None:
    """The names of the header show which one is right; what the message says to add reads the file."""
    path = tmp_path / "o.csv"
    path.write_text(above + "key,product_id,denomination\na,1,10\n".replace(",", sign))
    with pytest.raises(errors.PlanError) as caught:
        list(read_orders(path, delimiter=given))
    assert str(caught.value) == f"{path}: this file is {words}"
    assert [line.key for line in read_orders(path, delimiter=sign)] == ["a"]


RIGHT_SEPARATORS = {
    "blanks in names with commas": ("Product / SKU,Voucher value (INR),Work mail,Our key\n", None),
    "blanks in names with given commas": ('key (our),product,Betrag,"Quantity / pieces"\n', ","),
    "other signs in names with commas": ("key/product_id/denomination,Betrag\n", None),
    "blanks where commas give columns": ("key product_id denomination,Betrag\n", ";"),
}


@pytest.mark.parametrize(("content", "given"), RIGHT_SEPARATORS.values(), ids=list(RIGHT_SEPARATORS))
def test_a_right_separator_is_not_doubted(tmp_path: Path, content: str, given: str | None) -> None:
    """Names may have blanks: where a header has columns without them, the message is about the columns."""
    path = tmp_path / "o.csv"
    path.write_text(content)
    with pytest.raises(errors.PlanError) as caught:
        list(read_orders(path, delimiter=given))
    assert "this file is separated by" not in str(caught.value)


def test_blanks_are_the_last_guess(tmp_path: Path) -> None:
    """A sign that gives known names is the separator, also where blanks give as many."""
    text = problem(tmp_path / "o.csv", "key (our)~product_id~face value\na~1~10\n")
    assert text.endswith("""this file is separated by '~': add --delimiter "~\"""")


def test_one_column_may_be_many(tmp_path: Path) -> None:
    """Where no sign gives known names, no column is named for a field: a table has more than one."""
    text = problem(tmp_path / "o.csv", "Was~Wer~Wieviel\na~1~10\n")
    assert text.endswith("a table has a column for each: if a sign separates them here, add --delimiter")
    assert "--map" not in text


OTHER_FILES = {
    "html": ("<!DOCTYPE html>\n<table><tr><td>key</td></tr></table>", "this is HTML or XML, not a table"),
    "xml": ('<?xml version="1.0"?>\n<rows/>', "this is HTML or XML"),
    "json list": ('[\n {"key": "a"}\n]', "this is a JSON list, not a table"),
    "a million columns": ("key," + "," * 1_000_000 + "\n", "has 1,000,002 columns, and 1,000 are read at most"),
    "a blank header": ("key,product_id,denomination,\na,1,10,\nb,1,10,x\n", "row 3: has 'x' in column 4, which has no"),
    "other separator below": ("key,product_id,denomination\na;1;10\n", "row 2: it is separated by semicolons, and the"),
    "header twice": (HEAD + "a,1,10,1\n" + HEAD + "b,1,10,1\n", "row 3: is the header again"),
    "two separators": ("a,b;c,d;e\n1,2;3,4;5\n", "it can be separated by"),
    "lost digits of a product": (HEAD + "a,9.19877E+11,10,1\n", "row 2, column product_id: is 9.19877E+11: a spread"),
    "lost digits of a key": (HEAD + "9.19877E+11,1,10,1\n", "row 2, column key: is 9.19877E+11: a spreadsheet wrote"),
}


@pytest.mark.parametrize(("content", "words"), OTHER_FILES.values(), ids=list(OTHER_FILES))
def test_what_is_no_table_says_what_it_is(tmp_path: Path, content: str, words: str) -> None:
    """One line names the file, and the row where there is one."""
    text = problem(tmp_path / "orders.csv", content)
    assert words in text
    assert "orders.csv" in text
    assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize("name", ["", "::", "a", '"', "\n"])
def test_what_separates_nothing_is_refused(name: str) -> None:
    """The error says what may be given."""
    with pytest.raises(errors.ConfigError, match="delimiter must be one sign, or comma, semicolon, tab or pipe"):
        check_delimiter(name)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(TEXT, st.integers(1, 10**7), st.integers(0, 99), st.none() | TEXT), min_size=1, max_size=5),
    separator=st.sampled_from(",;\t|"),
    ends=st.sampled_from(["\n", "\r\n"]),
    codec=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"]),
    comma=st.booleans(),
    grouped=st.booleans(),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_every_dialect_gives_the_same_values(
    tmp_path: Path,
    rows: list[tuple[str, int, int, str | None]],
    separator: str,
    ends: str,
    codec: str,
    comma: bool,
    grouped: bool,
    quoting: int,
) -> None:
    """A table that is written in any form is read as what was written."""
    signs = str.maketrans(",.", ".,") if comma else {}
    path = tmp_path / "o.csv"
    with path.open("w", encoding=codec, newline="") as file:
        writer = csv.writer(file, delimiter=separator, lineterminator=ends, quoting=quoting)  # type: ignore[arg-type]
        writer.writerow(["Employee ID", "Product ID", "Amount", "Tag"])
        for number, (key, whole, cents, tag) in enumerate(rows):
            amount = f"{whole:,}.{cents:02}" if grouped else f"{whole}.{cents:02}"
            writer.writerow([f"{number}{key}", 1001, amount.translate(signs), tag or ""])
    read = list(read_orders(path))
    assert [(line.key, line.denomination, line.tag) for line in read] == [
        (f"{number}{key}", Decimal(whole) + Decimal(cents) / 100, tag)
        for number, (key, whole, cents, tag) in enumerate(rows)
    ]
