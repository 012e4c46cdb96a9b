"""What the sandbox answers to an HTTP request: it checks the token, the limit and the faults, then the operation."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

import anyio
import msgspec
from aiohttp import web

from xoxo_async.sandbox.fault_answers import answer_with_fault, refused, reply
from xoxo_async.sandbox.faults import AFTER_COMMIT, Faults, Rule, told_share
from xoxo_async.sandbox.handlers import FLAT_HANDLERS, HANDLERS, as_openapi
from xoxo_async.sandbox.limits import Limiter
from xoxo_async.sandbox.operations import data_of, reply_key
from xoxo_async.sandbox.reading import Refusal, addresses
from xoxo_async.sandbox.state import State
from xoxo_async.sandbox.tokens import Tokens

__all__ = ["Api", "Received"]


class Received(NamedTuple):
    """A request as the sandbox received it.

    Attributes:
        operation: The operation it names.
        data: Its data, taken out of the wrapper.
        body: The whole body.
        path: The URL path.
        fault: The kind of fault that its answer got; empty without one.
    """

    operation: str
    data: Mapping[str, object]
    body: bytes
    path: str
    fault: str = ""


class Api:
    """The HTTP side of a sandbox.

    Args:
        state: The books.
        tokens: Issues and checks tokens.
        limiter: Counts calls.
        faults: The scripted faults.
        openapi: Whether to answer as the OpenAPI file says.
        latency_s: The delay of each answer, in seconds.
        limit_status: The HTTP status of a call over the limit.
        lookup_lag_s: How long a look-up does not find an order after it was placed, in seconds.
        restart: Restarts the server, for the fault of that name; it is given the seconds in between.
    """

    def __init__(
        self,
        state: State,
        tokens: Tokens,
        limiter: Limiter,
        faults: Faults,
        *,
        openapi: bool,
        latency_s: float,
        limit_status: int,
        lookup_lag_s: float,
        restart: Callable[[float], None],
    ) -> None:
        self.requests: Final[deque[Received]] = deque(maxlen=10_000)
        self._state: Final = state
        self._tokens: Final = tokens
        self._limiter: Final = limiter
        self._faults: Final = faults
        self._openapi: Final = openapi
        self._latency_s: Final = latency_s
        self._limit_status: Final = limit_status
        self._lookup_lag_s: Final = lookup_lag_s
        self._restart: Final = restart
        self._late_commits: Final[set[asyncio.Task[None]]] = set()
        self._stopping = asyncio.Event()

    def open(self) -> web.Application:
        """Return a new application: aiohttp does not start an application a second time."""
        self._stopping = asyncio.Event()
        app = web.Application(client_max_size=4 * 1024 * 1024)
        for prefix in ("/chef", ""):
            app.router.add_get(f"{prefix}/v1/oauth/token", self._validate)
            app.router.add_post(f"{prefix}/v1/oauth/token", self._token)
            app.router.add_post(f"{prefix}/v1/oauth/token/create/user", self._user_token)
            app.router.add_post(f"{prefix}/v1/oauth/token/{{family:user|company}}", self._token)
            app.router.add_post(f"{prefix}/v1/oauth/sso/stores/company", self._sso)
            app.router.add_post(f"{prefix}/v1/oauth/api{{rest:(/|/generateLink|/sendLinks)?}}", self._operation)
        app.router.add_get("/_sandbox/books", self._show_books)
        return app

    async def close(self) -> None:
        """End requests that a fault keeps silent, and drop orders that a fault would book later."""
        self._stopping.set()
        for task in list(self._late_commits):
            task.cancel()
        await asyncio.gather(*self._late_commits, return_exceptions=True)

    # Tokens.

    def _refuse_token(self, request: web.Request) -> web.Response | None:
        refusal = self._tokens.check(request.headers.get("Authorization"))
        return None if refusal is None else reply(refusal[1], refusal[0])

    async def _token(self, request: web.Request) -> web.Response:
        status, fields = self._tokens.issue(request.path, await request.read(), request.content_type)
        self._state.requests["token"] += 1
        return reply(fields, status)

    async def _validate(self, request: web.Request) -> web.Response:
        if (refusal := self._refuse_token(request)) is not None:
            return refusal
        token = request.headers["Authorization"].removeprefix("Bearer ")
        seconds = self._tokens.seconds_left(token)
        return reply({"access_token": token, "token_type": "bearer", "expires_in": seconds})

    async def _user_token(self, request: web.Request) -> web.Response:
        refusal = self._refuse_token(request)
        return reply(self._tokens.new_pair()) if refusal is None else refusal

    async def _sso(self, request: web.Request) -> web.Response:
        refusal = self._refuse_token(request)
        return reply({"data": {"ssoToken": "sandbox-sso-token"}}) if refusal is None else refusal

    async def _show_books(self, _request: web.Request) -> web.Response:
        return reply(msgspec.to_builtins(self._state.books()))

    # Operations.

    async def _operation(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        if (refusal := self._refuse_token(request)) is not None:
            return refusal
        operation, data = _parse(raw)
        if operation is None:
            return refused(Refusal("PLE10001"), openapi=self._openapi)
        self._state.requests[operation] += 1
        penalty = self._limiter.refuse(operation)
        rule = self._pick_fault(operation, data) if penalty is None else None
        self.requests.append(Received(operation, data, raw, request.path, rule.kind if rule else ""))
        if penalty is not None:
            return self._limited(penalty)
        if self._latency_s:
            await anyio.sleep(self._latency_s)
        if rule is None:
            answer = self._answer(operation, data)
            if request.transport is None or request.transport.is_closing():
                self._state.lose_answer()  # the client has gone
            return answer
        return await self._answer_with_fault(request, rule, operation, data)

    def _pick_fault(self, operation: str, data: Mapping[str, object]) -> Rule | None:
        po_number = str(data.get("poNumber") or "")
        rule = self._faults.pick(operation, po_number, addresses(data))
        if rule is not None and rule.kind == "lagging_lookup" and not self._is_hidden(po_number, rule.seconds):
            return None
        return rule

    def _answer(self, operation: str, data: Mapping[str, object]) -> web.Response:
        """Carry out a request and answer it."""
        self._state.begin_call()
        flat = FLAT_HANDLERS.get(operation)
        if flat is not None:
            answer = flat(self._state, data)
            return reply({"data": {reply_key(operation): as_openapi(operation, answer) if self._openapi else answer}})
        po_number = str(data.get("poNumber") or "")
        if operation == "getOrderDetails" and self._is_hidden(po_number, self._lookup_lag_s):
            return refused(Refusal("PLE10016"), openapi=self._openapi)
        try:
            inner = HANDLERS[operation](self._state, data, self._openapi)
        except Refusal as refusal:
            return refused(refusal, openapi=self._openapi)
        # The vendor's pages show paymentHistory answered as getPaymentReport; the OpenAPI file keeps the name.
        key = "getPaymentReport" if operation == "paymentHistory" and not self._openapi else operation
        return reply({"data": {key: {"status": 1, "data": inner}}})

    def _is_hidden(self, po_number: str, seconds: float) -> bool:
        """Return whether an order was placed so recently that look-ups do not show it."""
        order = self._state.find(0, po_number) if po_number else None
        return order is not None and self._state.clock() < order.placed_at + seconds

    def _limited(self, penalty_s: float) -> web.Response:
        body = {"errors": [{"message": "auth.request_limit_exceeded", "penaltySeconds": penalty_s}]}
        return reply(body, self._limit_status)

    async def _answer_with_fault(
        self, request: web.Request, rule: Rule, operation: str, data: Mapping[str, object]
    ) -> web.StreamResponse:
        answer = self._answer(operation, data) if rule.kind in AFTER_COMMIT else None
        if answer is not None:
            self._state.lose_answer(told_share(rule.kind, operation))
        if rule.kind == "late_commit":
            task = asyncio.get_running_loop().create_task(self._commit_late(rule.seconds, operation, data))
            self._late_commits.add(task)
            task.add_done_callback(self._late_commits.discard)
        if rule.kind.startswith("timeout"):
            with anyio.move_on_after(rule.seconds):
                await self._stopping.wait()
        if rule.kind == "revoke_token":
            self._tokens.revoke_all()
        if rule.kind == "restart":
            self._restart(rule.seconds)
        if rule.kind == "throttle":
            return self._limited(rule.seconds)
        if rule.kind == "lagging_lookup":
            return refused(Refusal("PLE10016"))
        return await answer_with_fault(request, rule, answer, operation)

    async def _commit_late(self, seconds: float, operation: str, data: Mapping[str, object]) -> None:
        await anyio.sleep(seconds)
        self._answer(operation, data)
        self._state.lose_answer()


_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)


def _parse(raw: bytes) -> tuple[str | None, Mapping[str, object]]:
    """Return the operation and its data, or (None, {}) if the body is not a request of this API."""
    try:
        body = _DECODER.decode(raw)
        operation = str(body["query"]).rsplit(".", 1)[-1]
        variables = body["variables"]
        if operation not in HANDLERS and operation not in FLAT_HANDLERS:
            return None, {}
        data = data_of(operation, variables)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ArithmeticError, LookupError, TypeError,
            AttributeError):  # fmt: skip
        return None, {}
    # PHP clients write an empty object as an empty list.
    return (operation, {}) if data == [] else (operation, data) if isinstance(data, dict) else (None, {})
