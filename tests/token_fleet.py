"""Processes that share one rotating pair in a database, of which one is killed, one stopped and one restarted."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

from tests.warm_python import WarmProcess
from xoxo_async.sandbox import Sandbox

__all__ = ["Fleet", "TokenRequests", "Worker", "run_fleet", "watched"]

RENEWED_AT: Final = 0.8
"""The share of a token's life after which a client renews it."""

_CODE = """
import sys, anyio
from xoxo_async import ClientCredentials, PostgresTokenStore, RateLimits, RefreshToken, RetryPolicy, XoxoClient, errors
from xoxo_async.sandbox import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN

async def main(base_url, database, kind, lease_s):
    store = PostgresTokenStore(database, lease_s=float(lease_s))
    if kind == "pair":
        provider = RefreshToken(CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, store=store)
    else:
        provider = ClientCredentials(CLIENT_ID, CLIENT_SECRET, store=store)
    limits, retry = RateLimits.unlimited(), RetryPolicy(attempts=1)
    async with XoxoClient(provider, base_url=base_url, rate_limits=limits, retry=retry) as xoxo:
        print("ready", flush=True)
        await anyio.to_thread.run_sync(sys.stdin.readline)
        done = anyio.Event()

        async def end():
            await anyio.to_thread.run_sync(sys.stdin.readline)
            done.set()

        async with anyio.create_task_group() as group:
            group.start_soon(end)
            while not done.is_set():
                try:
                    await xoxo.account.get_balance()
                    print("good", flush=True)
                except errors.XoxoError as error:
                    print(f"bad {type(error).__name__}: {error}", flush=True)
                with anyio.move_on_after(0.02):
                    await done.wait()

anyio.run(main, *sys.argv[1:])
"""


class Worker:
    """A process that calls again and again, and prints a line for each call.

    Args:
        base_url: Where it calls.
        database: Where its token is.
        kind: `pair` for a refresh token, `grant` for client credentials.
        lease_s: How long its lease on the token lasts.
    """

    def __init__(self, base_url: str, database: str, *, kind: str = "pair", lease_s: float = 15) -> None:
        command = ["-W", "error", "-c", _CODE, base_url, database, kind, str(lease_s)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self.process: Final = WarmProcess(command, **pipes)

    def ready(self) -> None:
        """Wait until it can call."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def go(self) -> None:
        """Let it call."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def line(self) -> str:
        """Return what its next call gave."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> list[str]:
        """Let it end, and return what its calls gave."""
        with contextlib.suppress(BrokenPipeError):  # it was killed
            return self.process.communicate("end\n", timeout=60)[0].split("\n")[:-1]
        return self.process.communicate(timeout=60)[0].split("\n")[:-1]

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


class TokenRequests:
    """What the sandbox's token endpoint was asked for, and when.

    Attributes:
        renewed: The times of requests that gave a token.
        refused: How many requests it refused.
    """

    def __init__(self) -> None:
        self.renewed: list[float] = []
        self.refused = 0

    def a_lifetime(self, ttl_s: float) -> float:
        """Return how many renewals there were while one token was to be used."""
        if len(self.renewed) < 2:
            return float(len(self.renewed))
        return (len(self.renewed) - 1) * ttl_s * RENEWED_AT / (self.renewed[-1] - self.renewed[0])


def watched(sandbox: Sandbox, *, first_takes_s: float = 0) -> TokenRequests:
    """Record the token requests of a sandbox from now on.

    Args:
        sandbox: The sandbox.
        first_takes_s: How long the answer to the first one takes, after its token was issued. Nothing else is answered
            meanwhile.
    """
    requests, issue = TokenRequests(), sandbox.tokens.issue

    def recorded(path: str, body: bytes, content_type: str) -> tuple[int, Mapping[str, object]]:
        status, reply = issue(path, body, content_type)
        if status == 200:
            requests.renewed.append(time.monotonic())
            if len(requests.renewed) == 1:
                time.sleep(first_takes_s)
        else:
            requests.refused += 1
        return status, reply

    sandbox.tokens.issue = recorded  # type: ignore[method-assign]
    return requests


class Fleet(NamedTuple):
    """How a fleet did.

    Attributes:
        requests: The token requests.
        a_lifetime: Renewals while one token was to be used; 1 is what a single process makes.
        good: Calls that succeeded.
        bad: What the other calls raised.
    """

    requests: TokenRequests
    a_lifetime: float
    good: int
    bad: list[str]


@contextmanager
def _all_ended(workers: list[Worker]) -> Iterator[None]:
    try:
        yield
    finally:
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                worker.process.send_signal(signal.SIGCONT)
            worker.kill()


def run_fleet(
    database: str, *, processes: int, seconds: float, ttl_s: float = 3, kind: str = "pair", chaos: bool = True
) -> Fleet:
    """Run processes on one token; kill one, stop one for longer than a token lives, and restart one.

    Args:
        database: The database's URL; the schema is there.
        processes: How many; at least 4 with chaos.
        seconds: How long, at least three lifetimes.
        ttl_s: How long a token lives.
        kind: `pair` or `grant`.
        chaos: Whether to kill, stop and restart.
    """
    with Sandbox(token_ttl_s=ttl_s, latency_ms=20).run_in_thread() as sandbox:
        requests = watched(sandbox)
        workers = [Worker(sandbox.base_url, database, kind=kind, lease_s=2) for _ in range(processes)]
        with _all_ended(workers):
            for worker in workers:
                worker.ready()
            started = time.monotonic()
            for worker in workers:
                worker.go()
            lines = _through_chaos(workers, sandbox.base_url, database, kind, started, seconds, ttl_s) if chaos else []
            _sleep_until(started + seconds)
            for worker in workers[1:] if chaos else workers:
                lines += worker.end()
    bad = [line for line in lines if line != "good"]
    return Fleet(requests, requests.a_lifetime(ttl_s), len(lines) - len(bad), bad)


def _through_chaos(
    workers: list[Worker], base_url: str, database: str, kind: str, started: float, seconds: float, ttl_s: float
) -> list[str]:
    """Kill a worker, stop one for a while, and restart one; return what the calls of that one gave until then."""
    killed, stopped, restarted = workers[:3]
    _sleep_until(started + seconds * 0.2)
    killed.process.kill()
    stopped.process.send_signal(signal.SIGSTOP)
    lines = restarted.end()
    workers.remove(restarted)
    again = Worker(base_url, database, kind=kind, lease_s=2)
    workers.append(again)
    again.ready()
    again.go()
    _sleep_until(started + seconds * 0.2 + ttl_s * 1.3)
    stopped.process.send_signal(signal.SIGCONT)
    return lines


def _sleep_until(at: float) -> None:
    time.sleep(max(at - time.monotonic(), 0))
