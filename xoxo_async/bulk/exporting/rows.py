"""The rows of an export: one for every voucher, one for every order without; which codes are missing, and why."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from xoxo_async.bulk.exporting.cells import is_formula
from xoxo_async.bulk.exporting.columns import AnyRow, ExportRow, LinkRow, MailRow, PointsRow
from xoxo_async.bulk.ledger.budget import amount
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Alarm, Delivery, Evidence, LedgerLine, LineState, PackedLine
from xoxo_async.bulk.ledger.vouchers import StoredCode
from xoxo_async.wire.secrets import mask

__all__ = ["Exported", "Made", "MissingCodes", "RowMaker"]

_NAMED: Final = 20
_IN_DOUBT: Final = frozenset({LineState.SENDING, LineState.UNKNOWN, LineState.CONFLICT, LineState.MANUAL})
_PLACED: Final = LineState.PLACED
_PLANNED: Final = LineState.PLANNED
_DELIVERED: Final = Delivery.DELIVERED
_CANCELLED: Final = Delivery.CANCELLED
_PENDING: Final = Delivery.PENDING
"""Names of their own: a member of an enumeration is looked up slowly, and each row looks several up."""
_BY_A_PERSON: Final = frozenset({Evidence.PERSON_PLACED, Evidence.PERSON_CLOSED})
"""The facts by which a person says that a row of links is done."""
_NO_CODE: Final = (StoredCode(""),)
_NO_KEPT: Final[Mapping[str, str]] = {}


class _Wanted(msgspec.Struct, rename="camel"):
    """What an export shows of the request of an order."""

    product_id: int
    denomination: Decimal
    quantity: int = 1
    email: str | None = None
    tag: str | None = None


class _Unkeyed(_Wanted, rename="camel"):
    """What an export shows of a row of points, links or mails, as the ledger keeps it."""

    name: str = ""
    phone: str | None = None
    citation: str = ""
    expires: str = ""


_ORDER: Final = msgspec.json.Decoder(_Wanted)
_UNKEYED: Final = msgspec.json.Decoder(_Unkeyed)


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

    row: AnyRow
    lacks: str


class RowMaker:
    """Makes the rows of an export and counts them.

    Args:
        reveal: Whether codes and PINs are written as they are; otherwise they are masked.
        fetches: Whether codes that the ledger does not keep are fetched.
        clean: Makes an error text fit to be shown.
        kind: What the rows are.
        unit: The currency of links whose answer named none: the job's.

    Attributes:
        exported: What was made so far.
    """

    def __init__(
        self,
        *,
        reveal: bool,
        fetches: bool,
        clean: Callable[[str], str],
        kind: JobKind = JobKind.ORDERS,
        unit: str = "",
    ) -> None:
        self.exported: Final[Exported] = Exported()
        self._reveal: Final = reveal
        self._fetches: Final = fetches
        self._clean: Final = clean
        self._kind: Final = kind
        self._links: Final = kind is JobKind.LINKS
        self._read: Final = _ORDER.decode if kind is JobKind.ORDERS else _UNKEYED.decode
        self._unit: Final = unit

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
        wanted = self._read(request)
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
        if isinstance(wanted, _Unkeyed):
            found = [self._unkeyed(line, wanted, code.code, len(codes), error, kept) for code in codes or _NO_CODE]
            return [Made(row, "" if place else lacks) for place, row in enumerate(found)]
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

    def _unkeyed(
        self, line: LedgerLine, wanted: _Unkeyed, link: str, links: int, error: str, kept: Mapping[str, str]
    ) -> AnyRow:
        """Return a row of points, links or mails."""
        place = (line.key, line.row, str(line.state), str(line.delivery))
        email = wanted.email or ""
        if self._kind is JobKind.POINTS:
            points = f"{wanted.denomination:f}"
            person = (line.order_id, email, wanted.name, wanted.phone or "")
            return PointsRow(*place, *person, points, wanted.citation, error, kept)
        value, currency = self._worth(line, wanted.quantity, links)
        if self._links:
            shown = link if self._reveal else mask(link)
            asked = (wanted.product_id, wanted.quantity)
            return LinkRow(*place, *asked, shown, value, currency, wanted.expires, error, kept)
        return MailRow(*place, wanted.product_id, email, value, currency, wanted.expires, error, kept)

    def _worth(self, line: LedgerLine, quantity: int, links: int) -> tuple[str, str]:
        """Return the value of one link and its currency: what the answer said, or the campaign when it was planned."""
        worth = None if line.worth is None else amount(line.worth)
        if line.amount_charged is not None and line.currency:
            # A person's word sets the charge to all that the row asks for, and the links that came may be fewer.
            is_whole = line.evidence in _BY_A_PERSON and line.amount_charged == worth
            return f"{line.amount_charged / (quantity if is_whole else links or quantity):f}", line.currency
        return ("", "") if worth is None else (f"{worth / quantity:f}", self._unit)

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
