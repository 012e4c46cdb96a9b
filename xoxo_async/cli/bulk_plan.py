"""Before money moves: what the rows add up to, whether the balance covers it, and how long it takes."""

import math
import tempfile
import time
from pathlib import Path
from typing import Literal

import msgspec

from xoxo_async.bulk.intake.orders_file import read_orders
from xoxo_async.bulk.issuer import BulkIssuer
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.planning.totals import PlanTotals
from xoxo_async.cli import exits
from xoxo_async.cli.connect import Connection, open_client, run_async
from xoxo_async.cli.exits import PAUSED, REJECTED
from xoxo_async.cli.given import no_facts
from xoxo_async.cli.render import amounts, count, duration, json_text, money, out, say, table, words
from xoxo_async.client import XoxoClient

__all__ = ["Asked", "facts", "run_plan", "show_totals", "totals_of"]


class Asked(msgspec.Struct, frozen=True):
    """Which rows are to be planned, and how.

    Attributes:
        orders: The file.
        connection: Whose catalogue and balance.
        pack: Whether rows may share orders.
        skip_invalid: Whether bad rows are left out.
        ledger: Where the plan is written to; None checks the rows and keeps nothing.
        job: The job's name in that ledger.
        missing: What becomes of the ledger's planned rows that the file does not have.
    """

    orders: str
    connection: Connection
    pack: bool = False
    skip_invalid: bool = False
    ledger: Path | None = None
    job: str = ""
    missing: Literal["refuse", "withdraw", "keep"] = "refuse"


def run_plan(asked: Asked, *, as_json: bool) -> int:
    """Check the rows as a run would, and print what they add up to.

    Args:
        asked: Which rows.
        as_json: Whether to print JSON.

    Returns:
        The exit code: 0; 3 when bad rows were left out; 5 when the balance falls short.
    """
    started = time.monotonic()
    totals = totals_of(asked)
    if not as_json:
        show_totals(totals)
    for fact in facts(totals):
        say(fact)
    kept = f"; the plan is in {asked.ledger}" if asked.ledger is not None else ""
    say(f"{'all other rows are' if totals.skipped else 'every row is'} good{kept}; nothing was sent")
    code = REJECTED if totals.skipped else 0 if totals.covered else PAUSED
    follow = _again(asked, as_json=as_json) if code else ""
    if follow:
        say(f"continue with: {follow}")
    if as_json:
        job = asked.job or (asked.ledger.stem if asked.ledger is not None else _job_of(asked.orders))
        known = no_facts(job=job, ledger=str(asked.ledger or ""), elapsed_s=time.monotonic() - started)
        known |= {"not_sent": totals.lines, **_as_json(totals)}
        out(json_text({**known, "exit_code": code, "continue_with": follow}))
    return code


def _again(asked: Asked, *, as_json: bool) -> str:
    """Return the same command: for when rows are mended, or funds added."""
    flags = [flag for flag, on in (("--pack", asked.pack), ("--skip-invalid", asked.skip_invalid)) if on]
    rate = asked.connection.rate
    flags += ["--ledger", str(asked.ledger)] if asked.ledger is not None else []
    flags += ["--job", asked.job] if asked.job else []
    flags += [f"--{asked.missing}-missing"] if asked.missing != "refuse" else []
    flags += ["--rate", "none" if rate == math.inf else f"{rate:g}"] if rate is not None else []
    return exits.command("bulk", "plan", asked.orders, *flags, *asked.connection.flags, *["--json"] * as_json)


def totals_of(asked: Asked) -> PlanTotals:
    """Plan the rows, in the ledger that is named or in one for the moment: as a run would do, its refusals included.

    Args:
        asked: Which rows.
    """

    async def work() -> PlanTotals:
        async with open_client(asked.connection) as client:
            if asked.ledger is not None:
                async with SqliteLedger(asked.ledger, keep_unused=False) as ledger:
                    return await plan_into(ledger, client, ledger.job or asked.job or asked.ledger.stem)
            with tempfile.TemporaryDirectory(prefix="xoxo-plan-") as folder:
                async with SqliteLedger(Path(folder) / "plan.db", codes_key="") as ledger:
                    return await plan_into(ledger, client, _job_of(asked.orders))

    async def plan_into(ledger: SqliteLedger, client: XoxoClient, job: str) -> PlanTotals:
        issuer = BulkIssuer(
            client,
            ledger,
            job=job,
            pack=asked.pack,
            skip_invalid=asked.skip_invalid,
            missing=asked.missing,
            address=asked.connection.ledgers_name,
        )
        return await issuer.plan(read_orders(asked.orders))

    return run_async(work)


def _job_of(orders: str) -> str:
    return "plan" if orders == "-" else Path(orders).stem or "plan"


def facts(totals: PlanTotals) -> list[str]:
    """Say what a plan costs, how long it takes, and what is wrong with rows that were left out, for people.

    Args:
        totals: The plan's sums.
    """
    told = [f"{count(totals.skipped, 'bad row')} left out\n{totals.problems}"] if totals.skipped else []
    told += [f"{count(totals.withdrawn, 'row')} withdrawn, no longer in the input"] if totals.withdrawn else []
    if totals.unwanted:
        told.append(f"{count(totals.unwanted, 'row')} in doubt, no longer in the input: not sent again")
    if totals.in_doubt:
        told.append(
            f"{count(totals.in_doubt, 'row')} in doubt: looked up first, and sent again where the vendor has no order"
        )
    if totals.warned:
        more = totals.warned - len(totals.warnings)
        rows = [f"  {warning}" for warning in totals.warnings] + ([f"  … and {more:,} more"] if more else [])
        told.append("\n".join([f"warning: {_repeated(totals.warned)}, under another key", *rows]))
    if totals.orders:
        shared = f" for {count(totals.lines, 'row')}" if totals.orders != totals.lines else ""
        takes = f", about {duration(totals.expected_s)} at the present limit" if totals.expected_s else ""
        told.append(f"{count(totals.orders, 'order')}{shared} to send{takes}")
    if totals.balance is None or not totals.orders:
        return told
    balance, most, expected = totals.balance, totals.cost_at_most, totals.cost_expected
    has = f"the balance is {money(balance.value, balance.currency)}"
    if most is None or expected is None:
        return [*told, f"the exchange rates do not tell what it costs; {has}"]
    told.append(f"costs about {money(expected, balance.currency)}, at most {money(most, balance.currency)}; {has}")
    if not totals.covered:
        told.append(f"the balance falls {money(expected - balance.value, balance.currency)} short of that")
    return told


def _repeated(rows: int) -> str:
    if rows == 1:
        return "1 row gives its receiver what an earlier row gives too"
    return f"{rows:,} rows give their receivers what an earlier row gives too"


def _as_json(totals: PlanTotals) -> dict[str, object]:
    products = [
        {
            "product_id": product_id,
            "name": product.name,
            "rows": product.lines,
            "vouchers": product.pieces,
            "face": product.face,
            "currency": product.currency,
            "fee_percent": product.fee,
            "discount_percent": product.discount,
            "cost_expected": product.expected,
        }
        for product_id, product in sorted(totals.by_product.items())
    ]
    balance = totals.balance
    return {
        "rows": totals.lines,
        "orders": totals.orders,
        "vouchers": totals.pieces,
        "skipped": totals.skipped,
        "warned": totals.warned,
        "warnings": totals.warnings,
        "face": totals.face,
        "products": products,
        "balance": None if balance is None else {"value": balance.value, "currency": balance.currency},
        "cost_expected": totals.cost_expected,
        "cost_at_most": totals.cost_at_most,
        "covered": totals.covered,
        "expected_s": totals.expected_s,
    }


def show_totals(totals: PlanTotals) -> None:
    """Print what a plan adds up to.

    Args:
        totals: The plan's sums.
    """
    currency = totals.balance.currency if totals.balance is not None else ""
    rows = [
        (
            product_id,
            words(product.name),
            f"{product.lines:,}",
            f"{product.pieces:,}",
            money(product.face, product.currency),
            f"{product.fee:f} %" if product.fee else "",
            f"{product.discount:f} %" if product.discount else "",
            "?" if product.expected is None else money(product.expected, currency),
        )
        for product_id, product in sorted(totals.by_product.items())
    ]
    table(("product", "name", "rows", "vouchers", "face value", "fee", "discount", "costs about"), rows)
    say(f"{count(totals.lines, 'row')}, {count(totals.pieces, 'voucher')}, face value {amounts(totals.face)}")
