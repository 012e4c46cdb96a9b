"""`road`: one call for many rows, what a failure proves of each, and the way of a row in doubt to a person."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from tests.unit.bulk.ledger.ledgers import each
from xoxo_async import errors
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import DEFAULT_RULES, Evidence, LedgerLine, LineState, PlannedLine
from xoxo_async.bulk.ledger.protocol import PlanTerms
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.bulk.running.recorder import Recorder
from xoxo_async.bulk.running.road import Run
from xoxo_async.bulk.running.stopping import StopSignal
from xoxo_async.bulk.unkeyed.points_sending import PointsBody, PointsSending
from xoxo_async.bulk.unkeyed.road import UnkeyedRoad, refused
from xoxo_async.bulk.unkeyed.sending import encode_body
from xoxo_async.config import RateLimits
from xoxo_async.pacing import Pacer
from xoxo_async.services.points import PointsBalance, PointsSent
from xoxo_async.transport.connections import Attempt

pytestmark = pytest.mark.anyio

E = Evidence
NOW = 1_800_000_000.0


class Vendor:
    """A client that is its own dispatcher: it answers every call in one way, and notes what it was asked."""

    def __init__(self, end: errors.XoxoError | None = None) -> None:
        self.end = end
        self.asked: list[tuple[str, Any]] = []
        self.holds = Decimal(0)
        self.pacer = Pacer(RateLimits.unlimited())
        self.dispatcher = self
        self.may_leave: bool | None = None

    async def once(self, operation: Any, request: Any, /, *, attempt: Attempt | None = None) -> Any:
        self.asked.append((operation.name, request))
        if operation.name == "user_balance":
            return PointsBalance(total=self.holds)
        assert attempt is not None
        assert attempt.may_leave is not None
        self.may_leave = attempt.may_leave()
        if self.end is not None:
            raise self.end
        return PointsSent(error=False)


def planned(number: int) -> PlannedLine:
    body = PointsBody(denomination=Decimal(100), email=f"p{number}@example.com", sender_email="a@example.com")
    return PlannedLine(f"k{number}", f"points:{number}", f"d{number}", encode_body(body), number, Decimal(100))


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    """Yield a ledger of three rows of points."""
    async with SqliteLedger(tmp_path / "l.db", clock=lambda: NOW) as one:
        await one.plan("march", each([planned(n) for n in range(3)]), PlanTerms(kind=JobKind.POINTS))
        yield one


def road(vendor: Vendor, ledger: SqliteLedger, *, balances: bool = False) -> UnkeyedRoad:
    sending = PointsSending("a@example.com")
    return UnkeyedRoad(vendor, ledger, sending, batch=3, balances=balances)  # type: ignore[arg-type]


async def sent(vendor: Vendor, ledger: SqliteLedger, *, wall: float = NOW, balances: bool = False) -> list[LedgerLine]:
    """Send all rows in one call, record what it proved, and return them."""
    lines = await ledger.claim(3)
    done = await road(vendor, ledger, balances=balances).caller(lambda _answer: None, lambda: wall)(lines)
    assert done.error is vendor.end
    return await ledger.record(done.changes)


async def test_rows_travel_in_one_call(ledger: SqliteLedger) -> None:
    """Each row gets its own fact."""
    vendor = Vendor()
    after = await sent(vendor, ledger)
    assert [(name, len(request.recipients)) for name, request in vendor.asked] == [("sendBalance", 3)]
    assert [line.state for line in after] == [LineState.PLACED] * 3
    assert vendor.may_leave is True


async def test_a_call_leaves_within_its_hold(ledger: SqliteLedger) -> None:
    """After that another holder may take the rows for a dead sender's."""
    vendor = Vendor()
    await sent(vendor, ledger, wall=NOW + 55)
    assert vendor.may_leave is False


LOST = errors.ReplyLostError("gone")
NEVER = errors.ConnectError("no route")
CERTAIN = errors.BadRequestError("the payload is invalid", error_id="PLE10001")
CERTAIN.effect = "none"
NO = errors.RefusedError("points not sent")
NO.in_words = True
STATUS = errors.RefusedError("HTTP 400")


@pytest.mark.parametrize(
    ("error", "alone", "together"),
    [
        (LOST, E.OUTCOME_LOST, E.OUTCOME_LOST),
        (NEVER, E.NOT_PROCESSED, E.NOT_PROCESSED),
        (errors.RateLimitedError("slow down"), E.NOT_PROCESSED, E.NOT_PROCESSED),
        (errors.ServerError("HTTP 502"), E.OUTCOME_LOST, E.OUTCOME_LOST),
        (errors.DecodeError("odd"), E.OUTCOME_LOST, E.OUTCOME_LOST),
        # Of several rows one may be wrong: nothing was done, and each is sent alone.
        (CERTAIN, E.REFUSED_NO_ORDER, E.NOT_PROCESSED),
        # The vendor's own "no" is all the evidence there is of one row; of several some may be done.
        (NO, E.REFUSED_NO_ORDER, E.REFUSED_UNCLEAR),
        (STATUS, E.REFUSED_UNCLEAR, E.REFUSED_UNCLEAR),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_what_a_failure_proves(error: errors.XoxoError, alone: Evidence, together: Evidence) -> None:
    """It depends on how many rows travelled."""
    line = LedgerLine(1, "k", "points:k", "d", "{}", 1, epoch=2)
    assert refused(line, error, alone=True).evidence is alone
    assert refused(line, error, alone=False).evidence is together


async def test_rows_refused_together_travel_alone(ledger: SqliteLedger) -> None:
    """They are planned again, remember the refusal, and fit no other row; one that never left still does."""
    after = await sent(Vendor(CERTAIN), ledger)
    assert {(line.state, line.error_id) for line in after} == {(LineState.PLANNED, "PLE10001")}
    one, two, three = await ledger.claim(3)
    assert not road(Vendor(), ledger).fit(one, two)
    free = [msgspec.structs.replace(line, error_id="") for line in (two, three)]
    assert not road(Vendor(), ledger).fit(one, free[0])
    assert road(Vendor(), ledger).fit(*free)
    (change,) = (await road(Vendor(CERTAIN), ledger).call(lambda: NOW, [one])).changes
    assert change.evidence is E.REFUSED_NO_ORDER
    never = refused(free[0], NEVER, alone=False)
    assert (never.evidence, never.error_id) == (E.NOT_PROCESSED, "")


def settler(ledger: SqliteLedger, vendor: Vendor, *, balances: bool) -> Any:
    recorder = Recorder(ledger, StopSignal())
    run = Run(recorder, DEFAULT_RULES, Progress(), anyio.Event(), 60.0, lambda _what, _s: None, lambda: NOW)
    return road(vendor, ledger, balances=balances).settler(run)


async def test_a_row_in_doubt_goes_to_a_person(ledger: SqliteLedger) -> None:
    """No call is made about it, and no later pass touches it."""
    vendor = Vendor(LOST)
    await sent(vendor, ledger)
    asked = len(vendor.asked)
    settling = settler(ledger, vendor, balances=False)
    assert await settling.settle_due() is None
    lines = [line async for line in ledger.lines()]
    assert {line.state for line in lines} == {LineState.MANUAL}
    assert all("no call can tell what became of it" in line.error for line in lines)
    journal = len([row async for row in ledger.journal()])
    await settling.settle()
    await settling.refresh_pending()
    assert len([row async for row in ledger.journal()]) == journal
    assert len(vendor.asked) == asked


async def test_balances_stand_with_the_row(ledger: SqliteLedger) -> None:
    """The one before the call is durable before it, and both are in the words that a person reads."""
    vendor = Vendor(LOST)
    vendor.holds = Decimal(40)
    after = await sent(vendor, ledger, balances=True)
    assert [name for name, _ in vendor.asked] == ["user_balance"] * 3 + ["sendBalance"]
    assert all("before the call: the recipient holds 40 points" in line.error for line in after)
    seen = [row.reason async for row in ledger.journal() if row.evidence == E.BALANCE_SEEN.value]
    assert seen == ["before the call: the recipient holds 40 points"] * 3
    vendor.holds = Decimal(140)
    await settler(ledger, vendor, balances=True).settle()
    for line in [line async for line in ledger.lines()]:
        assert "holds 40 points" in line.error
        assert "after the call: the recipient holds 140 points" in line.error


async def test_a_balance_that_cannot_be_read_stops_nothing(ledger: SqliteLedger) -> None:
    """It is said, and the row is sent."""

    class Blind(Vendor):
        async def once(self, operation: Any, request: Any, /, *, attempt: Attempt | None = None) -> Any:
            if operation.name == "user_balance":
                raise errors.ServerError("HTTP 500")
            return await super().once(operation, request, attempt=attempt)

    after = await sent(Blind(), ledger, balances=True)
    assert {line.state for line in after} == {LineState.PLACED}
    rows = [row.reason async for row in ledger.journal() if row.evidence == E.BALANCE_SEEN.value]
    assert rows[0] == "before the call: the recipient's balance could not be read (ServerError)"


async def test_slow_balances_do_not_hold_the_call(ledger: SqliteLedger) -> None:
    """A row leaves within its hold: the balances of a large batch are read as long as there is time, and no longer."""

    class Slow(Vendor):
        async def once(self, operation: Any, request: Any, /, *, attempt: Attempt | None = None) -> Any:
            if operation.name == "user_balance" and self.asked:
                await anyio.sleep_forever()
            return await super().once(operation, request, attempt=attempt)

    vendor = Slow()
    with anyio.fail_after(20):
        after = await sent(vendor, ledger, wall=NOW + 29.9, balances=True)
    assert vendor.may_leave is True
    assert {line.state for line in after} == {LineState.PLACED}
    rows = [row.reason async for row in ledger.journal() if row.evidence == E.BALANCE_SEEN.value]
    assert rows == [
        "before the call: the recipient holds 0 points",
        *["before the call: the recipient's balance was not read: there was no time"] * 2,
    ]


async def test_a_look_shows_that_the_server_works(ledger: SqliteLedger) -> None:
    """It reads, with the credentials that points need."""
    vendor = Vendor()
    await road(vendor, ledger).look()
    assert [name for name, _ in vendor.asked] == ["user_balance"]
