"""`codes`: one key for all jobs of a database, taken by one opening, with all that is in clear, or by none."""

import asyncio
from uuid import uuid4

import pytest

from tests.unit.bulk.ledger.ledgers import CODES, each, line, placed
from tests.unit.bulk.ledger.postgres.databases import connected, opened
from xoxo_async.bulk.ledger.postgres.ledger import PostgresLedger
from xoxo_async.errors import LedgerError
from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.roles import apply_roles

pytestmark = pytest.mark.anyio

KEY, OTHER = "A" * 43 + "=", "B" * 43 + "="


def with_key(database: str, key: str = KEY, job: str = "april", *, store_codes: bool = True) -> PostgresLedger:
    """Return an opening of another job."""
    return PostgresLedger(database, job=job, codes_key=key, store_codes=store_codes)


async def one_issued(database: str) -> None:
    """Leave a job with a code in clear."""
    async with opened(database) as march:
        await march.plan("march", each([line(1)]))
        await march.record([placed((await march.claim(1))[0])])


async def stored(database: str) -> tuple[list[str], set[str]]:
    """Return the codes as they are stored, and the names of the keys."""
    async with connected(database) as connection:
        codes = [row["codes"] for row in await connection.fetch("SELECT codes FROM xoxo.placed")]
        names = {row["name"] for row in await connection.fetch("SELECT name FROM xoxo.meta")}
    return codes, names & {"marks_key", "key_check"}


async def test_a_first_key_is_refused_beside_a_worker_without(database: str) -> None:
    """Otherwise that worker goes on to keep codes in clear, which it cannot read in its next run."""
    await one_issued(database)
    async with opened(database):
        with pytest.raises(LedgerError, match=r"XOXO_LEDGER_KEY is set, and others work .* without one.*process \d+"):
            await with_key(database).open()
        assert await stored(database) == ([CODES.decode()], {"marks_key"})
    async with opened(database, "march") as march:  # still without a key
        assert [one.codes async for one in march.lines(with_codes=True)] == [CODES]


async def test_a_refused_opening_leaves_no_worker(database: str) -> None:
    """Its lease would make the next opening wait."""
    async with opened(database):
        with pytest.raises(LedgerError):
            await with_key(database).open()
    async with connected(database) as connection:
        assert await connection.fetchval("SELECT count(*) FROM xoxo.worker WHERE lease_until > now()") == 0


async def test_a_first_key_seals_the_codes_of_every_job(database: str) -> None:
    """In the step that takes the key: the codes open with it, and who has none is told so."""
    await one_issued(database)
    async with with_key(database):
        codes, _names = await stored(database)
        assert [text.startswith("sealed1:") for text in codes] == [True]
        with pytest.raises(LedgerError, match="set XOXO_LEDGER_KEY to their key"):
            await opened(database).open()
    async with with_key(database, job="march") as march:
        assert [one.codes async for one in march.lines(with_codes=True)] == [CODES]


async def test_a_step_that_fails_takes_no_key(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the key but without the sealed codes, nobody would know which codes are in clear."""
    await one_issued(database)
    monkeypatch.setattr(
        "xoxo_async.bulk.ledger.postgres.codes._SEAL", "SELECT $1::bigint[], $2::text[], $3::text[], 1/0"
    )
    with pytest.raises(LedgerError):
        await with_key(database).open()
    assert await stored(database) == ([CODES.decode()], {"marks_key"})


@pytest.mark.parametrize("store_codes", [True, False])
async def test_a_fleet_begins_at_once(database: str, store_codes: bool) -> None:
    """Workers with one key do not take each other for workers without one, also where some keep no codes."""
    fleet = [with_key(database, job=f"j{number}", store_codes=store_codes or number > 0) for number in range(4)]
    await asyncio.gather(*(ledger.open() for ledger in fleet))
    await asyncio.gather(*(ledger.aclose() for ledger in fleet))
    for wrong in (OTHER, ""):
        with pytest.raises(LedgerError, match="XOXO_LEDGER_KEY"):
            await with_key(database, wrong).open()


async def test_two_keys_at_once(database: str) -> None:
    """One of them is the database's, and the other one is refused, whichever comes first."""
    fleet = [with_key(database, key) for key in (KEY, "", OTHER)]
    ends = await asyncio.gather(*(ledger.open() for ledger in fleet), return_exceptions=True)
    assert sum(end is None for end in ends) == 1
    for ledger in fleet:
        await ledger.aclose()


async def test_a_worker_cannot_seal_what_is_in_clear(database: str) -> None:
    """The role may not change the key of the marks; the error names the role that may, and nothing changes."""
    await one_issued(database)
    name = f"u{uuid4().hex[:10]}"
    async with connected(database) as connection:
        await apply_roles(connection, DatabaseAddress.read(database))
        await connection.execute(f"CREATE ROLE {name} LOGIN")
        await connection.execute(f"GRANT xoxo_worker TO {name}")
    with pytest.raises(LedgerError, match="xoxo_owner"):
        await with_key(database.replace("//xoxo@", f"//{name}@")).open()
    assert await stored(database) == ([CODES.decode()], {"marks_key"})
