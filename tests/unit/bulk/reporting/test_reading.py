"""Reading a ledger for its report."""

from pathlib import Path

import pytest

from tests.unit.bulk.ledger.ledgers import one_placed
from xoxo_async.bulk import SqliteLedger
from xoxo_async.bulk.ledger.lines import Counts
from xoxo_async.bulk.reporting import read_facts
from xoxo_async.bulk.reporting.proof import proof_of
from xoxo_async.errors import ConfigError

pytestmark = pytest.mark.anyio


async def test_facts_are_read_beside_a_writer(tmp_path: Path) -> None:
    """They name the file without its folder, and the command that goes on is asked for with the counts."""
    path = tmp_path / "march.db"
    await one_placed(path)
    asked: list[tuple[int, bool]] = []

    async def follow(counts: Counts, holder: int | None) -> str:
        asked.append((counts.rows, holder is not None))
        return "xoxo bulk resume"

    async with SqliteLedger(path), SqliteLedger(path, read_only=True) as ledger:
        facts = await read_facts(ledger, follow=follow, clock=lambda: 5.0)
    assert (facts.job, facts.ledger, facts.made_at, facts.follow) == ("march", "march.db", 5.0, "xoxo bulk resume")
    assert asked == [(1, True)]
    assert facts.headline.tone == "busy"


async def test_the_proof_of_another_job_is_refused(tmp_path: Path) -> None:
    """It would prove nothing about this one."""
    await one_placed(tmp_path / "march.db")
    async with SqliteLedger(tmp_path / "march.db", read_only=True) as ledger:
        with pytest.raises(ConfigError, match="is the proof of the job 'april', and this is 'march'"):
            await read_facts(ledger, proof=proof_of({"ok": True, "job": "april"}, "p.json"))
        assert (await read_facts(ledger, proof=proof_of({"ok": True, "job": "march"}, "p.json"))).proof is not None
