"""Print the sums of a plan before money moves: rows, orders, costs and the balance."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xoxo_async.cli.output import say
from xoxo_async.cli.tables import table
from xoxo_async.cli.wording import amounts, count, duration, money, unescaped

if TYPE_CHECKING:
    from xoxo_async.bulk.planning.totals import PlanTotals

__all__ = ["absent", "mails", "print_totals", "summary", "totals_to_json", "warning"]


def print_totals(totals: "PlanTotals") -> None:
    """Print the sums of a plan, by product and in all.

    Args:
        totals: The plan's sums.
    """
    currency = totals.balance.currency if totals.balance is not None else ""
    rows = [
        (
            product_id,
            unescaped(product.name),
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


def summary(totals: "PlanTotals") -> list[str]:
    """Return lines for a person: what a plan costs, how long it takes, and why rows were left out.

    Args:
        totals: The plan's sums.
    """
    lines = [f"recognised: {totals.recognised}"] if totals.recognised else []
    lines += [f"{count(totals.skipped, 'bad row')} left out\n{totals.problems}"] if totals.skipped else []
    lines += [f"{count(totals.withdrawn, 'row')} withdrawn, no longer in the input"] if totals.withdrawn else []
    if totals.unwanted:
        lines.append(f"{count(totals.unwanted, 'row')} in doubt, no longer in the input: not sent again")
    if totals.absent:
        lines.append(absent(totals.absent, totals.added))
    if totals.in_doubt:
        lines.append(
            f"{count(totals.in_doubt, 'row')} in doubt: looked up first, and sent again where the vendor has no order"
        )
    if totals.warned:
        lines.append(warning(totals.warned, totals.warnings))
    lines += [mails(totals)] if totals.addressed else []
    if totals.orders:
        shared = f" for {count(totals.lines, 'row')}" if totals.orders != totals.lines else ""
        takes = f", about {duration(totals.expected_s)} at the present limit" if totals.expected_s else ""
        lines.append(f"{count(totals.orders, 'order')}{shared} to send{takes}")
    return lines + _costs(totals)


def warning(rows: int, first: Sequence[str]) -> str:
    """Return the warning about rows that are good, and that a person should look at.

    Args:
        rows: How many there are.
        first: The first of them, in words.
    """
    more = rows - len(first)
    lines = [f"  {row}" for row in first] + ([f"  … and {more:,} more"] if more > 0 else [])
    they_are = "it is" if rows == 1 else "they are"
    return "\n".join([f"warning: look at {count(rows, 'row')} before {they_are} sent", *lines])


def absent(rows: int, added: int) -> str:
    """Return the warning that a file brings new rows and lacks rows of the ledger.

    Args:
        rows: Rows of the ledger that the file lacks.
        added: New rows.
    """
    lacks = f"{count(rows, 'row')} of this ledger {'is' if rows == 1 else 'are'} not in the file"
    new = f"{added:,} new {'one is' if added == 1 else 'ones are'}"
    return f"warning: {lacks}, and {new}. If these are the same rows under other keys, they would be ordered twice"


def mails(totals: "PlanTotals") -> str:
    """Return how many rows have an address, and how many of them the vendor mails; empty if none has one.

    Args:
        totals: The plan's sums.
    """
    if not totals.addressed:
        return ""
    have = f"{count(totals.addressed, 'row')} {'has' if totals.addressed == 1 else 'have'} an address"
    unset = totals.addressed - totals.mailed
    why = f"notify_receiver is not set{f' in {unset:,}' if totals.mailed else ''}"
    return f"{have}; {totals.mailed:,} will be mailed{f' ({why})' if unset else ''}"


def _costs(totals: "PlanTotals") -> list[str]:
    if totals.balance is None or not totals.orders:
        return []
    balance, most, expected = totals.balance, totals.cost_at_most, totals.cost_expected
    has = f"the balance is {money(balance.value, balance.currency)}"
    if most is None or expected is None:
        return [f"the cost is not known, because an exchange rate is missing; {has}"]
    lines = [f"costs about {money(expected, balance.currency)}, at most {money(most, balance.currency)}; {has}"]
    if not totals.covered:
        lines.append(f"the balance falls {money(expected - balance.value, balance.currency)} short of that")
    return lines


def totals_to_json(totals: "PlanTotals") -> dict[str, object]:
    """Return the sums of a plan as `--json` prints them.

    Args:
        totals: The plan's sums.
    """
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
        "addressed": totals.addressed,
        "mailed": totals.mailed,
        "skipped": totals.skipped,
        "added": totals.added,
        "absent": totals.absent,
        "recognised": totals.recognised,
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
