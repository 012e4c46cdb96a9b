"""The command `xoxo` in a process of its own, against the sandbox."""

import csv
import fcntl
import json
import os
import pty
import re
import shlex
import signal
import socket
import stat
import subprocess
import sys
import termios
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest

from tests.integration.commands import (
    ROWS,
    XOXO,
    arguments_of,
    booked,
    books,
    continue_line,
    environment,
    last_json,
    on_a_terminal,
    read_all,
    requests_of,
    server,
    started,
    wait_until,
    write_orders,
    xoxo,
)
from xoxo_async.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("hang_ups")


def test_a_second_run_of_a_file_issues_nothing(tmp_path: Path) -> None:
    """The first run issues every row, and its JSON has the contract's keys. The second run does nothing."""
    orders, ledger = write_orders(tmp_path), tmp_path / "march.db"
    first = xoxo("bulk", "run", orders, "--ledger", "march.db", "--sandbox", "--json", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    report = last_json(first)
    keys = {"rows", "issued", "pending", "rejected", "unknown", "not_sent", "job", "ledger", "elapsed_s"}
    assert keys <= report.keys()
    assert (report["rows"], report["issued"], report["job"], report["ledger"]) == (ROWS, ROWS, "march", "march.db")
    assert Decimal(str(report["charged"]["INR"])) == books(ledger).charged
    second = xoxo("bulk", "run", orders, "--ledger", "march.db", "--sandbox", cwd=tmp_path)
    assert second.returncode == 0
    assert f"nothing left to do: {ROWS} of {ROWS} issued" in second.stdout
    assert books(ledger).orders == ROWS
    assert not books(ledger).duplicates


def test_a_killed_run_resumes_to_exact_rows(tmp_path: Path) -> None:
    """After kill -9, the command that status prints issues every order once."""
    orders, ledger = write_orders(tmp_path), tmp_path / "march.db"
    with started("bulk", "run", orders, "--ledger", ledger, "--sandbox", "--rate", "1200", cwd=tmp_path) as process:
        wait_until(lambda: booked(ledger) >= ROWS // 4)
        process.kill()
    assert booked(ledger) < ROWS
    status = xoxo("bulk", "status", "--ledger", ledger, "--json", cwd=tmp_path)
    assert status.returncode == 0, status.stderr
    resumed = xoxo(*arguments_of(last_json(status)["continue_with"]), "--json", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert last_json(resumed)["issued"] == ROWS
    assert books(ledger).orders == ROWS
    assert not books(ledger).duplicates


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signalled_run_continues_by_its_command(tmp_path: Path, number: signal.Signals) -> None:
    """After SIGINT, SIGTERM or SIGHUP it exits 130 with nothing in doubt, and its command issues the rest."""
    orders, ledger = write_orders(tmp_path), tmp_path / "my march.db"
    with started(
        "bulk", "run", orders, "--ledger", ledger, "--sandbox", "--rate", "1200", "--json", cwd=tmp_path
    ) as process:
        wait_until(lambda: booked(ledger) >= ROWS // 4)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    report = json.loads(stdout.splitlines()[-1])
    assert report["pause"] == "interrupted"
    assert 0 < report["issued"] < ROWS
    assert report["unknown"] == 0
    assert report["continue_with"] == continue_line(stderr)
    assert {"--sandbox", "--rate", "1200"} <= set(arguments_of(report["continue_with"]))
    done = xoxo(*arguments_of(report["continue_with"]), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert last_json(done)["issued"] == ROWS
    assert books(ledger).orders == ROWS


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_second_signal_makes_lines_unknown(tmp_path: Path, number: signal.Signals) -> None:
    """The second signal cuts requests off. Their lines become unknown, and the next run settles them."""
    orders, ledger = write_orders(tmp_path), tmp_path / "march.db"
    faults = tmp_path / "faults.json"
    faults.write_text('{"rules": [{"kind": "timeout_after_commit", "first": 8, "seconds": 60}]}')
    with server(tmp_path, "--faults", str(faults)) as env:
        where = ("--ledger", ledger, "--rate", "none", "--concurrency", "8", "--settle", "0.5", "--json")
        with started("bulk", "run", orders, *where, cwd=tmp_path, **env) as process:
            wait_until(lambda: requests_of(env) >= 8)
            process.send_signal(number)
            assert process.stderr is not None
            wait_until(lambda: "Stopping" in process.stderr.readline())
            process.send_signal(number)
            stdout, _ = process.communicate(timeout=30)
        assert process.returncode == 130
        report = json.loads(stdout.splitlines()[-1])
        assert (report["unknown"], report["issued"]) == (8, 0)
        resumed = xoxo("bulk", "resume", *where, cwd=tmp_path, **env)
        assert resumed.returncode == 0, resumed.stderr
        assert last_json(resumed)["issued"] == ROWS


def test_nohup_keeps_a_run_without_its_terminal(tmp_path: Path) -> None:
    """If SIGHUP is ignored at the start, it stays ignored, and every row is issued."""
    orders, ledger = write_orders(tmp_path), tmp_path / "march.db"
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # every child begins with it
    try:
        with started("bulk", "run", orders, "--ledger", ledger, "--sandbox", "--rate", "1200", cwd=tmp_path) as process:
            wait_until(lambda: booked(ledger) >= ROWS // 4)
            process.send_signal(signal.SIGHUP)
            _, stderr = process.communicate(timeout=30)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert process.returncode == 0, stderr
    assert books(ledger).orders == ROWS


def test_a_hangup_ends_a_single_command(tmp_path: Path) -> None:
    """While points are sent, SIGHUP is exit 130, names the dashboard, and prints no command."""
    send = ("points", "send", "--sender", "boss@example.com", "--to", "a@example.com", "--name", "A", "--amount", "5")
    with server(tmp_path, "--latency-ms", "20000") as env, started(*send, "--json", cwd=tmp_path, **env) as process:
        wait_until(lambda: requests_of(env, "sendBalance"))
        process.send_signal(signal.SIGHUP)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert json.loads(stdout.splitlines()[-1])["continue_with"] == ""
    assert "dashboard" in stderr


PIPED = {"plan": ("bulk", "plan"), "run": ("bulk", "run", "--ledger", "march.db", "--yes")}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("arguments", PIPED.values(), ids=list(PIPED))
def test_a_command_that_waits_for_input_ends(
    tmp_path: Path, arguments: tuple[str, ...], number: signal.Signals
) -> None:
    """The thread that reads a pipe ends too, so the process does: with no traceback, and with no ledger."""
    pipe = tmp_path / "orders"
    os.mkfifo(pipe)

    def opened() -> int:
        with suppress(OSError):  # nobody reads it yet
            writers.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return len(writers)

    writers: list[int] = []
    # A process of its own: the end of a whole interpreter is what is tested.
    process = subprocess.Popen(
        [*XOXO, *arguments, pipe, "--sandbox"],
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(opened)
        os.write(writers[0], b"key,product_id,denomin")
        process.send_signal(number)
        _, stderr = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
        for writer in writers:
            os.close(writer)
    assert process.returncode == 130, stderr
    assert "interrupted" in stderr
    assert re.search(r"continue with: \S*xoxo bulk", stderr), stderr
    assert "Exception" not in stderr
    assert "Traceback" not in stderr
    assert not (tmp_path / "march.db").exists()


def test_a_run_without_its_terminal_ends_orderly(tmp_path: Path) -> None:
    """The terminal closes, the kernel sends SIGHUP and nobody reads the output, and no line is in doubt."""
    orders, ledger = write_orders(tmp_path), tmp_path / "march.db"
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*XOXO, "bulk", "run", str(orders), "--ledger", str(ledger), "--sandbox", "--rate", "1200"],
        cwd=tmp_path,
        env=environment(),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0) and None,  # noqa: PLW1509 - it only makes a system call
    )
    try:
        os.close(slave)
        wait_until(lambda: booked(ledger) >= ROWS // 4)
        os.close(master)
        assert process.wait(30) == 130
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
    status = last_json(xoxo("bulk", "status", "--ledger", ledger, "--json", cwd=tmp_path))
    assert (status["unknown"], status["not_sent"] > 0) == (0, True)


def test_an_interrupted_unkeyed_call_prints_no_command(tmp_path: Path) -> None:
    """Ctrl-C while points are sent is exit 130, names the dashboard, and prints no command."""
    send = ("points", "send", "--sender", "boss@example.com", "--to", "a@example.com", "--name", "A", "--amount", "5")
    with server(tmp_path, "--latency-ms", "20000") as env, started(*send, "--json", cwd=tmp_path, **env) as process:
        wait_until(lambda: requests_of(env, "sendBalance"))
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "dashboard" in stderr
    assert "continue with" not in stderr
    assert json.loads(stdout.splitlines()[-1])["continue_with"] == ""


COLUMNS = [
    *("key", "po_number", "order_id", "state", "delivery", "product_id", "denomination", "quantity", "email"),
    *("code", "pin", "valid_to", "amount", "currency", "error", "tag"),
]
HEADER = "key,product_id,denomination,quantity\n"
BAD = {
    "no column": ("key,denomination\nA,5\n", ["product_id"]),
    "no key": ("product_id,denomination\n1001,500\n", ["key"]),
    "same key, same row": (f"{HEADER}A,1001,500,1\nA,1001,500,1\n", ["row 3", "column key"]),
    "same key, other row": (f"{HEADER}A,1001,500,1\nB,1001,500,1\nA,1001,250,1\n", ["row 4", "column key"]),
    "negative quantity": (f"{HEADER}A,1001,500,-1\n", ["row 2", "column quantity"]),
    "quantity in words": (f"{HEADER}A,1001,500,1\nB,1001,500,two\n", ["row 3", "column quantity"]),
    "unknown product": (f"{HEADER}A,99999,500,1\n", ["row 2", "column product_id", "99999"]),
    "denomination": (f"{HEADER}A,1001,333,1\n", ["row 2", "column denomination", "333"]),
    "empty": ("", ["empty"]),
    "header only": (HEADER, ["no orders"]),
    "many": (HEADER + "".join(f"K{n},1001,500,x\n" for n in range(50)), ["row 21", "and 30 more"]),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("command", ["plan", "run"])
def test_bad_rows_are_named_and_nothing_is_sent(tmp_path: Path, name: str, command: str) -> None:
    """Each kind of bad input is exit 2, names the place, and books no order."""
    text, wanted = BAD[name]
    (tmp_path / "orders.csv").write_text(text)
    ledger = ["--ledger", "march.db"] if command == "run" else []
    done = xoxo("bulk", command, "orders.csv", *ledger, "--sandbox", "--json", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert all(word in done.stderr for word in wanted), done.stderr
    assert "Traceback" not in done.stderr
    assert last_json(done)["exit_code"] == 2
    assert booked(tmp_path / "march.db") == 0


@pytest.mark.parametrize("kind", ["encoding", "directory", "missing", "stdin"])
def test_an_unusable_orders_file_is_refused(tmp_path: Path, kind: str) -> None:
    """A wrong encoding, a folder, a missing file and an empty standard input are exit 2 with one line."""
    path = tmp_path / "orders.csv"
    if kind == "encoding":
        path.write_bytes(b"key,product_id,denomination,tag\nA,1001,500,caf\x81\n")  # in no encoding that is looked for
    elif kind == "directory":
        path.mkdir()
    orders = "-" if kind == "stdin" else path
    done = xoxo("bulk", "run", orders, "--ledger", "march.db", "--sandbox", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")


def test_orders_come_from_standard_input_too(tmp_path: Path) -> None:
    """`-` reads JSONL and CSV from standard input."""
    rows = "".join(json.dumps({"key": f"K{n}", "product_id": 1001, "denomination": 500}) + "\n" for n in range(3))
    done = xoxo("bulk", "run", "-", "--ledger", "march.db", "--sandbox", "--json", cwd=tmp_path, stdin=rows)
    assert done.returncode == 0, done.stderr
    assert last_json(done)["issued"] == 3


def test_a_plan_adds_up_and_stores_nothing(tmp_path: Path) -> None:
    """`plan` prints rows, vouchers and cost beside the balance, and leaves no file."""
    orders = write_orders(tmp_path)
    done = xoxo("bulk", "plan", orders, "--sandbox", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    plan = last_json(done)
    assert (plan["rows"], plan["vouchers"], plan["covered"]) == (ROWS, ROWS * 3 // 2, True)
    assert plan["balance"]["currency"] == "INR"
    assert [path.name for path in tmp_path.iterdir()] == ["orders.csv"]


def test_an_export_is_private_and_masks_codes(tmp_path: Path) -> None:
    """An export has a row for each voucher and mode 0600. Only --reveal shows codes and PINs."""
    ledger = tmp_path / "march.db"
    xoxo("bulk", "run", write_orders(tmp_path), "--ledger", ledger, "--sandbox", cwd=tmp_path)
    sandbox = Sandbox(path=f"{ledger}.sandbox")
    codes = {code for order in sandbox.state.orders.values() for code, _ in order.codes}
    pins = {pin for order in sandbox.state.orders.values() for _, pin in order.codes if pin}
    sandbox.state.close()
    before = os.umask(0)
    try:
        masked = xoxo("bulk", "export", "--ledger", ledger, "--out", "masked.csv", cwd=tmp_path)
        clear = xoxo("bulk", "export", "--ledger", ledger, "--out", "clear.csv", "--reveal", cwd=tmp_path)
        lines = xoxo("bulk", "export", "--ledger", ledger, "--out", "clear.jsonl", "--reveal", "--json", cwd=tmp_path)
    finally:
        os.umask(before)
    assert (masked.returncode, clear.returncode, lines.returncode) == (0, 0, 0), clear.stderr
    text = (tmp_path / "masked.csv").read_text()
    assert not any(code in text for code in codes)
    with (tmp_path / "masked.csv").open(newline="") as file:
        assert all(row["code"].startswith("****") and row["pin"] in {"", "****"} for row in csv.DictReader(file))
    with (tmp_path / "clear.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == COLUMNS
    assert {row["code"] for row in rows} == codes
    assert {row["pin"] for row in rows} - {""} == pins
    assert {json.loads(line)["code"] for line in (tmp_path / "clear.jsonl").read_text().splitlines()} == codes
    for path in tmp_path.glob("*ear.*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not any(code in masked.stdout + masked.stderr + clear.stdout + clear.stderr for code in codes)
    assert not list(tmp_path.glob(".*"))


def test_codes_not_in_the_ledger_are_fetched(tmp_path: Path) -> None:
    """With --no-codes the ledger keeps only order ids, and an export with --reveal reads the codes from the server."""
    ledger, orders = tmp_path / "march.db", write_orders(tmp_path, 6)
    xoxo("bulk", "run", orders, "--ledger", ledger, "--sandbox", "--no-codes", cwd=tmp_path)
    masked = xoxo("bulk", "export", "--ledger", ledger, "--out", "a.csv", "--json", cwd=tmp_path)
    assert (last_json(masked)["codes"], last_json(masked)["missing"]) == (0, 6)
    clear = xoxo(
        "bulk", "export", "--ledger", ledger, "--out", "b.csv", "--sandbox", "--reveal", "--json", cwd=tmp_path
    )
    assert clear.returncode == 0, clear.stderr
    assert (last_json(clear)["codes"], last_json(clear)["fetched"]) == (9, 6)


def test_an_export_needs_ledger_and_known_suffix(tmp_path: Path) -> None:
    """A missing ledger and an unknown suffix are exit 2, and no file is made."""
    for out in ("codes.csv", "codes.xlsx"):
        done = xoxo("bulk", "export", "--ledger", "none.db", "--out", out, cwd=tmp_path)
        assert done.returncode == 2
        assert not (tmp_path / out).exists()


def test_status_shows_lines_for_a_person(tmp_path: Path) -> None:
    """Status shows the lines that need a person with their reason, and `resolve` settles them."""
    faults = tmp_path / "faults.json"
    faults.write_text(
        '{"rules": [{"kind": "reset_before_commit", "nth": 3}, {"kind": "reset_before_commit", "nth": 5}]}'
    )
    ledger = tmp_path / "march.db"
    with server(tmp_path, "--faults", str(faults)) as env:
        where = ("--ledger", ledger, "--settle", "0.2")
        done = xoxo("bulk", "run", write_orders(tmp_path, 8), *where, "--resend", "never", cwd=tmp_path, **env)
        assert done.returncode == 4, done.stderr
        assert "bulk status" in continue_line(done.stderr)
        status = last_json(xoxo("bulk", "status", "--ledger", ledger, "--json", cwd=tmp_path))
        assert (status["issued"], status["unknown"]) == (6, 2)
        one, two = (problem["key"] for problem in status["problems"])
        assert all(problem["state"] == "manual" and problem["error"] for problem in status["problems"])
        no_reason = xoxo("bulk", "resolve", one, "--ledger", ledger, "--reject", cwd=tmp_path)
        assert no_reason.returncode == 2
        rejected = xoxo("bulk", "resolve", one, "--ledger", ledger, "--reject", "--reason", "no more", cwd=tmp_path)
        resent = xoxo("bulk", "resolve", two, "--ledger", ledger, "--resend", "--json", cwd=tmp_path)
        assert (rejected.returncode, resent.returncode) == (0, 0), resent.stderr
        assert last_json(resent)["state"] == "planned"
        final = xoxo("bulk", "resume", *where, "--json", cwd=tmp_path, **env)
        assert final.returncode == 3, final.stderr
        assert (last_json(final)["issued"], last_json(final)["rejected"]) == (7, 1)
    nobody = xoxo("bulk", "resolve", "NOBODY", "--ledger", ledger, "--resend", cwd=tmp_path)
    assert nobody.returncode == 2


def test_a_running_job_can_be_looked_at(tmp_path: Path) -> None:
    """While a run holds the ledger, status prints its counts and its pid, and a second run is refused with that pid."""
    ledger = tmp_path / "march.db"
    orders = write_orders(tmp_path)
    # At 60 orders a minute, the run takes longer than all looks at it, also on a busy machine.
    with started("bulk", "run", orders, "--ledger", ledger, "--sandbox", "--rate", "60", cwd=tmp_path) as process:
        wait_until(lambda: booked(ledger) >= 1)
        status = xoxo("bulk", "status", "--ledger", ledger, cwd=tmp_path)
        assert status.returncode == 0, status.stderr
        assert f"process {process.pid} is working on it" in status.stdout
        assert "continue with" not in status.stderr
        told = last_json(xoxo("bulk", "status", "--ledger", ledger, "--json", cwd=tmp_path))
        assert told["holder_pid"] == process.pid
        assert told["rows"] == ROWS == sum(told[name] for name in ("issued", "pending", "unknown", "not_sent"))
        second = xoxo("bulk", "run", orders, "--ledger", ledger, "--sandbox", cwd=tmp_path)
        assert second.returncode == 2
        assert str(process.pid) in second.stderr
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert xoxo("bulk", "resume", "--ledger", ledger, "--sandbox", "--rate", "none", cwd=tmp_path).returncode == 0
    assert books(ledger).orders == ROWS


@pytest.mark.parametrize("command", [["bulk", "run", "orders.csv"], ["bulk", "resume"]])
def test_production_without_a_terminal_needs_yes(tmp_path: Path, command: list[str]) -> None:
    """Production without a terminal and without --yes is exit 2, before any file is opened or order sent."""
    write_orders(tmp_path)
    env = {"XOXO_CLIENT_ID": "id", "XOXO_CLIENT_SECRET": "secret-of-mine"}
    production = ("--base-url", "https://accounts.xoxoday.com/chef")
    done = xoxo(*command, "--ledger", "march.db", *production, cwd=tmp_path, **env)
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert not (tmp_path / "march.db").exists()


def test_a_job_stays_with_its_server(tmp_path: Path) -> None:
    """A ledger of a sandbox is refused at another server, where all its orders would look absent."""
    orders = write_orders(tmp_path, 3)
    xoxo("bulk", "run", orders, "--ledger", "march.db", "--sandbox", cwd=tmp_path)
    env = {"XOXO_CLIENT_ID": "id", "XOXO_CLIENT_SECRET": "secret-of-mine"}
    done = xoxo("bulk", "resume", "--ledger", "march.db", cwd=tmp_path, **env)
    assert done.returncode == 2
    assert "begun against sandbox" in done.stderr


def test_missing_credentials_are_named(tmp_path: Path) -> None:
    """Without credentials, every command is exit 2 and names the variables, and no ledger is made."""
    write_orders(tmp_path)
    for command in (["balance"], ["bulk", "run", "orders.csv", "--ledger", "march.db"]):
        done = xoxo(*command, cwd=tmp_path)
        assert done.returncode == 2
        assert "XOXO_CLIENT_ID and XOXO_CLIENT_SECRET" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "march.db").exists()


def test_an_unreachable_host_is_a_pause(tmp_path: Path) -> None:
    """A host where nobody listens is exit 5, without a traceback or a secret, and a run names the same command."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # the port is bound and nobody listens, so a connection is refused for certain
        env = {
            "XOXO_BASE_URL": f"http://127.0.0.1:{taken.getsockname()[1]}/chef",
            "XOXO_CLIENT_ID": "id",
            "XOXO_CLIENT_SECRET": "secret-of-mine",
        }
        orders = write_orders(tmp_path)
        done = xoxo("bulk", "run", orders, "--ledger", "march.db", "--json", cwd=tmp_path, **env)
    assert done.returncode == 5
    assert last_json(done)["exit_code"] == 5
    assert "not reached" in done.stderr
    assert "bulk run" in continue_line(done.stderr)
    assert "secret-of-mine" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_secret_is_one_line_without_it(tmp_path: Path) -> None:
    """Refused credentials are exit 5 with one line, which does not show the secret."""
    with server(tmp_path) as env:
        wrong = {**env, "XOXO_CLIENT_SECRET": "wrong-secret-of-mine"}
        done = xoxo("balance", cwd=tmp_path, **wrong)
        assert done.returncode == 5
        assert len(done.stderr.splitlines()) == 1
        assert "wrong-secret" not in done.stderr
        debug = xoxo("--debug", "balance", cwd=tmp_path, **wrong)
        assert "Traceback" in debug.stderr
        assert "wrong-secret" not in debug.stderr


def test_single_questions_are_answered_for_people_and_programs(tmp_path: Path) -> None:
    """Each read prints text, or one JSON object with --json, and masks secrets."""
    with server(tmp_path) as env:

        def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
            return xoxo(*arguments, cwd=tmp_path, **env)

        assert ask("balance").stdout == "INR 100,000,000\n"
        assert last_json(ask("balance", "--json"))["value"] == 100_000_000
        token = ask("token", "--json")
        assert last_json(token)["expires_at"]
        assert "access_token" not in last_json(token)
        assert last_json(ask("catalog", "vouchers", "--limit", "3", "--json"))["vouchers"][0]["product_id"] == 1001
        assert "country\tindia" in ask("catalog", "filters").stdout
        place = ("order", "place", "--product-id", "1002", "--denomination", "750", "--po-number", "INV-1")
        first, again = ask(*place, "--json"), ask(*place, "--json", "--reveal")
        masked, clear = last_json(first)["vouchers"][0], last_json(again)["vouchers"][0]
        assert last_json(first)["order_id"] == last_json(again)["order_id"]
        assert masked["code"].startswith("****")
        assert masked["pin"] == "****"
        assert clear["code"].startswith("SBX-")
        assert clear["code"] not in first.stdout + first.stderr + ask("order", "get", "--po-number", "INV-1").stdout
        assert last_json(ask("order", "history", "--json"))["orders"][0]["po_number"] == "INV-1"
        assert ask("order", "get", "--po-number", "NO-SUCH").returncode == 3
        refused = ask("order", "place", "--product-id", "1001", "--denomination", "333", "--po-number", "INV-2")
        assert refused.returncode == 3
        assert ask("points", "balance", "--email", "a@example.com").stdout == "0 points\n"
        campaign = last_json(ask("links", "campaigns", "--json"))["campaigns"][0]["campaign_id"]
        links = ("links", "generate", "--campaign-id", str(campaign), "--quantity", "2", "--expires-on", "2099-01-01")
        assert ask(*links).returncode == 2
        assert ask(*links, "--out", "links.txt").returncode == 0
    made = (tmp_path / "links.txt").read_text().splitlines()
    assert len(made) == 2
    assert stat.S_IMODE((tmp_path / "links.txt").stat().st_mode) == 0o600


def test_a_budget_pauses_a_run_in_time(tmp_path: Path) -> None:
    """At --max-spend the run pauses with exit 5 and names the next command. With a greater one it continues."""
    orders, ledger = write_orders(tmp_path, 6), tmp_path / "march.db"
    poor = xoxo("bulk", "run", orders, "--ledger", ledger, "--sandbox", "--max-spend", "1000", "--json", cwd=tmp_path)
    assert poor.returncode == 5
    assert "row 3 (key EMP-001) may cost 1500, and 500 is left of the 1000 that may be spent" in poor.stderr
    assert "with a greater budget, in which all that is left fits, continue with: " in poor.stderr
    assert "xoxo bulk resume --ledger" in poor.stderr
    assert last_json(poor)["continue_with"].endswith("--max-spend 6247.5")
    assert last_json(poor)["charged"] == {"INR": 500}
    assert booked(ledger) == 1
    rich = xoxo("bulk", "resume", "--ledger", ledger, "--sandbox", "--max-spend", "6247.5", cwd=tmp_path)
    assert rich.returncode == 0, rich.stderr
    assert booked(ledger) == 6


def test_packed_rows_survive_kill_9(tmp_path: Path) -> None:
    """After a kill and a resume there are as few orders as possible, and each row exports its own code."""
    orders, ledger = tmp_path / "orders.csv", tmp_path / "march.db"
    rows = 400
    orders.write_text("key,product_id,denomination\n" + "".join(f"E{n},1001,100\n" for n in range(rows)))
    where = ("--ledger", ledger, "--sandbox", "--rate", "1200", "--pack")
    with started("bulk", "run", orders, *where, cwd=tmp_path) as process:
        wait_until(lambda: booked(ledger) >= 10)
        process.kill()
        process.wait(20)
    done = xoxo("bulk", "run", orders, *where, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (last_json(done)["issued"], last_json(done)["orders"]) == (rows, rows // 10)
    assert (books(ledger).orders, books(ledger).duplicates) == (rows // 10, {})
    exported = xoxo("bulk", "export", "--ledger", ledger, "--sandbox", "--out", "c.csv", "--reveal", cwd=tmp_path)
    assert exported.returncode == 0
    with (tmp_path / "c.csv").open(newline="") as file:
        told = list(csv.DictReader(file))
    assert [row["key"] for row in told] == [f"E{n}" for n in range(rows)]
    assert len({row["code"] for row in told}) == rows


def test_bad_rows_may_be_left_out(tmp_path: Path) -> None:
    """With --skip-invalid the good rows are issued, the bad rows are named, and exit 3 says that rows are missing."""
    orders = tmp_path / "orders.csv"
    orders.write_text("key,product_id,denomination\nA,1001,100\nB,1001,333\nC,1001,x\nD,1001,250\n")
    plan = xoxo("bulk", "plan", orders, "--sandbox", "--skip-invalid", "--json", cwd=tmp_path)
    assert (plan.returncode, last_json(plan)["rows"], last_json(plan)["skipped"]) == (3, 2, 2)
    done = xoxo("bulk", "run", orders, "--ledger", "l.db", "--sandbox", "--skip-invalid", "--json", cwd=tmp_path)
    assert done.returncode == 3
    assert "row 3, column denomination" in done.stderr
    assert "row 4, column denomination" in done.stderr
    assert (last_json(done)["rows"], last_json(done)["issued"], last_json(done)["skipped"]) == (2, 2, 2)


def test_a_plan_shows_its_time_and_cost(tmp_path: Path) -> None:
    """It prints the orders, their time at the limit, the cost and the balance. With --pack there are fewer orders."""
    orders = tmp_path / "orders.csv"
    orders.write_text("key,product_id,denomination\n" + "".join(f"E{n},1003,200\n" for n in range(100)))
    alone = last_json(xoxo("bulk", "plan", orders, "--sandbox", "--rate", "100", "--json", cwd=tmp_path))
    assert (alone["orders"], alone["cost_expected"], alone["cost_at_most"]) == (100, 19000, 20000)
    assert 60 <= alone["expected_s"] <= 61
    packed = xoxo("bulk", "plan", orders, "--sandbox", "--rate", "100", "--pack", cwd=tmp_path)
    assert packed.returncode == 0
    assert "10 orders for 100 rows to send, about 0:06" in packed.stderr


def test_a_closed_pipe_ends_no_run(tmp_path: Path) -> None:
    """A run issues every row, also if nobody reads its output or if it has no output."""
    orders = write_orders(tmp_path, 5)
    with started("bulk", "run", orders, "--ledger", "a.db", "--sandbox", "--json", cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()
        assert process.wait(60) == 0
        process.stdout = process.stderr = None
    assert books(tmp_path / "a.db").orders == 5
    closed = f"exec {shlex.join([*XOXO, 'bulk', 'run', str(orders), '--ledger', 'b.db', '--sandbox'])} >&- 2>&- <&-"
    done = subprocess.run(["sh", "-c", closed], cwd=tmp_path, env=environment(), timeout=60, check=False)
    assert done.returncode == 0
    assert books(tmp_path / "b.db").orders == 5


LINK = ("--campaign-id", "7001", "--expires-on", "2099-01-01")


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (("bulk", "run", "orders.csv", "--ledger", "new.db"), 5, "bulk run"),
        (("bulk", "run", "orders.csv", "--ledger", "new.db", "--json"), 5, "bulk run"),
        (("bulk", "status", "--ledger", "old.db"), 5, "bulk status"),
        (("bulk", "export", "--ledger", "old.db", "--out", "codes.csv", "--json"), 5, "bulk export"),
        (("order", "get", "--po-number", "INV-1", "--reveal"), 5, "order get"),
        (("order", "get", "--po-number", "NO-SUCH", "--json"), 3, "cannot be written"),
        (("order", "history", "--json"), 5, "order history"),
        (("catalog", "vouchers"), 5, "catalog vouchers"),
        (("points", "cancel", "1", "--json"), 3, "cannot be written"),
        (("links", "send", "--email", "a@b.example", *LINK), 4, "do it twice"),
        (("links", "generate", "--quantity", "1", "--reveal", *LINK), 4, "cash"),
        (("--help",), 5, "--help"),
        (("bulk", "run", "--help"), 5, "--help"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else None,
)  # fmt: skip
def test_a_lost_result_is_no_success(tmp_path: Path, command: tuple[str, ...], code: int, said: str) -> None:
    """On a full disk the reason is printed and the exit code is not 0. No command repeats an unkeyed call."""
    write_orders(tmp_path, 2)
    with server(tmp_path) as env:
        place = ("order", "place", "--product-id", "1002", "--denomination", "750", "--po-number", "INV-1")
        assert xoxo(*place, cwd=tmp_path, **env).returncode == 0
        assert xoxo("bulk", "run", "orders.csv", "--ledger", "old.db", cwd=tmp_path, **env).returncode == 0
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [*XOXO, *command],
                cwd=tmp_path,
                env=environment(**env),
                stdin=subprocess.DEVNULL,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
            )
        assert done.returncode == code, done.stderr
        assert "No space left on device" in done.stderr
        assert said in done.stderr
        if command[:2] == ("bulk", "run") and "--help" not in command:
            status = last_json(xoxo("bulk", "status", "--ledger", "new.db", "--json", cwd=tmp_path))
            assert status["issued"] == 2


def test_a_terminal_shows_a_live_bar(tmp_path: Path) -> None:
    """A run on a terminal shows a bar with pace, counts and spending, and then the summary."""
    orders = write_orders(tmp_path, 40)
    run = ("bulk", "run", orders, "--ledger", "march.db", "--sandbox", "--rate", "1200")
    with on_a_terminal(*run, cwd=tmp_path) as (process, terminal):
        said = read_all(terminal).decode()
        assert process.wait(30) == 0
    assert all(word in said for word in ("sending", "/40", "/min", "issued", "unknown", "rejected", "ETA", "INR"))
    assert "job march" in said


@pytest.mark.parametrize("size", ["0", "", "1", "wide", "-5", "\u00b2", "99999999"])
def test_an_odd_terminal_size_hides_nothing(tmp_path: Path, size: str) -> None:
    """With any COLUMNS and LINES, a table has its rows and a run has its bar."""
    write_orders(tmp_path, 2)
    run = ("bulk", "run", "orders.csv", "--ledger", "march.db", "--sandbox")
    for command in (("catalog", "vouchers", "--limit", "2", "--sandbox"), run):
        with on_a_terminal(*command, cwd=tmp_path, COLUMNS=size, LINES=size) as (process, terminal):
            said = read_all(terminal).decode()
            assert process.wait(30) == 0, said
        assert ("Corner Shop" if command[0] == "catalog" else "job march") in said


def test_production_asks_on_a_terminal(tmp_path: Path) -> None:
    """A person is asked before an order is placed, and any answer but yes is exit 2."""
    env = {"XOXO_CLIENT_ID": "id", "XOXO_CLIENT_SECRET": "s", "XOXO_BASE_URL": "https://accounts.xoxoday.com/chef"}
    place = ("order", "place", "--product-id", "1001", "--denomination", "500", "--po-number", "INV-1")
    with on_a_terminal(*place, cwd=tmp_path, **env) as (process, terminal):
        asked = read_all(terminal, b"[y/N]")
        assert b"real money" in asked
        os.write(terminal, b"n\n")
        rest = read_all(terminal)
        assert process.wait(30) == 2
    assert b"nothing was sent" in rest


def test_usage_errors_are_exit_2_with_help(tmp_path: Path) -> None:
    """Wrong flags are exit 2, as JSON with --json. Every --help has an example or a purpose."""
    assert xoxo("bulk", "run", cwd=tmp_path).returncode == 2
    assert xoxo("no-such-command", cwd=tmp_path).returncode == 2
    wrong = xoxo("bulk", "run", "o.csv", "--ledger", "l.db", "--rate", "fast", "--json", cwd=tmp_path)
    assert (wrong.returncode, last_json(wrong)["exit_code"]) == (2, 2)
    assert xoxo("--version", cwd=tmp_path).stdout.startswith("xoxo")
    assert "xoxo bulk run orders.csv" in xoxo("bulk", "run", "--help", cwd=tmp_path).stdout


def test_the_example_orders_are_what_their_script_makes(tmp_path: Path) -> None:
    """examples/orders.csv has a thousand good rows, and its script writes the same bytes again."""
    examples = Path(__file__).parents[2] / "examples"
    made = tmp_path / "orders.csv"
    subprocess.run([sys.executable, examples / "make_orders.py", made], check=True, capture_output=True, timeout=60)
    assert made.read_bytes() == (examples / "orders.csv").read_bytes()
    done = xoxo("bulk", "plan", made, "--sandbox", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (last_json(done)["rows"], last_json(done)["covered"]) == (1000, True)


def test_status_continues_within_the_bounds_of_the_run(tmp_path: Path) -> None:
    """The ledger keeps them, so the command that status prints does not repeat them, and pauses at the same budget."""
    orders = tmp_path / "orders.csv"
    orders.write_text("key,product_id,denomination\n" + "".join(f"E{n},1001,500\n" for n in range(4)))
    bounds = ("--max-spend", "500", "--resend", "never")
    run = xoxo("bulk", "run", orders, "--ledger", "l.db", "--sandbox", *bounds, cwd=tmp_path)
    assert run.returncode == 5
    status = last_json(xoxo("bulk", "status", "--ledger", "l.db", "--json", cwd=tmp_path))
    printed = shlex.split(status["continue_with"])
    assert "--sandbox" in printed
    assert not {*bounds} & {*printed}
    again = xoxo(*arguments_of(status["continue_with"]), "--json", cwd=tmp_path)
    assert (again.returncode, last_json(again)["charged"]) == (5, {"INR": 500})
