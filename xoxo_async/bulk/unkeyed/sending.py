"""What one kind of job without a key says of itself: how rows become a call, and what its answer proves of each."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Change, LedgerLine
from xoxo_async.errors import ConfigError
from xoxo_async.operation import Operation

__all__ = ["Body", "Report", "Sending"]

Report = Callable[[str, ConfigError], None]
"""Is called with the column and the error of each field that is wrong."""


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What a ledger keeps of a row, and what its call is made of. It never changes.

    Its first fields are those by which a ledger counts, groups and shows the lines of any job.

    Attributes:
        product_id: 0 for points; the campaign of links.
        denomination: The points, or the value of one link as far as it is known.
        quantity: How many links; 1 for anything else.
        email: The recipient's address.
    """

    product_id: int = 0
    denomination: Decimal = Decimal(0)
    quantity: int = 1
    email: str | None = None


class Sending(Protocol):
    """One kind of job, as `UnkeyedIssuer` sends it."""

    @property
    def kind(self) -> JobKind:
        """What the job is of."""
        ...

    @property
    def row(self) -> type[msgspec.Struct]:
        """The struct of its rows, such as `PointsLine`."""
        ...

    @property
    def operation(self) -> Operation[Any, Any]:
        """The call that it makes; its slots are taken under this name."""
        ...

    def body(self, fields: Mapping[str, object], report: Report) -> Body | None:
        """Check every field of a row but `key` and `kept`, and return what the ledger keeps; None if one is wrong.

        Args:
            fields: Values by the names of the row's struct, from a file or from Python. They may hold any object.
            report: Called for each wrong field.
        """
        ...

    def person(self, body: Body) -> str:
        """Return what two rows of one job must not share, in one spelling: the recipient. Empty where there is none."""
        ...

    def worth(self, body: Body) -> Decimal | None:
        """Return what the row may cost at most, in the unit of `max_spend`; None if that is not known."""
        ...

    def fit(self, one: LedgerLine, other: LedgerLine) -> bool:
        """Return whether two lines may travel in one call."""
        ...

    def request(self, lines: Sequence[LedgerLine]) -> msgspec.Struct:
        """Return the request of one call for some lines; raises before anything is sent if a body cannot be read."""
        ...

    def changes(self, lines: Sequence[LedgerLine], reply: Any) -> list[Change]:
        """Return what an answer that says success proves of each line, in their order."""
        ...
