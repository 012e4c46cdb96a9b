"""The fast reading: an answer is decoded into its type in one pass."""

from decimal import Decimal
from typing import Final, Generic, TypeVar, cast

import msgspec

from xoxo_async.errors import ConfigError, DecodeError
from xoxo_async.wire.amounts import ImplausibleError, money_check
from xoxo_async.wire.secrets import build
from xoxo_async.wire.tolerant import fit
from xoxo_async.wire.untyped import read_untyped

__all__ = ["ReplyDecoder"]

T = TypeVar("T")


class ReplyDecoder(Generic[T]):
    """Decode answers into one type: in one pass where the answer is as declared, with tolerance where it is not.

    Args:
        kind: The type.

    Raises:
        ConfigError: JSON cannot be read into the type.
    """

    __slots__ = ("_check", "_fast", "_kind")

    def __init__(self, kind: type[T]) -> None:
        self._kind: Final = kind
        try:
            self._fast: Final = msgspec.json.Decoder(kind, strict=False, dec_hook=build, float_hook=Decimal)
            self._check: Final = money_check(kind)
        except (TypeError, NameError, RecursionError, NotImplementedError) as error:
            raise ConfigError(f"answers cannot be read as {kind!r}: {error}") from error

    def decode(self, body: bytes) -> T:
        """Decode one answer.

        Args:
            body: Its bytes.

        Returns:
            The value.

        Raises:
            DecodeError: It is no JSON (see `read_untyped`), or cannot be read as the type. The message names the place,
                never the value.
        """
        try:
            value = self._fast.decode(body)
            if self._check is not None:
                self._check(value)
        except msgspec.ValidationError:
            pass  # another form than declared; the tolerant reading knows the documented ones
        except ImplausibleError:
            pass  # the tolerant reading names the place
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, ArithmeticError):
            pass  # JSON that only a lenient reader reads, or none
        else:
            return value
        # Outside the handler: msgspec's messages may quote a value, and would become this error's context.
        return self._decode_tolerantly(body)

    def _decode_tolerantly(self, body: bytes) -> T:
        try:
            return cast("T", fit(read_untyped(body), self._kind, "$"))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError, ArithmeticError):
            pass
        # Outside the handler as well.
        raise DecodeError("the answer cannot be read")
