"""A job in groups, for its report: what a store sums up in SQL, and the notes that runs leave about themselves; no I/O.

A report of a million lines must not read them one by one. A store returns groups of lines that are alike, and the
report adds them up.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, Literal

import msgspec

from xoxo_async.bulk.ledger.lines import Counts, Delivery, LedgerLine, LineState

__all__ = [
    "DOMAINS_SHOWN",
    "LABELS_SHOWN",
    "OPEN_SHOWN",
    "OPEN_STATES",
    "Beat",
    "Label",
    "LabelGroup",
    "LineGroup",
    "Overview",
    "PauseMark",
    "Penalty",
    "ProductNote",
    "Receivers",
    "Refused",
    "RunNote",
    "beat_width",
    "bought",
    "notes_of",
    "products_of",
    "receivers_of",
    "with_note",
]

OPEN_STATES: Final = (LineState.MANUAL, LineState.CONFLICT, LineState.UNKNOWN, LineState.SENDING)
"""The states of lines that are in doubt or under way, those for a person first."""

OPEN_SHOWN: Final = 100
"""How many lines of each of these states an overview names, and how many that wait for their codes."""

DOMAINS_SHOWN: Final = 20
"""How many domains of addresses an overview names; the rest it adds up."""

LABELS_SHOWN: Final = 100
"""A label with more values than this is no group, and an overview does not list its values."""

_BEATS: Final = 60
_WIDTHS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_RUNS_KEPT: Final = 40
_PENALTIES_KEPT: Final = 20


class LineGroup(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Orders that are alike.

    Attributes:
        product_id: Their product; None where the request does not say.
        denomination: The value of one piece, in the product's currency.
        state: Their state.
        delivery: Whether their codes have come.
        evidence: The fact that moved them last.
        error_id: The error id of their last refusal.
        currency: Of `charged`.
        charged: What each was charged; None where the vendor did not say.
        worth: What each may cost at most, in ten-thousandths of the account's currency; None if that is not known.
        single: Whether each is one order line, and no shared order.
        orders: How many there are.
        lines: Order lines in them. A shared order that was refused has given its lines back, and has none.
        pieces: Vouchers in them.
    """

    product_id: int | None
    denomination: Decimal
    state: LineState
    delivery: Delivery
    evidence: str
    error_id: str
    currency: str
    charged: Decimal | None
    worth: int | None
    single: bool
    orders: int
    lines: int
    pieces: int


class Receivers(msgspec.Struct, frozen=True, array_like=True):
    """Placed order lines with the same kind of receiver.

    Attributes:
        kind: Whether their orders name an e-mail address, only a phone number, or nobody.
        domain: Of the addresses; empty for the domains that are not named one by one.
        mailed: Whether the vendor was asked to mail the receiver.
        lines: How many there are.
    """

    kind: Literal["email", "phone", "none"]
    domain: str
    mailed: bool
    lines: int


class Beat(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Orders that were first sent in the same stretch of time, and stand alike now.

    Attributes:
        at: When the stretch begins, in epoch seconds; `Overview.width_s` is its length.
        state: Their state now.
        answered_ms: Milliseconds from the claim of each until its answer, rounded down: to 10 below a second, to 100
            below ten, else to 1000. None where no single answer placed it.
        orders: How many there are.
    """

    at: float
    state: LineState
    answered_ms: int | None
    orders: int


class Refused(msgspec.Struct, frozen=True, array_like=True):
    """Order lines with the same error id.

    Attributes:
        state: Their state.
        error_id: The error id; empty without one.
        error: The words of one of the refusals, or the reason that a person gave.
        lines: How many there are.
        row: The first of their rows.
        by_person: Whether it was a person who decided that there is no order, and not the vendor who refused.
    """

    state: LineState
    error_id: str
    error: str
    lines: int
    row: int
    by_person: bool = False


class LabelGroup(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Order lines with the same value of a label that stand alike.

    Attributes:
        value: The value; empty for lines without one.
        state: Their state.
        currency: Of `charged`.
        charged: What each was charged; its part where the order is shared. None where the vendor did not say.
        lines: How many there are.
    """

    value: str
    state: LineState
    currency: str
    charged: Decimal | None
    lines: int


class Label(msgspec.Struct, frozen=True, array_like=True):
    """What rides along with order lines and groups them: their tag, or a column that was kept.

    Attributes:
        name: Its name.
        values: How many different values there are, also the empty one; at least as many where `groups` is empty.
        groups: The lines by value; empty where there are too many values.
    """

    name: str
    values: int
    groups: list[LabelGroup]


class PauseMark(msgspec.Struct, frozen=True, array_like=True):
    """The job was paused, or went on.

    Attributes:
        at: When, in epoch seconds.
        paused: Whether it was paused.
        reason: Why.
    """

    at: float
    paused: bool
    reason: str


class Penalty(msgspec.Struct, frozen=True, array_like=True):
    """The vendor held a run back.

    Attributes:
        at: When that began, in epoch seconds.
        wait_s: For how many seconds.
        what: Which calls: `orders`, `look-ups` or `tokens`.
    """

    at: float
    wait_s: float
    what: str


class RunNote(msgspec.Struct, frozen=True, array_like=True):
    """What a run leaves in the ledger about itself.

    Attributes:
        id: Its name among the notes.
        began_at: When it began, in epoch seconds.
        ended_at: When it ended; None while it works, and after it died.
        rate: Orders a minute that its client may send; None without a limit.
        placed: Order lines that it placed, or found placed.
        end: Why it stopped early, such as `funds`, or the class of the error that ended it; empty otherwise.
        penalties: When the vendor held it back; the first twenty.
    """

    id: str
    began_at: float
    ended_at: float | None = None
    rate: float | None = None
    placed: int = 0
    end: str = ""
    penalties: tuple[Penalty, ...] = ()


class ProductNote(msgspec.Struct, frozen=True, array_like=True):
    """A product as the catalog had it when the job was planned.

    Attributes:
        name: Its name.
        currency: Of its values.
        rate: The value of one unit of `currency` in the account's currency; None where the vendor did not say.
        fee: The vendor's fee, in percent.
        discount: The vendor's discount, in percent.
    """

    name: str
    currency: str
    rate: Decimal | None
    fee: Decimal
    discount: Decimal


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """A job in groups, from one snapshot.

    Attributes:
        counts: The ledger in numbers.
        groups: All orders.
        receivers: Of placed lines: to whom they were promised.
        domains: How many domains of e-mail addresses there are.
        width_s: Seconds that a beat covers.
        beats: All orders that were sent.
        refused: Refused lines, and lines in doubt, by error id.
        labels: What groups the lines: their tag, and the columns that were kept.
        pauses: When the job was paused and went on.
        open: The first lines in doubt or under way, of each state, and then the first that wait for their codes.
    """

    counts: Counts
    groups: list[LineGroup]
    receivers: list[Receivers]
    domains: int
    width_s: int
    beats: list[Beat]
    refused: list[Refused]
    labels: list[Label]
    pauses: list[PauseMark]
    open: list[LedgerLine]


class _Bought(msgspec.Struct):
    productId: int | None = None  # noqa: N815 - the wire's name
    denomination: Decimal = Decimal(0)
    quantity: int = 1


_Kind = Literal["email", "phone", "none"]
_NOBODY: Final[dict[str, _Kind]] = {"": "none", "#": "phone"}
_decode_bought: Final = msgspec.json.Decoder(_Bought).decode
_decode_notes: Final = msgspec.json.Decoder(list[RunNote]).decode
_decode_products: Final = msgspec.json.Decoder(dict[int, ProductNote]).decode


def bought(beginning: str) -> tuple[int | None, Decimal, int]:
    """Return product, denomination and quantity of a stored request.

    Args:
        beginning: The request up to its poNumber, which is the first member that differs between orders.
    """
    text = beginning.rstrip(",")
    try:
        found = _decode_bought(text if text.endswith("}") else text + "}")
    except msgspec.MsgspecError:
        return None, Decimal(0), 1
    return found.productId, found.denomination, found.quantity


def beat_width(first_at: float | None, last_at: float | None) -> int:
    """Return how many seconds a beat covers, so that a job has at most sixty of them, or a whole number of days.

    Args:
        first_at: When the first order was sent; None before that.
        last_at: When the last one was.
    """
    span_s = 0.0 if first_at is None or last_at is None else last_at - first_at
    day = _WIDTHS_S[-1]
    return next((width for width in _WIDTHS_S if span_s < width * (_BEATS - 1)), day * (1 + int(span_s / day / _BEATS)))


def receivers_of(found: Iterable[tuple[str, bool, int]]) -> list[Receivers]:
    """Return the receivers of placed lines; domains that many do not share are added up.

    Args:
        found: What the store found: the domain (`#` for a phone number, empty for nobody), whether the vendor was asked
            to mail, and how many lines; the most frequent first.
    """
    sums: dict[tuple[_Kind, str, bool], int] = {}
    group: tuple[_Kind, str, bool]
    named: set[str] = set()
    for domain, mailed, lines in found:
        if domain in _NOBODY:
            group = (_NOBODY[domain], "", mailed)
        else:
            if len(named) < DOMAINS_SHOWN:
                named.add(domain)
            group = ("email", domain if domain in named else "", mailed)
        sums[group] = sums.get(group, 0) + lines
    return [Receivers(*group, lines) for group, lines in sums.items()]


def notes_of(text: str | None) -> list[RunNote]:
    """Return the notes of runs, oldest first.

    Args:
        text: What the ledger keeps; None is nothing.
    """
    return _decode_notes(text) if text else []


def with_note(text: str | None, note: RunNote) -> str:
    """Return what the ledger keeps after a run has left a note: the latest forty, so that they stay small.

    Args:
        text: What it kept.
        note: The note; it replaces the one that the run left before.
    """
    short = msgspec.structs.replace(note, penalties=note.penalties[:_PENALTIES_KEPT])
    others = [one for one in notes_of(text) if one.id != note.id]
    return msgspec.json.encode([*others, short][-_RUNS_KEPT:]).decode()


def products_of(text: str | None) -> dict[int, ProductNote]:
    """Return the products of a job, by id.

    Args:
        text: What the ledger keeps; None is nothing.
    """
    return _decode_products(text) if text else {}
