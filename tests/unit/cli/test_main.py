"""`main`: whatever ends a command becomes a line, an exit code and, where it is safe, the command to run again."""

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


class Told(NamedTuple):
    """What a command that ended so has said."""

    code: int
    err: str
    facts: dict[str, Any]

    @property
    def again(self) -> bool:
        """Whether the same command was named to go on with, on both streams alike."""
        said = "continue with: " in self.err
        assert said is bool(self.facts.get("continue_with"))
        return said


class Teller:
    """Ends a command in any way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch = monkeypatch
        self.capsys = capsys

    def end(self, line: str, error: BaseException) -> Told:
        def fail(**_given: Any) -> None:
            raise error

        group, name = line.split()[:2]
        self.monkeypatch.setattr(command_of(group, name), "callback", fail)
        code = run([*line.split(), "--json"])
        said = self.capsys.readouterr()
        return Told(code, said.err, json.loads(said.out))


def command_of(group: str, name: str) -> click.Command:
    found = xoxo.commands[group]
    assert isinstance(found, click.Group)
    return found.commands[name]


@pytest.fixture
def teller(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Teller:
    return Teller(monkeypatch, capsys)


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
def test_a_command_is_named_again_only_where_that_is_safe_and_may_help(
    teller: Teller, line: str, error: Exception, code: int, again: bool
) -> None:
    """Never what moves money without a key; and no refusal, which stays one."""
    told = teller.end(line, error)
    assert (told.code, told.facts["exit_code"], told.again) == (code, code, again)


@pytest.mark.parametrize("error", [errors.OutcomeUnknownError("x"), errors.DecodeError("x"), KeyError("x")])
def test_doubt_without_a_key_leads_to_the_dashboard(teller: Teller, error: Exception) -> None:
    """Where an answer may have been lost, nobody but the vendor knows."""
    assert "look in the vendor's dashboard" in teller.end(SEND, error).err
    assert "dashboard" not in teller.end(PLACE, error).err


def test_what_certainly_did_not_happen_leads_nowhere(teller: Teller) -> None:
    """A connection that was refused moved no points."""
    assert "dashboard" not in teller.end(SEND, errors.ConnectError("x")).err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort(), BaseExceptionGroup("g", [KeyboardInterrupt()])])
def test_an_interrupted_command_is_130_and_named_again_if_it_has_a_key(teller: Teller, error: BaseException) -> None:
    """However deep the interrupt was; without a key the dashboard is named instead."""
    told = teller.end(PLACE, error)
    assert (told.code, told.again) == (130, True)
    assert shlex.split(told.facts["continue_with"])[-9:] == [*PLACE.split(), "--json"]
    told = teller.end(SEND, error)
    assert (told.code, told.again) == (130, False)
    assert "dashboard" in told.err


def test_an_error_of_a_task_group_is_told_as_itself(teller: Teller) -> None:
    """Nobody wants to read about groups."""
    told = teller.end(READ, ExceptionGroup("g", [errors.NotFoundError("no such order")]))
    assert (told.code, told.facts["error"], told.facts["kind"]) == (3, "no such order", "NotFoundError")


def test_a_fault_of_ours_shows_its_kind_and_not_its_text(teller: Teller) -> None:
    """The text may hold anything."""
    told = teller.end(READ, ValueError("HUNTER-2"))
    assert "internal fault, ValueError" in told.err
    assert "HUNTER-2" not in told.err + str(told.facts)


def test_wrong_usage_is_2_with_where_to_look(capsys: pytest.CaptureFixture[str]) -> None:
    """And an object where JSON was asked for."""
    assert run(["order", "get", "--no-such-flag", "--json"]) == 2
    said = capsys.readouterr()
    assert "try: xoxo order get --help" in said.err
    assert json.loads(said.out)["exit_code"] == 2


def test_a_bulk_command_of_wrong_usage_still_tells_its_counts(capsys: pytest.CaptureFixture[str]) -> None:
    """All of them 0, for a script that looks."""
    assert run(["bulk", "run", "o.csv", "--ledger", "m.db", "--job", "j", "--concurrency", "0", "--json"]) == 2
    facts = json.loads(capsys.readouterr().out)
    assert (facts["job"], facts["ledger"], facts["rows"], facts["not_sent"]) == ("j", "m.db", 0, 0)


def test_a_reader_that_went_away_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """`xoxo catalog vouchers | head` is done."""

    def fail(**_given: Any) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(command_of("catalog", "vouchers"), "callback", fail)
    assert run(["catalog", "vouchers"]) == 0
