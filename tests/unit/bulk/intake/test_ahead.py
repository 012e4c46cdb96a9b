"""`ahead`: the rest of a table is seen before its next row is given."""

from datetime import date, datetime
from decimal import Decimal

import pytest

from xoxo_async.bulk.intake import ahead
from xoxo_async.bulk.intake.ahead import look_ahead
from xoxo_async.bulk.intake.tables import BadCell, ShownNumber, TableRow
from xoxo_async.errors import ConfigError

SHOWN = ShownNumber(Decimal(5), "05", "no", "not", "€")
DAYS = [date(2026, 3, 1), datetime(2026, 3, 1, 12, 30)]  # noqa: DTZ001
CELLS = ["", "1,000", None, Decimal("1.50"), True, BadCell("is gone"), *DAYS, SHOWN]


@pytest.mark.parametrize("limit", [2**20, 1], ids=["in memory", "in a file"])
def test_all_rows_are_seen_and_given_again(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    """Each cell comes back as it was, whatever it is, also from the temporary file."""
    monkeypatch.setattr(ahead, "_IN_MEMORY", limit)
    rows = [TableRow(number, CELLS[number % 9 :]) for number in range(1200)]
    seen: list[TableRow] = []
    again = look_ahead(iter(rows), seen.append)
    assert seen == rows
    assert list(again) == rows


def test_no_folder_for_the_file_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable that sets the folder."""
    monkeypatch.setattr(ahead, "_IN_MEMORY", 1)
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    seen: list[TableRow] = []
    with pytest.raises(ConfigError, match=r"there is no room for a temporary file .*: set TMPDIR"):
        look_ahead(iter([TableRow(2, ["a" * 100])]), seen.append)


def test_an_error_of_the_rows_comes_through() -> None:
    """Nothing is given of a table that cannot be read to its end."""

    def rows():  # type: ignore[no-untyped-def]
        yield TableRow(2, ["a"])
        raise OSError("gone")

    seen: list[TableRow] = []
    with pytest.raises(OSError, match="gone"):
        look_ahead(rows(), seen.append)
