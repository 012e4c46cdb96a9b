"""The SQL of voucher codes, sealed or not, and of their marks."""

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.dealing import Claim
from xoxo_async.bulk.ledger.sqlite.passing import as_json
from xoxo_async.bulk.ledger.vouchers import StoredCode

__all__ = [
    "MARKS_KEY",
    "drop_codes",
    "owners_of_marks",
    "packed",
    "read_codes",
    "take_marks",
    "unpacked",
    "write_codes",
]

MARKS_KEY: Final = "marks_key"
"""The name of the meta fact with the key of the marks, see `CodeMarks`."""

_KEEP: Final = (
    "INSERT INTO codes (seq, body) SELECT CAST(key AS INTEGER), value FROM json_each(?)"
    " WHERE true ON CONFLICT (seq) DO UPDATE SET body = excluded.body"
)
_READ: Final = (
    "SELECT CAST('[' || coalesce(group_concat(json_array(seq, body)), '') || ']' AS BLOB) FROM codes"
    " WHERE seq IN (SELECT value FROM json_each(?))"
)
_DROP: Final = (
    "DELETE FROM codes WHERE seq IN (SELECT value FROM json_each(?))",
    "DELETE FROM code_marks WHERE seq IN (SELECT value FROM json_each(?))",
)
_TAKE: Final = "INSERT OR IGNORE INTO code_marks (mark, seq) SELECT key, value FROM json_each(?)"
_OWNERS: Final = "SELECT mark, seq FROM code_marks WHERE mark IN (SELECT value FROM json_each(?))"

_CODES: Final = msgspec.json.Decoder(list[tuple[int, str]])
_encode: Final = msgspec.json.Encoder().encode
_PACKED: Final = msgspec.json.Decoder(list[list[str]])
_PACKED_START: Final = b"[["


def packed(codes: Iterable[StoredCode]) -> bytes:
    """Return voucher codes without the names of their fields, which take more bytes than a code; `unpacked` undoes it.

    Args:
        codes: The codes.
    """
    return _encode([_without_blanks(msgspec.structs.astuple(code)) for code in codes])


def _without_blanks(facts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the facts of a code without the empty ones at its end; the code itself stays."""
    if facts[-1]:
        return facts
    end = len(facts)
    while end > 1 and not facts[end - 1]:
        end -= 1
    return facts[:end]


def unpacked(codes: bytes) -> bytes:
    """Return packed voucher codes as JSON, as in `Change.codes`.

    Args:
        codes: What `packed` returned, or codes as an older ledger has them: these stay as they are.
    """
    if not codes.startswith(_PACKED_START):
        return codes
    return _encode([StoredCode(*facts) for facts in _PACKED.decode(codes)])


def write_codes(connection: sqlite3.Connection, sealed: Sequence[tuple[int, str]]) -> None:
    """Keep voucher codes; each line's replace its earlier ones."""
    connection.execute(_KEEP, (as_json(dict(sealed)),))


def read_codes(connection: sqlite3.Connection, seqs: Collection[int]) -> dict[int, str]:
    """Return the stored codes of some lines."""
    return dict(_CODES.decode(connection.execute(_READ, (as_json(list(seqs)),)).fetchone()[0]))


def drop_codes(connection: sqlite3.Connection, seqs: Collection[int]) -> None:
    """Delete the voucher codes, and their marks, of lines whose order turned out to be another line's."""
    encoded = as_json(list(seqs))
    for statement in _DROP:
        connection.execute(statement, (encoded,))


def take_marks(connection: sqlite3.Connection, claims: Sequence[Claim]) -> dict[Claim, int]:
    """Keep marks, each for the line that claims it first.

    Args:
        connection: In a transaction.
        claims: The marks, and their lines.

    Returns:
        The refused claims, each with the line that has the mark.
    """
    wanted = dict(reversed(claims))  # the first claim of a mark counts
    if connection.execute(_TAKE, (as_json(wanted),)).rowcount == len(claims):
        return {}
    return owners_of_marks(connection, claims)  # some of them may be the line's own, of an earlier look-up


def owners_of_marks(connection: sqlite3.Connection, claims: Sequence[Claim]) -> dict[Claim, int]:
    """Return the claims to marks of other lines, each with the line that has the mark.

    Args:
        connection: To read with.
        claims: The marks, and the lines that claim them.
    """
    owners: dict[int, int] = dict(connection.execute(_OWNERS, (as_json([mark for mark, _ in claims]),)).fetchall())
    return {claim: owners[claim[0]] for claim in claims if owners.get(claim[0], claim[1]) != claim[1]}
