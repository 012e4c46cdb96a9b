"""`address`: a file, or a job of a database; nothing that is shown has a password."""

from pathlib import Path

import pytest

from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.errors import ConfigError

URL = "postgresql://me:hunter2@db.example:5433/plum?sslmode=require&password=hunter3&statement_cache_size=0#march"


@pytest.mark.parametrize("of", [str, Path])
def test_a_path_is_a_file(of: type[str] | type[Path]) -> None:
    """It is named as it was given, and its first job has the file's name."""
    address = LedgerAddress.read(of("x/march.db"))
    assert (address.is_file, address.path, address.url) == (True, Path("x/march.db"), "")
    assert str(address) == address.name == address.argument == "x/march.db"
    assert (address.job, address.first_job, address.stem) == (None, "march", "march")
    assert address.with_job("april").first_job == "april"


def test_a_url_is_a_job_of_a_database() -> None:
    """What connects gets all of the URL; what continues gets it without passwords; messages get the shortest."""
    address = LedgerAddress.read(URL)
    assert (address.is_file, address.job, address.first_job, address.stem) == (False, "march", "march", "march")
    assert address.url + "#march" == URL
    assert address.argument == "postgresql://me@db.example:5433/plum?sslmode=require&statement_cache_size=0#march"
    assert address.name == str(address) == "postgresql://me@db.example:5433/plum#march"


def test_the_same_job_is_reached_again() -> None:
    """What `argument` prints is read as the same place."""
    for text in (URL, "postgres:///plum?host=/run/pg#50% off #2", "postgresql://#märz", "m.db"):
        first = LedgerAddress.read(text)
        again = LedgerAddress.read(first.argument)
        assert (again.argument, again.job) == (first.argument, first.job)


def test_nothing_that_is_shown_has_a_password() -> None:
    """Not its repr, its text, its names, nor those of the job beside it."""
    address = LedgerAddress.read(URL)
    for shown in (repr(address), str(address), address.name, address.argument, repr(address.with_job())):
        assert "hunter" not in shown


@pytest.mark.parametrize(
    ("text", "has"),
    [(URL, True), ("postgresql://me@db/x", False), ("postgresql://me:x@db/x", True), ("m.db", False),
     ("postgresql://db/x?password=x", True)],
)  # fmt: skip
def test_a_password_is_noticed(text: str, has: bool) -> None:
    """It may stand before the host, or among the options."""
    assert LedgerAddress.read(text).has_password is has


@pytest.mark.parametrize(
    "text",
    ["", " ", "/", ".", "a\0b", "sqlite:///hunter2.db", "mysql://u:hunter2@h/db", "x mysql://u:hunter2@h",
     "postgresql:/u:hunter2@h/db", "postgresql://u:hun/ter2@h:x/db"],
)  # fmt: skip
def test_what_is_no_ledger_is_refused(text: str) -> None:
    """The message never repeats a URL."""
    with pytest.raises(ConfigError) as caught:
        LedgerAddress.read(text)
    assert "ter2" not in str(caught.value)


def test_a_database_needs_its_job() -> None:
    """It has any number of jobs, so one is named: in the URL, beside it, or in both alike."""
    plain = LedgerAddress.read("postgresql://db/x")
    assert plain.job is None
    with pytest.raises(ConfigError, match="name one"):
        plain.with_job()
    assert plain.with_job("march") == LedgerAddress.read("postgresql://db/x#march").with_job("")
    with pytest.raises(ConfigError, match=r"'march'.*'april'"):
        LedgerAddress.read("postgresql://db/x#march", job="april")


def test_a_job_gives_files_their_names() -> None:
    """Nothing in a job's name leads to another folder."""
    names = [LedgerAddress.read("postgresql://db/x", job=job).stem for job in ("../a b", "..", "März 2")]
    assert names == ["a-b", "ledger", "März-2"]
