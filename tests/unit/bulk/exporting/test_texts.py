"""`texts`: rows as CSV, as CSV for Excel, and as JSON lines."""

import csv
import io
import json

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.bulk.exporting.exports import ORDERS, row
from xoxo_async.bulk.exporting.columns import ExportRow
from xoxo_async.bulk.exporting.rows import Made
from xoxo_async.bulk.exporting.texts import csv_writer, jsonl_writer


def written(*rows: ExportRow, excel: bool = False) -> list[dict[str, str]]:
    file = io.StringIO(newline="")
    write = csv_writer(file, ORDERS, ["Dept", "tag"], excel=excel)
    for one in rows:
        write(Made(one, ""))
    text = file.getvalue()
    assert text.startswith("\ufeff") is excel
    assert text.endswith("\r\n")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True))


def test_codes_are_exact_in_csv() -> None:
    """Texts of the caller are no formulas; a row without kept columns has blanks there."""
    first, second = written(row(key="=1", code="=1", pin="0012", kept={"Dept": "-", "tag": "x"}), row())
    assert list(first) == [*ORDERS.names, "Dept", "tag (kept)"]
    assert (first["key"], first["code"], first["pin"]) == ("'=1", "=1", "0012")
    assert (first["Dept"], first["tag (kept)"], second["Dept"]) == ("'-", "x", "")


def test_excel_changes_no_code() -> None:
    """Codes of digits and formulas stand behind an apostrophe; other codes, amounts and days stay as they are."""
    (told,) = written(
        row(key="0017", code="1234567890123456", pin="=1", order_id=7, amount="500", valid_to="2027-03-31"), excel=True
    )
    assert (told["key"], told["code"], told["pin"]) == ("'0017", "'1234567890123456", "'=1")
    assert (told["order_id"], told["amount"], told["valid_to"]) == ("7", "500", "2027-03-31")
    (told,) = written(row(code="SBX-AAAA-0001", order_id=10**15), excel=True)
    assert (told["code"], told["order_id"]) == ("SBX-AAAA-0001", f"'{10**15}")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")), st.booleans())
def test_one_apostrophe_gives_the_text_back(text: str, excel: bool) -> None:
    """For programs that read the file: of each text, one apostrophe is removed."""
    (told,) = written(row(key=text, kept={"Dept": text}), excel=excel)
    assert told["key"].removeprefix("'") == text
    assert told["Dept"].removeprefix("'") == text


def test_json_has_kept_columns_as_an_object() -> None:
    """One row a line; a row without such columns has no object."""
    file = io.StringIO()
    write = jsonl_writer(file)
    for kept in ({"Dept": "=1"}, {}):
        write(Made(row(kept=kept, code="0012"), ""))
    first, second = map(json.loads, file.getvalue().splitlines())
    assert (first["kept"], first["code"], "kept" in second) == ({"Dept": "=1"}, "0012", False)
