"""`options`: a ledger is the path of a file, and an error never shows a URL."""

import click
import pytest

from xoxo_async.cli.bulk.options import LedgerPath


@pytest.mark.parametrize("value", ["", " ", ".", "/"])
def test_a_ledger_needs_a_files_name(value: str) -> None:
    """An empty path and the path of a folder are refused."""
    with pytest.raises(click.BadParameter):
        click.Option(["--ledger"], type=LedgerPath()).type.convert(value, None, None)


def test_a_url_is_refused_without_showing_it() -> None:
    """The URL may contain a password."""
    with pytest.raises(click.BadParameter, match="a ledger is a file") as caught:
        LedgerPath().convert("postgresql://me:hunter2@db/x", None, None)
    assert "hunter2" not in caught.value.format_message()
