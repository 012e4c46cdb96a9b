"""`sqlite.passing`: rows reach SQL as they are, however many, and in whatever form."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal

import pytest

from xoxo_async.bulk.ledger.sqlite.passing import as_json, passed


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """Give a connection to an empty database."""
    with closing(sqlite3.connect(":memory:")) as one:
        yield one


def test_any_length_is_a_text(connection: sqlite3.Connection) -> None:
    """Bytes that begin with `[` or `{` are binary JSON for SQLite 3.45 to 3.49 where there are six or eight of them."""
    for number in (1, 12, 123, 1234, 12345, 123456):
        for value in ([number], [1, number], {"1": number}):
            told = as_json(value)
            assert type(told) is str
            items = [number for (number,) in connection.execute("SELECT value FROM json_each(?)", (told,))]
            assert items == (list(value.values()) if isinstance(value, dict) else value)


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize(
    "columns",
    [
        {"a": [1, 1], "b": ["x", "x"]},
        {"a": [1, 2], "b": ["x", "x"]},
        {"a": [1, 2], "b": ["x", None]},
        {"a": [1, 1, 2], "b": [0.5, 1.5, 2.5]},
        {"a": ["p", "q"], "b": [2**63 - 1, -5]},
        {"a": [3, 2, 1], "b": [Decimal(500), Decimal("500.00"), None], "c": [True, False, True]},
    ],
)
def test_rows_reach_sql_as_they_are(
    connection: sqlite3.Connection, columns: dict[str, list[object]], keyed: bool
) -> None:
    """However many of their columns differ."""
    words, values = passed(columns, keyed=keyed)
    query = f"SELECT {', '.join(words[name] for name in columns)} FROM json_each(?1) AS new"  # noqa: S608
    told = [[str(one) if isinstance(one, Decimal) else one for one in column] for column in columns.values()]
    assert connection.execute(query, values).fetchall() == list(zip(*told, strict=True))
