"""`forms`: which flags belong to one call, and which to a job."""

import click
import pytest

from xoxo_async.cli.unkeyed.forms import FILE_FLAGS, JOB_FLAGS, lacks, refuse


@click.command()
@click.option("--to", "email")
@click.option("--name")
@click.option("--batch", type=int, default=1)
@click.option("--withdraw-missing", "missing", flag_value="withdraw")
@click.option("--keep-missing", "missing", flag_value="keep")
def command(email: str | None, name: str | None, **_flags: object) -> None:
    refuse(("batch", "missing"), "needs --ledger")
    if not email or not name:
        raise lacks(("email", "name"), "for one person")


def error_of(*arguments: str) -> str:
    try:
        command.main(list(arguments), standalone_mode=False)
    except click.UsageError as error:
        return error.format_message()
    return ""


@pytest.mark.parametrize(("arguments", "error"), [
    ((), "give --to and --name for one person"),
    (("--to", "a@example.com"), "give --name for one person"),
    (("--to", "a@example.com", "--name", "A"), ""),
    (("--to", "", "--name", "A"), "give --to for one person"),
    (("--to", "", "--name", ""), "give --to and --name for one person"),
    (("--batch", "1"), "--batch needs --ledger"),
    (("--keep-missing",), "--keep-missing needs --ledger"),
    (("--withdraw-missing",), "--withdraw-missing needs --ledger"),
])  # fmt: skip
def test_flags_are_named_as_written(arguments: tuple[str, ...], error: str) -> None:
    """A flag with its default value counts where a person has written it; otherwise it does not."""
    assert error_of(*arguments) == error


def test_a_file_belongs_to_a_job() -> None:
    """Each flag about a file is one about a job."""
    assert set(FILE_FLAGS) < set(JOB_FLAGS)
