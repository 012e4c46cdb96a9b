"""`zone`: an order falls within a send only by the vendor's clock, as orders of this ledger's own tell it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import anyio
import msgspec
import pytest

from tests.unit.bulk.ledger.facts import fact, planned
from tests.unit.bulk.ledger.ledgers import each
from xoxo_async import errors
from xoxo_async.bulk.ledger.lines import Change, Evidence, LedgerLine
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.running.zone import VendorZone
from xoxo_async.services.orders import Order

pytestmark = pytest.mark.anyio

NOW = 1_800_000_000.25
INDIA = 5.5 * 3600


class Vendor:
    """A vendor that dates its orders by its own clock."""

    def __init__(self) -> None:
        self.orders = self
        self.now = NOW
        self.dates: dict[int, str] = {}
        self.asked: list[int] = []
        self.fails: errors.XoxoError | None = None

    async def get(self, *, order_id: int) -> Order:
        self.asked.append(order_id)
        await anyio.sleep(0)
        if self.fails is not None:
            raise self.fails
        return Order(order_id=order_id, quantity=1, order_date_=self.dates[order_id])


def at(seconds: float) -> str:
    """Return a date as the vendor writes it: whole seconds, no zone."""
    return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%d %H:%M:%S}"


@pytest.fixture
def vendor() -> Vendor:
    """Return a vendor."""
    return Vendor()


@pytest.fixture
async def ledger(tmp_path: Path, vendor: Vendor) -> AsyncIterator[SqliteLedger]:
    """Yield a ledger of twenty planned lines by the vendor's seconds."""
    async with SqliteLedger(tmp_path / "l.db", clock=lambda: vendor.now) as ledger:
        await ledger.plan("march", each(planned(number, room=0) for number in range(20)))
        yield ledger


async def placed(vendor: Vendor, ledger: SqliteLedger, offset_s: float, *, takes_s: float = 2.0) -> LedgerLine:
    """Send a line that is answered at once; the vendor dates it in the middle of its send."""
    (line,) = await ledger.claim(1)
    vendor.dates[line.seq] = at(vendor.now + takes_s / 2 + offset_s)
    vendor.now += takes_s
    (line,) = await ledger.record([fact(line, Evidence.ANSWERED_PLACED)])
    vendor.now += 5
    return line


async def refused(vendor: Vendor, ledger: SqliteLedger, *, takes_s: float = 2.0) -> LedgerLine:
    """Send a line whose first send is refused as known."""
    (line,) = await ledger.claim(1)
    vendor.now += takes_s
    (line,) = await ledger.record([fact(line, Evidence.REFUSED_UNCLEAR)])
    return line


def zone(vendor: Vendor, ledger: SqliteLedger) -> VendorZone:
    return VendorZone(vendor.orders.get, ledger)  # type: ignore[arg-type]


def dated(date: str | None) -> Order:
    return Order(order_id=900, quantity=1, order_date_=date)


@pytest.mark.parametrize("hours", [0, 5.5, -8, 14, 5.75])
async def test_an_order_of_this_send_fits_any_zone(vendor: Vendor, ledger: SqliteLedger, hours: float) -> None:
    """One second within it is enough; one before it, one after it, and an hour away it is somebody else's."""
    offset = hours * 3600
    await placed(vendor, ledger, offset)
    line = await refused(vendor, ledger)
    assert line.first_sent_at is not None
    assert line.last_sent_at is not None
    first, last = line.first_sent_at + offset, line.last_sent_at + offset
    look = zone(vendor, ledger).is_of_this_send
    assert [await look(line, dated(at(moment))) for moment in (first, (first + last) / 2, last)] == [True] * 3
    others = (first - 1, last + 1, first - 3600, last + 3600, first - 86400)
    assert [await look(line, dated(at(moment))) for moment in others] == [False] * 5


async def test_an_order_in_another_zone_is_foreign(vendor: Vendor, ledger: SqliteLedger) -> None:
    """Without a known zone, any date within a day would fit."""
    await placed(vendor, ledger, INDIA)
    line = await refused(vendor, ledger)
    assert line.first_sent_at is not None
    assert not await zone(vendor, ledger).is_of_this_send(line, dated(at(line.first_sent_at + 1)))


async def test_no_zone_is_known_without_an_order(vendor: Vendor, ledger: SqliteLedger) -> None:
    """Even a date of the present second is no proof then."""
    line = await refused(vendor, ledger)
    assert line.first_sent_at is not None
    assert not await zone(vendor, ledger).is_of_this_send(line, dated(at(line.first_sent_at + 1)))
    assert vendor.asked == []


async def test_an_order_without_a_date_costs_no_look(vendor: Vendor, ledger: SqliteLedger) -> None:
    """An order without a date and a line that was never sent need no look-up."""
    one = await placed(vendor, ledger, 0)
    line = await refused(vendor, ledger)
    look = zone(vendor, ledger).is_of_this_send
    assert not await look(line, dated(None))
    never = msgspec.structs.replace(line, first_sent_at=None)
    assert not await look(never, dated(at(vendor.now)))
    assert one.seq not in vendor.asked


@pytest.mark.parametrize("how", ["looked up", "doubted before", "said by a person"])
async def test_only_first_sends_tell_the_zone(vendor: Vendor, ledger: SqliteLedger, how: str) -> None:
    """The time of a later send is not known, so its date would give a wrong zone."""
    (line,) = await ledger.claim(1)
    vendor.dates[line.seq] = at(vendor.now + 1)
    vendor.now += 2
    await ledger.record([fact(line, Evidence.OUTCOME_LOST)])
    evidence = Evidence.ANSWERED_PLACED if how == "doubted before" else Evidence.LOOKUP_MATCHED
    evidence = Evidence.LATE_PROOF if how == "said by a person" else evidence
    change = Change(seq=line.seq, evidence=evidence, epoch=line.epoch, order_id=line.seq, reason="r")
    await ledger.record([change])
    other = await refused(vendor, ledger)
    assert not await zone(vendor, ledger).is_of_this_send(other, dated(at(vendor.now - 1)))
    assert vendor.asked == []


async def test_orders_that_contradict_each_other_tell_nothing(vendor: Vendor, ledger: SqliteLedger) -> None:
    """The vendor's clock was set, or its dates mean something else."""
    await placed(vendor, ledger, 0)
    await placed(vendor, ledger, 3600)
    line = await refused(vendor, ledger)
    assert not await zone(vendor, ledger).is_of_this_send(line, dated(at(vendor.now - 1)))


async def test_the_zone_is_learned_once_from_three_orders(vendor: Vendor, ledger: SqliteLedger) -> None:
    """Also for many rows, and for rows at the same time."""
    for _ in range(5):
        await placed(vendor, ledger, INDIA)
    lines = [await refused(vendor, ledger) for _ in range(4)]
    look = zone(vendor, ledger).is_of_this_send
    async with anyio.create_task_group() as group:
        for line in lines:
            group.start_soon(look, line, dated(at((line.last_sent_at or 0) + INDIA)))
    assert len(vendor.asked) == 3


async def test_look_ups_that_fail_teach_nothing_and_end(vendor: Vendor, ledger: SqliteLedger) -> None:
    """Nine are tried in a run, and no more."""
    for _ in range(12):
        await placed(vendor, ledger, 0)
    line = await refused(vendor, ledger)
    vendor.fails = errors.ServerError("502")
    look = zone(vendor, ledger).is_of_this_send
    for _ in range(3):
        assert not await look(line, dated(at(vendor.now - 1)))
    assert len(vendor.asked) == 9


async def test_a_clock_seconds_off_is_allowed_for(vendor: Vendor, ledger: SqliteLedger) -> None:
    """Zones are whole quarters of an hour; what is left is two clocks that disagree."""
    await placed(vendor, ledger, INDIA + 100)
    line = await refused(vendor, ledger)
    assert line.last_sent_at is not None
    look = zone(vendor, ledger).is_of_this_send
    assert await look(line, dated(at(line.last_sent_at - 1 + INDIA + 100)))
    assert not await look(line, dated(at(line.last_sent_at - 1 + INDIA)))


async def test_a_date_without_time_fits_no_send(vendor: Vendor, ledger: SqliteLedger) -> None:
    """Midnight is not when it was placed."""
    await placed(vendor, ledger, 0)
    line = await refused(vendor, ledger)
    assert not await zone(vendor, ledger).is_of_this_send(line, dated(at(vendor.now)[:10]))


@pytest.mark.parametrize("zone", [0.0, INDIA])
async def test_an_order_older_than_its_job_is_foreign(vendor: Vendor, ledger: SqliteLedger, zone: float) -> None:
    """By the vendor's clock, as an order of this ledger tells it; without one, it is not known."""
    older, younger = (Order(order_id=9, quantity=1, order_date_=at(NOW + zone + more)) for more in (-2, 1))
    assert not await VendorZone(vendor.orders.get, ledger).is_since_plan(younger)  # type: ignore[arg-type]
    vendor.now += 60
    (line,) = await ledger.claim(1)
    await ledger.record([fact(line, Evidence.ANSWERED_PLACED)])
    vendor.dates[line.seq] = at(vendor.now + zone)
    zones = VendorZone(vendor.orders.get, ledger)  # type: ignore[arg-type]
    assert await zones.is_since_plan(younger)
    assert not await zones.is_since_plan(older)
    assert not await zones.is_since_plan(Order(order_id=9, quantity=1))
