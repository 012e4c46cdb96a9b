"""`work`: a database that went back behind what it had confirmed stops all its jobs until their lines are looked up."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from tests.unit.bulk.ledger.ledgers import each, line, placed
from tests.unit.bulk.ledger.postgres.databases import before, connected, job_of, opened, remember, take_over
from xoxo_async.bulk.ledger.facts import SERVER
from xoxo_async.bulk.ledger.lines import Change, Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.postgres import records
from xoxo_async.bulk.ledger.postgres.jobs import make_job
from xoxo_async.bulk.ledger.postgres.ledger import PostgresLedger
from xoxo_async.bulk.ledger.postgres.servers import read_server
from xoxo_async.bulk.ledger.postgres.writing import write
from xoxo_async.bulk.ledger.protocol import Identity, PlanTerms
from xoxo_async.errors import LedgerConflictError, LedgerError
from xoxo_async.postgres.driver import DatabaseConnection

pytestmark = pytest.mark.anyio

TERMS = PlanTerms(identity=Identity("https://one.example", "abc"))
# As a standby that had not got the last commits: the claim is not there.
FALL_BACK = (
    "UPDATE xoxo.line SET state = 'planned', attempts = 0, epoch = 0, rev = 0, evidence = '' WHERE job = 1",
    "DELETE FROM xoxo.claim",
    "UPDATE xoxo.job SET frontier = 0",
    "DELETE FROM xoxo.tally WHERE state = 'sending'",
    "UPDATE xoxo.tally SET orders = 2 WHERE state = 'planned' AND job = 1",
)


@pytest.fixture
async def ours(database: str) -> AsyncIterator[PostgresLedger]:
    """Yield the ledger of a worker that sends two lines."""
    async with opened(database) as ledger:
        await ledger.plan("march", each([line(1), line(2)]), TERMS)
        yield ledger


async def fall_back(database: str) -> None:
    async with connected(database) as connection:
        for statement in FALL_BACK:
            await connection.execute(statement)


async def lose_commits(database: str, writer: Any) -> None:
    """Let another server, which lacks commits, take over before a statement."""
    await fall_back(database)
    writer.terminate()


async def is_stopped(database: str, ours: PostgresLedger) -> None:
    """Nobody gets lines of any job; this one is paused, and says why."""
    assert ours.copied
    assert "lost commits that it had confirmed" in (await ours.paused() or "")
    async with opened(database) as other, opened(database, "april") as april:
        assert await other.claim(2) == []
        assert april.copied
        assert await april.claim(1) == []
        assert len([row async for row in april.journal(seq=0)]) == 1


async def april_is_planned(database: str) -> None:
    async with opened(database, "april") as april:
        await april.plan("april", each([line(3)]), TERMS)


async def test_a_result_shows_it(database: str, ours: PostgresLedger) -> None:
    """Its line is as it was before the claim that the database has confirmed."""
    await april_is_planned(database)
    first, second = await ours.claim(2)
    await fall_back(database)
    with pytest.raises(LedgerConflictError):
        await ours.record([Change(seq=first.seq, evidence=Evidence.OUTCOME_LOST, epoch=first.epoch)])
    await is_stopped(database, ours)
    (late,) = await ours.record([placed(second)])  # a late proof counts
    assert late.state is LineState.PLACED


async def test_a_look_at_what_is_held_shows_it(database: str, ours: PostgresLedger) -> None:
    """A worker that waits for answers looks every few seconds; a run puts the lines in doubt, and it is told once."""
    await april_is_planned(database)
    await ours.claim(2)
    await ours.recover()
    assert not ours.copied
    await fall_back(database)
    await ours.recover()
    await is_stopped(database, ours)
    assert await ours.restored(reason="as the next run does") == 2
    await ours.unpause()
    await ours.recover()
    assert await ours.paused() is None
    states = [one.state async for one in ours.lines()]
    assert states == [LineState.UNKNOWN, LineState.UNKNOWN]


async def test_a_worker_that_connects_again_looks_first(database: str, ours: PostgresLedger) -> None:
    """Otherwise it would claim what it is sending itself."""
    await ours.claim(2)
    await fall_back(database)
    async with connected(database) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE '%ledger writer%' AND datname = current_database()"
        )
    with suppress(LedgerError):  # the connection was lost in the claim
        assert await ours.claim(2) == []
    assert await ours.claim(2) == []
    assert ours.copied


async def test_a_new_line_that_is_gone_shows_it(database: str, ours: PostgresLedger) -> None:
    """A single line was added and armed, and the database does not have it."""
    armed = await ours.arm("march", line(9))
    async with connected(database) as connection:
        await connection.execute("DELETE FROM xoxo.line WHERE id = $1", armed.line.seq)
    await ours.recover()
    assert ours.copied


async def test_what_others_write_is_no_loss(database: str, ours: PostgresLedger) -> None:
    """A line that another worker took over is newer than it is held."""

    async def taken_over() -> list[LedgerLine]:
        async with opened(database) as other, connected(database) as connection:
            await connection.execute("UPDATE xoxo.worker SET lease_until = 'epoch' WHERE id = $1", ours.worker)
            await other.recover()
            return [one async for one in other.lines(states=(LineState.UNKNOWN,))]

    await ours.claim(2)
    assert len(await taken_over()) == 2
    await ours.recover()
    assert not ours.copied
    assert await ours.paused() is None


async def test_a_claim_that_connects_again_looks_first(
    database: str, ours: PostgresLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on by itself where its connection is lost in the middle, perhaps with another server."""
    await ours.claim(2)
    before(monkeypatch, "SELECT r.id", partial(lose_commits, database))
    assert await ours.claim(2) == []
    assert ours.copied


async def test_an_arm_that_connects_again_looks_first(
    database: str, ours: PostgresLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it reads may come from another server than the one that was looked at."""
    await ours.claim(2)
    before(monkeypatch, "SELECT (new.place -", partial(lose_commits, database))
    with suppress(LedgerError):
        assert not (await ours.arm("march", line(1), identity=TERMS.identity)).mine
    assert ours.copied


async def test_a_lost_result_shows_it(database: str, ours: PostgresLedger) -> None:
    """The worker holds that line no more, and would give its claim back as one that nobody has sent."""
    (first,) = await ours.claim(1)
    await ours.claim(1)  # the database still has this
    async with connected(database) as connection:
        await remember(connection)
        await ours.record([placed(first)])
        await take_over(database, connection)
    for _ in range(2):
        with suppress(LedgerError):  # the connection was lost in the claim
            assert await ours.claim(1) == []
    assert ours.copied
    assert "lost commits" in (await ours.paused() or "")


async def nothing_is_claimed(ours: PostgresLedger) -> bool:
    """Return whether an opening that sends nothing finds out that its last commit is gone."""
    for _ in range(2):
        with suppress(LedgerError):  # the connection was lost in the claim
            assert await ours.claim(1) == []
    return ours.copied


async def test_a_write_without_change_hides_no_loss(database: str, ours: PostgresLedger) -> None:
    """A transaction locks and reads an older line, which it leaves as it is; the last commit stays the one before."""
    first, second = await ours.claim(2)
    async with connected(database) as connection:
        await ours.record([placed(first, 1)])
        await remember(connection)
        await ours.record([placed(second, 2)])
        assert await ours.record([], doubts=[(first.po_number, 99)]) == []  # another order than the line's
        assert await rows_of(connection, first) == ["T0", "T1", "T3"]  # it wrote nothing
        await take_over(database, connection)
    assert await nothing_is_claimed(ours)


async def test_a_commit_without_answer_shows_its_loss(
    database: str, ours: PostgresLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was found to be written, so it is the last one of this worker."""
    first, second = await ours.claim(2)

    async def write_and_lose(connection: Any, what: Any) -> Any:
        await write(connection, what)
        monkeypatch.setattr(records, "write", write)
        connection.terminate()
        return await connection.fetchval("SELECT 1")

    async with connected(database) as connection:
        await ours.record([placed(first, 1)])
        await remember(connection)
        monkeypatch.setattr(records, "write", write_and_lose)
        (late,) = await ours.record([placed(second, 2)])
        assert late.state is LineState.PLACED
        assert await rows_of(connection, second) == ["T0", "T1", "T3"]  # once
        await take_over(database, connection)
    assert await nothing_is_claimed(ours)


async def rows_of(connection: DatabaseConnection, one: LedgerLine) -> list[str]:
    """Return the transitions of a line."""
    rows = await connection.fetch("SELECT transition FROM xoxo.journal WHERE line = $1 ORDER BY id", one.seq)
    return [row["transition"] for row in rows]


# What a transaction sets counts when it is committed, so a deferred trigger looks at that moment.
WATCH = """
CREATE TABLE public.seen (setting text);
CREATE FUNCTION public.look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.seen VALUES (current_setting('synchronous_commit'));
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER look AFTER INSERT OR UPDATE ON xoxo.job DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION public.look();
CREATE CONSTRAINT TRIGGER look AFTER INSERT ON xoxo.journal DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION public.look();
"""


async def unsync(connection: DatabaseConnection) -> None:
    """Leave a connection as another program may leave it that a pooler hands on."""
    await connection.execute("SET synchronous_commit = off")


WORDS: dict[str, Callable[[PostgresLedger], Awaitable[object]]] = {
    "pause": lambda ledger: ledger.pause("wait"),
    "fact": lambda ledger: ledger.set_fact("a", "1"),
    "withdraw": lambda ledger: ledger.withdraw(None, reason="too many"),
    "rebind": lambda ledger: ledger.rebind(Identity("https://two.example", "abc"), reason="moved"),
    "plan": lambda ledger: ledger.plan("march", each([line(1), line(2), line(3)]), TERMS),
}


@pytest.mark.parametrize("what", WORDS)
async def test_a_confirmed_word_is_synced(
    database: str, ours: PostgresLedger, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """A crash of the server must not undo a pause: the workers would go on sending."""
    async with connected(database) as connection:
        await connection.execute(WATCH)
        await ours._opened().writer.run(unsync)
        before(monkeypatch, "SELECT state, sum", unsync)  # a plan has a connection of its own
        await WORDS[what](ours)
        seen = await connection.fetch("SELECT DISTINCT setting FROM public.seen")
    assert [row["setting"] for row in seen] == ["on"]


async def make(database: str, ledger: PostgresLedger, way: str) -> None:
    """Have an opening make its job, or find it."""
    if way == "plan":
        await ledger.plan("march", each([line(1)]), TERMS)
    elif way == "fact":
        await ledger.set_fact("bounds", "{}")
    elif way == "found":  # it comes from a program that noted no server
        async with connected(database) as connection:
            await make_job(connection, "march")


@pytest.mark.parametrize("way", ["arm", "fact", "found", "plan"])
async def test_a_new_job_notes_its_server(database: str, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Before a line of it is armed: after a fail-over nobody would know that this line may be missing."""
    noted: list[str | None] = []

    async def look(_connection: object) -> None:
        noted.append((await job_of(database)).facts.get(SERVER))

    async with opened(database) as ledger:
        await make(database, ledger, way)
        # The number of a claim that is about to begin, before anything of it is written.
        before(monkeypatch, "SELECT r.id" if way == "plan" else "SELECT nextval('xoxo.line_id_seq')", look)
        if way == "plan":
            assert await ledger.claim(1)
        else:
            assert (await ledger.arm("march", line(1), identity=TERMS.identity)).mine
    async with connected(database) as connection:
        assert noted == [(await read_server(connection)).noted]
