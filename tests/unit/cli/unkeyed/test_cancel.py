"""`cancel`: points are taken back by the rows of a ledger, each accounted for."""

import os
import shlex
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.accounts import forget_accounts
from tests.unit.cli.in_process import Command
from xoxo_async.cli.exits import DeclinedError
from xoxo_async.sandbox import Sandbox
from xoxo_async.services.points import PointService

PEOPLE = "key,email,name,amount\n" + "".join(f"E-{n},p{n}@example.com,P,{100 * n}\n" for n in range(1, 5))
LEDGER = ("--ledger", "p.db")
CANCEL = ("points", "cancel", *LEDGER, "--reason", "wrong list")


def send(command: Command, more: str = "", *, code: int = 0) -> None:
    """Send points to everybody, and to more people: those who have them already get no others."""
    Path("people.csv").write_text(PEOPLE + more)
    sent = command("points", "send", "--file", "people.csv", *LEDGER, "--sender", "a@example.com", "--rate", "none")
    assert sent.code == code, sent.err


@pytest.fixture(autouse=True)
def _sent(command: Command, sandbox: Sandbox) -> None:
    """Everybody has points: 1,000 in all."""
    send(command)


def test_rows_are_cancelled_once(command: Command, sandbox: Sandbox) -> None:
    """Some by their keys, then the rest; a second run asks for nothing."""
    first = command(*CANCEL, "E-1", "E-3")
    assert (first.code, first.out.splitlines()[0]) == (0, "2 rows: 400 points cancelled")
    rest = command(*CANCEL, "--all", "--json")
    assert (rest.code, rest.facts["cancelled"], rest.facts["points"]) == (0, 4, 1000)
    assert command(*CANCEL, "--all").code == 0
    assert sandbox.books().points_given == 0
    assert [credit.cancels for credit in sandbox.books().credits] == [1, 1, 1, 1]


def test_a_lost_cancellation_waits_for_a_person(command: Command, sandbox: Sandbox) -> None:
    """Its row is not asked for again; a person records what the dashboard shows."""
    sandbox.script("commit_then_reset", operation="cancelBalance", nth=2)
    ended = command(*CANCEL, "--all")
    assert ended.code == 4
    assert "look for each credit in the vendor's dashboard" in ended.err
    assert "xoxo points cancel --ledger p.db --found cancelled --reason seen E-2\n" in ended.err
    assert command(*CANCEL, "--all", "--json").facts["unknown"] == 1
    assert [credit.cancels for credit in sandbox.books().credits] == [1, 1, 1, 1]
    for line in (("bulk", "status", *LEDGER), ("points", "send", *LEDGER)):  # neither can do anything about it
        assert "continue with: xoxo points send" not in command(*line).err
    resume = command("points", "send", *LEDGER, "--json")
    assert (resume.code, resume.facts["continue_with"]) == (4, "xoxo bulk status --ledger p.db")
    status = command("bulk", "status", *LEDGER)
    assert "The cancellation of 1 row is in doubt. Look for the credit in the vendor's dashboard first" in status.out
    assert "it is gone: xoxo points cancel --ledger p.db --found cancelled --reason seen E-2" in status.out
    (problem,) = command("bulk", "status", *LEDGER, "--json").facts["problems"]
    assert (problem["key"], list(problem["resolve"])) == ("E-2", ["cancelled", "kept"])
    found = command(*CANCEL, "E-2", "--found", "cancelled", "--json")
    assert (found.code, found.facts["settled"], found.facts["state"]) == (0, 1, "cancelled")
    assert command(*CANCEL, "--all").code == 0


def test_named_rows_are_continued_by_name(command: Command, sandbox: Sandbox) -> None:
    """The command that continues must not take points from everybody."""
    sandbox.script("throttle", operation="cancelBalance", first=100, seconds=600)
    ended = command(*CANCEL, "E-1", "E-3")
    assert ended.code == 5, ended.err
    (follow,) = [line for line in ended.err.splitlines() if line.startswith("continue with: ")]
    assert follow.endswith("E-1 E-3")
    assert "--all" not in follow
    assert "--all" in command(*CANCEL, "--all").err


def test_many_rows_in_doubt_are_listed(command: Command, sandbox: Sandbox) -> None:
    """The ledger's name looks like an address, and the printed command works as it stands."""
    send(command, "".join(f"F-{n},q{n}@example.com,P,1\n" for n in range(30)))
    Path("p.db").rename("host=a port=1.db")
    sandbox.script("commit_then_reset", operation="cancelBalance", first=1)
    flags = ("--reason", "wrong list", "--batch", "100", "--all")
    ended = command("points", "cancel", "--ledger", "./host=a port=1.db", *flags)
    words = shlex.split(ended.err.partition("are listed by: ")[2].splitlines()[0])
    command(*words[words.index("bulk") :])
    assert len(Path("host=a port=1-problems.csv").read_text().splitlines()) == 1 + 34


def test_the_next_command_keeps_what_was_given(command: Command, sandbox: Sandbox) -> None:
    """The batch, the consent, the form of the result and the reason; it stands in the first line too, and it works."""
    sandbox.script("throttle", operation="cancelBalance", first=1, seconds=600)
    ended = command(*CANCEL, "--all", "--batch", "3", "--yes", "--json")
    wanted = "xoxo points cancel --ledger p.db --reason 'wrong list' --batch 3 --yes --json --all"
    assert (ended.code, ended.facts["exit_code"], ended.facts["continue_with"]) == (5, 5, wanted)
    assert f"continue with: {wanted}" in ended.err
    assert f"Progress is saved in p.db. If interrupted, run: {wanted}" in ended.err
    forget_accounts()  # the penalty is over
    again = command(*shlex.split(wanted)[1:])
    assert (again.code, again.facts["cancelled"], again.facts["continue_with"]) == (0, 4, "")
    assert sandbox.books().requests["cancelBalance"] == 3
    assert "If interrupted" not in command(*shlex.split(wanted)[1:]).err


def test_a_key_may_look_like_a_flag(command: Command, sandbox: Sandbox) -> None:
    """The printed command still names the row."""
    send(command, "--all,p5@example.com,P,500\n")
    sandbox.script("throttle", operation="cancelBalance", first=1, seconds=600)
    ended = command(*CANCEL, "--json", "--", "--all")
    assert ended.facts["continue_with"].endswith("--json -- --all")
    forget_accounts()  # the penalty is over
    assert command(*shlex.split(ended.facts["continue_with"])[1:]).facts["cancelled"] == 1
    assert sandbox.books().points_given == 1000


def test_a_person_is_asked_about_the_sum(command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only rows that are asked for now count, and a no leaves them as they were."""
    assert command(*CANCEL, "E-4").code == 0
    asked: list[str] = []

    async def no(_connection: object, what: str) -> None:
        asked.append(what)
        raise DeclinedError("declined, nothing was sent")

    monkeypatch.setattr("xoxo_async.cli.unkeyed.cancel.is_real_money", lambda _connection: True)
    monkeypatch.setattr("xoxo_async.cli.unkeyed.cancel.need_a_person", lambda *_: None)
    monkeypatch.setattr("xoxo_async.cli.unkeyed.cancel.agree", no)
    assert command(*CANCEL, "--all").code == 2
    assert asked == ["take 600 points back from 3 rows"]
    assert command(*CANCEL, "E-4").code == 0  # nothing is left to ask
    assert len(asked) == 1
    assert sandbox.books().requests["cancelBalance"] == 1


@pytest.mark.parametrize("asked", [("--all",), ("E-1", "E-2", "E-3", "E-4")])
def test_a_signal_ends_it_after_the_call(
    command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, asked: tuple[str, ...]
) -> None:
    """No row is left in doubt by Ctrl-C."""
    cancel = PointService.cancel

    async def interrupted(self: PointService, unique_ids: Sequence[int]) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        await anyio.sleep(0.05)  # the signal is heard while the call is under way
        return await cancel(self, unique_ids)

    monkeypatch.setattr(PointService, "cancel", interrupted)
    ended = command(*CANCEL, *asked, "--json")
    assert (ended.code, "Stopping: the call under way is the last one" in ended.err) == (130, True)
    assert (ended.facts["cancelled"], ended.facts["not_asked"], ended.facts["unknown"]) == (1, 3, 0)


def test_an_id_from_the_dashboard_is_recorded(command: Command, sandbox: Sandbox) -> None:
    """Points whose answer named no id can be cancelled then; a wrong id is corrected, and neither is an alarm."""
    sandbox.script("bare_answer", operation="sendBalance", email="p5@example.com")
    send(command, "E-5,p5@example.com,P,500\n")
    refused = command(*CANCEL, "E-5")
    assert (refused.code, "record it by `xoxo bulk resolve --ledger p.db --placed ID E-5`" in refused.out) == (3, True)
    (credit,) = [one for one in sandbox.books().credits if one.email == "p5@example.com"]
    for unique_id in (77, credit.unique_id):
        assert command("bulk", "resolve", *LEDGER, "E-5", "--placed", str(unique_id)).code == 0
    status = command("bulk", "status", *LEDGER, "--json")
    assert (status.code, status.facts["alarms_total"], status.facts["charged"]) == (0, 0, {"points": 1500})
    assert command(*CANCEL, "E-5").code == 0
    assert sandbox.books().points_given == 1000


def test_a_corrected_id_hides_no_doubt(command: Command, sandbox: Sandbox) -> None:
    """Whether the credit with the wrong id is gone stays in `status`, until a person has said it."""
    sandbox.script("bare_answer", operation="sendBalance", email="p5@example.com")
    send(command, "E-5,p5@example.com,P,500\n")
    (credit,) = [one for one in sandbox.books().credits if one.email == "p5@example.com"]
    assert command("bulk", "resolve", *LEDGER, "E-5", "--placed", "77").code == 0
    sandbox.script("commit_then_reset", operation="cancelBalance", first=1)
    assert command(*CANCEL, "E-5").code == 4
    correct = ("bulk", "resolve", *LEDGER, "E-5", "--placed", str(credit.unique_id))
    refused = command(*correct)
    assert (refused.code, "the cancellation of E-5 (unique id 77) is in doubt" in refused.err) == (2, True)
    (problem,) = command("bulk", "status", *LEDGER, "--json").facts["problems"]
    assert (problem["key"], problem["order_id"], problem["state"]) == ("E-5", 77, "placed")
    assert command(*CANCEL, "E-5", "--found", "kept").code == 0
    assert command(*correct).code == 0
    assert command(*CANCEL, "E-5").code == 0
    assert sandbox.books().points_given == 1000


def test_all_names_the_rows_that_may_have_points(command: Command, sandbox: Sandbox) -> None:
    """A lost answer to the send: the row has no id, so no call takes its points back."""
    sandbox.script("commit_then_reset", operation="sendBalance", email="p5@example.com")
    send(command, "E-5,p5@example.com,P,500\n", code=4)
    ended = command(*CANCEL, "--all", "--json")
    assert (ended.code, ended.facts["cancelled"], ended.facts["in_doubt"]) == (4, 4, 1)
    assert "1 row of this ledger may have points, and nobody knows; see them by: xoxo bulk status" in ended.err


def test_a_refused_row_is_named(command: Command, sandbox: Sandbox) -> None:
    """The vendor's words stand beside its key, and the exit code is 3."""
    (credit,) = [one for one in sandbox.books().credits if one.email == "p2@example.com"]
    assert command("points", "cancel", str(credit.unique_id)).code == 0  # behind the ledger's back
    ended = command(*CANCEL, "--all")
    assert ended.code == 3
    (row,) = [line for line in ended.out.splitlines() if line.startswith("E-2")]
    assert row.split("\t")[2:] == ["refused", "No such credit"]


@pytest.mark.parametrize(("arguments", "error"), [
    (("points", "cancel"), "give the unique ids that `send` printed, or --ledger"),
    (("points", "cancel", "--all"), "--all needs --ledger"),
    (("points", "cancel", "E-1"), "'E-1' is not a whole number"),
    (("points", "cancel", *LEDGER, "--reason", "x"), "give the KEY of each row, or --all"),
    (("points", "cancel", *LEDGER, "E-1", "--all", "--reason", "x"), "give the KEY of each row, or --all"),
    (("points", "cancel", *LEDGER, "E-1"), "--ledger needs --reason"),
    (("points", "cancel", *LEDGER, "--all", "--found", "kept", "--reason", "x"), "--found needs the KEY of each row"),
    (("points", "cancel", *LEDGER, "E-9", "--reason", "x"), "p.db has sent no points for E-9 (no such row); nothing"),
    (("points", "cancel", *LEDGER, "E-1", "--found", "kept", "--reason", "x"), "no cancellation of E-1 is in doubt"),
])  # fmt: skip
def test_wrong_usage_cancels_nothing(
    command: Command, sandbox: Sandbox, arguments: tuple[str, ...], error: str
) -> None:
    """One clear line, and nobody loses points."""
    ended = command(*arguments)
    assert (ended.code, error in ended.err) == (2, True), ended.err
    assert sandbox.books().points_given == 1000
