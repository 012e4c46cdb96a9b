"""Servers for the handlers' tests."""

import pytest

from tests.unit.sandbox.handlers.servers import FlatServer, Server


@pytest.fixture(params=["vendor", "openapi"])
def either(request: pytest.FixtureRequest) -> Server:
    """Return a server of each dialect in turn."""
    return Server(openapi=request.param == "openapi")


@pytest.fixture
def server() -> Server:
    """Return a server that speaks the vendor's dialect."""
    return Server()


@pytest.fixture
def flat() -> FlatServer:
    """Return a server for operations with their own success flag."""
    return FlatServer()
