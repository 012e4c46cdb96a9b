"""Add up what a notebook has: payments and orders, within a flat memory."""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from xoxo_async.bulk.proving.facts import LineFacts, Scope
from xoxo_async.bulk.proving.notebook import SCALE, Notebook
from xoxo_async.bulk.proving.wallet import Paid, WalletFacts

__all__ = ["paid_orders", "wallet_facts"]

_LINE = msgspec.json.Decoder(LineFacts)


def paid_orders(notes: Notebook, scope: Scope) -> Iterator[Paid]:
    """Yield what the payment report says of each placed order of the job that the vendor is known to have."""
    rows = notes.rows(
        "SELECT line.body, listed.charged, count(amount) FILTER (WHERE movement = 'out'),"
        " coalesce(sum(amount) FILTER (WHERE movement = 'out'), 0),"
        " coalesce(sum(amount) FILTER (WHERE movement = 'back'), 0)"
        " FROM line JOIN listed USING (order_id) LEFT JOIN payment USING (order_id)"
        " WHERE placed AND (listed.day = '' OR listed.day BETWEEN ? AND ?) GROUP BY line.po ORDER BY line.po",
        *_days(scope),
    )
    for body, charged, count, out, back in rows:
        line = _LINE.decode(body)
        cost = _amount(charged) if charged is not None else line.charged
        cancelled = line.delivery == "cancelled"
        yield Paid(
            po_number=line.po_number,
            key=line.key,
            row=line.row,
            order_id=line.order_id or 0,
            charged=cost,
            rows=count,
            paid=_amount(out),
            refunded=_amount(back),
            cancelled=cancelled,
            recent=scope.is_recent(line.last_sent_at),
        )


def wallet_facts(notes: Notebook, scope: Scope, *, refused: str = "", currency: str = "") -> WalletFacts:
    """Return the sums over the payment report and the order history.

    Args:
        notes: What was read.
        scope: What the proof looked at.
        refused: Why the payment report could not be read.
        currency: The account's currency.
    """
    days = _days(scope)
    within = "(day = '' OR day BETWEEN ? AND ?)"
    mine = "(order_id IN (SELECT order_id FROM line WHERE placed) OR po IN (SELECT po FROM line))"
    known = "order_id IN (SELECT order_id FROM listed)"
    ours = f"order_id IN (SELECT order_id FROM listed WHERE {mine})"  # noqa: S608 - constants
    out, back = "movement = 'out'", "movement = 'back'"
    issued, named, unnamed, our, our_back, others, rest = notes.row(
        f"SELECT sum(amount) FILTER (WHERE {out}), count(*) FILTER (WHERE {out} AND {known}),"  # noqa: S608 - constants
        f" count(*) FILTER (WHERE {out} AND NOT {known}), sum(amount) FILTER (WHERE {out} AND {ours}),"
        f" sum(amount) FILTER (WHERE {back} AND {ours}), sum(amount) FILTER (WHERE {out} AND {known} AND NOT {ours}),"
        f" sum(amount) FILTER (WHERE {out} AND NOT {known}) FROM (SELECT coalesce(order_id, -1) AS order_id, amount,"
        f" movement FROM payment WHERE {within} AND about NOT IN ('points', 'links'))",
        *days,
    )
    rows, refunded, added = notes.row(
        f"SELECT count(*), sum(amount) FILTER (WHERE {back}), sum(amount) FILTER (WHERE movement = 'in') FROM payment"  # noqa: S608 - constants
    )
    vendor, other_orders, other, uncharged = notes.row(
        f"SELECT sum(charged) FILTER (WHERE {mine}), count(*) FILTER (WHERE NOT {mine}),"  # noqa: S608 - constants
        f" sum(charged) FILTER (WHERE NOT {mine}), count(*) FILTER (WHERE charged IS NULL)"
        f" FROM (SELECT order_id, coalesce(po, '') AS po, charged FROM listed WHERE {within})",
        *days,
    )
    (ledger,) = notes.row("SELECT sum(charged) FROM line WHERE placed")
    (placed,) = notes.row("SELECT count(*) FROM line WHERE placed")
    return WalletFacts(
        refused=refused,
        currency=currency,
        rows=rows,
        issued=_amount(issued),
        named=named,
        unnamed=unnamed,
        ours=_amount(our),
        ours_refunded=_amount(our_back),
        others=_amount(others),
        rest=_amount(rest),
        refunded=_amount(refunded),
        added=_amount(added),
        odd=_odd(notes),
        ends=_ends(notes),
        ledger=_amount(ledger),
        vendor=_amount(vendor),
        other_orders=other_orders,
        other_charged=_amount(other),
        uncharged=uncharged,
        has_orders=bool(placed),
        rounded=_rounded(notes),
        recent=scope.is_recent(float(notes.fact("newest", "0"))),
    )


def _rounded(notes: Notebook) -> int:
    """Return how many orders have a charge with a fraction, if the payment report has no amount with one."""
    fraction = f"% {int(SCALE)} <> 0"
    (shown,) = notes.row(f"SELECT count(*) FROM payment WHERE amount {fraction} OR closing {fraction}")  # noqa: S608 - a constant
    (charges,) = notes.row(
        f"SELECT count(*) FROM listed WHERE charged {fraction} AND (order_id IN (SELECT order_id FROM payment)"  # noqa: S608 - a constant
        " OR NOT EXISTS (SELECT 1 FROM payment JOIN listed USING (order_id)))"
    )
    return 0 if shown else int(charges)


def _odd(notes: Notebook) -> tuple[str, ...]:
    rows = notes.rows(
        "SELECT name, day FROM payment WHERE movement = '' OR amount IS NULL OR closing IS NULL"
        " ORDER BY day, name LIMIT 10"
    )
    return tuple(f"{name} of {day or 'an unknown day'}" for name, day in rows)


def _ends(notes: Notebook) -> tuple[tuple[Decimal, int], ...]:
    """Return the balances that are no row's beginning, or no row's end.

    Each row begins with the balance that another row left, in whatever order the report lists them. So two balances
    are left over in a whole report: the first beginning and the last end.
    """
    rows = notes.rows(
        "SELECT balance, sum(side) FROM (SELECT closing AS balance, 1 AS side FROM payment UNION ALL"
        " SELECT closing - CASE movement WHEN 'out' THEN -amount ELSE amount END, -1 FROM payment)"
        " WHERE balance IS NOT NULL GROUP BY balance HAVING sum(side) <> 0 ORDER BY balance LIMIT 10"
    )
    return tuple((_amount(balance), int(side)) for balance, side in rows)


def _days(scope: Scope) -> tuple[str, str]:
    return scope.first.isoformat(), scope.last.isoformat()


def _amount(number: int | None) -> Decimal:
    return Decimal(number or 0) / SCALE
