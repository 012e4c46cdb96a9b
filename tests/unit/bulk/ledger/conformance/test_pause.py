"""`Ledger.pause`: a paused job gives out no line, to anybody, until it is unpaused; everything else goes on."""

import pytest

from tests.unit.bulk.ledger.conformance.subjects import Subject
from tests.unit.bulk.ledger.ledgers import each, line, placed
from xoxo_async.bulk.ledger.lines import LineState

pytestmark = pytest.mark.anyio


async def test_a_paused_job_gives_no_line(subject: Subject) -> None:
    """Its lines stay planned, and are claimed again after `unpause`."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        assert await ledger.paused() is None
        await ledger.pause("the balance is used up")
        assert await ledger.paused() == "the balance is used up"
        assert await ledger.claim(5) == []
        assert (await ledger.counts()).states.get(LineState.PLANNED) == 2
        await ledger.unpause()
        assert await ledger.paused() is None
        assert [one.key for one in await ledger.claim(5)] == ["k1", "k2"]


async def test_a_claimed_line_is_still_recorded(subject: Subject) -> None:
    """A pause ends the claiming; an answer that comes during it is kept."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        (one,) = await ledger.claim(1)
        await ledger.pause("a person said so")
        (after,) = await ledger.record([placed(one)])
        assert after.state is LineState.PLACED


async def test_a_pause_outlasts_its_holder(subject: Subject) -> None:
    """Whoever opens the ledger next finds it, also to read only."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        await ledger.pause("first")
        await ledger.pause("second")
    look = subject.look()
    if look is not None:
        async with look as view:
            assert await view.paused() == "second"
    async with subject.open() as ledger:
        assert await ledger.paused() == "second"
        assert await ledger.claim(1) == []
        await ledger.unpause()
        await ledger.unpause()
        assert len(await ledger.claim(1)) == 1


async def test_a_pause_without_a_reason_still_pauses(subject: Subject) -> None:
    """An empty reason must not read as "not paused"."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        await ledger.pause("")
        assert await ledger.paused()
        assert await ledger.claim(1) == []


async def test_a_pause_concerns_everybody(subject: Subject) -> None:
    """A second worker gets nothing either."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        beside = subject.beside()
        if beside is None:
            return
        async with beside as other:
            await ledger.pause("no funds")
            assert await other.claim(1) == []
            assert await other.paused() == "no funds"


async def test_someone_settles(subject: Subject) -> None:
    """Of all that have the ledger open, one settles; it stays the one while it asks."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        assert await ledger.settles()
        beside = subject.beside()
        if beside is not None:
            async with beside as other:
                assert not await other.settles()
        assert await ledger.settles()


async def test_who_works_is_named(subject: Subject) -> None:
    """With how many orders it holds, for whoever looks."""
    import os

    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1), line(2), line(3)]))
        await ledger.claim(2)
        look = subject.look()
        if look is None:
            return
        async with look as view:
            (one,) = await view.holders()
        assert (one.pid, one.lines) == (os.getpid(), 2)
