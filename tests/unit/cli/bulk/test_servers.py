"""`servers`: a ledger leads to its own sandbox without a flag."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.in_process import Command
from xoxo_async import errors
from xoxo_async.bulk import Identity
from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.cli.bulk.servers import address_of, at_its_server, books_of, check_sandbox
from xoxo_async.cli.connection import Connection
from xoxo_async.sandbox import Sandbox


class OfServer:
    """A ledger that says which server its orders are at."""

    def __init__(self, address: str) -> None:
        self.identity = Identity(address, "")


def test_books_stand_beside_their_ledger() -> None:
    """A later command with --sandbox uses the same server."""
    assert books_of(LedgerAddress.read("x/march.db")) == Path("x/march.db.sandbox")


def test_books_of_a_database_are_this_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its jobs share one sandbox, from whatever folder and however they are named; another database has another one."""
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    urls = [
        "postgresql://h/a#march",
        "postgresql://h/a#april",
        "postgresql://h/a?sslmode=require",
        "postgresql://h/b#a",
    ]
    books = [books_of(LedgerAddress.read(url)) for url in urls]
    assert {path.parent for path in books} == {Path("/state/xoxo")}
    assert len(set(books[:3])) == 1
    assert books[3] != books[0]


@pytest.mark.parametrize(("sandbox", "address"), [(True, "sandbox"), (False, "")])
def test_a_sandbox_has_one_address(sandbox: bool, address: str) -> None:
    """The address of a sandbox does not depend on its port. Another server has its own address."""
    assert address_of(Connection(sandbox=sandbox)) == address


@pytest.mark.parametrize(
    ("address", "base_url", "sandbox"),
    [("sandbox", "", True), ("sandbox", "https://x.example", False), ("https://x.example:443/", "", False)],
)
def test_a_ledger_leads_to_its_own_sandbox(address: str, base_url: str, sandbox: bool) -> None:
    """A flag that names another server goes before the ledger."""
    ledger: Any = OfServer(address)
    assert at_its_server(Connection(base_url=base_url), ledger).sandbox is sandbox


def test_only_a_sandboxs_ledger_takes_the_flag() -> None:
    """Real orders must not pass for play; a ledger without a server yet takes it too."""
    ledger: Any = OfServer("https://x.example:443/")
    ledger.name = "m.db"
    check_sandbox(ledger, sandbox=False)
    with pytest.raises(errors.ConfigError, match=r"the orders of m\.db are at https://x\.example:443/"):
        check_sandbox(ledger, sandbox=True)
    check_sandbox(OfServer("sandbox"), sandbox=True)  # type: ignore[arg-type]
    ledger.identity = None
    check_sandbox(ledger, sandbox=True)


def test_plan_status_and_export_use_one_sandbox(command: Command) -> None:
    """Its books stand beside the ledger; an export finds them without the flag too."""
    Path("o.csv").write_text("key,product_id,denomination\nA,1001,500\n")
    ledger = ("--ledger", "m.db")
    assert command("bulk", "plan", "o.csv", *ledger, "--sandbox").code == 0
    assert command("bulk", "status", *ledger, "--sandbox", "--json").facts["not_sent"] == 1
    assert command("bulk", "resume", *ledger, "--sandbox", "--no-codes").code == 0
    assert Path("m.db.sandbox").exists()
    for name, flags in (("a.csv", ["--sandbox"]), ("b.csv", [])):
        assert command("bulk", "export", *ledger, "--out", name, "--reveal", *flags).code == 0
        assert "SBX-" in Path(name).read_text()
    assert command("bulk", "status", *ledger, "--sandbox").code == 0


def test_status_refuses_another_servers_ledger(command: Command, sandbox: Sandbox) -> None:
    """The address is named."""
    Path("o.csv").write_text("key,product_id,denomination\nA,1001,500\n")
    assert command("bulk", "plan", "o.csv", "--ledger", "m.db").code == 0
    shown = command("bulk", "status", "--ledger", "m.db", "--sandbox")
    assert shown.code == 2
    assert "not in a sandbox of its own" in shown.err
