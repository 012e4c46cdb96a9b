"""Where a ledger is opened: at a path, and at no URL."""

from pathlib import Path

import pytest

from xoxo_async.bulk import SqliteLedger, open_ledger
from xoxo_async.errors import ConfigError, LedgerError

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("of", [str, Path])
async def test_a_path_opens_a_file(tmp_path: Path, of: type[str] | type[Path]) -> None:
    """Text or path: the ledger is a file, and is named as it was given."""
    async with open_ledger(of(tmp_path / "l.db")) as ledger:
        assert isinstance(ledger, SqliteLedger)
        assert ledger.name == str(tmp_path / "l.db")
        await ledger.set_fact("a", "b")
    assert (tmp_path / "l.db").exists()


@pytest.mark.parametrize("url", ["postgresql://u:hunter2@h/db", "POSTGRES://u:hunter2@h/db", "sqlite:///l.db"])
def test_a_url_is_refused_without_its_password(url: str) -> None:
    """A URL is no name of a file, and may hold a password."""
    with pytest.raises(ConfigError, match="embedded ledger only") as caught:
        open_ledger(url)
    assert "hunter2" not in str(caught.value)


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
