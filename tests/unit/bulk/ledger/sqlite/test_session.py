"""`sqlite.session`: facts that only the holder of the file can prove."""

import sqlite3
from pathlib import Path

import msgspec
import pytest

from tests.unit.bulk.ledger.ledgers import each, line, placed
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.errors import LedgerError

pytestmark = pytest.mark.anyio

KEY = "A" * 43 + "="


async def test_nothing_is_sent_after_the_lock_changed_hands(tmp_path: Path) -> None:
    """The lock proves that the dead holder is gone: its last send is no later than now, however short its hold was."""
    now = 1000.0
    async with SqliteLedger(tmp_path / "l.db", clock=lambda: now) as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        await ledger.claim(1)
    now = 1010.0
    async with SqliteLedger(tmp_path / "l.db", clock=lambda: now) as ledger:
        (mine,) = await ledger.claim(1)
        assert await ledger.recover() == 1
        sent = {one.key: (one.state, one.last_sent_tick) async for one in ledger.lines()}
        assert sent == {"k1": (LineState.UNKNOWN, 1010.0), "k2": (LineState.SENDING, 1010.0)}
        await ledger.record([placed(mine)])


async def test_no_claim_without_the_key_of_the_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_results_apply_to_lines_as_stored(tmp_path: Path) -> None:
    """A line in flight is not read again for its result, and is what the file has, also after a new price."""
    request = b'{"productId":1,"denomination":5,"quantity":1}'
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        lines = [msgspec.structs.replace(line(number), request=request) for number in (1, 2)]
        await ledger.plan("march", each(lines))
        one, other = await ledger.claim(2)
        recorded = await ledger.record([placed(one, 1)])
        await ledger.reprice(lambda _product, value, count: value * count)
        recorded += await ledger.record([placed(other, 2)])
        assert recorded == [stored async for stored in ledger.lines()]
        assert [stored.worth for stored in recorded] == [None, 50_000]


async def test_an_undone_claim_leaves_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The intent is not in the file, so facts are about the lines as the file has them: never sent."""
    full = False
    real = sqlite3.connect

    class Disk(sqlite3.Connection):
        def execute(self, sql: str, *args: object) -> sqlite3.Cursor:  # type: ignore[override]
            if full and sql == "COMMIT":  # all of the claim is written by then, and undone
                raise sqlite3.OperationalError("database or disk is full")
            return super().execute(sql, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(sqlite3, "connect", lambda *args, **kwargs: real(*args, factory=Disk, **kwargs))
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        before = [stored async for stored in ledger.lines()]
        full = True
        with pytest.raises(LedgerError, match="full"):
            await ledger.claim(2)
        full = False
        (found,) = await ledger.record([placed(before[0])])  # as a person finds it at the vendor
        assert (found.state, found.attempts) == (LineState.PLACED, 0)
        (other,) = await ledger.claim(2)
        assert (other.key, other.attempts) == ("k2", 1)
        assert [found, other] == [stored async for stored in ledger.lines()]
        told = [(row.seq, row.transition) async for row in ledger.journal()]
        assert told == [(found.seq, "T0"), (other.seq, "T0"), (found.seq, "T12"), (other.seq, "T1")]
