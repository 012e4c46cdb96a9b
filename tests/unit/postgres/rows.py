"""Jobs as rows of a database, written by hand: what operators' tools read, without the ledger that writes it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from uuid import uuid4

from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.connecting import connect
from xoxo_async.postgres.driver import DatabaseConnection
from xoxo_async.postgres.roles import apply_roles

LOOKS = {"unknown": "settle", "conflict": "settle", "manual": "person"}


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[DatabaseConnection]:
    """Connect as whoever the URL names."""
    connection = await connect(DatabaseAddress.read(url), purpose="tests")
    try:
        yield connection
    finally:
        connection.terminate()


async def add_job(connection: DatabaseConnection, name: str, *states: str) -> int:
    """Add a job with one order a state, with the counts and the journal that belong to it, and return its number.

    `placed` is delivered, and `pending` is placed and waits for its codes.
    """
    number = await connection.fetchval("INSERT INTO xoxo.job (name) VALUES ($1) RETURNING id", name)
    for at, state in enumerate(states, start=1):
        placed = state in {"placed", "pending"}
        seq = await connection.fetchval(
            "INSERT INTO xoxo.line (job, ordinal, account, key, po_number, digest, body, row, state, delivery,"
            " order_id, amount_charged, currency, error, look)"
            " VALUES ($1, $2, 0, $3, $4, 'd', '{}', $2, $5, $6, $7, $8, $9, 'why', $10) RETURNING id",
            number, at, f"{name}-{at}@example.com", f"{name}-po{at}", "placed" if placed else state,
            {"placed": "delivered", "pending": "pending"}.get(state, ""), 1000 * number + at if placed else None,
            Decimal(100) if placed else None, "INR" if placed else "", LOOKS.get(state),
        )  # fmt: skip
        if placed:
            await connection.execute(
                "INSERT INTO xoxo.placed (id, account, order_id, codes) VALUES ($1, 0, $2, 'code')",
                seq,
                1000 * number + at,
            )
        await connection.execute(
            "INSERT INTO xoxo.journal (job, line, at, from_state, to_state, transition, evidence, attempts, epoch)"
            " VALUES ($1, $2, $3, 'planned', $4, 'T', 'e', 1, 0)",
            number, seq, 1000.0 * number, state,
        )  # fmt: skip
    await connection.execute(
        "INSERT INTO xoxo.tally (job, worker, state, delivery, currency, single, orders, priced, charged)"
        " SELECT job, 0, state, delivery, currency, true, count(*), count(amount_charged),"
        " coalesce(sum(amount_charged), 0) FROM xoxo.line WHERE job = $1 GROUP BY 1, 3, 4, 5",
        number,
    )
    return int(number)


async def add_worker(connection: DatabaseConnection, job: int, *, lease_s: float, holds: list[int]) -> int:
    """Add a worker whose lease ends in so many seconds, and that holds some lines."""
    worker = await connection.fetchval(
        "INSERT INTO xoxo.worker (host, pid, job, lease_until) VALUES ('h', 1, $1, now() + make_interval(secs => $2))"
        " RETURNING id",
        job, lease_s,
    )  # fmt: skip
    if holds:
        epoch = await connection.fetchval(
            "INSERT INTO xoxo.claim (job, worker, seqs) VALUES ($1, $2, $3) RETURNING epoch", job, worker, holds
        )
        await connection.execute(
            "UPDATE xoxo.line SET state = 'sending', epoch = $1 WHERE id = ANY ($2::bigint[])", epoch, holds
        )
    return int(worker)


async def seqs_of(connection: DatabaseConnection, job: int) -> list[int]:
    """Return the numbers of a job's lines."""
    return [row["id"] for row in await connection.fetch("SELECT id FROM xoxo.line WHERE job = $1 ORDER BY id", job)]


async def user_of(database: str, role: str) -> str:
    """Apply the roles, make a user of one, and return the URL with which it connects."""
    name = f"u{uuid4().hex[:10]}"
    async with connected(database) as connection:
        await apply_roles(connection, DatabaseAddress.read(database))
        await connection.execute(f"CREATE ROLE {name} LOGIN")
        if role:
            await connection.execute(f"GRANT {role} TO {name}")
    return database.replace("//xoxo@", f"//{name}@")
