"""A thousand callers when the token has expired: the number of token requests, and the time each caller waits."""

import asyncio
import json
import time
import urllib.request
from typing import Final

import report
from report import Goal
from rounds import AGAIN, Spread
from stub import stub_server

from xoxo_async import ClientCredentials, RateLimits, XoxoClient

LIFETIME_S: Final = 1.0
TOKEN_LATENCY_S: Final = 0.25

LIVE: Final = "live token"
EXPIRED: Final = "expired token"
DUE: Final = "renewal due, old token lives"


def _tokens(url: str) -> int:
    with urllib.request.urlopen(f"{url}/counts", timeout=10) as answer:  # noqa: S310 - the stub, on loopback
        return int(json.load(answer)["tokens"])


async def _burst(xoxo: XoxoClient, callers: int, url: str) -> tuple[list[float], int]:
    """Place an order from every caller at once. Return how long each took, and the number of token requests."""
    before = await asyncio.to_thread(_tokens, url)

    async def call(number: int) -> float:
        began = time.perf_counter()
        await xoxo.orders.place(product_id=1001, denomination=500, po_number=f"BENCH-{number}")
        return time.perf_counter() - began

    took = await asyncio.gather(*[call(number) for number in range(callers)])
    await asyncio.sleep(2 * TOKEN_LATENCY_S)  # a renewal in the background may still be under way
    return list(took), await asyncio.to_thread(_tokens, url) - before


def _client(url: str) -> XoxoClient:
    return XoxoClient(ClientCredentials("id", "secret"), base_url=url, rate_limits=RateLimits.unlimited())


async def _round(long: str, short: str, callers: int) -> dict[str, tuple[list[float], int]]:
    """Run one round: bursts with a valid token, with an expired one, and with one that expires soon."""
    found = {}
    async with _client(long) as xoxo:
        await _burst(xoxo, 256, long)  # open all connections
        found[LIVE] = await _burst(xoxo, callers, long)
        found[LIVE + AGAIN] = await _burst(xoxo, callers, long)
    for name, wait_s in ((EXPIRED, LIFETIME_S * 1.1), (DUE, LIFETIME_S * 0.85)):
        async with _client(short) as xoxo:
            await _burst(xoxo, 256, short)
            await asyncio.sleep(LIFETIME_S)
            await xoxo.orders.place(product_id=1001, denomination=500, po_number="BENCH-0")  # this token is new
            await asyncio.sleep(wait_s)
            found[name] = await _burst(xoxo, callers, short)
    return found


def main() -> None:
    """Measure and print."""
    asked = report.options(
        __doc__ or "",
        ("--rounds", {"type": int, "default": 7, "help": "rounds counted"}),
        ("--callers", {"type": int, "default": 1000, "help": "callers at once"}),
    )
    rounds, callers = (1, 64) if asked.quick else (asked.rounds, asked.callers)

    async def measure() -> list[dict[str, tuple[list[float], int]]]:
        with (
            stub_server(token_latency_s=TOKEN_LATENCY_S) as long,
            stub_server(token_latency_s=TOKEN_LATENCY_S, token_lifetime_s=LIFETIME_S) as short,
        ):
            return [await _round(long, short, callers) for _ in range(rounds)]

    found = asyncio.run(measure())

    def row(name: str) -> tuple[list[object], Spread, int]:
        requests = max(one[name][1] for one in found)
        added = Spread.over([_median(one[name][0]) - _median(one[LIVE][0]) for one in found])
        waited = Spread.over([_median(one[name][0]) * 1000 for one in found])
        last = Spread.over([max(one[name][0]) * 1000 for one in found])
        cells: list[object] = [name, callers, requests, waited.median, last.median, added.median * 1000]
        return [*cells, added.median / TOKEN_LATENCY_S], added, requests

    goals = []
    for name, most in ((EXPIRED, 2.0), (DUE, 2.0)):
        _, added, requests = row(name)
        goals.append(Goal(f"token requests, {name}", requests, 1, "<=", unit="requests"))
        share = Spread(*(value / TOKEN_LATENCY_S for value in (added.median, added.low, added.high)))
        goals.append(
            Goal(f"latency added to a waiter, {name}", share.median, most, "<", share, unit="token requests' time")
        )
    report.show(
        "bench_token",
        ("callers at once with a", "callers", "token requests", "median ms", "last ms", "added ms", "of the request"),
        [row(name)[0] for name in (LIVE, EXPIRED, DUE)],
        goals,
        control=row(LIVE + AGAIN)[0],
        asked=asked,
        notes=[f"the token endpoint answers in {TOKEN_LATENCY_S * 1000:g} ms; wall time; 256 connections"],
    )


def _median(values: list[float]) -> float:
    return Spread.over(values).median


if __name__ == "__main__":
    main()
