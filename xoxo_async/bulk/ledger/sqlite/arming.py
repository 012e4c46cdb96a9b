"""Read and write the lines that are to be sent at once; `ledger/arming.py` decides."""

# ruff: noqa: S608 - the only names put into SQL are this module's own column names

import sqlite3
from collections.abc import Sequence
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.arming import ArmRequest, Owner, decide_arms
from xoxo_async.bulk.ledger.budget import Funds
from xoxo_async.bulk.ledger.facts import PLANNED_AT
from xoxo_async.bulk.ledger.lines import LedgerLine, LineState
from xoxo_async.bulk.ledger.plans import StoredLine
from xoxo_async.bulk.ledger.sqlite.meta import COPIED, fact, get_meta, read_identity, set_identity, set_metas
from xoxo_async.bulk.ledger.sqlite.session import LedgerSession
from xoxo_async.bulk.ledger.sqlite.statements import FIXED, fields, last_seq, note_planned, read_lines

__all__ = ["arm_lines"]

_STORED: Final = " UNION ALL ".join(
    f"SELECT new.key, old.key, old.po_number, old.digest, old.row, {seq}, {first}"
    " FROM (SELECT key, json_extract(value, '$[0]') AS line, json_extract(value, '$[1]') AS po FROM json_each(?1))"
    f" AS new JOIN {table} AS old ON old.key = new.line OR old.po_number = new.po{where}"
    for seq, first, table, where in (
        ("old.seq", "NULL", "lines", ""),
        ("old.pack", "old.first", "packed_lines", " WHERE old.unpacked = 0"),
    )
)
_INSERT: Final = (
    f"INSERT INTO lines ({', '.join(FIXED)}, state) SELECT {fields(FIXED)}, 'planned' FROM json_each(?) WHERE true"
)
_encode: Final = msgspec.json.Encoder().encode


def arm_lines(session: LedgerSession, requests: Sequence[ArmRequest]) -> None:
    """Add lines and take them for sending, for any number of callers.

    Args:
        session: In a transaction.
        requests: Filled with the lines as they stand, or with an error.
    """
    session.open_marks()  # send nothing whose codes could not be recognised later
    connection = session.connection
    stored = _find_stored(connection, requests)
    lines = {line.seq: line for line in read_lines(connection, {match.seq for match in stored})}

    def dead(line: LedgerLine) -> bool:
        return line.epoch < session.since  # the holder before this one is gone: this one has its lock

    fresh = len({match.place for match in stored}) < len(requests)
    begins = fresh or any(line.state is LineState.PLANNED or dead(line) for line in lines.values())
    moment = session.begin_epoch() if begins else session.moment()
    budgeted = begins and any(request.budget is not None for request in requests)
    owner = Owner(get_meta(connection, "job"), read_identity(connection), bool(get_meta(connection, COPIED)))
    last = last_seq(connection)
    arms = decide_arms(
        requests,
        stored,
        lines,
        owner,
        moment,
        session.funds() if budgeted else Funds(),
        after=last,
        dead=dead,
        died_at=moment.now,
    )
    _keep_owner(session, owner, arms.owner)
    if arms.new:
        _insert(connection, arms.new)
        note_planned(connection, session.date(), last)
    session.write(arms.moves, moment.now)


def _find_stored(connection: sqlite3.Connection, requests: Sequence[ArmRequest]) -> list[StoredLine]:
    wanted = _encode([(request.line.key, request.line.po_number) for request in requests])
    return [StoredLine(*row) for row in connection.execute(_STORED, (wanted,))]


def _keep_owner(session: LedgerSession, before: Owner, after: Owner) -> None:
    if after.job is not None and before.job is None:
        set_metas(session.connection, {"job": after.job, fact(PLANNED_AT): f"{session.date()}"})
    if after.identity is not None and before.identity is None:
        set_identity(session.connection, after.identity)


def _insert(connection: sqlite3.Connection, lines: Sequence[LedgerLine]) -> None:
    rows = [
        (line.seq, line.key, line.po_number, line.digest, line.body, line.row, line.lines, line.worth) for line in lines
    ]
    connection.execute(_INSERT, (_encode(rows),))
