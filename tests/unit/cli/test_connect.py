"""`connect`: flags and XOXO_* variables lead to one server, whether it is real money is known, and a client opens."""

import os
from pathlib import Path

import pytest

from xoxo_async import errors
from xoxo_async.cli.connect import SANDBOX, Connection, is_real_money, open_client, run_async
from xoxo_async.config import PRODUCTION, STAGING
from xoxo_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("XOXO_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("connection", "flags"),
    [
        (Connection(), []),
        (Connection(sandbox=True), ["--sandbox"]),
        (
            Connection(base_url="https://x.example", client_id="me"),
            ["--base-url", "https://x.example", "--client-id", "me"],
        ),
        (Connection(rate=5, connections=9), []),
    ],
)
def test_flags_lead_another_command_to_the_same_server(connection: Connection, flags: list[str]) -> None:
    """Only what was said on the command line: the environment is still there."""
    assert connection.flags == flags


def test_an_address_is_the_flags_and_else_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else STAGING; the sandbox has none."""
    assert Connection().address == STAGING
    monkeypatch.setenv("XOXO_BASE_URL", "https://env.example/chef")
    assert Connection().address == "https://env.example/chef"
    assert Connection(base_url="https://flag.example").address == "https://flag.example"
    assert Connection(base_url="https://flag.example", sandbox=True).address == SANDBOX


@pytest.mark.parametrize(
    ("address", "real"),
    [
        (PRODUCTION, True),
        (STAGING, False),
        ("http://127.0.0.1:8080", False),
        ("http://localhost:8080", False),
        ("https://staging.example.com", True),
        ("https://staging.xoxoday.com.example.com", True),
        ("https://notstaging.xoxoday.com", True),
        ("https://127.0.0.1.example.com", True),
    ],
)
def test_money_is_real_unless_it_is_known_not_to_be(address: str, real: bool) -> None:
    """An address that only looks like staging or this machine may cost something."""
    assert is_real_money(Connection(base_url=address)) is real


def test_the_sandboxs_money_is_never_real(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says."""
    monkeypatch.setenv("XOXO_BASE_URL", PRODUCTION)
    assert is_real_money(Connection())
    assert not is_real_money(Connection(sandbox=True))


async def test_missing_credentials_are_named_before_anything_is_asked() -> None:
    """By their variables."""
    with pytest.raises(errors.ConfigError, match="XOXO_CLIENT_SECRET"):
        async with open_client(Connection(client_id="me")):
            pass


async def test_the_sandbox_needs_no_credentials() -> None:
    """It is started for the block, and takes orders."""
    async with open_client(Connection(sandbox=True)) as xoxo:
        order = await xoxo.orders.place(product_id=1001, denomination=100, po_number="PO-1")
    assert order.order_id


async def test_the_sandboxs_books_stay_where_an_order_is_in_them(tmp_path: Path) -> None:
    """The next command finds the order."""
    books = tmp_path / "m.db.sandbox"
    async with open_client(Connection(sandbox=True, books=books)) as xoxo:
        placed = await xoxo.orders.place(product_id=1001, denomination=100, po_number="PO-1")
    async with open_client(Connection(sandbox=True, books=books)) as xoxo:
        found = await xoxo.orders.find("PO-1")
    assert found is not None
    assert found.order_id == placed.order_id
    assert books.exists()


async def test_books_that_nothing_was_written_in_go_again(tmp_path: Path) -> None:
    """A command that asked a question leaves no file."""
    books = tmp_path / "m.db.sandbox"
    async with open_client(Connection(sandbox=True, books=books)) as xoxo:
        await xoxo.account.get_balance()
        assert books.exists()
    assert os.listdir(tmp_path) == []


async def test_books_that_were_there_before_stay(tmp_path: Path) -> None:
    """Also without an order: they are not ours to remove."""
    books = tmp_path / "m.db.sandbox"
    books.touch()
    async with open_client(Connection(sandbox=True, books=books)):
        pass
    assert books.exists()


async def test_a_sandbox_that_cannot_start_is_a_wrong_usage(tmp_path: Path) -> None:
    """With the reason."""
    with pytest.raises(errors.ConfigError, match="there is no folder"):
        async with open_client(Connection(sandbox=True, books=tmp_path / "no" / "m.db")):
            pass


@pytest.mark.parametrize(
    ("operation", "aloud", "told"),
    [
        ("getFilters", True, True),
        ("getFilters", False, True),
        ("getOrderDetails", True, True),
        ("getOrderDetails", False, False),
    ],
)
async def test_who_waits_is_told_for_what(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], operation: str, aloud: bool, told: bool
) -> None:
    """That something is tried again; of a run's thousands of look-ups nothing is said."""
    async with Sandbox() as sandbox:
        monkeypatch.setenv("XOXO_CLIENT_ID", sandbox.client_id)
        monkeypatch.setenv("XOXO_CLIENT_SECRET", sandbox.client_secret)
        sandbox.script("error_5xx_before", operation=operation, first=1)
        async with open_client(Connection(base_url=sandbox.base_url), aloud=aloud) as xoxo:
            await (xoxo.catalog.list_filters() if operation == "getFilters" else xoxo.orders.find("PO-1"))
        assert len([received for received in sandbox.requests if received.operation == operation]) == 2
    assert (f"{operation} failed" in capsys.readouterr().err) is told


def test_work_is_run_to_its_result() -> None:
    """On whichever loop is installed; its error is its own."""

    async def work() -> int:
        return 7

    async def fail() -> None:
        raise KeyError("work")

    assert run_async(work) == 7
    with pytest.raises(KeyError):
        run_async(fail)
