"""The SQL of the one statement that writes moves, put together from the parts that a write has."""

# ruff: noqa: S608 - the only names put into SQL are this package's own

from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import cache, partial
from typing import Final

from xoxo_async.bulk.ledger.postgres.columns import KINDS, MOVING, NOTED, moving

__all__ = ["PARTS", "Why", "statement_of"]


class Why(StrEnum):
    """Why a write was refused, as the SQLSTATE of its error."""

    LINE = "XO001"
    MARK = "XO002"
    JOB = "XO003"
    LEASE = "XO004"
    ORDER = "23505"
    BUSY = "55P03"


def _table(columns: Sequence[tuple[str, str]], first: int) -> str:
    """Return the SQL of arrays as a table."""
    arrays = ", ".join(f"${place}::{kind}[]" for place, (_, kind) in enumerate(columns, first))
    return f"unnest({arrays}) AS new ({', '.join(name for name, _ in columns)})"


_ADDED: Final = (
    ("id", "bigint"),
    ("key", "text"),
    ("po_number", "text"),
    ("digest", "text"),
    ("body", "text"),
    ("row", "bigint"),
    ("lines", "integer"),
    ("worth", "bigint"),
    *MOVING,
)
_TOLD: Final = (
    ("state", "text"),
    ("delivery", "text"),
    ("currency", "text"),
    ("single", "boolean"),
    ("orders", "bigint"),
    ("priced", "bigint"),
    ("charged", "numeric"),
)
_ORDERED: Final = (("id", "bigint"), ("order_id", "bigint"), ("codes", "text"))
_MARKED: Final = (("mark", "bigint"), ("line", "bigint"))
_BACK: Final = (("id", "bigint"), ("was", "integer"))


# What is cached of the job is as the write takes it; a person may have bound it to another account meanwhile.
_SAME_JOB: Final = (
    "id = $1::integer AND account = $2::integer AND coalesce($5::text, facts ->> 'currency', '')"
    " = coalesce(facts ->> 'currency', '')"
)


def _update_line(kind: str, first: int) -> str:
    columns = (("id", "bigint"), ("was", "integer"), ("look", "text"), *moving(kind))
    names = ", ".join(f"{name} = new.{name}" for name, _ in moving(kind))
    return (
        f"UPDATE xoxo.line AS l SET {names}, look = new.look, rev = l.rev + 1 FROM {_table(columns, first)}"
        " WHERE l.id = new.id AND l.rev = new.was RETURNING l.id"
    )


def _insert_line(first: int) -> str:
    # Its number is its ordinal, too, but negative: only plans count ordinals upwards.
    names = ", ".join(name for name, _ in _ADDED)
    return (
        f"INSERT INTO xoxo.line (job, account, ordinal, rev, {names}) OVERRIDING SYSTEM VALUE"
        f" SELECT $1::integer, $2::integer, -new.id, 1, new.* FROM {_table(_ADDED, first)} RETURNING id"
    )


def _insert_journal(first: int) -> str:
    names = ", ".join(name for name, _ in NOTED)
    return (
        f"INSERT INTO xoxo.journal (job, worker, at, {names})"
        f" SELECT $1::integer, $3::bigint, $4::double precision, new.* FROM {_table(NOTED, first)}"
    )


def _add_to_tally(first: int) -> str:
    names = ", ".join(name for name, _ in _TOLD)
    return (
        f"INSERT INTO xoxo.tally AS t (job, worker, {names})"
        f" SELECT $1::integer, $3::bigint, new.* FROM {_table(_TOLD, first)}"
        " ON CONFLICT (job, worker, state, delivery, currency, single) DO UPDATE SET"
        " orders = t.orders + excluded.orders, priced = t.priced + excluded.priced,"
        " charged = t.charged + excluded.charged"
    )


def _keep_orders(first: int) -> str:
    return (
        "INSERT INTO xoxo.placed AS p (id, account, order_id, codes)"
        f" SELECT new.id, $2::integer, new.order_id, new.codes FROM {_table(_ORDERED, first)}"
        " ON CONFLICT (id) DO UPDATE SET order_id = excluded.order_id,"
        " codes = CASE WHEN p.order_id IS NOT DISTINCT FROM excluded.order_id THEN coalesce(excluded.codes, p.codes)"
        " ELSE excluded.codes END"
    )


def _take_marks(first: int) -> str:
    return (
        "INSERT INTO xoxo.code_mark (mark, account, line)"
        f" SELECT new.mark, $2::integer, new.line FROM {_table(_MARKED, first)}"
        " ON CONFLICT DO NOTHING RETURNING line"
    )


def _spend(first: int) -> str:
    return (
        f"UPDATE xoxo.job SET committed = committed + ${first}::bigint,"
        f" unpriced = unpriced + ${first + 1}::bigint WHERE {_SAME_JOB} RETURNING id"
    )


def _spend_as_claim(first: int) -> str:
    most = f"${first + 3}::bigint"
    return (
        f"UPDATE xoxo.job SET committed = committed + ${first}::bigint, unpriced = unpriced + ${first + 1}::bigint,"
        f" facts = jsonb_set(facts, '{{last_slot}}', to_jsonb(${first + 2}::text)) WHERE {_SAME_JOB}"
        f" AND (state = 'running' OR NOT ${first + 4}::boolean)"
        # After a restored backup, what looks planned or new may have been sent: nobody claims until it was doubted.
        " AND generation >= (SELECT m.value::integer FROM xoxo.meta AS m WHERE m.name = 'generation')"
        f" AND ({most} IS NULL OR (unpriced = 0 AND committed <= {most})) RETURNING id"
    )


def _give_back(first: int) -> str:
    return (
        f"UPDATE xoxo.line AS l SET look = 'send', rev = l.rev + 1 FROM {_table(_BACK, first)}"
        " WHERE l.id = new.id AND l.rev = new.was RETURNING l.id"
    )


def _begin_claim(first: int) -> str:
    return (
        "INSERT INTO xoxo.claim (epoch, job, worker, seqs) OVERRIDING SYSTEM VALUE"
        f" VALUES (${first}::bigint, $1::integer, $3::bigint, ${first + 1}::bigint[])"
    )


def _narrow_claim(first: int) -> str:
    return f"UPDATE xoxo.claim SET seqs = ${first + 1}::bigint[] WHERE epoch = ${first}::bigint"


def _close_claims(first: int) -> str:
    return f"DELETE FROM xoxo.claim WHERE epoch = ANY (${first}::bigint[])"


PARTS: Final[dict[str, Callable[[int], str]]] = {
    **{kind: partial(_update_line, kind) for kind in KINDS},
    "added": _insert_line,
    "noted": _insert_journal,
    "told": _add_to_tally,
    "ordered": _keep_orders,
    "marked": _take_marks,
    "spent": _spend,
    "claimed": _spend_as_claim,
    "back": _give_back,
    "begun": _begin_claim,
    "narrowed": _narrow_claim,
    "closed": _close_claims,
}
"""The SQL of each part, from the place of its first argument."""


_BRIEFLY: Final = "500ms"  # shorter than `deadlock_timeout`: the database never ends the plan for it
# Behind a pooler, another program may have set the connection so that commits do not wait for the disk. This condition
# is only there to set it right for this transaction: it is always false, so the checks after it decide.
_SYNCED: Final = (
    "WHEN current_setting('synchronous_commit') = 'off' AND set_config('synchronous_commit', 'on', true) IS NULL THEN 0"
)
_ALIVE: Final = "EXISTS (SELECT FROM xoxo.worker WHERE id = $3::bigint AND lease_until > clock_timestamp())"


@cache
def statement_of(parts: tuple[tuple[str, int], ...]) -> str:
    """Return the statement of some parts, each with the number of its arguments.

    `$1` to `$5` are the job, its account, the worker, the time, and the account's currency, null if it does not
    matter; each has its type, also where no part uses it.
    """
    queries: list[str] = []
    # A plan that has not ended may be adding a line that is armed here, for as long as a person thinks. Checks run in
    # their order, so the write waits for lines only briefly, and before it locks the job.
    brief = any(part == "begun" for part, _ in parts)
    checks = [_SYNCED, *([_wait_for_locks(_BRIEFLY)] if brief else [])]
    checks.append(f"WHEN NOT EXISTS (SELECT FROM xoxo.job WHERE {_SAME_JOB}) THEN {_no(Why.JOB)}")
    first = 6
    for part, width in parts:
        if part == "awake":
            checks.append(f"WHEN NOT {_ALIVE} THEN {_no(Why.LEASE)}")
            continue
        queries.append(f"{part} AS ({PARTS[part](first)})")
        if part in KINDS or part in {"added", "back"}:
            checks.append(f"WHEN (SELECT count(*) FROM {part}) <> cardinality(${first}::bigint[]) THEN {_no(Why.LINE)}")
        elif part == "marked":
            checks.append(f"WHEN (SELECT count(*) FROM {part}) <> cardinality(${first}::bigint[]) THEN {_no(Why.MARK)}")
        elif part == "spent":
            checks.append(f"WHEN NOT EXISTS (SELECT FROM {part}) THEN {_no(Why.JOB)}")
        elif part == "claimed":
            checks += [_wait_for_locks("0")] if brief else []
            checks.append(f"WHEN NOT {_ALIVE} THEN {_no(Why.LEASE)}")
            checks.append(f"WHEN NOT {_reserved(first + 5)} THEN {_no(Why.LINE)}")
            checks.append(f"WHEN NOT EXISTS (SELECT FROM {part}) THEN {_no(Why.JOB)}")
        first += width
    types = "$1::integer, $2::integer, $3::bigint, $4::double precision, $5::text"
    return f"WITH {', '.join(queries)} SELECT CASE {' '.join(checks)} ELSE 0 END, {types}"


def _reserved(epoch: int) -> str:
    # Without its claim, nobody would find the lines when this worker dies. A server that crashed may have forgotten it.
    claim = f"SELECT FROM xoxo.claim WHERE epoch = ${epoch}::bigint AND worker = $3::bigint"
    return f"(${epoch}::bigint IS NULL OR EXISTS ({claim}))"


def _no(why: Why) -> str:
    return f"xoxo.refuse('{why.value}', '{why.name}')"


def _wait_for_locks(limit: str) -> str:
    """Return a check that is never true, and bounds from there on how long the statement waits for a lock."""
    return f"WHEN set_config('lock_timeout', '{limit}', true) IS NULL THEN 0"
