"""Claims that go wrong in the middle: what is under way stays this worker's, and what nobody has is given out again."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from tests.unit.bulk.ledger.facts import alone
from tests.unit.bulk.ledger.ledgers import each, placed
from tests.unit.bulk.ledger.postgres.databases import START, before, connected, cut, lapse, lose, opened, waits
from xoxo_async.bulk.ledger.facts import CURRENCY
from xoxo_async.bulk.ledger.lines import LedgerLine, LineState
from xoxo_async.bulk.ledger.postgres import claiming
from xoxo_async.bulk.ledger.postgres.ledger import PostgresLedger
from xoxo_async.bulk.ledger.recording import RecordRequest
from xoxo_async.errors import BudgetError, LedgerError

pytestmark = pytest.mark.anyio

Pair = tuple[PostgresLedger, PostgresLedger]
ALL = {"k0", "k1", "k2", "k3"}


@pytest.fixture
async def pair(database: str) -> AsyncIterator[Pair]:
    """Give two workers of a job of four lines worth 100 each, whose currency is known."""
    async with opened(database) as first, opened(database) as second:
        await first.plan("march", each(alone(*range(4))))
        await first.set_fact(CURRENCY, "INR")
        yield first, second


async def keys(ledger: PostgresLedger) -> set[str]:
    """Claim what there is, and return the keys."""
    return {line.key for line in await ledger.claim(4)}


async def test_a_registration_that_fails_gives_no_line_back_that_is_under_way(database: str, pair: Pair) -> None:
    """The worker is the old one then, and its own claims are not what nobody has sent."""
    first, second = pair
    (held,) = await first.claim(1)
    await lapse(database, first)
    async with connected(database) as connection, connection.transaction():
        await connection.execute("LOCK TABLE xoxo.worker IN SHARE MODE")  # the registration waits for it
        claim = asyncio.create_task(first.claim(1))
        await waits(database, "xoxo ledger lease")
        await cut(database, "xoxo ledger lease")
        await waits(database, "xoxo ledger lease")  # it tries again, as the worker that it was
    (other,) = await claim
    assert {other.key} | await keys(first) | await keys(second) == ALL - {held.key}
    (after,) = await first.record([placed(held)])
    assert (after.state, after.attempts) == (LineState.PLACED, 1)


@pytest.mark.parametrize(("budget", "statement"), [(None, "WITH moved"), (Decimal(50), "WITH gone")])
async def test_lines_that_get_a_price_while_they_are_reserved_are_given_out(
    pair: Pair, budget: Decimal | None, statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim is refused, or its lines do not fit the budget: they go back, whatever they cost by now."""
    first, second = pair
    before(monkeypatch, statement, lambda _: second.reprice(lambda _product, value, count: value * count + 1))
    got: set[str] = set()
    with suppress(BudgetError):
        got = {line.key for line in await first.claim(2, budget=budget)}
    assert got | await keys(second) == ALL


async def test_a_claim_that_is_written_after_its_connection_was_lost_is_given_back(
    database: str, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim goes on after the lost statement: no line stays under way that nobody sends."""
    first, second = pair
    async with connected(database) as connection, connection.transaction():
        lost: list[asyncio.Task[None]] = []

        async def hold(blocked: Any) -> None:
            await connection.execute("SELECT FROM xoxo.job FOR UPDATE")
            lost.append(asyncio.create_task(lose(database, blocked)))

        before(monkeypatch, "WITH moved", hold)
        claim = asyncio.create_task(first.claim(2))
        await waits(database, "xoxo ledger writer", 2)
        await lost[0]
    assert {line.key for line in await claim} | await keys(second) == ALL


async def test_a_reservation_that_ends_after_its_connection_was_lost_is_given_back(
    database: str, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its claim shows only when the lost statement ends, which may be after the next try."""
    first, second = pair
    async with connected(database) as connection, connection.transaction():
        lost: list[asyncio.Task[None]] = []

        async def hold(blocked: Any) -> None:
            await connection.execute("SELECT FROM xoxo.job FOR UPDATE")
            lost.append(asyncio.create_task(lose(database, blocked)))

        before(monkeypatch, "SELECT r.id", hold)
        claim = asyncio.create_task(first.claim(2))
        await waits(database, "xoxo ledger writer", 2)
        await lost[0]
    got = {line.key for line in await claim}
    assert got | await keys(second) | await keys(first) == ALL


async def test_lines_that_are_handed_out_too_late_and_cannot_be_given_back_are_given_out_again(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This process was stopped after the write, and then the database was away."""
    now = START
    async with opened(database, clock=lambda: now) as ledger:
        await ledger.plan("march", each(alone(*range(4))))
        work = claiming.given_back

        async def sleep(_: object) -> None:
            nonlocal now
            now += 30

        def fails(lines: Sequence[LedgerLine]) -> RecordRequest:
            raise LedgerError(f"{len(lines)} lines cannot be given back")

        before(monkeypatch, "WITH moved", sleep)
        monkeypatch.setattr(claiming, "given_back", fails)
        with pytest.raises(LedgerError, match="cannot be given back"):
            await ledger.claim(2)
        monkeypatch.setattr(claiming, "given_back", work)
        assert await keys(ledger) == ALL


async def test_a_deadlock_is_no_answer_to_a_claim(database: str, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database ends one of two transactions that wait for each other; that one goes on anew."""
    first, second = pair
    lock = "SELECT FROM xoxo.line WHERE key = $1 FOR NO KEY UPDATE"
    async with connected(database) as connection:
        other = connection.transaction()
        await other.start()
        crossing: list[asyncio.Task[None]] = []

        async def cross() -> None:
            await waits(database, "xoxo ledger writer")
            with suppress(asyncpg.DeadlockDetectedError):
                await connection.execute(lock, "k0")
            await other.rollback()

        async def hold(claimer: Any) -> None:
            await claimer.execute("SET deadlock_timeout = '50ms'")  # so it is this one that the database ends
            await connection.execute(lock, "k1")
            crossing.append(asyncio.create_task(cross()))

        before(monkeypatch, "WITH gone", hold)
        with pytest.raises(BudgetError):
            await first.claim(2, budget=Decimal(50))
        await crossing[0]
    assert await keys(second) == ALL


async def test_a_claim_reads_only_what_it_takes(database: str) -> None:
    """The database believes a table to be tiny until it has analysed it, and would read and sort what is left."""
    async with opened(database) as ledger:
        await ledger.plan("march", each(alone(*range(2000))))
        async with connected(database) as connection, connection.transaction():
            for _ in range(8):  # from the sixth on, with the plan that fits all arguments
                await connection.fetch("SELECT * FROM xoxo.reserve($1, $2, 10)", 1, ledger.worker)
            read = await connection.fetchval(
                "SELECT sum(pg_stat_get_xact_tuples_returned(oid))::integer FROM pg_class"
                " WHERE relname = 'line' OR oid IN (SELECT indexrelid FROM pg_index"
                " WHERE indrelid = 'xoxo.line'::regclass)"
            )
        assert read < 1000
        assert len(await ledger.claim(50)) == 50


@pytest.mark.parametrize("wanted", [1, 7, 100])
async def test_claims_pass_over_lines_that_are_not_planned(database: str, wanted: int) -> None:
    async with opened(database) as ledger:
        await ledger.plan("march", each(alone(*range(100))))
        gone = {f"k{number}" for number in (0, *range(3, 80), 99)}
        await ledger.withdraw(gone, reason="not wanted")
        taken: list[str] = []
        while lines := await ledger.claim(wanted):
            taken += [line.key for line in lines]
        assert taken == [f"k{number}" for number in (1, 2, *range(80, 99))]


async def test_a_forgotten_reservation_arms_nothing(database: str, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that crashed may have lost the claim: armed without it, the lines of a dead worker were never found."""
    first, _ = pair

    async def forget(_writer: Any) -> None:
        async with connected(database) as connection:
            await connection.execute("DELETE FROM xoxo.claim")
            await connection.execute("UPDATE xoxo.job SET frontier = 0")

    before(monkeypatch, "WITH moved", forget)
    armed = {line.seq for line in await first.claim(4)}
    async with connected(database) as connection:
        claimed = await connection.fetch("SELECT unnest(seqs) AS seq FROM xoxo.claim")
    assert armed == {row["seq"] for row in claimed}
    assert len(armed) == 4


async def test_a_claim_names_what_the_database_lacks(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk fails each try at once, long before patience ends: no other worker is to blame."""

    async def full(*_: object) -> None:
        raise asyncpg.DiskFullError

    monkeypatch.setattr(claiming, "write", full)
    with pytest.raises(LedgerError, match="no room left on its disk"):
        await pair[0].claim(4)
    monkeypatch.undo()
    assert await keys(pair[0]) == ALL


async def test_a_forgotten_reservation_takes_no_claim_away(
    database: str, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that crashed may have forgotten the epoch's number, too, and has given it to another worker."""
    first, second = pair
    held: list[LedgerLine] = []

    async def give_to_other(_writer: Any) -> None:
        async with connected(database) as connection:
            epoch = await connection.fetchval("DELETE FROM xoxo.claim RETURNING epoch")
            await connection.execute("SELECT setval('xoxo.claim_epoch_seq', $1, false)", epoch)
            await connection.execute("UPDATE xoxo.job SET frontier = 0")
        held.extend(await second.claim(3))

    before(monkeypatch, "WITH moved", give_to_other)
    assert {line.key for line in await first.claim(4)} == ALL - {line.key for line in held}
    await lapse(database, second)
    assert await first.recover() == len(held) == 3


# What a statement sets counts when its transaction is committed, so a deferred trigger looks at that moment.
_WATCH = """
CREATE TABLE public.seen (what text, setting text);
CREATE FUNCTION public.look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.seen VALUES (TG_TABLE_NAME, current_setting('synchronous_commit'));
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER look AFTER INSERT ON xoxo.claim DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION public.look();
CREATE CONSTRAINT TRIGGER look AFTER INSERT ON xoxo.journal DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION public.look();
"""


async def test_only_a_reservation_is_not_synced(database: str, pair: Pair) -> None:
    """The intent to send is on disk before a claim returns. What was only reserved may be forgotten."""
    async with connected(database) as connection:
        await connection.execute(_WATCH)
        (line, *_) = await pair[0].claim(1)
        await pair[0].record([placed(line)])
        seen = await connection.fetch("SELECT what, setting FROM public.seen")
    assert [tuple(row) for row in seen] == [("claim", "off"), ("journal", "on"), ("journal", "on")]


async def test_an_intent_is_synced_on_any_connection(database: str, pair: Pair) -> None:
    """A pooler in transaction mode hands on connections as other programs have set them."""
    work = pair[0]._opened()
    async with connected(database) as connection:
        await connection.execute(_WATCH)
        await work.writer.run(lambda c: c.execute("SET synchronous_commit = off"))
        (line, *_) = await pair[0].claim(1)
        await pair[0].record([placed(line)])
        seen = await connection.fetch("SELECT what, setting FROM public.seen")
    assert [tuple(row) for row in seen] == [("claim", "off"), ("journal", "on"), ("journal", "on")]


async def test_a_worker_that_wakes_up_says_so(database: str, pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    """An operator sees why lines of it were settled by others; who is not late says nothing."""
    await pair[0].claim(1)
    assert caplog.messages == []
    await lapse(database, pair[0])
    await pair[0].claim(1)
    (told,) = caplog.messages
    assert "lease of worker" in told
    assert "goes on as worker" in told
