"""`postgres.resolving`: services, certificates and variables are looked at before the server is asked."""

import os
from pathlib import Path

import pytest

from xoxo_async.errors import ConfigError
from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.options import VARIABLES
from xoxo_async.postgres.resolving import Resolved, resolve


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in list(os.environ):
        if name.startswith("PG"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def resolved(url: str) -> Resolved:
    return resolve(DatabaseAddress.read(url))


def refusal(url: str) -> str:
    with pytest.raises(ConfigError) as caught:
        resolved(url)
    assert "s3cret" not in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value.message


def test_the_driver_gets_its_own_options() -> None:
    """What it does not know it would send to the server."""
    found = resolved("postgresql://me:p%40w@db/plum?sslmode=require&keepalives=1&connect_timeout=7&sslsni=1")
    assert found.dsn == "postgresql://me:p%40w@db/plum?sslmode=require"
    assert found.connect_s == 7
    assert "p%40w" not in repr(found)
    assert resolved("postgresql:///").dsn == "postgresql://"


SERVICES = """# ours
[plum]
host=db.example
port=5433
password=p%w:x=y
sslmode=require
connect_timeout=3

[other]
dbname=other
"""


@pytest.mark.parametrize("way", ["url", "variable", "file"])
def test_a_service_fills_in_what_is_left_out(way: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL goes before it, and a variable after it."""
    file = home / ".pg_service.conf"
    if way == "file":
        file = home / "services"
        monkeypatch.setenv("PGSERVICEFILE", str(file))
    file.write_text(SERVICES)
    monkeypatch.setenv("PGSSLMODE", "disable")
    if way == "variable":
        monkeypatch.setenv("PGSERVICE", "plum")
    query = "" if way == "variable" else "&service=plum"
    found = resolved(f"postgresql:///shop?connect_timeout=2{query}")
    assert found.dsn == ("postgresql:///shop?host=db.example&port=5433&password=p%25w%3Ax%3Dy&sslmode=require")
    assert found.connect_s == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read: No such file"),
        ("[other]\nhost=db\n", "service plum of the database is not in"),
        ("host=s3cret\n", "is no file of services"),
        ("[plum]\ns3cret\n", "is no file of services"),
        ("[plum]\npassword=s3cret\nfoo=1\n", "option foo"),
        ("[plum]\nsslmode=s3cret\n", "sslmode must be"),
        ("[plum]\nservice=other\n", "names another service"),
        ("[plum]\nport=5433\n", "write the port behind the host"),
    ],
)
@pytest.mark.parametrize("by_variable", [False, True])
def test_a_service_that_cannot_be_used(
    text: str | None, said: str, by_variable: bool, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A typing error must not lead to another database."""
    if text is not None:
        (home / ".pg_service.conf").write_text(text)
    if by_variable:
        monkeypatch.setenv("PGSERVICE", "plum")
    assert said in refusal("postgresql://db/shop" + ("" if by_variable else "?service=plum"))


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_missing_authorities_are_named(mode: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is named, and what may name another one."""
    message = refusal(f"postgresql://me:s3cret@db/plum?sslmode={mode}")
    assert f"{home}/.postgresql/root.crt is missing" in message
    assert "sslrootcert" in message
    monkeypatch.setenv("PGSSLMODE", mode)
    assert refusal("postgresql://db/plum").startswith(f"PGSSLMODE: {mode} needs")
    (home / ".postgresql").mkdir()
    (home / ".postgresql" / "root.crt").touch()
    resolved("postgresql://db/plum")


@pytest.mark.parametrize("name", ["sslrootcert", "sslcert", "sslkey", "sslcrl"])
def test_a_missing_file_is_named(name: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver's error looks as one of the network does, and a worker would wait for ever."""
    missing = home / "missing"
    message = refusal(f"postgresql://me:s3cret@db/plum?sslmode=require&{name}={missing}")
    assert f"{name}: the file {missing} cannot be read: No such file" in message
    resolved(f"postgresql://db/plum?sslmode=disable&{name}={missing}")
    monkeypatch.setenv(f"PG{name.upper()}", str(missing))
    assert refusal("postgresql://db/plum?sslmode=require").startswith(f"PG{name.upper()}: the file")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("PGSSLMODE", "s3cret", "PGSSLMODE must be"),
        ("PGSSLMODE", "", "PGSSLMODE has no value"),
        ("PGTARGETSESSIONATTRS", "s3cret", "PGTARGETSESSIONATTRS must be"),
        ("PGCHANNELBINDING", "require", "PGCHANNELBINDING must be"),
        ("PGPORT", "s3cret", "PGPORT must be"),
        ("PGCONNECT_TIMEOUT", "s3cret", "PGCONNECT_TIMEOUT must be"),
        ("PGSSLNEGOTIATION", "direct", "sslmode require"),
    ],
)
def test_a_wrong_variable_is_named(variable: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL is not at fault."""
    monkeypatch.setenv(variable, value)
    assert said in refusal("postgresql://db/plum")


def test_a_variable_fills_in_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL goes before it, whatever the variable says."""
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "4")
    assert resolved("postgresql://db/plum").connect_s == 4
    monkeypatch.setenv("PGSSLMODE", "wrong")
    resolved("postgresql://db/plum?sslmode=prefer")


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compose file writes `PGCONNECT_TIMEOUT=` for a value that nobody has set."""
    for variable in VARIABLES.keys() - {"PGSSLMODE"}:
        monkeypatch.setenv(variable, "")
    found = resolved("postgresql://db/plum")
    assert (found.options, found.connect_s) == ({}, 0)


def test_no_home_folder_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user of a container may have none: then a file of it is missing, and nothing else."""

    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", fail)
    resolved("postgresql://db/plum?sslmode=require")
    assert "~/.postgresql/root.crt is missing" in refusal("postgresql://db/plum?sslmode=verify-full")
