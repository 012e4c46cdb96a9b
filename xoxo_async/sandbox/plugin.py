"""The pytest plugin: the fixture `xoxo_sandbox` is a running sandbox, and `xoxo_client` is a client of it."""

from collections.abc import Iterator

import pytest

from xoxo_async import ClientCredentials, RateLimits, XoxoClient
from xoxo_async.sandbox import Sandbox


@pytest.fixture
def xoxo_sandbox() -> Iterator[Sandbox]:
    """A running sandbox for this test alone. It runs in a thread, so the test needs no event loop."""
    with Sandbox().run_in_thread() as sandbox:
        yield sandbox


@pytest.fixture
def xoxo_client(xoxo_sandbox: Sandbox) -> XoxoClient:
    """A client of `xoxo_sandbox`, without rate limits. Use it with `async with`."""
    return XoxoClient(
        ClientCredentials(xoxo_sandbox.client_id, xoxo_sandbox.client_secret),
        base_url=xoxo_sandbox.base_url,
        rate_limits=RateLimits.unlimited(),
    )
