"""The typed record of how one vendor operation differs from the next: `Operation`, and the `Dispatch` seam."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from operator import attrgetter
from typing import Any, Final, Generic, Literal, Protocol, TypeVar, cast, get_args, get_origin

import msgspec

from xoxo_async.effects import EffectClass
from xoxo_async.errors import ConfigError, DecodeError
from xoxo_async.wire.decoder import ReplyDecoder
from xoxo_async.wire.flags import SuccessFlag, has_flag, says_no, says_yes, succeeded, usual_successes
from xoxo_async.wire.raw import RawReply
from xoxo_async.wire.replies import Reply as WholeReply
from xoxo_async.wire.replies import keep_answer
from xoxo_async.wire.tolerant import fit
from xoxo_async.wire.untyped import Rows, read_untyped

__all__ = [
    "API_PATH",
    "Dispatch",
    "EffectClass",
    "Layout",
    "Operation",
    "SuccessFlag",
]

API_PATH: Final = "/v1/oauth/api"
"""The one address of nearly all operations; the `query` inside the body tells them apart."""

Request = TypeVar("Request", bound=msgspec.Struct)
Reply = TypeVar("Reply")
RequestContra = TypeVar("RequestContra", bound=msgspec.Struct)


class Layout(Enum):
    """Where in the answer the reply lies."""

    NESTED = "nested"
    """`{"data": {"<key>": {"status": 1, "data": REPLY}}}`: the plumProAPI operations."""
    FLAT = "flat"
    """`{"data": {"<key>": REPLY}}`: points and links. The reply struct declares the success flag as its own field."""
    PLAIN = "plain"
    """The whole body is the reply: token endpoints."""


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
        loose: Whether the vendor's pages show the reply in more places than `layout` names: without its key, without
            the envelope, or with its fields one level deeper.
        proof: Fields that only a success has, at the top or in a list: one of them will do where no flag came.

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
        loose: bool = False,
        proof: tuple[str, ...] = (),
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
        # Built by the first answer. A `cached_property` would slow down all attributes of the operation.
        self._decoder: ReplyDecoder[Any] | None = None
        # What `read` asks of every answer, asked once.
        self._raw_field: Final = "raw" in _fields(reply)
        self.whole: Final = isinstance(reply, type) and issubclass(reply, WholeReply)
        """Whether its reply keeps the answer by itself; others have it in a field `raw`, lists beside their rows."""
        self.names_order: Final = "order_id" in _fields(reply)
        """Whether its reply names one order, by which an answer to another request is recognised."""
        self._loose: Final = loose
        self._proof: Final = proof
        # Nobody can look up what became of these: a success is believed only where nothing in the answer denies it.
        self._wary: Final = layout is not Layout.PLAIN and (loose or effect is EffectClass.UNKEYED)
        self._enveloped: Final = layout is not Layout.PLAIN
        self._nested: Final = layout is Layout.NESTED
        self._success: Final = usual_successes(flag)
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
        if self._wary:
            return self._read_warily(body)
        decoder = self._decoder or self._build_decoder()
        reply: Any = decoder.decode(body)
        if self._enveloped:
            data = reply.data
            inner = None if data is None else (data.reply if data.reply is not None else data.also)
            if inner is None:
                return None
            reply = inner.data if self._nested else inner
            flag_of = self._flag_of
            if flag_of is not None:
                flag = flag_of(inner)
                if flag not in self._success and not succeeded(self.flag, flag):
                    return None
            if reply is None:
                raise DecodeError(f"the answer says that {self.name} worked, and holds no reply")
        if self.whole:
            keep_answer(reply, body)
            found: Reply = reply
            return found
        return cast("Reply", self._with_answer(reply, body))

    def _read_warily(self, body: bytes) -> Reply | None:
        """Read an answer by all its flags, and from every place it is known to come in; the slow road, for rare calls.

        None where a flag of any family refuses, and where none says that it worked.
        """
        answer = read_untyped(body)
        if isinstance(answer, dict) and says_no(cast("dict[str, object]", answer)):
            return None
        inner = self._inner(answer)
        if isinstance(inner, list):
            found: object = inner  # a bare list: nothing failed, and nothing says so
        elif inner is None or says_no(inner) or not (says_yes(inner, self.flag) or self._proven(inner)):
            return None
        else:
            bare = self.layout is Layout.FLAT or (inner.get("data") is None and self._proven(inner))
            found = inner if bare else inner.get("data")
            if found is None and get_origin(self.reply) is not tuple:
                raise DecodeError(f"the answer says that {self.name} worked, and holds no reply")
        reply: Any = None
        with suppress(msgspec.MsgspecError, RecursionError, ValueError, ArithmeticError):
            reply = fit(found, self.reply, f"$.data.{self.reply_keys[0]}")
        if reply is None:  # outside the handler: messages of these errors may quote a value
            raise DecodeError("the answer cannot be read")
        if self.whole:
            keep_answer(reply, body)
        return cast("Reply", reply if self.whole else self._with_answer(reply, body))

    def _inner(self, answer: object) -> dict[str, object] | list[object] | None:
        """Return the object with the flag; of a loose operation, wherever its pages show it."""
        whole = cast("dict[str, object]", answer) if isinstance(answer, dict) else {}
        data = whole.get("data")
        places = [data.get(key) for key in self.reply_keys] if isinstance(data, dict) else []
        if self._loose:
            places += [data, whole]
        for place in places:
            if isinstance(place, list) and self._loose and get_origin(self.reply) is tuple:
                return cast("list[object]", place)
            if not isinstance(place, dict):
                continue
            inner = cast("dict[str, object]", place)
            if place is not places[0] and not has_flag(inner) and not (place is data and self._proven(inner)):
                continue
            deeper = inner.get("data")
            if self._loose and self.layout is Layout.FLAT and isinstance(deeper, dict):
                return {**cast("dict[str, object]", deeper), **{k: v for k, v in inner.items() if v is not None}}
            return inner
        return None

    def _proven(self, inner: Mapping[str, object]) -> bool:
        """Whether an answer has a field that only a success has, at the top or in the rows of a list.

        Of a read 0 is an answer, too; of what moves money it is the mark of an empty form.
        """
        lists = [cast("list[object]", value) for value in inner.values() if isinstance(value, list)]
        rows = [cast("Mapping[str, object]", row) for items in lists for row in items if isinstance(row, dict)]
        found = [row.get(name) for row in (inner, *rows) for name in self._proof]
        return any(value or (value == 0 and self.effect is EffectClass.READ) for value in found)

    def _with_answer(self, reply: Any, body: bytes) -> Any:
        """Keep the answer beside its rows, where a page looks for what it does not know; or in a field `raw`."""
        if type(reply) is tuple:
            kept = Rows(reply)
            kept.raw = RawReply(body)
            return kept
        if self._raw_field:
            msgspec.structs.force_setattr(reply, "raw", RawReply(body))
        return reply

    def _build_decoder(self) -> ReplyDecoder[Any]:
        """Build one decoder for the whole envelope, at first use, and keep it."""
        decoder = self._decoder = ReplyDecoder(self._enveloped_reply())
        return decoder

    def _enveloped_reply(self) -> Any:
        """Return the type of the whole answer: the reply within the structs that the vendor puts around it."""
        if self.layout is Layout.PLAIN:
            return self.reply
        inner: Any = self.reply
        if self.layout is Layout.NESTED:
            # A list may be absent, null or blank where the vendor has nothing: all of that is the empty one.
            listed = get_origin(self.reply) is tuple and get_args(self.reply)[1:] == (Ellipsis,)
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
        return msgspec.defstruct("Envelope", [("data", data | None, None)])

    def __repr__(self) -> str:
        return f"Operation({self.name!r}, effect={self.effect.value!r})"


_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


def _fields(reply: object) -> tuple[str, ...]:
    return getattr(reply, "__struct_fields__", ())


def _envelope(query: str, tag: str, root: str) -> tuple[bytes, bytes]:
    """The constant bytes around the encoded request: the envelope is never built twice."""
    if not query:
        return b"", b""
    head = msgspec.json.encode({"query": query, "tag": tag})[:-1] + b',"variables":'
    if root:
        return head + b"{" + msgspec.json.encode(root) + b":", b"}}"
    return head, b"}"


class Dispatch(Protocol):
    """What a service needs of the road below it: one operation in, its decoded reply out.

    A call that is cancelled before anything was sent says so: `errors.effect_of` is `none` for its exception. Otherwise
    the request may have left.
    """

    async def __call__(self, operation: Operation[RequestContra, Reply], request: RequestContra, /) -> Reply:
        """Run one operation."""
        ...
