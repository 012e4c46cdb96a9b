"""The pytest plugin: fixtures `xoxo_sandbox`, a running sandbox, and `xoxo_client`, a client on it."""

from collections.abc import Iterator

import pytest

from xoxo_async import ClientCredentials, RateLimits, XoxoClient
from xoxo_async.sandbox import Sandbox


@pytest.fixture
def xoxo_sandbox() -> Iterator[Sandbox]:
    """A sandbox of this test's own, in a thread of its own."""
    with Sandbox().run_in_thread() as sandbox:
        yield sandbox


@pytest.fixture
def xoxo_client(xoxo_sandbox: Sandbox) -> XoxoClient:
    """A client on `xoxo_sandbox`, without rate limits; use it with `async with`."""
    return XoxoClient(
        ClientCredentials(xoxo_sandbox.client_id, xoxo_sandbox.client_secret),
        base_url=xoxo_sandbox.base_url,
        rate_limits=RateLimits.unlimited(),
    )
