"""The notebook of a proof: a private file with what was read so far, so that an interrupted proof goes on.

A proof of a million orders does not fit into memory, so both sets of facts are here, sorted by poNumber. The file holds
no code and no e-mail address. It is removed when the proof is done.
"""

import os
import shlex
import sqlite3
import stat
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import msgspec

from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.bulk.proving.comparing import cases_of
from xoxo_async.bulk.proving.facts import Asked, Case, CreditFacts, LineFacts, OrderFacts
from xoxo_async.bulk.proving.wallet import PaymentFacts
from xoxo_async.errors import BulkError, ConfigError
from xoxo_async.private_files import create

__all__ = ["SCALE", "Notebook", "Range"]

_APPLICATION: Final = 0x786F7076
_VERSION: Final = 4
SCALE: Final = Decimal(1_000_000)
"""Amounts are whole numbers of millionths, so that SQLite adds them exactly."""

_SCHEMA: Final = """
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE line (po TEXT PRIMARY KEY, order_id INTEGER, placed INTEGER NOT NULL, charged INTEGER,
                   body BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX line_order ON line (order_id) WHERE placed;
CREATE TABLE listed (order_id INTEGER PRIMARY KEY, po TEXT, charged INTEGER, day TEXT NOT NULL, shown INTEGER NOT NULL,
                     body BLOB NOT NULL) STRICT;
CREATE INDEX listed_po ON listed (po);
CREATE TABLE asked (po TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE todo (po TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE payment (id TEXT, nth INTEGER, name TEXT NOT NULL, day TEXT NOT NULL, movement TEXT NOT NULL,
                      order_id INTEGER, amount INTEGER, closing INTEGER, about TEXT NOT NULL, reference TEXT NOT NULL,
                      PRIMARY KEY (id, nth)) STRICT, WITHOUT ROWID;
CREATE INDEX payment_order ON payment (order_id);
CREATE TABLE credit (seq INTEGER PRIMARY KEY, reference TEXT NOT NULL, placed INTEGER NOT NULL, worth INTEGER,
                     charged INTEGER, attempts INTEGER NOT NULL, cancelled_at REAL,
                     resent INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL) STRICT;
CREATE INDEX credit_reference ON credit (reference) WHERE placed;
CREATE TABLE loose (name TEXT NOT NULL, day TEXT NOT NULL, amount INTEGER) STRICT;
CREATE INDEX loose_amount ON loose (amount, day);
CREATE TABLE span (kind TEXT, first TEXT, last TEXT NOT NULL, page INTEGER NOT NULL, done INTEGER NOT NULL,
                   PRIMARY KEY (kind, first)) STRICT, WITHOUT ROWID;
"""
_OF_THE_LEDGER: Final = ("line", "todo", "credit")
"""Each proof reads the ledger anew, also one that goes on."""
_KEPT: Final = ("fact", "listed", "asked", "payment", "loose", "span")

_LINE: Final = msgspec.json.Decoder(LineFacts)
_ORDER: Final = msgspec.json.Decoder(OrderFacts)
_ASKED: Final = msgspec.json.Decoder(Asked)


class Range(NamedTuple):
    """A range of days that is read page by page.

    Attributes:
        first: Its first day.
        last: Its last day.
        page: The page that was read last; 0 if none was.
    """

    first: str
    last: str
    page: int


class Notebook:
    """What a proof has read. One process at a time uses it.

    Args:
        path: The file. It is made if it is not there.

    Raises:
        ConfigError: The file is another one's, others may read it, or another proof uses it.
        BulkError: It cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path: Final = path
        _make_private(path)
        with self._failures():
            self._db: Final = sqlite3.connect(path, isolation_level=None, timeout=0.2)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close the file and keep it."""
        self._db.close()

    @contextmanager
    def _failures(self) -> Generator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise ConfigError(f"another proof uses {self.path}: wait for it, or name another file") from error
            raise BulkError(f"the progress of the proof cannot be kept in {self.path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise ConfigError(f"{self.path} is not the progress of a proof: remove it, or name another file") from error

    def _prepare(self) -> None:
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (application,) = self._db.execute("PRAGMA application_id").fetchone()
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if tables and application != _APPLICATION:
            raise ConfigError(f"{self.path} is not the progress of a proof: name another file")
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("BEGIN IMMEDIATE")
        if tables and version != _VERSION:  # of another version of this package: it only saves calls
            for name in (*_OF_THE_LEDGER, *_KEPT):
                self._db.execute(f"DROP TABLE IF EXISTS {name}")
            tables = 0
        if not tables:
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA application_id={_APPLICATION}")
            self._db.execute(f"PRAGMA user_version={_VERSION}")
        for name in _OF_THE_LEDGER:
            self._db.execute(f"DELETE FROM {name}")  # noqa: S608 - a constant
        self._db.execute("COMMIT")

    @contextmanager
    def _write(self) -> Generator[sqlite3.Connection]:
        """Write in one transaction."""
        with self._failures():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def rows(self, sql: str, *values: object) -> Iterator[Any]:
        """Yield the rows of a query."""
        with self._failures(), closing(self._db.execute(sql, values)) as rows:
            yield from rows

    def row(self, sql: str, *values: object) -> Any:
        """Return the first row of a query; None if there is none."""
        with self._failures():
            return self._db.execute(sql, values).fetchone()

    def begin(self, terms: str, *, newest: str, scope: str, ranges: Mapping[str, Iterable[tuple[str, str]]]) -> str:
        """Go on with what an interrupted proof read at the vendor, or forget it if it is of another proof.

        What was read of the ledger since the file was opened stays. All that a proof begins with is one transaction: a
        proof that goes on believes that the noted ranges are all that it has to read.

        Args:
            terms: What the proof is about. Notes with other terms are of another proof.
            newest: The latest send of the ledger. Notes from before it lack orders.
            scope: What a new proof covers.
            ranges: Which ranges of days a new proof has to read, by kind: the first and the last day of each.

        Returns:
            The scope of the proof that goes on, or that begins.
        """
        if self.fact("terms") == terms and self.fact("newest") == newest:
            return self.fact("scope")
        with self._write() as db:
            for name in _KEPT:
                db.execute(f"DELETE FROM {name}")  # noqa: S608 - a constant
            facts = {"terms": terms, "newest": newest, "scope": scope}
            db.executemany("INSERT INTO fact VALUES (?, ?)", facts.items())
            spans = ((kind, first, last) for kind, days in ranges.items() for first, last in days)
            db.executemany("INSERT INTO span VALUES (?, ?, ?, 0, 0)", spans)
        return scope

    def remove(self) -> None:
        """Close the file and remove it."""
        self._db.close()
        for suffix in ("", "-wal", "-shm", "-journal"):
            with suppress(OSError):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    # Facts and ranges.

    def fact(self, name: str, default: str = "") -> str:
        """Return a kept fact."""
        row = self.row("SELECT value FROM fact WHERE name = ?", name)
        return default if row is None else str(row[0])

    def count_call(self, operation: str, calls: int = 1) -> None:
        """Count calls. The counts of an interrupted proof go on."""
        with self._write() as db:
            db.execute(
                "INSERT INTO fact VALUES (?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value",
                (f"calls {operation}", str(calls)),
            )

    def calls(self) -> dict[str, int]:
        """Return the number of calls, by operation."""
        rows = self.rows("SELECT name, value FROM fact WHERE name LIKE 'calls %' ORDER BY name")
        return {name.removeprefix("calls "): int(value) for name, value in rows}

    def next_range(self, kind: str) -> Range | None:
        """Return the first range that is not read to its end."""
        row = self.row("SELECT first, last, page FROM span WHERE kind = ? AND NOT done ORDER BY first", kind)
        return None if row is None else Range(*row)

    # What was read.

    def add_lines(self, lines: Iterable[LineFacts]) -> None:
        """Add lines of the ledger. A row that travels in another order does not replace an order of its own."""
        with self._write() as db:
            for line in lines:
                verb = "REPLACE" if line.lines else "IGNORE"
                placed = line.state == LineState.PLACED and bool(line.lines)
                values = (line.po_number, line.order_id, placed, _whole(line.charged), msgspec.json.encode(line))
                db.execute(f"INSERT OR {verb} INTO line VALUES (?, ?, ?, ?, ?)", values)  # noqa: S608 - constants

    def add_credits(self, credits_: Iterable[CreditFacts]) -> None:
        """Add rows of a ledger of points, links or mails."""
        with self._write() as db:
            for one in credits_:
                line, worth = one.line, _whole(one.worth)
                placed = line.state == LineState.PLACED
                charged, body = _whole(line.charged), msgspec.json.encode(line)
                db.execute(
                    "INSERT OR REPLACE INTO credit (seq, reference, placed, worth, charged, attempts, body)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (one.seq, one.reference, placed, worth, charged, one.attempts, body),
                )

    def add_batches(self, batches: Iterable[tuple[str, int]]) -> None:
        """Note which batch the answer to a row of links named: the batch and the row's number in the ledger."""
        with self._write() as db:
            db.executemany("UPDATE credit SET reference = ? WHERE seq = ? AND placed", batches)

    def add_cancellations(self, cancelled: Iterable[tuple[float, int]]) -> None:
        """Note when points were cancelled: the time in epoch seconds, and the row's number in the ledger."""
        with self._write() as db:
            db.executemany("UPDATE credit SET cancelled_at = ? WHERE seq = ?", cancelled)

    def add_resends(self, resends: Iterable[tuple[int, int]]) -> None:
        """Note that persons had rows sent again. A row that was not sent since then is not noted.

        Args:
            resends: How often the row had been claimed for sending by then, and its number in the ledger.
        """
        with self._write() as db:
            db.executemany("UPDATE credit SET resent = 1 WHERE attempts > ? AND seq = ?", resends)

    def add_loose(self, rows: str, *values: object) -> None:
        """Note which rows of the payment report name nothing of the ledger, in place of those that were noted before.

        Args:
            rows: The query that finds their name, day and amount.
            values: Its values.
        """
        with self._write() as db:
            db.execute("DELETE FROM loose")
            db.execute(f"INSERT INTO loose {rows}", values)

    def add_page(self, place: Range, orders: Sequence[OrderFacts], page: int, *, done: bool) -> int:
        """Add a page of the history; return how many of its orders are new."""
        with self._write() as db:
            new = sum(self._list(db, order, shown=True) for order in orders)
            self._note_page(db, "history", place, page, done=done)
        return new

    def _list(self, db: sqlite3.Connection, order: OrderFacts, *, shown: bool) -> bool:
        values = (order.order_id, order.po_number, _whole(order.charged), order.day, shown, msgspec.json.encode(order))
        if shown:
            known = db.execute("SELECT 1 FROM listed WHERE order_id = ? AND shown", (order.order_id,)).fetchone()
            db.execute("INSERT OR REPLACE INTO listed VALUES (?, ?, ?, ?, ?, ?)", values)
            return known is None
        db.execute("INSERT OR IGNORE INTO listed VALUES (?, ?, ?, ?, ?, ?)", values)
        return False

    def add_payments(self, place: Range, payments: Sequence[tuple[str, PaymentFacts]], page: int, *, done: bool) -> int:
        """Add a page of the payment report; return how many of its rows are new.

        A row that moves to the next page while the report grows comes twice, and is kept once. Equal rows of one page
        are several payments.
        """
        seen: dict[str, int] = {}
        new = 0
        with self._write() as db:
            for name, row in payments:
                nth = seen[name] = seen.get(name, 0) + 1
                if not row.complete:
                    continue
                amounts = (_whole(row.amount), _whole(row.closing))
                values = (row.name, row.day, row.movement, row.order_id, *amounts, row.about, row.reference)
                done_ = db.execute(
                    "INSERT OR IGNORE INTO payment VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (name, nth, *values)
                )
                new += done_.rowcount
            self._note_page(db, "payments", place, page, done=done)
        return new

    def _note_page(self, db: sqlite3.Connection, kind: str, place: Range, page: int, *, done: bool) -> None:
        where = (page, done, kind, place.first)
        db.execute("UPDATE span SET page = ?, done = ? WHERE kind = ? AND first = ?", where)

    def add_todo(self, po_numbers: Iterable[str]) -> int:
        """Note whose orders must be looked up; return how many there are."""
        with self._write() as db:
            db.executemany("INSERT OR IGNORE INTO todo VALUES (?)", ((po,) for po in po_numbers))
        return int(self.row("SELECT count(*) FROM todo")[0])

    def noted(self, po_numbers: Iterable[str]) -> set[str]:
        """Return which of some poNumbers are noted for a look-up, or for another reading."""
        return {po for po in po_numbers if self.row("SELECT 1 FROM todo WHERE po = ?", po) is not None}

    def clear_todo(self) -> None:
        """Forget whose orders were noted."""
        with self._write() as db:
            db.execute("DELETE FROM todo")

    def todo(self, most: int) -> list[LineFacts]:
        """Return some of the lines that are still to be looked up."""
        rows = self.rows("SELECT line.body FROM todo JOIN line USING (po) ORDER BY po LIMIT ?", most)
        return [_LINE.decode(body) for (body,) in rows]

    def add_asked(self, found: Iterable[tuple[str, Asked]], *, calls: int) -> None:
        """Add what look-ups found. Their orders count for the wallet, although the history does not show them."""
        self.count_call("getOrderDetails", calls)
        with self._write() as db:
            for po_number, asked in found:
                db.execute("INSERT OR REPLACE INTO asked VALUES (?, ?)", (po_number, msgspec.json.encode(asked)))
                db.execute("DELETE FROM todo WHERE po = ?", (po_number,))
                for order in (asked.by_po, asked.by_id):
                    if order is not None:
                        self._list(db, order, shown=False)

    # What is compared.

    def cases(self) -> Iterator[Case]:
        """Yield everything that is known about each poNumber, in order of poNumbers."""
        lines = (_LINE.decode(body) for (body,) in self.rows("SELECT body FROM line ORDER BY po"))
        shown = self.rows("SELECT body FROM listed WHERE shown AND po <> '' ORDER BY po, order_id")
        orders = (_ORDER.decode(body) for (body,) in shown)
        return cases_of(lines, orders, order_of=self._order_of, asked_of=self._asked_of)

    def _order_of(self, order_id: int) -> OrderFacts | None:
        row = self.row("SELECT body FROM listed WHERE order_id = ? AND shown", order_id)
        return None if row is None else _ORDER.decode(row[0])

    def _asked_of(self, po_number: str) -> Asked | None:
        row = self.row("SELECT body FROM asked WHERE po = ?", po_number)
        return None if row is None else _ASKED.decode(row[0])

    def nameless(self) -> int:
        """Return how many orders of the history have no poNumber field, which is another thing than an empty one."""
        return int(self.row("SELECT count(*) FROM listed WHERE shown AND po IS NULL")[0])


def _whole(amount: Decimal | None) -> int | None:
    if amount is None:
        return None
    number = int((amount * SCALE).to_integral_value())
    return number if abs(number) < 2**62 else None


def _make_private(path: Path) -> None:
    """Make the file if it is not there; refuse it if others may read it, or if it is no file."""
    try:
        try:
            os.close(create(path))
        except FileExistsError:
            facts = path.lstat()
            if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid():
                raise ConfigError(f"{path} is not this user's own file: name another one") from None
            if facts.st_mode & 0o077:
                close = f"chmod 600 {shlex.quote(str(path))}"
                raise ConfigError(f"others may read {path}: run {close}, or remove it") from None
    except OSError as error:
        raise ConfigError(f"the progress of the proof cannot be kept in {path}: {error.strerror or error}") from error
