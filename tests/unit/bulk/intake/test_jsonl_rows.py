"""`jsonl_rows`: the rows of a JSONL file, one object a line."""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from tests.unit.bulk.intake.orders_files import lines, problem
from xoxo_async import AirmilesDetails


def test_jsonl_has_exact_money_and_details(tmp_path: Path) -> None:
    """A line holds one object, a number may be a string, and the names of details tell their kind."""
    rows = [
        '{"key": "a", "product_id": 1, "denomination": 10.10}',
        '{"key": 7, "product_id": "2", "denomination": "20", "details": {"loyalty_member_id": "m1"}}',
    ]
    first, second = lines(tmp_path / "o.jsonl", "\n\n".join(rows))
    assert first.denomination == Decimal("10.10")
    assert (second.key, second.product_id) == ("7", 2)
    assert second.details == AirmilesDetails(loyalty_member_id="m1")


@pytest.mark.parametrize(("column", "text", "comma"), [("denomination", "1.000", 1000), ("quantity", "1,000", 1)])
def test_a_text_that_is_two_numbers_is_refused(tmp_path: Path, column: str, text: str, comma: int) -> None:
    """Nothing proves its decimal sign, as in a column of CSV that holds it alone; there is one problem for it."""
    row = {"key": "a", "product_id": 1, "denomination": 5, column: text}
    said = problem(tmp_path / "o.jsonl", msgspec.json.encode(row))
    point = 1001 - comma
    assert f"row 1, column {column}: is '{text}': it can be {point} (decimal point) or {comma} (decimal comma)" in said
    assert said.count("column") == 1


@pytest.mark.parametrize(
    "row",
    [
        '{"key": "12:30", "product_id": 1, "denomination": 1, "tag": "a:b"}',
        '{"key": "12:30", "product_id": 1, "denomination": 1, "email": null, "tag": "\\"tag\\": 1"}',
    ],
)
def test_a_colon_in_a_text_repeats_no_name(tmp_path: Path, row: str) -> None:
    """A text may hold colons, or even a name with a colon."""
    assert [line.key for line in lines(tmp_path / "o.jsonl", row)] == ["12:30"]


BAD_ROWS = {
    "json garbage": ('{"key": "a", "product_id": 1, "denomination": 1}\n{nonsense\n', "row 2"),
    "json field": ('{"key": "a", "product_id": 1, "denomination": 1, "colour": 2}', "row 1"),
    "json details": ('{"key": "a", "product_id": 1, "denomination": 1, "details": {"x": 1}}', "column details"),
    "underscores in json": ('{"key": "a", "product_id": 1, "denomination": "1_0"}', "row 1, column denomination"),
    "json list for text": ('{"key": "a", "product_id": 1, "denomination": 1, "email": ["x"]}', "row 1, column email"),
    "json flag for text": ('{"key": true, "product_id": 1, "denomination": 1}', "row 1, column key"),
    "empty poNumber in json": ('{"po_number": "", "product_id": 1, "denomination": 1}', "row 1, column po_number"),
    "long tag in json": (
        '{"key": "a", "product_id": 1, "denomination": 1, "tag": "' + "t" * 200_000 + '"}',
        "row 1, column tag: has 200,000 characters",
    ),
    "name twice in json": (
        '{"key": "a", "product_id": 1, "denomination": 1, "denomination": 1000}',
        "row 1, column denomination: denomination is in the object twice",
    ),
    "name twice in json, escaped": (
        '{"key": "a", "\\u006bey": "b", "product_id": 1, "denomination": 1}',
        "row 1, column key: key is in the object twice",
    ),
    "name twice in json, null": (
        '{"key": "a", "email": null, "product_id": 1, "denomination": 1, "email": "a@b.example"}',
        "row 1, column email: email is in the object twice",
    ),
    "name twice in details": (
        '{"key": "a", "product_id": 1, "denomination": 1, "details": {"phone_code": "1", "phone_code": "2"}}',
        "row 1, column details: phone_code is in the object twice",
    ),
    "an exponent beyond all numbers": (
        '{"key": "a", "product_id": 1, "denomination": 1e99999999999999999999}',
        "row 1, column denomination: must be a number above 0",
    ),
    "the same in details": (
        '{"key": "a", "product_id": 1, "denomination": 1, "details": {"phone_code": -1e-99999999999999999999}}',
        "row 1, column details",
    ),
    "control characters in a name": ('{"key": "a", "\\u001b[31mred": 1}', "row 1: not one JSON object of order fields"),
    "deep json": ('{"key": ' + "[" * 100_000, "row 1"),
}


@pytest.mark.parametrize(("content", "where"), BAD_ROWS.values(), ids=list(BAD_ROWS))
def test_bad_rows_are_named(tmp_path: Path, content: str, where: str) -> None:
    """The error names each bad row by its number and column."""
    text = problem(tmp_path / "o", content)
    assert where in text
    assert text.replace("\n", "").isprintable(), "a terminal would run what a file holds"


@pytest.mark.parametrize("name", ["o.csv", "o.jsonl", "o.json", "o"])
@pytest.mark.parametrize("indent", [2, 4])
def test_an_object_on_several_lines_is_refused(tmp_path: Path, name: str, indent: int) -> None:
    """One line says so, and not one for each of its lines."""
    row = {"key": "a", "product_id": 1, "denomination": 1}
    pretty = msgspec.json.format(msgspec.json.encode(row), indent=indent)
    text = problem(tmp_path / name, b"\n".join([pretty, pretty]))
    assert text.endswith("this is JSON, and an object of it stands on several lines; write one object a line (JSONL)")


def test_a_cut_first_row_is_its_own_problem(tmp_path: Path) -> None:
    """The rows after it are checked: a row of JSONL may be cut, too."""
    text = problem(tmp_path / "o.jsonl", '{"key": "a", "product\n{"key": "b", "product_id": 1, "denomination": 1}\n')
    assert "1 problem" in text
    assert "row 1: not one JSON object" in text


def test_kept_columns_are_an_object_of_texts(tmp_path: Path) -> None:
    """Numbers become texts as they stand there, and a null is left out; a colon in them is no second name."""
    row = '{"key": "a", "product_id": 1, "denomination": 1, "kept": {"Name": "x:y", "Id": 7, "Rate": 1.50, "No": null}}'
    assert lines(tmp_path / "o.jsonl", row)[0].kept == {"Name": "x:y", "Id": "7", "Rate": "1.50"}


@pytest.mark.parametrize(
    ("kept", "column"), [('["x"]', "kept"), ('{"a": true}', "a"), ('{"a": "1", "a": "2"}', "kept"), ('"x"', "kept")]
)
def test_other_kept_columns_are_a_problem(tmp_path: Path, kept: str, column: str) -> None:
    """Of the kept column, or of `kept` itself."""
    row = f'{{"key": "a", "product_id": 1, "denomination": 1, "kept": {kept}}}'
    assert f"row 1, column {column}" in problem(tmp_path / "o.jsonl", row)
