"""The SQL of facts about a ledger as a whole: its job, its holder, its account and address, and facts of runs."""

import sqlite3
from collections.abc import Mapping
from typing import Final

from xoxo_async.bulk.ledger.facts import KIND
from xoxo_async.bulk.ledger.kinds import JobKind, kind_of
from xoxo_async.bulk.ledger.terms import Identity

__all__ = ["COPIED", "OLDER", "fact", "get_meta", "read_identity", "read_kind", "set_identity", "set_meta", "set_metas"]

COPIED: Final = "copied"
"""The name of the meta fact that the file may be an older or another copy, until `restored` settles it."""

OLDER: Final = "older"
"""The value of `COPIED` for a file that surely is an older state of this very ledger."""

_GET: Final = "SELECT value FROM meta WHERE name = ?"
_SET: Final = "INSERT INTO meta VALUES {} ON CONFLICT (name) DO UPDATE SET value = excluded.value"


def fact(name: str) -> str:
    """Return the name under which a fact of `Ledger.set_fact` is kept: never one of the ledger's own.

    Args:
        name: The fact's name, such as those in `ledger/facts.py`.
    """
    return f"run.{name}"


def get_meta(connection: sqlite3.Connection, name: str) -> str | None:
    """Return a fact about the ledger, None if there is none."""
    row: tuple[str] | None = connection.execute(_GET, (name,)).fetchone()
    return row[0] if row else None


def set_meta(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Keep a fact about the ledger."""
    set_metas(connection, {name: value})


def set_metas(connection: sqlite3.Connection, facts: Mapping[str, str]) -> None:
    """Keep several facts about the ledger, in one statement."""
    values = [text for pair in facts.items() for text in pair]
    connection.execute(_SET.format(", ".join(["(?, ?)"] * len(facts))), values)


def read_identity(connection: sqlite3.Connection) -> Identity | None:
    """Return the account and address of a ledger, None before they are set."""
    address = get_meta(connection, "address")
    return None if address is None else Identity(address, get_meta(connection, "account") or "")


def read_kind(connection: sqlite3.Connection) -> JobKind | None:
    """Return what the job of a ledger is of, None before its first line."""
    return None if get_meta(connection, "job") is None else kind_of(get_meta(connection, fact(KIND)))


def set_identity(connection: sqlite3.Connection, identity: Identity) -> None:
    """Keep the account and address of a ledger."""
    set_metas(connection, {"address": identity.address, "account": identity.account})
