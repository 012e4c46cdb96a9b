"""The client that the tests of workers use."""

import pytest

from tests.unit.bulk.jobs import Client


@pytest.fixture
def client() -> Client:
    """Return a client: look at what was `sent` and `looked_up`."""
    return Client()
