"""Where a ledger is opened: at a path, or at the URL of a database."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.ledgers import each, line, placed
from xoxo_async.bulk import SqliteLedger, open_jobs, open_ledger
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import PlannedLine
from xoxo_async.bulk.ledger.opening import read_open_jobs
from xoxo_async.bulk.ledger.protocol import PlanTerms
from xoxo_async.errors import ConfigError, LedgerError

PARTS = ("xoxo_async.bulk.ledger.postgres", "xoxo_async.postgres.")
pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("of", [str, Path])
async def test_a_path_opens_a_file(tmp_path: Path, of: type[str] | type[Path]) -> None:
    """Text or path: the ledger is a file, and is named as it was given."""
    async with open_ledger(of(tmp_path / "l.db")) as ledger:
        assert isinstance(ledger, SqliteLedger)
        assert ledger.name == str(tmp_path / "l.db")
        await ledger.set_fact("a", "b")
    assert (tmp_path / "l.db").exists()


@pytest.mark.parametrize("url", ["mysql://u:hunter2@h/db", "sqlite:///hunter2.db"])
def test_another_url_is_refused_without_its_password(url: str) -> None:
    """A URL is no name of a file, and may hold a password."""
    with pytest.raises(ConfigError, match="or a postgresql:// URL") as caught:
        open_ledger(url)
    assert "hunter2" not in str(caught.value)


def test_a_database_needs_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names what to install."""
    loaded = [name for name in sys.modules if name.startswith(PARTS)]
    for name in loaded:
        parent, _, part = name.rpartition(".")
        # An import anew replaces the part in its parent, too: other tests need the one that they have imported.
        monkeypatch.setattr(sys.modules[parent], part, sys.modules[name])
    for name in loaded:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(ConfigError, match=r"pip install 'xoxo-async\[postgres\]'"):
        open_ledger("postgresql://h/db#march")


async def test_a_file_holds_the_job_asked_for(tmp_path: Path) -> None:
    """Before the first plan it is that name; a file of another job is refused, also to read, and stays free."""
    path = tmp_path / "l.db"
    async with open_ledger(path, job="march") as ledger:
        assert ledger.job == "march"
        await ledger.plan("march", no_lines())
    for read_only in (False, True):
        with pytest.raises(LedgerError, match="holds the job 'march', not 'april'"):
            await open_ledger(path, job="april", read_only=read_only).open()
    async with open_ledger(path) as ledger:
        assert ledger.job == "march"


async def no_lines() -> AsyncIterator[PlannedLine]:
    for one in ():
        yield one


async def test_every_option_reaches_the_ledger(tmp_path: Path) -> None:
    """A missing ledger can be refused, an unused one goes, and a look changes nothing."""
    path = tmp_path / "l.db"
    with pytest.raises(LedgerError, match="there is no ledger"):
        await open_ledger(path, must_exist=True).open()
    async with open_ledger(path, keep_unused=False):
        assert path.exists()
    assert not path.exists()
    with pytest.raises(LedgerError, match="44 characters"):
        await open_ledger(path, codes_key="short").open()
    async with open_ledger(path, store_codes=False) as ledger:
        assert not ledger.keeps_codes
    async with open_ledger(path, read_only=True) as look:
        with pytest.raises(LedgerError, match="read only"):
            await look.set_fact("a", "b")


async def test_open_jobs_of_a_file(tmp_path: Path) -> None:
    """It has one, while it has work for a worker."""
    path = tmp_path / "l.db"
    async with open_ledger(path) as ledger:
        with pytest.raises(ConfigError, match="holds no job yet"):
            await open_jobs(path)
        await ledger.plan("march", each([line(1)]))
        assert await open_jobs(path) == ["march"]
        (one,) = await ledger.claim(1)
        assert await open_jobs(path) == ["march"]
        await ledger.record([placed(one)])
        assert await open_jobs(path) == []
    with pytest.raises(LedgerError, match="there is no ledger"):
        await open_jobs(tmp_path / "none.db")


@pytest.mark.parametrize("kind", [kind for kind in JobKind if kind is not JobKind.ORDERS])
async def test_other_kinds_are_no_workers_jobs(tmp_path: Path, database: str, kind: JobKind) -> None:
    """A file and a named job of a database tell them apart, as a whole database does."""
    for where, job in ((str(tmp_path / "l.db"), None), (database, "thanks"), (f"{database}#thanks", None)):
        async with open_ledger(where, job=job or "thanks") as ledger:
            await ledger.plan("thanks", each([line(1)]), PlanTerms(kind=kind))
        assert await read_open_jobs(where, job=job) == ([], {"thanks": kind.value})
        assert await open_jobs(where, job=job) == []
    assert await read_open_jobs(database) == ([], {"thanks": kind.value})


async def test_open_jobs_of_a_database(database: str) -> None:
    """All of them, or the one that is named."""
    for job in ("march", "april"):
        async with open_ledger(database, job=job) as ledger:
            await ledger.plan(job, each([line(1, key=job, po_number=f"po-{job}")]))
    assert await open_jobs(database) == ["march", "april"]
    assert await open_jobs(f"{database}#april") == await open_jobs(database, job="april") == ["april"]
