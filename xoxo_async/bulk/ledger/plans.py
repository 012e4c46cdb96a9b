"""Decide which lines of a plan are new, stored or repeated in a ledger. Uses no database; no I/O.

The steps of a store, all in one transaction; no line of it can be claimed, or seen, before it is committed:

1. `check_job` and `check_identity`. The first plan keeps the job, and `PLANNED_AT`: the wall clock, in epoch seconds.
   The first plan that says so keeps the identity. Each plan keeps its `facts`, as they are after its last line.
2. Note the greatest `seq`. If a line is planned or in doubt, follow in `Seen` which lines the plan names: only
   these can be missing from it.
3. For each chunk: read the lines that the ledger has under its keys and poNumbers, also of earlier chunks and also
   those that share an order, and call `Mixed.add`. Add what it returns: orders, lines of packs with their places (see
   `packing.with_places`), and a journal row (T0) for each order. Where nothing can be packed, a store may insert the
   chunk at once, and look for contradictions only where a key or poNumber was there (`clash`, `repeated`). After the
   last chunk, add `Mixed.rest`.
4. Unless missing lines are kept, find the planned ones that the plan did not name, with those of shared orders one by
   one, and withdraw `keys_to_withdraw`.
5. `doubts_of_plan` for the lines in doubt that are no packs. Those that the plan names again are no longer unwanted.
   Unless missing lines are kept, state `UNWANTED` about the others that are not unwanted yet; count them all.
6. If a line was planned before, or the plan names a line that the ledger had: reprice with `pricing`, and then read the
   backlog as shares for `approve`. Otherwise `approve` gets None: the new lines are all of it, at the plan's prices.
7. If the plan is `restored`, do so now, and not after the plan: a process that dies in between would leave lines that
   are sent without a look-up.
8. Await `approve`; it must not write to the ledger. Commit, also where the caller is cancelled from here on. An error
   anywhere undoes all of this.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from xoxo_async.bulk.ledger.bookkeeping import StoredLine, maybe_sent
from xoxo_async.bulk.ledger.lines import LedgerLine, Pack, PlannedLine
from xoxo_async.bulk.ledger.owners import check_identity, check_job
from xoxo_async.bulk.ledger.packing import Packer
from xoxo_async.bulk.ledger.terms import PlanTerms
from xoxo_async.errors import LedgerConflictError, PlanError

__all__ = [
    "Additions",
    "Mixed",
    "Seen",
    "StoredLine",
    "check_identity",
    "check_job",
    "clash",
    "doubts_of_plan",
    "keys_to_withdraw",
    "repeated",
]

_NAMED: Final = 20


class Seen:
    """The stored lines that a plan names: a bit each, so a million take 125 KB.

    Args:
        last: The greatest `seq` before the plan.
    """

    def __init__(self, last: int) -> None:
        self._last: Final = last
        self._bits: Final = bytearray(last // 8 + 1)
        self._packed: Final[dict[int, int]] = {}

    def add(self, seq: int) -> None:
        """Note a line that is an order by itself."""
        if seq <= self._last:
            self._bits[seq // 8] |= 1 << seq % 8

    def add_packed(self, pack: int, first: int) -> None:
        """Note a line that shares an order, by its first voucher's place there."""
        self._packed[pack] = self._packed.get(pack, 0) | 1 << first

    def __contains__(self, seq: int) -> bool:
        return seq <= self._last and bool(self._bits[seq // 8] & 1 << seq % 8)

    def has_packed(self, pack: int, first: int) -> bool:
        """Return whether a line that shares an order was noted."""
        return bool(self._packed.get(pack, 0) & 1 << first)


class Additions(NamedTuple):
    """What a chunk of a plan adds.

    Attributes:
        lines: How many lines are new.
        alone: New lines that are orders by themselves.
        packs: Orders that are full; one of a single line is that line.
    """

    lines: int
    alone: list[PlannedLine]
    packs: list[Pack]


class Mixed:
    """A plan of which some lines may share an order, or some lines of the ledger do.

    Args:
        before: The greatest `seq` before the plan.
        seen: Notes the lines that the plan names; None if none can be missing from it.
    """

    def __init__(self, before: int, seen: Seen | None) -> None:
        self._before: Final = before
        self._seen: Final = seen
        self._packer: Final = Packer()

    def add(self, lines: Sequence[PlannedLine], stored: Iterable[StoredLine]) -> Additions:
        """Return what a chunk adds.

        Args:
            lines: The chunk.
            stored: What the ledger has under their keys and poNumbers, also of earlier chunks.

        Raises:
            LedgerConflictError: When a line contradicts a stored one.
            PlanError: When rows of one plan repeat each other.
        """
        places = self._skip_stored(lines, stored)
        fresh: dict[str, PlannedLine] = {}
        po_numbers: dict[str, PlannedLine] = {}
        added = Additions(0, [], [])
        twins: list[tuple[str, int, int]] = []
        for place, line in enumerate(lines):
            if place in places:
                continue
            twin = self._packer.open.get(line.key) or fresh.get(line.key)
            if twin is not None:
                if twin.digest != line.digest:
                    raise clash(line.key, line.row, twin.key, twin.row, same_po=False)
                twins.append((line.key, line.row, twin.row))
                continue
            other = self._packer.po_numbers.get(line.po_number) or po_numbers.get(line.po_number)
            if other is not None:
                raise clash(line.key, line.row, other.key, other.row, same_po=True)
            fresh[line.key] = po_numbers[line.po_number] = line
            if not line.room:
                added.alone.append(line)
            elif (pack := self._packer.add(line)) is not None:
                added.packs.append(pack)
        if twins:
            raise repeated(twins)
        return added._replace(lines=len(fresh))

    def rest(self) -> list[Pack]:
        """Return the orders that are not full: no more lines come."""
        return list(self._packer.rest())

    def _skip_stored(self, lines: Sequence[PlannedLine], stored: Iterable[StoredLine]) -> set[int]:
        """Return the places of lines that the ledger has; refuse contradictions, and rows that this plan repeats."""
        places: set[int] = set()
        twins: list[tuple[str, int, int]] = []
        for match in stored:
            line = lines[match.place]
            if (match.key, match.po_number, match.digest) != (line.key, line.po_number, line.digest):
                same_po = match.po_number == line.po_number
                raise clash(line.key, line.row, match.key, match.row, same_po=same_po)
            if match.seq > self._before and match.row != line.row:
                twins.append((line.key, line.row, match.row))
            if self._seen is not None and match.first is None:
                self._seen.add(match.seq)
            elif self._seen is not None and match.first is not None:
                self._seen.add_packed(match.seq, match.first)
            places.add(match.place)
        if twins:
            raise repeated(twins)
        return places


def keys_to_withdraw(missing: Sequence[tuple[str, int]], terms: PlanTerms) -> list[str]:
    """Return the keys of planned lines that are withdrawn, since the plan does not name them.

    Args:
        missing: Key and row of every planned line that the plan does not name.
        terms: The plan's.

    Raises:
        PlanError: When there are some, and the terms refuse missing lines.
        LedgerConflictError: When they may have been sent, since the ledger is restored by this plan.
    """
    if not missing or terms.missing == "keep":
        return []
    if terms.missing == "refuse":
        raise _missing(missing)
    if terms.restored:
        raise maybe_sent()
    return [key for key, _ in missing]


def doubts_of_plan(doubted: Iterable[LedgerLine], seen: Seen) -> tuple[list[int], list[LedgerLine]]:
    """Return the unwanted lines in doubt that a plan names again, and the lines in doubt that it does not name.

    The orders of the latter may exist, so the lines cannot be withdrawn. They are looked up like others, and are not
    sent again. An order that lines share is looked up as a whole, so it is left out here.

    Args:
        doubted: The lines in doubt that are orders by themselves.
        seen: The lines that the plan names.
    """
    again: list[int] = []
    gone: list[LedgerLine] = []
    for line in doubted:
        if line.seq not in seen:
            gone.append(line)
        elif line.unwanted:
            again.append(line.seq)
    return again, gone


def clash(key: str, row: int, old_key: str, old_row: int, *, same_po: bool) -> LedgerConflictError:
    """Return the error for a planned line that contradicts a stored one.

    Args:
        key: The new line's key.
        row: The new line's row.
        old_key: The other one's key.
        old_row: The other one's row.
        same_po: Whether their poNumbers are the same.
    """
    if key != old_key and same_po:
        return LedgerConflictError(
            f"row {row} (key {key}) has the poNumber of row {old_row} (key {old_key}), which is planned already"
        )
    error = LedgerConflictError(
        f"row {row} (key {key}) was planned with other contents (row {old_row}); what is planned never changes"
    )
    error.key = key
    return error


def repeated(rows: Iterable[tuple[str, int, int]]) -> PlanError:
    """Return the error for rows that repeat another one of their plan.

    Args:
        rows: Key, row, and the row that it repeats.
    """
    problems = tuple(f"row {row}, column key: {key} is in row {old} already" for key, row, old in rows)
    return PlanError("rows repeat others, nothing was sent\n  " + "\n  ".join(problems), problems=problems)


def _missing(rows: Sequence[tuple[str, int]]) -> PlanError:
    problems = tuple(f"row {row} (key {key})" for key, row in rows[:_NAMED])
    more = f"\n  … and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
    listed = "\n  ".join(problems)
    return PlanError(
        f"the input lacks {len(rows)} planned {'row' if len(rows) == 1 else 'rows'} of this ledger; nothing"
        f" was sent. Withdraw them (--withdraw-missing), or have them sent (--keep-missing)\n  {listed}{more}",
        problems=problems,
        total=len(rows),
    )
