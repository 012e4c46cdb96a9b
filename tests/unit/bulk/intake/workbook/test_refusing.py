"""Names in messages are few, short and printable."""

from xoxo_async.bulk.intake.workbook.refusing import as_csv, some


def test_names_in_a_message_are_bounded() -> None:
    """A workbook may have thousands of sheets with any names."""
    assert some(["a\x1b", "b"]) == "a?, b"
    assert some([str(number) for number in range(100)]).endswith("7 and 92 more")
    assert len(some(["x" * 1000])) == 40


def test_a_large_sheet_may_go_as_csv() -> None:
    """The message says what to do."""
    assert str(as_csv("it is large")).startswith("it is large; save the sheet as CSV in UTF-8")
