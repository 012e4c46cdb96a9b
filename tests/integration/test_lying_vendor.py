"""A vendor whose answers are rubbish, contradict the request, or contradict themselves: it is asked once a row.

Only answers that surely mean "not processed" are left out here (a rate limit, a refused token, no connection): after
those a row is sent again, and other tests hold that.
"""

import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from xoxo_async import RateLimits, StaticToken, XoxoClient
from xoxo_async.bulk import (
    BulkLinkMails,
    BulkLinks,
    BulkPoints,
    LineState,
    LinkLine,
    MailLine,
    PointsLine,
    SqliteLedger,
)
from xoxo_async.bulk.ledger.vouchers import codes_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ROWS = 60
TOKEN = "t" * 30
READS = {
    "getBalance": {"status": 1, "data": {"value": 10**9, "currency": "INR", "points": 10**9}},
    "user_balance": {"success": 1, "data": {"total": 40}},
    "campaignDetails": {
        "success": 1,
        "data": [{"campaignId": 7001, "denomination_value": 100, "currency_code": "INR"}],
    },
    "campaignList": {"success": 1, "data": []},
}


class Liar:
    """A server that answers calls which move money in ways that nobody documents.

    Attributes:
        named: How often each address, credit or link row was named by a call.
    """

    def __init__(self, seed: int) -> None:
        self.named: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._last = 1000

    async def answer(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        operation = str(asked["query"]).rsplit(".", 1)[1]
        if operation in READS:
            return web.json_response({"data": {operation: READS[operation]}})
        data = next(iter(asked["variables"].values()))
        honest, listed = self._honest(operation, data)
        key = "generateLink" if operation == "generateLinkEmail" else operation

        def under(body: object, status: int = 200) -> web.Response:
            return web.json_response({"data": {key: body}}, status=status)

        ways: list[Callable[[], web.StreamResponse]] = [
            *[lambda: under(honest)] * 4,
            *(lambda body=body: under(body) for body in self._bodies(honest, listed)),
            *(lambda body=body: web.json_response(body) for body in (None, [], "ok", {}, {"data": None}, honest)),
            *(
                lambda text=text: web.Response(text=text)
                for text in ("", "<html>", json.dumps({"data": {key: honest}})[:-9])
            ),
            *(lambda status=status: web.Response(status=status) for status in (204, 400, 404, 409, 422, 500, 503)),
            lambda: under(honest, 201),
            lambda: web.Response(status=302, headers={"Location": "/elsewhere"}),
            lambda: web.json_response({"error": "x", "data": {key: honest}}),
            lambda: web.json_response({"errors": [{"message": "boom"}]}),
            *(
                lambda one=one: web.json_response({"code": 422, "errorId": one, "error": "x"}, status=422)
                for one in ("PLE10004", "PLE10035", "PLE10011", "ODD1")
            ),
        ]
        way = self._random.randrange(len(ways) + 2)
        if way < len(ways):
            return ways[way]()
        broken = web.StreamResponse(headers={"Content-Length": "500"})
        if way > len(ways):
            await broken.prepare(request)
            await broken.write(b'{"data":')
        assert request.transport is not None
        request.transport.close()
        return broken

    def _honest(self, operation: str, data: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """Return the right answer, and its list; count what the call names."""
        rows = data.get("recipients", [])
        self._last += 1
        first = self._last
        if operation == "generateLink":
            wanted = data["links_quantity"]
            links = [f"https://l.example/{first}-{number}" for number in range(wanted)]
            self.named[f"call {first}"] += 1
            return {"success": 1, "links": links, "campaignId": "7001"}, "links"
        if operation == "generateLinkEmail":
            self.named.update(data["email_ids"].split(","))
            return {"success": 1, "message": "ok", "campaignId": "7001"}, ""
        self._last += len(rows)
        if operation == "cancelBalance":
            self.named.update(str(row["unique_id"]) for row in rows)
            results = [{"unique_id": row["unique_id"], "success": True, "message": "ok"} for row in rows]
            return {"error": False, "recipients": results}, "recipients"
        self.named.update(row["to_email"] for row in rows)
        credited = [
            {"unique_id": first + place, "email": row["to_email"], "points": int(row["amount"])}
            for place, row in enumerate(rows)
        ]
        return {"error": False, "message": "points sent", "recipients": credited}, "recipients"

    def _bodies(self, honest: dict[str, Any], listed: str) -> list[object]:
        """Return answers in the right place that are wrong in themselves."""
        rows = honest.get(listed, [])

        def every(**changed: object) -> dict[str, Any]:
            return {
                **honest,
                listed: [{**row, **changed} if isinstance(row, dict) else "https://l.example/0" for row in rows],
            }

        return [
            None,
            [],
            {**honest, listed: rows[: len(rows) // 2]},
            {**honest, listed: rows + rows},
            {**honest, listed: self._random.sample(rows, len(rows))},
            {**honest, listed: [1, None, {}, []]},
            every(email="stranger@example.org"),
            every(points=1),
            every(unique_id=1001),
            every(success=False),
            *(every(unique_id=odd) for odd in ("abc", -1, None, 2**70, 1.5)),
            {**honest, "error": True, "success": 0, "message": "no\nway \x1b[31m"},
            {**honest, "error": "true", "success": "0"},
            {**honest, "error": "false", "success": "1"},
            {**honest, "error": {"a": 1}, "success": {"b": 2}},
            {name: value for name, value in honest.items() if name not in {"error", "success"}},
            {**honest, "campaignId": "8002"},
        ]


@asynccontextmanager
async def serving(liar: Liar) -> AsyncIterator[XoxoClient]:
    """Run the server, and give a client of it."""
    app = web.Application()
    app.router.add_post("/chef/v1/oauth/api", liar.answer)
    app.router.add_post("/chef/v1/oauth/api/{more}", liar.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        limits = RateLimits.unlimited()
        async with XoxoClient(StaticToken(TOKEN), base_url=f"http://{host}:{port}/chef", rate_limits=limits) as client:
            yield client
    finally:
        await runner.cleanup()


def job_of(kind: str, client: XoxoClient, ledger: SqliteLedger, batch: int) -> Any:
    given: dict[str, Any] = {"job": "o", "batch": batch, "concurrency": 4, "settle_s": 0, "pause_limit_s": 5}
    if kind == "points":
        return BulkPoints(client, ledger, sender_email="boss@example.com", balances=batch > 1, **given)
    links = BulkLinks if kind == "links" else BulkLinkMails
    return links(client, ledger, campaign_id=7001, expires_on=date(2099, 1, 1), **given)


def rows_of(kind: str) -> list[Any]:
    if kind == "links":
        return [LinkLine(key=f"k{n}", quantity=1 + n % 3) for n in range(ROWS)]
    if kind == "mails":
        return [MailLine(key=f"k{n}", email=f"p{n}@example.com") for n in range(ROWS)]
    return [PointsLine(key=f"k{n}", email=f"p{n}@example.com", name="N", amount=Decimal(10 + n)) for n in range(ROWS)]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("kind", ["points", "links", "mails"])
async def test_it_is_asked_once_a_row(tmp_path: Path, kind: str, batch: int, seed: int) -> None:
    """Whatever it says: no row is sent a second time, no link is in two rows, and every row has an end."""
    liar = Liar(seed)
    async with serving(liar) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        report = await job_of(kind, client, ledger, batch).run(rows_of(kind))
        for _ in range(20):  # it may pause where the server seems to be dead
            if not report.not_sent:
                break
            report = await job_of(kind, client, ledger, batch).resume()
        assert (report.rows, report.not_sent) == (ROWS, 0)
        assert report.issued + report.pending + report.rejected + report.unknown == ROWS
        assert report.issued
        assert report.unknown
        assert set(liar.named.values()) == {1}
        assert len(liar.named) == (ROWS // batch if kind == "links" else ROWS)
        lines = [line async for line in ledger.lines(with_codes=True)]
        held = [code.code for line in lines for code in codes_of(line.codes)] if kind == "links" else []
        assert len(held) == len(set(held))
        ids = [line.order_id for line in lines if line.order_id is not None]
        assert len(ids) == len(set(ids))
        assert {line.state for line in lines} <= {LineState.PLACED, LineState.REJECTED, LineState.MANUAL}
        assert not any("example" in line.error for line in lines)


async def test_a_cancellation_is_asked_once(tmp_path: Path) -> None:
    """A row whose answer proves nothing is a person's; only one that the vendor refused is asked for again."""
    liar = Liar(5)
    async with serving(liar) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        points = job_of("points", client, ledger, 1)
        report = await points.run(rows_of("points"))
        while report.not_sent:
            report = await job_of("points", client, ledger, 1).resume()
        named = set(liar.named)
        first = await job_of("points", client, ledger, 2).cancel(None, reason="a slip")
        credits_named = {name: count for name, count in liar.named.items() if name not in named}
        assert set(credits_named.values()) == {1}
        assert first.unknown
        second = await job_of("points", client, ledger, 2).cancel(None, reason="a slip")
        assert second.cancelled >= first.cancelled
        doubt = {one.unique_id for one in first.results if one.state in {"unknown", "cancelled"}}
        assert all(liar.named[str(one)] == 1 for one in doubt)
