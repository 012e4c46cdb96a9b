"""The typed record of how one vendor operation differs from the next: `Operation`, and the `Dispatch` seam."""

from collections.abc import Callable
from enum import Enum
from functools import cached_property
from operator import attrgetter
from typing import Any, Final, Generic, Literal, Protocol, TypeVar, cast, get_origin

import msgspec

from xoxo_async.errors import ConfigError, DecodeError
from xoxo_async.wire import RawReply, ReplyDecoder

__all__ = ["API_PATH", "Dispatch", "EffectClass", "Layout", "Operation", "SuccessFlag"]

API_PATH: Final = "/v1/oauth/api"
"""The one address of nearly all operations; the `query` inside the body tells them apart."""

Request = TypeVar("Request", bound=msgspec.Struct)
Reply = TypeVar("Reply")
RequestContra = TypeVar("RequestContra", bound=msgspec.Struct)


class EffectClass(Enum):
    """What an operation may change, which decides what may follow a lost answer."""

    READ = "read"
    """Changes nothing: retried freely within the policy."""
    KEYED = "keyed"
    """Spends money under a poNumber: settled by looking that up, resent only when proven absent."""
    UNKEYED = "unkeyed"
    """Changes something and has no key to ask by: never resent by itself."""


class Layout(Enum):
    """Where in the answer the reply lies."""

    NESTED = "nested"
    """`{"data": {"<key>": {"status": 1, "data": REPLY}}}`: the plumProAPI operations."""
    FLAT = "flat"
    """`{"data": {"<key>": REPLY}}`: points and links. The reply struct declares the success flag as its own field."""
    PLAIN = "plain"
    """The whole body is the reply: token endpoints."""


class SuccessFlag(Enum):
    """Which field of the inner object says that it worked."""

    STATUS_1 = "status"
    SUCCESS_1 = "success"
    ERROR_FALSE = "error"
    NONE = ""


class Operation(Generic[Request, Reply]):
    """One vendor operation: how it is asked, how its answer is read, and what it may change.

    Define one to reach an operation the SDK has no method for, and pass it to `XoxoClient.dispatch`.

    Args:
        name: The operation's name, unique; rate limits and events are keyed by it.
        query: The `query` of the request envelope. Empty for a plain REST call, which then sends the bare request.
        tag: The `tag` of the request envelope.
        request: The msgspec struct sent.
        reply: The type the reply decodes into.
        effect: What the operation may change.
        root: The wrapper inside `variables`; empty sends the request as `variables` itself.
        reply_key: The key under `data` (default: the name). Further documented keys go to `also_under`.
        also_under: Other keys the reply is known to arrive under.
        layout: Where the reply lies in the answer.
        flag: The field that says success.
        path: The path below the base URL.
        method: `POST`, or `GET` for a call without a body.
        empty_on: Error ids that mean "nothing there" rather than failure.
        empty: The reply to return for those.
        content_type: The request's content type.

    Raises:
        ConfigError: When the combination makes no sense.
    """

    def __init__(
        self,
        name: str,
        *,
        request: type[Request],
        reply: type[Reply],
        effect: EffectClass,
        query: str = "",
        tag: str = "plumProAPI",
        root: str = "data",
        reply_key: str = "",
        also_under: tuple[str, ...] = (),
        layout: Layout = Layout.NESTED,
        flag: SuccessFlag = SuccessFlag.STATUS_1,
        path: str = API_PATH,
        method: Literal["GET", "POST"] = "POST",
        empty_on: frozenset[str] = frozenset(),
        empty: Reply | None = None,
        content_type: str = "application/json",
    ) -> None:
        if not name:
            raise ConfigError("an operation needs a name")
        if query and layout is Layout.PLAIN:
            raise ConfigError(f"operation {name}: a query answers in an envelope, not with a plain body")
        if empty_on and empty is None:
            raise ConfigError(f"operation {name}: empty_on needs the empty reply to return")
        self.name: Final = name
        self.query: Final = query
        self.tag: Final = tag
        self.request: Final = request
        self.reply: Final = reply
        self.effect: Final = effect
        self.root: Final = root
        self.reply_keys: Final = (reply_key or name, *also_under)
        self.layout: Final = layout
        self.flag: Final = flag
        self.path: Final = path
        self.method: Final = method
        self.empty_on: Final = empty_on
        self.empty: Final = empty
        self.content_type: Final = content_type
        self._prefix, self._suffix = _envelope(query, tag, root)
        if layout is Layout.FLAT and flag is not SuccessFlag.NONE and flag.value not in _fields(reply):
            raise ConfigError(f"operation {name}: a flat reply declares its flag, {reply!r} has no {flag.value!r}")
        # What `read` asks of every answer, asked once.
        self._keeps_raw: Final = "raw" in _fields(reply)
        self._enveloped: Final = layout is not Layout.PLAIN
        self._nested: Final = layout is Layout.NESTED
        self._success: Final = _FAILED_NOT if flag is SuccessFlag.ERROR_FALSE else _SUCCEEDED
        self._flag_of: Final[Callable[[Any], object] | None] = (
            None if flag is SuccessFlag.NONE else attrgetter("flag" if self._nested else flag.value)
        )

    def encode(self, request: Request | msgspec.Raw) -> bytes:
        """Return the body to send.

        Args:
            request: The request struct, or its encoded bytes.

        Returns:
            The request inside the vendor's envelope; always the same bytes for the same request.
        """
        return self._prefix + _ENCODER.encode(request) + self._suffix

    def encode_request(self, request: Request) -> bytes:
        """Return the request without the envelope, for a ledger to keep and `encode` to take later."""
        return _ENCODER.encode(request)

    def read(self, body: bytes) -> Reply | None:
        """Decode an answer in one pass.

        Args:
            body: The answer's bytes.

        Returns:
            The reply, or None when the answer does not say that it worked; what it is then is for `refusal` to tell.

        Raises:
            DecodeError: When it is no JSON, or has a shape that neither the contract nor the vendor's pages know.
        """
        reply = self._decoder.decode(body)
        if self._enveloped:
            data = reply.data
            inner = None if data is None else (data.reply if data.reply is not None else data.also)
            if inner is None:
                return None
            reply = inner.data if self._nested else inner
            flag_of = self._flag_of
            if flag_of is not None and flag_of(inner) not in self._success:
                return None
            if reply is None:
                raise DecodeError(f"the answer says that {self.name} worked, and holds no reply")
        if self._keeps_raw:
            msgspec.structs.force_setattr(reply, "raw", RawReply(body))
        return cast("Reply", reply)

    @cached_property
    def _decoder(self) -> ReplyDecoder[Any]:
        """One decoder for the whole envelope, built at first use and then kept."""
        if self.layout is Layout.PLAIN:
            return ReplyDecoder(self.reply)
        inner: Any = self.reply
        if self.layout is Layout.NESTED:
            # A list may be absent, null or blank where the vendor has nothing: all of that is the empty one.
            listed = get_origin(self.reply) is tuple
            reply: Any = self.reply
            fields: list[Any] = [("data", reply, ()) if listed else ("data", reply | None, None)]
            if self.flag is not SuccessFlag.NONE:
                fields.append(("flag", Any, msgspec.field(default=None, name=self.flag.value)))
            inner = msgspec.defstruct("Inner", fields)
        keys = [
            (attribute, inner | None, msgspec.field(default=None, name=key))
            for attribute, key in zip(("reply", "also"), self.reply_keys, strict=False)
        ]
        data = msgspec.defstruct("Data", keys, namespace={} if len(keys) > 1 else {"also": None})
        return ReplyDecoder(msgspec.defstruct("Envelope", [("data", data | None, None)]))

    def __repr__(self) -> str:
        return f"Operation({self.name!r}, effect={self.effect.value!r})"


_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


def _fields(reply: object) -> tuple[str, ...]:
    return getattr(reply, "__struct_fields__", ())


_SUCCEEDED: Final = (1, "1", "success", "true")
"""What a success flag says when it worked, as the vendor's pages print it (true equals 1)."""
_FAILED_NOT: Final = (False, None, "false", "0", "")
"""What `error` says then."""


def _envelope(query: str, tag: str, root: str) -> tuple[bytes, bytes]:
    """The constant bytes around the encoded request: the envelope is never built twice."""
    if not query:
        return b"", b""
    head = msgspec.json.encode({"query": query, "tag": tag})[:-1] + b',"variables":'
    if root:
        return head + b"{" + msgspec.json.encode(root) + b":", b"}}"
    return head, b"}"


class Dispatch(Protocol):
    """What a service needs of the road below it: one operation in, its decoded reply out."""

    async def __call__(self, operation: Operation[RequestContra, Reply], request: RequestContra, /) -> Reply:
        """Run one operation."""
        ...
