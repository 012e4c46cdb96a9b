"""Compare a ledger's lines with the vendor's orders. Pure: facts in, findings out, in any amount and a flat memory."""

import math
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from xoxo_async.bulk.ledger.lines import Delivery, LineState
from xoxo_async.bulk.proving.facts import Asked, Case, LineFacts, OrderFacts, Scope, about_line
from xoxo_async.bulk.proving.naming import key_of, kinship
from xoxo_async.bulk.proving.result import Finding, FindingKind
from xoxo_async.services.orders.matching import ZONES

__all__ = ["cases_of", "judge", "needs_lookup"]

_IN_DOUBT: Final = frozenset({LineState.SENDING, LineState.UNKNOWN, LineState.CONFLICT, LineState.MANUAL})


def cases_of(
    lines: Iterable[LineFacts],
    orders: Iterable[OrderFacts],
    *,
    order_of: Callable[[int], OrderFacts | None],
    asked_of: Callable[[str], Asked | None],
) -> Iterator[Case]:
    """Yield everything that is known about each poNumber, in order of poNumbers.

    Args:
        lines: What the ledger has, in order of poNumbers, each once.
        orders: What the history has, in order of poNumbers.
        order_of: Returns the order of the history with an id.
        asked_of: Returns what look-ups of a poNumber found.
    """
    left, right = iter(lines), iter(orders)
    line, order = next(left, None), next(right, None)
    while line is not None or order is not None:
        behind = order is None or (line is not None and line.po_number < (order.po_number or ""))
        po_number = line.po_number if line is not None and behind else (order.po_number if order else "") or ""
        found: list[OrderFacts] = []
        while order is not None and (order.po_number or "") == po_number:
            found.append(order)
            order = next(right, None)
        if line is None or line.po_number != po_number:
            yield Case(po_number, None, tuple(found))
            continue
        elsewhere = order_of(line.order_id) if line.order_id is not None and line.lines and not found else None
        yield Case(po_number, line, tuple(found), elsewhere, asked_of(po_number))
        line = next(left, None)


def needs_lookup(case: Case, scope: Scope, *, thorough: bool = False) -> bool:
    """Return whether the history is not enough to judge a case, so that its order must be looked up.

    Args:
        case: The case.
        scope: What the proof looked at.
        thorough: Whether each order that may exist is looked up.
    """
    line = case.line
    if line is None or case.asked is not None:
        return False
    if line.state != LineState.PLACED or not line.lines:
        return thorough and bool(line.lines) and line.first_sent_at is not None
    if thorough:
        return True
    if not case.orders:
        return (case.elsewhere is None or not case.elsewhere.po_number) and _is_within(line, scope)
    order = _chosen(line, case.orders)
    return len(case.orders) == 1 and bool(_untold(line, order))


def judge(case: Case, scope: Scope) -> list[Finding]:
    """Return what does not agree about one poNumber; empty if ledger and vendor agree.

    Args:
        case: Everything that is known about it.
        scope: What the proof looked at.
    """
    line = case.line
    if line is None:
        return _of_no_line(case, scope)
    orders = _at_vendor(case)
    if line.state != LineState.PLACED or not line.lines:
        return _of_unplaced(line, orders)
    if not orders:
        return [_without_order(line, case, scope)]
    findings: list[Finding] = []
    if len(orders) > 1:
        ids = ", ".join(str(order.order_id) for order in orders)
        findings.append(about_line("repeated", line, f"{len(orders)} orders have this poNumber: {ids}"))
    order = _chosen(line, orders)
    findings += _compared(line, order)
    told = order
    by_po = case.asked.by_po if case.asked is not None else None
    if by_po is not None and by_po.order_id == order.order_id:
        findings += [found for found in _compared(line, by_po) if found not in findings]
        told = _together(order, by_po)
    findings += _not_told(line, told)
    # An order of the history without a poNumber is counted once for the whole job, and not for each line.
    if not case.orders and (case.elsewhere is None or case.elsewhere.po_number is not None):
        findings.append(_not_in_history(line, order, scope))
    return findings


def _at_vendor(case: Case) -> list[OrderFacts]:
    """Return all orders that the vendor is known to have under a poNumber."""
    found = {order.order_id: order for order in case.orders}
    if case.asked is not None and case.asked.by_po is not None:
        found.setdefault(case.asked.by_po.order_id, case.asked.by_po)
    return list(found.values())


def _chosen(line: LineFacts, orders: Iterable[OrderFacts]) -> OrderFacts:
    """Return the order with the line's order id, or the first one."""
    found = list(orders)
    return next((order for order in found if order.order_id == line.order_id), found[0])


def _together(order: OrderFacts, asked: OrderFacts) -> OrderFacts:
    """Return one order out of what history and details tell of it."""
    return OrderFacts(
        order_id=order.order_id,
        po_number=order.po_number,
        products=order.products or asked.products,
        values=order.values or asked.values,
        prices=order.prices or asked.prices,
        quantities=order.quantities or asked.quantities,
        charged=order.charged if order.charged is not None else asked.charged,
        currency=order.currency or asked.currency,
        delivery=order.delivery or asked.delivery,
        day=order.day or asked.day,
    )


def _of_no_line(case: Case, scope: Scope) -> list[Finding]:
    """Judge orders under a poNumber that the ledger does not have."""
    kin = kinship(scope.job, case.po_number) if case.po_number else ""
    if not kin:
        return []
    ids = ", ".join(str(order.order_id) for order in case.orders)
    order = case.orders[0]
    if kin == "perhaps":
        why = (
            f"order {ids} has a poNumber that begins as this job's do: it may be of a row that the ledger lacks, or of"
            " a job whose name begins alike"
        )
        return [Finding(kind="unknown", why=why, po_number=case.po_number, order_id=order.order_id)]
    key = key_of(scope.job, case.po_number) or ""
    why = f"order {ids} has the poNumber of this job's row {key}, and the ledger has no such row"
    found = [Finding(kind="unlisted", why=why, po_number=case.po_number, key=key, order_id=order.order_id, vendor=ids)]
    if len(case.orders) > 1:
        why = f"{len(case.orders)} orders have this poNumber: {ids}"
        found.append(Finding(kind="repeated", why=why, po_number=case.po_number, key=key, order_id=order.order_id))
    return found


def _of_unplaced(line: LineFacts, orders: list[OrderFacts]) -> list[Finding]:
    """Judge a line that the ledger does not call placed: it must have no order."""
    if orders:
        ids = ", ".join(str(order.order_id) for order in orders)
        where = f"is {line.state}" if line.lines else f"travels in order {line.order_id}"
        hint = "; a reconcile settles it" if line.state in _IN_DOUBT else ""
        why = f"order {ids} has the poNumber of this row, which {where} in the ledger{hint}"
        found = [about_line("unlisted", line, why, order_id=orders[0].order_id, ledger=line.state, vendor=ids)]
        if len(orders) > 1:
            found.append(about_line("repeated", line, f"{len(orders)} orders have this poNumber: {ids}"))
        return found
    if line.state in _IN_DOUBT:
        why = f"the ledger does not know yet whether this row has an order: it is {line.state}"
        return [about_line("unknown", line, why, ledger=line.state)]
    return []


def _without_order(line: LineFacts, case: Case, scope: Scope) -> Finding:
    """Judge a placed line under whose poNumber no order is known."""
    ledger = f"order {line.order_id}"
    other = case.elsewhere or (case.asked.by_id if case.asked is not None else None)
    if other is not None and other.po_number:
        why = f"order {other.order_id} has the poNumber {other.po_number} at the vendor"
        return about_line("different", line, why, ledger=line.po_number, vendor=other.po_number)
    if other is not None and case.asked is not None:
        why = f"order {other.order_id} exists, and the vendor does not find it under this poNumber"
        return about_line("different", line, why, ledger=ledger)
    if other is not None:
        why = f"the history has order {other.order_id} and does not say its poNumber"
        return about_line("unknown", line, why, ledger=ledger)
    if not _is_within(line, scope) and case.asked is None:
        why = "it may have been placed on a day that was not read, so its order is not looked for"
        return about_line("unknown", line, why, ledger=ledger)
    if case.asked is None:
        return about_line(
            "unknown", line, "the history does not have its order, and it was not looked up", ledger=ledger
        )
    if scope.is_recent(line.last_sent_at):
        why = "the vendor does not find its order, which is so new that history and look-ups may lag behind it"
        return about_line("unknown", line, why, ledger=ledger)
    why = f"the vendor finds no order under this poNumber, and no order {line.order_id}"
    return about_line("missing", line, why, ledger=ledger)


def _not_in_history(line: LineFacts, order: OrderFacts, scope: Scope) -> Finding:
    """Say why an order that look-ups find is not proven: only the history shows that there is no second one."""
    if order.day and not scope.has(order.day):
        why = (
            f"order {order.order_id} is of {order.day}, a day that was not read, so a second order would not be seen:"
            f" read it with --since {order.day}"
        )
    else:
        why = f"the vendor has order {order.order_id}, and its history does not show it: the history lags, or lacks it"
    return about_line("unknown", line, why, order_id=order.order_id)


def _compared(line: LineFacts, order: OrderFacts) -> list[Finding]:
    """Return every field in which an order contradicts its line. What the reply leaves out contradicts nothing."""
    found: list[Finding] = []

    def differs(kind: FindingKind, what: str, ledger: object, vendor: object) -> None:
        why = f"{what} is {ledger} in the ledger and {vendor} at the vendor"
        about = about_line(kind, line, why, order_id=order.order_id, ledger=f"{ledger}", vendor=f"{vendor}")
        found.append(about)

    if order.order_id != line.order_id:
        differs("different", "the order id", line.order_id, order.order_id)
    for product in order.products:
        if product != line.product_id:
            differs("different", "the product", line.product_id, product)
            break
    for value in order.values:
        if value != line.denomination:
            differs("different", "the value of a piece", _plain(line.denomination), _plain(value))
            break
    for quantity in order.quantities:
        if quantity != line.quantity:
            differs("different", "the quantity", line.quantity, quantity)
            break
    if order.currency and line.currency and order.currency != line.currency.upper():
        differs("charges", "the currency of the charge", line.currency, order.currency)
    if order.charged is not None and line.charged is not None and order.charged != line.charged:
        differs("charges", "the charge", _money(line.charged, line.currency), _money(order.charged, order.currency))
    if order.delivery and order.delivery != line.delivery:
        _delivery_differs(line, order, differs)
    return found


def _delivery_differs(
    line: LineFacts, order: OrderFacts, differs: Callable[[FindingKind, str, object, object], None]
) -> None:
    ledger = line.delivery or "not known"
    vendor = order.delivery
    if vendor not in set(Delivery):
        differs("unknown", "the delivery", ledger, f"{vendor!r}, a word that the vendor does not document,")
        return
    if line.delivery == Delivery.PENDING:
        ledger = f"pending ({line.held} of {line.quantity} codes)"
        vendor += "; a reconcile collects what has come" if vendor == Delivery.DELIVERED else ""
    differs("delivery", "the delivery", ledger, vendor)


def _untold(line: LineFacts, order: OrderFacts) -> list[str]:
    """Return what a reply leaves out of what must be compared."""
    missing = [] if order.products else ["product"]
    # A price may be in another currency than the product's, and of one piece or of all: equal proves, other does not.
    whole = {line.denomination, line.denomination * line.quantity}
    if not order.values and not (order.prices and set(order.prices) <= whole):
        missing.append("value")
    missing += [] if order.quantities else ["quantity"]
    missing += [] if order.charged is not None else ["charge"]
    missing += [] if order.delivery else ["delivery"]
    return missing


def _not_told(line: LineFacts, order: OrderFacts) -> list[Finding]:
    findings: list[Finding] = []
    missing = _untold(line, order)
    if missing:
        why = f"the vendor does not tell {_and(missing)} of order {order.order_id}"
        findings.append(about_line("unknown", line, why, order_id=order.order_id))
    if line.charged is None:
        why = "the ledger has no charge of it, because the vendor's answer had none"
        findings.append(about_line("unknown", line, why, order_id=order.order_id))
    return findings


def _is_within(line: LineFacts, scope: Scope) -> bool:
    """Return whether every day on which a line may have been placed was read. A line without a send counts as such."""
    if line.first_sent_at is None:
        return True
    first = _moment(line.first_sent_at) - ZONES
    last = _moment(max(line.last_sent_at or 0.0, line.first_sent_at)) + ZONES
    return scope.first <= first.date() and last.date() <= scope.last


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(math.floor(seconds), UTC)


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _money(value: Decimal, currency: str) -> str:
    return f"{currency} {_plain(value)}".strip()


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
