"""Add the lines of a plan: at once where all of them are new, otherwise after a look at what the database has."""

# ruff: noqa: S608 - the only names put into SQL are this package's own

from collections.abc import Iterable, Sequence
from typing import Final

from xoxo_async.bulk.ledger.budget import units
from xoxo_async.bulk.ledger.kept import KeptNames
from xoxo_async.bulk.ledger.lines import Pack, PlannedLine
from xoxo_async.bulk.ledger.packing import with_places
from xoxo_async.bulk.ledger.plans import Mixed, Seen, StoredLine
from xoxo_async.bulk.ledger.postgres.jobs import JobRow, job_name
from xoxo_async.bulk.ledger.postgres.kept import insert_kept
from xoxo_async.bulk.ledger.postgres.packs import PACKED_FIXED
from xoxo_async.bulk.ledger.tallying import PLANNER
from xoxo_async.errors import LedgerConflictError, LedgerError
from xoxo_async.postgres.driver import DatabaseConnection
from xoxo_async.postgres.failures import FOREIGN, is_repeated

__all__ = ["Adding", "SeenOrdinals"]

_FIXED: Final = (
    "id", "job", "ordinal", "account", "key", "po_number", "digest", "body", "row", "lines", "worth",
)  # fmt: skip
_IDS: Final = "SELECT array_agg(nextval('xoxo.line_id_seq')) FROM generate_series(1, $1)"
_NOTE: Final = (
    "INSERT INTO xoxo.journal (job, line, at, from_state, to_state, transition, evidence, attempts, epoch, worker)"
    f" SELECT $1, line, $2, '', 'planned', 'T0', 'planned', 0, 0, {PLANNER} FROM unnest($3::bigint[]) AS line"
)
_WANTED: Final = "unnest($2::text[], $3::text[]) WITH ORDINALITY AS new (key, po_number, place)"
_OLD: Final = "SELECT new.place, old.key, old.po_number, old.digest, old.row, old.job"
# One branch an index: the same key in this job, the same poNumber in any job of the account; lines, and lines that
# share an order.
_STORED: Final = " UNION ALL ".join(
    f"{_OLD}, {ordinal} AS ordinal, {first} AS first FROM {_WANTED} JOIN {table} AS old ON {condition}{pack}"
    for table, ordinal, first, pack in (
        ("xoxo.line", "old.ordinal", "NULL::integer", ""),
        ("xoxo.packed_line", "pack.ordinal", "old.first", " JOIN xoxo.line AS pack ON pack.id = old.pack"),
    )
    for condition in (
        "old.key = new.key AND old.job = $1",
        "old.po_number = new.po_number AND old.account = $4 AND (old.job <> $1 OR old.key <> new.key)",
    )
)
_ACCOUNT_HAS_PACKS: Final = "SELECT EXISTS (SELECT FROM xoxo.packed_line WHERE account = $1)"


class SeenOrdinals(Seen):
    """The stored lines that a plan names, by ordinal.

    Lines that were added outside a plan have negative ordinals, in no small range: they have no bits, but are few.
    """

    def __init__(self, last: int) -> None:
        super().__init__(last)
        self._others: Final[set[int]] = set()

    def add(self, seq: int) -> None:
        """Note a line that is an order by itself, by its ordinal."""
        if seq < 0:
            self._others.add(seq)
        else:
            super().add(seq)

    def __contains__(self, seq: int) -> bool:
        return seq in self._others if seq < 0 else super().__contains__(seq)


class Adding:
    """The lines that one plan adds.

    Args:
        connection: In the plan's transaction.
        job: The job.
        at: For the journal, in epoch seconds.
        seen: Notes the stored lines that the plan names; None if none can be missing from it.

    Attributes:
        lines: How many lines came.
        added: How many of them are new.
        single: How many orders of one line they make.
        shared: How many orders they share.
        last: The last ordinal.
        kept: The names of the columns that ride along with the lines.
    """

    def __init__(self, connection: DatabaseConnection, job: JobRow, at: float, seen: Seen | None) -> None:
        self.lines: int = 0
        self.added: int = 0
        self.single: int = 0
        self.shared: int = 0
        self.last: int = job.lines
        self.kept: Final = KeptNames()
        self._connection: Final = connection
        self._job: Final = job
        self._at: Final = at
        self._mixed: Final = Mixed(job.lines, seen)
        self._looks = False
        self._packing: bool | None = None

    async def add(self, lines: Sequence[PlannedLine], *, last: bool) -> None:
        """Add a chunk.

        Args:
            lines: The chunk.
            last: Whether no more come: packs that are not full are closed then.

        Raises:
            LedgerConflictError: When a line contradicts a stored one.
            PlanError: When rows of the plan repeat each other.
        """
        self.lines += len(lines)
        if self._packing is None:
            # Indexes keep keys and poNumbers of lines apart, and not from those of lines that share an order.
            self._packing = bool(await self._connection.fetchval(_ACCOUNT_HAS_PACKS, self._job.account))
        self._packing = self._packing or any(line.room for line in lines)
        if not (self._packing or self._looks) and await self._add_new(lines):
            self.added += len(lines)
        else:
            await self._add_mixed(lines)
        if last and self._packing:
            await self._insert_packs(self._mixed.rest())
        self.kept.add(await insert_kept(self._connection, self._job.id, lines))

    async def _add_new(self, lines: Sequence[PlannedLine]) -> bool:
        """Add lines, and return True; change nothing where one of them is there already."""
        try:
            async with self._connection.transaction():
                await self._insert(lines)
        except FOREIGN as error:
            if is_repeated(error):
                return False
            raise
        self.single += len(lines)
        self.last += len(lines)
        return True

    async def _add_mixed(self, lines: Sequence[PlannedLine]) -> None:
        additions = self._mixed.add(lines, await self._find_stored(lines))
        self.added += additions.lines
        # A plan that repeats an earlier one has known lines in most chunks: the next chunk is looked at first, too.
        self._looks = additions.lines < len(lines)
        if additions.alone and not await self._add_new(additions.alone):
            raise LedgerError("another program added some of these rows at the same moment; plan them again")
        await self._insert_packs(additions.packs)

    async def _find_stored(self, lines: Sequence[PlannedLine]) -> list[StoredLine]:
        """Return the stored lines with the keys and poNumbers of some lines; the `seq` of each is its ordinal."""
        keys, po_numbers = [line.key for line in lines], [line.po_number for line in lines]
        found: list[StoredLine] = []
        for row in await self._connection.fetch(_STORED, self._job.id, keys, po_numbers, self._job.account):
            place = row["place"] - 1
            if row["job"] != self._job.id:
                other = await job_name(self._connection, row["job"])
                raise LedgerConflictError(
                    f"row {lines[place].row} (key {lines[place].key}) has the poNumber of row {row['row']} (key"
                    f" {row['key']}) of the job {other!r}, which is planned already"
                )
            found.append(
                StoredLine(place, row["key"], row["po_number"], row["digest"], row["row"], row["ordinal"], row["first"])
            )
        return found

    async def _insert_packs(self, packs: Iterable[Pack]) -> None:
        """Add finished packs; one of a single line is that line."""
        packs = list(packs)
        alone = [pack.order for pack in packs if len(pack.lines) == 1]
        shared = [pack for pack in packs if len(pack.lines) > 1]
        if alone and not await self._add_new(alone):
            raise LedgerError("another program added some of these rows at the same moment; plan them again")
        if not shared:
            return
        ids = await self._insert([pack.order for pack in shared], [len(pack.lines) for pack in shared])
        self.shared += len(shared)
        self.last += len(shared)
        await self._connection.copy_records_to_table(
            "packed_line",
            schema_name="xoxo",
            columns=PACKED_FIXED,
            records=[
                (id_, first, self._job.id, self._job.account, line.pieces, *_fixed(line), units(line.worth))
                for id_, pack in zip(ids, shared, strict=True)
                for first, line in with_places(pack.lines)
            ],
        )

    async def _insert(self, orders: Sequence[PlannedLine], counts: Sequence[int] = ()) -> list[int]:
        """Insert orders with their journal rows; return their numbers.

        Args:
            orders: The orders.
            counts: How many lines travel in each; empty where each is one line.
        """
        if not orders:
            return []
        ids: list[int] = await self._connection.fetchval(_IDS, len(orders))
        job, account, first = self._job.id, self._job.account, self.last + 1
        await self._connection.copy_records_to_table(
            "line",
            schema_name="xoxo",
            columns=_FIXED,
            records=[
                (id_, job, ordinal, account, *_fixed(order), count, units(order.worth))
                for ordinal, (id_, order, count) in enumerate(
                    zip(ids, orders, counts or (1,) * len(orders), strict=True), first
                )
            ],
        )
        await self._connection.execute(_NOTE, job, self._at, ids)
        return ids


def _fixed(line: PlannedLine) -> tuple[str, str, str, str, int]:
    return line.key, line.po_number, line.digest, line.request.decode(), line.row
