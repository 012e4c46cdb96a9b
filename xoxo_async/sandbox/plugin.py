"""The pytest plugin: the fixture `xoxo_sandbox` is a running sandbox, and `xoxo_client` is a client of it.

pytest imports this module in every run of an environment that has the package. So it imports nothing at its top but
pytest, and a fixture imports what it needs when a test asks for it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xoxo_async import XoxoClient
    from xoxo_async.sandbox import Sandbox, SandboxFixture

_MARKER = (
    "xoxo_sandbox(**settings): the settings of this test's xoxo_sandbox, for example seed=3, balance=500, "
    "faults={'commit_then_reset': 0.5}"
)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, for runs with `--strict-markers`."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def xoxo_sandbox(request: pytest.FixtureRequest) -> "Iterator[SandboxFixture]":
    """A running sandbox for this test alone, and a factory of more. It runs in a thread: a test needs no event loop.

    `@pytest.mark.xoxo_sandbox(seed=3, faults={"commit_then_reset": 0.5})` gives it the settings of `Sandbox`. Call the
    fixture, `xoxo_sandbox(seed=4)`, to start another sandbox with settings of its own. All of them end with the test.
    """
    from xoxo_async.sandbox.fixtures import running_sandbox  # noqa: PLC0415 - only for tests that ask for it

    marker = request.node.get_closest_marker("xoxo_sandbox")
    with running_sandbox(*marker.args if marker else (), **marker.kwargs if marker else {}) as sandbox:
        yield sandbox


@pytest.fixture
def xoxo_client(xoxo_sandbox: "Sandbox") -> "XoxoClient":
    """A client of `xoxo_sandbox`, without rate limits. Use it with `async with`."""
    from xoxo_async import ClientCredentials, RateLimits, XoxoClient  # noqa: PLC0415 - as above

    return XoxoClient(
        ClientCredentials(xoxo_sandbox.client_id, xoxo_sandbox.client_secret),
        base_url=xoxo_sandbox.base_url,
        rate_limits=RateLimits.unlimited(),
    )
