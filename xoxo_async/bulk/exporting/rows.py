"""The rows of an export: one for every voucher, one for every order without; which codes are missing, and why."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from xoxo_async.bulk.exporting.cells import is_formula
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Alarm, Delivery, LedgerLine, LineState, PackedLine
from xoxo_async.bulk.ledger.vouchers import StoredCode
from xoxo_async.wire.secrets import mask

__all__ = ["FIXED_COLUMNS", "ExportRow", "Exported", "Made", "MissingCodes", "RowMaker", "cells_of", "kept_columns"]

_NAMED: Final = 20
_IN_DOUBT: Final = frozenset({LineState.SENDING, LineState.UNKNOWN, LineState.CONFLICT, LineState.MANUAL})
_PLACED: Final = LineState.PLACED
_PLANNED: Final = LineState.PLANNED
_DELIVERED: Final = Delivery.DELIVERED
_CANCELLED: Final = Delivery.CANCELLED
_PENDING: Final = Delivery.PENDING
"""Names of their own: a member of an enumeration is looked up slowly, and each row looks several up."""
_NO_CODE: Final = (StoredCode(""),)
_NO_KEPT: Final[Mapping[str, str]] = {}


class ExportRow(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One row of an export: a voucher, or an order without one.

    Attributes:
        key: The caller's row key.
        po_number: The poNumber of its order.
        order_id: The vendor's id of the order; None before one is known.
        state: The state of the line.
        delivery: Whether its codes have come; empty before it is placed.
        product_id: The product.
        denomination: The value of one piece, in the product's currency.
        quantity: Pieces that the row ordered.
        email: The receiver's address; empty where there is none.
        code: The code, masked unless revealed; empty where there is none.
        pin: Its PIN, masked unless revealed.
        valid_to: The last day of the voucher; empty where the vendor gives none.
        amount: The value of the voucher.
        currency: Its currency.
        error: Why the line is in its state, in words: the last refusal or doubt, or the reason that a person gave.
        tag: The tag that the order was placed with; empty where there is none.
        kept: The columns that ride along with the row, see `OrderLine.kept`; left out of JSON where there is none.
    """

    key: str
    po_number: str
    order_id: int | None
    state: str
    delivery: str
    product_id: int
    denomination: str
    quantity: int
    email: str
    code: str
    pin: str
    valid_to: str
    amount: str
    currency: str
    error: str
    tag: str
    kept: Mapping[str, str] = {}


class _Wanted(msgspec.Struct, rename="camel"):
    """What an export shows of a row's request, whatever its kind: an order, points or links."""

    product_id: int
    denomination: Decimal
    quantity: int = 1
    email: str | None = None
    tag: str | None = None


_read: Final = msgspec.json.Decoder(_Wanted).decode

FIXED_COLUMNS: Final[tuple[str, ...]] = tuple(name for name in ExportRow.__struct_fields__ if name != "kept")
"""The columns of every export, in order; those that ride along with the rows come after them."""


def cells_of(row: ExportRow) -> list[str]:
    """Return a row as texts, in the order of `FIXED_COLUMNS`: spelled out, since this takes a third of a loop's time.

    Args:
        row: The row.
    """
    return [
        row.key,
        row.po_number,
        "" if row.order_id is None else str(row.order_id),
        row.state,
        row.delivery,
        str(row.product_id),
        row.denomination,
        str(row.quantity),
        row.email,
        row.code,
        row.pin,
        row.valid_to,
        row.amount,
        row.currency,
        row.error,
        row.tag,
    ]


def kept_columns(names: Iterable[str]) -> list[str]:
    """Return the headings of the columns that ride along; one that is named like a fixed column gets a mark.

    No two headings are the same: beside a column `code (kept)`, the column `code` becomes `code (kept 2)`.

    Args:
        names: Their names, as `Ledger.kept_names` gives them.
    """
    all_names = list(names)
    taken = {*FIXED_COLUMNS, *all_names}
    return [_marked(name, taken) if name in FIXED_COLUMNS else name for name in all_names]


def _marked(name: str, taken: set[str]) -> str:
    marks = itertools.chain(["kept"], (f"kept {number}" for number in itertools.count(2)))
    return next(heading for mark in marks if (heading := f"{name} ({mark})") not in taken)


class MissingCodes(msgspec.Struct, frozen=True):
    """A row of the job whose codes are not all in the file.

    Attributes:
        key: The row's key.
        why: Why they are not.
    """

    key: str
    why: str


class Exported(msgspec.Struct):
    """What an export wrote.

    Attributes:
        rows: Rows.
        codes: Rows with a whole code.
        fetched: Orders whose codes were fetched from the vendor, one call each.
        missing: Rows of the job whose codes are not all in the file, though their order exists or may exist.
        waiting: Orders whose codes are still to be delivered; their rows are among the missing.
        not_sent: Rows of the job that no order was placed for yet.
        formulas: Codes and PINs that a spreadsheet would run: they are written as they are.
        missing_rows: The first twenty of the missing rows.
        alarms: What a person must see before codes are handed out; the first hundred.
        alarms_total: How many alarms there are.
        files: The files that were written: one, or one for each value of the column that the export is split by.
    """

    rows: int = 0
    codes: int = 0
    fetched: int = 0
    missing: int = 0
    waiting: int = 0
    not_sent: int = 0
    formulas: int = 0
    missing_rows: list[MissingCodes] = msgspec.field(default_factory=list)
    alarms: tuple[Alarm, ...] = ()
    alarms_total: int = 0
    files: list[str] = msgspec.field(default_factory=list)


class Made(NamedTuple):
    """A row, and why its line lacks codes.

    Attributes:
        row: The row.
        lacks: Why the line has no code, or not all of them; empty if it lacks none, and in all but its first row.
    """

    row: ExportRow
    lacks: str


class RowMaker:
    """Makes the rows of an export and counts them.

    Args:
        reveal: Whether codes and PINs are written as they are; otherwise they are masked.
        fetches: Whether codes that the ledger does not keep are fetched.
        clean: Makes an error text fit to be shown.
        kind: What the rows are.

    Attributes:
        exported: What was made so far.
    """

    def __init__(
        self, *, reveal: bool, fetches: bool, clean: Callable[[str], str], kind: JobKind = JobKind.ORDERS
    ) -> None:
        self.exported: Final[Exported] = Exported()
        self._reveal: Final = reveal
        self._fetches: Final = fetches
        self._clean: Final = clean
        self._kind: Final = kind
        self._links: Final = kind is JobKind.LINKS

    def rows_of(
        self,
        line: LedgerLine,
        codes: Sequence[StoredCode],
        packed: Sequence[PackedLine],
        *,
        not_fetched: Mapping[int, str],
        kept: Mapping[str, Mapping[str, str]] = {},
    ) -> list[Made]:
        """Return the rows of an order: its own, or those of the lines that share it, each with its own codes.

        Args:
            line: The order.
            codes: Its codes.
            packed: The lines that share it; empty for an order of a single line.
            not_fetched: Why codes that the ledger does not keep could not be fetched, by order.
            kept: The columns that ride along with rows, by key.
        """
        # Links are shown once, by the call that makes them: a row that lacks some waits for nothing.
        self.exported.waiting += line.state is _PLACED and line.delivery is _PENDING and not self._links
        refused = not_fetched.get(line.seq, "")
        made: list[Made] = []
        if line.lines == 1 or (codes and not packed):
            made = self._rows(line, line.key, line.body, codes, line.delivery, refused, kept.get(line.key, _NO_KEPT))
        for one in packed:
            dealt = codes[one.first : one.end]
            # Codes are dealt from the front, so the first lines of a pack have theirs while others still wait.
            delivery = _DELIVERED if one.end <= line.held else line.delivery
            made += self._rows(line, one.key, one.body, dealt, delivery, refused, kept.get(one.key, _NO_KEPT))
        return made

    def _rows(
        self,
        line: LedgerLine,
        key: str,
        request: str,
        codes: Sequence[StoredCode],
        delivery: Delivery,
        refused: str,
        kept: Mapping[str, str],
    ) -> list[Made]:
        wanted = _read(request)
        have = self._count(line, codes)
        # Top-ups, goods and the like are delivered without a code: `held` counts the codes that an answer ever listed.
        due = wanted.quantity if self._links else min(line.held, wanted.quantity)
        error = self._clean(line.error) if line.error else ""
        lacks = ""
        if line.state is not _PLACED or delivery is not _DELIVERED or have < due:
            due_now = _DELIVERED if self._links and delivery is _PENDING else delivery
            why = _why_missing(line.state, due_now, "" if have >= due else refused or self._why_not_all(have, due))
            lacks = why or _why_none(line.state, delivery, error, self._kind)
            if why:
                self._miss(key, why)
        # What the vouchers of an order share is found once: an order may have thousands of them.
        state, value, reveal = str(line.state), f"{wanted.denomination:f}", self._reveal
        made: list[Made] = []
        for code in codes or _NO_CODE:
            row = ExportRow(
                key,
                line.po_number,
                line.order_id,
                state,
                str(delivery),
                wanted.product_id,
                value,
                wanted.quantity,
                wanted.email or "",
                code.code if reveal else mask(code.code),
                code.pin if reveal else mask(code.pin),
                code.valid_to,
                code.amount,
                code.currency,
                error,
                wanted.tag or "",
                kept,
            )
            made.append(Made(row, "" if made else lacks))
        return made

    def _count(self, line: LedgerLine, codes: Sequence[StoredCode]) -> int:
        """Count a row, and return how many codes it has."""
        done = self.exported
        done.rows += len(codes) or 1
        done.not_sent += line.state is _PLANNED
        have = 0
        for code in codes:
            if code.code:
                have += 1
                done.codes += code.whole
            done.formulas += is_formula(code.code) or is_formula(code.pin)
        return have

    def _miss(self, key: str, why: str) -> None:
        done = self.exported
        done.missing += 1
        if len(done.missing_rows) < _NAMED:
            done.missing_rows.append(MissingCodes(key, why))

    def _why_not_all(self, have: int, due: int) -> str:
        if self._links:
            return f"the ledger has {have} of {due} links, and no call gives the others"
        if not self._reveal:
            return "this ledger keeps no codes, and --reveal fetches them"
        if not self._fetches:
            return "this ledger keeps no codes, and no client was given that fetches them"
        return f"the vendor gave {have} of {due} codes"


def _why_missing(state: LineState, delivery: Delivery, not_all: str) -> str:
    """Return why a row lacks codes; empty if it has them all, or none will come.

    Args:
        state: Of the order that the row travels in.
        delivery: Of the row.
        not_all: Why not all codes of a row are here that are due now; empty where all are.
    """
    if state is not _PLACED:
        return f"it is in doubt ({state})" if state in _IN_DOUBT else ""
    if delivery in {_CANCELLED, Delivery.CANCELLING}:
        return ""
    return not_all if delivery is _DELIVERED else "its codes are still to be delivered"


def _why_none(state: LineState, delivery: Delivery, error: str, kind: JobKind) -> str:
    """Return why a row has no codes and will have none as things stand; empty if that is not so.

    Args:
        state: Of the order that the row travels in.
        delivery: Of the row.
        error: The last refusal, or the reason that a person gave.
        kind: What the row is.
    """
    if state is _PLACED:
        if delivery is Delivery.CANCELLING:
            return "it is not known whether it was cancelled"
        if delivery is _CANCELLED:
            return "its points were cancelled" if kind is JobKind.POINTS else "the vendor cancelled its delivery"
        return ""
    words = {
        LineState.PLANNED: "it is not sent yet",
        LineState.REJECTED: "it is rejected",
        LineState.CANCELLED: "it is withdrawn",
    }[state]
    return f"{words}: {error}" if error else words
