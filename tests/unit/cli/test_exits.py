"""`exits`: how commands end: codes, words, and the command that continues."""

import shlex

import pytest

from xoxo_async import errors
from xoxo_async.cli import exits


@pytest.mark.parametrize(
    ("error", "alone", "in_bulk"),
    [
        (errors.ConfigError("x"), 2, 2),
        (errors.PlanError("x"), 2, 2),
        (errors.LedgerLockedError("x"), 2, 2),
        (errors.BudgetError("x"), 2, 2),
        (exits.DeclinedError("x"), 2, 2),
        (errors.NotFoundError("x"), 3, 5),
        (errors.DenominationError("x"), 3, 5),
        (errors.OutcomeUnknownError("x"), 4, 4),
        (errors.CredentialsRejectedError("x"), 5, 5),
        (errors.ConnectError("x"), 5, 5),
        (errors.ReplyTimeoutError("x"), 5, 5),
        (errors.RateLimitedError("x"), 5, 5),
        (errors.ServerError("x"), 5, 5),
    ],
)
def test_every_kind_of_error_has_its_exit_code(error: errors.XoxoError, alone: int, in_bulk: int) -> None:
    """Wrong input is 2, a refusal 3, doubt 4, a pause 5; before a bulk run a refusal is a pause as well."""
    assert exits.exit_code_of(error) == alone
    assert exits.exit_code_of(error, bulk=True) == in_bulk


def test_the_error_of_ours_is_taken_out_of_nested_groups() -> None:
    """What a person reads is the SDK's error, not the task group around it."""
    ours = errors.ConnectError("not reached")
    group = BaseExceptionGroup("outer", [ValueError("other"), BaseExceptionGroup("inner", [ours])])
    assert exits.one_error(BaseExceptionGroup("o", [BaseExceptionGroup("i", [ours])])) is ours
    assert exits.one_error(BaseExceptionGroup("o", [ValueError("other"), ours])) is ours
    assert isinstance(exits.one_error(group), ValueError)


def test_an_error_is_one_line_without_secrets_and_control_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands in a message, it comes out as one line, and no secret of the environment is in it."""
    monkeypatch.setenv("XOXO_CLIENT_SECRET", "hush-hush")
    error = errors.ServerError("failed:\n<html>\x1b[31mhush-hush\x07</html>")
    said = exits.say_error(error)
    assert "hush-hush" not in said
    assert said.isprintable()
    assert len(said.splitlines()) == 1


def test_a_command_is_quoted_for_the_shell() -> None:
    """A ledger with a blank in its name comes back from the printed command as it was."""
    assert shlex.split(exits.command("bulk", "resume", "--ledger", "my march.db"))[-1] == "my march.db"
