"""How rows of points become one sendBalance call, and which credit of its answer is whose."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import POINTS, Change, Delivery, Evidence, LedgerLine
from xoxo_async.bulk.ledger.table import MAX_ORDER_ID
from xoxo_async.bulk.unkeyed.lines import PointsLine
from xoxo_async.bulk.unkeyed.point_checks import check_points
from xoxo_async.bulk.unkeyed.sending import Body, Report, doubtful
from xoxo_async.errors import ApiError, ConfigError
from xoxo_async.operation import Operation
from xoxo_async.services import checks
from xoxo_async.services.persons import Person, by_address, by_phone, same_address
from xoxo_async.services.points import (
    GET_POINTS,
    SEND_POINTS,
    PointsCredit,
    PointsRequest,
    PointsSent,
    SendRequest,
    WireRecipient,
)

__all__ = ["PointsBody", "PointsSending"]

_MOST_MONTHS: Final = 1200


class PointsBody(Body, frozen=True, kw_only=True):
    """One credit as a ledger keeps it.

    Attributes:
        name: The recipient's name.
        phone: The recipient's phone; never sent.
        citation: The reason, which the recipient reads.
        sender_email: The super admin's address.
        expiry_month: After how many months the points expire.
    """

    name: str = ""
    phone: str | None = None
    citation: str = ""
    sender_email: str = ""
    expiry_month: int | None = None


_BODY: Final = msgspec.json.Decoder(PointsBody)


class PointsSending:
    """Points: each row is a credit to one address.

    Args:
        sender_email: The address of the account's super admin; only planning needs it.
        expiry_month: After how many months the points expire.
    """

    def __init__(self, sender_email: str = "", expiry_month: int | None = None) -> None:
        self.kind: Final = JobKind.POINTS
        self.row: Final = PointsLine
        self.operation: Final[Operation[Any, Any]] = SEND_POINTS
        self.unit: Final = POINTS
        self._sender: Final = (checks.email("sender_email", sender_email) or "") if sender_email else ""
        self._months: Final = (
            None if expiry_month is None else checks.whole("expiry_month", expiry_month, high=_MOST_MONTHS)
        )

    def require_terms(self) -> None:
        """Refuse to plan without a sender.

        Raises:
            ConfigError: There is none.
        """
        if not self._sender:
            raise ConfigError("sender_email is missing: the vendor sends points from the account's super admin")

    def body(self, fields: Mapping[str, object], report: Report) -> PointsBody | None:
        """Check the fields of a row; see `Sending.body`.

        Args:
            fields: Values by the names of `PointsLine`.
            report: Called for each wrong field.
        """
        found = check_points(fields, report)
        if found is None:
            return None
        return PointsBody(
            denomination=found.amount,
            email=found.email,
            name=found.name,
            phone=found.phone or None,
            citation=found.citation,
            sender_email=self._sender,
            expiry_month=self._months,
        )

    def decode(self, body: str) -> PointsBody:
        """Read a credit as a ledger keeps it.

        Args:
            body: See `LedgerLine.body`.
        """
        return _BODY.decode(body)

    def persons(self, body: Body) -> Sequence[Person]:
        """Return whom the address names, and whom the phone.

        Args:
            body: The credit.
        """
        address = by_address(body.email or "")
        phone = by_phone(body.phone or "") if isinstance(body, PointsBody) else None
        return (address,) if phone is None else (address, phone)

    def worth(self, body: Body) -> Decimal:
        """Return the points of a credit.

        Args:
            body: The credit.
        """
        return body.denomination

    def fit(self, one: LedgerLine, other: LedgerLine) -> bool:
        """Return whether two credits have the same sender and the same expiry: a call has one of each.

        Args:
            one: A line.
            other: Another line.
        """
        first, second = self.decode(one.body), self.decode(other.body)
        return (first.sender_email, first.expiry_month) == (second.sender_email, second.expiry_month)

    def request(self, lines: Sequence[LedgerLine]) -> SendRequest:
        """Return the call of some credits.

        Args:
            lines: Their lines, which `fit`.
        """
        bodies = [self.decode(line.body) for line in lines]
        recipients = tuple(
            WireRecipient(body.name, body.email or "", f"{body.denomination:f}", body.citation) for body in bodies
        )
        return SendRequest(bodies[0].sender_email, recipients, bodies[0].expiry_month)

    def changes(self, lines: Sequence[LedgerLine], reply: PointsSent) -> list[Change]:
        """Return what an answer proves of each row: each credit belongs to one row at most.

        An answer without any credit says that all was done; the vendor's quick start shows it so. One that has credits
        for some rows only leaves the others in doubt. One that has more credits than rows leaves all of them in doubt:
        somebody may have got points that nobody asked for, or it is the answer to another call.

        Args:
            lines: The rows of the call.
            reply: The answer.
        """
        left = list(reply.recipients)
        bodies = [self.decode(line.body) for line in lines]
        if not left:
            return [_credited(line, body, None) for line, body in zip(lines, bodies, strict=True)]
        if len(left) > len(lines):
            return [_of_too_many(line, body, left) for line, body in zip(lines, bodies, strict=True)]
        if not any(credit.email for credit in left):
            return _by_place(lines, bodies, left)
        changes: list[Change] = []
        for line, body in zip(lines, bodies, strict=True):
            mine = next((credit for credit in left if _is_for(credit, body)), None)
            if mine is None:
                changes.append(doubtful(line, _missing(body, reply.recipients)))
            else:
                left.remove(mine)
                changes.append(_credited(line, body, mine))
        return changes

    def look(self) -> tuple[Operation[Any, Any], msgspec.Struct]:
        """Return a look at a balance: any answer shows that the server works."""
        return GET_POINTS, PointsRequest(email=self._sender or "nobody@example.com")

    async def available(self, client: BulkClient) -> Decimal | None:
        """Return the company's points, as getBalance tells them; None where it does not, or not for this account.

        No page says whether the company's credentials, which points need, may read the balance of rewards.

        Args:
            client: Reads the balance.
        """
        try:
            return (await client.account.get_balance()).points
        except ApiError as error:
            if error.retryable:
                raise
            return None

    def balance_request(self, line: LedgerLine) -> tuple[Operation[Any, Any], msgspec.Struct]:
        """Return the look at the recipient's points.

        Args:
            line: The recipient's line.
        """
        body = self.decode(line.body)
        return GET_POINTS, PointsRequest(email=body.email)


def _is_for(credit: PointsCredit, body: PointsBody) -> bool:
    """Return whether a credit is a row's: the address and the points agree."""
    return same_address(credit.email or "") == same_address(body.email or "") and credit.points in {
        None,
        body.denomination,
    }


def _missing(body: PointsBody, answered: Sequence[PointsCredit]) -> str:
    """Return why a row has no credit in an answer, without its address."""
    mine = same_address(body.email or "")
    others = [credit.points for credit in answered if same_address(credit.email or "") == mine]
    if others and others[0] is not None:
        return f"the answer credits {others[0]:f} points to this address, and {body.denomination:f} were asked for"
    return "the answer has credits for other rows of the call and none for this one"


def _by_place(
    lines: Sequence[LedgerLine], bodies: Sequence[PointsBody], answered: Sequence[PointsCredit]
) -> list[Change]:
    """Return what an answer proves whose credits have no address: as many as rows, with their points in their order."""
    agree = len(answered) == len(lines) and all(
        credit.points in {None, body.denomination} for credit, body in zip(answered, bodies, strict=False)
    )
    if not agree:
        why = "the answer has credits without an address, and they are not those that were asked for"
        return [doubtful(line, why) for line in lines]
    return [_credited(line, body, credit) for line, body, credit in zip(lines, bodies, answered, strict=True)]


def _of_too_many(line: LedgerLine, body: PointsBody, answered: Sequence[PointsCredit]) -> Change:
    """Return the doubt of a row whose call was answered with more credits than it has rows."""
    ids = [str(credit.unique_id) for credit in answered if credit.unique_id and _is_for(credit, body)]
    own = f"; for this row it has the unique id {', '.join(ids)}" if ids else ""
    return doubtful(line, f"the answer has {len(answered)} credits, and fewer were asked for{own}")


def _credited(line: LedgerLine, body: PointsBody, credit: PointsCredit | None) -> Change:
    """Return the fact that a row has its points, with the id of the credit where the answer has one."""
    if credit is not None and credit.success is False:
        return doubtful(line, "the answer names this credit, and says that it was not made")
    unique_id = None if credit is None else credit.unique_id
    named = unique_id is not None and 0 < unique_id <= MAX_ORDER_ID
    return Change(
        seq=line.seq,
        evidence=Evidence.ANSWERED_PLACED if named else Evidence.ANSWERED_DONE,
        epoch=line.epoch,
        order_id=unique_id if named else None,
        delivery=Delivery.DELIVERED,
        amount_charged=body.denomination,
        currency=POINTS,
    )
