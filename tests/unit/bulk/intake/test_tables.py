"""`tables`: how a file was read, in words."""

from xoxo_async.bulk.intake.tables import Form


def test_a_form_says_what_was_recognised() -> None:
    """The words are those that a person is shown before the question."""
    form = Form(separator=";", decimal=",", encoding="Windows-1252", rows=312)
    assert form.describe() == "semicolons, decimal comma, Windows-1252, 312 rows"
    book = Form(kind="Excel workbook", sheet="March", hidden_rows=1, rows=1, among="the first of 3 sheets", notes=["x"])
    assert book.describe() == "sheet March, the first of 3 sheets, 1 hidden row, x, 1 row"
    assert Form(separator="^", rows=2).describe() == "'^' as separator, 2 rows"


def test_only_an_unusual_form_is_worth_saying() -> None:
    """A file that a program wrote is read without a word."""
    assert Form(separator=",", encoding="UTF-8", rows=5).is_usual
    assert not Form(separator="\t", encoding="UTF-8").is_usual
    assert not Form(separator=",", encoding="UTF-8", decimal=".").is_usual
