"""Which row gets which voucher code of an answer: codes may be blank, repeated, masked, or too many."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import anyio
import pytest
from aiohttp import web

from xoxo_async import RateLimits, StaticToken, XoxoClient
from xoxo_async.bulk import BulkIssuer, OrderLine, Report, SqliteLedger

pytestmark = pytest.mark.anyio

Voucher = dict[str, object]
Codes = Callable[[str, int], Sequence[Voucher]]
"""The vouchers of an order, by its poNumber and by how often it was read."""


def voucher(code: str | None, pin: str | None = None, **other: object) -> Voucher:
    """Return a voucher as the vendor writes it."""
    return {"productId": 1001, "voucherCode": code, "pin": pin, **other}


@asynccontextmanager
async def vendor(codes: Codes, port: int = 0) -> AsyncIterator[str]:
    """Serve orders and look-ups with the codes that a test wants, and yield the address."""
    orders: dict[int, tuple[str, int]] = {}
    asked: dict[int, int] = {}

    def told(order_id: int) -> dict[str, object]:
        po_number, quantity = orders[order_id]
        asked[order_id] = asked.get(order_id, 0) + 1
        vouchers = list(codes(po_number, asked[order_id]))
        return {
            "orderId": order_id,
            "quantity": quantity,
            "deliveryStatus": "delivered",
            "amountCharged": 100 * quantity,
            "currencyCode": "INR",
            "vouchers": vouchers,
        }

    async def serve(request: web.Request) -> web.Response:
        body = await request.json()
        operation, data = body["query"].rsplit(".", 1)[-1], body["variables"]["data"]
        if operation == "placeOrder":
            order_id = 501 + len(orders)
            orders[order_id] = (data["poNumber"], int(data["quantity"]))
        else:
            ids = [number for number, (po_number, _) in orders.items() if po_number == data.get("poNumber")]
            order_id = int(data.get("orderId") or 0) or ids[0]
        return web.json_response({"data": {operation: {"status": 1, "data": told(order_id)}}})

    app = web.Application()
    app.router.add_post("/{path:.*}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class Job:
    """A job against such a vendor."""

    def __init__(self, url: str, path: Path, *, pack: bool = False, keep: bool = True) -> None:
        self.client = XoxoClient(StaticToken("T" * 20), base_url=url, rate_limits=RateLimits.unlimited())
        self.path, self.pack, self.keep = path, pack, keep

    async def run(self, *lines: OrderLine) -> Report:
        """Run lines, or resume those in the ledger."""
        async with self.client, SqliteLedger(self.path, store_codes=self.keep) as ledger:
            issuer = BulkIssuer(self.client, ledger, job="j", concurrency=1, check=False, pack=self.pack)
            return await (issuer.run(lines) if lines else issuer.reconcile())


def row(key: str, quantity: int = 1) -> OrderLine:
    """Return an order line that needs only codes."""
    return OrderLine(key=key, product_id=1001, denomination=Decimal(100), quantity=quantity)


async def shown(path: Path) -> dict[str, list[str]]:
    """Return the codes of every row by its key."""
    found: dict[str, list[str]] = {}
    async with SqliteLedger(path) as ledger:
        async for order in ledger.lines(with_codes=True):
            codes = [code["code"] for code in json.loads(order.codes or b"[]")]
            shared = (await ledger.packed([order])).get(order.seq)
            if shared is None:
                found[order.key] = codes
            for line in shared or ():
                found[line.key] = codes[line.first : line.end]
    return found


@pytest.mark.parametrize("blank", [None, "", "  ", "\u200b", "-", "****"])
async def test_a_pin_without_a_code_is_pending(tmp_path: Path, blank: str | None) -> None:
    """With two pieces and one code the row is pending. The code is kept, and the other one is collected later."""

    def codes(_po_number: str, time: int) -> list[Voucher]:
        return [voucher("AAAA", "1"), voucher(blank if time == 1 else "BBBB", "2")]

    async with vendor(codes) as url:
        report = await Job(url, tmp_path / "l.db").run(row("a", 2))
        assert (report.issued, report.pending) == (0, 1)
        assert await shown(tmp_path / "l.db") == {"a": ["AAAA"]}
        report = await Job(url, tmp_path / "l.db").run()
    assert (report.issued, report.pending, report.exit_code) == (1, 0, 0)
    assert await shown(tmp_path / "l.db") == {"a": ["AAAA", "BBBB"]}


async def test_a_code_listed_three_times_is_one_code(tmp_path: Path) -> None:
    """Three rows share an order. The first one gets the code, and the others wait."""

    def codes(_po_number: str, time: int) -> list[Voucher]:
        return [voucher("AAAA")] * 3 if time == 1 else [voucher("BBBB"), voucher("AAAA"), voucher("CCCC")]

    async with vendor(codes) as url:
        report = await Job(url, tmp_path / "l.db", pack=True).run(row("a"), row("b"), row("c"))
        assert (report.issued, report.pending) == (1, 2)
        assert await shown(tmp_path / "l.db") == {"a": ["AAAA"], "b": [], "c": []}
        report = await Job(url, tmp_path / "l.db", pack=True).run()
    assert (report.issued, report.pending) == (3, 0)
    assert await shown(tmp_path / "l.db") == {"a": ["AAAA"], "b": ["BBBB"], "c": ["CCCC"]}


@pytest.mark.parametrize("keep", [True, False], ids=["codes", "no codes"])
async def test_one_code_under_three_orders_is_an_alarm(tmp_path: Path, keep: bool) -> None:
    """The first row keeps it and the others are pending. The report names orders and rows, never the code."""
    async with vendor(lambda _po_number, _time: [voucher("SAME-CODE-1")]) as url:
        job = Job(url, tmp_path / "l.db", keep=keep)
        report = await job.run(row("a"), row("b"), row("c"))
        assert (report.rows, report.issued, report.pending, report.unknown) == (3, 1, 2, 0)
        assert (report.exit_code, report.alarms_total) == (4, 2)
        texts = [alarm.text for alarm in report.alarms]
        assert "order 502 (row 2, key b)" in texts[0]
        assert "order 501 (row 1, key a)" in texts[0]
        assert "order 503 (row 3, key c)" in texts[1]
        assert "SAME-CODE-1" not in f"{report}"
        again = await Job(url, tmp_path / "l.db", keep=keep).run()
    assert (again.issued, again.pending, again.exit_code, again.alarms_total) == (1, 2, 4, 2)
    if keep:
        assert await shown(tmp_path / "l.db") == {"a": ["SAME-CODE-1"], "b": [], "c": []}


@pytest.mark.parametrize(
    ("poor", "whole"),
    [
        (voucher("XXXX-1234"), voucher("ABCD-1234")),
        (voucher("****1234"), voucher("ABCD1234", "77")),
        (voucher("ABCD-1234", None, type="codePin"), voucher("ABCD-1234", "77", type="codePin")),
        (voucher("ABCD-1234", "****", type="codePin"), voucher("ABCD-1234", "77", type="codePin")),
    ],
    ids=["crosses", "stars", "no pin", "masked pin"],
)
async def test_a_fuller_code_replaces_its_masked_form(tmp_path: Path, poor: Voucher, whole: Voucher) -> None:
    """No second row gets it, and the second code goes to the second row."""

    def codes(_po_number: str, time: int) -> list[Voucher]:
        return [poor] if time == 1 else [voucher("SECOND-9999", "1"), whole]

    async with vendor(codes) as url:
        report = await Job(url, tmp_path / "l.db", pack=True).run(row("a"), row("b"))
        assert (report.issued, report.pending) == (0, 2)
        report = await Job(url, tmp_path / "l.db", pack=True).run()
    assert (report.issued, report.pending, report.alarms) == (2, 0, ())
    assert await shown(tmp_path / "l.db") == {"a": [whole["voucherCode"]], "b": ["SECOND-9999"]}


@pytest.mark.parametrize("first", [[], [voucher("AAAA")]], ids=["none before", "one before"])
async def test_too_many_codes_go_to_no_row(tmp_path: Path, first: list[Voucher]) -> None:
    """Nobody knows which codes are the order's. Earlier codes stay with their rows, and a person decides the rest."""

    def codes(_po_number: str, time: int) -> list[Voucher]:
        return first if time == 1 else [*first, voucher("BBBB"), voucher("CCCC"), voucher("DDDD")]

    async with vendor(codes) as url:
        await Job(url, tmp_path / "l.db", pack=True).run(row("a"), row("b"))
        report = await Job(url, tmp_path / "l.db", pack=True).run()
    assert (report.issued, report.pending, report.exit_code) == (len(first), 2 - len(first), 4)
    assert "order 501" in report.alarms[0].text
    assert await shown(tmp_path / "l.db") == {"a": ["AAAA"] if first else [], "b": []}


async def test_a_later_answer_with_other_codes_replaces_none(tmp_path: Path) -> None:
    """A row that is not packed keeps its code. Codes add up to two pieces, and a third code is an alarm."""
    told = [["AAAA"], ["BBBB"], ["CCCC"]]

    async with vendor(lambda _po_number, time: [voucher(code) for code in told[time - 1]]) as url:
        report = await Job(url, tmp_path / "l.db").run(row("a", 2))
        assert (report.issued, report.pending) == (0, 1)
        report = await Job(url, tmp_path / "l.db").run()
    assert (report.issued, report.pending, report.exit_code) == (1, 0, 0)
    assert await shown(tmp_path / "l.db") == {"a": ["AAAA", "BBBB"]}


async def said(*arguments: str | Path) -> str:
    """Return what a command prints, on both streams."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("XOXO_")}
    done = await anyio.run_process(
        [sys.executable, "-m", "xoxo_async", *map(str, arguments)],
        env={**clean, "XOXO_ACCESS_TOKEN": "T" * 20},
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.stdout.decode()


@pytest.mark.parametrize("keep", [True, False], ids=["codes", "no codes"])
async def test_status_and_export_name_a_repeated_code(tmp_path: Path, keep: bool) -> None:
    """Both name the orders that have one code between them, and the export writes the code once."""
    path, file = tmp_path / "l.db", tmp_path / "codes.csv"
    async with vendor(lambda _po_number, _time: [voucher("SAME-CODE-1")]) as url:
        await Job(url, path, keep=keep).run(row("a"), row("b"))
        told = await said("bulk", "status", "--ledger", path)
        assert "alarm: order 502 (row 2, key b)" in told
        facts = json.loads(await said("bulk", "status", "--ledger", path, "--json"))
        assert (len(facts["alarms"]), facts["alarms_total"]) == (1, 1)
        told = await said("bulk", "export", "--ledger", path, "--out", file, "--reveal", "--base-url", url)
    assert file.read_text().count("SAME-CODE-1") == 1
    assert "order 502 (row 2, key b)" in told
    assert "SAME-CODE-1" not in told
