"""`arming`: which of many lines at once are new, taken, returned or refused, with no database."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from tests.unit.bulk.ledger.facts import planned
from xoxo_async.bulk.ledger.arming import ArmRequest, Arms, Owner, decide_arms
from xoxo_async.bulk.ledger.bookkeeping import StoredLine
from xoxo_async.bulk.ledger.budget import Funds, units
from xoxo_async.bulk.ledger.lines import DEFAULT_RULES, LedgerLine, LineState, PlannedLine
from xoxo_async.bulk.ledger.owners import Identity
from xoxo_async.bulk.ledger.table import MAX_HOLD_S, Moment
from xoxo_async.errors import BudgetError, LedgerConflictError, LedgerError

NEW = Owner(None, None, copied=False)
MOMENT = Moment(now=1000.0, epoch=5, rules=DEFAULT_RULES)


def request(line: PlannedLine, job: str = "march", budget: int | None = None) -> ArmRequest:
    return ArmRequest(job, line, None, units(None if budget is None else Decimal(budget)))


def decided(
    *requests: ArmRequest,
    stored: Sequence[tuple[PlannedLine, LedgerLine]] = (),
    owner: Owner = NEW,
    died_at: float | None = None,
) -> Arms:
    """Decide about some requests; of the stored lines, those of epoch 1 had a sender that is dead."""
    matches = [
        StoredLine(place, line.key, line.po_number, line.digest, line.row, found.seq, None)
        for place, one in enumerate(requests)
        for line, found in stored
        if line.key == one.line.key
    ]
    lines = {found.seq: found for _, found in stored}
    return decide_arms(
        requests,
        matches,
        lines,
        owner,
        MOMENT,
        Funds(currency="INR"),
        after=max(lines, default=0),
        dead=lambda line: line.epoch == 1,
        died_at=died_at,
    )


def held(line: PlannedLine, state: LineState, epoch: int = 4) -> tuple[PlannedLine, LedgerLine]:
    """Return a line as a ledger holds it."""
    kept = LedgerLine(
        seq=line.row,
        key=line.key,
        po_number=line.po_number,
        digest=line.digest,
        body=line.request.decode(),
        row=line.row,
        state=state,
        attempts=1,
        epoch=epoch,
        last_sent_tick=990.0,
    )
    return line, kept


def test_new_lines_are_numbered_and_taken() -> None:
    """They get the numbers after the last one, and the ledger becomes theirs."""
    first, second = request(planned(0)), request(planned(1))
    arms = decided(first, second, stored=[held(planned(6), LineState.PLACED)])
    assert [(line.seq, line.state) for line in arms.new] == [(8, LineState.PLANNED), (9, LineState.PLANNED)]
    assert [move.transition for move in arms.moves] == ["T1", "T1"]
    assert [one.armed.line.epoch for one in (first, second) if one.armed] == [5, 5]
    assert arms.owner == Owner("march", None, copied=False)


def test_the_second_request_of_a_key_waits() -> None:
    """Two at once in one transaction: the line is the first one's."""
    first, second = request(planned(0)), request(planned(0))
    arms = decided(first, second)
    assert first.mine
    assert second.mine == []
    assert second.armed is not None
    assert second.armed.line == first.mine[0]
    assert len(arms.new) == len(arms.moves) == 1


@pytest.mark.parametrize(("died_at", "from_when"), [(None, 990.0 + MAX_HOLD_S), (1000.0, 1000.0)])
def test_a_dead_senders_line_is_doubted(died_at: float | None, from_when: float) -> None:
    """Where no moment of its death is known, its last byte may leave until the end of the hold."""
    again = request(planned(0))
    arms = decided(again, stored=[held(planned(0), LineState.SENDING, epoch=1)], died_at=died_at)
    assert again.armed is not None
    assert (again.mine, again.armed.line.state) == ([], LineState.UNKNOWN)
    assert again.armed.line.last_sent_tick == from_when
    assert [move.transition for move in arms.moves] == ["T7"]


def test_a_live_senders_line_stays() -> None:
    """Nothing is written for it."""
    again = request(planned(0))
    arms = decided(again, stored=[held(planned(0), LineState.SENDING)])
    assert again.mine == []
    assert (arms.new, arms.moves) == ([], [])


def test_a_refused_request_holds_up_no_other() -> None:
    """One has other contents, one another job, one no budget; the last one is taken, with the next free number."""
    conflict, alien = request(planned(0, value=200)), request(planned(1), job="april")
    poor, good = request(planned(2), budget=50), request(planned(3), budget=100)
    owner = Owner("march", Identity("a", "f"), copied=False)
    arms = decided(conflict, alien, poor, good, stored=[held(planned(0), LineState.PLACED)], owner=owner)
    assert [type(one.error) for one in (conflict, alien, poor)] == [LedgerConflictError, LedgerError, BudgetError]
    assert [one.armed for one in (conflict, alien, poor)] == [None, None, None]
    assert [line.seq for line in arms.new] == [2]
    assert good.mine[0].key == "k3"
    assert arms.owner == owner


def test_a_copy_sends_nothing() -> None:
    """What another copy may have sent is not sent here; what is settled is returned."""
    fresh, settled = request(planned(1)), request(planned(0))
    arms = decided(fresh, settled, stored=[held(planned(0), LineState.PLACED)], owner=Owner("march", None, copied=True))
    assert type(fresh.error) is LedgerError
    assert settled.armed is not None
    assert (arms.new, arms.moves) == ([], [])
