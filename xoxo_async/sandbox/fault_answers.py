"""What each kind of fault puts on the wire, after the request was carried out or instead of that."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import msgspec
from aiohttp import web

from xoxo_async.sandbox.faults import Rule
from xoxo_async.sandbox.operations import failure_of, reply_key
from xoxo_async.sandbox.reading import Refusal

__all__ = ["answer_with_fault", "refused", "reply"]


def reply(body: object, status: int = 200) -> web.Response:
    """Answer with JSON."""
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


def refused(refusal: Refusal, *, openapi: bool = False) -> web.Response:
    """Answer with the vendor's application error. The OpenAPI file has its code as a string."""
    code = str(refusal.status) if openapi else refusal.status
    body = {"code": code, "errorId": refusal.error_id, "errorInfo": refusal.text, "error": refusal.text}
    return reply(body, refusal.status)


def _break(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


Fault = Callable[[web.Request, Rule, "web.Response | None"], Awaitable[web.StreamResponse]]
Fields = dict[str, object]


def _same(make: Callable[[Rule], web.Response]) -> Fault:
    async def fault(_request: web.Request, rule: Rule, _answer: web.Response | None) -> web.StreamResponse:
        return make(rule)

    return fault


async def _truncated(request: web.Request, _rule: Rule, answer: web.Response | None) -> web.StreamResponse:
    body = answer.body if answer is not None and isinstance(answer.body, bytes) else b"{}"
    half = web.StreamResponse(headers={"Content-Length": str(len(body)), "Content-Type": "application/json"})
    await half.prepare(request)
    await half.write(body[: len(body) // 2])
    _break(request)
    return half


async def _garbage(request: web.Request, _rule: Rule, _answer: web.Response | None) -> web.StreamResponse:
    if isinstance(request.transport, asyncio.Transport):
        request.transport.write(b"\x16\x03\x01 what is this\r\n\r\n")
        request.transport.close()
    return web.Response()


async def _slow(request: web.Request, rule: Rule, answer: web.Response | None) -> web.StreamResponse:
    body = answer.body if answer is not None and isinstance(answer.body, bytes) else b"{}"
    slow = web.StreamResponse(headers={"Content-Length": str(len(body)), "Content-Type": "application/json"})
    await slow.prepare(request)
    for start in range(len(body)):
        await slow.write(body[start : start + 1])
        await anyio.sleep(rule.seconds / len(body))
    return slow


async def _oversize(request: web.Request, _rule: Rule, _answer: web.Response | None) -> web.StreamResponse:
    big = web.StreamResponse(headers={"Content-Type": "application/json"})
    await big.prepare(request)
    for _ in range(64):
        await big.write(b" " * 1_000_000)
    return big


def _change(change: Callable[[Fields], Fields]) -> Fault:
    """Return a fault that changes what an answer tells: an order, or points or links, which have no `data` around."""

    async def fault(_request: web.Request, _rule: Rule, answer: web.Response | None) -> web.StreamResponse:
        if answer is None or not isinstance(answer.body, bytes) or answer.status != 200:
            return answer or web.Response()
        body = msgspec.json.decode(answer.body)
        inner = next(iter(body.get("data", {}).values()), None)
        if not isinstance(inner, dict):
            return answer
        if isinstance(inner.get("data"), dict):
            inner["data"] = change(inner["data"])
        elif not any(isinstance(inner.get(name), list) for name in _LISTS[1:]):
            return answer  # the answer has neither an order nor points nor links
        else:
            inner |= change(inner)
        return reply(body)

    return fault


_LISTS: Final = ("vouchers", "recipients", "links")


def _of_wrong_types(fields: Fields) -> Fields:
    if "orderId" in fields:
        return {**fields, "orderId": {"id": 1}, "vouchers": "none", "quantity": [1]}
    return {**fields, **{name: "none" for name in _LISTS if name in fields}}


def _without_id(fields: Fields) -> Fields:
    changed = {name: value for name, value in fields.items() if name != "orderId"}
    given = fields.get("recipients")
    if isinstance(given, list):
        changed["recipients"] = [{name: credit[name] for name in credit if name != "unique_id"} for credit in given]
    return changed


def _short(fields: Fields) -> Fields:
    lists = {name: found[: len(found) // 2] for name in _LISTS if isinstance(found := fields.get(name), list)}
    return {**fields, **lists, "deliveryStatus": "pending"} if "orderId" in fields else {**fields, **lists}


def _bare(fields: Fields) -> Fields:
    return {**fields, **{name: [] for name in _LISTS if name in fields}}


_HTML: Final = "<html><head><title>502 Bad Gateway</title></head><body><center>cloud edge</center></body></html>"


def _html(_rule: Rule) -> web.Response:
    return web.Response(text=_HTML, status=502, content_type="text/html")


def _internal(rule: Rule) -> web.Response:
    status = rule.status or 500
    return reply({"code": status, "error": "Internal"}, status)


def _failed_inside(operation: str) -> web.Response:
    failure = {**failure_of(operation), "message": "Try again", "data": None}
    return reply({"data": {reply_key(operation): failure}})


def _bomb(_rule: Rule) -> web.Response:
    packed = gzip.compress(bytes(1 << 20), 9) * 512  # a gzip file may have several members
    return web.Response(body=packed, headers={"Content-Encoding": "gzip"}, content_type="application/json")


_FAULTS: Final[dict[str, Fault]] = {
    "error_5xx_before": _same(_internal),
    "error_5xx_after": _same(lambda rule: refused(Refusal(rule.error_id, status=rule.status or 502))),
    "html_502": _same(_html),
    "html_502_after": _same(_html),
    "truncated": _truncated,
    "garbage": _garbage,
    "not_json": _same(lambda _rule: web.Response(text="OK", content_type="application/json")),
    "empty_body": _same(lambda _rule: web.Response(content_type="application/json")),
    "wrong_types": _change(_of_wrong_types),
    "no_order_id": _change(_without_id),
    "short_answer": _change(_short),
    "bare_answer": _change(_bare),
    "duplicate_answer": _same(lambda _rule: refused(Refusal("PLE10004"))),
    "revoke_token": _same(
        lambda _rule: reply({"error": "invalid_token", "error_description": "invalid/expired token"}, 401)
    ),
    "oversize": _oversize,
    "gzip_bomb": _same(_bomb),
    "deep_json": _same(lambda _rule: web.Response(body=b"[" * 100_000, content_type="application/json")),
    "bad_utf8": _same(lambda _rule: web.Response(body=b'{"data": "\xff\xfe"}', content_type="application/json")),
    "redirect_307": _same(lambda _rule: web.Response(status=307, headers={"Location": "http://127.0.0.1:9/elsewhere"})),
    "slow_body": _slow,
}


async def answer_with_fault(
    request: web.Request, rule: Rule, answer: web.Response | None, operation: str
) -> web.StreamResponse:
    """Answer a request as a rule says. A kind that has no answer breaks the connection."""
    if rule.kind == "error_in_200":
        return _failed_inside(operation)
    fault = _FAULTS.get(rule.kind)
    if fault is None:
        return _break(request)
    try:
        return await fault(request, rule, answer)
    except ConnectionError:
        return web.Response()  # the client closed the connection first
