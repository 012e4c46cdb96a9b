"""`sqlite.meta`: facts about a ledger as a whole."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.ledgers import connected
from xoxo_async.bulk.ledger.protocol import Identity
from xoxo_async.bulk.ledger.sqlite.meta import fact, get_meta, read_identity, set_identity, set_meta, set_metas


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection to an empty ledger."""
    yield from connected(tmp_path / "l.db")


def test_the_latest_fact_of_a_name_counts(connection: sqlite3.Connection) -> None:
    """One by one, or several in one statement."""
    assert get_meta(connection, "a") is None
    set_meta(connection, "a", "1")
    set_metas(connection, {"a": "2", "b": "'); --"})
    assert (get_meta(connection, "a"), get_meta(connection, "b")) == ("2", "'); --")


def test_a_runs_fact_is_none_of_the_ledgers(connection: sqlite3.Connection) -> None:
    """A run that keeps a fact called `job` does not change the ledger's job."""
    set_metas(connection, {"job": "march", fact("job"): "april"})
    assert get_meta(connection, "job") == "march"


def test_an_identity_is_read_as_it_was_set(connection: sqlite3.Connection) -> None:
    """It is None before that, and an unknown account is empty."""
    assert read_identity(connection) is None
    for one in (Identity("https://a", "1"), Identity("https://a", "")):
        set_identity(connection, one)
        assert read_identity(connection) == one
