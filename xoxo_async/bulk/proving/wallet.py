"""Whether the charges of a job add up to the wallet's movement. Pure: sums of the payment report in, findings out."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final, Literal, NamedTuple

import msgspec

from xoxo_async.bulk.proving.result import Finding, FindingKind, ProofSums
from xoxo_async.services.account.replies import Payment

__all__ = [
    "Paid",
    "PaymentFacts",
    "WalletFacts",
    "judge_paid",
    "judge_rows",
    "judge_wallet",
    "payment_facts",
    "sums_of",
]

About = Literal["orders", "points", "links", ""]
"""What the reason of a row names; empty if it names none of them, as `Refunded` does."""

Movement = Literal["out", "back", "in", ""]
"""Whether money went out, came back, or was added; empty if the reason is another one."""


class PaymentFacts(msgspec.Struct, frozen=True):
    """A row of the payment report.

    Attributes:
        name: The row in words, for messages.
        day: Its day, `YYYY-MM-DD`; empty if the row has none.
        movement: Which way the money went.
        order_id: The order that its reference names; None if it names none.
        amount: The amount, without a sign; None if the row has none.
        closing: The balance after it; None if the row has none.
        complete: Whether the money moved: a cancelled row moves none.
        about: What it is about, by its reason.
        reference: Its reference as the vendor writes it.
    """

    name: str
    day: str
    movement: Movement
    order_id: int | None
    amount: Decimal | None
    closing: Decimal | None
    complete: bool
    about: About = ""
    reference: str = ""


class Paid(NamedTuple):
    """What the payment report says of one order of the job.

    Attributes:
        po_number: The order's poNumber.
        key: The key of its row.
        row: The row's number in the input.
        order_id: The order.
        charged: What it cost by the order history, or by the ledger where the history does not say.
        rows: How many rows took money for it.
        paid: What they took.
        refunded: What other rows gave back.
        cancelled: Whether the ledger calls its delivery cancelled.
        recent: Whether it is so new that the payment report may lag behind it.
    """

    po_number: str
    key: str
    row: int
    order_id: int
    charged: Decimal | None
    rows: int
    paid: Decimal
    refunded: Decimal
    cancelled: bool
    recent: bool = False


class WalletFacts(NamedTuple):
    """Sums over the payment report and the order history.

    Attributes:
        refused: Why the report could not be read; empty if it was.
        currency: The account's currency.
        rows: Rows that moved money.
        issued: What rows for orders took, of any order.
        named: How many of these rows name an order of the history.
        unnamed: How many do not.
        ours: What rows for this job's orders took.
        ours_refunded: What they gave back.
        others: What rows for other orders of the history took.
        rest: What rows took that name no order of the history.
        refunded: What all refunds gave back.
        added: Funds that were added.
        odd: Rows whose reason is another one, or that lack an amount or a balance; the first few in words.
        ends: The balances at which the chain of rows begins (-1) and ends (+1); empty if it ends where it began.
        ledger: What the placed lines cost by the ledger.
        vendor: What their orders cost by the history.
        other_orders: Other orders of the history.
        other_charged: What they cost.
        uncharged: Orders of the history without a charge.
        has_orders: Whether the ledger has placed orders.
        rounded: Orders of the history whose charge has a fraction, where the report has whole amounts only; 0 if it
            shows fractions. The vendor's page calls its amounts integers (wire documentation § 4.7).
        recent: Whether some orders of the job are so new that the report may lag behind them.
    """

    refused: str = ""
    currency: str = ""
    rows: int = 0
    issued: Decimal = Decimal(0)
    named: int = 0
    unnamed: int = 0
    ours: Decimal = Decimal(0)
    ours_refunded: Decimal = Decimal(0)
    others: Decimal = Decimal(0)
    rest: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)
    added: Decimal = Decimal(0)
    odd: tuple[str, ...] = ()
    ends: tuple[tuple[Decimal, int], ...] = ()
    ledger: Decimal = Decimal(0)
    vendor: Decimal = Decimal(0)
    other_orders: int = 0
    other_charged: Decimal = Decimal(0)
    uncharged: int = 0
    has_orders: bool = True
    rounded: int = 0
    recent: bool = False

    @property
    def names_orders(self) -> bool:
        """Whether the report names the orders that it took money for, as the vendor's page says of `reference_id`."""
        return bool(self.named) and self.named >= self.unnamed


def payment_facts(payment: Payment) -> PaymentFacts:
    """Return what a proof needs of a row of the payment report.

    Args:
        payment: The row.
    """
    reason = (payment.reason or "").casefold()
    digits = (payment.reference_id or "").strip().lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_#")
    plain = digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS
    day = payment.date
    return PaymentFacts(
        name=f"{payment.reference_id or payment.invoice_number or 'a row without a reference'}",
        day=day.isoformat() if day is not None else "",
        movement=_movement(reason, _about(reason)),
        order_id=int(digits) if plain else None,
        amount=payment.adjusted_amount,
        closing=payment.closing_balance,
        complete=(payment.transaction_status or "complete").strip().casefold() == "complete",
        about=_about(reason),
        reference=(payment.reference_id or "").strip(),
    )


_MOST_DIGITS: Final = 18
_ABOUT: Final[dict[str, About]] = {"voucher": "orders", "point": "points", "link": "links"}


def _about(reason: str) -> About:
    """Return what a reason names. The vendor documents vouchers; rows for points and links may be there as well."""
    found: list[About] = [about for word, about in _ABOUT.items() if word in reason]
    return found[0] if found else ""


_GIVEN_BACK: Final = ("refund", "cancel", "revers", "return")


def _movement(reason: str, about: About) -> Movement:
    """Return which way the money went.

    The vendor documents three reasons, in several spellings (wire documentation § 4.7), and none for points or links.
    So a row about these takes money, unless it says that it gives some back.
    """
    if "added" in reason:
        return "in"
    if about in {"points", "links"}:
        return "back" if any(word in reason for word in _GIVEN_BACK) else "out"
    if "refund" in reason:
        return "back"
    return "out" if "issued" in reason else ""


def judge_paid(orders: Iterable[Paid], *, rounded: bool = False) -> Iterator[Finding]:
    """Yield a finding for each order whose payment is not its charge. For a report that names orders.

    Args:
        orders: The orders of the job, or only those that may not fit.
        rounded: Whether the report has whole amounts only, so that fractions are not compared.
    """
    for one in orders:
        why = ""
        kind: FindingKind = "wallet"
        if not one.rows and one.recent:
            kind, why = "unknown", f"the payment report has nothing for order {one.order_id} yet, which is very new"
        elif not one.rows:
            why = f"the payment report took nothing for order {one.order_id}"
        elif one.rows > 1:
            why = f"the payment report took money {one.rows} times for order {one.order_id}"
        elif one.charged is not None and _differ(one.paid, one.charged, 1 if rounded else 0):
            why = f"order {one.order_id} cost {_plain(one.charged)}, and the payment report took {_plain(one.paid)}"
        elif one.refunded and not one.cancelled:
            why = f"the payment report gave {_plain(one.refunded)} back for order {one.order_id}"
        if why:
            yield Finding(
                kind=kind,
                why=why,
                po_number=one.po_number,
                key=one.key,
                row=one.row,
                order_id=one.order_id,
                ledger=_plain(one.charged) if one.charged is not None else "",
                vendor=_plain(one.paid - one.refunded),
            )


def judge_wallet(facts: WalletFacts) -> list[Finding]:
    """Return where the wallet's movement as a whole does not fit, or cannot be known.

    Args:
        facts: The sums.
    """
    if facts.refused:
        return [_unknown(f"the payment report cannot be read, so charges are not compared with it: {facts.refused}")]
    if not facts.has_orders:
        return []
    if not facts.rows:
        return [_unknown("the payment report has no rows for these days: it lags, or the account has none")]
    found = judge_rows(facts)
    if facts.rounded:
        orders = "charge" if facts.rounded == 1 else "charges"
        why = (
            f"the payment report has whole amounts only, so the fractions of {facts.rounded} {orders} are not compared"
        )
        found.append(_unknown(why))
    if facts.uncharged and not facts.names_orders:
        found.append(_unknown(f"the history does not tell the charge of {facts.uncharged} orders"))
    elif facts.names_orders:
        found += _rest(facts)
    else:
        found += _whole(facts)
    return found


def judge_rows(facts: WalletFacts) -> list[Finding]:
    """Return which rows of the report cannot be counted, and whether its balances follow from one another.

    Args:
        facts: The sums.
    """
    return [
        *(_unknown(f"the payment report has a row that cannot be counted: {row}") for row in facts.odd),
        *_chain(facts),
    ]


def _chain(facts: WalletFacts) -> list[Finding]:
    """Check that each row's balance follows from another row's, in whatever order the report has them."""
    if facts.odd or facts.rounded or not facts.ends or [count for _balance, count in facts.ends] in ([1, -1], [-1, 1]):
        return []
    balances = ", ".join(f"{_plain(balance)}" for balance, _count in facts.ends[:4])
    why = (
        "the balances of the payment report do not follow from one another: a row is missing, was changed, or took"
        f" another amount than it says; see the balances {balances}"
    )
    return [Finding(kind="wallet", why=why)]


def _rest(facts: WalletFacts) -> list[Finding]:
    if not facts.unnamed:
        return []
    rows = "row" if facts.unnamed == 1 else "rows"
    why = (
        f"the payment report has {facts.unnamed} {rows} over {_plain(facts.rest)} that name no order of the history:"
        " whose they are is not known"
    )
    return [_unknown(why)]


def _whole(facts: WalletFacts) -> list[Finding]:
    """Compare sums: the report does not name orders, so only all orders of these days together can be compared."""
    orders = facts.vendor + facts.other_charged
    if not _differ(orders, facts.issued, facts.rounded):
        return []
    sums = f"all orders of these days cost {_plain(orders)}, and the payment report took {_plain(facts.issued)}"
    if orders > facts.issued and facts.recent:
        return [_unknown(f"{sums}: some orders are very new, and the report may lag behind them")]
    if orders > facts.issued:
        return [Finding(kind="wallet", why=sums, ledger=_plain(orders), vendor=_plain(facts.issued))]
    why = f"{sums}: its rows name no orders, so it is not known what the rest was for"
    return [_unknown(why)]


def sums_of(facts: WalletFacts) -> ProofSums:
    """Return the money of a result.

    Args:
        facts: The sums.
    """
    chained = [count for _balance, count in facts.ends] in ([1, -1], [-1, 1])
    ends = {count: balance for balance, count in facts.ends} if chained else {}
    return ProofSums(
        currency=facts.currency,
        ledger=facts.ledger,
        vendor=facts.vendor,
        paid=facts.ours if facts.names_orders else None,
        refunded=facts.ours_refunded,
        added=facts.added,
        other_orders=facts.other_orders,
        other=facts.others if facts.names_orders else facts.other_charged,
        unnamed=facts.rest if facts.names_orders else Decimal(0),
        opening=ends.get(-1),
        closing=ends.get(1),
    )


def _differ(one: Decimal, other: Decimal, below: int) -> bool:
    """Return whether two amounts differ; less than `below` is no difference where amounts are rounded."""
    return abs(one - other) >= below if below else one != other


def _unknown(why: str) -> Finding:
    return Finding(kind="unknown", why=why)


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"
