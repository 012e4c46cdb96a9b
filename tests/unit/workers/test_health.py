"""`health`: 200 or 503, with the reason as JSON."""

import aiohttp
import pytest

from xoxo_async import errors
from xoxo_async.workers.health import serving_health
from xoxo_async.workers.state import WorkerState

pytestmark = pytest.mark.anyio


async def asked(port: int, path: str) -> tuple[int, object]:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, await answer.json()


async def test_both_checks_answer_with_their_reason() -> None:
    """The reason is shown as the caller wants it shown."""
    state = WorkerState()
    async with serving_health(state, port=0, host="127.0.0.1", shown=str.upper) as port:
        assert await asked(port, "/live") == (200, {"ok": True, "reason": "AT WORK"})
        assert await asked(port, "/ready") == (503, {"ok": False, "reason": "THE LEDGER HAS NOT ANSWERED YET"})
        state.ledger_answered()
        assert (await asked(port, "/ready"))[0] == 200


async def test_the_port_is_free_afterwards() -> None:
    """The next worker of this host may have it at once."""
    async with serving_health(WorkerState(), port=0, host="127.0.0.1") as port:
        pass
    async with serving_health(WorkerState(), port=port, host="127.0.0.1") as again:
        assert again == port


async def test_a_port_in_use_is_a_clear_error() -> None:
    """It names the port."""
    async with serving_health(WorkerState(), port=0, host="127.0.0.1") as port:
        with pytest.raises(errors.ConfigError, match=f"health: port {port} cannot be opened"):
            async with serving_health(WorkerState(), port=port, host="127.0.0.1"):
                pass
