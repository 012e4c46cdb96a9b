"""Which lines share an order, and in which order its codes are dealt to them."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.lines import Pack, PlannedLine

__all__ = ["Packer", "with_places"]

_PO_READABLE: Final = 74
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


class Packer:
    """Gather lines with the same request, except for poNumber and quantity, into orders.

    Attributes:
        open: The lines of orders that are not full yet, by key.
        po_numbers: The same lines, by poNumber.
    """

    def __init__(self) -> None:
        self.open: Final[dict[str, PlannedLine]] = {}
        self.po_numbers: Final[dict[str, PlannedLine]] = {}
        self._kinds: Final[dict[bytes, list[PlannedLine]]] = {}

    def add(self, line: PlannedLine) -> Pack | None:
        """Add a line. Return the order that it filled, or the order without it that it would have overfilled.

        Args:
            line: A line with room for others.
        """
        kind = _kind(line)
        lines = self._kinds.setdefault(kind, [])
        full = sum(other.pieces for other in lines) + line.pieces
        done = None
        if full > line.room and lines:
            done, lines, full = self._closed(kind), self._kinds.setdefault(kind, []), line.pieces
        lines.append(line)
        self.open[line.key] = self.po_numbers[line.po_number] = line
        if done is None and full >= line.room:
            return self._closed(kind)
        return done

    def rest(self) -> Iterator[Pack]:
        """Yield the orders that are not full: no more lines come."""
        for kind in tuple(self._kinds):
            yield self._closed(kind)

    def _closed(self, kind: bytes) -> Pack:
        lines = tuple(self._kinds.pop(kind))
        for line in lines:
            del self.open[line.key], self.po_numbers[line.po_number]
        return Pack(lines[0] if len(lines) == 1 else _order(lines), lines)


def with_places(lines: Iterable[PlannedLine]) -> Iterator[tuple[int, PlannedLine]]:
    """Yield the lines of an order, each with the place of its first voucher among the order's; see `PackedLine.first`.

    Args:
        lines: In the order in which the codes are dealt to them.
    """
    first = 0
    for line in lines:
        yield first, line
        first += line.pieces


def _kind(line: PlannedLine) -> bytes:
    return _request(line, po_number="", quantity=1)


def _request(line: PlannedLine, *, po_number: str, quantity: int) -> bytes:
    """Return the request of a line with another poNumber and quantity."""
    if line.order is None:
        raise ValueError(f"a line with room has its order: {line.key}")
    return _ENCODER.encode(msgspec.structs.replace(line.order, po_number=po_number, quantity=quantity))


def _order(lines: tuple[PlannedLine, ...]) -> PlannedLine:
    """Return the order of several lines; the same lines always make the same order, with the same poNumber."""
    from hashlib import sha256  # noqa: PLC0415 - a slow import, which reading a ledger does not need

    first = lines[0]
    name = sha256("\n".join(line.po_number for line in lines).encode()).hexdigest()[:20]
    po_number = f"{first.po_number[:_PO_READABLE]}-x{len(lines)}-{name}"
    pieces = sum(line.pieces for line in lines)
    request = _request(first, po_number=po_number, quantity=pieces)
    worths = [line.worth for line in lines if line.worth is not None]
    return PlannedLine(
        key=f"{first.key} … {lines[-1].key} ({len(lines)} lines) {name[:8]}",
        po_number=po_number,
        digest=sha256(request).hexdigest(),
        request=request,
        row=first.row,
        worth=sum(worths, Decimal(0)) if len(worths) == len(lines) else None,
        pieces=pieces,
    )
