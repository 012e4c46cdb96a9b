"""The formats of an .ods are those of the .xlsx and the .xls of the same sheet."""

from decimal import Decimal

import pytest

from tests.unit.bulk.intake.workbook.books import FILES, result
from xoxo_async.bulk.intake.workbook.markup import local, new_parser
from xoxo_async.bulk.intake.workbook.ods_styles import Styles


def code_of(xml: str) -> str:
    """Return what a format shows of 5, by its refusal in a column of texts."""
    styles = Styles()
    parser = styles.listen(new_parser())
    parser.StartElementHandler = lambda name, attributes: styles.start(local(name), attributes)
    parser.Parse(
        f'<all xmlns:number="n" xmlns:style="s">{xml}<style:style style:name="c" style:data-style-name="f"/></all>',
        True,
    )
    how = styles.of("c")
    seen = None if how is None else how.see(Decimal(5))
    return "" if seen is None else seen.bad_text or seen.text + seen.sign


EURO = '<number:currency-symbol>€</number:currency-symbol><number:number number:decimal-places="2"/>'
SPLIT = '<number:embedded-text number:position="4">-</number:embedded-text>'


@pytest.mark.parametrize(("kind", "content", "shown"), [
    ("number", '<number:number number:min-integer-digits="3"/>', "005"),
    ("number", '<number:number number:min-integer-digits="1"/>', ""),
    ("currency", EURO, "5€"),
    ("percentage", '<number:number number:decimal-places="0"/>', "500%"),
    ("number", f'<number:number number:min-integer-digits="9">{SPLIT}</number:number>',
     "is 5, and its format 00000-0000 shows it differently; store it as text"),
])  # fmt: skip
def test_a_format_of_an_ods_is_understood(kind: str, content: str, shown: str) -> None:
    """It is XML there, and a short code in Excel."""
    assert code_of(f'<number:{kind}-style style:name="f">{content}</number:{kind}-style>') == shown


def test_all_kinds_of_workbooks_show_the_same() -> None:
    """LibreOffice wrote the .ods and the .xls from the .xlsx; `0#` is the one format that it shows in its own way."""
    xlsx, ods, xls = (result((FILES / f"formats.{kind}").read_bytes()).rows for kind in ("xlsx", "ods", "xls"))
    assert xls == xlsx
    differ = [(ours[1][0], theirs[1][0]) for ours, theirs in zip(xlsx, ods, strict=True) if ours != theirs]
    assert [theirs for _, theirs in differ] == [6]
    assert [row[1][0][2] for row in ods[1:4] if isinstance(row[1][0], list)] == ["00123", "00124", "05"]
