"""The pytest plugin: fixtures `xoxo_sandbox`, a running sandbox, and `xoxo_client`, a client on it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xoxo_async import XoxoClient
    from xoxo_async.sandbox import Sandbox


@pytest.fixture
def xoxo_sandbox() -> "Iterator[Sandbox]":
    """A sandbox of this test's own, in a thread of its own."""
    from xoxo_async.sandbox import Sandbox  # noqa: PLC0415 - imported by every pytest run of whoever installed us

    with Sandbox().run_in_thread() as sandbox:
        yield sandbox


@pytest.fixture
def xoxo_client(xoxo_sandbox: "Sandbox") -> "XoxoClient":
    """A client on `xoxo_sandbox`, without rate limits; use it with `async with`."""
    from xoxo_async import ClientCredentials, RateLimits, XoxoClient  # noqa: PLC0415

    return XoxoClient(
        ClientCredentials(xoxo_sandbox.client_id, xoxo_sandbox.client_secret),
        base_url=xoxo_sandbox.base_url,
        rate_limits=RateLimits.unlimited(),
    )
