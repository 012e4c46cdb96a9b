"""`worker`: its flags, and what it says about those that make no sense."""

import click
import pytest

from tests.unit.cli.in_process import Command
from xoxo_async.cli.worker import health_port


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("8081", ("0.0.0.0", 8081)),
        ("127.0.0.1:8081", ("127.0.0.1", 8081)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:80", ("::1", 80)),
    ],
)
def test_a_port_may_have_a_host(text: str, place: tuple[str, int]) -> None:
    """Without one, Kubernetes must be able to ask."""
    assert health_port(text) == place
    assert health_port(place) == place


@pytest.mark.parametrize("text", ["", "port", "70000", "-1", "host:", ":80", "a b:80"])
def test_no_port_is_wrong_usage(text: str) -> None:
    """The message repeats it."""
    with pytest.raises(click.BadParameter, match="is not a port"):
        health_port(text)


def test_a_file_has_no_queue(command: Command) -> None:
    """Pgqueuer needs a database."""
    ended = command("worker", "--ledger", "march.db", "--engine", "pgqueuer")
    assert ended.code == 2
    assert "the ledger is a file" in ended.err


@pytest.mark.parametrize("flags", [("--shift", "-1"), ("--health", "x"), ("--engine", "celery"), ()])
def test_wrong_flags_are_wrong_usage(command: Command, flags: tuple[str, ...]) -> None:
    """Nothing is opened."""
    where = ("--ledger", "march.db") if flags else ()
    assert command("worker", *where, *flags).code == 2


def test_a_missing_ledger_is_named(command: Command) -> None:
    """A worker plans nothing, so it makes no ledger."""
    ended = command("worker", "--ledger", "march.db", "--json")
    assert (ended.code, ended.facts["exit_code"]) == (2, 2)
    assert "there is no ledger at march.db" in ended.err


def test_a_database_that_is_down_is_named(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line, without the password; nothing is sent."""
    monkeypatch.setenv("XOXO_ACCESS_TOKEN", "t")
    monkeypatch.setenv("XOXO_BASE_URL", "http://127.0.0.1:1/chef")
    ended = command("worker", "--ledger", "postgresql://xoxo:secret-word@127.0.0.1:1/xoxo", "--engine", "none")
    assert ended.code in {2, 5}
    assert "postgresql://xoxo@127.0.0.1:1/xoxo" in ended.err
    assert "secret-word" not in ended.err + ended.out
