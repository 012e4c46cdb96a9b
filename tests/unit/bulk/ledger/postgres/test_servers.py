"""`servers`: which server answers, and whether one that took over may lack commits."""

import pytest

from tests.unit.bulk.ledger.postgres.databases import connected
from tests.unit.postgres.rows import user_of
from xoxo_async.bulk.ledger.postgres.servers import Server, read_server, taken_over

FIRST = Server(1.0, "7", "00000001", synchronous=False)
WAITED = FIRST._replace(synchronous=True)


@pytest.mark.anyio
@pytest.mark.parametrize("role", ["xoxo_worker", "xoxo_owner"])
async def test_a_server_tells_its_history(database: str, role: str) -> None:
    """Also a worker, which is no administrator."""
    async with connected(await user_of(database, role)) as connection:
        server = await read_server(connection)
        assert server == await read_server(connection)
    assert server.started > 1e9
    assert server.system.isdigit()
    assert (server.timeline, server.synchronous) == ("00000001", False)


@pytest.mark.parametrize(
    ("before", "now", "says"),
    [
        pytest.param(None, FIRST, "", id="the-first-look"),
        pytest.param(FIRST, FIRST._replace(started=2.0), "", id="a-restart"),
        pytest.param(FIRST, FIRST._replace(timeline="0000000B"), "(timeline 11 after 1)", id="a-standby"),
        pytest.param(WAITED, FIRST._replace(timeline="00000002"), "", id="a-synchronous-standby"),
        pytest.param(WAITED, WAITED._replace(system="8"), "(cluster 8)", id="another-cluster"),
        pytest.param(FIRST._replace(system="", timeline=""), FIRST, "", id="untold-before"),
        pytest.param(FIRST, FIRST._replace(system="", timeline=""), "", id="untold-now"),
    ],
)
def test_who_may_lack_commits(before: Server | None, now: Server, says: str) -> None:
    """A standby that commits did not wait for, and a copy in another cluster."""
    said = taken_over(before, now)
    assert (says in said) is True
    assert bool(said) is bool(says)
