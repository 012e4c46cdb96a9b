"""Which rows are the same: within one input by key, poNumber or receiver; in a ledger by another spelling of a key.

A spreadsheet drops the zeros of `00123`, and another program writes `ab1` for `AB1`. Such a file would order every row
a second time, under new keys.
"""

import struct
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final, Protocol

from xoxo_async.bulk.intake.first_rows import FirstRows
from xoxo_async.bulk.intake.keys import alike, folded
from xoxo_async.bulk.intake.lost_zeros import LostZeros
from xoxo_async.bulk.intake.people import MAY_BE, People
from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.rows import Row
from xoxo_async.bulk.ledger.lines import LedgerLine, LineState, PackedLine
from xoxo_async.services.orders.details import AirmilesDetails, ShippingDetails, TopUpDetails
from xoxo_async.services.persons import Person, by_address, by_phone

__all__ = ["FirstKeys", "KeyReader", "KeyedRow", "OtherSpellings", "RepeatedKeys", "Repeats"]

_CHUNK: Final = 500
_ENTRY: Final = struct.Struct("<IH")
"""Before each spelling: its row, and how many bytes it has."""
_DO: Final = "write it so if it is the same row, and give another row a key that differs in more"


class KeyedLine(Protocol):
    """A line of any kind."""

    @property
    def key(self) -> str:
        """The caller's key."""
        ...


class KeyedRow(Protocol):
    """A checked row of any kind."""

    @property
    def number(self) -> int:
        """Its number in the input."""
        ...

    @property
    def line(self) -> KeyedLine:
        """Its line."""
        ...

    @property
    def given(self) -> Mapping[str, object]:
        """The row as it was given."""
        ...


class FirstKeys:
    """The first spelling of each of many keys, and the row that has it: some 40 bytes a key.

    Spellings that `alike` makes equal are one key. The spellings stand one behind the other in one text, since a dict
    of texts takes four times the memory.
    """

    def __init__(self) -> None:
        self._places: Final = FirstRows()
        self._texts = bytearray(1)  # a place is never 0

    @property
    def is_empty(self) -> bool:
        """Whether no key was added."""
        return len(self._texts) == 1

    def add(self, key: str, row: int) -> tuple[int, str] | None:
        """Return the row and the spelling of the same key that was there first; None when the key is new.

        Args:
            key: The key.
            row: The row that holds it.
        """
        plain = alike(key)
        end = len(self._texts)
        place = self._places.first(plain, end)
        if place != end:
            return self._read(place, key, plain)
        text = key.encode("utf-8", "surrogatepass")
        self._texts += _ENTRY.pack(row, len(text)) + text
        return None

    def find(self, key: str) -> str | None:
        """Return the first spelling of a key; None when the key is not there.

        Args:
            key: The key, in any spelling.
        """
        plain = alike(key)
        place = self._places.first(plain, 0)
        found = self._read(place, key, plain) if place else None
        return None if found is None else found[1]

    def _read(self, place: int, key: str, plain: str) -> tuple[int, str] | None:
        """Return the entry at a place; None if it is of another key, which has the same hash by chance."""
        row, length = _ENTRY.unpack_from(self._texts, place)
        start = place + _ENTRY.size
        text = self._texts[start : start + length].decode("utf-8", "surrogatepass")
        return (row, text) if text == key or alike(text) == plain else None


class RepeatedKeys:
    """Finds the rows of one input that have the key of an earlier row.

    A ledger skips a line that it has with the same contents, so a job can be run again. Twice in one input, the same
    key may be two gifts for one person, or a copy by mistake, so a person has to decide.
    """

    def __init__(self) -> None:
        self._keys: Final = FirstKeys()

    def is_new(self, row: KeyedRow, problems: Problems) -> bool:
        """Return whether a row has a key of its own; note the row that has it already.

        Args:
            row: The row.
            problems: Where a repeated key is noted.
        """
        key = row.line.key
        earlier = self._keys.add(key, row.number)
        if earlier is None:
            return True
        first, spelling = earlier
        what = f"{key} is in row {first} already"
        if spelling != key:
            what = f"{key!a} is in row {first} already, in the spelling {spelling!a}; {_DO}"
        problems.add(row.number, what, column="key", value=key, given=row.given)
        return False


class Repeats:
    """Finds the rows of one input of orders that repeat an earlier row.

    Attributes:
        warnings: Rows whose receiver gets the same from an earlier row, under another key; and rows whose key may have
            lost zeros.
    """

    def __init__(self) -> None:
        self.warnings: Final = Problems()
        self._keys: Final = RepeatedKeys()
        self._po_numbers: Final = FirstRows()
        self._people: Final = People()
        self._zeros: Final = LostZeros(self.warnings)

    def is_new(self, row: Row, problems: Problems) -> bool:
        """Return whether a row has a key and a poNumber of its own; note what it repeats.

        Args:
            row: The row.
            problems: Where a repeated key or poNumber is noted.
        """
        number, line = row.number, row.line
        if not self._keys.is_new(row, problems):
            return False
        first = self._po_numbers.first(folded(line.po_number), number) if line.po_number else number
        if first != number:
            what = f"{line.po_number} is in row {first} already"
            problems.add(number, what, column="po_number", value=line.po_number, given=row.given)
            return False
        self._zeros.note(line.key, number)
        self._warn(row)
        return True

    def _warn(self, row: Row) -> None:
        order, number = row.order, row.number
        gift = (order.product_id, order.denomination)
        found = [self._people.first(person, number, gift) for person in _receivers(row)]
        earlier = [one for one in found if one is not None and one.row != number]
        if earlier:
            first = min(earlier, key=lambda one: (one.row, not one.is_sure))
            gets = "gets" if first.is_sure else "may get"
            what = f"its receiver {gets} product {order.product_id} for {order.denomination:f} from row {first.row} too"
            what += "" if first.is_sure else f": {MAY_BE}"
            self.warnings.add(row.number, what, key=row.line.key)


def _receivers(row: Row) -> list[Person]:
    """Return everything that identifies the receiver of a row."""
    line, details = row.line, row.line.details
    found = [by_address(line.email)] if line.email else []
    if details is None and not line.contact:
        return found
    phones = [line.contact or ""]
    if isinstance(details, AirmilesDetails):
        found.append(Person("member", details.loyalty_member_id.strip()))
    elif isinstance(details, TopUpDetails):
        phones.append(f"+{details.phone_code}{details.phone_number}")
    elif isinstance(details, ShippingDetails):
        phones.append(details.contact_no)
    return found + [person for person in map(by_phone, phones) if person is not None]


class KeyReader(Protocol):
    """The methods of a ledger that read keys."""

    def lines(self) -> AsyncIterator[LedgerLine]:
        """Stream all lines."""
        ...

    async def packed(self, orders: Sequence[LedgerLine], /) -> dict[int, list[PackedLine]]:
        """Return the lines of packed orders."""
        ...

    async def find(self, key: str, /) -> LedgerLine | None:
        """Return the line of a key."""
        ...


class OtherSpellings:
    """The keys that a ledger holds in another spelling than a new row: the same key must not be ordered twice.

    A line that was withdrawn does not count: it was never ordered.

    Args:
        ledger: The ledger.
        note: Is called with every line that counts, for what else must not be there twice.
    """

    def __init__(self, ledger: KeyReader, note: Callable[[LedgerLine], None] | None = None) -> None:
        self._ledger: Final = ledger
        self._note: Final = note
        self._keys: Final = FirstKeys()

    @property
    def is_empty(self) -> bool:
        """Whether the ledger holds no key that a row could repeat."""
        return self._keys.is_empty

    async def read(self) -> None:
        """Read every key of the ledger; a million keys take some four seconds.

        Call it inside the plan, in the stream of its lines: there no other plan of the job adds any.
        """
        shared: list[LedgerLine] = []
        async for line in self._ledger.lines():
            if line.state is LineState.CANCELLED:
                continue
            self._keys.add(line.key, line.row)
            if self._note is not None:
                self._note(line)
            if line.lines > 1:
                shared.append(line)
            if len(shared) == _CHUNK:
                await self._note_packed(shared)
                shared = []
        await self._note_packed(shared)

    async def _note_packed(self, orders: list[LedgerLine]) -> None:
        for rows in (await self._ledger.packed(orders)).values():
            for row in rows:
                self._keys.add(row.key, row.row)

    async def other(self, key: str) -> str | None:
        """Return the other spelling in which the ledger holds a key; None when there is none.

        Args:
            key: The key of a row that is to be planned.
        """
        stored = self._keys.find(key)
        if stored is None or stored == key:
            return None
        found = await self._ledger.find(key)  # a ledger may hold both spellings
        return stored if found is None or found.state is LineState.CANCELLED else None

    async def refuses(self, row: KeyedRow, problems: Problems) -> bool:
        """Return whether the ledger holds the key of a row in another spelling; note it.

        Args:
            row: The row.
            problems: Where it is noted.
        """
        key = row.line.key
        stored = await self.other(key)
        if stored is not None:
            what = f"{key!a} is planned already, in the spelling {stored!a}; {_DO}"
            problems.add(row.number, what, column="key", value=key, given=row.given)
        return stored is not None
