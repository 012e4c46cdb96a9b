"""Keep the request of a line as what it shares with others, its shape, and what is its own: poNumber and receiver.

The requests of a job are alike: a million of them take 170 MB as they are, and 20 MB in this form. A shape is the text
of a request with a hole for the poNumber and another one for what stands between this and the flags at its end. What
is cut out is put back as it was, so a request that is read is the one that was planned, byte for byte.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.lines import LedgerLine
from xoxo_async.bulk.ledger.sqlite.passing import as_json

__all__ = ["Shapes", "cut"]

_PO_HOLE: Final = "\x01"
_OWN_HOLE: Final = "\x02"
"""Signs that no JSON text holds as they are."""
_PO: Final = '"poNumber":"'
_FLAGS: Final = '","notifyReceiverEmail":'
_MOST: Final = 1000
"""Shapes that a ledger keeps. Where nearly each request has one of its own (an address to ship to), they save nothing:
the rest is kept whole."""

_ADD: Final = "INSERT OR IGNORE INTO shapes (body) SELECT value FROM json_each(?)"
_FIND: Final = "SELECT body, shape FROM shapes WHERE body IN (SELECT value FROM json_each(?))"
_TEXTS: Final = "SELECT shape, body FROM shapes WHERE shape IN (SELECT value FROM json_each(?))"
_COUNT: Final = "SELECT coalesce(max(shape), 0) FROM shapes"


def cut(request: str, po_number: str) -> tuple[str, str] | None:
    """Return the shape of a request, and what is its own beside the poNumber; None where it cannot be cut.

    Args:
        request: The canonical JSON of an order.
        po_number: Its poNumber.
    """
    head, found, rest = request.partition(f'{_PO}{po_number}"')
    if not found or _PO_HOLE in request or _OWN_HOLE in request:
        return None
    head = f'{head}{_PO}{_PO_HOLE}"'
    end = rest.rfind(_FLAGS)
    start = rest.find(':"', 0, max(end, 0)) + 2  # behind the name of the first field
    if start < 2:
        return head + rest, ""
    return f"{head}{rest[:start]}{_OWN_HOLE}{rest[end:]}", rest[start:end]


def _cut_all(requests: Iterable[tuple[str, str]]) -> list[tuple[str, str] | None]:
    """Cut requests, each with its poNumber. Most have the shape of the one before: that is seen in a third of the time.

    The result is that of `cut`: the shape has one beginning and one end that a request can have in common with it.
    """
    cuts: list[tuple[str, str] | None] = []
    shape = head = middle = tail = ""
    for request, po_number in requests:
        if tail and request.endswith(tail):
            start = f"{head}{po_number}{middle}"
            own = request[len(start) : -len(tail)]
            if request.startswith(start) and len(start) + len(tail) <= len(request) and not _has_hole(po_number, own):
                cuts.append((shape, own))
                continue
        one = cut(request, po_number)
        cuts.append(one)
        if one is not None and _OWN_HOLE in one[0]:
            shape = one[0]
            head, _, rest = shape.partition(_PO_HOLE)
            middle, _, tail = rest.partition(_OWN_HOLE)
    return cuts


def _has_hole(po_number: str, own: str) -> bool:
    return _PO_HOLE in own or _OWN_HOLE in own or _PO_HOLE in po_number or _OWN_HOLE in po_number


class Shapes:
    """The shapes of one ledger. It remembers those it has seen, as long as no transaction fails."""

    def __init__(self) -> None:
        self._known: Final[dict[str, int]] = {}
        self._texts: Final[dict[int, str]] = {}
        self._full = False

    def forget(self) -> None:
        """Forget what was seen: a transaction was undone, and its shapes with it."""
        self._known.clear()
        self._texts.clear()
        self._full = False

    def keep(self, connection: sqlite3.Connection, requests: Sequence[tuple[str, str]]) -> list[tuple[int | None, str]]:
        """Return some requests as they are to be kept, and keep their shapes.

        Args:
            connection: In a transaction that writes.
            requests: Each request, and its poNumber.

        Returns:
            For each the number of its shape, and what is its own; None and the whole request where it has no shape.
        """
        cuts = _cut_all(requests)
        self._add(connection, {one[0] for one in cuts if one is not None}.difference(self._known))
        kept: list[tuple[int | None, str]] = []
        for (request, _), one in zip(requests, cuts, strict=True):
            shape = None if one is None else self._known.get(one[0])
            kept.append((None, request) if one is None or shape is None else (shape, one[1]))
        return kept

    def fill(self, connection: sqlite3.Connection, lines: Sequence[LedgerLine], shapes: Sequence[int]) -> None:
        """Make the requests of lines of what is their own, as the view `orders` does.

        Args:
            connection: In a transaction.
            lines: Lines that nobody else has yet, each with what is its own as its `body`.
            shapes: The number of each line's shape; 0 where `body` is the whole request.
        """
        if new := set(shapes).difference(self._texts, (0,)):
            self._texts.update(connection.execute(_TEXTS, (as_json(list(new)),)).fetchall())
        for line, shape in zip(lines, shapes, strict=True):
            if shape:
                request = self._texts[shape].replace(_PO_HOLE, line.po_number).replace(_OWN_HOLE, line.body)
                msgspec.structs.force_setattr(line, "body", request)  # a copy of its fields takes four times as long

    def _add(self, connection: sqlite3.Connection, new: Iterable[str]) -> None:
        wanted = sorted(new)
        if not wanted or self._full:
            return
        room = _MOST - int(connection.execute(_COUNT).fetchone()[0])
        if room > 0:
            connection.execute(_ADD, (as_json(wanted[:room]),))
        self._full = room <= len(wanted)
        self._known.update(connection.execute(_FIND, (as_json(wanted),)).fetchall())
