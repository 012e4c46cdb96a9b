"""`lookups`: failures of single lines are separate from a vendor who answers no look-up."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from xoxo_async import RateLimits, errors
from xoxo_async.bulk.ledger.lines import Change, Evidence, LedgerLine
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.running.lookups import LookUps
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.pacing import Pacer
from xoxo_async.services.orders import Order

pytestmark = pytest.mark.anyio

NOW = 1_800_000_000.0


class Vendor:
    """A client whose every look-up ends as the line's own entry says; a probe as `probe` says."""

    def __init__(self) -> None:
        self.orders = self.dispatcher = self
        self.pacer = Pacer(RateLimits.unlimited())
        self.ends: dict[int, errors.XoxoError] = {}
        self.probe: errors.XoxoError | None = None
        self.probes = 0
        self.looked: list[int] = []
        self.token: errors.XoxoError | None = None
        self.now = NOW
        self.stopped = anyio.Event()
        self.progress = Progress()
        self.lookups = LookUps(
            self,  # type: ignore[arg-type]
            progress=self.progress,
            stopped=self.stopped,
            pause_limit_s=60.0,
            wall=lambda: self.now,
        )

    async def authorise(self) -> None:
        if self.token is not None:
            raise self.token

    async def find(self, _po_number: str) -> Order | None:
        self.probes += 1
        if self.probe is not None:
            raise self.probe
        return None

    async def look(self, line: LedgerLine) -> Change | None:
        self.looked.append(line.seq)
        await anyio.sleep(0)
        if line.seq in self.ends:
            raise self.ends[line.seq]
        return Change(seq=line.seq, evidence=Evidence.LOOKUP_ABSENT, epoch=0)

    async def round(self, count: int) -> tuple[set[int], set[int]]:
        """Look `count` lines up; return which were answered, and which failed for a reason of their own."""
        lines = [
            LedgerLine(seq=n, key=f"k{n}", po_number=f"PO-{n}", digest="", body="{}", row=n, last_sent_at=NOW)
            for n in range(count)
        ]
        found = await self.lookups.make(lines, self.look)
        return {change.seq for change in found.changes}, {line.seq for line, _ in found.failed}


@pytest.fixture
async def vendor() -> Vendor:
    return Vendor()


def failing(vendor: Vendor, count: int, error: Callable[[], errors.XoxoError]) -> None:
    vendor.ends = {n: error() for n in range(count)}


async def test_failures_among_answers_are_the_lines_own(vendor: Vendor) -> None:
    """An answer in the same round shows that the vendor works, so no probe is made."""
    vendor.ends = {1: errors.ConnectError("x"), 3: errors.ServerError("x"), 4: errors.DecodeError("x")}
    assert await vendor.round(6) == ({0, 2, 5}, {1, 3, 4})
    assert (vendor.lookups.pause, vendor.lookups.quiet_until, vendor.probes) == (Pause.NONE, 0.0, 0)


async def test_failures_with_a_failed_probe_concern_all(vendor: Vendor) -> None:
    """All lines wait, longer each time, and no line counts a failure."""
    failing(vendor, 3, lambda: errors.ServerError("500"))
    vendor.probe = errors.ServerError("500")
    waits: list[float] = []
    while not vendor.lookups.pause:
        assert await vendor.round(3) == (set(), set())
        waits.append(vendor.lookups.quiet_until - vendor.now)
        vendor.now = max(vendor.lookups.quiet_until, vendor.now)
    assert waits[:-1] == [2, 4, 8, 15, 15, 15, 1]
    assert (vendor.lookups.pause, vendor.lookups.reason) == (Pause.UNREACHABLE, "look-ups fail: 500")


async def test_no_look_up_is_made_during_quiet(vendor: Vendor) -> None:
    """No look-up starts before `quiet_until`."""
    failing(vendor, 1, lambda: errors.ConnectError("refused"))
    vendor.probe = errors.ConnectError("refused")
    await vendor.round(1)
    vendor.ends.clear()
    assert await vendor.round(3) == (set(), set())
    vendor.now = vendor.lookups.quiet_until
    assert await vendor.round(3) == ({0, 1, 2}, set())


@pytest.mark.parametrize("answer", [None, errors.NotFoundError("of another kind", error_id="PLE10017")])
async def test_an_answered_probe_makes_failures_the_lines_own(vendor: Vendor, answer: errors.XoxoError | None) -> None:
    """The vendor answers the probe, a look-up of an order that does not exist."""
    vendor.probe = answer
    failing(vendor, 2, lambda: errors.ReplyTimeoutError("silence"))
    assert await vendor.round(2) == (set(), {0, 1})
    assert vendor.probes == 1


async def test_a_refusal_that_everybody_gets_is_nobodys_own(vendor: Vendor) -> None:
    """An account that was switched off must not leave every line to a person; one line that is refused alone may."""
    failing(vendor, 2, lambda: errors.NotAllowedError("the client is invalid", error_id="PLE10014"))
    vendor.probe = errors.NotAllowedError("the client is invalid", error_id="PLE10014")
    assert await vendor.round(2) == (set(), set())
    vendor.probe, vendor.now = None, vendor.lookups.quiet_until
    assert await vendor.round(2) == (set(), {0, 1})


async def test_a_dead_server_gets_few_look_ups(vendor: Vendor) -> None:
    """After eight look-ups in a row without an answer, the round ends."""
    failing(vendor, 200, lambda: errors.ConnectError("refused"))
    vendor.probe = errors.ConnectError("refused")
    await vendor.round(200)
    assert len(vendor.looked) <= 16


async def test_dead_credentials_end_it_at_once(vendor: Vendor) -> None:
    """Waiting does not repair credentials."""
    failing(vendor, 200, lambda: errors.RefreshTokenDeadError("spent"))
    await vendor.round(200)
    assert (vendor.lookups.pause, vendor.lookups.reason) == (Pause.CREDENTIALS, "look-ups fail: spent")
    assert len(vendor.looked) <= 8


async def test_a_history_penalty_holds_no_look_ups(vendor: Vendor) -> None:
    """The vendor counts it separately: this line waits, the others do not."""
    penalty = errors.RateLimitedError("slow down", retry_after_s=3600)
    vendor.ends = {0: penalty}
    penalty.located(operation="getOrderHistory", attempts=1)
    assert await vendor.round(3) == ({1, 2}, {0})
    assert vendor.lookups.pause is Pause.NONE


@pytest.mark.parametrize("token", [True, False], ids=["token", "look-ups"])
async def test_a_penalty_met_by_others_is_noticed(vendor: Vendor, token: bool) -> None:
    """A look-up that waits for the end of the penalty is cancelled, and the end is shown."""
    if token:
        vendor.token = errors.RateLimitedError("slow down", retry_after_s=3600)
    else:
        vendor.pacer.penalise("getOrderDetails", 3600)

    async def waits(_line: LedgerLine) -> Change | None:
        await anyio.sleep_forever()
        return None

    vendor.look = waits  # type: ignore[method-assign]
    with anyio.fail_after(10):
        assert await vendor.round(3) == (set(), set())
    assert vendor.lookups.pause is Pause.RATE
    assert vendor.lookups.reason.startswith("look-ups are held back by the vendor until ")


async def test_a_short_penalty_is_shown_and_kept(vendor: Vendor) -> None:
    """No other line is looked up before its end."""
    vendor.ends = {0: errors.RateLimitedError("slow down", retry_after_s=30)}
    await vendor.round(1)
    assert (vendor.lookups.pause, vendor.lookups.quiet_until) == (Pause.NONE, NOW + 30)
    assert vendor.progress.wait.startswith("held back by the vendor until ")


async def test_a_new_stretch_has_patience_again(vendor: Vendor) -> None:
    """The trouble that ended the earlier one may have passed."""
    vendor.ends = {0: errors.RefreshTokenDeadError("spent")}
    await vendor.round(1)
    assert vendor.lookups.is_over
    vendor.lookups.begin()
    vendor.ends.clear()
    assert (await vendor.round(2), vendor.lookups.is_over) == (({0, 1}, set()), False)


async def test_a_stop_ends_what_is_under_way(vendor: Vendor) -> None:
    """The answers until then are kept."""

    async def one_answers(line: LedgerLine) -> Change | None:
        if line.seq:
            vendor.stopped.set()
            await anyio.sleep_forever()
        return Change(seq=line.seq, evidence=Evidence.LOOKUP_ABSENT, epoch=0)

    vendor.look = one_answers  # type: ignore[method-assign]
    with anyio.fail_after(10):
        answered: Any = await vendor.round(3)
    assert answered == ({0}, set())
