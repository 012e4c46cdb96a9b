"""What goes out: a body that knows whether any of it may have left."""

from typing import Any, Final

from aiohttp.payload import BytesPayload
from multidict import CIMultiDict

__all__ = ["Body"]

_JSON: Final = "application/json"
_JSON_HEADERS: Final = CIMultiDict({"Content-Type": _JSON})


class Body(BytesPayload):
    """A body that knows whether any of it may have left: before that, a failure proves that nothing happened.

    Args:
        value: The bytes.
        content_type: Their type.
    """

    started = False

    def __init__(self, value: bytes, content_type: str) -> None:
        # Not by way of the bases, which make a mapping of headers for every body.
        self._headers = _JSON_HEADERS if content_type == _JSON else CIMultiDict({"Content-Type": content_type})
        self._value = value
        self._size = len(value)

    async def write_with_length(self, writer: Any, content_length: int | None) -> None:  # noqa: ARG002 - all of it
        """Write the bytes; from here on, nobody knows how many have left."""
        self.started = True
        await writer.write(self._value)
