"""`columns`: each kind of job has columns that say what they mean."""

import msgspec
import pytest

from xoxo_async.bulk.exporting.columns import COLUMNS, kept_columns
from xoxo_async.bulk.ledger.kinds import JobKind


@pytest.mark.parametrize("kind", JobKind)
def test_every_column_of_a_kind_is_known(kind: JobKind) -> None:
    """Each is a text, a number, an id or cash, and the cells of a row stand under their headings."""
    columns = COLUMNS[kind]
    sorts = [columns.texts, columns.cash, columns.numbers, columns.ids]
    assert frozenset().union(*sorts) == frozenset(columns.names)
    assert sum(map(len, sorts)) == len(columns.names)
    row = msgspec.convert({name: str(number) for number, name in enumerate(columns.names)}, columns.row, strict=False)
    assert columns.cells(row) == [str(number) for number in range(len(columns.names))]
    assert set(columns.missing) < set(columns.names) - columns.cash


def test_no_kind_has_columns_of_another() -> None:
    """A job of points has no product, and none but orders has a poNumber, a code or a PIN."""
    shared = {"key", "state", "delivery", "error"}
    orders = set(COLUMNS[JobKind.ORDERS].names)
    assert {kind: set(columns.names) & orders - shared for kind, columns in COLUMNS.items()} == {
        JobKind.ORDERS: orders - shared,
        JobKind.POINTS: {"email"},
        JobKind.LINKS: {"quantity", "currency", "valid_to"},
        JobKind.LINK_MAILS: {"email", "currency", "valid_to"},
    }


def test_no_two_headings_are_the_same() -> None:
    """A kept column with the name of a fixed one gets a mark, and a number where another one has that name."""
    kept = ["code", "code (kept)", "code (kept 2)", "Team", "tag"]
    assert kept_columns(kept, COLUMNS[JobKind.ORDERS].names) == [
        "code (kept 3)",
        "code (kept)",
        "code (kept 2)",
        "Team",
        "tag (kept)",
    ]
