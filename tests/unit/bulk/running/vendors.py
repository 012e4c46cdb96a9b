"""The vendor's books, a clock that passes only by waiting, and a reconciler over both."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from decimal import Decimal
from typing import Any

import anyio
import pytest

from tests.unit.bulk.ledger.facts import planned
from tests.unit.bulk.ledger.ledgers import each
from xoxo_async import RateLimits, errors
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine, Rules
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.running.circuit import PROBE_PO_NUMBER
from xoxo_async.bulk.running.line_lookup import LineLookUp
from xoxo_async.bulk.running.lookups import LookUps
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.bulk.running.reconcile import Reconciler
from xoxo_async.bulk.running.recorder import Recorder
from xoxo_async.bulk.running.stopping import StopSignal
from xoxo_async.pacing import Pacer
from xoxo_async.services.orders import Order, OrderSummary, VoucherCode
from xoxo_async.wire import Secret

NOW = 1_800_000_000.0


PENDING: dict[str, Any] = {"evidence": Evidence.ANSWERED_PLACED, "order_id": 900, "delivery": Delivery.PENDING}


class Vendor:
    """The vendor's books behind a client that has no way to place; time that passes only by waiting for a look-up."""

    def __init__(self) -> None:
        self.orders = self.dispatcher = self
        self.pacer = Pacer(RateLimits.unlimited())
        self.authorise: Callable[[], Awaitable[object]] = lambda: anyio.sleep(0)
        self.probe: errors.XoxoError | None = None
        self.by_po_number: dict[str, Order | errors.XoxoError] = {}
        self.by_id: dict[int, Order | errors.XoxoError] = {}
        self.history: list[OrderSummary] = []
        self.history_ends: errors.XoxoError | None = None
        self.looked_at: list[float] = []
        self.days: list[tuple[date, date]] = []
        self.at_once = self.most_at_once = 0
        self.now = NOW
        self.progress = Progress()
        self.told: list[str] = []
        self.distrusted: list[tuple[int, str]] = []

    def distrust(self, order_id: int, po_number: str) -> None:
        self.distrusted.append((order_id, po_number))

    async def find(self, po_number: str) -> Order | None:
        if po_number == PROBE_PO_NUMBER:
            if self.probe is not None:
                raise self.probe
            return None
        self.looked_at.append(self.now - NOW)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await anyio.sleep(0)
        self.at_once -= 1
        answer = self.by_po_number.get(po_number)
        if isinstance(answer, errors.XoxoError):
            raise answer
        return answer

    async def get(self, *, order_id: int) -> Order:
        self.looked_at.append(self.now - NOW)
        answer = self.by_id.get(order_id, errors.NotFoundError("no", error_id="PLE10016"))
        if isinstance(answer, errors.XoxoError):
            raise answer
        return answer

    async def iterate_history(self, start: date, end: date) -> AsyncIterator[OrderSummary]:
        self.days.append((start, end))
        for summary in self.history:
            yield summary
        if self.history_ends is not None:
            raise self.history_ends


async def sent(ledger: SqliteLedger, count: int = 1, **end: Any) -> list[LedgerLine]:
    """Send lines; their answers are lost, unless they end otherwise."""
    await ledger.plan("march", each(planned(number, room=0) for number in range(count)))
    facts = {"evidence": Evidence.OUTCOME_LOST, **end}
    return await ledger.record([Change(seq=line.seq, epoch=line.epoch, **facts) for line in await ledger.claim(count)])


def reconciler(
    vendor: Vendor,
    ledger: SqliteLedger,
    *,
    stopped: anyio.Event | None = None,
    **rules: Any,
) -> Reconciler:
    """Return one that believes two absences, ten seconds apart, from 150 s after the send."""
    wall, settling = lambda: vendor.now, Rules(**{"spacing_s": 10.0, **rules})
    end = stopped or anyio.Event()
    rounds = LookUps(vendor, progress=vendor.progress, stopped=end, pause_limit_s=60.0, wall=wall)  # type: ignore[arg-type]
    return Reconciler(
        ledger,
        Recorder(ledger, StopSignal()),
        LineLookUp(vendor, ledger, settling, vendor.progress, wall),  # type: ignore[arg-type]
        rounds,
        settling,
        progress=vendor.progress,
        stopped=end,
        wall=wall,
    )


async def line_of(ledger: SqliteLedger) -> LedgerLine:
    (line,) = [line async for line in ledger.lines(with_codes=True)]
    return line


def order(*codes: str, **fields: Any) -> Order:
    vouchers = tuple(VoucherCode(product_id=1001, voucher_code_=Secret(code)) for code in codes)
    return Order(**{"order_id": 900, "vouchers": vouchers, "amount_charged": Decimal(95), **fields})


def passing(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> Vendor:
    """Let waiting move the vendor's clock, and take no time."""
    wait = anyio.move_on_after

    def pass_s(seconds: float) -> anyio.CancelScope:
        if vendor.progress.wait:
            vendor.told.append(vendor.progress.wait)
        vendor.now += seconds
        return wait(0)

    monkeypatch.setattr(anyio, "move_on_after", pass_s)
    return vendor
