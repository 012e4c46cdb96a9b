"""`orders_file`: order lines from a file or standard input, whatever its format."""

from pathlib import Path
from typing import Literal

import pytest

from tests.unit.bulk.intake.orders_files import HEAD, lines, problem
from xoxo_async import errors
from xoxo_async.bulk import read_orders
from xoxo_async.bulk.intake.problems import Problems


@pytest.mark.parametrize(("name", "format_"), [("o.txt", "jsonl"), ("o.csv", "jsonl"), ("o", None), ("o.csv", None)])
def test_the_format_is_given_or_seen(tmp_path: Path, name: str, format_: str | None) -> None:
    """The content decides, not the file's name, unless the caller gives the format."""
    path = tmp_path / name
    path.write_text('{"key": "a", "product_id": 1, "denomination": 1}')
    assert [line.key for line in read_orders(path, format=format_)] == ["a"]


def test_another_format_is_a_config_error() -> None:
    """The format is refused before the file is opened."""
    with pytest.raises(errors.ConfigError, match="format must be 'csv', 'jsonl' or 'workbook'"):
        read_orders("nowhere.xlsx", format="xlsx")


def test_jsonl_has_no_columns(tmp_path: Path) -> None:
    """A choice about columns would be ignored there, so it is refused."""
    path = tmp_path / "o.jsonl"
    path.write_text('{"key": "a", "product_id": 1, "denomination": 1}')
    with pytest.raises(errors.ConfigError, match="it is JSONL, whose objects name their fields"):
        list(read_orders(path, columns={"a": "key"}))


def test_standard_input_is_read_and_left_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dash stands for standard input, and the process can read on from it afterwards."""
    (tmp_path / "piped").write_text(HEAD + "a,1,10,1\n")
    with (tmp_path / "piped").open() as piped:
        monkeypatch.setattr("sys.stdin", piped)
        orders = read_orders("-")
        assert (orders.source, [line.key for line in orders]) == ("standard input", ["a"])
        assert not piped.closed


def test_each_iteration_reads_the_file_again(tmp_path: Path) -> None:
    """The lines are not kept, so a later iteration sees what was written in between."""
    path = tmp_path / "o.csv"
    path.write_text(HEAD + "a,1,10,1\n")
    orders = read_orders(path)
    assert [line.key for line in orders] == ["a"]
    path.write_text(HEAD + "b,1,10,1\n")
    assert [line.key for line in orders] == ["b"]


BAD_FILES = {
    "empty": (b"", "empty"),
    "blank": (b"\n \n", "empty"),
}


@pytest.mark.parametrize(("content", "words"), BAD_FILES.values(), ids=list(BAD_FILES))
def test_unreadable_files_say_why(tmp_path: Path, content: bytes, words: str) -> None:
    """The error names the file and says why it holds no orders."""
    text = problem(tmp_path / "orders.csv", content)
    assert words in text
    assert "orders.csv" in text
    assert text.replace("\n", "").isprintable()


def test_a_file_that_cannot_open_is_named(tmp_path: Path) -> None:
    """The error names a directory and a missing file."""
    for path in (tmp_path, tmp_path / "nowhere.csv"):
        with pytest.raises(errors.PlanError, match=path.name):
            list(read_orders(path))


def test_twenty_problems_are_shown_and_the_rest_counted(tmp_path: Path) -> None:
    """The error of a file full of bad rows stays short."""
    text = problem(tmp_path / "o.csv", HEAD + "a,1,10,x\n" * 50)
    assert text.count("column quantity") == 20
    assert "and 30 more" in text


def test_an_unreadable_row_hides_no_earlier_problem(tmp_path: Path) -> None:
    """The error also names the bad rows before the one where reading ends."""
    text = problem(tmp_path / "o.csv", HEAD + 'a,1,10,x\nb,1,10,"1\n')
    assert "row 2, column quantity" in text
    assert "row 3: not a CSV file" in text


def test_iterating_names_what_cannot_be_read(tmp_path: Path) -> None:
    """Wrong numbers, flags and missing keys are named; the good lines come all the same."""
    path = tmp_path / "o.csv"
    path.write_text(HEAD[:-1] + ",notify_admin\na,1,10,2,\n,1,0,1,perhaps\n")
    seen: list[str] = []
    with pytest.raises(errors.PlanError) as caught:
        seen.extend(line.key for line in read_orders(path))
    assert seen == ["a"]
    assert [text.split(": ")[0] for text in caught.value.problems] == [
        "row 3, column key",
        "row 3, column denomination",
        "row 3, column notify_admin",
    ]


def test_iterating_leaves_texts_to_the_job(tmp_path: Path) -> None:
    """A caller can correct a text before the job checks it."""
    content = "key,product_id,denomination,email\na,1,10,nobody\n"
    (line,) = lines(tmp_path / "o.csv", content)
    assert line.email == "nobody"
    assert "row 2, column email: must be one e-mail address" in problem(tmp_path / "o.csv", content)


def test_iterating_refuses_bad_details(tmp_path: Path) -> None:
    """Details that no category has must not become an order without details."""
    row = '{"key": "a", "product_id": 1, "denomination": 1, "details": {"colour": "red"}}'
    with pytest.raises(errors.PlanError, match="row 1, column details: must hold the fields of"):
        lines(tmp_path / "o.jsonl", row)


def test_rows_are_not_checked_where_they_are_read(tmp_path: Path) -> None:
    """The stream of a job checks them, once: a value that cannot be read stays as it is."""
    path = tmp_path / "o.csv"
    path.write_text(HEAD + "a,x,10,2\n")
    problems = Problems()
    (row,) = read_orders(path).rows(problems)
    assert (row.number, row.fields["product_id"], row.fields["quantity"], problems.total) == (2, "x", 2, 0)


@pytest.mark.parametrize("keep", [None, "all"])
def test_an_export_is_no_file_of_orders(tmp_path: Path, keep: Literal["all"] | None) -> None:
    """Its codes may not become kept columns of a job."""
    path = tmp_path / "codes.csv"
    path.write_text(
        "key,po_number,order_id,state,delivery,product_id,denomination,code,pin\nA,P,1,placed,,1001,500,C,1\n"
    )
    with pytest.raises(
        errors.PlanError, match=r"codes\.csv: this is an export of vouchers, with columns of their codes"
    ):
        list(read_orders(path, keep=keep))
