"""`failures`: what an error says, in one line and without a secret."""

import pytest

from xoxo_async import errors
from xoxo_async.cli import failures


def test_the_error_of_ours_is_taken_out_of_nested_groups() -> None:
    """What a person reads is the SDK's error, not the task group around it."""
    ours = errors.ConnectError("not reached")
    group = BaseExceptionGroup("outer", [ValueError("other"), BaseExceptionGroup("inner", [ours])])
    assert failures.one_error(BaseExceptionGroup("o", [BaseExceptionGroup("i", [ours])])) is ours
    assert failures.one_error(BaseExceptionGroup("o", [ValueError("other"), ours])) is ours
    assert isinstance(failures.one_error(group), ValueError)


def test_an_error_is_one_line_without_secrets_and_control_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands in a message, it comes out as one line, and no secret of the environment is in it."""
    monkeypatch.setenv("XOXO_CLIENT_SECRET", "hush-hush")
    error = errors.ServerError("failed:\n<html>\x1b[31mhush-hush\x07</html>")
    said = failures.say_error(error)
    assert "hush-hush" not in said
    assert said.isprintable()
    assert len(said.splitlines()) == 1
