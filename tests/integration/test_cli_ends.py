"""How single commands end when something goes wrong: what may be run again, and what must not be lost."""

import json
import shlex
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from xoxo_async.cli.main import run
from xoxo_async.sandbox import Sandbox

SEND = ("points", "send", "--sender", "admin@example.com", "--to", "a@example.com", "--name", "A", "--amount", "5")
CANCEL = ("points", "cancel", "987654")
GENERATE = ("links", "generate", "--campaign-id", "7001", "--quantity", "3", "--expires-on", "2099-01-01")
MAIL = ("links", "send", "--campaign-id", "7001", "--email", "a@example.com", "--expires-on", "2099-01-01")
PLACE = ("order", "place", "--product-id", "1001", "--denomination", "500", "--po-number", "INV-1")


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> dict[str, Any]:
        """The object on the last line of standard output."""
        return json.loads(self.out.splitlines()[-1])


Command = Callable[..., Ended]


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Put back what a command does with signals."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """Return the command itself, run in this process and in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path) -> Ended:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        return Ended(code, *capsys.readouterr())

    return call


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Run a sandbox that the environment leads to."""
    with Sandbox().run_in_thread() as running:
        monkeypatch.setenv("XOXO_BASE_URL", running.base_url)
        monkeypatch.setenv("XOXO_CLIENT_ID", running.client_id)
        monkeypatch.setenv("XOXO_CLIENT_SECRET", running.client_secret)
        yield running


UNKEYED = {
    "sendBalance": SEND,
    "cancelBalance": CANCEL,
    "generateLink": (*GENERATE, "--out", "links.txt"),
    "generateLinkEmail": MAIL,
}


@pytest.mark.parametrize("operation", UNKEYED)
def test_after_doubt_about_a_call_without_a_key_nobody_is_told_to_repeat_it(
    command: Command, sandbox: Sandbox, operation: str
) -> None:
    """A lost answer of a call without a key is exit 4, names the dashboard, and prints no command that sends again."""
    sandbox.script("commit_then_reset", operation=operation, first=2)
    for flags in ((), ("--json",)):
        ended = command(*UNKEYED[operation], *flags)
        assert ended.code == 4, ended.err
        assert "dashboard" in ended.err
        assert "continue with" not in ended.err
        assert " ".join(UNKEYED[operation][:2]) not in ended.err
    assert ended.told["exit_code"] == 4
    assert ended.told["continue_with"] == ""
    assert not Path("links.txt").exists()


def test_a_refused_call_without_a_key_is_not_to_be_run_again(command: Command, sandbox: Sandbox) -> None:
    """A plain refusal is exit 3, without a command that sends again."""
    ended = command("points", "cancel", "1", "--json")
    assert ended.code == 3, ended.err
    assert "continue with" not in ended.err


def test_an_order_may_be_placed_again_under_its_own_number(command: Command, sandbox: Sandbox) -> None:
    """Doubt about an order prints the same command, its poNumber included; what it prints buys nothing twice."""
    sandbox.script("commit_then_reset", first=1)
    sandbox.script("not_json", operation="getOrderDetails")
    ended = command(*PLACE, "--json")
    assert ended.code == 4, ended.err
    again = shlex.split(ended.told["continue_with"])
    assert again[again.index("--po-number") + 1] == "INV-1"
    sandbox.faults.rules.clear()
    assert command(*again[again.index("order") :]).code == 0
    assert sandbox.books().orders == 1


def test_a_file_is_never_overwritten_with_links(command: Command, sandbox: Sandbox) -> None:
    """Where the file for the links is there already, or cannot be made, it is exit 2 before any link is made."""
    Path("links.txt").write_text("older links")
    for path in ("links.txt", ".", "no/such/folder.txt"):
        ended = command(*GENERATE, "--out", path)
        assert ended.code == 2, ended.err
        assert "nothing was sent" in ended.err
    assert Path("links.txt").read_text() == "older links"
    assert not sandbox.books().requests.get("generateLink")


def test_links_are_kept_privately(command: Command, sandbox: Sandbox) -> None:
    """Links go to a new file that nobody else can read, and are shown only where that was asked for."""
    ended = command(*GENERATE, "--out", "links.txt", "--json")
    assert ended.code == 0, ended.err
    made = Path("links.txt").read_text().splitlines()
    assert len(made) == 3
    assert not any(link in ended.out + ended.err for link in made)
    assert stat.S_IMODE(Path("links.txt").stat().st_mode) == 0o600


def test_links_that_cannot_be_written_are_shown(
    command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Links that were made and cannot be kept are shown as a last resort, and never called not sent."""

    def full(*_arguments: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("xoxo_async.cli.files.os.write", full)
    ended = command(*GENERATE, "--out", "links.txt")
    monkeypatch.undo()
    assert ended.code == 4, ended.err
    assert sorted(ended.out.split()) == sorted(url for _, url in sandbox.state.links)
    assert "No space left on device" in ended.err
    assert "cash" in ended.err
    assert "nothing was sent" not in ended.err


@pytest.mark.parametrize("number", ["1_0", "\uff11\uff10", "\u0661\u0660"])
def test_a_number_on_the_command_line_is_plain_digits(command: Command, number: str) -> None:
    """Underscores and digits of other scripts are exit 2 wherever a number is given."""
    for flag, rest in (
        ("--denomination", ("order", "place", "--product-id", "1", "--po-number", "P")),
        ("--quantity", ("order", "place", "--product-id", "1", "--po-number", "P", "--denomination", "5")),
        ("--rate", ("bulk", "plan", "orders.csv")),
        ("--max-spend", ("bulk", "resume", "--ledger", "l.db")),
        ("--concurrency", ("bulk", "resume", "--ledger", "l.db")),
    ):
        ended = command(*rest, flag, number)
        assert ended.code == 2
        assert f"for '{flag}'" in ended.err
    assert command(*CANCEL[:2], number).code == 2


def test_a_closed_standard_input_is_said(command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders from a standard input that is closed are exit 2, in one line."""
    monkeypatch.setattr("sys.stdin", None)
    ended = command("bulk", "run", "-", "--ledger", "l.db")
    assert ended.code == 2
    assert ended.err.splitlines() == ["error: standard input: cannot be read (it is closed)"]
