"""`main`: every end of a command becomes a line and an exit code, and the next command if that is safe."""

import json
import shlex
from typing import Any, NamedTuple

import click
import pytest

from xoxo_async import errors
from xoxo_async.cli.main import run, xoxo

PLACE = "order place --product-id 1 --denomination 5 --po-number A"
SEND = "points send --sender a@x.example --to b@x.example --name B --amount 5"
BULK = "bulk run o.csv --ledger m.db"
READ = "order get --po-number A"


class Output(NamedTuple):
    """The output of a command after a certain end."""

    code: int
    err: str
    facts: dict[str, Any]

    @property
    def again(self) -> bool:
        """Whether both streams name the same command as the next one."""
        said = "continue with: " in self.err
        assert said is bool(self.facts.get("continue_with"))
        return said


class FailingCommands:
    """Ends a command in any way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch = monkeypatch
        self.capsys = capsys

    def end(self, line: str, error: BaseException) -> Output:
        def fail(**_given: Any) -> None:
            raise error

        group, name = line.split()[:2]
        self.monkeypatch.setattr(command_of(group, name), "callback", fail)
        code = run([*line.split(), "--json"])
        said = self.capsys.readouterr()
        return Output(code, said.err, json.loads(said.out))


def command_of(group: str, name: str) -> click.Command:
    found = xoxo.commands[group]
    assert isinstance(found, click.Group)
    return found.commands[name]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> FailingCommands:
    return FailingCommands(monkeypatch, capsys)


@pytest.mark.parametrize(
    ("line", "error", "code", "again"),
    [
        (PLACE, errors.ConfigError("x"), 2, False),
        (PLACE, errors.DenominationError("x"), 3, False),
        (PLACE, errors.OutcomeUnknownError("x"), 4, True),
        (PLACE, errors.ConnectError("x"), 5, True),
        (PLACE, KeyError("x"), 5, True),
        (READ, errors.NotFoundError("x"), 3, False),
        (READ, errors.ConnectError("x"), 5, False),
        (SEND, errors.RefusedError("x"), 3, False),
        (SEND, errors.ConnectError("x"), 5, False),
        (SEND, errors.OutcomeUnknownError("x"), 4, False),
        (SEND, errors.DecodeError("x"), 4, False),
        (SEND, KeyError("x"), 4, False),
        (BULK, errors.PlanError("x"), 2, False),
        (BULK, errors.InsufficientFundsError("x"), 5, True),
        (BULK, errors.ConnectError("x"), 5, True),
    ],
)
def test_a_command_repeats_only_if_safe(
    failing: FailingCommands, line: str, error: Exception, code: int, again: bool
) -> None:
    """A second run is not named if it moves money without a key, nor after a refusal."""
    output = failing.end(line, error)
    assert (output.code, output.facts["exit_code"], output.again) == (code, code, again)


@pytest.mark.parametrize("error", [errors.OutcomeUnknownError("x"), errors.DecodeError("x"), KeyError("x")])
def test_doubt_without_a_key_leads_to_the_dashboard(failing: FailingCommands, error: Exception) -> None:
    """After a lost answer, only the vendor knows the outcome."""
    assert "look in the vendor's dashboard" in failing.end(SEND, error).err
    assert "dashboard" not in failing.end(PLACE, error).err


def test_a_call_without_effect_names_no_dashboard(failing: FailingCommands) -> None:
    """A refused connection has moved no points."""
    assert "dashboard" not in failing.end(SEND, errors.ConnectError("x")).err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort(), BaseExceptionGroup("g", [KeyboardInterrupt()])])
def test_an_interrupted_keyed_command_may_repeat(failing: FailingCommands, error: BaseException) -> None:
    """That is exit 130, in any nesting. Without a key the dashboard is named instead."""
    output = failing.end(PLACE, error)
    assert (output.code, output.again) == (130, True)
    assert shlex.split(output.facts["continue_with"])[-9:] == [*PLACE.split(), "--json"]
    output = failing.end(SEND, error)
    assert (output.code, output.again) == (130, False)
    assert "dashboard" in output.err


def test_a_group_shows_its_error(failing: FailingCommands) -> None:
    """A person reads the error, not the task group around it."""
    output = failing.end(READ, ExceptionGroup("g", [errors.NotFoundError("no such order")]))
    assert (output.code, output.facts["error"], output.facts["kind"]) == (3, "no such order", "NotFoundError")


def test_a_bug_shows_only_its_class(failing: FailingCommands) -> None:
    """The text may contain a secret."""
    output = failing.end(READ, ValueError("HUNTER-2"))
    assert "internal fault, ValueError" in output.err
    assert "HUNTER-2" not in output.err + str(output.facts)


def test_wrong_usage_is_2_with_where_to_look(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json it is an object, too."""
    assert run(["order", "get", "--no-such-flag", "--json"]) == 2
    said = capsys.readouterr()
    assert "try: xoxo order get --help" in said.err
    assert json.loads(said.out)["exit_code"] == 2


def test_wrong_usage_has_bulk_counts(capsys: pytest.CaptureFixture[str]) -> None:
    """All counts are 0, so that a script finds its keys."""
    assert run(["bulk", "run", "o.csv", "--ledger", "m.db", "--job", "j", "--concurrency", "0", "--json"]) == 2
    facts = json.loads(capsys.readouterr().out)
    assert (facts["job"], facts["ledger"], facts["rows"], facts["not_sent"]) == ("j", "m.db", 0, 0)


def test_a_reader_that_went_away_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """`xoxo catalog vouchers | head` succeeds."""

    def fail(**_given: Any) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(command_of("catalog", "vouchers"), "callback", fail)
    assert run(["catalog", "vouchers"]) == 0
