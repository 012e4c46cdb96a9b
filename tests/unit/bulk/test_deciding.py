"""`deciding`: a person's decision about a line is checked, and becomes a fact with the person's name."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.bulk.ledger.facts import planned
from tests.unit.bulk.ledger.ledgers import each
from xoxo_async import errors
from xoxo_async.bulk.deciding import Decision, decide_line
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.protocol import PlanTerms
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.services.orders import Order

BODY = '{"productId":1001,"quantity":2,"denomination":100,"poNumber":"PO-1"}'


def line(state: LineState) -> LedgerLine:
    return LedgerLine(seq=7, key="k", po_number="PO-1", digest="d", body=BODY, row=1, epoch=4, state=state)


def test_sending_again_and_rejecting_are_a_persons_word() -> None:
    """The fact has the epoch of the line that the person saw."""
    again = Decision(resend=True, reason="asked the vendor").change(line(LineState.MANUAL))
    assert (again.seq, again.epoch, again.evidence) == (7, 4, Evidence.PERSON_RESEND)
    assert (again.order_id, again.reason) == (None, "asked the vendor")
    assert Decision(reason="lost").change(line(LineState.MANUAL)).evidence is Evidence.PERSON_REJECTED


@pytest.mark.parametrize(
    ("state", "evidence"),
    [
        (LineState.MANUAL, Evidence.PERSON_PLACED),
        (LineState.UNKNOWN, Evidence.LATE_PROOF),
        (LineState.REJECTED, Evidence.LATE_PROOF),
    ],
)
def test_an_order_id_is_proof_in_any_state(state: LineState, evidence: Evidence) -> None:
    """Its codes are still to come: the next resume fetches them."""
    change = Decision(placed=900).change(line(state))
    assert (change.evidence, change.order_id, change.delivery) == (evidence, 900, Delivery.PENDING)


def test_a_decision_without_a_reason_names_who_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason has the user's name if the system has one."""
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    assert Decision(resend=True, reason=" ").change(line(LineState.MANUAL)).reason == "decided by ada"

    def nobody() -> str:
        raise OSError

    monkeypatch.setattr("getpass.getuser", nobody)
    assert Decision(resend=True).change(line(LineState.MANUAL)).reason == "decided by a person"


class Vendor:
    """A client whose vendor has some orders."""

    def __init__(self, *orders: Order) -> None:
        self.orders = self
        self.books = {order.order_id: order for order in orders}
        self.asked: list[int] = []

    async def get(self, *, order_id: int) -> Order:
        self.asked.append(order_id)
        if order_id not in self.books:
            raise errors.NotFoundError("no", error_id="PLE10016")
        return self.books[order_id]


async def manual(ledger: SqliteLedger) -> None:
    """Leave one line to a person."""
    await ledger.plan("march", each([planned(0, room=0)]))
    (one,) = await ledger.claim(1)
    for evidence in (Evidence.REFUSED_UNCLEAR, Evidence.LOOKUPS_EXHAUSTED):
        (one,) = await ledger.record([Change(seq=one.seq, evidence=evidence, epoch=one.epoch, reason="r")])


@pytest.mark.anyio
async def test_a_named_order_is_looked_up_and_compared(tmp_path: Path) -> None:
    """One that is not there, or is of something else, is not recorded; one that matches is, and is told."""
    vendor: Any = Vendor(Order(order_id=7, quantity=1), Order(order_id=8, quantity=3))
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await manual(ledger)
        before = [row async for row in ledger.journal()]
        other = "its quantity is 3, not 1.* The vendor has: order 8"
        for order_id, why in ((6, "the vendor has no order 6"), (8, other)):
            with pytest.raises(errors.ConfigError, match=why):
                await decide_line(vendor, ledger, "k0", Decision(placed=order_id))
        assert [row async for row in ledger.journal()] == before
        resolved = await decide_line(vendor, ledger, "k0", Decision(placed=7))
        assert (resolved.line.order_id, resolved.found) == (7, "order 7, 1 pieces")
        assert vendor.asked == [6, 8, 7]


@pytest.mark.anyio
async def test_an_unchecked_decision_asks_no_vendor(tmp_path: Path) -> None:
    """For when the vendor is down; only an order id can be unchecked."""
    vendor: Any = Vendor()
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await manual(ledger)
        resolved = await decide_line(vendor, ledger, "k0", Decision(placed=9, unchecked=True, reason="by phone"))
        assert (resolved.line.order_id, resolved.found, vendor.asked) == (9, "", [])
        told = [row.reason async for row in ledger.journal()][-1]
        assert told == "by phone; the vendor was not asked"


@pytest.mark.anyio
async def test_a_correction_is_a_word_of_its_own(tmp_path: Path) -> None:
    """The same order said again is no news; another one is a correction, looked up like the first."""
    vendor: Any = Vendor(Order(order_id=7, quantity=1), Order(order_id=8, quantity=1))
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await manual(ledger)
        for order_id, evidence in ((7, "person_placed"), (7, "person_placed"), (8, "person_corrected")):
            resolved = await decide_line(vendor, ledger, "k0", Decision(placed=order_id))
            assert (resolved.line.order_id, resolved.line.evidence) == (order_id, evidence)
        assert vendor.asked == [7, 7, 8]


@pytest.mark.anyio
async def test_a_decision_about_an_unknown_key_is_refused(tmp_path: Path) -> None:
    """The key is named."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        with pytest.raises(errors.ConfigError, match="no line with the key 'x'"):
            await decide_line(None, ledger, "x", Decision(resend=True))


@pytest.mark.anyio
@pytest.mark.parametrize("decision", [Decision(placed=9, unchecked=True), Decision(resend=True), Decision()])
async def test_a_reason_replaces_the_old_error(tmp_path: Path, decision: Decision) -> None:
    """Status, export and report show why the line stands as it does; codes that come later do not remove the reason."""
    decision = msgspec.structs.replace(decision, reason="support says so")
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await manual(ledger)
        line = (await decide_line(None, ledger, "k0", decision)).line
        assert line.error.startswith("support says so")
        if decision.placed is not None:
            seen = Change(
                seq=line.seq, evidence=Evidence.DELIVERY_SEEN, epoch=line.epoch, order_id=9, delivery=Delivery.DELIVERED
            )
            (line,) = await ledger.record([seen])
            assert (line.error, line.state) == ("support says so; the vendor was not asked", LineState.PLACED)


@pytest.mark.anyio
@pytest.mark.parametrize("kind", [JobKind.LINKS, JobKind.LINK_MAILS])
async def test_links_and_mails_take_no_id(tmp_path: Path, kind: JobKind) -> None:
    """They have none, so a number that a person names would be of something else."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each([planned(0, room=0)]), PlanTerms(kind=kind))
        (one,) = await ledger.claim(1)
        await ledger.record([Change(seq=one.seq, evidence=Evidence.OUTCOME_LOST, epoch=one.epoch)])
        before = [row async for row in ledger.journal()]
        with pytest.raises(errors.ConfigError, match="have no id: say only that they are done"):
            await decide_line(None, ledger, "k0", Decision(placed=9))
        assert [row async for row in ledger.journal()] == before
        done = await decide_line(None, ledger, "k0", Decision(done=True, reason="seen"))
        assert (done.line.state, done.line.order_id) == (LineState.PLACED, None)
