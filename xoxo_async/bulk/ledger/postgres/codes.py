"""The SQL of voucher codes, sealed or not, and of their marks; the marks of an account are unique across its jobs."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final

from xoxo_async.bulk.ledger.dealing import Claim
from xoxo_async.bulk.ledger.marks import CodeMarks
from xoxo_async.bulk.ledger.sealing import CodeBox
from xoxo_async.effects import EffectClass
from xoxo_async.errors import LedgerKeyError
from xoxo_async.postgres.driver import DatabaseConnection

__all__ = [
    "MARKS_KEY",
    "drop_orders",
    "id_to_store",
    "keep_codes",
    "order_owners",
    "owners_of_marks",
    "read_codes",
    "read_keys",
    "take_keys",
    "take_marks",
]

MARKS_KEY: Final = "marks_key"
_CHECK: Final = "key_check"
_SEAL_CHUNK: Final = 500
_NAMED: Final = 3
_LOCK: Final = 0x786F786F_6B6579  # "xoxokey"

_KEYS: Final = "SELECT name, value FROM xoxo.meta WHERE name IN ('marks_key', 'key_check')"
_KEEP_KEY: Final = "INSERT INTO xoxo.meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING"
_SEAL_KEY: Final = "UPDATE xoxo.meta SET value = $2 WHERE name = $1 AND value = $3"
_MAY_SEAL: Final = "SELECT has_table_privilege('xoxo.meta', 'UPDATE')"
_OTHERS: Final = "SELECT host, pid FROM xoxo.worker WHERE lease_until > clock_timestamp() ORDER BY id"
_CLEAR: Final = (
    "SELECT id, codes FROM xoxo.placed WHERE id > $1 AND codes IS NOT NULL AND codes NOT LIKE 'sealed1:%'"
    " ORDER BY id LIMIT $2"
)
_SEAL: Final = (
    "UPDATE xoxo.placed AS p SET codes = new.sealed FROM unnest($1::bigint[], $2::text[], $3::text[])"
    " AS new (id, was, sealed) WHERE p.id = new.id AND p.codes = new.was"
)
_READ: Final = "SELECT id, codes FROM xoxo.placed WHERE id = ANY ($1::bigint[]) AND codes IS NOT NULL"
_KEEP_CODES: Final = (
    "INSERT INTO xoxo.placed AS p (id, account, codes) SELECT new.id, l.account, new.codes"
    " FROM unnest($1::bigint[], $2::text[]) AS new (id, codes) JOIN xoxo.line AS l ON l.id = new.id"
    " ON CONFLICT (id) DO UPDATE SET codes = excluded.codes"
)
_DROP: Final = (
    "DELETE FROM xoxo.placed WHERE id = ANY ($1::bigint[])",
    "DELETE FROM xoxo.code_mark WHERE line = ANY ($1::bigint[])",
)
_TAKE: Final = (
    "INSERT INTO xoxo.code_mark (mark, account, line) SELECT new.mark, $1, new.line"
    " FROM unnest($2::bigint[], $3::bigint[]) AS new (mark, line) ON CONFLICT DO NOTHING"
)
_OWNERS: Final = "SELECT mark, line FROM xoxo.code_mark WHERE account = $1 AND mark = ANY ($2::bigint[])"
_ORDERS: Final = "SELECT order_id, id FROM xoxo.placed WHERE account = $1 AND order_id = ANY ($2::bigint[])"


async def read_keys(connection: DatabaseConnection) -> dict[str, str]:
    """Return the check of the database's key, and the key of the marks, as they are kept.

    Args:
        connection: To read with.
    """
    return {str(row["name"]): str(row["value"]) for row in await connection.fetch(_KEYS)}


async def take_keys(
    connection: DatabaseConnection, box: CodeBox | None, marks: CodeMarks, begin: Callable[[], Awaitable[None]]
) -> None:
    """Make the key of the marks where there is none, and with a first key seal what is in clear; all or nothing.

    Args:
        connection: To write with, not in a transaction.
        box: Seals the codes that this opening keeps; None if it keeps none.
        marks: The marks.
        begin: Begins the lease. Before the next opening looks at the keys, so that a first key is refused while a
            worker without one goes on to keep codes in clear.

    Raises:
        LedgerError: When the database's codes are sealed with another key, or a first key cannot be taken now.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        kept = await read_keys(connection)
        if box is not None:
            box.require(kept.get(_CHECK, ""))
            if box.sealed and _CHECK not in kept:
                await _require_alone(connection)
                await connection.execute(_KEEP_KEY, _CHECK, box.key_check())
                await _seal_clear(connection, box)
        stored = kept.get(MARKS_KEY)
        key = marks.key_to_store(stored, box)
        if key is not None and stored is None:
            await connection.execute(_KEEP_KEY, MARKS_KEY, key)
            if check := marks.key_check():  # also where no codes are kept: it is the database's key from now on
                await connection.execute(_KEEP_KEY, _CHECK, check)
        elif key is not None:
            if not await connection.fetchval(_MAY_SEAL):
                raise LedgerKeyError(
                    "the first XOXO_LEDGER_KEY of this database encrypts what is stored without one, which the role"
                    " xoxo_owner may do: plan or resume a job as its owner once, with the key"
                )
            await connection.execute(_SEAL_KEY, MARKS_KEY, key, stored)
        await begin()


async def _require_alone(connection: DatabaseConnection) -> None:
    """Refuse a first key while others work without one: they would go on to keep codes in clear."""
    others = await connection.fetch(_OTHERS)
    if others:
        names = ", ".join(f"{row['host']} (process {row['pid']})" for row in others[:_NAMED])
        more = " and others" if len(others) > _NAMED else ""
        raise LedgerKeyError(
            "XOXO_LEDGER_KEY is set, and others work on this database without one: stop them, or start all with the"
            f" same key: {names}{more}"
        )


async def _seal_clear(connection: DatabaseConnection, box: CodeBox) -> None:
    """Seal codes that are in clear.

    Args:
        connection: To write with.
        box: Seals them.
    """
    after = 0
    while rows := await connection.fetch(_CLEAR, after, _SEAL_CHUNK):
        ids = [int(row["id"]) for row in rows]
        was = [str(row["codes"]) for row in rows]
        sealed = [box.seal(codes.encode(), seq) for seq, codes in zip(ids, was, strict=True)]
        await connection.execute(_SEAL, ids, was, sealed)
        after = ids[-1]


async def read_codes(connection: DatabaseConnection, seqs: Collection[int]) -> dict[int, str]:
    """Return the stored codes of some lines."""
    return {int(row["id"]): str(row["codes"]) for row in await connection.fetch(_READ, list(seqs))}


async def keep_codes(connection: DatabaseConnection, codes: Sequence[tuple[int, str]]) -> None:
    """Keep voucher codes of placed lines; each line's replace its earlier ones."""
    if codes:
        await connection.execute(_KEEP_CODES, [seq for seq, _ in codes], [text for _, text in codes])


async def drop_orders(connection: DatabaseConnection, seqs: Collection[int]) -> None:
    """Forget the orders of lines that have lost them, with their codes and marks."""
    for statement in _DROP:
        await connection.execute(statement, list(seqs))


def id_to_store(order_id: int | None, effect: EffectClass) -> int | None:
    """Return the id of an order as it is stored: those of points are another series of numbers, so they are negative.

    Args:
        order_id: The id; None if the line has none.
        effect: Of the line's job.
    """
    return order_id if order_id is None or effect is EffectClass.KEYED else -order_id


async def order_owners(
    connection: DatabaseConnection, account: int, order_ids: Collection[int], effect: EffectClass
) -> dict[int, int]:
    """Return the lines that have some orders, `seq` by order id; lines of other jobs of the account as well."""
    rows = await connection.fetch(_ORDERS, account, [id_to_store(order_id, effect) for order_id in order_ids])
    return {abs(row["order_id"]): int(row["id"]) for row in rows}


async def take_marks(connection: DatabaseConnection, account: int, claims: Sequence[Claim]) -> dict[Claim, int]:
    """Keep marks, each for the line that claims it first.

    Args:
        connection: In a transaction.
        account: Whose codes they are.
        claims: The marks, and their lines.

    Returns:
        The refused claims, each with the line that has the mark.
    """
    wanted = dict(reversed(claims))  # the first claim of a mark counts
    tag = await connection.execute(_TAKE, account, list(wanted), list(wanted.values()))
    if int(tag.rpartition(" ")[2]) == len(claims):
        return {}
    return await owners_of_marks(connection, account, claims)


async def owners_of_marks(connection: DatabaseConnection, account: int, claims: Sequence[Claim]) -> dict[Claim, int]:
    """Return the claims to marks of other lines, each with the line that has the mark.

    Args:
        connection: To read with.
        account: Whose codes they are.
        claims: The marks, and the lines that claim them.
    """
    rows = await connection.fetch(_OWNERS, account, [mark for mark, _ in claims])
    owners: Mapping[int, int] = {int(row["mark"]): int(row["line"]) for row in rows}
    return {claim: owners[claim[0]] for claim in claims if owners.get(claim[0], claim[1]) != claim[1]}
