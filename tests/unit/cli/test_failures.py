"""`failures`: an error is one line without a secret."""

import pytest

from xoxo_async import errors
from xoxo_async.cli import failures


def test_nested_groups_yield_the_sdk_error() -> None:
    """A person reads the error of the SDK, not the task groups around it."""
    ours = errors.ConnectError("not reached")
    group = BaseExceptionGroup("outer", [ValueError("other"), BaseExceptionGroup("inner", [ours])])
    assert failures.one_error(BaseExceptionGroup("o", [BaseExceptionGroup("i", [ours])])) is ours
    assert failures.one_error(BaseExceptionGroup("o", [ValueError("other"), ours])) is ours
    assert isinstance(failures.one_error(group), ValueError)


def test_an_error_is_one_clean_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any message becomes one line, without control characters and secrets of the environment."""
    monkeypatch.setenv("XOXO_CLIENT_SECRET", "hush-hush")
    error = errors.ServerError("failed:\n<html>\x1b[31mhush-hush\x07</html>")
    said = failures.say_error(error)
    assert "hush-hush" not in said
    assert said.isprintable()
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    "url",
    ["postgresql://me:hun@ter2@db/x", "postgres://me:hun/ter2@db", "rediss://:hunter2@h", "?password=hunter2&a=1"],
)
def test_no_text_has_the_password_of_a_database(url: str) -> None:
    """A wrong argument is repeated by the parser of the command line."""
    said = failures.scrub(f"Got unexpected extra argument ({url})")
    assert "ter2" not in said
    assert said.startswith("Got unexpected extra argument (")


def test_secrets_of_files_are_removed_too() -> None:
    """No variable holds them. The next command of the process begins without them."""
    failures.hide(["hush-hush", "abc"])
    assert failures.scrub("a hush-hush abc") == "a *** abc"
    failures.forget_hidden()
    assert failures.scrub("a hush-hush") == "a hush-hush"
