"""`BulkIssuer` against the sandbox: plans, budgets, packed orders, restarts."""

import random
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

import anyio
import msgspec
import pytest

from tests.integration.jobs import booked_codes, codes_by_key, connected, lines
from xoxo_async import LoungeDetails, RateLimits
from xoxo_async.bulk import BulkIssuer, OrderLine, Pause, SqliteLedger
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.errors import ConfigError, PlanError
from xoxo_async.sandbox import Faults, Sandbox

pytestmark = pytest.mark.anyio

# The plan.


async def test_a_plan_adds_up_costs_and_time(tmp_path: Path) -> None:
    """The sums are by product in the account's currency, with discount and fee, and the time follows from the limit."""
    rows = [
        OrderLine(key="discount", product_id=1003, denomination=Decimal(1000), quantity=2),
        OrderLine(key="fee", product_id=1005, denomination=Decimal(10)),
    ]
    async with Sandbox(balance=5000) as sandbox, connected(sandbox, RateLimits(place_order=120)) as client:
        pound = sandbox.state.products[1005].country.rate
        async with SqliteLedger(tmp_path / "l.db") as ledger:
            totals = await BulkIssuer(client, ledger, job="j").plan(rows)
            assert totals.by_product[1003].expected == Decimal(1900)
            assert totals.by_product[1005].expected == (10 * pound * Decimal("1.02")).quantize(Decimal("0.01"))
            assert totals.cost_at_most == Decimal(2000) + (10 * pound * Decimal("1.02")).quantize(Decimal("0.01"))
            assert totals.face == {"INR": Decimal(2000), "GBP": Decimal(10)}
            assert totals.balance is not None
            assert totals.balance.value == 5000
            assert totals.expected_s == pytest.approx(1.0, rel=0.02)
            report = await BulkIssuer(client, ledger, job="j").issue()
        assert report.charged == {"INR": totals.cost_expected}
        assert sandbox.books().requests["getVouchers"] == 1


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"product_id": 9999}, "row 2, column product_id: no product 9999"),
        ({"denomination": Decimal(333)}, "row 2, column denomination: 333 is not offered"),
        ({"quantity": 11}, "row 2, column quantity: 11 is over the 10"),
        ({"product_id": 1013, "denomination": Decimal(500)}, "row 2, column contact: Phone First needs"),
        ({"currency": "USD"}, "row 2, column currency: Corner Shop is in INR, not in USD"),
        ({"country": "US"}, "row 2, column country: Corner Shop is good in"),
    ],
)
async def test_bad_rows_are_refused_by_row_and_column(tmp_path: Path, row: dict[str, object], problem: str) -> None:
    """A row that the vendor would refuse, or that contradicts the catalog, fails the plan, and nothing is stored."""
    good = OrderLine(key="good", product_id=1001, denomination=Decimal(100), currency="inr", country="india")
    bad = msgspec.structs.replace(good, key="bad", currency=None, country=None)
    async with Sandbox() as sandbox, connected(sandbox) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        with pytest.raises(PlanError, match=problem):
            await BulkIssuer(client, ledger, job="j").run([good, msgspec.structs.replace(bad, **row)])
        assert (await ledger.counts()).rows == 0
        issuer = BulkIssuer(client, ledger, job="j", skip_invalid=True)
        totals = await issuer.plan([good, msgspec.structs.replace(bad, **row)])
        assert (totals.lines, totals.skipped) == (1, 1)
        assert problem in totals.problems
        assert (await issuer.issue()).issued == 1
        assert sandbox.books().orders == 1


async def test_nothing_good_is_refused_also_with_skip_invalid(tmp_path: Path) -> None:
    """A file with only bad rows is an error, not an empty success."""
    async with Sandbox() as sandbox, connected(sandbox) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        with pytest.raises(PlanError, match="row 1"):
            await BulkIssuer(client, ledger, job="j", skip_invalid=True).run(lines(3, product_id=9999))


async def test_lounge_rows_have_their_own_catalog(tmp_path: Path) -> None:
    """A row with the details of a category is checked against the products of that category."""
    details = LoungeDetails(first_name="A", last_name="B", flight_departure_date=date(2030, 1, 2))
    row = OrderLine(key="l", product_id=1021, denomination=Decimal(1000), details=details)
    async with Sandbox() as sandbox, connected(sandbox) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        assert (await BulkIssuer(client, ledger, job="j").run([row])).issued == 1


# The budget and the funds.


async def test_the_budget_is_never_overspent(tmp_path: Path) -> None:
    """Each order costs less than its reservation. The run waits for charges, and spends up to the last order."""
    async with Sandbox(latency_ms=5) as sandbox, connected(sandbox) as client:
        async with SqliteLedger(tmp_path / "l.db") as ledger:
            issuer = BulkIssuer(client, ledger, job="j", max_spend=Decimal(2000), concurrency=16)
            report = await issuer.run(lines(40, product_id=1003, value=200))
        # each costs 190: after ten orders 100 are left, and the eleventh may cost 200
        assert (report.pause, report.issued, report.exit_code) == (Pause.BUDGET, 10, 5)
        assert sandbox.books().charged == Decimal(1900)
        async with SqliteLedger(tmp_path / "l.db") as ledger:
            report = await BulkIssuer(client, ledger, max_spend=Decimal(100_000)).resume()
        assert report.issued == 40


async def test_a_budget_without_rates_is_refused(tmp_path: Path) -> None:
    """No budget can hold if the catalog was not read."""
    async with Sandbox() as sandbox, connected(sandbox) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        with pytest.raises(ConfigError, match="check=True"):
            BulkIssuer(client, ledger, job="j", max_spend=Decimal(1), check=False)


@pytest.mark.parametrize("odd", [Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal(-1), 12.5, True, "9"])
async def test_an_invalid_budget_is_refused(tmp_path: Path, odd: object) -> None:
    """An invalid amount is a ConfigError, not an error of the decimal module, and not a budget without effect."""
    async with Sandbox() as sandbox, connected(sandbox) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        with pytest.raises(ConfigError, match="max_spend"):
            BulkIssuer(client, ledger, job="j", max_spend=odd)  # type: ignore[arg-type]


async def test_low_funds_pause_until_a_top_up(tmp_path: Path) -> None:
    """A refusal for lack of funds ends the run with exit code 5. After a top-up, a resume issues every line once."""
    async with Sandbox(balance=1050) as sandbox, connected(sandbox) as client:
        async with SqliteLedger(tmp_path / "l.db") as ledger:
            report = await BulkIssuer(client, ledger, job="j", concurrency=2, settle_s=0.2).run(lines(20))
            assert (report.pause, report.issued, report.exit_code) == (Pause.FUNDS, 10, 5)
            sandbox.state.add_funds(Decimal(1000))
            report = await BulkIssuer(client, ledger, settle_s=0.2).resume()
        assert (report.issued, report.exit_code) == (20, 0)
        assert sandbox.books().orders == 20


# Packing.


async def test_packed_lines_get_codes_of_their_own(tmp_path: Path) -> None:
    """10,000 lines of one product become 1,000 orders. Every line has one code, and no code comes twice."""
    async with Sandbox() as sandbox, connected(sandbox) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        report = await BulkIssuer(client, ledger, job="j", pack=True).run(lines(10_000))
        assert (report.rows, report.issued, report.orders) == (10_000, 10_000, 1000)
        assert sandbox.books().orders == 1000
        codes = await codes_by_key(ledger)
    assert codes.keys() == {f"k{n}" for n in range(10_000)}
    assert Counter(code for own in codes.values() for code in own) == Counter(booked_codes(sandbox))
    assert all(len(own) == 1 for own in codes.values())


async def test_lines_with_own_fields_are_ordered_alone(tmp_path: Path) -> None:
    """A line with an e-mail, a poNumber or a full quantity of its own is in no pack."""
    plain = lines(2)
    alone = [
        OrderLine(key="mail", product_id=1001, denomination=Decimal(100), email="a@example.com"),
        OrderLine(key="po", product_id=1001, denomination=Decimal(100), po_number="PO-1"),
        OrderLine(key="full", product_id=1001, denomination=Decimal(100), quantity=10),
        OrderLine(key="other", product_id=1001, denomination=Decimal(250)),
    ]
    async with Sandbox() as sandbox, connected(sandbox) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        report = await BulkIssuer(client, ledger, job="j", pack=True).run([plain[0], *alone, plain[1]])
        assert (report.issued, report.orders) == (6, 5)
        assert sandbox.order("PO-1") is not None


async def test_a_refused_pack_is_issued_line_by_line(tmp_path: Path) -> None:
    """If the shared order is refused for certain, each of its lines is ordered alone."""
    async with Sandbox() as sandbox, connected(sandbox) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        sandbox.state.products[1001] = sandbox.state.products[1001]._replace(limit=5)
        issuer = BulkIssuer(client, ledger, job="j", pack=True)
        await issuer.plan(lines(10))
        sandbox.state.products[1001] = sandbox.state.products[1001]._replace(limit=1)
        report = await issuer.issue()
        assert (report.rows, report.issued, report.rejected) == (10, 10, 0)
        assert sandbox.books().orders == 10
        assert sorted(code for own in (await codes_by_key(ledger)).values() for code in own) == sorted(
            booked_codes(sandbox)
        )


async def test_a_short_answer_is_completed_by_look_up(tmp_path: Path) -> None:
    """The first lines get half of the codes at once, and the next resume fetches the others."""
    async with Sandbox() as sandbox, connected(sandbox) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        sandbox.script("short_answer", first=1)
        report = await BulkIssuer(client, ledger, job="j", pack=True).run(lines(10))
        assert (report.issued, report.pending, report.exit_code) == (5, 5, 0)
        before = await codes_by_key(ledger)
        report = await BulkIssuer(client, ledger).resume()
        assert (report.issued, report.pending) == (10, 0)
        after = await codes_by_key(ledger)
        assert all(after[key] == own for key, own in before.items() if own)
        assert sandbox.books().orders == 1


async def test_packs_need_a_ledger_that_keeps_codes(tmp_path: Path) -> None:
    """Without stored codes, nobody could tell later which line has which code, so it is refused before a send."""
    async with Sandbox() as sandbox, connected(sandbox) as client:
        async with SqliteLedger(tmp_path / "l.db", store_codes=False) as ledger:
            with pytest.raises(ConfigError, match="keeps codes"):
                BulkIssuer(client, ledger, job="j", pack=True)
        async with SqliteLedger(tmp_path / "l.db") as ledger:
            await BulkIssuer(client, ledger, job="j", pack=True).plan(lines(10))
        async with SqliteLedger(tmp_path / "l.db", store_codes=False) as ledger:
            with pytest.raises(ConfigError, match="keep their codes"):
                await BulkIssuer(client, ledger).resume()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
async def test_packs_through_every_fault_lose_and_double_nothing(tmp_path: Path, seed: int) -> None:
    """After cuts at random and faults of all kinds, each line has its own code, or is truly not issued."""
    mix = {
        "commit_then_reset": 0.05,
        "reset_before_commit": 0.03,
        "late_commit": 0.03,
        "error_5xx_after": 0.02,
        "html_502_after": 0.02,
        "truncated": 0.02,
        "duplicate_answer": 0.02,
        "short_answer": 0.1,
        "throttle": 0.01,
    }
    dice, rows = random.Random(seed), lines(1500)
    async with Sandbox(seed=seed, faults=Faults(mix=mix, seed=seed), latency_ms=2) as sandbox:
        for attempt in range(12):
            async with connected(sandbox) as client, SqliteLedger(tmp_path / "l.db") as ledger:
                issuer = BulkIssuer(client, ledger, job="j", pack=True, concurrency=8, settle_s=0.5)
                with anyio.move_on_after(dice.uniform(0.05, 0.4) if attempt < 4 else 60):
                    report = await (issuer.run(rows) if attempt < 5 else issuer.resume())
                    if attempt >= 4 and not (report.not_sent or report.pending):
                        break
        async with SqliteLedger(tmp_path / "l.db") as ledger:
            codes = await codes_by_key(ledger)
            manual = sum([line.lines async for line in ledger.lines(states=(LineState.MANUAL,))])
        assert len(codes) == len(rows)
        given = [code for own in codes.values() for code in own]
        assert sorted(given) == sorted(booked_codes(sandbox))
        assert len(set(given)) == len(given)
        assert report.issued + manual == len(rows)
        assert not sandbox.books().duplicates


# Pace and restarts.


async def test_a_finished_run_waits_for_no_slot(tmp_path: Path) -> None:
    """One row at one a minute ends at once, not a minute later."""
    async with Sandbox() as sandbox, connected(sandbox, RateLimits(place_order=1)) as client:
        async with SqliteLedger(tmp_path / "l.db") as ledger:
            with anyio.fail_after(30):
                report = await BulkIssuer(client, ledger, job="j").run(lines(1))
    assert report.issued == 1


async def test_a_refused_pack_counts_as_no_order(tmp_path: Path) -> None:
    """Three rows whose shared order was refused become three orders, and each is refused."""
    async with Sandbox() as sandbox, connected(sandbox) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        report = await BulkIssuer(client, ledger, job="j", pack=True).run(lines(3, product_id=1012, value=500))
    assert (report.rows, report.rejected, report.orders) == (3, 3, 3)


async def test_runs_begun_one_after_another_keep_the_distance(tmp_path: Path) -> None:
    """A resumed run waits from the last slot of the run before it, so that no start makes a burst."""
    now = [1_000_000.0]
    limits = RateLimits(place_order=60)
    async with Sandbox() as sandbox:
        for _ in range(2):
            async with (
                connected(sandbox, limits) as client,
                SqliteLedger(tmp_path / "l.db", clock=lambda: now[0]) as ledger,
            ):
                issuer = BulkIssuer(client, ledger, job="j", wall=lambda: now[0])
                await issuer.plan(lines(5))
                with anyio.move_on_after(0.5):
                    await issuer.issue()
            now[0] += 0.1
        assert sandbox.books().orders == 1
