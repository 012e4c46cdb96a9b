"""`options`: a ledger's path is a file's, and never a URL that is shown."""

import click
import pytest

from xoxo_async.cli.bulk.options import LedgerPath


@pytest.mark.parametrize("value", ["", " ", ".", "/"])
def test_a_ledger_needs_a_files_name(value: str) -> None:
    """A folder's is none."""
    with pytest.raises(click.BadParameter):
        click.Option(["--ledger"], type=LedgerPath()).type.convert(value, None, None)


def test_a_url_is_refused_without_showing_it() -> None:
    """It may hold a password."""
    with pytest.raises(click.BadParameter, match="a ledger is a file") as caught:
        LedgerPath().convert("postgresql://me:hunter2@db/x", None, None)
    assert "hunter2" not in caught.value.format_message()
