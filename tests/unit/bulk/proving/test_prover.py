"""`prover`: a whole proof over a real ledger and hand-written books."""

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.bulk.ledger.facts import packable
from tests.unit.bulk.ledger.ledgers import each
from tests.unit.bulk.proving.books import Vendor, answered, issue, sold, summary
from xoxo_async import errors
from xoxo_async.bulk.ledger.protocol import Identity, PlanTerms
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.proving.prover import prove_job
from xoxo_async.bulk.proving.result import KINDS, Proof
from xoxo_async.paging import Page

pytestmark = pytest.mark.anyio

TODAY = datetime.now(UTC)


class Today(Vendor):
    """Books of today, as the ledger's clock is the real one."""

    def sells(self, lines: Any) -> None:
        super().sells(lines)
        stamp = TODAY.strftime("%Y-%m-%d %H:%M:%S")
        self.history = [msgspec.structs.replace(one, order_date_=stamp) for one in self.history]
        self.payments = [msgspec.structs.replace(one, date_=stamp[:10]) for one in self.payments]


@pytest.fixture
def client() -> Today:
    return Today()


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    """Yield an empty ledger."""
    async with SqliteLedger(tmp_path / "l.db") as opened:
        yield opened


async def prove(client: Vendor, ledger: SqliteLedger, tmp_path: Path, **how: Any) -> Proof:
    return await prove_job(client, ledger, progress=tmp_path / "l.db.proof", **how)


def found(proof: Proof) -> dict[str, int]:
    return {kind: number for kind, number in proof.found.items() if number}


async def test_an_agreeing_job_is_proven(client: Today, ledger: SqliteLedger, tmp_path: Path) -> None:
    """Three calls, no look-up, nothing in the ledger changes, and no file is left."""
    await issue(ledger, *range(150))
    client.sells(sold(*range(150)))
    journal = [row async for row in ledger.journal()]
    proof = await prove(client, ledger, tmp_path)
    assert (proof.ok, found(proof), proof.agree, proof.placed) == (True, {}, 150, 150)
    assert proof.calls == {"getOrderHistory": 2, "paymentHistory": 2}
    assert (proof.sums.ledger, proof.sums.paid) == (15_000, 15_000)
    assert [row async for row in ledger.journal()] == journal
    assert not (tmp_path / "l.db.proof").exists()


async def test_an_interrupted_proof_goes_on(client: Today, ledger: SqliteLedger, tmp_path: Path) -> None:
    """Pages that were read are not read again, but for the last one."""
    await issue(ledger, *range(350))
    client.sells(sold(*range(350)))
    client.breaks_at = 4
    with pytest.raises(errors.ConnectError):
        await prove(client, ledger, tmp_path)
    assert (tmp_path / "l.db.proof").stat().st_mode & 0o777 == 0o600
    client.calls.clear()
    client.breaks_at = 0
    proof = await prove(client, ledger, tmp_path)
    assert (proof.ok, client.calls.count("history")) == (True, 2)
    assert proof.calls == {"getOrderHistory": 5, "paymentHistory": 4}


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("commits", range(1, 9))
async def test_a_proof_killed_early_reads_everything(
    client: Today, ledger: SqliteLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commits: int
) -> None:
    """Also if its notes named the proof, and not yet all days to read: a second order would not be seen there."""
    await issue(ledger, 1, 2)
    client.sells(sold(1, 2))
    client.history.append(msgspec.structs.replace(client.history[0], order_id=7777))
    whole = found(await prove(client, ledger, tmp_path))
    assert whole
    left, real = commits, sqlite3.connect

    class Dying(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            nonlocal left
            done = super().execute(sql, *values)
            left -= sql == "COMMIT"
            if not left:
                raise Killed
            return done

    with monkeypatch.context() as dying:
        dying.setattr(sqlite3, "connect", lambda *args, **kwargs: real(*args, factory=Dying, **kwargs))
        with pytest.raises(Killed):
            await prove(client, ledger, tmp_path)
    proof = await prove(client, ledger, tmp_path)
    assert found(proof) == whole
    assert {"getOrderHistory", "paymentHistory"} <= set(proof.calls)


async def test_a_job_that_went_on_is_read_anew(client: Today, ledger: SqliteLedger, tmp_path: Path) -> None:
    """Notes from before its latest send lack orders."""
    await issue(ledger, 1)
    client.sells(sold(1))
    client.breaks_at = 2
    with pytest.raises(errors.ConnectError):
        await prove(client, ledger, tmp_path)
    await issue(ledger, 1, 2)
    client.sells(sold(1, 2))
    assert (await prove(client, ledger, tmp_path)).ok


async def test_thorough_looks_each_order_up(client: Today, ledger: SqliteLedger, tmp_path: Path) -> None:
    """Once."""
    await issue(ledger, 1, 2, 3)
    client.sells(sold(1, 2, 3))
    proof = await prove(client, ledger, tmp_path, thorough=True)
    assert (proof.ok, proof.thorough, proof.calls["getOrderDetails"]) == (True, True, 3)


async def test_a_lagging_history_is_not_passed(client: Today, ledger: SqliteLedger, tmp_path: Path) -> None:
    """Its orders are looked up, and the proof says that the history lags."""
    await issue(ledger, 1, 2)
    client.sells(sold(1, 2))
    client.hidden = {1001}
    proof = await prove(client, ledger, tmp_path)
    assert (proof.ok, found(proof), proof.undecided) == (False, {"unknown": 1}, 1)
    assert "its history does not show it" in proof.unknown[0].why


async def test_cut_days_are_not_passed(client: Today, ledger: SqliteLedger, tmp_path: Path) -> None:
    """The days of the job are named. Days that end after the job are no cut, and are said."""
    await issue(ledger, 1)
    client.sells(sold(1))
    proof = await prove(client, ledger, tmp_path, since=TODAY.date())
    assert found(proof) == {"unknown": 1}
    assert f"the days are cut: the job may have orders before {TODAY.date()}" in proof.unknown[0].why
    later = TODAY + timedelta(days=60)
    own = TODAY.date() + timedelta(days=1)
    proof = await prove(client, ledger, tmp_path, until=own, clock=later.timestamp)
    assert proof.ok
    assert any(f"after {own} were not looked for" in note for note in proof.notes)
    future = await prove(client, ledger, tmp_path, until=date(2100, 1, 1))
    assert (future.ok, future.until, future.calls["getOrderHistory"]) == (True, own.isoformat(), 1)
    with pytest.raises(errors.ConfigError, match="is after the last day"):
        await prove(client, ledger, tmp_path, since=date(2030, 1, 2), until=date(2030, 1, 1))


async def test_a_worker_at_work_makes_no_false_alarm(client: Today, ledger: SqliteLedger, tmp_path: Path) -> None:
    """A line that is placed while the history is read belongs to the order that is there."""
    await issue(ledger, 1, 2, placed=lambda number: number == 1)
    client.sells(sold(1, 2))
    list_history = client.list_history

    async def meanwhile(*given: Any, **also: Any) -> Any:
        (line,) = [line async for line in ledger.lines() if line.key == "k2"]
        if line.order_id is None:
            await ledger.record([answered(line, 1002)])
        return await list_history(*given, **also)

    client.list_history = meanwhile  # type: ignore[method-assign]
    proof = await prove(client, ledger, tmp_path)
    assert (proof.agree, found(proof)) == (2, {})


async def test_packed_rows_have_no_order_of_their_own(client: Today, ledger: SqliteLedger, tmp_path: Path) -> None:
    """The shared order agrees as one; an order under a row's own poNumber is one too many."""
    terms = PlanTerms(identity=Identity("https://plum.test:443/chef", "f1"))
    await ledger.plan("march", each(packable(1, 2, 3)), terms)
    (pack,) = await ledger.claim(10)
    await ledger.record([answered(pack, 1001, pieces=3)])
    client.sells([(1001, pack.po_number), (1002, "po-2-100")])
    products = msgspec.structs.replace(client.history[-1].products[0], quantity=3)
    client.history[-1] = msgspec.structs.replace(client.history[-1], products=(products,))
    proof = await prove(client, ledger, tmp_path)
    assert (proof.orders, proof.agree, found(proof)) == (1, 1, {"unlisted": 1})
    assert "travels in order 1001" in proof.unlisted[0].why


async def test_a_history_without_poNumbers_is_unknown(  # noqa: N802 - the vendor's word
    client: Today, ledger: SqliteLedger, tmp_path: Path
) -> None:
    """Each order is looked up, and a second one could hide among them."""
    await issue(ledger, 1)
    client.sells(sold(1))
    find = client.find

    async def by_hand(po_number: str) -> Any:
        client.history = [msgspec.structs.replace(client.history[0], po_number=po_number)]
        return await find(po_number)

    client.history = [msgspec.structs.replace(client.history[0], po_number=None)]
    client.find = by_hand  # type: ignore[method-assign]
    proof = await prove(client, ledger, tmp_path)
    assert (proof.agree, found(proof)) == (1, {"unknown": 1})
    assert "does not tell the poNumber of 1 order:" in proof.unknown[0].why


async def test_other_jobs_and_funds_stand_apart(client: Today, ledger: SqliteLedger, tmp_path: Path) -> None:
    """They are listed, and are no discrepancy."""
    await issue(ledger, 1)
    client.sells([*sold(1), (7, "INV-1"), (8, "INV-2")])
    proof = await prove(client, ledger, tmp_path)
    assert (proof.ok, proof.sums.other_orders, proof.sums.other, proof.sums.added) == (True, 2, 200, 10_000)


async def test_another_account_is_refused(client: Today, ledger: SqliteLedger, tmp_path: Path) -> None:
    """Before any call. A ledger without a job has nothing to prove."""
    with pytest.raises(errors.ConfigError, match="holds no job yet"):
        await prove(client, ledger, tmp_path)
    await issue(ledger, 1)
    client.account_fingerprint = "f2"
    with pytest.raises(errors.ConfigError, match="another account"):
        await prove(client, ledger, tmp_path)
    assert client.calls == []


async def test_a_result_names_a_thousand_and_counts_all(client: Today, ledger: SqliteLedger, tmp_path: Path) -> None:
    """A job with a million discrepancies has a result that fits."""
    await issue(ledger, 1)
    client.sells([*sold(1), *((5000 + n, "po-1-100") for n in range(3))])
    proof = await prove(client, ledger, tmp_path)
    assert (proof.found["repeated"], len(proof.repeated)) == (1, 1)
    assert set(proof.found) == set(KINDS)
    assert msgspec.json.decode(msgspec.json.encode(proof.to_dict()))["repeated"][0]["key"] == "k1"


async def test_a_summary_without_a_date_counts(client: Today, ledger: SqliteLedger, tmp_path: Path) -> None:
    """Some old orders have none; the vendor put them into the days it was asked for."""
    await issue(ledger, 1)
    client.sells(sold(1))
    bare = summary(1001, "po-1-100", order_date_=None)

    async def undated(*_given: object, page: int, **_also: object) -> Any:
        return Page((bare,) if page == 1 else (), page, 100)

    client.list_history = undated  # type: ignore[method-assign]
    assert (await prove(client, ledger, tmp_path)).ok
