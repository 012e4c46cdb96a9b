"""`file_names`: an address that was written in place of a path is told from the path of a file."""

from pathlib import Path

import pytest

from xoxo_async.allowance.file import FileAllowance
from xoxo_async.auth.stores import FileTokenStore
from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.bulk.ledger.opening import open_ledger
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.environment import Environment, token_file_if_any
from xoxo_async.errors import ConfigError
from xoxo_async.file_names import address_in, path_of

ADDRESSES = [
    "host=127.0.0.1 dbname=plum password=s3cret",
    "dbname=plum",
    " host = db password = s3cret",
    "'host=db password=s3cret'",
    "Server=db;Database=plum;Pwd=s3cret",
    "foo=bar password=s3cret",
    "me:s3cret@host",
    "me:s3/cret@host/db",
    ":s3cret@host/db",
    "//me:s3cret@host/db",
    "postgresql//me:s3cret@host/db",
    "mysql:/me:s3cret@host/db",
    "file:march.db",
    "file:///x/march.db",
    "sqlite:march.db",
    "redis://:s3cret@host/0",
]


@pytest.mark.parametrize("text", ADDRESSES)
def test_an_address_is_no_file(text: str) -> None:
    """Its kind is named, and no part of a password."""
    kind = address_in(text)
    assert kind
    assert "s3" not in kind


@pytest.mark.parametrize(
    "text",
    ["march.db", "month=3/march.db", "hosts=3.db", "x/user=ann.db", "./user=5/m.db", "../dbname=x", "/x/host=a b.db",
     "ann@example.com/march.db", "march:final.db", "2026-03-01T10:00.db", "C:\\jobs\\a@b.db", "postgresql/march.db",
     "//server/share/march.db"],
)  # fmt: skip
def test_the_path_of_a_file_is_taken(text: str) -> None:
    """An equals sign, a colon or an @ alone is no address."""
    assert address_in(text) == ""


@pytest.mark.parametrize("text", ADDRESSES)
def test_nothing_keeps_its_file_there(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a ledger, nor a token, nor an allowance; nothing is made, and no password is repeated."""
    monkeypatch.chdir(tmp_path)
    for use in (
        LedgerAddress.read,
        open_ledger,
        lambda where: open_ledger(Path(where)),
        SqliteLedger,
        FileTokenStore,
        FileAllowance,
        lambda where: token_file_if_any(Environment(token_file=where)),
    ):
        with pytest.raises(ConfigError) as caught:
            use(text)
        assert "s3" not in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_named_folder_stays_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Path` drops ./, and the printed command must reach the same file."""
    monkeypatch.chdir(tmp_path)
    assert path_of("./user=5.db") == tmp_path / "user=5.db"
    assert path_of("./march.db") == Path("march.db")
    first = LedgerAddress.read("./user=5.db")
    assert LedgerAddress.read(first.argument) == first
