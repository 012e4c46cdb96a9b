"""What every test may lean on."""

import pytest
from hypothesis import HealthCheck, settings

# Machines differ and are shared: an example may be slow without anything being wrong.
settings.register_profile("shared-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared-machine")


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio: aiohttp knows no other loop."""
    return "asyncio"
