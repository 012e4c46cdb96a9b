"""`sqlite.codes`: voucher codes and their marks, in one statement whatever their number."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.bulk.ledger.ledgers import connected
from xoxo_async.bulk.ledger.sqlite.codes import (
    drop_codes,
    owners_of_marks,
    packed,
    read_codes,
    take_marks,
    unpacked,
    write_codes,
)
from xoxo_async.bulk.ledger.vouchers import StoredCode


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection to an empty ledger."""
    yield from connected(tmp_path / "l.db")


def test_the_newest_codes_of_a_line_are_kept(connection: sqlite3.Connection) -> None:
    """Half of them may come with the answer, and all of them later."""
    write_codes(connection, [(1, "half"), (2, "all")])
    write_codes(connection, [(1, "whole")])
    assert read_codes(connection, [1, 2, 3]) == {1: "whole", 2: "all"}


def test_the_first_claim_of_a_mark_counts(connection: sqlite3.Connection) -> None:
    """Also within one claim; a line may claim its own again."""
    one, two, new = -5, 2**63 - 1, 7
    assert take_marks(connection, [(one, 1), (two, 2), (one, 2)]) == {(one, 2): 1}
    assert take_marks(connection, [(one, 1)]) == {}
    assert owners_of_marks(connection, [(one, 1), (two, 1), (new, 1)]) == {(two, 1): 2}


def test_dropped_codes_leave_no_mark(connection: sqlite3.Connection) -> None:
    """The code may then come to the line whose own it is."""
    write_codes(connection, [(1, "a"), (2, "b")])
    take_marks(connection, [(5, 1), (6, 2)])
    drop_codes(connection, [1])
    assert read_codes(connection, [1, 2]) == {2: "b"}
    assert take_marks(connection, [(5, 2), (6, 1)]) == {(6, 1): 2}


@given(st.lists(st.builds(StoredCode, *[st.text(max_size=3)] * 6), max_size=3))
def test_packed_codes_are_unpacked_to_the_same_bytes(codes: list[StoredCode]) -> None:
    """Whatever is empty in them; they take fewer bytes."""
    whole = msgspec.json.encode(codes)
    assert unpacked(packed(codes)) == whole
    assert len(packed(codes)) <= len(whole)


@pytest.mark.parametrize(
    "other", [b"[]", b'[{"code": "a"}]', b'[{"code":"a","new":"b"}]', b'{"a":1}', b"[1]", b"x", b""]
)
def test_what_is_not_understood_stays_as_it_is(other: bytes) -> None:
    """Nothing of a code is ever lost."""
    assert unpacked(other) == other
