"""`cancelling`: the intent of each row before the call, its own result after it, and no second try in doubt."""

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.bulk.ledger.ledgers import each
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine, PlannedLine
from xoxo_async.bulk.ledger.protocol import PlanTerms
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.unkeyed.cancelling import Cancelling, CancelReport, settle_cancels
from xoxo_async.bulk.unkeyed.sending import Body
from xoxo_async.errors import (
    BadRequestError,
    ConfigError,
    ConnectError,
    OutcomeUnknownError,
    RefusedError,
    ServerError,
    XoxoError,
)
from xoxo_async.services.points import PointsCancelled

pytestmark = pytest.mark.anyio


class Vendor:
    """Answers cancellations as a test says, and checks that their intent is durable."""

    def __init__(self, ledger: SqliteLedger) -> None:
        self.ledger = ledger
        self.calls: list[list[int]] = []
        self.refused: dict[int, str] = {}
        self.silent: set[int] = set()
        self.errors: list[XoxoError | None] = []

    async def cancel(self, unique_ids: Sequence[int]) -> PointsCancelled:
        found = {line.order_id: line.delivery async for line in self.ledger.lines()}
        assert {found[unique_id] for unique_id in unique_ids} == {Delivery.CANCELLING}
        self.calls.append(list(unique_ids))
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        told = [
            {"unique_id": one, "success": one not in self.refused, "message": self.refused.get(one, "done")}
            for one in unique_ids
            if one not in self.silent
        ]
        return msgspec.convert({"error": False, "recipients": told}, PointsCancelled)


def no() -> RefusedError:
    """Return the vendor's own no, as an answer's success flag says it."""
    error = RefusedError("not allowed", effect="possible")
    error.in_words = True
    return error


def row(number: int) -> PlannedLine:
    request = msgspec.json.encode(Body(denomination=Decimal(10 * number), email=f"p{number}@b.example"))
    return PlannedLine(key=f"k{number}", po_number=f"points:k{number}", digest="d", request=request, row=number)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    """Give a ledger in which k1 to k4 got points, those of k4 without an id; k5 was refused and k6 is not sent."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("gifts", each([row(number) for number in range(1, 7)]), PlanTerms(kind=JobKind.POINTS))
        lines = await ledger.claim(5)
        evidence = [Evidence.ANSWERED_PLACED] * 3 + [Evidence.ANSWERED_DONE, Evidence.REFUSED_NO_ORDER]
        await ledger.record(
            [
                Change(
                    seq=line.seq,
                    evidence=fact,
                    epoch=line.epoch,
                    order_id=9_000_000 + line.row if fact is Evidence.ANSWERED_PLACED else None,
                    delivery=Delivery.DELIVERED,
                )
                for line, fact in zip(lines, evidence, strict=True)
            ]
        )
        yield ledger


@pytest.fixture
def vendor(ledger: SqliteLedger) -> Vendor:
    """Give a vendor that cancels everything."""
    return Vendor(ledger)


async def cancel(vendor: Vendor, *keys: str, **given: Any) -> CancelReport:
    """Cancel rows, or all of them."""
    report = await Cancelling(vendor, vendor.ledger, **given).cancel(keys or None, "gone")
    assert report.cancelled + report.refused + report.unknown + report.not_asked == report.rows == len(report.results)
    return report


def states(report: CancelReport) -> dict[str, str]:
    return {one.key: one.state for one in report.results}


async def deliveries(ledger: SqliteLedger) -> dict[str, Delivery]:
    return {line.key: line.delivery async for line in ledger.lines() if line.order_id is not None}


async def test_points_are_cancelled_by_their_ids(vendor: Vendor) -> None:
    """A row at a time, unless a call may have more; each row has its own result."""
    report = await cancel(vendor, "k3", "k1", "k1")
    assert vendor.calls == [[9_000_001], [9_000_003]]
    assert (report.rows, report.cancelled, report.points, report.exit_code) == (2, 2, Decimal(40), 0)
    assert [(one.key, one.unique_id, one.points, one.state) for one in report.results] == [
        ("k1", 9_000_001, Decimal(10), "cancelled"),
        ("k3", 9_000_003, Decimal(30), "cancelled"),
    ]
    assert await deliveries(vendor.ledger) == {
        "k1": Delivery.CANCELLED,
        "k2": Delivery.DELIVERED,
        "k3": Delivery.CANCELLED,
    }
    counts = await vendor.ledger.counts()
    assert (counts.issued, counts.pending, counts.delivery_cancelled, counts.taken_back) == (4, 0, 0, 2)


async def test_all_are_the_rows_that_got_points(vendor: Vendor) -> None:
    """Those without an id cannot be cancelled by a call, and are named; refused and planned rows have none."""
    report = await cancel(vendor, batch=2)
    assert vendor.calls == [[9_000_001, 9_000_002], [9_000_003]]
    assert states(report) == {"k1": "cancelled", "k2": "cancelled", "k3": "cancelled", "k4": "refused"}
    assert report.results[-1].message.startswith(
        "no answer named the unique_id of these points: find ID in the dashboard"
    )
    assert report.exit_code == 3


async def test_a_second_run_asks_for_the_rest(vendor: Vendor) -> None:
    """A refusal may be asked for again, a cancelled row and one in doubt are not."""
    vendor.errors = [None, OutcomeUnknownError("lost", effect="possible")]
    vendor.refused = {9_000_003: "spent"}
    first = await cancel(vendor, "k1", "k2", "k3")
    assert states(first) == {"k1": "cancelled", "k2": "unknown", "k3": "refused"}
    assert (first.exit_code, first.results[2].message) == (4, "spent")
    vendor.calls.clear()
    vendor.refused = {}
    second = await cancel(vendor, "k1", "k2", "k3")
    assert vendor.calls == [[9_000_003]]
    assert states(second) == {"k1": "cancelled", "k2": "unknown", "k3": "cancelled"}
    assert second.results[1].message == "lost"
    assert (await vendor.ledger.counts()).unknown == 1


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (OutcomeUnknownError("lost", effect="possible"), "unknown"),
        (ServerError("PLE10035", effect="possible", error_id="PLE10035"), "unknown"),
        (no(), "unknown"),
        (BadRequestError("PLE10001", effect="none", error_id="PLE10001"), "refused"),
    ],
)
async def test_a_failed_call_leaves_each_row_in_doubt(vendor: Vendor, error: XoxoError, state: str) -> None:
    """The vendor's own no does not say which of two credits it is about; the rows after it are asked for."""
    vendor.errors = [error]
    report = await cancel(vendor, "k1", "k2", "k3", batch=2)
    assert states(report) == {"k1": state, "k2": state, "k3": "cancelled"}
    wanted = Delivery.CANCELLING if state == "unknown" else Delivery.DELIVERED
    assert await deliveries(vendor.ledger) == {"k1": wanted, "k2": wanted, "k3": Delivery.CANCELLED}


async def test_the_vendors_no_refuses_one_row(vendor: Vendor) -> None:
    """There is no better evidence about a credit that was asked for alone."""
    vendor.errors = [no()]
    report = await cancel(vendor, "k1", "k2")
    assert states(report) == {"k1": "refused", "k2": "cancelled"}
    assert (await deliveries(vendor.ledger))["k1"] is Delivery.DELIVERED


async def test_a_dead_server_ends_it(vendor: Vendor) -> None:
    """Nothing was asked for: these rows are as they were, and a later run asks for them."""
    vendor.errors = [None, ConnectError("connection refused")]
    report = await cancel(vendor, "k1", "k2", "k3")
    assert states(report) == {"k1": "cancelled", "k2": "not_asked", "k3": "not_asked"}
    assert (report.reason, report.exit_code) == ("connection refused", 5)
    assert (await deliveries(vendor.ledger))["k2"] is Delivery.DELIVERED
    assert states(await cancel(vendor, "k2", "k3")) == {"k2": "cancelled", "k3": "cancelled"}


async def test_an_answer_may_leave_a_row_out(vendor: Vendor) -> None:
    """Then it is in doubt; the rows that the answer names are not."""
    vendor.silent = {9_000_002}
    report = await cancel(vendor, "k1", "k2", "k3", batch=3)
    assert states(report) == {"k1": "cancelled", "k2": "unknown", "k3": "cancelled"}


async def test_an_answer_may_contradict_itself(vendor: Vendor) -> None:
    """Yes and no about one credit prove neither."""
    said = [{"unique_id": 9_000_001, "success": success} for success in (True, False)]
    reply = msgspec.convert({"error": False, "recipients": said}, PointsCancelled)

    async def both(_unique_ids: Sequence[int]) -> PointsCancelled:
        return reply

    vendor.cancel = both  # type: ignore[method-assign]
    report = await cancel(vendor, "k1")
    assert states(report) == {"k1": "unknown"}
    assert report.results[0].message == "the answer says both yes and no of this credit"


async def test_a_call_takes_one_commit(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The results of a call share it with the intents of the next; the intents are durable before the call."""
    commits: list[list[Evidence]] = []
    record = vendor.ledger.record

    async def counted(changes: Sequence[Change], **given: Any) -> list[LedgerLine]:
        commits.append([change.evidence for change in changes])
        return await record(changes, **given)

    monkeypatch.setattr(vendor.ledger, "record", counted)
    await cancel(vendor, "k1", "k2", "k3")
    asked, done = Evidence.CANCEL_ASKED, Evidence.CANCEL_DONE
    assert commits == [[asked], [done, asked], [done, asked], [done]]


async def test_a_person_is_asked_before_the_first_call(vendor: Vendor) -> None:
    """With the rows and points that are asked for now; an error leaves everything as it was."""
    await cancel(vendor, "k1")
    told: list[tuple[int, Decimal]] = []

    async def approve(rows: int, points: Decimal) -> None:
        told.append((rows, points))
        raise ConfigError("no")

    with pytest.raises(ConfigError, match="no"):
        await Cancelling(vendor, vendor.ledger).cancel(None, "gone", approve)
    assert told == [(2, Decimal(50))]
    assert (await deliveries(vendor.ledger))["k2"] is Delivery.DELIVERED
    assert len(vendor.calls) == 1
    await Cancelling(vendor, vendor.ledger).cancel(["k1"], "gone", approve)  # nothing is left to ask
    assert len(told) == 1


async def test_it_stops_between_two_calls(vendor: Vendor) -> None:
    """The rows that were not asked for are named."""
    report = await cancel(vendor, "k1", "k2", "k3", stopped=lambda: len(vendor.calls) == 2)
    assert states(report) == {"k1": "cancelled", "k2": "cancelled", "k3": "not_asked"}
    assert (report.reason, report.exit_code) == ("it was stopped", 5)


async def test_a_cancellation_cut_off_is_in_doubt(vendor: Vendor, tmp_path: Path) -> None:
    """A process that dies leaves its intents, and the next run does not ask for these rows."""
    vendor.errors = [RuntimeError("killed")]  # type: ignore[list-item]
    with pytest.raises(RuntimeError):
        await cancel(vendor, "k1", "k2", batch=2)
    vendor.calls.clear()
    report = await cancel(vendor)
    assert vendor.calls == [[9_000_003]]
    assert states(report) == {"k1": "unknown", "k2": "unknown", "k3": "cancelled", "k4": "refused"}


async def test_anothers_answer_counts_that_comes_meanwhile(vendor: Vendor) -> None:
    """Another process had asked for k1 and k2 when this one began. The answer about k1 comes while k3 is asked for."""
    one, two = [line async for line in vendor.ledger.lines()][:2]
    asked = [
        Change(seq=line.seq, evidence=Evidence.CANCEL_ASKED, epoch=line.epoch, order_id=line.order_id)
        for line in (one, two)
    ]
    await vendor.ledger.record(asked)

    async def approve(_rows: int, _points: Decimal) -> None:
        await vendor.ledger.record([msgspec.structs.replace(asked[0], evidence=Evidence.CANCEL_DONE)])

    report = await Cancelling(vendor, vendor.ledger).cancel(["k1", "k2", "k3"], "gone", approve)
    assert states(report) == {"k1": "cancelled", "k2": "unknown", "k3": "cancelled"}


@pytest.mark.parametrize(("cancelled", "delivery"), [(True, Delivery.CANCELLED), (False, Delivery.DELIVERED)])
async def test_a_person_settles_a_cancellation(vendor: Vendor, cancelled: bool, delivery: Delivery) -> None:
    """The word is in the journal; points that are still there may be cancelled again."""
    vendor.errors = [OutcomeUnknownError("lost", effect="possible")]
    await cancel(vendor, "k1")
    assert await settle_cancels(vendor.ledger, ["k1"], cancelled=cancelled, reason="seen in the dashboard") == 1
    assert (await deliveries(vendor.ledger))["k1"] is delivery
    with pytest.raises(ConfigError, match="no cancellation of k1 is in doubt"):
        await settle_cancels(vendor.ledger, ["k1"], cancelled=cancelled, reason="again")
    reasons = [entry.reason async for entry in vendor.ledger.journal()]
    assert "seen in the dashboard" in reasons
    vendor.calls.clear()
    assert states(await cancel(vendor, "k1")) == {"k1": "cancelled"}
    assert len(vendor.calls) == (not cancelled)


@pytest.mark.parametrize(("wrong", "why"), [("k5", "refused"), ("k6", "not sent"), ("k7", "no such row")])
async def test_a_wrong_key_cancels_nothing(vendor: Vendor, wrong: str, why: str) -> None:
    """A row that was refused, is not sent or is not there: it is named, and no call is made."""
    with pytest.raises(ConfigError, match=rf"has sent no points for {wrong} \({why}\); nothing was cancelled"):
        await cancel(vendor, "k1", wrong)
    assert vendor.calls == []


async def test_rows_that_may_have_points_are_counted(vendor: Vendor) -> None:
    """Whoever takes everything back has to know of them; by its key such a row is refused with the reason."""
    (line,) = await vendor.ledger.claim(1)
    await vendor.ledger.record([Change(seq=line.seq, evidence=Evidence.OUTCOME_LOST, epoch=line.epoch)])
    with pytest.raises(ConfigError, match=r"for k6 \(in doubt: `xoxo bulk status --ledger .*l\.db` says"):
        await cancel(vendor, "k6")
    report = await cancel(vendor)
    assert (report.in_doubt, report.rows, report.exit_code) == (1, 4, 4)
    assert (await cancel(vendor, "k1")).in_doubt == 0


async def test_one_text_is_no_list_of_keys(vendor: Vendor) -> None:
    """Its letters would be the keys."""
    with pytest.raises(ConfigError, match="list of keys"):
        await Cancelling(vendor, vendor.ledger).cancel("k1", "gone")


@pytest.mark.parametrize(
    ("after", "state", "words", "code"),
    [
        (None, "not_asked", "another process has asked for it, and has no answer yet", 5),
        (Evidence.CANCEL_LOST, "not_asked", "another process has asked for it, and has no answer yet", 5),
        (Evidence.CANCEL_DONE, "cancelled", "another process cancelled it meanwhile", 0),
        (Evidence.CANCEL_REFUSED, "refused", "the vendor's no", 3),
    ],
)
async def test_a_row_taken_meanwhile_is_not_asked(
    vendor: Vendor,
    monkeypatch: pytest.MonkeyPatch,
    after: Evidence | None,
    state: str,
    words: str,
    code: int,
) -> None:
    """Two cancellations at once: only one makes the call, and the other says what the row is now. It is no doubt."""
    cancelling = Cancelling(vendor, vendor.ledger)
    lines = [line async for line in vendor.ledger.lines()]

    one, ask = lines[0], vendor.cancel
    asked = Change(seq=one.seq, evidence=Evidence.CANCEL_ASKED, epoch=one.epoch, order_id=one.order_id)

    async def answered_meanwhile(unique_ids: Sequence[int]) -> PointsCancelled:
        reply = await ask(unique_ids)
        if after is not None:
            error = "the vendor's no" if after is Evidence.CANCEL_REFUSED else ""
            await vendor.ledger.record([msgspec.structs.replace(asked, evidence=after, error=error)])
        return reply

    async def wanted(_ledger: object, _keys: object) -> list[LedgerLine]:
        await vendor.ledger.record([asked])
        return lines[:2]

    monkeypatch.setattr(vendor, "cancel", answered_meanwhile)
    monkeypatch.setattr("xoxo_async.bulk.unkeyed.cancelling._wanted", wanted)
    report = await cancelling.cancel(None, "gone")
    assert states(report) == {"k1": state, "k2": "cancelled"}
    assert (words in report.results[0].message, report.unknown, report.exit_code) == (True, 0, code)
    assert vendor.calls == [[9_000_002]]


@pytest.mark.parametrize(
    ("found", "state"), [(Evidence.PERSON_CANCELLED, "cancelled"), (Evidence.PERSON_KEPT, "unknown")]
)
async def test_a_person_may_be_faster(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch, found: Evidence, state: str
) -> None:
    """A person settles the row while its answer is on its way: it is in doubt where the two say different things."""
    ask = vendor.cancel

    async def settled_meanwhile(unique_ids: Sequence[int]) -> PointsCancelled:
        reply = await ask(unique_ids)
        await settle_cancels(vendor.ledger, ["k1"], cancelled=found is Evidence.PERSON_CANCELLED, reason="seen")
        return reply

    monkeypatch.setattr(vendor, "cancel", settled_meanwhile)
    report = await cancel(vendor, "k1")
    assert states(report) == {"k1": state}
    assert ("another process has changed" in report.results[0].message) is (state == "unknown")


async def test_an_id_corrected_meanwhile_is_not_asked(vendor: Vendor) -> None:
    """The wrong id may be the credit of somebody else. The other rows of the call go on, and the next run has the id.

    A person corrects it while another one reads the question, so the rows were read before.
    """
    wrong, right = 9_000_099, 9_000_004
    (nameless,) = [line async for line in vendor.ledger.lines() if line.key == "k4"]
    about: dict[str, Any] = {"seq": nameless.seq, "epoch": nameless.epoch, "delivery": Delivery.DELIVERED}
    told = Change(evidence=Evidence.LATE_PROOF, order_id=wrong, **about)
    await vendor.ledger.record([told])

    async def approve(rows: int, _points: Decimal) -> None:
        assert rows == 2
        corrected = Change(evidence=Evidence.PERSON_CORRECTED, order_id=right, reason="it is another one", **about)
        await vendor.ledger.record([corrected])

    report = await Cancelling(vendor, vendor.ledger, batch=2).cancel(["k1", "k4"], "gone", approve)
    assert vendor.calls == [[9_000_001]]
    assert states(report) == {"k1": "cancelled", "k4": "not_asked"}
    assert "run the command again" in report.results[1].message
    assert report.results[1].unique_id == right
    found = await vendor.ledger.find("k4")
    assert found is not None
    assert (found.order_id, found.delivery) == (right, Delivery.DELIVERED)
    assert (await vendor.ledger.counts()).alarms_total == 0
    assert states(await cancel(vendor, "k4")) == {"k4": "cancelled"}
    assert vendor.calls == [[9_000_001], [right]]


async def test_each_fact_names_the_credit(vendor: Vendor) -> None:
    """The journal has its id, so that it shows which credit was asked for, and which one was answered."""
    vendor.errors = [OutcomeUnknownError("lost", effect="possible"), no()]
    await cancel(vendor, "k1", "k2", "k3")
    await settle_cancels(vendor.ledger, ["k1"], cancelled=False, reason="seen")
    facts = [(entry.evidence, entry.order_id) async for entry in vendor.ledger.journal() if entry.seq in {1, 2, 3}]
    about = [fact for fact in facts if fact[0].startswith("cancel_") or fact[0] == Evidence.PERSON_KEPT]
    assert sorted(about) == [
        (Evidence.CANCEL_ASKED, 9_000_001),
        (Evidence.CANCEL_ASKED, 9_000_002),
        (Evidence.CANCEL_ASKED, 9_000_003),
        (Evidence.CANCEL_DONE, 9_000_003),
        (Evidence.CANCEL_LOST, 9_000_001),
        (Evidence.CANCEL_REFUSED, 9_000_002),
        (Evidence.PERSON_KEPT, 9_000_001),
    ]
