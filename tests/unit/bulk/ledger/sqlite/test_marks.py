"""`ledger_marks`: codes are recognised by a hash whose key is the ledger's own, and sealed where its codes are."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.ledgers import each, line, placed
from xoxo_async.bulk.ledger.sealing import CodeBox
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.ledger.sqlite.marks import CodeMarks
from xoxo_async.bulk.ledger.sqlite.schema import build, connect
from xoxo_async.bulk.ledger.sqlite.statements import get_meta
from xoxo_async.errors import LedgerError

pytestmark = pytest.mark.anyio

KEY = "A" * 43 + "="


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection to an empty ledger."""
    (tmp_path / "l.db").touch()
    build(tmp_path / "l.db")
    connection = connect(tmp_path / "l.db")
    yield connection
    connection.close()


def marks_of(connection: sqlite3.Connection, key: str = "") -> CodeMarks:
    """Return the marks of a ledger, ready."""
    box = CodeBox(key)
    marks = CodeMarks(lambda: box)
    marks.make_key(connection, box)
    marks.open_key(connection)
    return marks


def test_a_mark_is_its_lines_that_claims_it_first(connection: sqlite3.Connection) -> None:
    """Also within one claim; a line may claim its own again."""
    marks = marks_of(connection)
    one, two = marks.mark("ONE"), marks.mark("TWO")
    assert marks.take(connection, [(one, 1), (two, 2), (one, 2)]) == {(one, 2): 1}
    assert marks.take(connection, [(one, 1)]) == {}
    assert marks.of_others(connection, [(one, 1), (two, 1), (marks.mark("NEW"), 1)]) == {(two, 1): 2}


def test_a_mark_is_known_again_by_the_same_ledger_and_by_no_other(
    connection: sqlite3.Connection, tmp_path: Path
) -> None:
    """Two files do not tell that they hold one code."""
    assert marks_of(connection).mark("ONE") == marks_of(connection).mark("ONE")
    (tmp_path / "other.db").touch()
    build(tmp_path / "other.db")
    other = connect(tmp_path / "other.db")
    assert marks_of(connection).mark("ONE") != marks_of(other).mark("ONE")
    other.close()


def test_marks_fit_a_database_whatever_the_code(connection: sqlite3.Connection) -> None:
    """Signed numbers of 64 bits, for any text."""
    marks = marks_of(connection)
    claims = [(marks.mark(f"Zoë {number} 😀"), number) for number in range(300)]
    assert marks.take(connection, claims) == {}
    assert min(claims)[0] < 0 < max(claims)[0]
    assert marks.of_others(connection, [(mark, 0) for mark, _ in claims[1:]]) == {
        (mark, 0): seq for mark, seq in claims[1:]
    }


def test_the_key_is_sealed_with_the_codes(connection: sqlite3.Connection) -> None:
    """From the start, or as soon as the ledger gets a key; marks stay what they were."""
    pytest.importorskip("cryptography")
    before = marks_of(connection).mark("ONE")
    clear = get_meta(connection, "marks_key")
    assert clear
    sealed = marks_of(connection, KEY)
    assert clear not in str(get_meta(connection, "marks_key"))
    assert sealed.mark("ONE") == before
    with pytest.raises(LedgerError, match="without the XOXO_LEDGER_KEY"):
        marks_of(connection)


async def test_nothing_is_sent_whose_codes_could_not_be_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sealed ledger goes on without keeping codes only where its key is; reading and resolving need none."""
    pytest.importorskip("cryptography")
    monkeypatch.delenv("XOXO_LEDGER_KEY", raising=False)
    path = tmp_path / "l.db"
    async with SqliteLedger(path, codes_key=KEY) as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        await ledger.record([placed((await ledger.claim(1))[0])])
    async with SqliteLedger(path, store_codes=False) as ledger:
        with pytest.raises(LedgerError, match="XOXO_LEDGER_KEY"):
            await ledger.claim(1)
        counts = await ledger.counts()
        assert (counts.issued, counts.not_sent) == (1, 1)
    monkeypatch.setenv("XOXO_LEDGER_KEY", KEY)
    async with SqliteLedger(path, store_codes=False) as ledger:
        assert len(await ledger.claim(1)) == 1
