"""`report`: it writes the report of a job, shows it, or prints what it says."""

import json
import os
import signal
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from tests.unit.cli.in_process import Command
from xoxo_async.bulk.reporting import charts
from xoxo_async.sandbox import Sandbox

LEDGER = ("--ledger", "march.db")


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no chart: it takes a second a page."""
    monkeypatch.setattr(charts.vl_convert, "vegalite_to_svg", lambda *_, **__: "<svg></svg>")


def issued(command: Command) -> None:
    Path("orders.csv").write_text("key,product_id,denomination,email\nA,1001,500,ann@example.com\nB,1011,500,\n")
    command("bulk", "run", "orders.csv", *LEDGER, "--yes", "--rate", "none", "--settle", "0")


def test_a_report_is_written(command: Command, sandbox: Sandbox) -> None:
    """Also a second time; the product's name comes from the plan, and the run left its note."""
    issued(command)
    for _ in range(2):
        ended = command("bulk", "report", *LEDGER, "--out", "report.html", "--json")
        assert ended.code == 0, ended.err
    assert ended.facts["out"] == ["report.html"]
    assert ended.facts["headline"]["issued"] == 1
    assert [(run["placed"], run["end"]) for run in ended.facts["runs"]] == [(1, "done")]
    assert "report.html: open it in a browser" in ended.err
    page = Path("report.html").read_text()
    assert "Corner Shop" in page
    assert "ann@" not in page


def test_json_alone_needs_no_file(command: Command, sandbox: Sandbox) -> None:
    """It prints what the report would say, with the proof that lies beside the ledger."""
    issued(command)
    Path("march.proof.json").write_text(json.dumps({"ok": True, "job": "march"}))
    ended = command("bulk", "report", *LEDGER, "--json")
    assert (ended.code, ended.facts["out"], ended.facts["proof"]["ok"]) == (0, [], True)
    Path("other.json").write_text(json.dumps({"ok": True, "job": "april"}))
    refused = command("bulk", "report", *LEDGER, "--json", "--proof", "other.json")
    assert (refused.code, "the proof of the job 'april'" in refused.err) == (2, True)


def test_a_changed_proof_is_refused(command: Command, sandbox: Sandbox) -> None:
    """With the key it is checked; without it the report says that nobody has."""
    issued(command)
    Path("k").write_text("k" * 32)
    Path("k").chmod(0o600)
    report = ("bulk", "report", *LEDGER, "--json")
    none = command(*report, "--key-file", "k")
    assert (none.code, "there is none" in none.err) == (2, True)
    command("bulk", "prove", *LEDGER, "--out", "march.proof.json", "--key-file", "k")
    assert command(*report).facts["proof"]["facts"]["signature"].startswith("NOT checked")
    assert command(*report, "--key-file", "k").facts["proof"]["facts"]["signature"].startswith("valid")
    proof = Path("march.proof.json")
    proof.write_text(proof.read_text().replace('"agree": 1', '"agree": 7'))
    refused = command(*report, "--key-file", "k")
    assert (refused.code, "was changed after it was signed" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "give --out FILE"),
        (["--pdf", "--json"], "--pdf writes a file"),
        (["--serve", "--out", "r.html"], "give it alone"),
        (["--out", "r.txt"], "must end in .html"),
        (["--out", "r.html", "--proof", "none.json"], "none.json cannot be read"),
        (["--out", "r.html"], "march.db"),
    ],
)
def test_wrong_usage_writes_nothing(command: Command, flags: list[str], words: str) -> None:
    """Nor does a missing ledger."""
    ended = command("bulk", "report", *LEDGER, *flags)
    assert ended.code == 2
    assert words in ended.err
    assert os.listdir() == []


def test_a_served_report_ends_on_a_signal(command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """It prints the address, answers there, and ends with 0."""
    issued(command)
    seen: list[str] = []

    def look() -> None:
        deadline = time.monotonic() + 20
        while not seen and time.monotonic() < deadline:
            if urls:
                with urllib.request.urlopen(urls[0], timeout=5) as answer:  # noqa: S310 - loopback
                    seen.append(answer.read().decode())
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    urls: list[str] = []
    monkeypatch.setattr("xoxo_async.cli.bulk.report.print_out", urls.append)
    watcher = threading.Thread(target=look)
    watcher.start()
    ended = command("bulk", "report", *LEDGER, "--serve")
    watcher.join()
    assert (ended.code, urls[0].startswith("http://127.0.0.1:")) == (0, True)
    assert "of 2 rows issued" in seen[0]
