"""`sqlite.session`: facts that only the holder of the file can prove."""

from pathlib import Path

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
