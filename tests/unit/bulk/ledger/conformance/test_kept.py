"""`Ledger.kept`: columns that ride along with lines come back as they were given, for lines alone and in packs."""

import json
from collections.abc import Mapping

import msgspec
import pytest

from tests.unit.bulk.ledger.conformance.subjects import Subject
from tests.unit.bulk.ledger.facts import planned
from tests.unit.bulk.ledger.ledgers import each, line
from xoxo_async.bulk.ledger.kept import encode_kept
from xoxo_async.bulk.ledger.lines import PlannedLine
from xoxo_async.errors import LedgerConflictError

pytestmark = pytest.mark.anyio

ANN = {"Name": "Ann Ü", "Cost centre": "007"}


def riding(one: PlannedLine, kept: Mapping[str, str]) -> PlannedLine:
    """Return a line with columns that ride along."""
    return msgspec.structs.replace(one, kept=encode_kept(kept))


async def test_kept_columns_come_back_by_key(subject: Subject) -> None:
    """Exactly, also after a reopening; a line without any, and a key that is not there, have no entry."""
    async with subject.open() as ledger:
        assert await ledger.kept(["k1"]) == {}
        assert await ledger.kept_names() == []
        await ledger.plan(subject.job, each([riding(line(1), ANN), line(2)]))
        assert await ledger.kept(["k1", "k2", "k9"]) == {"k1": ANN}
    async with subject.open() as ledger:
        assert await ledger.kept(["k1"]) == {"k1": ANN}
        assert await ledger.kept_names() == ["Name", "Cost centre"]
    look = subject.look()
    if look is not None:
        async with look as ledger:
            assert (await ledger.kept(["k1"]), await ledger.kept_names()) == ({"k1": ANN}, ["Name", "Cost centre"])


async def test_packed_lines_keep_their_own_columns(subject: Subject) -> None:
    """Each line of a shared order by its own key; the order itself has none."""
    lines = [riding(planned(number), {"Name": f"n{number}"}) for number in range(25)]
    async with subject.open() as ledger:
        await ledger.plan(subject.job, each(lines))
        found = await ledger.kept([one.key for one in lines])
        assert found == {one.key: json.loads(one.kept) for one in lines}
        async for order in ledger.lines():
            assert order.lines == 1 or await ledger.kept([order.key]) == {}


async def test_the_first_columns_of_a_key_stay(subject: Subject) -> None:
    """Another department is no conflict and changes nothing; a line that had none gets them from a later plan."""
    async with subject.open() as ledger:
        await ledger.plan(subject.job, each([riding(line(1), {"Dept": "A"}), line(2)]))
        again = [riding(line(1), {"Dept": "B"}), riding(line(2), {"Dept": "C"})]
        assert await ledger.plan(subject.job, each(again)) == (0, 2, 0, 0, 0)
        assert await ledger.kept(["k1", "k2"]) == {"k1": {"Dept": "A"}, "k2": {"Dept": "C"}}


async def test_names_stand_in_the_inputs_order(subject: Subject) -> None:
    """Also where the first row lacks a column in the middle, in many chunks, and over two plans."""
    rows = [riding(line(n), {"a": "1", "c": "3"} if n < 1100 else {"a": "1", "b": "2", "c": "3"}) for n in range(1101)]
    async with subject.open() as ledger:
        await ledger.plan(subject.job, each(rows))
        assert await ledger.kept_names() == ["a", "b", "c"]
        await ledger.plan(subject.job, each([*rows, riding(line(7000), {"c": "3", "d": "4"})]))
        assert await ledger.kept_names() == ["a", "b", "c", "d"]


async def test_a_failed_plan_keeps_no_columns(subject: Subject) -> None:
    """They are part of the plan's transaction."""
    async with subject.open() as ledger:
        with pytest.raises(LedgerConflictError):
            await ledger.plan(subject.job, each([riding(line(1), ANN), line(1, digest="other", po_number="p")]))
        assert (await ledger.kept(["k1"]), await ledger.kept_names()) == ({}, [])


async def test_an_armed_line_keeps_its_columns(subject: Subject) -> None:
    """Those of its first delivery."""
    async with subject.open() as ledger:
        await ledger.arm(subject.job, riding(line(1), ANN), identity=subject.terms.identity)
        await ledger.arm(subject.job, riding(line(1), {"Name": "Bob"}), identity=subject.terms.identity)
        assert await ledger.kept(["k1"]) == {"k1": ANN}
        assert await ledger.kept_names() == ["Name", "Cost centre"]
