"""`file_names`: an address that was written in place of a path is told from the path of a file."""

from collections.abc import Callable
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
     "./mysql://x", "//server/share/march.db"],
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


OTHERS = ["codes for port=8.csv", "a b options=1.csv", "user=alice/part.csv", "10:30 anna@acme.csv", "note:/a.csv"]


@pytest.mark.parametrize("text", OTHERS)
def test_other_files_have_more_names(text: str) -> None:
    """Nothing is kept in an output file, and one keyword is no address. Its path stays as it was given."""
    assert address_in(text)
    assert address_in(text, kept=False) == ""
    assert path_of(text, kept=False) == Path(text)


@pytest.mark.parametrize(
    "text",
    ["x mysql://db/x", "host=db port=8", "Server=db;Database=x", "a password=s3cret", "Pwd=s3cret",
     "sslpassword=s3cret", "me:s3cret@host", "me:s3/cret@host/x.csv", "postgresql//me:s3cret@host/db",
     "mysql:/me:s3cret@host/db"],
)  # fmt: skip
def test_no_password_names_another_file(text: str) -> None:
    """What has a host or a password in it is an address for every file."""
    kind = address_in(text, kept=False)
    assert kind
    assert "s3" not in kind


NAMES = ["reports:2024@q1.db", "user=5.db", "file:march.db"]


@pytest.mark.parametrize("text", NAMES)
@pytest.mark.parametrize("of", [str, Path])
def test_a_file_that_exists_is_taken(
    text: str, of: Callable[[str], str | Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version made it, or a person did. A folder is no such file."""
    monkeypatch.chdir(tmp_path)
    Path(text).touch()
    assert LedgerAddress.read(of(text)).path == tmp_path / text
    assert SqliteLedger(of(text)).path == Path(text)
    FileTokenStore(of(text))
    FileAllowance(of(text))
    assert token_file_if_any(Environment(token_file=text)) == tmp_path / text
    Path(text).unlink()
    Path(text).mkdir()
    assert address_in(of(text))


def test_each_refusal_names_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Path` drops ./, so that a Path needs its full path. Who does what is said is not refused."""
    monkeypatch.chdir(tmp_path)
    for text in [*NAMES, "host=db port=1"]:
        for use in (LedgerAddress.read, SqliteLedger, FileTokenStore, FileAllowance):
            with pytest.raises(ConfigError, match=r"put \./ before the name of such a file"):
                use(text)
            use(f"./{text}")
            with pytest.raises(ConfigError, match="give the full path of such a file"):
                use(Path(f"./{text}"))
            use(Path(text).absolute())
        with pytest.raises(ConfigError, match=r"put \./ before the name of such a file"):
            token_file_if_any(Environment(token_file=text))
        assert token_file_if_any(Environment(token_file=f"./{text}")) == tmp_path / text


def test_a_named_folder_stays_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Path` drops ./, and the printed command must reach the same file."""
    monkeypatch.chdir(tmp_path)
    assert path_of("./user=5.db") == tmp_path / "user=5.db"
    assert path_of("./march.db") == Path("march.db")
    first = LedgerAddress.read("./user=5.db")
    assert LedgerAddress.read(first.argument) == first
