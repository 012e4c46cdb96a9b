"""Before money moves: what the rows add up to, whether the balance covers it, and a person's yes."""

import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from xoxo_async.bulk.intake import rows_of
from xoxo_async.bulk.issuer import BulkIssuer
from xoxo_async.bulk.ledger import LineState
from xoxo_async.bulk.ledger_sqlite import SqliteLedger
from xoxo_async.bulk.plan import Catalogue, Planner, PlanTotals
from xoxo_async.cli.connect import Connection, open_client, run_async
from xoxo_async.cli.exits import PAUSED
from xoxo_async.cli.orders import UniqueOrders
from xoxo_async.cli.render import amounts, count, json_text, money, out, say, table
from xoxo_async.client import XoxoClient
from xoxo_async.errors import BudgetError, ConfigError
from xoxo_async.services.account import Balance

__all__ = ["check_budget", "run_plan", "show_cost", "show_totals", "totals_of"]

_NOT_FINAL: Final = (LineState.PLANNED, LineState.SENDING, LineState.UNKNOWN, LineState.CONFLICT, LineState.MANUAL)


class _Ordered(msgspec.Struct, rename="camel"):
    """What a stored request says was ordered."""

    product_id: int
    denomination: Decimal
    quantity: int = 1


_ORDERED: Final = msgspec.json.Decoder(_Ordered)


def run_plan(orders: str, connection: Connection, *, as_json: bool) -> int:
    """Check the rows as a run would, and print what they add up to.

    Args:
        orders: The file.
        connection: Whose catalogue and balance.
        as_json: Whether to print JSON.

    Returns:
        The exit code: 0, or 5 when the balance certainly falls short.
    """

    async def work() -> tuple[PlanTotals, Balance, Decimal | None]:
        async with open_client(connection) as client:
            # A ledger for the moment: a plan is then exactly what a run would do, its refusals included.
            with tempfile.TemporaryDirectory(prefix="xoxo-plan-") as folder:
                async with SqliteLedger(Path(folder) / "plan.db", store_codes=False) as ledger:
                    totals = await BulkIssuer(client, ledger, job=_job_of(orders)).plan(UniqueOrders(orders))
            return totals, *await _cost(client, totals)

    totals, balance, cost = run_async(work)
    covered = cost is None or cost <= balance.value
    if as_json:
        out(json_text(_as_json(totals, balance, cost, covered=covered)))
    else:
        show_totals(totals)
    show_cost(balance, cost)
    if cost is not None and not covered:
        say(f"the balance may fall {money(cost - balance.value, balance.currency)} short; nothing was sent")
        return PAUSED
    say("every row is good; nothing was sent")
    return 0


def _job_of(orders: str) -> str:
    return "plan" if orders == "-" else Path(orders).stem or "plan"


async def _cost(client: XoxoClient, totals: PlanTotals) -> tuple[Balance, Decimal | None]:
    """Return the balance, and what the rows cost at most; None where a currency cannot be compared."""
    balance = await client.account.get_balance()
    rates = await _rates(client, set(totals.by_product), balance.currency)
    if totals.by_product.keys() - rates.keys():
        return balance, None
    cost = sum((face * rates[product_id] for product_id, (_, _, face) in totals.by_product.items()), Decimal(0))
    return balance, cost.quantize(Decimal("0.01"))


def show_cost(balance: Balance, cost: Decimal | None) -> None:
    """Say what the rows cost at most, and what there is.

    Args:
        balance: The account's.
        cost: In its currency; None where it cannot be told.
    """
    most = money(cost, balance.currency) if cost is not None else "an amount the exchange rates do not tell"
    say(f"costs at most {most}, discounts aside; the balance is {money(balance.value, balance.currency)}")


def _as_json(totals: PlanTotals, balance: Balance, cost: Decimal | None, *, covered: bool) -> dict[str, object]:
    products = [
        {
            "product_id": product_id,
            "name": totals.names.get(product_id, ""),
            "rows": rows,
            "vouchers": pieces,
            "face": face,
        }
        for product_id, (rows, pieces, face) in sorted(totals.by_product.items())
    ]
    return {
        "rows": totals.lines,
        "vouchers": totals.pieces,
        "face": totals.face,
        "products": products,
        "balance": {"value": balance.value, "currency": balance.currency},
        "cost_at_most": cost,
        "covered": covered,
    }


def show_totals(totals: PlanTotals) -> None:
    """Print what a plan adds up to.

    Args:
        totals: The plan's sums.
    """
    rows = [
        (product_id, totals.names.get(product_id, ""), f"{rows:,}", f"{pieces:,}", money(face))
        for product_id, (rows, pieces, face) in sorted(totals.by_product.items())
    ]
    table(("product", "name", "rows", "vouchers", "face value"), rows)
    say(f"{count(totals.lines, 'row')}, {count(totals.pieces, 'voucher')}, face value {amounts(totals.face)}")


def totals_of(orders: str, connection: Connection) -> tuple[PlanTotals, Balance, Decimal | None]:
    """Read the rows and the balance, for a person to agree to; nothing is stored.

    Args:
        orders: The file.
        connection: Whose catalogue and balance.
    """

    async def work() -> tuple[PlanTotals, Balance, Decimal | None]:
        async with open_client(connection) as client:
            planner = Planner(_job_of(orders), Catalogue(client))
            async for _line in planner.plan(rows_of(UniqueOrders(orders))):
                pass
            return planner.totals, *await _cost(client, planner.totals)

    return run_async(work)


async def check_budget(client: XoxoClient, ledger: SqliteLedger, limit: Decimal) -> None:
    """Refuse a job that may cost more than allowed: what it has cost, and the face value of all that is not final.

    Args:
        client: Knows the products' currencies and the account's.
        ledger: The job, planned.
        limit: In the account's currency.

    Raises:
        BudgetError: It may cost more; nothing was sent.
        ConfigError: Its products' currencies cannot be compared with the account's.
    """
    face: dict[int, Decimal] = {}
    async for line in ledger.lines(states=_NOT_FINAL):
        ordered = _ORDERED.decode(line.request)
        face[ordered.product_id] = face.get(ordered.product_id, Decimal(0)) + ordered.denomination * ordered.quantity
    currency = (await client.account.get_balance()).currency
    worst = (await ledger.counts()).charged.get(currency, Decimal(0))
    rates = await _rates(client, set(face), currency)
    missing = sorted(face.keys() - rates.keys())
    if missing:
        raise ConfigError(
            f"--max-spend cannot be checked: product {missing[0]} is not in {currency or 'the account currency'},"
            " and the vendor gives no exchange rate; nothing was sent"
        )
    for product_id, value in face.items():
        worst += value * rates[product_id]
    if worst > limit:
        raise BudgetError(
            f"the job may cost {money(worst, currency)}, over --max-spend {money(limit, currency)}; nothing was sent"
        )


async def _rates(client: XoxoClient, product_ids: set[int], currency: str) -> dict[int, Decimal]:
    """Return what a unit of each product's currency costs in the account's, its fee included; where that is known."""
    rates: dict[int, Decimal] = {}
    wanted = sorted(product_ids)
    for start in range(0, len(wanted), 100):
        ids = tuple(wanted[start : start + 100])
        for product in await client.catalog.list_vouchers(limit=100, product_ids=ids, exchange_rates=True):
            rate = Decimal(1) if product.currency_code == currency else product.exchange_rate
            if rate is not None and rate > 0:
                rates[product.product_id] = rate * (1 + (product.fee or Decimal(0)) / 100)
    return rates
