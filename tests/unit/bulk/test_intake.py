"""`intake`: order lines from files and iterables, and every bad row named."""

from collections.abc import AsyncIterator, Iterable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from xoxo_async import AirmilesDetails, errors
from xoxo_async.bulk import OrderLine, read_orders
from xoxo_async.bulk.intake import rows_of
from xoxo_async.bulk.order_lines import Problems

pytestmark = pytest.mark.anyio


def lines(path: Path, content: str | bytes) -> list[OrderLine]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_orders(path))


def problem(path: Path, content: str | bytes) -> str:
    with pytest.raises(errors.PlanError) as caught:
        lines(path, content)
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


HEAD = "key,product_id,denomination,quantity\n"
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
    "endless field": (HEAD.encode() + b'a,1,10,1\nb,1,10,"' + b"1" * 200_000, "row 3: not a CSV file"),
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


async def collect(orders: object) -> list[OrderLine]:
    return [line async for _, line in rows_of(orders)]  # type: ignore[arg-type]


def some(count: int) -> Iterable[OrderLine]:
    return (OrderLine(key=str(n), product_id=1, denomination=Decimal(1)) for n in range(count))


async def some_async(count: int) -> AsyncIterator[OrderLine]:
    for line in some(count):
        yield line


@pytest.mark.parametrize("count", [1, 499, 500, 501, 1000, 1777])
async def test_no_row_is_lost_between_chunks(tmp_path: Path, count: int) -> None:
    """Files, sync and async iterables give every row, whatever the size of a chunk."""
    path = tmp_path / "o.csv"
    path.write_text(HEAD + "".join(f"{n},1,10,1\n" for n in range(count)))
    for source in (read_orders(path), some(count), list(some(count)), some_async(count)):
        assert [line.key for line in await collect(source)] == [str(n) for n in range(count)]


async def test_what_is_no_order_line_is_named() -> None:
    """An iterable of other things is a problem by row, not a crash."""
    rows = rows_of([OrderLine(key="a", product_id=1, denomination=Decimal(1)), msgspec.UNSET])  # type: ignore[list-item]
    assert [line.key async for _, line in rows] == ["a"]
    with pytest.raises(errors.PlanError, match="row 2"):
        rows.problems.raise_if_any("orders")


GOOD = OrderLine(key="good", product_id=1, denomination=Decimal(1))
WRONG = {
    "key, a number": ({"key": 5}, "key"),
    "key, none": ({"key": None}, "key"),
    "key, empty": ({"key": ""}, "key"),
    "key, blank": ({"key": " "}, "key"),
    "key, half a character": ({"key": "\ud800"}, "key"),
    "key, zero byte": ({"key": "a\0b"}, "key"),
    "key, line end": ({"key": "a\nrow 7: b"}, "key"),
    "product, a list": ({"product_id": [1]}, "product_id"),
    "product, none": ({"product_id": None}, "product_id"),
    "product, negative": ({"product_id": -1}, "product_id"),
    "product, absurd": ({"product_id": 10**30}, "product_id"),
    "denomination, none": ({"denomination": None}, "denomination"),
    "denomination, in words": ({"denomination": "ten"}, "denomination"),
    "denomination, with underscore": ({"denomination": "1_0"}, "denomination"),
    "denomination, no number": ({"denomination": float("nan")}, "denomination"),
    "quantity, a text": ({"quantity": "2"}, "quantity"),
    "quantity, a flag": ({"quantity": True}, "quantity"),
    "quantity, too many": ({"quantity": 99999}, "quantity"),
    "email, a list": ({"email": ["a@b.c"]}, "email"),
    "email, none": ({"email": "nobody"}, "email"),
    "contact, long": ({"contact": "1" * 41}, "contact"),
    "tag, control character": ({"tag": "a\x07"}, "tag"),
    "tag, half a character": ({"tag": "\udfff"}, "tag"),
    "flag, a word": ({"notify_admin": "no"}, "notify_admin"),
    "mail to nobody": ({"notify_receiver": True}, "notify_receiver"),
    "poNumber, empty": ({"po_number": ""}, "po_number"),
    "poNumber, odd": ({"po_number": "PO;1"}, "po_number"),
    "currency, a number": ({"currency": 5}, "currency"),
}


@pytest.mark.parametrize(("fields", "column"), WRONG.values(), ids=list(WRONG))
async def test_what_a_program_gives_is_checked_field_by_field(fields: dict[str, object], column: str) -> None:
    """Whatever stands in a field of an OrderLine, it is a problem of its row and column, once, and never a crash."""
    bad = OrderLine(**{"key": "bad", "product_id": 1, "denomination": Decimal(1), **fields})  # type: ignore[arg-type]
    rows = rows_of([GOOD, bad])
    assert [line.key async for _, line in rows] == ["good"]
    assert rows.problems.total == 1
    with pytest.raises(errors.PlanError, match=f"row 2, column {column}: "):
        rows.problems.raise_if_any("orders")


@pytest.mark.parametrize("value", [10, "10", 10.0, Decimal(10)])
async def test_a_denomination_may_be_any_exact_number(value: object) -> None:
    """Whole numbers, texts and floats are taken as the Decimal that they show."""
    line = OrderLine(key="k", product_id=1, denomination=value)  # type: ignore[arg-type]
    (read,) = await collect([line])
    assert isinstance(read.denomination, Decimal)
    assert read.denomination == 10


def test_the_first_problems_are_those_of_the_first_rows() -> None:
    """Rows found bad later than others stand in their order all the same, and each column counts once a row."""
    problems = Problems()
    for row in range(100, 130):
        problems.add(row, "x", column="quantity")
        problems.add(row, "y", column="quantity")
    for row in (7, 5, 6):
        problems.add(row, "z", column="product_id")
    assert problems.total == 33
    assert [text.split(",")[0] for text in problems.shown()[:4]] == ["row 5", "row 6", "row 7", "row 100"]
    assert len(problems.shown()) == 20
