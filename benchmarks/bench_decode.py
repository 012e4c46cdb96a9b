"""Catalog pages from bytes to typed products, beside json.loads, msgspec and pydantic; and how long the loop waits."""

import asyncio
import importlib
import importlib.util
import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec
import report
from report import Goal
from rounds import AGAIN, Series, Spread, band, ratio, take_turns_sync
from stub import catalog_page, one_odd_product, stub_server

from xoxo_async import RateLimits, StaticToken, XoxoClient
from xoxo_async.services.catalog import GET_VOUCHERS, Voucher

JSON: Final = "json.loads to dicts"
ORJSON: Final = "orjson to dicts"
PYDANTIC: Final = "pydantic validate_json"
PLAIN: Final = "msgspec to dicts"
SDK: Final = "xoxo_async"
SDK_READ: Final = "xoxo_async, all amounts read"
SDK_SPLIT: Final = "the same, and denominations"
JSON_SPLIT: Final = "json.loads, the same by hand"
ODD: Final = "xoxo_async, one odd product"

_COLUMNS: Final = ("decoder", "products", "ms/page", "times as fast as json.loads", "times as fast as pydantic")
# Pydantic's model has these as Decimal. Its denominations are one text, as on the wire.
_MONEY: Final = (
    "min_value", "max_value", "fee", "discount", "redemption_fee", "redemption_fee_tax", "exchange_rate_rule",
    "exchange_rate",
)  # fmt: skip
_WIRE_MONEY: Final = (
    "minValue", "maxValue", "fee", "discount", "redemptionFee", "redemptionFeeTax", "exchangeRateRule", "exchangeRate",
)  # fmt: skip


def _decode(body: bytes) -> tuple[Voucher, ...]:
    products = GET_VOUCHERS.read(body)
    assert products
    return products


def _decode_and_read(body: bytes) -> int:
    return sum(len([getattr(product, name) for name in _MONEY]) for product in _decode(body))


def _decode_and_split(body: bytes) -> int:
    names = (*_MONEY, "denominations")
    return sum(len([getattr(product, name) for name in names]) for product in _decode(body))


def _load_and_split(body: bytes) -> int:
    """Return the same from dicts: this is what a user of dicts writes to get exact amounts."""
    found = 0
    for product in json.loads(body, parse_float=Decimal)["data"]["getVouchers"]["data"]:
        amounts = [None if value is None else Decimal(value) for value in map(product.get, _WIRE_MONEY)]
        values = sorted({Decimal(part) for part in product["valueDenominations"].split(",")})
        found += len(amounts) + len(values)
    return found


def _decoders() -> dict[str, Callable[[bytes], object]]:
    decoders: dict[str, Callable[[bytes], object]] = {
        JSON: json.loads,
        JSON + AGAIN: json.loads,
        PLAIN: msgspec.json.Decoder(float_hook=Decimal).decode,
        SDK: _decode,
        SDK_READ: _decode_and_read,
        SDK_SPLIT: _decode_and_split,
        JSON_SPLIT: _load_and_split,
    }
    if importlib.util.find_spec("orjson"):
        decoders[ORJSON] = importlib.import_module("orjson").loads
    if importlib.util.find_spec("pydantic"):
        model: Any = importlib.import_module("pydantic_models").CatalogPage
        decoders[PYDANTIC] = model.model_validate_json
    return decoders


def _measure(products: int, rounds: int, repeats: int) -> dict[str, Series]:
    body = catalog_page(products)
    contestants: dict[str, tuple[Callable[[], object], int]] = {
        name: ((lambda decode=decode: decode(body)), repeats) for name, decode in _decoders().items()
    }
    odd = one_odd_product(body)
    contestants[ODD] = (lambda: _decode(odd), max(repeats // 10, 1))
    return take_turns_sync(contestants, rounds)


async def _longest_block(products: int, pages: int, *, odd: bool) -> float:
    """Read pages through the client, and return the longest time in ms in which the loop did nothing else."""
    gaps: list[float] = []

    async def tick() -> None:
        before = time.perf_counter()
        while True:
            await asyncio.sleep(0.0005)
            now = time.perf_counter()
            gaps.append(now - before)
            before = now

    with stub_server(odd_products=odd) as url:
        async with XoxoClient(StaticToken("t"), base_url=url, rate_limits=RateLimits.unlimited()) as xoxo:
            await xoxo.catalog.list_vouchers(limit=1)
            ticking = asyncio.create_task(tick())
            worst: list[float] = []
            for _ in range(pages):
                gaps.clear()
                page = await xoxo.catalog.list_vouchers(limit=products)
                assert len(page) == products
                await asyncio.sleep(0.002)
                worst.append(max(gaps))
            ticking.cancel()
    return Spread.over(worst).median * 1000


def main() -> None:
    """Measure and print."""
    asked = report.options(__doc__ or "", ("--rounds", {"type": int, "default": 15, "help": "rounds counted"}))
    rounds = 3 if asked.quick else asked.rounds
    rows: list[list[object]] = []
    goals: list[Goal] = []
    control: list[object] = []
    for products, repeats in ((100, 20), (1000, 3)):
        series = _measure(products, rounds, 1 if asked.quick else repeats)
        pydantic = series.get(PYDANTIC)

        def row(name: str, series: dict[str, Series] = series, products: int = products) -> list[object]:
            one, peer = series[name], series.get(PYDANTIC)
            mean = Spread.over([value * 1000 for value in one.cpu_s]).median
            return [name, products, mean, ratio(series[JSON], one), ratio(peer, one) if peer else None]

        rows.extend(row(name) for name in series if name != JSON + AGAIN)
        control = row(JSON + AGAIN)
        if products < 1000:
            rows.append(control)
            continue
        noise = band(ratio(series[JSON + AGAIN], series[JSON]))
        found = ratio(series[JSON], series[SDK])
        goals.append(Goal(f"{SDK}, {products} products, to {JSON}", found.median, 1.8, ">=", found, noise))
        for name in (SDK, SDK_READ):
            if pydantic:
                found = ratio(pydantic, series[name])
                goals.append(Goal(f"{name}, {products} products, to pydantic", found.median, 1.8, ">=", found, noise))
    pages = 2 if asked.quick else 15
    for what, odd in (("as documented", False), ("with one odd product", True)):
        blocked = asyncio.run(_longest_block(1000, pages, odd=odd))
        goals.append(Goal(f"longest block of the loop, 1000 products {what}", blocked, 20, "<=", unit="ms"))
    notes = [f"a page of 1000 products is {len(catalog_page(1000)) / 1e6:.1f} MB; CPU time; ratios within a round"]
    if PYDANTIC not in series:
        notes.append("not installed, see `make bench-peers`: pydantic")
    report.show("bench_decode", _COLUMNS, rows, goals, control=control, asked=asked, notes=notes)


if __name__ == "__main__":
    main()
