"""What one kind of job without a key says of itself: how rows become a call, and what its answer proves of each."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Protocol

import msgspec

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Change, Evidence, LedgerLine
from xoxo_async.errors import ConfigError
from xoxo_async.operation import Operation
from xoxo_async.services.persons import Person

__all__ = ["Body", "Report", "Sending", "digest_of", "doubtful", "encode_body"]

Report = Callable[[str, ConfigError], None]
"""Is called with the column and the error of each field that is wrong."""

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


class Body(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a ledger keeps of a row, and what its call is made of. It never changes.

    Its fields are those by which a ledger counts, groups and shows the lines of any job.

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

    @property
    def unit(self) -> str:
        """What `max_spend` counts: `points`, or the currency of links; empty where nobody knows what a row costs."""
        ...

    def require_terms(self) -> None:
        """Refuse to plan without what every row needs, such as the sender; `resume` needs none of it.

        Raises:
            ConfigError: It names what is missing.
        """
        ...

    def body(self, fields: Mapping[str, object], report: Report) -> Body | None:
        """Check every field of a row but `key` and `kept`, and return what the ledger keeps; None if one is wrong.

        Args:
            fields: Values by the names of the row's struct, from a file or from Python. They may hold any object.
            report: Called for each wrong field.
        """
        ...

    def decode(self, body: str) -> Body:
        """Read what a ledger keeps of a row."""
        ...

    def persons(self, body: Body) -> Sequence[Person]:
        """Return what two rows of a job must not share: whom each column names that names the recipient."""
        ...

    def worth(self, body: Body) -> Decimal | None:
        """Return what the row may cost at most, in `unit`; None if that is not known."""
        ...

    def fit(self, one: LedgerLine, other: LedgerLine) -> bool:
        """Return whether two lines may travel in one call, as far as their bodies say."""
        ...

    def request(self, lines: Sequence[LedgerLine]) -> msgspec.Struct:
        """Return the request of one call for some lines; raises before anything is sent if a body cannot be read."""
        ...

    def changes(self, lines: Sequence[LedgerLine], reply: Any) -> list[Change]:
        """Return what an answer that says success proves of each line, in their order."""
        ...

    def look(self) -> tuple[Operation[Any, Any], msgspec.Struct]:
        """Return a call that reads with the same credentials: its answer shows that the server works."""
        ...

    async def available(self, client: BulkClient) -> Decimal | None:
        """Return what the company can spend, in `unit`; None where the vendor does not tell. One call at most."""
        ...

    def balance_request(self, line: LedgerLine) -> tuple[Operation[Any, Any], msgspec.Struct] | None:
        """Return the call whose reply has the `total` that a line's recipient holds; None where there is none."""
        ...


def encode_body(body: Body) -> bytes:
    """Return a row as a ledger keeps it: always the same bytes for the same row.

    Args:
        body: The row.
    """
    return _ENCODER.encode(body)


def digest_of(request: bytes) -> str:
    """Return the digest of a row, by which a ledger finds out that a row was planned with other contents.

    Args:
        request: The row, as `encode_body` returned it.
    """
    return hashlib.sha256(request).hexdigest()


def doubtful(line: LedgerLine, error: str) -> Change:
    """Return the fact for a line that an answer leaves in doubt: a person decides about it.

    Args:
        line: The line.
        error: Why, in words that a person reads; without an address.
    """
    return Change(seq=line.seq, evidence=Evidence.OUTCOME_LOST, epoch=line.epoch, error=error)
