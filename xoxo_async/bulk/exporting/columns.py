"""The columns of an export, by what the job is of: orders, points, links or mails."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from xoxo_async.bulk.ledger.kinds import JobKind

__all__ = ["COLUMNS", "AnyRow", "Columns", "ExportRow", "LinkRow", "MailRow", "PointsRow", "kept_columns"]


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

    @property
    def cash(self) -> str:
        """What whoever has the row can spend: the code."""
        return self.code


class PointsRow(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One row of an export of points: a recipient.

    Attributes:
        key: The caller's row key.
        row: The row's number in the input.
        state: The state of the row.
        delivery: `delivered` once the recipient has the points, `cancelled` if they were taken back since, `cancelling`
            if that is in doubt; empty before they are sent.
        unique_id: The vendor's id of the credit; None where no answer named it.
        email: The recipient's address.
        name: The recipient's name.
        phone: The recipient's phone; empty for none.
        points: The points of the row.
        citation: The reason, which the recipient reads.
        error: As in `ExportRow`.
        kept: As in `ExportRow`.
    """

    key: str
    row: int
    state: str
    delivery: str
    unique_id: int | None
    email: str
    name: str
    phone: str
    points: str
    citation: str
    error: str
    kept: Mapping[str, str] = {}

    @property
    def cash(self) -> str:
        """Nothing: the points are with the recipient."""
        return ""


class LinkRow(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One row of an export of links: a link, or a row of the job without one.

    Attributes:
        key: The caller's row key.
        row: The row's number in the input.
        state: The state of the row.
        delivery: `delivered` if the row has its links, `pending` if its answer had fewer; empty before they are made.
        campaign: The id of the campaign.
        quantity: Links that the row asks for.
        link: The link, masked unless revealed; empty where there is none.
        value: The value of one link; empty where the vendor does not tell it.
        currency: Of that value.
        valid_to: The last day on which the link is valid.
        error: As in `ExportRow`.
        kept: As in `ExportRow`.
    """

    key: str
    row: int
    state: str
    delivery: str
    campaign: int
    quantity: int
    link: str
    value: str
    currency: str
    valid_to: str
    error: str
    kept: Mapping[str, str] = {}

    @property
    def cash(self) -> str:
        """What whoever has the row can spend: the link."""
        return self.link


class MailRow(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One row of an export of mailed links: an address. The vendor does not show the links that it mails.

    Attributes:
        key: The caller's row key.
        row: The row's number in the input.
        state: The state of the row.
        delivery: `delivered` once the vendor has taken the mail; empty before.
        campaign: The id of the campaign.
        email: The address.
        value: The value of the link; empty where the vendor does not tell it.
        currency: Of that value.
        valid_to: The last day on which the link is valid.
        error: As in `ExportRow`.
        kept: As in `ExportRow`.
    """

    key: str
    row: int
    state: str
    delivery: str
    campaign: int
    email: str
    value: str
    currency: str
    valid_to: str
    error: str
    kept: Mapping[str, str] = {}

    @property
    def cash(self) -> str:
        """Nothing: the link is with the receiver."""
        return ""


AnyRow = ExportRow | PointsRow | LinkRow | MailRow
"""A row of any export."""


class Columns(NamedTuple):
    """The fixed columns of an export; those that ride along with the rows come after them.

    Attributes:
        row: The struct of its rows.
        names: The headings, in order.
        cells: Returns a row as texts, in the order of `names`.
        missing: The headings that the list of what is missing repeats.
        cash: The columns that are masked unless revealed, and exact in CSV.
        numbers: The columns with amounts and counts.
        ids: The columns with numbers that nobody adds up.
        sheet: The name of the sheet in a workbook.
        title: What a workbook is about.
    """

    row: type[AnyRow]
    names: tuple[str, ...]
    cells: Callable[[Any], list[str]]
    missing: tuple[str, ...]
    cash: frozenset[str]
    numbers: frozenset[str]
    ids: frozenset[str]
    sheet: str
    title: str

    @property
    def texts(self) -> frozenset[str]:
        """The columns with texts of the caller or the vendor: all that are neither cash nor a number."""
        return frozenset(self.names) - self.cash - self.numbers - self.ids


def _cells_of_order(row: ExportRow) -> list[str]:
    """Return a row as texts, in the order of its columns: spelled out, since this takes a third of a loop's time."""
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


def _names_of(row: type[AnyRow]) -> tuple[str, ...]:
    return tuple(name for name in row.__struct_fields__ if name != "kept")


def _unkeyed(row: type[AnyRow], *missing: str, numbers: set[str], ids: set[str], sheet: str, title: str) -> Columns:
    names = _names_of(row)

    def cells(one: AnyRow) -> list[str]:
        return ["" if (value := getattr(one, name)) is None else str(value) for name in names]

    begins = ("key", "row", "state", "delivery")
    return Columns(
        row, names, cells, begins + missing, frozenset({"link"} & set(names)), frozenset({"row", *numbers}),
        frozenset(ids), sheet, title,
    )  # fmt: skip


COLUMNS: Final[Mapping[JobKind, Columns]] = {
    JobKind.ORDERS: Columns(
        ExportRow,
        _names_of(ExportRow),
        _cells_of_order,
        (
            "key", "po_number", "order_id", "state", "delivery", "product_id", "denomination", "quantity", "email",
            "tag",
        ),
        cash=frozenset({"code", "pin"}),
        numbers=frozenset({"denomination", "quantity", "amount"}),
        ids=frozenset({"order_id", "product_id"}),
        sheet="codes",
        title="Voucher codes",
    ),
    JobKind.POINTS: _unkeyed(
        PointsRow, "unique_id", "email", "name", "points",
        numbers={"points"}, ids={"unique_id"}, sheet="points", title="Points",
    ),
    JobKind.LINKS: _unkeyed(
        LinkRow, "campaign", "quantity",
        numbers={"quantity", "value"}, ids={"campaign"}, sheet="links", title="Reward links",
    ),
    JobKind.LINK_MAILS: _unkeyed(
        MailRow, "campaign", "email", numbers={"value"}, ids={"campaign"}, sheet="mails", title="Mailed links",
    ),
}  # fmt: skip
"""The columns of the exports of each kind of job."""


def kept_columns(names: Iterable[str], fixed: tuple[str, ...]) -> list[str]:
    """Return the headings of the columns that ride along; one that is named like a fixed column gets a mark.

    No two headings are the same: beside a column `code (kept)`, the column `code` becomes `code (kept 2)`.

    Args:
        names: Their names, as `Ledger.kept_names` gives them.
        fixed: The headings of the fixed columns.
    """
    all_names = list(names)
    taken = {*fixed, *all_names}
    return [_marked(name, taken) if name in fixed else name for name in all_names]


def _marked(name: str, taken: set[str]) -> str:
    marks = itertools.chain(["kept"], (f"kept {number}" for number in itertools.count(2)))
    return next(heading for mark in marks if (heading := f"{name} ({mark})") not in taken)
