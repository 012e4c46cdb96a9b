"""Reward points. The calls that send or cancel points have no key, so the SDK never repeats them."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar, Final

import msgspec

from xoxo_async.errors import ArgumentError
from xoxo_async.operation import Dispatch, EffectClass, Layout, Operation, SuccessFlag
from xoxo_async.services import checks
from xoxo_async.wire.replies import Part, Reply
from xoxo_async.wire.scalars import to_text
from xoxo_async.wire.secrets import Masked, Private

__all__ = [
    "CANCEL_POINTS",
    "GET_POINTS",
    "SEND_POINTS",
    "PointService",
    "PointsBalance",
    "PointsCancelled",
    "PointsCredit",
    "PointsRecipient",
    "PointsSent",
    "PointsWithdrawal",
]


class PointsBalance(Reply, frozen=True, kw_only=True, omit_defaults=True):
    """The points of one user.

    Attributes:
        total: The number of points.
    """

    total: Decimal


class PointsRecipient(Private, frozen=True, kw_only=True):
    """A receiver of points.

    Attributes:
        name: The receiver's name.
        email: The receiver's e-mail address.
        amount: The number of points: a whole number above 0. A fraction is refused before anything is sent.
        citation: The reason, which the receiver reads.
    """

    personal: ClassVar[frozenset[str]] = frozenset({"name", "email"})

    name: str
    email: str
    amount: Decimal | int | str
    citation: str = ""


class PointsCredit(Part, frozen=True, kw_only=True, omit_defaults=True):
    """The points that one receiver got.

    Attributes:
        unique_id: The id of the credit. Keep it, because `cancel` needs it.
        points: The number of points.
        success: False if the answer says that this credit was not made. No page of the vendor's shows the field here,
            but the results of `cancel` have it.
    """

    personal: ClassVar[frozenset[str]] = frozenset({"email", "name", "phone_code", "phone_number"})

    unique_id: int | None = None
    points: Decimal | None = None
    success: bool | None = None
    email_: Masked | None = msgspec.field(default=None, name="email")
    name_: Masked | None = msgspec.field(default=None, name="name")
    phone_code_: Masked | None = msgspec.field(default=None, name="phone_code")
    phone_number_: Masked | None = msgspec.field(default=None, name="phone_number")

    @property
    def email(self) -> str | None:
        """The receiver's e-mail address."""
        return to_text(self.email_)

    @property
    def name(self) -> str | None:
        """The receiver's name."""
        return to_text(self.name_)

    @property
    def phone_code(self) -> str | None:
        """The dialling code of the receiver's phone."""
        return to_text(self.phone_code_)

    @property
    def phone_number(self) -> str | None:
        """The receiver's phone number."""
        return to_text(self.phone_number_)


class PointsSent(Reply, frozen=True, kw_only=True, omit_defaults=True):
    """The vendor's answer to one `send` call.

    Attributes:
        error: False; a failure is raised.
        message: The vendor's text.
    """

    error: Any = None
    message: str | None = None
    recipients_: tuple[PointsCredit, ...] = msgspec.field(default=(), name="recipients")
    # The vendor's field table has the fields of one receiver beside the flag, and the OpenAPI file has a list (wire
    # documentation § 4.10).
    unique_id_: int | None = msgspec.field(default=None, name="unique_id")
    points_: Decimal | None = msgspec.field(default=None, name="points")
    email_: Masked | None = msgspec.field(default=None, name="email")
    name_: Masked | None = msgspec.field(default=None, name="name")
    phone_code_: Masked | None = msgspec.field(default=None, name="phone_code")
    phone_number_: Masked | None = msgspec.field(default=None, name="phone_number")

    @property
    def recipients(self) -> tuple[PointsCredit, ...]:
        """One credit for each receiver. An answer without credits gives none, and then `cancel` has no id."""
        if self.recipients_ or self.unique_id_ is None:
            return self.recipients_
        only = PointsCredit(
            unique_id=self.unique_id_,
            points=self.points_,
            email_=self.email_,
            name_=self.name_,
            phone_code_=self.phone_code_,
            phone_number_=self.phone_number_,
        )
        return (only,)


class PointsWithdrawal(Part, frozen=True, kw_only=True, omit_defaults=True):
    """The result of one cancellation.

    Attributes:
        unique_id: The id of the credit.
        success: Whether the credit was cancelled. Check it for each credit, because the whole answer does not say it.
        message: The vendor's text.
    """

    unique_id: int | None = None
    success: bool = False
    message: str | None = None


class PointsCancelled(Reply, frozen=True, kw_only=True, omit_defaults=True):
    """The vendor's answer to one `cancel` call.

    Attributes:
        error: False, even where single cancellations failed.
        message: The vendor's text.
    """

    error: Any = None
    message: str | None = None
    recipients_: tuple[PointsWithdrawal, ...] = msgspec.field(default=(), name="recipients")
    # As in `PointsSent`, the flat form has the fields of one result beside the flag.
    unique_id_: int | None = msgspec.field(default=None, name="unique_id")
    success_: bool | None = msgspec.field(default=None, name="success")

    @property
    def recipients(self) -> tuple[PointsWithdrawal, ...]:
        """One result for each credit."""
        if self.recipients_ or self.unique_id_ is None:
            return self.recipients_
        only = PointsWithdrawal(unique_id=self.unique_id_, success=bool(self.success_), message=self.message)
        return (only,)


class PointsRequest(Private, frozen=True, omit_defaults=True):
    """The request of user_balance."""

    personal: ClassVar[frozenset[str]] = frozenset({"email", "phone"})

    email: str | None = None
    phone: str | None = None


class WireRecipient(Private, frozen=True):
    """A receiver on the wire, where the amount is a string (wire documentation § 4.10)."""

    personal: ClassVar[frozenset[str]] = frozenset({"to_name", "to_email", "citation"})

    to_name: str
    to_email: str
    amount: str
    citation: str


class SendRequest(Private, frozen=True, omit_defaults=True):
    """The request of sendBalance."""

    personal: ClassVar[frozenset[str]] = frozenset({"sender_email"})

    sender_email: str
    recipients: tuple[WireRecipient, ...]
    expiry_month: int | None = None


class Credit(msgspec.Struct, frozen=True):
    """A credit to cancel."""

    unique_id: int


class CancelRequest(msgspec.Struct, frozen=True):
    """The request of cancelBalance."""

    recipients: tuple[Credit, ...]


GET_POINTS: Final = Operation(
    "user_balance",
    query="storesAdmin.query.user_balance",
    tag="storeAdmin",  # the vendor's spelling: the query has an s more than the tag (wire documentation § 4)
    root="user_data",
    request=PointsRequest,
    reply=PointsBalance,
    flag=SuccessFlag.SUCCESS_1,
    effect=EffectClass.READ,
    loose=True,  # the documented failure has no operation's key under `data` (wire documentation § 4.10)
    proof=("total",),
)

SEND_POINTS: Final = Operation(
    "sendBalance",
    query="storesAdmin.mutation.sendBalance",
    tag="storeAdmin",
    root="recipients_data",
    request=SendRequest,
    reply=PointsSent,
    layout=Layout.FLAT,
    flag=SuccessFlag.ERROR_FALSE,
    effect=EffectClass.UNKEYED,
    loose=True,  # the vendor's playground shows a flat answer (wire documentation § 4.10)
    proof=("unique_id",),  # the vendor's field table has the fields of a credit and no flag
)

CANCEL_POINTS: Final = Operation(
    "cancelBalance",
    query="storesAdmin.mutation.cancelBalance",
    tag="storeAdmin",
    root="recipients_data",
    request=CancelRequest,
    reply=PointsCancelled,
    layout=Layout.FLAT,
    flag=SuccessFlag.ERROR_FALSE,
    effect=EffectClass.UNKEYED,
    loose=True,  # flat answers, as for sendBalance
    proof=("unique_id",),
)


class PointService:
    """Send points and cancel them. The calls need credentials of the company family."""

    def __init__(self, dispatch: Dispatch) -> None:
        """Take what runs operations; `XoxoClient` does this.

        Args:
            dispatch: Runs operations.
        """
        self._dispatch: Final = dispatch

    async def get_balance(self, *, email: str | None = None, phone: str | None = None) -> PointsBalance:
        """Read the points of one user. Moves no points; one call.

        Args:
            email: The user's e-mail address. Give it or `phone`.
            phone: The user's phone number.

        Returns:
            The balance.

        Raises:
            ConfigError: Both or neither is given.
            RefusedError: The vendor knows no such user.
            XoxoError: The call failed.

        Example:
            ```python
            balance = await xoxo.points.get_balance(email="jane@example.com")
            ```
        """
        checks.one_of(("email", "phone"), email, phone)
        request = PointsRequest(checks.email("email", email), checks.phone("phone", phone))
        return await self._dispatch(GET_POINTS, request)

    async def send(
        self, *, sender_email: str, recipients: Sequence[PointsRecipient], expiry_month: int | None = None
    ) -> PointsSent:
        """Send points. Moves points to all receivers at once; the SDK never repeats the call by itself.

        The API has no look-up for points. After a lost answer only the vendor's dashboard shows whether they were sent.

        Args:
            sender_email: The e-mail address of the account's super admin.
            recipients: The receivers.
            expiry_month: The number of months after which the points expire.

        Returns:
            The credits of the receivers.

        Raises:
            ConfigError: An argument is wrong; nothing was sent.
            OutcomeUnknownError: The answer was lost. Look in the dashboard before you send the points again.
            XoxoError: The call failed; see `effect`.

        Example:
            ```python
            await xoxo.points.send(sender_email="admin@example.com", recipients=[
                PointsRecipient(name="Jane", email="jane@example.com", amount=500)])
            ```
        """
        if not recipients:
            raise ArgumentError("recipients must hold at least one receiver")
        request = SendRequest(
            _address("sender_email", sender_email),
            tuple(_recipient(index, recipient) for index, recipient in enumerate(recipients)),
            None if expiry_month is None else checks.whole("expiry_month", expiry_month, high=1200),
        )
        return await self._dispatch(SEND_POINTS, request)

    async def cancel(self, unique_ids: Sequence[int]) -> PointsCancelled:
        """Cancel points. Moves points; the SDK never repeats the call by itself.

        Args:
            unique_ids: The ids of the credits, from `PointsSent`.

        Returns:
            One result for each credit. Check each `success`.

        Raises:
            ConfigError: An argument is wrong; nothing was sent.
            OutcomeUnknownError: The answer was lost, and the vendor may have cancelled the points.
            XoxoError: The call failed; see `effect`.

        Example:
            ```python
            result = await xoxo.points.cancel([987654321])
            ```
        """
        if not unique_ids or isinstance(unique_ids, str):
            raise ArgumentError("unique_ids must be a list of at least one id")
        request = CancelRequest(tuple(Credit(checks.whole("unique_ids", unique_id)) for unique_id in unique_ids))
        return await self._dispatch(CANCEL_POINTS, request)


def _recipient(index: int, recipient: PointsRecipient) -> WireRecipient:
    name = f"recipients[{index}]"
    return WireRecipient(
        checks.text(f"{name}.name", recipient.name) or "",
        _address(f"{name}.email", recipient.email),
        f"{checks.points(f'{name}.amount', recipient.amount):f}",
        checks.text(f"{name}.citation", recipient.citation, longest=2000) or "",
    )


def _address(name: str, value: str) -> str:
    address = checks.email(name, value)
    if not address:
        raise ArgumentError(f"{name} is missing")
    return address
