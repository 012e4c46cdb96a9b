"""How single commands end after an error: which may run again, and which results must not be lost."""

import csv
import json
import shlex
import signal
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.cli.in_process import Command, runner
from xoxo_async.sandbox import Sandbox

SEND = ("points", "send", "--sender", "admin@example.com", "--to", "a@example.com", "--name", "A", "--amount", "5")
CANCEL = ("points", "cancel", "987654")
GENERATE = ("links", "generate", "--campaign-id", "7001", "--quantity", "3", "--expires-on", "2099-01-01")
MAIL = ("links", "send", "--campaign-id", "7001", "--email", "a@example.com", "--expires-on", "2099-01-01")
PLACE = ("order", "place", "--product-id", "1001", "--denomination", "500", "--po-number", "INV-1")


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Restore the signal handlers that a command replaces."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return the command, which runs in this process and in an empty folder."""
    return runner(tmp_path, monkeypatch, capsys)


@pytest.fixture
def sandbox(command: Command, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Run a sandbox, and set the environment to its address."""
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
def test_doubt_about_an_unkeyed_call_repeats_nothing(command: Command, sandbox: Sandbox, operation: str) -> None:
    """A lost answer is exit 4 and names the dashboard, and no command is printed that sends again."""
    sandbox.script("commit_then_reset", operation=operation, first=2)
    for flags in ((), ("--json",)):
        ended = command(*UNKEYED[operation], *flags)
        assert ended.code == 4, ended.err
        assert "dashboard" in ended.err
        assert "continue with" not in ended.err
        assert " ".join(UNKEYED[operation][:2]) not in ended.err
    assert ended.facts["exit_code"] == 4
    assert ended.facts["continue_with"] == ""
    assert not Path("links.txt").exists()


def test_a_refused_unkeyed_call_prints_no_command(command: Command, sandbox: Sandbox) -> None:
    """A clear refusal is exit 3, without a command that sends again."""
    ended = command("points", "cancel", "1", "--json")
    assert ended.code == 3, ended.err
    assert "continue with" not in ended.err


def test_an_order_in_doubt_may_repeat_itself(command: Command, sandbox: Sandbox) -> None:
    """The same command is printed with its poNumber, and it buys nothing twice."""
    sandbox.script("commit_then_reset", first=1)
    sandbox.script("not_json", operation="getOrderDetails")
    ended = command(*PLACE, "--json")
    assert ended.code == 4, ended.err
    again = shlex.split(ended.facts["continue_with"])
    assert again[again.index("--po-number") + 1] == "INV-1"
    sandbox.faults.rules.clear()
    assert command(*again[again.index("order") :]).code == 0
    assert sandbox.books().orders == 1


def test_a_file_is_never_overwritten_with_links(command: Command, sandbox: Sandbox) -> None:
    """If the file for the links exists or cannot be made, it is exit 2 before any link is made."""
    Path("links.txt").write_text("older links")
    for path in ("links.txt", ".", "no/such/folder.txt"):
        ended = command(*GENERATE, "--out", path)
        assert ended.code == 2, ended.err
        assert "nothing was sent" in ended.err
    assert Path("links.txt").read_text() == "older links"
    assert not sandbox.books().requests.get("generateLink")


def test_links_are_kept_privately(command: Command, sandbox: Sandbox) -> None:
    """Links go to a new private file, and are printed only if a flag asks for that."""
    ended = command(*GENERATE, "--out", "links.txt", "--json")
    assert ended.code == 0, ended.err
    made = Path("links.txt").read_text().splitlines()
    assert len(made) == 3
    assert not any(link in ended.out + ended.err for link in made)
    assert stat.S_IMODE(Path("links.txt").stat().st_mode) == 0o600


def test_links_that_cannot_be_written_are_shown(
    command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Links that were made and cannot be written are printed, and never called unsent."""

    def full(*_arguments: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("xoxo_async.private_files.os.write", full)
    ended = command(*GENERATE, "--out", "links.txt")
    monkeypatch.undo()
    assert ended.code == 4, ended.err
    assert sorted(ended.out.split()) == sorted(sandbox.state.links.all())
    assert "No space left on device" in ended.err
    assert "cash" in ended.err
    assert "nothing was sent" not in ended.err


@pytest.mark.parametrize("number", ["1_0", "\uff11\uff10", "\u0661\u0660"])
def test_numbers_are_plain_digits(command: Command, number: str) -> None:
    """Underscores and digits of other scripts are exit 2 in every number."""
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


def test_a_closed_standard_input_is_reported(
    command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run from a closed standard input is exit 2 with one line."""
    monkeypatch.setattr("sys.stdin", None)
    ended = command("bulk", "run", "-", "--ledger", "l.db")
    assert ended.code == 2
    assert ended.err.splitlines() == ["error: standard input: cannot be read (it is closed)"]


# Runs.

TOP_UP = json.dumps(
    {
        "key": "A",
        "product_id": 1024,
        "denomination": 199,
        "details": {"phone_code": "+91", "phone_number": "9876543210"},
    }
)
KEYS = {"rows", "issued", "pending", "rejected", "unknown", "not_sent", "job", "ledger", "elapsed_s"}
HEADER = "key,product_id,denomination"


def orders(*rows: str, name: str = "orders.csv") -> str:
    """Write an orders file."""
    Path(name).write_text("\n".join([HEADER, *rows]) + "\n")
    return name


def files() -> set[str]:
    """Return the names of the files in the folder."""
    return {path.name for path in Path().iterdir()}


def deliver(books: Path) -> None:
    """Make a sandbox deliver its pending orders."""
    with closing(sqlite3.connect(books)) as db, db:
        for number, body in db.execute("SELECT id, body FROM entry WHERE kind = 'order'").fetchall():
            order = json.dumps(json.loads(body) | {"due_at": 0.0}).encode()
            db.execute("UPDATE entry SET body = ? WHERE id = ?", (order, number))


def test_running_again_collects_what_was_pending(command: Command) -> None:
    """At exit 0 the command that collects late codes is printed. It and a second run fetch them."""
    orders("A,1010,500", "B,1001,500")
    run_it = ("bulk", "run", "orders.csv", "--ledger", "l.db", "--sandbox")
    first = command(*run_it, "--json")
    assert (first.code, first.facts["pending"]) == (0, 1), first.err
    collect = first.facts["continue_with"]
    assert "bulk reconcile --ledger l.db --sandbox" in collect
    assert f"collect them with: {collect}" in first.err
    exported = command("bulk", "export", "--ledger", "l.db", "--out", "codes.csv")
    assert "1 order waits for its codes" in exported.err
    assert "bulk reconcile --ledger l.db --sandbox" in exported.err
    status = command("bulk", "status", "--ledger", "l.db", "--json")
    assert "bulk reconcile" in status.facts["continue_with"]
    deliver(Path("l.db.sandbox"))
    second = command(*run_it, "--json")
    assert (second.code, second.facts["pending"], second.facts["issued"]) == (0, 0, 2), second.err
    assert second.facts["continue_with"] == ""


@pytest.mark.parametrize("ledger", ["", ".", "no/folder/l.db", "file/l.db", "folder"])
@pytest.mark.parametrize("where", [[], ["--sandbox"]])
def test_an_unusable_ledger_path_is_wrong_usage(
    command: Command, sandbox: Sandbox, ledger: str, where: list[str]
) -> None:
    """A ledger at an unusable path is exit 2 with one clear line, also with the books of the sandbox beside it."""
    orders("A,1001,500")
    Path("file").touch()
    Path("folder").mkdir()
    ended = command("bulk", "run", "orders.csv", "--ledger", ledger, *where, "--json")
    assert ended.code == 2, ended.err
    assert ended.err.startswith("error: ")
    assert "internal fault" not in ended.err
    assert ended.facts.keys() >= KEYS
    assert files() == {"orders.csv", "file", "folder"}


def test_unusable_books_are_wrong_usage(command: Command) -> None:
    """Books of a sandbox at an unusable path are exit 2."""
    Path("text").write_text("no database " * 99)
    for path in ("no/folder/books", "text", ""):
        ended = command("sandbox", "--port", "0", "--books", path)
        assert ended.code == 2, ended.err
        assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize("where", [[], ["--sandbox"]])
def test_a_refused_run_leaves_nothing_behind(command: Command, sandbox: Sandbox, where: list[str]) -> None:
    """A run of bad rows leaves no ledger, no lock and no sandbox, and neither does a status of a missing ledger."""
    orders("A,1001,333")
    assert command("bulk", "run", "orders.csv", "--ledger", "l.db", *where).code == 2
    assert files() == {"orders.csv"}
    for action in (["status"], ["resume"], ["reconcile"], ["export", "--out", "c.csv"]):
        ended = command("bulk", *action, "--ledger", "l.db", "--json")
        assert ended.code == 2
        assert "no ledger at l.db" in ended.err
    assert files() == {"orders.csv"}


def test_a_ledger_with_rows_has_a_server(command: Command, sandbox: Sandbox) -> None:
    """An empty ledger has no server. A server on this machine is not the sandbox, but may change its port."""
    orders("A,1001,333", name="bad.csv")
    orders("A,1001,500")
    run_it = ("bulk", "run", "orders.csv", "--ledger")
    assert command("bulk", "run", "bad.csv", "--ledger", "l.db", "--sandbox").code == 2
    assert command(*run_it, "l.db").code == 0
    refused = command(*run_it, "l.db", "--sandbox")
    assert (refused.code, sandbox.books().orders) == (2, 1), refused.err
    assert "begun against http://localhost" in refused.err
    assert command(*run_it, "l.db", "--base-url", sandbox.base_url.replace("127.0.0.1", "localhost")).code == 0
    assert command(*run_it, "s.db", "--sandbox").code == 0
    refused = command(*run_it, "s.db")
    assert refused.code == 2
    assert "begun against sandbox" in refused.err


def test_json_always_has_the_same_keys(command: Command) -> None:
    """The JSON of a command on a ledger has the counts, the job, the ledger and the time, also after an error."""
    orders("A,1001,500")
    orders("A,1001,333", name="bad.csv")
    endings = [
        (2, ("run", "bad.csv", "--ledger", "l.db")),
        (2, ("run", "nowhere.csv", "--ledger", "l.db", "--job", "march")),
        (2, ("run", "orders.csv", "--ledger", "l.db", "--rate", "fast")),
        (2, ("run", "orders.csv", "--ledger=l.db", "--client-id")),
        (2, ("status", "--ledger", "l.db")),
        (2, ("resume", "--ledger", "l.db")),
        (2, ("plan", "bad.csv")),
        (0, ("plan", "orders.csv")),
        (0, ("run", "orders.csv", "--ledger", "l.db")),
        (0, ("run", "orders.csv", "--ledger", "l.db")),
        (2, ("run", "bad.csv", "--ledger", "l.db")),
        (2, ("resume", "--ledger", "l.db", "--job", "april")),
        (0, ("reconcile", "--ledger", "l.db")),
        (0, ("status", "--ledger", "l.db")),
    ]
    for code, arguments in endings:
        ended = command("bulk", *arguments, *([] if "status" in arguments else ["--sandbox"]), "--json")
        assert ended.code == code, (arguments, ended.err)
        told = ended.facts
        assert told.keys() >= KEYS, arguments
        assert told["rows"] == sum(told[name] for name in ("issued", "pending", "rejected", "unknown", "not_sent"))
        assert told["ledger"] == ("" if arguments[0] == "plan" else "l.db")


def test_the_command_after_a_refusal_helps(command: Command) -> None:
    """After rejected rows the command shows which and why. After rows that were left out it is the run itself."""
    orders("A,1001,500", "B,1001,333")
    left_out = command("bulk", "run", "orders.csv", "--ledger", "l.db", "--skip-invalid", "--sandbox")
    assert left_out.code == 3
    assert "1 bad row," in left_out.out
    assert "job l · 1 row · " in left_out.out
    again = shlex.split(left_out.err.split("continue with: ")[1])
    orders("A,1001,500", "B,1001,250")
    assert command(*again[again.index("bulk") :]).code == 0
    assert command("bulk", "status", "--ledger", "l.db", "--json").facts["issued"] == 2


def test_an_export_replaces_an_export_and_nothing_else(command: Command) -> None:
    """An export replaces an older export of the same name. Any other file stays, with exit 2."""
    orders("A,1001,500")
    command("bulk", "run", "orders.csv", "--ledger", "l.db", "--sandbox")
    export = ("bulk", "export", "--ledger", "l.db", "--out")
    for name in ("codes.csv", "codes.jsonl"):
        assert command(*export, name).code == 0
        assert command(*export, name, "--reveal").code == 0
        assert "SBX-" in Path(name).read_text()
    before = Path("orders.csv").read_text()
    ended = command(*export, "orders.csv")
    assert ended.code == 2
    assert "not overwritten" in ended.err
    assert Path("orders.csv").read_text() == before


@pytest.mark.parametrize("reveal", [[], ["--reveal"]])
def test_an_export_counts_late_codes(command: Command, reveal: list[str]) -> None:
    """They are missing with and without --reveal, their row is named, and exit 3 becomes 0 later."""
    orders("A,1010,500", "B,1001,500")
    run_it = ("bulk", "run", "orders.csv", "--ledger", "l.db", "--sandbox")
    assert command(*run_it).code == 0
    export = ("bulk", "export", "--ledger", "l.db", "--out", "codes.csv", "--sandbox", *reveal, "--json")
    lacking = command(*export)
    assert (lacking.code, lacking.facts["exit_code"]) == (3, 3), lacking.err
    assert (lacking.facts["rows"], lacking.facts["codes"], lacking.facts["missing"]) == (2, 1, 1)
    assert lacking.facts["missing_rows"] == [{"key": "A", "why": "its codes are still to be delivered"}]
    assert "A: its codes are still to be delivered" in lacking.err
    assert "bulk reconcile" in lacking.facts["continue_with"]
    deliver(Path("l.db.sandbox"))
    assert command(*run_it).code == 0
    whole = command(*export)
    assert (whole.code, whole.facts["codes"], whole.facts["missing"], whole.facts["missing_rows"]) == (0, 2, 0, [])


def test_an_export_counts_codes_not_kept(command: Command) -> None:
    """Without --reveal they are missing. With it they are fetched, and those that the vendor lacks are named."""
    orders("A,1001,500", "B,1001,500", "C,1001,500")
    assert command("bulk", "run", "orders.csv", "--ledger", "l.db", "--sandbox", "--no-codes").code == 0
    export = ("bulk", "export", "--ledger", "l.db", "--sandbox", "--out", "codes.csv", "--json")
    masked = command(*export)
    assert (masked.code, masked.facts["codes"], masked.facts["missing"]) == (3, 0, 3), masked.err
    assert "A: this ledger keeps no codes, and --reveal fetches them" in masked.err
    whole = command(*export, "--reveal")
    assert (whole.code, whole.facts["codes"], whole.facts["missing"], whole.facts["fetched"]) == (0, 3, 0, 3), whole.err
    with closing(sqlite3.connect("l.db.sandbox")) as db, db:
        ids = [number for (number,) in db.execute("SELECT id FROM entry WHERE kind = 'order' ORDER BY id")]
        db.execute("DELETE FROM entry WHERE id = ?", ids[:1])
        no_codes = "CAST(json_set(CAST(body AS TEXT), '$.codes', json_array()) AS BLOB)"
        db.execute(f"UPDATE entry SET body = {no_codes} WHERE id = ?", ids[1:2])  # noqa: S608 - our own words
    lacking = command(*export, "--reveal")
    assert (lacking.code, lacking.facts["codes"], lacking.facts["missing"]) == (3, 1, 2), lacking.err
    whys = sorted(row["why"].rstrip("0123456789") for row in lacking.facts["missing_rows"])
    assert whys == ["the vendor does not find order ", "the vendor gave 0 of 1 codes"]


def test_an_export_counts_rows_without_a_known_order(command: Command, sandbox: Sandbox) -> None:
    """A row in doubt may have codes, so it is missing. A row that was not sent is counted apart."""
    orders("A,1001,500", "B,1001,500", "C,1001,500")
    sandbox.script("commit_then_reset", first=1)
    sandbox.script("not_json", operation="getOrderDetails")
    run_it = ("bulk", "run", "orders.csv", "--ledger", "l.db", "--concurrency", "1", "--max-spend", "1000")
    paused = command(*run_it, "--rate", "none", "--settle", "0.1", "--pause-limit", "0.1", "--json")
    assert (paused.facts["issued"], paused.facts["unknown"], paused.facts["not_sent"]) == (1, 1, 1), paused.err
    lacking = command("bulk", "export", "--ledger", "l.db", "--out", "codes.csv", "--json")
    assert lacking.code == 3, lacking.err
    assert (lacking.facts["missing"], lacking.facts["not_sent"], lacking.facts["codes"]) == (1, 1, 1)
    assert "A: it is in doubt" in lacking.err
    assert "bulk resume" in lacking.facts["continue_with"]


def test_codes_that_never_come_are_not_missing(command: Command) -> None:
    """A top-up is delivered without a code."""
    Path("orders.jsonl").write_text(TOP_UP)
    assert command("bulk", "run", "orders.jsonl", "--ledger", "l.db", "--sandbox").code == 0
    for flags in ((), ("--reveal",)):
        ended = command("bulk", "export", "--ledger", "l.db", "--out", "codes.csv", "--sandbox", *flags, "--json")
        assert (ended.code, ended.facts["codes"], ended.facts["missing"]) == (0, 0, 0), ended.err


def test_a_repeated_gift_is_a_warning(command: Command) -> None:
    """Plan and run warn with the rows and the key, without the address, and exit with 0."""
    rows = "".join(f"K{number},1001,500,a@example.com\n" for number in range(30))
    Path("orders.csv").write_text(f"key,product_id,denomination,email\n{rows}")
    warning = "row 3 (key K1): its receiver gets product 1001 for 500 from row 2 too"
    for arguments in (("plan", "orders.csv"), ("run", "orders.csv", "--ledger", "l.db")):
        ended = command("bulk", *arguments, "--sandbox", "--json")
        assert ended.code == 0, ended.err
        assert "warning: look at 29 rows before they are sent" in ended.err
        assert warning in ended.err
        assert "… and 9 more" in ended.err
        assert "a@example.com" not in ended.err
        assert (ended.facts["warnings"][0], len(ended.facts["warnings"])) == (warning, 20)


def test_no_spreadsheet_runs_a_cell_of_an_export(command: Command) -> None:
    """A key or an address that begins like a formula gets an apostrophe in .csv, and .jsonl is exact."""
    Path("orders.csv").write_text(
        'key,product_id,denomination,email\n"=1+cmd|x",1001,500,+1@example.com\n-7,1001,500,\n'
    )
    assert command("bulk", "run", "orders.csv", "--ledger", "l.db", "--sandbox").code == 0
    for name in ("codes.csv", "codes.jsonl"):
        assert command("bulk", "export", "--ledger", "l.db", "--out", name, "--reveal").code == 0
    with Path("codes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    exact = [json.loads(line) for line in Path("codes.jsonl").read_text().splitlines()]
    assert [(row["key"], row["email"]) for row in rows] == [("'=1+cmd|x", "'+1@example.com"), ("'-7", "")]
    assert [(row["key"], row["email"]) for row in exact] == [("=1+cmd|x", "+1@example.com"), ("-7", "")]
    assert [row["code"] for row in rows] == [row["code"] for row in exact]


def test_a_command_that_tries_again_says_so(command: Command, sandbox: Sandbox) -> None:
    """A retry is printed, because a person waits for it."""
    sandbox.script("reset_before_commit", operation="user_balance", first=1)
    ended = command("points", "balance", "--email", "a@example.com")
    assert (ended.code, ended.out) == (0, "0 points\n"), ended.err
    assert "trying again" in ended.err


def test_without_a_command_there_is_help(command: Command) -> None:
    """A group without a command shows its help, and no error."""
    for words in ((), ("bulk",), ("links",)):
        ended = command(*words)
        assert "error:" not in ended.err
        assert "Commands:" in ended.out + ended.err


def test_html_escapes_are_decoded(command: Command, sandbox: Sandbox) -> None:
    """Tables show `&` where the vendor wrote `&amp;`."""
    ended = command("catalog", "filters")
    assert ended.code == 0
    assert "&amp;" not in ended.out
