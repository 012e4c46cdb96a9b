"""`orders_file`: order lines from CSV and JSON lines, with every row and file that is none named."""

from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from xoxo_async import AirmilesDetails, errors
from xoxo_async.bulk import OrderLine, read_orders
from xoxo_async.bulk.intake.rows import rows_of

HEAD = "key,product_id,denomination,quantity\n"


def lines(path: Path, content: str | bytes) -> list[OrderLine]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_orders(path))


def problem(path: Path, content: str | bytes) -> str:
    """Return what is said of a file, by a plan: a file alone does not check what a field may hold."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)

    async def read() -> None:
        rows = rows_of(read_orders(path))
        _ = [row async for row in rows]
        rows.problems.raise_if_any(rows.source)

    with pytest.raises(errors.PlanError) as caught:
        anyio.run(read)
    return str(caught.value)


def test_csv_fields_are_read(tmp_path: Path) -> None:
    """Every column of OrderLine, in any order, blanks as absent."""
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
    """A byte order mark, CRLF, quoted commas and newlines, blank rows and capital headers are no problem."""
    content = '\ufeffKey,Product_ID,Denomination,Tag\r\na,1,10,"x, ""y"""\r\n,,,\r\n\r\nb,2,20.0,"two\r\nlines"\r\n'
    assert [line.key for line in lines(tmp_path / "o.csv", content)] == ["a", "b"]


def test_a_po_number_may_be_the_key(tmp_path: Path) -> None:
    """Without a key column the poNumber is the key."""
    (line,) = lines(tmp_path / "o.csv", "po_number,product_id,denomination\nPO-7,1,10\n")
    assert (line.key, line.po_number) == ("PO-7", "PO-7")


def test_jsonl_is_read_with_exact_money_and_details(tmp_path: Path) -> None:
    """One object a line; numbers and strings alike; details by their fields."""
    rows = [
        '{"key": "a", "product_id": 1, "denomination": 10.10}',
        '{"key": 7, "product_id": "2", "denomination": "20", "details": {"loyalty_member_id": "m1"}}',
    ]
    first, second = lines(tmp_path / "o.jsonl", "\n\n".join(rows))
    assert first.denomination == Decimal("10.10")
    assert (second.key, second.product_id) == ("7", 2)
    assert second.details == AirmilesDetails(loyalty_member_id="m1")


@pytest.mark.parametrize(
    "row",
    [
        '{"key": "12:30", "product_id": 1, "denomination": 1, "tag": "a:b"}',
        '{"key": "12:30", "product_id": 1, "denomination": 1, "email": null, "tag": "\\"tag\\": 1"}',
    ],
)
def test_a_colon_in_a_text_repeats_no_name(tmp_path: Path, row: str) -> None:
    """Nor does a name that stands in a text."""
    assert [line.key for line in lines(tmp_path / "o.jsonl", row)] == ["12:30"]


@pytest.mark.parametrize(("name", "format_"), [("o.txt", "jsonl"), ("o.csv", "jsonl"), ("o", None), ("o.csv", None)])
def test_a_format_is_told_or_seen(tmp_path: Path, name: str, format_: str | None) -> None:
    """The content decides, whatever the file is called, unless the caller does."""
    path = tmp_path / name
    path.write_text('{"key": "a", "product_id": 1, "denomination": 1}')
    assert [line.key for line in read_orders(path, format=format_)] == ["a"]


def test_another_format_is_a_config_error() -> None:
    """Found before the file is opened."""
    with pytest.raises(errors.ConfigError, match="format must be 'csv' or 'jsonl'"):
        read_orders("nowhere.xlsx", format="xlsx")


def test_standard_input_is_read_and_left_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dash is the process's input: whoever comes next can still read it."""
    (tmp_path / "piped").write_text(HEAD + "a,1,10,1\n")
    with (tmp_path / "piped").open() as piped:
        monkeypatch.setattr("sys.stdin", piped)
        orders = read_orders("-")
        assert (orders.source, [line.key for line in orders]) == ("standard input", ["a"])
        assert not piped.closed


def test_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    """The lines are streamed, not kept: what is written in between is seen."""
    path = tmp_path / "o.csv"
    path.write_text(HEAD + "a,1,10,1\n")
    orders = read_orders(path)
    assert [line.key for line in orders] == ["a"]
    path.write_text(HEAD + "b,1,10,1\n")
    assert [line.key for line in orders] == ["b"]


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
    "json garbage": ('{"key": "a", "product_id": 1, "denomination": 1}\n{nonsense\n', "row 2"),
    "json field": ('{"key": "a", "product_id": 1, "denomination": 1, "colour": 2}', "row 1"),
    "json details": ('{"key": "a", "product_id": 1, "denomination": 1, "details": {"x": 1}}', "column details"),
    "underscores": (HEAD + "a,1,5_00,1\n", "row 2, column denomination"),
    "fullwidth digit": (HEAD + "a,1,10,\uff11\n", "row 2, column quantity"),
    "arabic digits": (HEAD + "a,\u0661\u0662,10,1\n", "row 2, column product_id"),
    "underscores in json": ('{"key": "a", "product_id": 1, "denomination": "1_0"}', "row 1, column denomination"),
    "json list for text": ('{"key": "a", "product_id": 1, "denomination": 1, "email": ["x"]}', "row 1, column email"),
    "json flag for text": ('{"key": true, "product_id": 1, "denomination": 1}', "row 1, column key"),
    "empty poNumber as key": ("po_number,product_id,denomination\nP,1,1\n,1,1\n", "row 3, column po_number"),
    "empty poNumber in json": ('{"po_number": "", "product_id": 1, "denomination": 1}', "row 1, column po_number"),
    "long key": (HEAD + "k" * 300 + ",1,10,1\n", "row 2, column key: has 300 characters"),
    "long tag": (HEAD[:-1] + ",tag\na,1,10,1," + "t" * 300, "row 2, column tag: has 300 characters, and 255 are"),
    "long tag in json": (
        '{"key": "a", "product_id": 1, "denomination": 1, "tag": "' + "t" * 200_000 + '"}',
        "row 1, column tag: has 200,000 characters",
    ),
    "name twice in json": (
        '{"key": "a", "product_id": 1, "denomination": 1, "denomination": 1000}',
        "row 1, column denomination: denomination stands in the object twice",
    ),
    "name twice in json, escaped": (
        '{"key": "a", "\\u006bey": "b", "product_id": 1, "denomination": 1}',
        "row 1, column key: key stands in the object twice",
    ),
    "name twice in json, null": (
        '{"key": "a", "email": null, "product_id": 1, "denomination": 1, "email": "a@b.example"}',
        "row 1, column email: email stands in the object twice",
    ),
    "name twice in details": (
        '{"key": "a", "product_id": 1, "denomination": 1, "details": {"phone_code": "1", "phone_code": "2"}}',
        "row 1, column details: phone_code stands in the object twice",
    ),
    "deep json": ('{"key": ' + "[" * 100_000, "row 1"),
}


@pytest.mark.parametrize(("content", "where"), BAD_ROWS.values(), ids=list(BAD_ROWS))
def test_bad_rows_are_named(tmp_path: Path, content: str, where: str) -> None:
    """Each bad row is named by number and column."""
    assert where in problem(tmp_path / "o", content)


BAD_FILES = {
    "empty": (b"", "empty"),
    "blank": (b"\n \n", "empty"),
    "header alone": (HEAD.encode(), "no orders"),
    "no key column": (b"product_id,denomination\n1,10\n", "key or po_number"),
    "no product column": (b"key,denomination\na,10\n", "product_id"),
    "unknown column": (b"key,product_id,denomination,colour\na,1,10,red\n", "colour"),
    "column twice": (b"key,key,product_id,denomination\na,b,1,10\n", "more than once"),
    "latin-1": (HEAD.encode() + "a,1,10,ü\n".encode("latin-1"), "not UTF-8"),
    "utf-16": (HEAD.encode("utf-16"), "not UTF-8"),
    "utf-16 without a mark": (HEAD.encode("utf-16-le"), "not UTF-8"),
    "utf-16, the other way round": (HEAD.encode("utf-16-be"), "not UTF-8"),
    "latin-1 in a later row": (
        HEAD.encode() + b"a,1,10,1\n" * 3 + b"\xe9,1,10,1\n" * 2,
        "row 5: not UTF-8 (byte 0xe9)",
    ),
    "latin-1 in a long row": (HEAD[:-1].encode() + b',tag\na,1,1,1,"x\n\xe9"\n', "row 2: not UTF-8 (byte 0xe9)"),
    "latin-1 in json": (b'{"key": "a", "product_id": 1, "denomination": 1}\n{"key": "\xe9"}', "row 2: not UTF-8"),
    "open quote": (HEAD.encode() + b'a,1,10,"1\n', "row 2: not a CSV file"),
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
    "endless line": (HEAD.encode() + b"a,1,10,1," + b"1," * 2_000_000, "row 3: a line of it is longer than 2,097,152"),
    "endless json": (
        b'{"key": "a", "product_id": 1, "denomination": 1}\n{"key": "' + b"k" * 3_000_000,
        "row 2: a line of it is longer than 2,097,152 characters",
    ),
    "binary": (bytes(range(256)), "not UTF-8"),
    "other binary": (b"\x89PNG\r\n", "not UTF-8"),
}


@pytest.mark.parametrize(("content", "words"), BAD_FILES.values(), ids=list(BAD_FILES))
def test_unreadable_files_say_why(tmp_path: Path, content: bytes, words: str) -> None:
    """A file that is no order file says so, with its name."""
    text = problem(tmp_path / "orders.csv", content)
    assert words in text
    assert "orders.csv" in text
    assert text.replace("\n", "").isprintable()


def test_only_line_ends_end_a_row(tmp_path: Path) -> None:
    """Unicode's other line separators belong to the field they stand in."""
    content = "key,product_id,denomination,tag\na,1,10,x\u2028y\x0bz\x85\n"
    (line,) = lines(tmp_path / "o.csv", content)
    assert line.tag == "x\u2028y\x0bz"


def test_a_directory_and_a_missing_file_say_so(tmp_path: Path) -> None:
    """What cannot be opened is named."""
    for path in (tmp_path, tmp_path / "nowhere.csv"):
        with pytest.raises(errors.PlanError, match=path.name):
            list(read_orders(path))


def test_twenty_problems_are_shown_and_the_rest_counted(tmp_path: Path) -> None:
    """A file full of bad rows does not flood the terminal."""
    text = problem(tmp_path / "o.csv", HEAD + "a,1,10,x\n" * 50)
    assert text.count("column quantity") == 20
    assert "and 30 more" in text


def test_an_unreadable_row_does_not_hide_the_bad_ones_before_it(tmp_path: Path) -> None:
    """What is wrong with rows before the one where reading ends is told with it."""
    text = problem(tmp_path / "o.csv", HEAD + 'a,1,10,x\nb,1,10,"1\n')
    assert "row 2, column quantity" in text
    assert "row 3: not a CSV file" in text
