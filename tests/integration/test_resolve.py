"""A person's decision about a row is checked by a look-up, and can be corrected: by the command and the library."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.commands import last_json, reaching, write_values, xoxo
from tests.integration.jobs import codes_by_key, connected
from xoxo_async import XoxoClient
from xoxo_async.bulk import BulkIssuer, OrderLine, SqliteLedger
from xoxo_async.bulk.deciding import Decision
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.errors import ConfigError, ServerError
from xoxo_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

ROWS = [
    OrderLine(key="a", product_id=1001, denomination=Decimal(100), email="a@example.com"),
    OrderLine(key="b", product_id=1001, denomination=Decimal(250), email="b@example.com"),
    OrderLine(key="c", product_id=1001, denomination=Decimal(100), email="c@example.com"),
]
A, B, C = 6000001, 6000002, 6000003
"""The orders of the rows in the books of the vendor."""


@asynccontextmanager
async def for_a_person(folder: Path) -> AsyncIterator[tuple[Sandbox, XoxoClient, SqliteLedger]]:
    """Yield a ledger whose rows all wait for a person, although the vendor has an order for each."""
    async with Sandbox() as sandbox, connected(sandbox) as client:
        async with SqliteLedger(folder / "other.db") as other:
            await BulkIssuer(client, other, job="march", concurrency=1).run(ROWS)
        async with SqliteLedger(folder / "l.db") as ledger:
            report = await BulkIssuer(client, ledger, job="march", settle_s=0, concurrency=1).run(ROWS)
            assert report.unknown == 3
            yield sandbox, client, ledger


def issuer(client: XoxoClient, ledger: SqliteLedger) -> BulkIssuer:
    return BulkIssuer(client, ledger, settle_s=0)


async def orders(ledger: SqliteLedger) -> dict[str, tuple[str, int | None]]:
    return {line.key: (line.state.value, line.order_id) async for line in ledger.lines()}


NOBODY: dict[str, tuple[str, int | None]] = dict.fromkeys("abc", ("manual", None))


@pytest.mark.parametrize(
    ("order_id", "why"),
    [
        (6000099, "the vendor has no order 6000099"),
        (B, "is not this row's: its denomination is 250, not 100"),
        (C, "is not this row's: its e-mail is not the one asked for"),
    ],
    ids=["a typo", "another value", "another person"],
)
async def test_a_wrong_order_is_not_believed(tmp_path: Path, order_id: int, why: str) -> None:
    """The error shows the vendor's order, nothing is recorded, and the right order can still be given."""
    async with for_a_person(tmp_path) as (_, client, ledger):
        with pytest.raises(ConfigError, match=why) as caught:
            await issuer(client, ledger).resolve("a", Decision(placed=order_id))
        assert ("othing was recorded" in caught.value.message) is True
        assert await orders(ledger) == NOBODY
        resolved = await issuer(client, ledger).resolve("a", Decision(placed=A))
        assert resolved.found.startswith(f"order {A}, placed on ")
        assert resolved.found.endswith("product 1001, 1 x 100, total 100 INR, e-mail a@example.com")
        assert (await orders(ledger))["a"] == ("placed", A)


async def test_an_order_of_another_row_stays_there(tmp_path: Path) -> None:
    """That holds with --unchecked, too."""
    async with for_a_person(tmp_path) as (_, client, ledger):
        await issuer(client, ledger).resolve("c", Decision(placed=C))
        with pytest.raises(ConfigError, match=f"order {C} is line 3's, not line 1's"):
            await issuer(client, ledger).resolve("a", Decision(placed=C, unchecked=True))
        assert await orders(ledger) == {**NOBODY, "c": ("placed", C)}


async def test_an_unchecked_order_is_checked_for_codes(tmp_path: Path) -> None:
    """The row never gets codes of another person, and gets its own after a correction."""
    async with for_a_person(tmp_path) as (sandbox, client, ledger):
        sandbox.script("html_502", operation="getOrderDetails")
        with pytest.raises(ServerError):
            await issuer(client, ledger).resolve("a", Decision(placed=B))
        resolved = await issuer(client, ledger).resolve("a", Decision(placed=B, unchecked=True, reason="support"))
        assert (resolved.line.order_id, resolved.found) == (B, "")
        sandbox.faults.rules.clear()
        await issuer(client, ledger).reconcile()
        assert (await codes_by_key(ledger))["a"] == []
        (line,) = [line async for line in ledger.lines() if line.key == "a"]
        assert f"order {B} is not this row's" in line.error
        await issuer(client, ledger).resolve("a", Decision(placed=A, reason="a typo"))
        await issuer(client, ledger).reconcile()
        assert (await codes_by_key(ledger))["a"] == [sandbox.state.orders[A].codes[0][0]]
        told = [(row.transition, row.order_id, row.reason) async for row in ledger.journal(seq=line.seq)]
        assert ("T13", B, "support; the vendor was not asked") in told
        assert ("T13", A, "a typo") in told


async def test_a_correction_is_looked_up_too(tmp_path: Path) -> None:
    """A second mistake is refused like the first one, and the earlier decision stays."""
    async with for_a_person(tmp_path) as (_, client, ledger):
        await issuer(client, ledger).resolve("a", Decision(placed=A))
        with pytest.raises(ConfigError, match="is not this row's"):
            await issuer(client, ledger).resolve("a", Decision(placed=C))
        await issuer(client, ledger).resolve("c", Decision(placed=C))
        with pytest.raises(ConfigError, match="is line 3's"):
            await issuer(client, ledger).resolve("a", Decision(placed=C, unchecked=True))
        assert await orders(ledger) == {**NOBODY, "a": ("placed", A), "c": ("placed", C)}
        assert (await issuer(client, ledger).reconcile()).issued == 2


@pytest.mark.parametrize(
    "decision", [Decision(resend=True, reason="r"), Decision(reason="r")], ids=["resend", "reject"]
)
async def test_a_person_may_withdraw_an_order_id(tmp_path: Path, decision: Decision) -> None:
    """A person said placed, and it was not. The order belongs to the row no more."""
    async with for_a_person(tmp_path) as (_, client, ledger):
        await issuer(client, ledger).resolve("a", Decision(placed=A))
        after = (await issuer(client, ledger).resolve("a", decision)).line
        assert after.state is (LineState.PLANNED if decision.resend else LineState.REJECTED)
        assert after.order_id is None
        assert (await issuer(client, ledger).resolve("c", Decision(placed=C))).line.state is LineState.PLACED


@pytest.mark.parametrize("decision", [Decision(resend=True), Decision(reason="r"), Decision(placed=B, unchecked=True)])
async def test_a_proven_order_is_not_a_persons(tmp_path: Path, decision: Decision) -> None:
    """Sent again, it would be bought twice."""
    async with Sandbox() as sandbox, connected(sandbox) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        await BulkIssuer(client, ledger, job="march", concurrency=1).run(ROWS[:1])
        with pytest.raises(ConfigError, match=r"a stays placed|a is placed, so no person can decide about it"):
            await issuer(client, ledger).resolve("a", decision)
        assert await orders(ledger) == {"a": ("placed", A)}


async def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    """The error comes before any look-up."""
    async with for_a_person(tmp_path) as (sandbox, client, ledger):
        asked = sandbox.books().requests["getOrderDetails"]
        with pytest.raises(ConfigError, match="no line with the key 'nobody'"):
            await issuer(client, ledger).resolve("nobody", Decision(placed=A))
        assert sandbox.books().requests["getOrderDetails"] == asked


async def test_rows_that_share_an_order_are_decided_together(tmp_path: Path) -> None:
    """The order is compared with what all of its rows want, and the key of any row decides it."""
    rows = [OrderLine(key=f"k{n}", product_id=1001, denomination=Decimal(100)) for n in range(5)]
    async with Sandbox() as sandbox, connected(sandbox) as client:
        async with SqliteLedger(tmp_path / "other.db") as other:
            await BulkIssuer(client, other, job="march", pack=True).run(rows)
            await BulkIssuer(client, other, job="march").run([*rows, ROWS[0]])
        async with SqliteLedger(tmp_path / "l.db") as ledger:
            await BulkIssuer(client, ledger, job="march", pack=True, settle_s=0).run(rows)
            with pytest.raises(ConfigError, match="its quantity is 1, not 5"):
                await issuer(client, ledger).resolve("k3", Decision(placed=B))
            await issuer(client, ledger).resolve("k3", Decision(placed=A))
            report = await issuer(client, ledger).reconcile()
            assert (report.issued, report.unknown, sandbox.books().pieces) == (5, 0, 6)


# The command.


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Run a sandbox in a thread of its own, and yield it."""
    with Sandbox().run_in_thread() as sandbox:
        yield sandbox


def test_the_command_looks_up_the_named_order(tmp_path: Path, sandbox: Sandbox) -> None:
    """A typo is exit 2, --unchecked makes no call, and a correction works. Each prints its result."""
    env: dict[str, Any] = reaching(sandbox)
    run = (
        "bulk",
        "run",
        write_values(tmp_path, ("A", 100), ("B", 250)),
        "--job",
        "march",
        "--settle",
        "0",
        "--rate",
        "none",
    )
    assert xoxo(*run, "--concurrency", "1", "--ledger", "other.db", cwd=tmp_path, **env).returncode == 0
    assert xoxo(*run, "--ledger", "l.db", cwd=tmp_path, **env).returncode == 4
    resolve = ("bulk", "resolve", "A", "--ledger", "l.db", "--json")
    for order_id, why in (("6000077", "the vendor has no order"), (str(B), "is not this row's")):
        wrong = xoxo(*resolve, "--placed", order_id, cwd=tmp_path, **env)
        assert (wrong.returncode, why in wrong.stderr) == (2, True)
    asked = sandbox.books().requests["getOrderDetails"]
    unchecked = xoxo(*resolve, "--placed", str(B), "--unchecked", cwd=tmp_path)  # no credentials are needed
    assert last_json(unchecked)["order_id"] == B
    assert sandbox.books().requests["getOrderDetails"] == asked
    right = xoxo(*resolve, "--placed", str(A), "--reason", "a typo", cwd=tmp_path, **env)
    assert last_json(right)["order_id"] == A
    assert last_json(right)["found"].startswith(f"order {A}")
    assert xoxo(*resolve, "--resend", "--unchecked", cwd=tmp_path, **env).returncode == 2
    other = xoxo("bulk", "resolve", "B", "--ledger", "l.db", "--placed", str(B), cwd=tmp_path, **env)
    assert f"the vendor has: order {B}" in other.stdout
    done = xoxo("bulk", "resume", "--ledger", "l.db", "--json", cwd=tmp_path, **env)
    assert (done.returncode, last_json(done)["issued"], sandbox.books().orders) == (0, 2, 2)
