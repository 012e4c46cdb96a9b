"""What a job cost: by product and by label, plan against outcome, and to whom it was promised; no I/O."""

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.budget import amount
from xoxo_async.bulk.ledger.lines import LineState, is_taken_back
from xoxo_async.bulk.ledger.overview import Label, LineGroup, ProductNote, Receivers
from xoxo_async.bulk.reporting.words import is_personal, is_secret, masked

__all__ = [
    "Bill",
    "LabelFact",
    "LabelValue",
    "PlanRow",
    "ProductFact",
    "ReceiverFact",
    "bill_of",
    "costs",
    "labels_of",
    "products_of",
    "receivers_of",
]

_CENT: Final = Decimal("0.01")
_MOST_VALUES: Final = 40
_ROWS_A_VALUE: Final = 2
_OUT: Final = frozenset({LineState.CANCELLED})

Charges = dict[str, Decimal]


class ReceiverFact(msgspec.Struct, frozen=True):
    """Placed lines with the same kind of receiver.

    Attributes:
        to: The receiver in words, without the name before the @.
        mailed: Whether the vendor was asked to mail the codes.
        lines: How many.
    """

    to: str
    mailed: bool
    lines: int


class ProductFact(msgspec.Struct, frozen=True, kw_only=True):
    """A product of the job.

    Attributes:
        product_id: Its id; None where the ledger does not say.
        name: Its name; empty where the job was planned without the catalog.
        currency: Of its values; empty where it is not known.
        lines: Lines that were not withdrawn.
        placed: Of these, the placed ones.
        pieces: Vouchers of placed lines; points that were cancelled are not counted.
        face: The value of these, in `currency`.
        charged: What they cost, by currency.
    """

    product_id: int | None
    name: str
    currency: str
    lines: int
    placed: int
    pieces: int
    face: Decimal
    charged: dict[str, Decimal]


class LabelValue(msgspec.Struct, frozen=True):
    """The lines with one value of a label.

    Attributes:
        value: The value; empty for lines without one.
        lines: Lines that were not withdrawn.
        placed: Of these, the placed ones.
        charged: What they cost, by currency.
    """

    value: str
    lines: int
    placed: int
    charged: dict[str, Decimal]


class LabelFact(msgspec.Struct, frozen=True):
    """What groups the lines: their tag, or a column that was kept.

    Attributes:
        name: Its name.
        values: How many different values there are.
        shown: The lines by value; empty where the values are not shown.
        why_not: Why not; empty where they are.
    """

    name: str
    values: int
    shown: list[LabelValue]
    why_not: str


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """Plan against outcome, in the account's currency. Amounts are None where the ledger does not know a price.

    Attributes:
        currency: The account's currency.
        at_most: What all lines could have cost at most, as the plan reserved it.
        face: The vouchers' value at the catalog's rates.
        fees: The catalog's fees on it.
        discounts: The catalog's discounts on it.
        expected: What all lines were expected to cost.
        not_placed: The part of `expected` that belongs to lines which are not placed.
        charged: What placed orders cost, in this currency.
        difference: `charged` minus what these orders were expected to cost.
        untold: Placed orders for which the vendor did not say what they cost; they count as expected.
        foreign: What placed orders cost in other currencies.
        rows: The same by product.
    """

    currency: str
    at_most: Decimal | None
    face: Decimal | None
    fees: Decimal | None
    discounts: Decimal | None
    expected: Decimal | None
    not_placed: Decimal | None
    charged: Decimal
    difference: Decimal | None
    untold: int
    foreign: dict[str, Decimal]
    rows: "list[PlanRow]"


class PlanRow(msgspec.Struct, frozen=True, kw_only=True):
    """Plan against outcome of a product; see `Bill`.

    Attributes:
        product: Its name, or its id.
        expected: What its lines were expected to cost.
        fees: The catalog's fees.
        discounts: The catalog's discounts.
        placed_expected: The part of `expected` that belongs to placed lines.
        charged: What placed orders cost.
        difference: `charged` minus `placed_expected`.
    """

    product: str
    expected: Decimal | None
    fees: Decimal | None
    discounts: Decimal | None
    placed_expected: Decimal | None
    charged: Decimal
    difference: Decimal | None


def receivers_of(receivers: Iterable[Receivers]) -> list[ReceiverFact]:
    """Return to whom placed lines were promised. A domain that fewer than three lines share is not named.

    Args:
        receivers: As the ledger has them.
    """
    sums: dict[tuple[str, bool], int] = {}
    for one in receivers:
        named = one.domain and one.lines > _ROWS_A_VALUE
        words = {"phone": "a phone number only", "none": "nobody: the row names no receiver"}
        to = words.get(one.kind) or (f"addresses at {masked(one.domain)}" if named else "addresses at other domains")
        sums[to, one.mailed] = sums.get((to, one.mailed), 0) + one.lines
    return [ReceiverFact(to, mailed, lines) for (to, mailed), lines in sorted(sums.items(), key=lambda one: -one[1])]


def costs(group: LineGroup) -> bool:
    """Return whether lines are placed and cost something for good: points that were cancelled cost nothing.

    Args:
        group: The lines.
    """
    return group.state is LineState.PLACED and not is_taken_back(group.state, group.delivery, group.currency)


def products_of(groups: Iterable[LineGroup], notes: Mapping[int, ProductNote]) -> list[ProductFact]:
    """Return the products of a job, those with most lines first.

    Args:
        groups: The orders.
        notes: The products as the catalog had them.
    """
    found: dict[int | None, ProductFact] = {}
    for group in groups:
        if group.state in _OUT or not group.lines:
            continue
        note = notes.get(group.product_id or 0)
        one = found.get(group.product_id) or ProductFact(
            product_id=group.product_id,
            name="" if note is None else note.name,
            currency="" if note is None else note.currency,
            lines=0,
            placed=0,
            pieces=0,
            face=Decimal(0),
            charged={},
        )
        placed = group.state is LineState.PLACED
        found[group.product_id] = msgspec.structs.replace(
            one,
            lines=one.lines + group.lines,
            placed=one.placed + (group.lines if placed else 0),
            pieces=one.pieces + (group.pieces if costs(group) else 0),
            face=one.face + (group.denomination * group.pieces if costs(group) else 0),
            charged=_plus(one.charged, group) if placed else one.charged,
        )
    return sorted(found.values(), key=lambda one: (-sum(one.charged.values()), -one.lines, one.product_id or 0))


def _plus(charged: Charges, group: LineGroup) -> Charges:
    """Return charges with those of a group."""
    if group.charged is None:
        return charged
    return charged | {group.currency: charged.get(group.currency, Decimal(0)) + group.charged * group.orders}


def labels_of(labels: Iterable[Label]) -> list[LabelFact]:
    """Return what groups the lines. A label that names persons, or one line each, is no group, and is not shown.

    Args:
        labels: As the ledger has them.
    """
    return [_label(label) for label in labels]


def _label(label: Label) -> LabelFact:
    if label.name != "tag" and is_secret(label.name):
        return LabelFact(label.name, label.values, [], "its name says that it holds codes, or what reaches a person")
    named = [group for group in label.groups if group.value]
    if not label.groups or label.values > _MOST_VALUES:
        return LabelFact(label.name, label.values, [], "it has too many values to be a group")
    if any(is_personal(group.value) for group in label.groups):
        return LabelFact(label.name, label.values, [], "its values look like addresses or phone numbers of persons")
    if named and sum(group.lines for group in named) < _ROWS_A_VALUE * len({group.value for group in named}):
        return LabelFact(label.name, label.values, [], "nearly every row has a value of its own, which may be personal")
    values: dict[str, LabelValue] = {}
    for group in label.groups:
        if group.state in _OUT:
            continue
        value = masked(group.value)
        one = values.get(value) or LabelValue(value, 0, 0, {})
        placed = group.state is LineState.PLACED
        charged = dict(one.charged)
        if placed and group.charged is not None:
            charged[group.currency] = charged.get(group.currency, Decimal(0)) + group.charged * group.lines
        values[value] = LabelValue(value, one.lines + group.lines, one.placed + (group.lines if placed else 0), charged)
    for value, one in values.items():
        charged = {currency: amount.quantize(_CENT, ROUND_HALF_UP) for currency, amount in one.charged.items()}
        values[value] = msgspec.structs.replace(one, charged=charged)
    shown = sorted(values.values(), key=lambda one: (-sum(one.charged.values()), -one.lines, one.value))
    return LabelFact(label.name, label.values, shown, "")


class _Price:
    """What the lines of a product were expected to cost; None where the ledger does not know a price."""

    def __init__(self, note: ProductNote | None, face: Decimal) -> None:
        rate = None if note is None else note.rate
        self.face = None if rate is None else face * rate
        self.fees = None if note is None or self.face is None else self.face * note.fee / 100
        self.discounts = None if note is None or self.face is None else self.face * note.discount / 100

    @property
    def expected(self) -> Decimal | None:
        if self.face is None or self.fees is None or self.discounts is None:
            return None
        return self.face + self.fees - self.discounts


def bill_of(groups: list[LineGroup], notes: Mapping[int, ProductNote], currency: str) -> Bill:
    """Return plan against outcome.

    Args:
        groups: The orders.
        notes: The products as the catalog had them when they were planned.
        currency: The account's currency.
    """
    wanted = [group for group in groups if group.state not in _OUT and group.lines]
    placed = [group for group in wanted if group.state is LineState.PLACED]
    products = list(dict.fromkeys(group.product_id for group in wanted))
    rows = [_plan_row(one, wanted, notes, currency) for one in products]
    prices = [_Price(notes.get(one or 0), _face(wanted, one)) for one in products]
    expected, of_placed = _sum(row.expected for row in rows), _sum(row.placed_expected for row in rows)
    charged = sum((row.charged for row in rows), Decimal(0))
    foreign: Charges = {}
    for group in placed:
        if group.currency != currency:
            foreign = _plus(foreign, group)
    worths = [None if group.worth is None else amount(group.worth) * group.orders for group in wanted]
    return Bill(
        currency=currency,
        at_most=_sum(worths),
        face=_sum(price.face for price in prices),
        fees=_sum(price.fees for price in prices),
        discounts=_sum(price.discounts for price in prices),
        expected=expected,
        not_placed=None if expected is None or of_placed is None else expected - of_placed,
        charged=charged,
        difference=_sum(row.difference for row in rows),
        untold=sum(group.orders for group in placed if group.charged is None),
        foreign=foreign,
        rows=sorted(rows, key=lambda row: -row.charged),
    )


def _plan_row(
    product_id: int | None, groups: list[LineGroup], notes: Mapping[int, ProductNote], currency: str
) -> PlanRow:
    note = notes.get(product_id or 0)
    mine = [group for group in groups if group.product_id == product_id]
    placed = [group for group in mine if costs(group)]
    told = [group for group in placed if group.charged is not None and group.currency == currency]
    plan, of_placed = _Price(note, _face(mine, product_id)), _Price(note, _face(placed, product_id))
    of_told = _Price(note, _face(told, product_id)).expected
    charged = sum((group.charged * group.orders for group in told if group.charged is not None), Decimal(0))
    return PlanRow(
        product=note.name if note is not None and note.name else f"product {product_id or 'not known'}",
        expected=_cents(plan.expected),
        fees=_cents(plan.fees),
        discounts=_cents(plan.discounts),
        placed_expected=_cents(of_placed.expected),
        charged=charged,
        difference=None if of_told is None else _cents(charged - of_told),
    )


def _face(groups: Iterable[LineGroup], product_id: int | None) -> Decimal:
    return sum((group.denomination * group.pieces for group in groups if group.product_id == product_id), Decimal(0))


def _cents(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(_CENT, ROUND_HALF_UP)


def _sum(values: Iterable[Decimal | None]) -> Decimal | None:
    """Return a sum in cents; None if one of the values is not known."""
    total = Decimal(0)
    for value in values:
        if value is None:
            return None
        total += value
    return _cents(total)
