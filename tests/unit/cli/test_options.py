"""`options`: shared flags come in the order in which they are written."""

import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from xoxo_async.cli.bulk.export import export
from xoxo_async.cli.bulk.prove import prove
from xoxo_async.cli.bulk.report import report
from xoxo_async.cli.bulk.run import run
from xoxo_async.cli.bulk.status import status
from xoxo_async.cli.bulk.template import template
from xoxo_async.cli.links import links
from xoxo_async.cli.manual import man
from xoxo_async.cli.options import NewFile, connection_options, json_option, with_options, yes_option
from xoxo_async.cli.sandbox import sandbox


def test_flags_are_added_in_the_order_written() -> None:
    """Several decorators become one."""

    @click.command()
    @with_options(yes_option, connection_options, json_option)
    def command() -> None:
        """Do nothing."""

    assert [name for parameter in command.params for name in parameter.opts] == [
        "--yes",
        "--base-url",
        "--client-id",
        "--sandbox",
        "--json",
    ]


MADE = [
    (sandbox, "--books"),
    (export, "--out"),
    (report, "--out"),
    (prove, "--out"),
    (prove, "--lines"),
    (prove, "--progress"),
    (status, "--problems"),
    (run, "--problems"),
    (template, "path"),
    (links, "generate --out"),
    (man, "--dir"),
]


@pytest.mark.parametrize(("command", "flag"), MADE, ids=lambda value: getattr(value, "name", value))
@pytest.mark.parametrize("address", ["host=db password=s3cret/x.csv", "postgresql://me:s3cret@db/x.csv"])
def test_no_address_becomes_a_file(
    command: click.Command, flag: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name would show the password."""
    monkeypatch.chdir(tmp_path)
    words = [*flag.replace("path", "").split(), address]
    done = CliRunner().invoke(command, words)
    assert done.exit_code == 2
    assert "not keywords such as host=" in done.output or "not a postgresql:// URL" in done.output
    assert "put ./ before" in done.output
    assert "s3cret" not in done.output
    assert not os.listdir(tmp_path)


def test_a_named_folder_allows_any_name(tmp_path: Path) -> None:
    """The message says so."""
    kind = NewFile()
    assert kind.convert(f"{tmp_path}/host=x.csv", None, None) == tmp_path / "host=x.csv"
    assert kind.convert("out.csv", None, None) == Path("out.csv")
    assert kind.convert("./host=x port=1.csv", None, None).name == "host=x port=1.csv"
    assert kind.convert("codes for port=8.csv", None, None) == Path("codes for port=8.csv")
