"""A run sends what a person agreed to: it reads the file once, asks about the ledger, and a no leaves no trace."""

import json
import os
import pty
import sqlite3
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from decimal import Decimal
from pathlib import Path

import pytest

from tests.integration.commands import environment, last_json, reaching, read_all, write_values, xoxo
from tests.integration.jobs import connected, lines
from tests.warm_python import WarmProcess
from xoxo_async.bulk import BulkIssuer, OrderLine, Pause, SqliteLedger
from xoxo_async.bulk.planning.totals import PlanTotals
from xoxo_async.errors import ConfigError, PlanError
from xoxo_async.sandbox import Sandbox
from xoxo_async.sandbox.handlers import HANDLERS, Handler

REAL_MONEY = """
import sys
from xoxo_async.cli import consent
from xoxo_async.cli.bulk import request
from xoxo_async.cli.main import run
consent.is_real_money = request.is_real_money = lambda _connection: True
sys.argv[0] = "xoxo"
sys.exit(run())
"""
"""The command, which takes this machine for the real API, so that it asks before it spends."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Run a sandbox in a thread of its own, and yield it."""
    with Sandbox().run_in_thread() as sandbox:
        yield sandbox


Asked = tuple[WarmProcess, int]


@contextmanager
def at_the_question(sandbox: Sandbox, *arguments: str | Path, cwd: Path) -> Iterator[Asked]:
    """Start a command on a terminal, read up to its question, and yield the process and our end of the terminal."""
    ours, theirs = pty.openpty()
    _keep_what_is_printed(theirs)
    process = WarmProcess(
        ["-c", REAL_MONEY, *arguments],
        cwd=cwd,
        env=environment(**{**reaching(sandbox), "TERM": "xterm", "COLUMNS": "160"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        session=True,  # so that the process receives Ctrl-C and a hang-up
    )
    os.close(theirs)
    try:
        said = read_all(ours, b"[y/N]: ")
        assert b"moves real money" in said, said.decode()
        os.write(2, said)
        yield process, ours
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        with suppress(OSError):
            os.close(ours)


def _keep_what_is_printed(terminal: int) -> None:
    """Turn off what Ctrl-C does to the output: the kernel shows `^C` in the middle of a line, and drops what is unread.

    It sends the signal first and drops afterwards, so it may drop what the process prints about its end.
    """
    settings = termios.tcgetattr(terminal)
    settings[3] = (settings[3] & ~termios.ECHO) | termios.NOFLSH
    termios.tcsetattr(terminal, termios.TCSANOW, settings)


def answered(asked: Asked, answer: bytes) -> tuple[int, str]:
    """Type an answer, and return the exit code and the text after it."""
    process, terminal = asked
    os.write(terminal, answer)
    said = read_all(terminal).decode()
    return process.wait(30), said


def rows_of(ledger: Path) -> list[tuple[str, str]]:
    """Return the key and the state of each line of a ledger."""
    with closing(sqlite3.connect(ledger)) as db:
        return db.execute("SELECT key, state FROM lines ORDER BY seq").fetchall()


# At the question.


def test_a_file_changed_at_the_question_is_ignored(tmp_path: Path, sandbox: Sandbox) -> None:
    """A person agrees to INR 100, and INR 100 are charged, although the file has changed."""
    orders = write_values(tmp_path, ("A", 100))
    with at_the_question(sandbox, "bulk", "run", orders, "--ledger", "l.db", cwd=tmp_path) as asked:
        write_values(tmp_path, ("A", 2000), ("B", 2000))
        code, _ = answered(asked, b"y\n")
    assert code == 0
    assert (sandbox.books().orders, sandbox.books().charged) == (1, Decimal(100))


@pytest.mark.parametrize(("answer", "orders"), [(b"n\n", 0), (b"y\n", 1)])
def test_a_row_in_doubt_needs_consent(tmp_path: Path, sandbox: Sandbox, answer: bytes, orders: int) -> None:
    """Nothing is planned, but its look-up may end with an order. After a no it is as before."""
    sandbox.script("reset_before_commit", first=1)
    sandbox.script("html_502", operation="getOrderDetails")
    once = ("--ledger", "l.db", "--settle", "0", "--pause-limit", "0")
    xoxo("bulk", "run", write_values(tmp_path, ("A", 100)), *once, cwd=tmp_path, **reaching(sandbox))
    assert rows_of(tmp_path / "l.db") == [("A", "unknown")]
    sandbox.faults.rules.clear()
    with at_the_question(sandbox, "bulk", "resume", "--ledger", "l.db", "--settle", "0", cwd=tmp_path) as asked:
        answered(asked, answer)
    assert sandbox.books().orders == orders
    assert rows_of(tmp_path / "l.db") == [("A", "placed" if orders else "unknown")]


@pytest.mark.parametrize("known", [False, True], ids=["new ledger", "known ledger"])
@pytest.mark.parametrize("how", ["no", "nothing", "ctrl-c", "ctrl-d", "hang-up"])
def test_a_refusal_leaves_no_trace(tmp_path: Path, sandbox: Sandbox, how: str, known: bool) -> None:
    """There is no order, no row of the new file in the ledger, and no new ledger."""
    if known:
        write_values(tmp_path, ("Z", 100))
        assert xoxo("bulk", "plan", "orders.csv", "--ledger", "l.db", cwd=tmp_path, **reaching(sandbox)).returncode == 0
    orders = write_values(tmp_path, ("Z", 100), ("A", 100))
    with at_the_question(sandbox, "bulk", "run", orders, "--ledger", "l.db", cwd=tmp_path) as asked:
        if how == "hang-up":
            os.close(asked[1])
            code = asked[0].wait(30)
        else:
            code, said = answered(asked, {"no": b"n\n", "nothing": b"\n", "ctrl-c": b"\x03", "ctrl-d": b"\x04"}[how])
            assert "nothing was sent" in said
    assert code == (2 if how in ("no", "nothing") else 130)
    assert sandbox.books().orders == 0
    if known:
        assert rows_of(tmp_path / "l.db") == [("Z", "planned")]
    else:
        assert [path.name for path in tmp_path.iterdir()] == ["orders.csv"]
    done = xoxo("bulk", "run", orders, "--ledger", "l.db", "--json", cwd=tmp_path, **reaching(sandbox))
    assert (last_json(done)["issued"], sandbox.books().orders) == (2, 2)


def test_a_resume_asks_before_it_sends(tmp_path: Path, sandbox: Sandbox) -> None:
    """After a no the planned rows stay planned, and after a yes they are sent."""
    orders = write_values(tmp_path, ("A", 100), ("B", 250))
    assert xoxo("bulk", "plan", orders, "--ledger", "l.db", cwd=tmp_path, **reaching(sandbox)).returncode == 0
    for answer, code, booked in ((b"n\n", 2, 0), (b"y\n", 0, 2)):
        with at_the_question(sandbox, "bulk", "resume", "--ledger", "l.db", cwd=tmp_path) as asked:
            assert answered(asked, answer)[0] == code
        assert sandbox.books().orders == booked


@pytest.mark.parametrize("action", ["run", "resume"])
def test_an_interrupted_restore_keeps_its_flag(tmp_path: Path, sandbox: Sandbox, action: str) -> None:
    """The ledger does not know of --restore yet. Without the flag, its rows would be sent without a look-up."""
    orders = write_values(tmp_path, ("A", 100))
    assert xoxo("bulk", "plan", orders, "--ledger", "l.db", cwd=tmp_path, **reaching(sandbox)).returncode == 0
    command = ("bulk", action, *([orders] if action == "run" else []), "--ledger", "l.db", "--restore")
    with at_the_question(sandbox, *command, cwd=tmp_path) as asked:
        code, said = answered(asked, b"\x03")
    assert code == 130
    before, _, follow = said.partition("continue with:")  # a long command has the next line of a terminal to itself
    assert before, repr(said)
    assert "--restore" in follow.split(), repr(said)


def test_the_question_counts_earlier_rows(tmp_path: Path, sandbox: Sandbox, capfd: object) -> None:
    """It adds their value to the value of the new rows."""
    write_values(tmp_path, ("Z", 2000))
    assert xoxo("bulk", "plan", "orders.csv", "--ledger", "l.db", cwd=tmp_path, **reaching(sandbox)).returncode == 0
    orders = write_values(tmp_path, ("A", 100))
    run = ("bulk", "run", orders, "--ledger", "l.db", "--keep-missing")
    with at_the_question(sandbox, *run, cwd=tmp_path) as asked:
        code, _ = answered(asked, b"y\n")
    assert (code, sandbox.books().charged) == (0, Decimal(2100))
    said = capfd.readouterr().err  # type: ignore[attr-defined]
    assert "Issue 2 vouchers, face value INR 2,100?" in said


# Reading once.


def test_rows_of_a_query_are_read_once(tmp_path: Path, sandbox: Sandbox) -> None:
    """A pipe can be read only once, and all of its rows are issued."""
    ours, theirs = os.pipe()
    os.write(theirs, b"key,product_id,denomination,quantity\nA,1001,100,1\nB,1001,100,1\n")
    os.close(theirs)
    done = subprocess.run(
        [sys.executable, "-m", "xoxo_async", "bulk", "run", f"/dev/fd/{ours}", "--ledger", "l.db", "--json"],
        cwd=tmp_path,
        env=environment(**reaching(sandbox)),
        pass_fds=[ours],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    os.close(ours)
    assert json.loads(done.stdout)["issued"] == 2, done.stderr
    assert sandbox.books().orders == 2


@pytest.mark.anyio
async def test_balance_and_catalog_are_read_once(tmp_path: Path) -> None:
    """The question and the sending use the same reading."""
    async with Sandbox() as sandbox, connected(sandbox) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        await BulkIssuer(client, ledger, job="march").run(lines(3))
        assert (sandbox.books().requests["getBalance"], sandbox.books().requests["getVouchers"]) == (1, 1)


# Rows that are taken out.


def test_a_removed_row_is_not_bought(tmp_path: Path, sandbox: Sandbox) -> None:
    """That is exit 2 with the row's name, and nothing is sent until a flag decides."""
    env = reaching(sandbox)
    write_values(tmp_path, ("A", 100), ("B", 100), ("C", 100))
    assert xoxo("bulk", "plan", "orders.csv", "--ledger", "l.db", cwd=tmp_path, **env).returncode == 0
    run = ("bulk", "run", write_values(tmp_path, ("A", 100), ("C", 100)), "--ledger", "l.db", "--json")
    refused = xoxo(*run, cwd=tmp_path, **env)
    assert (refused.returncode, sandbox.books().orders) == (2, 0)
    assert last_json(refused)["problems"] == ["row 3 (key B)"]
    assert "--withdraw-missing" in refused.stderr
    assert "--keep-missing" in refused.stderr
    told = last_json(xoxo(*run, "--withdraw-missing", cwd=tmp_path, **env))
    assert (told["issued"], told["withdrawn"], told["not_sent"], told["exit_code"]) == (2, 1, 1, 0)
    assert sandbox.books().orders == 2
    write_values(tmp_path, ("A", 100), ("B", 100), ("C", 100))
    again = xoxo("bulk", "run", "orders.csv", "--ledger", "l.db", cwd=tmp_path, **env)
    assert again.returncode == 0
    assert sandbox.books().orders == 2
    assert "withdrawn" in again.stdout


def test_missing_rows_may_be_kept(tmp_path: Path, sandbox: Sandbox) -> None:
    """The row that the file lacks is sent with the others."""
    env = reaching(sandbox)
    write_values(tmp_path, ("A", 100), ("B", 100))
    xoxo("bulk", "plan", "orders.csv", "--ledger", "l.db", cwd=tmp_path, **env)
    run = ("bulk", "run", write_values(tmp_path, ("A", 100)), "--ledger", "l.db", "--keep-missing")
    assert xoxo(*run, cwd=tmp_path, **env).returncode == 0
    assert sandbox.books().orders == 2


@pytest.mark.parametrize("pack", [(), ("--pack",)], ids=["alone", "packed"])
def test_a_campaign_is_called_off(tmp_path: Path, sandbox: Sandbox, pack: tuple[str, ...]) -> None:
    """Rows are withdrawn by key, then all of them. Nothing is sent afterwards, also if rows share orders."""
    env = reaching(sandbox)
    write_values(tmp_path, *((f"K{n}", 100) for n in range(12)))
    xoxo("bulk", "plan", "orders.csv", "--ledger", "l.db", *pack, cwd=tmp_path, **env)
    withdraw = ("bulk", "withdraw", "--ledger", "l.db", "--json", "--reason", "off")
    assert last_json(xoxo(*withdraw, "K3", cwd=tmp_path))["withdrawn"] == 1
    assert last_json(xoxo(*withdraw, "--planned", cwd=tmp_path))["withdrawn"] == 11
    for command in (("resume",), ("run", "orders.csv", *pack)):
        done = xoxo("bulk", *command, "--ledger", "l.db", "--json", cwd=tmp_path, **env)
        assert (done.returncode, last_json(done)["withdrawn"], sandbox.books().orders) == (0, 12, 0)
    assert "withdrawn        12" in xoxo("bulk", "status", "--ledger", "l.db", cwd=tmp_path).stdout


# A bound.


@contextmanager
def changed(operation: str, change: Callable[[dict[str, object]], None]) -> Iterator[None]:
    """Change every answer to an operation."""
    real = HANDLERS[operation]

    def handler(state: object, data: object, openapi: bool) -> object:
        answer = real(state, data, openapi)  # type: ignore[arg-type]
        assert isinstance(answer, dict)
        change(answer)
        return answer

    handlers: dict[str, Handler] = HANDLERS
    handlers[operation] = handler  # type: ignore[assignment]
    try:
        yield
    finally:
        handlers[operation] = real


def move_rate(sandbox: Sandbox, rate: int, product_id: int = 1004) -> None:
    """Set the price of a dollar."""
    product = sandbox.state.products[product_id]
    country = product.country._replace(rate=Decimal(rate))
    sandbox.state.products[product_id] = product._replace(country=country)


def dollars(count: int, product_id: int = 1004) -> list[OrderLine]:
    """Return lines of 100 dollars."""
    return [OrderLine(key=f"d{n}", product_id=product_id, denomination=Decimal(100)) for n in range(count)]


@pytest.mark.anyio
@pytest.mark.parametrize("again", ["run", "resume", "issue"])
async def test_a_bound_holds_when_prices_have_moved(tmp_path: Path, again: str) -> None:
    """After planning at a rate of 80 and sending at 160, no more orders are sent than the bound pays for today."""
    async with Sandbox() as sandbox, connected(sandbox) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        move_rate(sandbox, 80)
        issuer = BulkIssuer(client, ledger, job="march", max_spend=Decimal(80_000))
        await issuer.plan(dollars(10))
        move_rate(sandbox, 160)
        report = await (issuer.run(dollars(10)) if again == "run" else getattr(issuer, again)())
        assert (report.pause, report.issued) == (Pause.BUDGET, 5)
        assert sandbox.books().charged == Decimal(80_000)


@pytest.mark.anyio
async def test_orders_in_doubt_count_in_the_bound(tmp_path: Path) -> None:
    """An order in doubt may exist, so its cost stays reserved, although no waiting row has its product."""
    async with Sandbox() as sandbox, connected(sandbox) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        sandbox.script("commit_then_reset", first=5)
        sandbox.script("html_502", operation="getOrderDetails")
        bound = BulkIssuer(client, ledger, job="march", concurrency=1, pause_limit_s=0, max_spend=Decimal(500))
        await BulkIssuer(client, ledger, job="march", concurrency=1, pause_limit_s=5).plan(lines(5))
        assert (await bound.issue()).issued == 0
        more = [OrderLine(key=f"m{n}", product_id=1002, denomination=Decimal(100)) for n in range(5)]
        for _ in range(2):
            report = await BulkIssuer(
                client, ledger, concurrency=1, pause_limit_s=0, max_spend=Decimal(500), missing="keep"
            ).run(more)
        assert sandbox.books().charged <= Decimal(500)
        assert report.issued == 0


@pytest.mark.anyio
@pytest.mark.parametrize(
    "charge",
    [{"amountCharged": 0}, {"amountCharged": -100}, {"amountCharged": 1, "currencyCode": "USD"}, {"amountCharged": ""}],
    ids=["zero", "negative", "another currency", "blank"],
)
async def test_an_unusable_charge_frees_no_money(tmp_path: Path, charge: dict[str, object]) -> None:
    """Five orders fit, and no more are sent, whatever unusable charge the vendor names."""
    silent = {"orderTotal": "", "rawOrderTotal": "", **charge}
    async with Sandbox() as sandbox, connected(sandbox) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        with changed("placeOrder", lambda answer: answer.update(silent)):
            issuer = BulkIssuer(client, ledger, job="march", max_spend=Decimal(500), concurrency=1)
            report = await issuer.run(lines(20))
            again = await issuer.resume()
        assert report.pause == Pause.BUDGET
        assert sandbox.books().orders <= 5
        assert again.issued <= 5
        assert sandbox.books().charged <= Decimal(500)


@pytest.mark.anyio
@pytest.mark.parametrize("charge", [{"amountCharged": 900}, {"amountCharged": 90, "currencyCode": "USD"}])
async def test_an_excessive_charge_pauses_the_run(tmp_path: Path, charge: dict[str, object]) -> None:
    """The next orders might also cost more than their reservations. The report names the charge."""
    async with Sandbox() as sandbox, connected(sandbox) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        with changed("placeOrder", lambda answer: answer.update(charge)):
            issuer = BulkIssuer(client, ledger, job="march", max_spend=Decimal(100_000), concurrency=1)
            report = await issuer.run(lines(20))
        assert report.pause == Pause.BUDGET
        assert "was charged" in report.reason
        assert sandbox.books().orders < 5


@pytest.mark.anyio
async def test_the_order_total_replaces_a_missing_charge(tmp_path: Path) -> None:
    """It is the price before the discount, so it is an upper bound and settles the reservation."""
    async with Sandbox() as sandbox, connected(sandbox) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        with changed("placeOrder", lambda answer: answer.pop("amountCharged")):
            report = await BulkIssuer(client, ledger, job="march").run(lines(2))
        assert report.charged == {"INR": Decimal(200)}


@pytest.mark.anyio
@pytest.mark.parametrize("work", ["run", "resume", "outlook", "plan"])
async def test_a_bound_in_another_currency_is_refused(tmp_path: Path, work: str) -> None:
    """Amounts of two currencies cannot be added."""
    async with Sandbox() as sandbox, connected(sandbox) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        await BulkIssuer(client, ledger, job="march").plan(lines(3))
        with changed("getBalance", lambda answer: answer.update(currency="USD")):
            issuer = BulkIssuer(client, ledger, job="march", max_spend=Decimal(500))
            with pytest.raises(ConfigError, match="currency was INR when this job began, and is USD now"):
                await (getattr(issuer, work)(lines(3)) if work in ("run", "plan") else getattr(issuer, work)())
        assert sandbox.books().orders == 0


@pytest.mark.anyio
async def test_the_shown_totals_are_the_reserved_ones(tmp_path: Path) -> None:
    """The question shows what the budget reserves, at today's prices, to the ten-thousandth."""
    shown: list[PlanTotals] = []

    async def approve(totals: PlanTotals) -> None:
        shown.append(totals)

    async with Sandbox() as sandbox, connected(sandbox) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        move_rate(sandbox, 80)
        await BulkIssuer(client, ledger, job="march").plan(dollars(3))
        move_rate(sandbox, 160)
        issuer = BulkIssuer(client, ledger, job="march", max_spend=Decimal(48_000))
        report = await issuer.run([*dollars(3)], approve=approve)
        assert (shown[0].cost_at_most, shown[0].orders) == (Decimal(48_000), 3)
        assert (report.issued, sandbox.books().charged) == (3, Decimal(48_000))


# A generator that was used before.


@pytest.mark.anyio
async def test_a_used_generator_is_no_empty_job(tmp_path: Path) -> None:
    """In a second run with it, the ledger's rows are missing, so nothing is sent and nothing withdrawn."""
    rows = iter(lines(3))
    async with Sandbox() as sandbox, connected(sandbox) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        issuer = BulkIssuer(client, ledger, job="march")
        await issuer.plan(rows)
        with pytest.raises(PlanError, match="lacks 3 planned rows"):
            await issuer.run(rows)
        assert sandbox.books().orders == 0
        assert (await issuer.resume()).issued == 3
