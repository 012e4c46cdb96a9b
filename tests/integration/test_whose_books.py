"""Which account and job a ledger belongs to: other accounts, two jobs of one name, a repeating proxy, lost ledgers."""

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.commands import last_json, reaching, write_values, xoxo
from tests.integration.jobs import codes_by_key, connected, lines
from xoxo_async import ClientCredentials, RateLimits, XoxoClient
from xoxo_async.bulk import BulkIssuer, OrderLine, SqliteLedger
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.sandbox import Sandbox
from xoxo_async.sandbox.handlers import HANDLERS
from xoxo_async.sandbox.reading import Refusal

pytestmark = pytest.mark.anyio


def issuer(client: XoxoClient, ledger: SqliteLedger, **settings: Any) -> BulkIssuer:
    """Return an issuer that accepts two absences at once, and sends one order after another."""
    return BulkIssuer(client, ledger, **{"job": "march", "settle_s": 0, "concurrency": 1, **settings})


def people(**emails: str) -> list[OrderLine]:
    """Return a line for each person, by key."""
    return [
        OrderLine(key=key, product_id=1001, denomination=Decimal(100), email=email) for key, email in emails.items()
    ]


async def errors_of(ledger: SqliteLedger) -> dict[str, str]:
    """Return the messages of the lines that wait for a person."""
    return {line.key: line.error async for line in ledger.lines(states=(LineState.MANUAL,))}


# Another account.


@pytest.mark.parametrize("doubt", [False, True])
@pytest.mark.parametrize("command", ["run", "resume", "reconcile", "plan", "resolve"])
def test_another_client_id_asks_and_sends_nothing(tmp_path: Path, command: str, doubt: bool) -> None:
    """Exit 2 names `rebind`. After a person has rebound the ledger, the work continues."""
    with Sandbox().run_in_thread() as sandbox:
        env = reaching(sandbox)
        orders = write_values(tmp_path, ("A", 100), ("B", 100))
        if doubt:
            sandbox.script("reset_before_commit", nth=2)
            sandbox.script("html_502", operation="getOrderDetails")
        settings = ("--ledger", "l.db", "--rate", "none", "--settle", "0", "--pause-limit", "0")
        xoxo("bulk", "run", orders, *settings, cwd=tmp_path, **env)
        sandbox.faults.rules.clear()
        before = sandbox.books()
        arguments = {
            "run": ("run", orders, *settings),
            "plan": ("plan", orders, "--ledger", "l.db"),
            "resolve": ("resolve", "B", "--ledger", "l.db", "--placed", "6000001"),
        }.get(command, (command, *settings))
        done = xoxo("bulk", *arguments, cwd=tmp_path, **{**env, "XOXO_CLIENT_ID": "another"})
        assert done.returncode == 2
        assert "another account" in done.stderr
        assert "xoxo bulk rebind" in done.stderr
        assert sandbox.books() == before


def test_a_replaced_client_id_needs_one_rebind(tmp_path: Path) -> None:
    """The ledger then belongs to the new client id, and no more to the old one."""
    with Sandbox().run_in_thread() as sandbox:
        env = reaching(sandbox)
        xoxo("bulk", "run", write_values(tmp_path, ("A", 100)), "--ledger", "l.db", cwd=tmp_path, **env)
        rebind = ("bulk", "rebind", "--ledger", "l.db", "--reason")
        assert xoxo(*rebind, " ", cwd=tmp_path, **env).returncode == 2
        other = {**env, "XOXO_CLIENT_ID": "another"}
        assert xoxo(*rebind, "replaced in the dashboard", cwd=tmp_path, **other).returncode == 0
        assert xoxo("bulk", "resume", "--ledger", "l.db", cwd=tmp_path, **env).returncode == 2
        assert xoxo(*rebind, "and back", cwd=tmp_path, **env).returncode == 0
        assert xoxo("bulk", "resume", "--ledger", "l.db", cwd=tmp_path, **env).returncode == 0
        assert sandbox.books().orders == 1


def test_another_sandbox_at_another_port_is_another_server(tmp_path: Path) -> None:
    """It does not know the ledger's orders, so it sells nothing a second time."""
    with Sandbox().run_in_thread() as first:
        xoxo("bulk", "run", write_values(tmp_path, ("A", 100)), "--ledger", "l.db", cwd=tmp_path, **reaching(first))
    with Sandbox().run_in_thread() as second:
        done = xoxo("bulk", "resume", "--ledger", "l.db", cwd=tmp_path, **reaching(second))
        assert (done.returncode, second.books().orders) == (2, 0)
        assert "begun against" in done.stderr


def test_the_same_sandbox_at_another_port_goes_on(tmp_path: Path) -> None:
    """It knows an order of the ledger."""
    books = tmp_path / "books"
    with Sandbox(path=books).run_in_thread() as first:
        xoxo("bulk", "run", write_values(tmp_path, ("A", 100)), "--ledger", "l.db", cwd=tmp_path, **reaching(first))
    with Sandbox(path=books).run_in_thread() as again:
        write_values(tmp_path, ("A", 100), ("B", 100))
        done = xoxo("bulk", "run", "orders.csv", "--ledger", "l.db", "--json", cwd=tmp_path, **reaching(again))
        assert (last_json(done)["issued"], again.books().orders) == (2, 2)


# Two jobs that share poNumbers.


@pytest.mark.parametrize("echoed", [True, False], ids=["e-mails echoed", "nothing echoed"])
async def test_two_ledgers_of_one_name_share_nothing(tmp_path: Path, echoed: bool) -> None:
    """Tuesday's people do not get Monday's codes, whether or not the vendor tells who ordered them."""
    dialect: Any = "vendor" if echoed else "openapi"
    async with Sandbox(dialect=dialect) as sandbox, connected(sandbox) as client:
        async with SqliteLedger(tmp_path / "mon.db") as monday:
            report = await issuer(client, monday, job="ledger").run(people(a="ann@example.com", b="bob@example.com"))
            assert report.issued == 2
        async with SqliteLedger(tmp_path / "tue.db") as tuesday:
            for _ in range(2):
                run = issuer(client, tuesday, job="ledger")
                report = await run.run(people(a="cat@example.com", b="dan@example.com"))
                assert (report.issued, report.unknown, report.exit_code) == (0, 2, 4)
            told = await errors_of(tuesday)
            assert not any((await codes_by_key(tuesday)).values())
        for key, order_id in (("a", 6000001), ("b", 6000002)):
            assert f"order {order_id}" in told[key]
            assert "--job" in told[key]
            assert "--restore" in told[key]
        assert ("ann@example.com" in told["a"]) is echoed
        async with SqliteLedger(tmp_path / "new.db") as named:
            report = await issuer(client, named, job="tue").run(people(a="cat@example.com", b="dan@example.com"))
            assert (report.issued, sandbox.books().orders) == (2, 4)


async def test_a_mistaken_restore_adopts_no_foreign_order(tmp_path: Path) -> None:
    """The ledger was restored by mistake, and the vendor's orders contradict its rows."""
    async with Sandbox() as sandbox, connected(sandbox) as client:
        async with SqliteLedger(tmp_path / "mon.db") as monday:
            await issuer(client, monday).run(people(a="ann@example.com"))
        async with SqliteLedger(tmp_path / "tue.db") as tuesday:
            report = await issuer(client, tuesday, restore=True).run(people(a="cat@example.com"))
            assert (report.issued, report.unknown, sandbox.books().orders) == (0, 1, 1)
            assert "its e-mail is not the one asked for" in (await errors_of(tuesday))["a"]


# A proxy that repeats a request.


@asynccontextmanager
async def repeating(po_numbers: set[str], *, late_s: float = 0.0, zone_s: float = 0.0) -> AsyncIterator[Sandbox]:
    """Run a sandbox behind a proxy that repeats requests, so that the answer is the refusal of the second copy."""
    place, look = HANDLERS["placeOrder"], HANDLERS["getOrderDetails"]

    def placed(state: Any, data: Mapping[str, Any], openapi: bool) -> object:
        answer = place(state, data, openapi)
        if data["poNumber"] in po_numbers:
            order = state.find(0, data["poNumber"])
            order.placed_at -= late_s
            raise Refusal("PLE10004")
        return answer

    def looked(state: Any, data: Mapping[str, Any], openapi: bool) -> object:
        order = state.find(int(data.get("orderId") or 0), str(data.get("poNumber") or ""))
        if order is not None:
            order.placed_at += zone_s
        try:
            return look(state, data, openapi)
        finally:
            if order is not None:
                order.placed_at -= zone_s

    HANDLERS["placeOrder"], HANDLERS["getOrderDetails"] = placed, looked
    try:
        async with Sandbox() as sandbox:
            yield sandbox
    finally:
        HANDLERS["placeOrder"], HANDLERS["getOrderDetails"] = place, look


async def planned(client: XoxoClient, ledger: SqliteLedger, count: int) -> list[str]:
    """Plan lines, and return their poNumbers."""
    await issuer(client, ledger).plan(lines(count))
    return [line.po_number async for line in ledger.lines()]


@pytest.mark.parametrize("zone_s", [0.0, 19_800.0, -28_800.0])
async def test_an_order_repeated_by_a_proxy_is_adopted(tmp_path: Path, zone_s: float) -> None:
    """Its date falls within the send, by the vendor's clock as another order of this ledger shows it."""
    repeated: set[str] = set()
    async with (
        repeating(repeated, zone_s=zone_s) as sandbox,
        connected(sandbox) as client,
        SqliteLedger(tmp_path / "l.db") as ledger,
    ):
        repeated.add((await planned(client, ledger, 3))[1])
        report = await issuer(client, ledger).issue()
        assert (report.issued, report.unknown, sandbox.books().orders) == (3, 0, 3)


async def test_without_a_known_zone_a_person_decides(tmp_path: Path) -> None:
    """A ledger with one row cannot know whose order it is."""
    repeated: set[str] = set()
    async with (
        repeating(repeated) as sandbox,
        connected(sandbox) as client,
        SqliteLedger(tmp_path / "l.db") as ledger,
    ):
        repeated.update(await planned(client, ledger, 1))
        report = await issuer(client, ledger).issue()
        assert (report.issued, report.unknown, report.exit_code) == (0, 1, 4)
        assert "order 6000001" in (await errors_of(ledger))["k0"]


@pytest.mark.parametrize("late_s", [2.0, 3600.0, 86_400.0])
async def test_an_order_before_the_send_is_foreign(tmp_path: Path, late_s: float) -> None:
    """That holds a moment before the send, too: another run with the same keys may have placed it."""
    repeated: set[str] = set()
    async with (
        repeating(repeated, late_s=late_s) as sandbox,
        connected(sandbox) as client,
        SqliteLedger(tmp_path / "l.db") as ledger,
    ):
        repeated.add((await planned(client, ledger, 3))[1])
        report = await issuer(client, ledger).issue()
        assert (report.issued, report.unknown, sandbox.books().orders) == (2, 1, 3)


# Ledgers that were lost, or are older copies.


@pytest.mark.parametrize("unique", [True, False], ids=["refuses known", "refuses none"])
async def test_a_lost_ledger_is_replaced_to_the_cent(tmp_path: Path, unique: bool) -> None:
    """Every row is looked up before it is sent, whether or not the vendor refuses a known poNumber."""
    rows = lines(10)
    async with Sandbox(unique_po_numbers=unique) as sandbox, connected(sandbox) as client:
        async with SqliteLedger(tmp_path / "lost.db") as lost:
            await issuer(client, lost).run(rows[:6])
            theirs = await codes_by_key(lost)
        async with SqliteLedger(tmp_path / "new.db") as ledger:
            report = await issuer(client, ledger, restore=True).run(rows)
            assert (report.issued, sandbox.books().orders, sandbox.books().duplicates) == (10, 10, {})
            found = await codes_by_key(ledger)
        assert {key: found[key] for key in theirs} == theirs


async def test_a_restored_older_copy_buys_nothing_twice(tmp_path: Path) -> None:
    """The lost ledger sent the rows that are planned here, and the vendor refuses no poNumber."""
    async with Sandbox(unique_po_numbers=False) as sandbox, connected(sandbox) as client:
        async with SqliteLedger(tmp_path / "l.db") as ledger:
            await issuer(client, ledger).plan(lines(5))
        shutil.copy(tmp_path / "l.db", tmp_path / "copy.db")
        async with SqliteLedger(tmp_path / "l.db") as ledger:
            await issuer(client, ledger).resume()
        async with SqliteLedger(tmp_path / "copy.db") as copy:
            await issuer(client, copy, restore=True).plan(lines(6), approve=None)
            report = await issuer(client, copy).resume()  # also without the flag, because the plan has kept it
            assert (report.issued, sandbox.books().orders) == (6, 6)


async def test_differently_packed_orders_need_a_person(tmp_path: Path) -> None:
    """Two plans made two orders of five rows. The new ledger would make one of ten, which no look-up finds."""
    async with Sandbox() as sandbox, connected(sandbox) as client:
        async with SqliteLedger(tmp_path / "lost.db") as lost:
            await issuer(client, lost, pack=True).run(lines(5))
            await issuer(client, lost, pack=True).run(lines(10))
        async with SqliteLedger(tmp_path / "new.db") as ledger:
            for run in (issuer(client, ledger, pack=True, restore=True), issuer(client, ledger, pack=True)):
                report = await run.run(lines(10))
                assert (report.unknown, sandbox.books().pieces) == (10, 10)
            (told,) = (await errors_of(ledger)).values()
            assert "may have been sent in other orders" in told


async def test_packs_split_elsewhere_need_a_person(tmp_path: Path) -> None:
    """There a row was withdrawn, and the other rows became single orders. No look-up of the pack finds them."""
    async with Sandbox() as sandbox, connected(sandbox) as client:
        async with SqliteLedger(tmp_path / "l.db") as ledger:
            await issuer(client, ledger, pack=True).plan(lines(5))
        shutil.copy(tmp_path / "l.db", tmp_path / "copy.db")
        async with SqliteLedger(tmp_path / "l.db") as ledger:
            await ledger.withdraw(["k0"], reason="gone")
            assert (await issuer(client, ledger).resume()).issued == 4
        async with SqliteLedger(tmp_path / "copy.db") as ledger:
            report = await issuer(client, ledger).resume()
            assert (report.unknown, sandbox.books().pieces) == (5, 4)
            (told,) = (await errors_of(ledger)).values()
            assert "may have been sent in other orders" in told


async def test_equally_packed_orders_are_found(tmp_path: Path) -> None:
    """The same rows in the same plans make the same orders."""
    async with Sandbox() as sandbox, connected(sandbox) as client:
        for name in ("lost.db", "new.db"):
            async with SqliteLedger(tmp_path / name) as ledger:
                report = await issuer(client, ledger, pack=True, restore=name == "new.db").run(lines(25))
                assert (report.issued, sandbox.books().pieces) == (25, 25)


def test_the_command_restores_a_lost_ledger(tmp_path: Path) -> None:
    """Without the flag the rows wait for a person and the flag is named. With it they are issued once."""
    with Sandbox().run_in_thread() as sandbox:
        env = reaching(sandbox)
        orders = write_values(tmp_path, ("A", 100), ("B", 100))
        run = ("bulk", "run", orders, "--ledger", "l.db", "--settle", "0", "--rate", "none", "--json")
        assert xoxo(*run, cwd=tmp_path, **env).returncode == 0
        for path in tmp_path.glob("l.db*"):
            path.unlink()
        assert xoxo(*run, cwd=tmp_path, **env).returncode == 4
        status = last_json(xoxo("bulk", "status", "--ledger", "l.db", "--json", cwd=tmp_path))
        assert all("--restore" in problem["error"] for problem in status["problems"])
        restored = xoxo(*run, "--restore", cwd=tmp_path, **env)
        assert (last_json(restored)["issued"], sandbox.books().orders) == (2, 2)


async def test_two_accounts_are_two_ledgers(tmp_path: Path) -> None:
    """The library refuses a client of another account before it requests a token."""
    async with Sandbox() as sandbox, connected(sandbox) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        await issuer(client, ledger).run(lines(2))
        tokens = sandbox.books().requests["token"]
        stranger = ClientCredentials("another", sandbox.client_secret)
        async with XoxoClient(stranger, base_url=sandbox.base_url, rate_limits=RateLimits.unlimited()) as other:
            for work in ("resume", "reconcile", "issue"):
                with pytest.raises(Exception, match="another account"):
                    await getattr(issuer(other, ledger), work)()
        assert sandbox.books().requests["token"] == tokens
