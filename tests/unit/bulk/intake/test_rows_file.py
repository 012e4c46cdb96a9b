"""`rows_file`: a file is read the same way whatever its rows are, and messages call them by their own name."""

from pathlib import Path

import pytest

from xoxo_async import errors
from xoxo_async.bulk import LinkLine, MailLine, PointsLine, read_orders
from xoxo_async.bulk.intake.reading import ReadingChoices
from xoxo_async.bulk.unkeyed.rows_files import read_rows

PEOPLE = "key,email,name,amount\n"


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(("text", "words"), [
    ("", "empty, there are no recipients in it"),
    (PEOPLE, "there are no recipients in it"),
    ("key,email,name\nA,a@example.com,Ann\n", "column amount is missing"),
    ("key,phone,name,amount\nA,+91-9812345678,Ann,5\n",
     "column email is missing: the vendor sends points to an e-mail address, and takes no phone (found: "),
    ("Staff,phone\nA,+91-9812345678\n",
     "columns email, name, amount and key are missing; email: the vendor sends points"),
    ("email,name,amount\na@example.com,Ann,5\n", "column key, so that nobody gets points twice"),
    ("key,po_number,order_id,state,delivery,code,pin\na,b,c,d,e,f,g\n", "and no file of recipients"),
    ('{"key": "A", "product_id": 1}\n', "not one JSON object of recipient fields"),
])  # fmt: skip
def test_messages_call_rows_by_their_name(tmp_path: Path, text: str, words: str) -> None:
    """Somebody who sends points reads nothing of orders."""
    with pytest.raises(errors.PlanError) as caught:
        list(read_rows(written(tmp_path / "people.csv", text), PointsLine))
    assert words in str(caught.value)
    assert "order" not in str(caught.value).replace("order_id", "")


ROW_OF_JSON = '{"key": "A", "product_id": 1001, "denomination": 500}\n'
ROW_OF_CSV = "key,product_id,denomination\nA,1001,500\n"
NAMES = [
    ("o.csv", ROW_OF_JSON, "UTF-8, JSONL, although its name ends in .csv, 1 row"),
    ("o.tsv", ROW_OF_JSON, "UTF-8, JSONL, although its name ends in .tsv, 1 row"),
    ("o.jsonl", ROW_OF_CSV, "commas, UTF-8, CSV, although its name ends in .jsonl, 1 row"),
    ("o.xlsx", ROW_OF_CSV, "commas, UTF-8, CSV, although its name ends in .xlsx, 1 row"),
    ("o.csv", ROW_OF_CSV, ""),
    ("o.jsonl", ROW_OF_JSON, ""),
    ("o.txt", ROW_OF_JSON, ""),
    ("o", ROW_OF_CSV, ""),
]


@pytest.mark.parametrize(("name", "content", "said"), NAMES)
def test_a_name_that_says_another_thing_is_said(tmp_path: Path, name: str, content: str, said: str) -> None:
    """The content decides what a file is. A person who looks at the name should know; one who gave the format does."""
    path = tmp_path / name
    path.write_text(content)
    orders = read_orders(path)
    assert [line.key for line in orders] == ["A"]
    assert orders.recognised() == said
    given = read_orders(path, format="jsonl" if content == ROW_OF_JSON else "csv")
    assert [line.key for line in given] == ["A"]
    assert given.recognised() == ""


@pytest.mark.parametrize(("line", "done"), [(PointsLine, "paid"), (LinkLine, "made"), (MailLine, "mailed")])
def test_another_key_column_is_refused(tmp_path: Path, line: type[PointsLine | LinkLine | MailLine], done: str) -> None:
    """Every row would be new under it, and the message says what would happen to each a second time."""
    header = (
        "row id,email,name,amount\n" if line is PointsLine else "row id,email\n" if line is MailLine else "row id\n"
    )
    file = read_rows(written(tmp_path / "people.csv", header + "1,a@example.com,Ann,5\n"), line)
    file.kept_choices = ReadingChoices(key_column="Staff")
    with pytest.raises(errors.PlanError, match=f"every row would be {done} twice"):
        list(file)


def test_a_file_is_read_again_each_time(tmp_path: Path) -> None:
    """No line is kept between two iterations."""
    file = read_rows(written(tmp_path / "people.csv", "key,email\nA,a@example.com\n"), MailLine)
    assert [line.key for line in file] == ["A"]
    written(tmp_path / "people.csv", "key,email\nB,a@example.com\n")
    assert [line.key for line in file] == ["B"]
    assert (file.key_column, file.recognised()) == ("key", "")


def test_a_ledger_keeps_what_names_the_columns(tmp_path: Path) -> None:
    """Of all files of the job, once the last one is read; nothing before the first one."""
    file = read_rows(written(tmp_path / "people.csv", "Staff,email\nA,a@example.com\n"), MailLine)
    assert file.choices_to_keep() == ""
    file.kept_choices = ReadingChoices(columns={"Staff": "key", "Mail": "email"})
    assert [line.key for line in file] == ["A"]
    kept = ReadingChoices.from_json(file.choices_to_keep())
    assert (kept.columns, kept.key_column) == ({"Staff": "key", "Mail": "email"}, "Staff")
