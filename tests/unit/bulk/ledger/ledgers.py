"""Ledgers as the tests want them: with lines, held elsewhere, spoilt, or left by a killed process."""

import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from decimal import Decimal
from pathlib import Path

from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine, LineState, PlannedLine
from xoxo_async.bulk.ledger.sqlite.files import create_private
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.ledger.sqlite.schema import build, connect
from xoxo_async.bulk.ledger.sqlite.statements import last_seq

CODES = b'[{"code":"BEARER-CASH"}]'
"""The code of order 7."""


def line(number: int, **other: str) -> PlannedLine:
    """Return a line."""
    facts = {"key": f"k{number}", "po_number": f"po{number}", "digest": f"d{number}"} | other
    return PlannedLine(**facts, request=b'{"n":%d}' % number, row=number)


async def each(lines: Iterable[PlannedLine]) -> AsyncIterator[PlannedLine]:
    """Yield lines."""
    for one in lines:
        yield one


def codes_of_order(order_id: int) -> bytes:
    """Return the codes that `placed` gives an order."""
    return CODES if order_id == 7 else b'[{"code":"BEARER-CASH-%d"}]' % order_id


def placed(one: LedgerLine, order_id: int = 7) -> Change:
    """Return a proof."""
    return Change(
        seq=one.seq,
        evidence=Evidence.ANSWERED_PLACED,
        epoch=one.epoch,
        order_id=order_id,
        delivery=Delivery.DELIVERED,
        amount_charged=Decimal("49.50"),
        currency="INR",
        codes=codes_of_order(order_id),
    )


async def one_placed(path: Path, key: str = "") -> None:
    """Make a ledger with one placed line."""
    async with SqliteLedger(path, codes_key=key) as ledger:
        await ledger.plan("march", each([line(1)]))
        await ledger.record([placed((await ledger.claim(1))[0])])


HOLDER = """
import asyncio, sys
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
async def main():
    async with SqliteLedger(sys.argv[1]) as ledger:
        await ledger.set_fact("a", "b")
        print("held", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


def spoil(path: Path, how: str) -> None:
    """Make something of a file that is no ledger."""
    raw = path.read_bytes()
    path.unlink()
    if how == "directory":
        path.mkdir()
    elif how == "other program":
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE t (x)")
        connection.close()
    else:
        page = bytearray(raw)
        page[4096 * 3 : 4096 * 3 + 600] = b"\xff" * 600
        newer = raw[:60] + (99).to_bytes(4, "big") + raw[64:]
        contents = {"text": b"key,product_id\n" * 30, "empty": b"", "cut": raw[: len(raw) // 2], "stub": raw[:50]}
        path.write_bytes((contents | {"page": bytes(page), "newer": newer})[how])


def killed(path: Path) -> None:
    """Leave a ledger as kill -9 leaves it: placed lines in its `-wal`."""
    script = f"""
import asyncio, os
from tests.unit.bulk.ledger.ledgers import each, line, placed
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
async def main():
    async with SqliteLedger({str(path)!r}) as ledger:
        await ledger.plan("march", each([line(n) for n in range(1, 9)]))
        for n in range(1, 9):
            (one,) = await ledger.claim(1)
            await ledger.record([placed(one, n)])
        os._exit(9)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", script], check=False)
    assert done.returncode == 9


def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection to an empty ledger's database, for a fixture."""
    create_private(path)
    build(path)
    connection = connect(path)
    yield connection
    connection.close()


def in_states(connection: sqlite3.Connection, *states: LineState, delivery: Delivery = Delivery.NONE) -> None:
    """Add a line in each state."""
    for state in states:
        name = f"k{last_seq(connection) + 1}"
        connection.execute(
            "INSERT INTO lines (key, po_number, digest, body, row, state, delivery) VALUES (?, ?, 'd', '{}', 1, ?, ?)",
            (name, name, state.value, delivery.value),
        )


def contents(folder: Path) -> dict[str, bytes]:
    """Return what stands in a ledger's files, SQLite's own notes of who reads aside."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.endswith("-shm")}
