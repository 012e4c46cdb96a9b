"""`settings`: values that make no sense are refused, and bounds that a ledger keeps hold until others are given."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.unit.bulk.jobs import Client, DeclinedError, budgeted, issuer, lines, say_no
from xoxo_async import RateLimits, errors
from xoxo_async.bulk import BulkIssuer, Pause, SqliteLedger
from xoxo_async.bulk.settings import Bounds, kept_bounds, rate_of
from xoxo_async.pacing import Pacer

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": "many"}, "concurrency"),
        ({"concurrency": 1.5}, "concurrency"),
        ({"settle_s": -1}, "settle_s"),
        ({"settle_s": float("inf")}, "settle_s"),
        ({"settle_s": float("nan")}, "settle_s"),
        ({"settle_s": "150"}, "settle_s"),
        ({"settle_s": True}, "settle_s"),
        ({"concurrency": True}, "concurrency"),
        ({"pause_limit_s": float("nan")}, "pause_limit_s"),
        ({"pause_limit_s": float("inf")}, "pause_limit_s"),
        ({"pause_limit_s": "60"}, "pause_limit_s"),
        ({"pause_limit_s": -1}, "pause_limit_s"),
        ({"max_spend": Decimal("nan"), "check": True}, "max_spend"),
        ({"max_spend": 1.5, "check": True}, "max_spend"),
        ({"max_spend": True, "check": True}, "max_spend"),
        ({"resend": "always"}, "resend"),
        ({"max_spend": Decimal(-1), "check": True}, "max_spend"),
        ({"max_spend": Decimal(1)}, "check=True"),
        ({"max_errors": -1}, "max_errors"),
        ({"max_errors": True}, "max_errors"),
        ({"max_errors": 1.5}, "max_errors"),
        ({"max_errors": "5"}, "max_errors"),
        ({"max_errors": "101%"}, "max_errors"),
    ],
    ids=str,
)
async def test_a_setting_that_makes_no_sense_is_refused(
    client: Client, ledger: SqliteLedger, settings: dict[str, Any], named: str
) -> None:
    """When it is given, by its name."""
    with pytest.raises(errors.ConfigError, match=named):
        issuer(client, ledger, **settings)


async def test_a_resume_keeps_to_earlier_bounds(client: Client, ledger: SqliteLedger) -> None:
    """`never` from the plan holds for a resume: an absent row waits for a person."""
    client.refuses = errors.CredentialsRejectedError("not you")
    client.loses(1, booked=False)
    await issuer(client, ledger, resend="never").run(lines("a"))
    client.refuses = None
    report = await BulkIssuer(client, ledger, check=False).resume()  # type: ignore[arg-type]
    assert (report.unknown, len(client.sent)) == (1, 1)
    assert await kept_bounds(ledger) == Bounds(settle_s=0, resend="never", concurrency=1, rate="none")


async def test_a_given_bound_replaces_the_kept_one(client: Client, ledger: SqliteLedger) -> None:
    """For this run and those after it; the others stay."""
    await issuer(client, ledger, resend="never").plan(lines("a"))
    await BulkIssuer(client, ledger, check=False, resend="settled").resume()  # type: ignore[arg-type]
    assert await kept_bounds(ledger) == Bounds(settle_s=0, resend="settled", concurrency=1, rate="none")


@pytest.mark.parametrize("work", ["resume", "issue", "run"])
async def test_a_kept_budget_holds_for_every_later_run(client: Client, ledger: SqliteLedger, work: str) -> None:
    """Also where the caller names none, and also for a second `run`; a greater one lifts it."""
    await budgeted(client, ledger, max_spend=Decimal(250)).plan(lines("a", "b", "c"))
    again = budgeted(client, ledger)
    report = await (again.run(lines("a", "b", "c")) if work == "run" else getattr(again, work)())
    assert (report.pause, len(client.sent)) == (Pause.BUDGET, 2)
    assert (await budgeted(client, ledger, max_spend=Decimal(300)).resume()).issued == 3


async def test_a_kept_budget_needs_the_catalog(client: Client, ledger: SqliteLedger) -> None:
    """Without prices it cannot be held, so nothing is sent."""
    await budgeted(client, ledger, max_spend=Decimal(250)).plan(lines("a"))
    for work in (issuer(client, ledger).resume, issuer(client, ledger).outlook, issuer(client, ledger).reconcile):
        with pytest.raises(errors.ConfigError, match="check=True"):
            await work()
    assert client.sent == []


async def test_a_refused_plan_keeps_no_bounds(client: Client, ledger: SqliteLedger) -> None:
    """They are kept in the plan's own transaction."""
    await issuer(client, ledger, resend="never").plan(lines("a"))
    was = await kept_bounds(ledger)
    with pytest.raises(DeclinedError):
        await issuer(client, ledger, resend="settled").plan(lines("a", "b"), approve=say_no)
    assert await kept_bounds(ledger) == was


async def test_another_account_changes_no_bounds(client: Client, ledger: SqliteLedger) -> None:
    """The identity is compared first."""
    await issuer(client, ledger, resend="never").plan(lines("a"))
    was = await kept_bounds(ledger)
    client.account_fingerprint = "f2"
    with pytest.raises(errors.ConfigError, match="another account"):
        await issuer(client, ledger, resend="settled").resume()
    assert await kept_bounds(ledger) == was


async def test_a_reconcile_keeps_bounds_and_changes_none(client: Client, ledger: SqliteLedger) -> None:
    """It places no order, so what it is given holds for it alone."""
    await issuer(client, ledger, resend="never").plan(lines("a"))
    was = await kept_bounds(ledger)
    await issuer(client, ledger, resend="settled").reconcile()
    assert await kept_bounds(ledger) == was


@pytest.mark.parametrize(
    ("limits", "rate"),
    [
        (RateLimits(other=300), pytest.approx(300)),
        (RateLimits(), None),  # the next client must keep the limits of its other calls
        (RateLimits.unlimited(), "none"),
    ],
)
def test_a_call_without_a_limit_lifts_no_other(client: Client, limits: RateLimits, rate: object) -> None:
    """`none` is for a client that has no limits at all."""
    client.pacer = Pacer(limits)
    assert rate_of(client, "sendBalance") == rate  # type: ignore[arg-type]


async def test_the_rate_of_the_client_is_noted(client: Client, ledger: SqliteLedger) -> None:
    """The code that makes the next client reads it; a run overwrites it, a plan alone does not."""
    client.pacer = Pacer(RateLimits(place_order=60_000))
    await issuer(client, ledger).run(lines("a"))
    client.pacer = Pacer(RateLimits(place_order=30_000))
    await issuer(client, ledger).plan(lines("a", "b"))
    assert (await kept_bounds(ledger)).rate == pytest.approx(60_000)
    await issuer(client, ledger).resume()
    assert (await kept_bounds(ledger)).rate == pytest.approx(30_000)


def test_without_bounds_the_rules_are_the_vendors() -> None:
    """150 s, two look-ups a tenth of that apart, and what is absent is sent again."""
    rules = Bounds().rules(restore=False)
    assert (rules.settle_s, rules.spacing_s, rules.resend, rules.restore) == (150.0, 15.0, "settled", False)


def test_bounds_survive_the_ledger() -> None:
    """An amount to the last digit, and only what was given."""
    bounds = Bounds(max_spend=Decimal("1000.10"), rate=20.5, concurrency="auto", max_errors="5%")
    assert msgspec.json.decode(bounds.to_json(), type=Bounds) == bounds
    assert Bounds().to_json() == "{}"
    assert msgspec.json.decode(Bounds(max_errors=0).to_json(), type=Bounds).max_errors == 0
    assert Bounds(settle_s=7.0).over(bounds) == msgspec.structs.replace(bounds, settle_s=7.0)


@pytest.mark.parametrize("damaged", ["{", '{"max_spend":"many"}', '{"settle_s":-1}'])
async def test_damaged_bounds_stop_every_run(client: Client, ledger: SqliteLedger, damaged: str) -> None:
    """They may have held a budget, so nothing is sent without them."""
    await issuer(client, ledger).plan(lines("a"))
    await ledger.set_fact("bounds", damaged)
    with pytest.raises(errors.LedgerError, match="cannot be read"):
        await issuer(client, ledger).resume()
    assert client.sent == []
