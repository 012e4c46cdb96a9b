"""`connect`: a client opens at the server that the flags and the environment name."""

import os
from pathlib import Path

import pytest

from xoxo_async import errors
from xoxo_async.cli.connect import ask, open_client
from xoxo_async.cli.connection import Connection
from xoxo_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("XOXO_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))


async def test_missing_credentials_are_named_before_anything_is_asked() -> None:
    """The error names the variables."""
    with pytest.raises(errors.ConfigError, match="XOXO_CLIENT_SECRET"):
        async with open_client(Connection(client_id="me")):
            pass


async def test_client_credentials_need_no_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user of a container may have none."""

    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", fail)
    monkeypatch.delenv("XDG_STATE_HOME")
    async with Sandbox() as sandbox:
        monkeypatch.setenv("XOXO_CLIENT_ID", sandbox.client_id)
        monkeypatch.setenv("XOXO_CLIENT_SECRET", sandbox.client_secret)
        async with open_client(Connection(base_url=sandbox.base_url)) as xoxo:
            assert (await xoxo.account.get_balance()).currency


async def test_the_sandbox_needs_no_credentials() -> None:
    """It starts for the block, and takes orders."""
    async with open_client(Connection(sandbox=True)) as xoxo:
        order = await xoxo.orders.place(product_id=1001, denomination=100, po_number="PO-1")
    assert order.order_id


async def test_books_with_an_order_stay(tmp_path: Path) -> None:
    """The next command finds the order."""
    books = tmp_path / "m.db.sandbox"
    async with open_client(Connection(sandbox=True, books=books)) as xoxo:
        placed = await xoxo.orders.place(product_id=1001, denomination=100, po_number="PO-1")
    async with open_client(Connection(sandbox=True, books=books)) as xoxo:
        found = await xoxo.orders.find("PO-1")
    assert found is not None
    assert found.order_id == placed.order_id
    assert books.exists()


async def test_books_without_an_order_are_removed(tmp_path: Path) -> None:
    """A command that only asked leaves no file."""
    books = tmp_path / "m.db.sandbox"
    async with open_client(Connection(sandbox=True, books=books)) as xoxo:
        await xoxo.account.get_balance()
        assert books.exists()
    assert os.listdir(tmp_path) == []


async def test_books_that_were_there_before_stay(tmp_path: Path) -> None:
    """Books from before stay also without an order, because the command did not make them."""
    books = tmp_path / "m.db.sandbox"
    books.touch()
    async with open_client(Connection(sandbox=True, books=books)):
        pass
    assert books.exists()


async def test_a_sandbox_that_fails_is_wrong_usage(tmp_path: Path) -> None:
    """The error has the reason."""
    with pytest.raises(errors.ConfigError, match="there is no folder"):
        async with open_client(Connection(sandbox=True, books=tmp_path / "no" / "m.db")):
            pass


@pytest.mark.parametrize(
    ("operation", "say_lookups", "printed"),
    [
        ("getFilters", True, True),
        ("getFilters", False, True),
        ("getOrderDetails", True, True),
        ("getOrderDetails", False, False),
    ],
)
async def test_a_retry_is_printed(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    operation: str,
    say_lookups: bool,
    printed: bool,
) -> None:
    """A retry is printed, but not for look-ups in a bulk run, which makes thousands."""
    async with Sandbox() as sandbox:
        monkeypatch.setenv("XOXO_CLIENT_ID", sandbox.client_id)
        monkeypatch.setenv("XOXO_CLIENT_SECRET", sandbox.client_secret)
        sandbox.script("error_5xx_before", operation=operation, first=1)
        async with open_client(Connection(base_url=sandbox.base_url), say_lookups=say_lookups) as xoxo:
            await (xoxo.catalog.list_filters() if operation == "getFilters" else xoxo.orders.find("PO-1"))
        assert len([received for received in sandbox.requests if received.operation == operation]) == 2
    assert (f"{operation} failed" in capsys.readouterr().err) is printed


def test_one_question_opens_and_closes_a_client() -> None:
    """The sandbox answers with its starting balance."""
    assert ask(Connection(sandbox=True), lambda xoxo: xoxo.account.get_balance()).value > 0
