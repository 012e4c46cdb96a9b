"""The report of a job at work, on loopback."""

from pathlib import Path

import aiohttp
import pytest

from tests.unit.bulk.ledger.ledgers import each, line, one_placed
from xoxo_async.bulk import SqliteLedger
from xoxo_async.bulk.reporting import serving, serving_report
from xoxo_async.errors import ConfigError

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("undrawn")]


async def get(url: str, **headers: str) -> tuple[int, str]:
    """Return status and text of an answer."""
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_a_job_at_work_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer is the job as it is then, once the last page has grown old."""
    monkeypatch.setattr(serving, "_COST_SHARE", 0)
    path = tmp_path / "march.db"
    await one_placed(path)
    async with SqliteLedger(path) as writer, SqliteLedger(path, read_only=True) as ledger:
        async with serving_report(ledger, refresh_s=0) as url:
            assert url.startswith("http://127.0.0.1:")
            status, text = await get(url)
            assert (status, "of 1 row issued" in text) == (200, True)
            await writer.plan("march", each([line(1), line(2)]))
            assert "of 2 rows issued" in (await get(url))[1]


async def test_only_its_own_address_is_answered(tmp_path: Path) -> None:
    """Not another path, not a method that writes, and not a site that resolves to this machine."""
    path = tmp_path / "march.db"
    await one_placed(path)
    async with SqliteLedger(path, read_only=True) as ledger, serving_report(ledger) as url:
        assert (await get(url, Host="evil.example"))[0] == 421
        assert (await get(url.rpartition("/")[0] + "/"))[0] == 404
        async with aiohttp.ClientSession() as session:
            async with session.post(url) as answer:
                assert answer.status == 405
            async with session.get(url.replace("127.0.0.1", "localhost")) as answer:
                assert answer.headers["Cache-Control"] == "no-store"
                assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        port = int(url.split(":")[2].split("/")[0])
        with pytest.raises(ConfigError, match=f"port {port} cannot be opened"):
            async with serving_report(ledger, port=port):
                pass


async def test_a_ledger_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page comes back once the ledger does."""
    monkeypatch.setattr(serving, "_COST_SHARE", 0)
    path = tmp_path / "march.db"
    await one_placed(path)
    async with SqliteLedger(path, read_only=True) as ledger, serving_report(ledger, refresh_s=0) as url:
        path.rename(tmp_path / "away.db")
        status, text = await get(url)
        assert (status, text.startswith("The ledger cannot be read now")) == (503, True)
        (tmp_path / "away.db").rename(path)
        assert (await get(url))[0] == 200
