"""`options`: a ledger is a file or a job of a database, and an error never shows a URL."""

from typing import Any

import click
import pytest

from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.cli.bulk.options import LedgerPath, ledger_option
from xoxo_async.errors import ConfigError


@pytest.mark.parametrize("value", ["", " ", ".", "/"])
def test_a_ledger_needs_a_files_name(value: str) -> None:
    """An empty path and the path of a folder are refused."""
    with pytest.raises(click.BadParameter):
        click.Option(["--ledger"], type=LedgerPath()).type.convert(value, None, None)


@pytest.mark.parametrize("url", ["sqlite://me:hunter2@db/x", "postgresql://me:hun/ter2@db/x", "x postgres://hunter2@h"])
def test_a_wrong_url_is_refused_without_showing_it(url: str) -> None:
    """The URL may contain a password."""
    with pytest.raises(click.BadParameter) as caught:
        LedgerPath().convert(url, None, None)
    assert "ter2" not in caught.value.format_message()


def test_a_password_in_the_command_line_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Other users of the machine can read it. The message does not repeat it."""
    LedgerPath().convert("postgresql://me@db/x#march", None, None)
    assert capsys.readouterr().err == ""
    LedgerPath().convert("postgresql://me:hunter2@db/x#march", None, None)
    said = capsys.readouterr().err
    assert ("PGPASSWORD" in said, "hunter2" in said) == (True, False)


@click.command()
@ledger_option
def show(ledger: LedgerAddress) -> LedgerAddress:
    return ledger


def shown(*arguments: str) -> Any:
    return show.main(list(arguments), standalone_mode=False)


def test_a_command_gets_the_place_of_one_job() -> None:
    """The job of a database stands in the URL or in --job; a file needs none."""
    assert shown("--ledger", "m.db") == LedgerAddress.read("m.db")
    assert shown("--ledger", "m.db", "--job", "march") == LedgerAddress.read("m.db", job="march")
    named = shown("--ledger", "postgresql://db/x#march")
    assert named == shown("--ledger", "postgresql://db/x", "--job", "march")
    assert named.job == "march"


@pytest.mark.parametrize("arguments", [("postgresql://db/x",), ("postgresql://db/x#a", "--job", "b")])
def test_a_database_needs_one_job(arguments: tuple[str, ...]) -> None:
    """Without one, or with two, nothing is opened."""
    with pytest.raises(ConfigError, match="job"):
        shown("--ledger", *arguments)
