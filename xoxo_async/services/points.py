"""Reward points: balance, sending, cancelling. Sending and cancelling have no key, so they are never sent twice."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from xoxo_async.errors import ConfigError
from xoxo_async.operation import Dispatch, EffectClass, Layout, Operation, SuccessFlag
from xoxo_async.services import checks

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


class PointsBalance(msgspec.Struct, frozen=True, kw_only=True):
    """The points of one user.

    Attributes:
        total: How many.
    """

    total: Decimal


class PointsRecipient(msgspec.Struct, frozen=True, kw_only=True):
    """Who gets how many points, and for what.

    Attributes:
        name: The receiver's name.
        email: The receiver's address.
        amount: How many points.
        citation: What for.
    """

    name: str
    email: str
    amount: Decimal | int | str
    citation: str = ""


class PointsCredit(msgspec.Struct, frozen=True, kw_only=True):
    """What one receiver got.

    Attributes:
        unique_id: What to cancel it by; keep it.
        points: How many.
        email: The receiver's address.
        name: The receiver's name.
        phone_code: The dialling code.
        phone_number: The phone.
    """

    unique_id: int | None = None
    points: Decimal | None = None
    email: str | None = None
    name: str | None = None
    phone_code: str | None = None
    phone_number: str | None = None


class PointsSent(msgspec.Struct, frozen=True, kw_only=True):
    """What sending points gave.

    Attributes:
        error: False; a failure is raised.
        message: The vendor's words.
    """

    error: Any = None
    message: str | None = None
    recipients_: tuple[PointsCredit, ...] = msgspec.field(default=(), name="recipients")
    # The vendor's field table has the one receiver's fields beside the flag; the contract has a list.
    unique_id_: int | None = msgspec.field(default=None, name="unique_id")
    points_: Decimal | None = msgspec.field(default=None, name="points")
    email_: str | None = msgspec.field(default=None, name="email")
    name_: str | None = msgspec.field(default=None, name="name")
    phone_code_: str | None = msgspec.field(default=None, name="phone_code")
    phone_number_: str | None = msgspec.field(default=None, name="phone_number")

    @property
    def recipients(self) -> tuple[PointsCredit, ...]:
        """A credit a receiver; some answers have none, and then nothing can be cancelled by id."""
        if self.recipients_ or self.unique_id_ is None:
            return self.recipients_
        only = PointsCredit(
            unique_id=self.unique_id_,
            points=self.points_,
            email=self.email_,
            name=self.name_,
            phone_code=self.phone_code_,
            phone_number=self.phone_number_,
        )
        return (only,)


class PointsWithdrawal(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one cancellation.

    Attributes:
        unique_id: The credit.
        success: Whether it was cancelled: to be checked for each, the answer as a whole says nothing of it.
        message: The vendor's words.
    """

    unique_id: int | None = None
    success: bool = False
    message: str | None = None


class PointsCancelled(msgspec.Struct, frozen=True, kw_only=True):
    """What cancelling points gave.

    Attributes:
        error: False even when single cancellations failed.
        message: The vendor's words.
    """

    error: Any = None
    message: str | None = None
    recipients_: tuple[PointsWithdrawal, ...] = msgspec.field(default=(), name="recipients")
    # As in `PointsSent`: the flat form has the one result's fields beside the flag.
    unique_id_: int | None = msgspec.field(default=None, name="unique_id")
    success_: bool | None = msgspec.field(default=None, name="success")

    @property
    def recipients(self) -> tuple[PointsWithdrawal, ...]:
        """A result a credit."""
        if self.recipients_ or self.unique_id_ is None:
            return self.recipients_
        only = PointsWithdrawal(unique_id=self.unique_id_, success=bool(self.success_), message=self.message)
        return (only,)


class PointsRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """The request of user_balance."""

    email: str | None = None
    phone: str | None = None


class WireRecipient(msgspec.Struct, frozen=True):
    """A receiver as the wire has it; the amount is a string there."""

    to_name: str
    to_email: str
    amount: str
    citation: str


class SendRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """The request of sendBalance."""

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
    tag="storeAdmin",  # query and tag differ by an s; that is the vendor's spelling
    root="user_data",
    request=PointsRequest,
    reply=PointsBalance,
    flag=SuccessFlag.SUCCESS_1,
    effect=EffectClass.READ,
    loose=True,  # the documented failure stands directly under `data`
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
    loose=True,  # the playground's answer is flat
    proof=("unique_id",),  # the field table has a credit's fields, and no flag
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
    loose=True,  # as sendBalance
    proof=("unique_id",),
)


class PointService:
    """Send points and take them back. Needs credentials of the company kind.

    Args:
        dispatch: Runs operations.
    """

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch: Final = dispatch

    async def get_balance(self, *, email: str | None = None, phone: str | None = None) -> PointsBalance:
        """Read the points of one user. Moves no points; one call.

        Args:
            email: The user's address, or
            phone: the user's phone.

        Returns:
            The balance.

        Raises:
            ConfigError: Both or neither was given.
            RefusedError: The vendor knows no such user.
            XoxoError: The call failed.

        Example:
            ```python
            balance = await xoxo.points.get_balance(email="jane@example.com")
            ```
        """
        checks.one_of(("email", "phone"), email, phone)
        request = PointsRequest(checks.email("email", email), checks.text("phone", phone, longest=40))
        return await self._dispatch(GET_POINTS, request)

    async def send(
        self, *, sender_email: str, recipients: Sequence[PointsRecipient], expiry_month: int | None = None
    ) -> PointsSent:
        """Send points. Moves points, at once and to all; never sent a second time by itself.

        There is no key to ask by afterwards: a lost answer can only be cleared up in the vendor's dashboard.

        Args:
            sender_email: The account's super admin.
            recipients: Who gets how many.
            expiry_month: After how many months they expire.

        Returns:
            What each receiver got.

        Raises:
            ConfigError: An argument is wrong; nothing was sent.
            OutcomeUnknownError: The points may have been sent. Look in the dashboard before sending again.
            XoxoError: The call failed; see `effect`.

        Example:
            ```python
            await xoxo.points.send(sender_email="admin@example.com", recipients=[
                PointsRecipient(name="Jane", email="jane@example.com", amount=500)])
            ```
        """
        if not recipients:
            raise ConfigError("recipients must hold at least one")
        request = SendRequest(
            _address("sender_email", sender_email),
            tuple(_recipient(index, recipient) for index, recipient in enumerate(recipients)),
            None if expiry_month is None else checks.whole("expiry_month", expiry_month, high=1200),
        )
        return await self._dispatch(SEND_POINTS, request)

    async def cancel(self, unique_ids: Sequence[int]) -> PointsCancelled:
        """Take points back. Moves points; never sent a second time by itself.

        Args:
            unique_ids: The credits, from `PointsSent`.

        Returns:
            A result a credit: check each `success`.

        Raises:
            ConfigError: An argument is wrong; nothing was sent.
            OutcomeUnknownError: They may have been cancelled.
            XoxoError: The call failed; see `effect`.

        Example:
            ```python
            result = await xoxo.points.cancel([987654321])
            ```
        """
        if not unique_ids or isinstance(unique_ids, str):
            raise ConfigError("unique_ids must be a list of at least one id")
        request = CancelRequest(tuple(Credit(checks.whole("unique_ids", unique_id)) for unique_id in unique_ids))
        return await self._dispatch(CANCEL_POINTS, request)


def _recipient(index: int, recipient: PointsRecipient) -> WireRecipient:
    name = f"recipients[{index}]"
    return WireRecipient(
        checks.text(f"{name}.name", recipient.name) or "",
        _address(f"{name}.email", recipient.email),
        f"{checks.money(f'{name}.amount', recipient.amount):f}",
        checks.text(f"{name}.citation", recipient.citation, longest=2000) or "",
    )


def _address(name: str, value: str) -> str:
    address = checks.email(name, value)
    if not address:
        raise ConfigError(f"{name} is missing")
    return address
