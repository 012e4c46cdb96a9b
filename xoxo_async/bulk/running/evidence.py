"""Turn the answer of one line, an error or an order, into the evidence for the ledger."""

from decimal import Decimal
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine
from xoxo_async.bulk.ledger.table import MAX_ORDER_ID
from xoxo_async.bulk.ledger.vouchers import StoredCode, clean, deal
from xoxo_async.consequences import Proof, proof_of
from xoxo_async.errors import XoxoError
from xoxo_async.services.orders.matching import contradictions, dates_apart
from xoxo_async.services.orders.replies import Order, VoucherCode
from xoxo_async.services.orders.requests import PlaceOrder

__all__ = ["change_from_error", "change_from_order", "described", "mismatch", "ordered", "stored_codes"]

_REQUEST: Final = msgspec.json.Decoder(PlaceOrder)

# Python 3.11 finds a member of an enum ten times slower than a name of the module, and these are read for each order.
_ANSWERED: Final = Evidence.ANSWERED_PLACED
_DELIVERED: Final = Delivery.DELIVERED

_EVIDENCE_OF: Final[dict[Proof, Evidence]] = {
    Proof.NOT_PROCESSED: Evidence.NOT_PROCESSED,
    Proof.NO_ORDER: Evidence.REFUSED_NO_ORDER,
    Proof.UNCLEAR: Evidence.REFUSED_UNCLEAR,
    Proof.LOST: Evidence.OUTCOME_LOST,
}
_REFUSED: Final = frozenset({Evidence.REFUSED_NO_ORDER, Evidence.REFUSED_UNCLEAR})
_NOT_BELIEVED: Final = "; an order may have been placed for this row before, and the refusal may hide it"


def ordered(request: bytes | str) -> PlaceOrder:
    """Return the order of a stored request.

    Args:
        request: The request's JSON. Decode it once for a line, and pass the struct on.
    """
    return _REQUEST.decode(request)


def change_from_order(line: LedgerLine, wanted: PlaceOrder, order: Order, evidence: Evidence) -> Change:
    """Return the change that an order proves.

    Args:
        line: The line that the order belongs to.
        wanted: The line's request, decoded.
        order: The order, from its answer or from a look-up.
        evidence: `ANSWERED_PLACED` for an answer, otherwise the fact of the look-up. An answer that contradicts the
            request is `OUTCOME_LOST`.
    """
    doubt = "" if 0 < order.order_id <= MAX_ORDER_ID else "the answer has no order id, or an impossible one"
    if not doubt and evidence is _ANSWERED:
        # On a connection whose answers are not in step, this may be the answer to another request.
        doubt = mismatch(line, order, wanted)
    if doubt:
        lost = Evidence.OUTCOME_LOST if evidence is _ANSWERED else Evidence.LOOKUP_MISMATCHED
        return Change(seq=line.seq, evidence=lost, epoch=line.epoch, error=f"order {order.order_id}: {doubt}")
    codes = stored_codes(order)
    held = deal((), codes, wanted.quantity).held
    return Change(
        seq=line.seq,
        evidence=evidence,
        epoch=line.epoch,
        order_id=order.order_id,
        delivery=_delivery(line, order, wanted, held, looked_up=evidence is not _ANSWERED),
        amount_charged=_charged(line, order),
        currency=order.currency_code or "",
        codes=msgspec.json.encode(codes) if codes else None,
        held=held,
    )


def _charged(line: LedgerLine, order: Order) -> Decimal | None:
    """Return an order's charge; without one its total, which is not less; None if the charge is known already."""
    if order.amount_charged is not None or line.amount_charged is not None:
        return order.amount_charged
    return order.order_total or order.raw_order_total


def change_from_error(line: LedgerLine, error: XoxoError) -> Change:
    """Return the change that a failed send proves. Anything unclear is `OUTCOME_LOST` or `REFUSED_UNCLEAR`.

    Args:
        line: The line that was sent.
        error: What its one attempt raised.
    """
    evidence = _EVIDENCE_OF[proof_of(error)]
    told = f"{type(error).__name__}: {error.message}"
    if line.suspect and evidence in _REFUSED:
        told += _NOT_BELIEVED  # otherwise a person reads a plain refusal, and wonders why the row is not rejected
    return Change(seq=line.seq, evidence=evidence, epoch=line.epoch, error_id=error.error_id, error=told)


def stored_codes(order: Order) -> list[StoredCode]:
    """Return the codes that an order lists, in the ledger's form. A voucher without a code is left out: it is pending.

    Args:
        order: The order.
    """
    return clean([_stored(voucher) for voucher in order.vouchers])


def _stored(code: VoucherCode) -> StoredCode:
    valid_to = code.valid_to
    return StoredCode(
        code=code.code.reveal(),
        pin=code.pin.reveal() if code.pin else "",
        valid_to=valid_to.isoformat() if valid_to else "",
        amount=f"{code.amount:f}" if code.amount is not None else "",
        currency=code.currency or "",
        type=str(code.type or ""),
    )


def _delivery(line: LedgerLine, order: Order, wanted: PlaceOrder, held: int, *, looked_up: bool) -> Delivery:
    """Return whether all codes have come. An order with status `delivered` but without all its codes is pending."""
    # Only `deliveryStatus` is about delivery: `orderStatus: complete` means that the order was accepted (wire
    # documentation § 4.9).
    status = str(order.delivery_status or "")
    if status == "cancelled":
        return Delivery.CANCELLED
    if held == wanted.quantity:
        return _DELIVERED
    # Top-ups, miles, goods and gifts to charity come without codes. A gift card without codes counts as delivered only
    # when a look-up says `delivered` again. Lines that share an order all want codes.
    codeless = wanted.user_meta is not None or wanted.shipping_address1 is not None or looked_up
    if status == "delivered" and not order.vouchers and codeless and line.lines == 1 and not line.held:
        return _DELIVERED
    return Delivery.PENDING


def mismatch(line: LedgerLine, order: Order, wanted: PlaceOrder | None = None, *, dated: bool = True) -> str:
    """Return how an order found under a line's poNumber differs from the line's request; empty when it matches.

    The comparison is needed because no reply but the history echoes the poNumber, and another campaign may have used
    the same poNumber. A field that the reply leaves out proves nothing.

    Args:
        line: The line.
        order: The order found.
        wanted: The line's request, decoded; None decodes it here.
        dated: Whether the order's date must fit the line's sends. False where another ledger may have sent the line.
    """
    contradicted = contradictions(wanted or ordered(line.body), order)
    if contradicted:
        return ", ".join(contradicted)
    first = line.first_sent_at
    if dated and first is not None and dates_apart(order.order_date, first, line.last_sent_at):
        return f"it was placed on {order.order_date:%Y-%m-%d %H:%M}, which is none of this row's sends"
    return ""


def described(order: Order) -> str:
    """Return an order in words, for a person who decides whose order it is.

    Args:
        order: The order.
    """
    words = [f"order {order.order_id}"]
    words += [f"placed on {order.order_date:%Y-%m-%d %H:%M:%S}"] if order.order_date is not None else []
    products = {voucher.product_id for voucher in order.vouchers} | {d.product_id for d in order.voucher_details}
    words += [f"product {product_id}" for product_id in sorted(filter(None, products))]
    values = {detail.denomination for detail in order.voucher_details if detail.denomination}
    pieces = f"{order.quantity} x " if order.quantity else ""
    words += [f"{pieces}{value:f}" for value in sorted(values)] or ([f"{order.quantity} pieces"] if pieces else [])
    if order.order_total is not None:
        words.append(f"total {order.order_total:f} {order.currency_code or ''}".rstrip())
    words += [f"e-mail {order.email}"] if order.email else []
    words += [f"tag {order.tag}"] if order.tag else []
    return ", ".join(words)
