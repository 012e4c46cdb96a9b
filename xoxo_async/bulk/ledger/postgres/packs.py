"""The SQL of lines that share an order: the order of each line, and how an order gives its lines back."""

from collections.abc import Collection, Sequence
from typing import Final

from xoxo_async.bulk.ledger.postgres.sums import add_to_tally
from xoxo_async.bulk.ledger.tallying import planned_rows
from xoxo_async.postgres.driver import DatabaseConnection

__all__ = ["PACKED_FIXED", "has_packs", "keys_of", "packed_keys", "unpack"]

PACKED_FIXED: Final = (
    "pack", "first", "job", "account", "pieces", "key", "po_number", "digest", "body", "row", "worth",
)  # fmt: skip
"""What a plan writes of a line that shares an order."""

_HAS: Final = "SELECT EXISTS (SELECT FROM xoxo.tally WHERE job = $1 AND NOT single)"
_KEYS: Final = (
    "SELECT key, id AS seq, true AS alone FROM xoxo.line WHERE key = ANY ($2) AND job = $1 UNION ALL"
    " SELECT key, pack, false FROM xoxo.packed_line WHERE key = ANY ($2) AND job = $1 AND NOT unpacked"
)
_PACKED: Final = (
    "SELECT p.pack, p.first, p.key, p.row FROM xoxo.packed_line AS p WHERE p.pack = ANY ($1) AND NOT p.unpacked"
    " ORDER BY p.pack, p.first"
)
# An order that is added outside a plan has its negative number as its ordinal: a plan that is not committed yet may
# have taken the next ordinals. So the frontier does not lead to it, and `look` does.
_UNPACK: Final = (
    "WITH given AS (UPDATE xoxo.packed_line SET unpacked = true WHERE pack = ANY ($2) AND NOT unpacked"
    " RETURNING pack, first, account, key, po_number, digest, body, row, worth),"
    " numbered AS (SELECT nextval('xoxo.line_id_seq') AS id, ordered.* FROM"
    " (SELECT * FROM given ORDER BY pack, first) AS ordered),"
    " added AS (INSERT INTO xoxo.line (id, job, ordinal, account, key, po_number, digest, body, row, worth, look)"
    " OVERRIDING SYSTEM VALUE SELECT id, $1::integer, -id, account, key, po_number, digest, body, row, worth, 'send'"
    " FROM numbered RETURNING id),"
    " noted AS (INSERT INTO xoxo.journal (job, line, at, from_state, to_state, transition, evidence, attempts, epoch,"
    " worker) SELECT $1::integer, id, $3::double precision, '', 'planned', 'T0', 'planned', 0, 0, $4::bigint"
    " FROM added ORDER BY id)"
    " SELECT count(*) FROM added"
)


async def has_packs(connection: DatabaseConnection, job: int) -> bool:
    """Return whether lines ever shared an order in a job.

    Args:
        connection: To read with.
        job: The job's number.
    """
    return bool(await connection.fetchval(_HAS, job))


async def keys_of(connection: DatabaseConnection, job: int, keys: Collection[str]) -> dict[str, tuple[int, bool]]:
    """Return the place of the lines of some keys: the order's `seq`, and whether the line is an order by itself.

    Args:
        connection: To read with.
        job: The job's number.
        keys: The keys.
    """
    return {row["key"]: (row["seq"], row["alone"]) for row in await connection.fetch(_KEYS, job, list(keys))}


async def packed_keys(connection: DatabaseConnection, packs: Sequence[int]) -> list[tuple[int, int, str, int]]:
    """Return pack, first place, key and row of every line that travels in some orders.

    Args:
        connection: To read with.
        packs: The orders.
    """
    return [(row["pack"], row["first"], row["key"], row["row"]) for row in await connection.fetch(_PACKED, packs)]


async def unpack(connection: DatabaseConnection, job: int, worker: int, packs: Collection[int], at: float) -> int:
    """Plan each line of orders that do not exist as an order by itself, with its journal row and its count.

    Args:
        connection: In a transaction.
        job: The job's number.
        worker: Who writes.
        packs: The orders: refused, or withdrawn.
        at: For the journal, in epoch seconds.

    Returns:
        How many orders they are now.
    """
    if not packs:
        return 0
    added = int(await connection.fetchval(_UNPACK, job, list(packs), at, worker))
    await add_to_tally(connection, job, worker, planned_rows(added, 0))
    return added
