"""`SettledLine`: what became of one order, with its codes and with what its message needs next."""

from collections.abc import Collection
from decimal import Decimal
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.lines import Delivery, LedgerLine, LineState
from xoxo_async.bulk.ledger.vouchers import StoredCode
from xoxo_async.services.orders.replies import VoucherCode
from xoxo_async.verdicts import Verdict
from xoxo_async.wire.enums import VoucherType
from xoxo_async.wire.secrets import Secret

__all__ = ["SettledLine"]

_CODES_LATER_S: Final = 300.0
"""Seconds until codes that are still to come are asked for again: one getOrderDetails call each time."""


class SettledLine(msgspec.Struct, frozen=True, kw_only=True):
    """An order whose outcome is certain, or that only a person can settle.

    Attributes:
        key: The caller's key.
        po_number: Its poNumber.
        state: `placed`, `rejected`, `manual` (a person decides, see `xoxo bulk resolve`) or `cancelled` (withdrawn).
        delivery: Whether the codes of a placed order have come.
        order_id: The vendor's order; None unless it is placed.
        codes: Its vouchers, once it is delivered. Whoever reads a code can spend it: they are masked.
        amount_charged: What it cost; None if the vendor gave no charge.
        currency: Of that amount.
        attempts: How often it was taken for sending.
        error_id: The last refusal's error id.
        error: The refusal or doubt, in words; empty where there is none.
        verdict: What to do with its message.
    """

    key: str
    po_number: str
    state: LineState
    delivery: Delivery
    order_id: int | None
    codes: tuple[VoucherCode, ...]
    amount_charged: Decimal | None
    currency: str
    attempts: int
    error_id: str
    error: str
    verdict: Verdict

    @classmethod
    def of(
        cls, line: LedgerLine, codes: Collection[StoredCode] = (), *, await_codes: bool = True, refused: str = ""
    ) -> "SettledLine":
        """Return what became of a line that is placed, rejected, withdrawn, or left to a person.

        Args:
            line: The line as it stands.
            codes: Its codes.
            await_codes: Whether a message is done only when the codes of its order have come.
            refused: Why codes that the ledger does not keep could not be fetched, in words.
        """
        return cls(
            key=line.key,
            po_number=line.po_number,
            state=line.state,
            delivery=line.delivery,
            order_id=line.order_id,
            codes=tuple(_voucher(code, line) for code in codes),
            amount_charged=line.amount_charged,
            currency=line.currency,
            attempts=line.attempts,
            error_id=line.error_id,
            error=line.error,
            verdict=_verdict(line, _missing(line, codes, refused), await_codes=await_codes),
        )


def _missing(line: LedgerLine, codes: Collection[StoredCode], refused: str) -> str:
    """Return why a line lacks codes that have come; empty if it has them all. Top-ups and goods come without any."""
    have = sum(code.complete for code in codes)
    return "" if have >= line.held else refused or f"the vendor lists {have} of {line.held} codes that are its own"


def _verdict(line: LedgerLine, missing: str, *, await_codes: bool) -> Verdict:
    if line.state is not LineState.PLACED:
        sends = f" after {line.attempts} {'send' if line.attempts == 1 else 'sends'}" if line.attempts else ""
        return Verdict.person(
            f"the order of {line.key} is {line.state.value}{sends}: {line.error or 'no reason is kept'}"
        )
    if line.delivery is Delivery.CANCELLED:
        return Verdict.person(f"the vendor cancelled the delivery of order {line.order_id} ({line.key})")
    if line.delivery is Delivery.PENDING and await_codes:
        return Verdict.again(_CODES_LATER_S, f"order {line.order_id} is placed, and its codes are still to come")
    if line.delivery is Delivery.DELIVERED and missing and await_codes:
        return Verdict.person(
            f"order {line.order_id} ({line.key}) is delivered, but its codes cannot be handed over: {missing}"
        )
    return Verdict.done()


def _voucher(code: StoredCode, line: LedgerLine) -> VoucherCode:
    return VoucherCode(
        code_=Secret(code.code),
        pin=Secret(code.pin),
        valid_to_=code.valid_to or None,
        amount=Decimal(code.amount) if code.amount else None,
        currency=code.currency or None,
        type=VoucherType(code.type),
        order_id=line.order_id,
    )
