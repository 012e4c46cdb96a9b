"""What a caller sets for the runs of a job: the checks of the arguments, and the bounds that a ledger keeps."""

import re
from decimal import Decimal
from typing import Final, Literal

import msgspec

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.ledger.facts import BOUNDS
from xoxo_async.bulk.ledger.lines import Rules
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.config import check_count, check_number
from xoxo_async.errors import ConfigError, LedgerError
from xoxo_async.services.orders.operations import PLACE_ORDER

__all__ = ["Bounds", "Settings", "kept_bounds", "rate_of"]

_TOO_MUCH: Final = Decimal(10) ** 12
_SHARE: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3})?%")
_SETTLE_S: Final = 150.0
"""The vendor may take 120 s to place an order; 30 s are for the network and for look-ups that lag."""


class Bounds(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The limits for the runs of a job. The ledger keeps them, so that a resume has them as well.

    None means "not given": then the ledger's value holds, or the default if the ledger has none.

    Attributes:
        max_spend: What the job may cost, in the account's currency. Default: no limit.
        settle_s: Seconds after a lost answer before "no such order" counts. Default: 150.
        resend: `settled` sends a row again once its order is proven absent; `never` leaves it to a person. Default:
            `settled`.
        concurrency: Requests in flight at most. Default: `auto`.
        max_errors: How many rows of the job may be refused: a number, or a share of the settled rows such as `5%`.
            `none` lifts a bound. Default: no limit.
        rate: Orders a minute, or other calls of the job's, that the client allows; `none` for no limit at all. The code
            that makes the next client reads it, such as `xoxo bulk resume`; a client paces by its own limits.
    """

    max_spend: Decimal | None = None
    settle_s: float | None = None
    resend: Literal["settled", "never"] | None = None
    concurrency: int | Literal["auto"] | None = None
    rate: float | Literal["none"] | None = None
    max_errors: int | str | None = None

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            ConfigError: Names the value.
        """
        if self.concurrency is not None and self.concurrency != "auto":
            check_count("concurrency, unless 'auto',", self.concurrency)
        if self.settle_s is not None:
            check_number("settle_s", self.settle_s, zero=True)
        if self.resend not in {None, "settled", "never"}:
            raise ConfigError(f"resend must be 'settled' or 'never', not {self.resend!r}")
        if self.max_spend is not None and not _is_amount(self.max_spend):
            raise ConfigError(f"max_spend must be a Decimal from 0, not {self.max_spend!r}")
        if self.max_errors is not None and not _is_bound(self.max_errors):
            raise ConfigError(
                f"max_errors must be a whole number from 0, a share such as '5%', or 'none', not {self.max_errors!r}"
            )

    def over(self, kept: "Bounds") -> "Bounds":
        """Return these bounds, with missing values taken from others.

        Args:
            kept: The others.
        """
        own = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}
        return msgspec.structs.replace(kept, **own)

    def rules(self, *, restore: bool) -> Rules:
        """Return the settling rules that follow.

        Args:
            restore: Whether the ledger replaces a lost one.
        """
        settle_s = _SETTLE_S if self.settle_s is None else self.settle_s
        # Two look-ups that say absent, a tenth of the settling time apart.
        return Rules(resend=self.resend or "settled", settle_s=settle_s, spacing_s=settle_s / 10, restore=restore)

    def to_json(self) -> str:
        """Return the bounds as a ledger keeps them."""
        return _ENCODER.encode(self).decode()


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Bounds)


async def kept_bounds(ledger: Ledger) -> Bounds:
    """Return the bounds that a ledger keeps; empty where it keeps none.

    Args:
        ledger: The ledger.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    kept = await ledger.get_fact(BOUNDS)
    if not kept:
        return Bounds()
    try:
        return _DECODER.decode(kept)
    except (msgspec.DecodeError, ConfigError) as error:
        # Do not read a damaged fact as an empty one: without its budget a run could spend more than it may.
        raise LedgerError(f"the bounds that {ledger.name} keeps cannot be read: {error}") from None


def rate_of(client: BulkClient, operation: str = PLACE_ORDER.name) -> float | Literal["none"] | None:
    """Return how many calls of an operation a minute a client allows.

    Args:
        client: The client.
        operation: The operation.

    Returns:
        The calls; `none` where the client has no limits. None where only this operation has no limit: a client without
        any limit would break the limits of the others.
    """
    pacer = client.dispatcher.pacer
    return pacer.per_minute(operation) or ("none" if not pacer.per_minute(PLACE_ORDER.name) else None)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How an issuer works, beside the bounds. See `BulkIssuer` for what each setting means."""

    check: bool
    skip_invalid: bool
    pack: bool
    pause_limit_s: float
    missing: Literal["refuse", "withdraw", "keep"]
    restore: bool
    notify: bool | None = None

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            ConfigError: Names the value.
        """
        check_number("pause_limit_s", self.pause_limit_s, zero=True)
        if self.missing not in {"refuse", "withdraw", "keep"}:
            raise ConfigError(f"missing must be 'refuse', 'withdraw' or 'keep', not {self.missing!r}")
        if self.notify not in {None, True, False}:
            raise ConfigError(f"notify must be True or False, not {self.notify!r}")

    def check_bounds(self, bounds: Bounds) -> None:
        """Refuse a budget where prices are not read.

        Args:
            bounds: The bounds.

        Raises:
            ConfigError: `max_spend` is set, and `check` is off.
        """
        if bounds.max_spend is not None and not self.check:
            raise ConfigError("max_spend needs check=True: what a row may cost is in the catalog")


def _is_bound(value: object) -> bool:
    """Return whether a bound on refusals is a number, a share up to 100%, or `none`."""
    if isinstance(value, str):
        return value == "none" or (_SHARE.fullmatch(value) is not None and Decimal(value[:-1]) <= 100)
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_amount(value: object) -> bool:
    """Return whether a budget is a finite amount. NaN is refused first, because it cannot be compared."""
    if isinstance(value, bool) or not isinstance(value, Decimal | int):
        return False
    return Decimal(value).is_finite() and 0 <= value < _TOO_MUCH
