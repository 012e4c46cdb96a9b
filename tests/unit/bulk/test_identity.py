"""`identity`: a ledger belongs to one account at one address; any other is refused before an order call."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.facts import fact, planned
from tests.unit.bulk.ledger.ledgers import each
from xoxo_async import ClientCredentials, RefreshToken, StaticToken, XoxoClient, errors
from xoxo_async.bulk.identity import check_identity, identity_of
from xoxo_async.bulk.ledger.lines import Evidence
from xoxo_async.bulk.ledger.postgres.ledger import PostgresLedger
from xoxo_async.bulk.ledger.protocol import Identity, PlanTerms
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.services.orders import Order

pytestmark = pytest.mark.anyio

HERE = "http://localhost:8001/chef"


class Client:
    """A client whose vendor knows some orders."""

    def __init__(self, base_url: str = HERE, account: str = "f1") -> None:
        self.base_url, self.account_fingerprint = base_url, account
        self.orders = self
        self.books: dict[str, Order] = {}
        self.asked: list[str] = []

    async def get(self, *, po_number: str) -> Order:
        self.asked.append(po_number)
        if po_number not in self.books:
            raise errors.NotFoundError("no", error_id="PLE10016")
        return self.books[po_number]


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    """Yield a ledger of three planned lines of account f1 here."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        terms = PlanTerms(identity=Identity(HERE, "f1"))
        await ledger.plan("march", each(planned(number, room=0) for number in range(3)), terms)
        yield ledger


async def placed(ledger: SqliteLedger) -> Order:
    """Send the first line, and return its order."""
    (line,) = await ledger.claim(1)
    await ledger.record([fact(line, Evidence.ANSWERED_PLACED)])
    return Order(order_id=line.seq, quantity=1)


async def check(client: Client, ledger: SqliteLedger) -> None:
    await check_identity(client, ledger, identity_of(client))  # type: ignore[arg-type]


async def refused(client: Client, ledger: SqliteLedger) -> str:
    """Return why a client may not work on a ledger, which stays as it is."""
    before = ledger.identity
    with pytest.raises(errors.ConfigError) as caught:
        await check(client, ledger)
    assert ledger.identity == before
    assert [row async for row in ledger.journal(seq=0)] == []
    return caught.value.message


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://Plum.Test/chef", "https://plum.test:443/chef/"),
        ("http://127.0.0.1:8001/chef", "http://localhost:8001/chef"),
        ("http://[::1]:8001/chef", "http://127.0.0.1:8001/chef"),
        ("http://plum.test/chef", "http://plum.test:80/chef"),
    ],
)
def test_one_address_has_many_spellings(one: str, other: str) -> None:
    """Which of them is meant makes no difference."""
    assert identity_of(Client(one)) == identity_of(Client(other))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other",
    [
        "http://plum.test/chef",
        "https://plum.test:8443/chef",
        "https://plum.test/other",
        "https://plum.test.example.com/chef",
        "https://staging.plum.test/chef",
    ],
)
def test_addresses_are_told_apart(other: str) -> None:
    """By scheme, port, path and host."""
    assert identity_of(Client("https://plum.test/chef")) != identity_of(Client(other))  # type: ignore[arg-type]


def test_a_caller_may_name_the_address() -> None:
    """For a server of its own whose port changes."""
    assert identity_of(Client(), "sandbox") == Identity("sandbox", "f1")  # type: ignore[arg-type]


def test_an_account_fingerprint_shows_no_secret() -> None:
    """A new secret is the same account, another client id is another one."""

    def account(credentials: ClientCredentials | RefreshToken | StaticToken) -> str:
        return XoxoClient(credentials, base_url="https://plum.test/chef").account_fingerprint

    one = account(ClientCredentials("client-a", "secret-1"))
    assert one == account(ClientCredentials("client-a", "secret-2"))
    assert one == account(RefreshToken("client-a", "secret-1", "refresh-1"))
    assert one != account(ClientCredentials("client-b", "secret-1"))
    assert account(StaticToken("token-1")) != account(StaticToken("token-2"))
    assert not any(text in one for text in ("client", "secret", "refresh"))


async def test_its_own_account_and_address_need_no_call(ledger: SqliteLedger) -> None:
    """The usual case costs nothing."""
    client = Client("http://127.0.0.1:8001/chef/")
    await check(client, ledger)
    assert client.asked == []


async def test_another_account_is_refused_without_a_call(ledger: SqliteLedger) -> None:
    """There every order looks absent; also where nothing was sent yet, and where the port differs as well."""
    await placed(ledger)
    for client in (Client(account="f2"), Client(account=""), Client("http://localhost:9/chef", "f2")):
        told = await refused(client, ledger)
        assert "another account" in told
        assert "xoxo bulk rebind" in told
        assert client.asked == []


@pytest.mark.parametrize(
    "address",
    [
        "https://plum.test/chef",
        "http://localhost:8001/other",
        "https://localhost:8001/chef",
        "http://10.0.0.1:8001/chef",
    ],
)
async def test_another_address_is_refused_and_both_are_named(ledger: SqliteLedger, address: str) -> None:
    """Only a port of this machine may change, since servers here take a free one."""
    client = Client(address)
    told = await refused(client, ledger)
    assert HERE in told
    assert client.asked == []


async def test_a_remote_port_is_part_of_its_address(ledger: SqliteLedger) -> None:
    """Two vendors may share a host."""
    await ledger.rebind(Identity("https://plum.test:443/chef", "f1"), reason="for the test")
    with pytest.raises(errors.ConfigError, match="begun against"):
        await check(Client("https://plum.test:8443/chef"), ledger)


async def test_a_local_port_may_change_if_orders_match(ledger: SqliteLedger) -> None:
    """The ledger belongs to that port from then on, and the journal says why."""
    order = await placed(ledger)
    moved = Client("http://localhost:9/chef")
    moved.books["po-0-100"] = order
    await check(moved, ledger)
    assert ledger.identity == Identity("http://localhost:9/chef", "f1")
    assert ["another port" in row.reason async for row in ledger.journal(seq=0)] == [True]


@pytest.mark.parametrize("found", [None, Order(order_id=99, quantity=1), Order(order_id=1, quantity=7)])
async def test_another_port_with_other_orders_is_another_server(ledger: SqliteLedger, found: Order | None) -> None:
    """It lacks the order, or has another one under its poNumber, or one with other contents."""
    await placed(ledger)
    other = Client("http://localhost:9/chef")
    if found is not None:
        other.books["po-0-100"] = found
    assert "begun against" in await refused(other, ledger)


async def test_a_local_port_is_refused_without_known_orders(ledger: SqliteLedger) -> None:
    """It may exist at the other server, and would be bought again here."""
    (line,) = await ledger.claim(1)
    await ledger.record([fact(line, Evidence.OUTCOME_LOST)])
    assert "begun against" in await refused(Client("http://localhost:9/chef"), ledger)


async def test_a_local_port_may_change_before_any_send(ledger: SqliteLedger) -> None:
    """Nothing can be bought twice then; withdrawn rows count as never sent."""
    await ledger.withdraw(["k0"], reason="gone")
    client = Client("http://localhost:9/chef")
    await check(client, ledger)
    assert client.asked == []
    assert ledger.identity == Identity("http://localhost:9/chef", "f1")


async def test_an_unreachable_server_is_no_proof(ledger: SqliteLedger) -> None:
    """The error comes through, and the ledger stays bound as it was."""
    await placed(ledger)
    down = Client("http://localhost:9/chef")

    async def get(*, po_number: str) -> Order:
        raise errors.ConnectError(po_number)

    down.get = get  # type: ignore[method-assign]
    with pytest.raises(errors.ConnectError):
        await check(down, ledger)
    assert ledger.identity == Identity(HERE, "f1")


async def test_an_unbound_ledger_is_bound_at_first_work(tmp_path: Path) -> None:
    """An empty one by its first plan, one with rows at once, and journalled."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await check(Client(), ledger)
        assert ledger.identity is None
        await ledger.plan("march", each([planned(0, room=0)]))
        await check(Client(), ledger)
        assert ledger.identity == Identity(HERE, "f1")
        assert "another account" in (await _message(Client(account="f2"), ledger))


async def _message(client: Client, ledger: SqliteLedger) -> str:
    with pytest.raises(errors.ConfigError) as caught:
        await check(client, ledger)
    return caught.value.message


async def test_the_ledger_refuses_a_plan_for_somebody_else(ledger: SqliteLedger) -> None:
    """The ledger itself compares, too, and keeps no line of the plan."""
    terms = PlanTerms(identity=Identity(HERE, "f2"))
    with pytest.raises(errors.LedgerError, match="another account or address"):
        await ledger.plan("march", each([planned(9, room=0)]), terms)
    assert (await ledger.counts()).rows == 3


async def test_whose_books_they_are_survives_closing(tmp_path: Path) -> None:
    """The next process, and one that only looks, read it from the file."""
    terms = PlanTerms(identity=Identity(HERE, "f1"))
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each([planned(0, room=0)]), terms)
    for read_only in (False, True):
        async with SqliteLedger(tmp_path / "l.db", read_only=read_only) as ledger:
            assert ledger.identity == Identity(HERE, "f1")


async def test_two_workers_bind_a_job_to_one_account(database: str) -> None:
    """Each found it without one. The second one goes on if its account is the same, and is refused otherwise."""
    address = f"{database}#march"
    openings = [PostgresLedger(address, codes_key="") for _ in range(3)]
    async with openings[0] as first, openings[1] as second, openings[2] as third:
        await first.plan("march", each([planned(1, room=0)]))
        for ledger in (second, third):
            assert (await ledger.counts()).rows == 1
        for ledger in (first, second):
            client = Client()
            await check_identity(client, ledger, identity_of(client))  # type: ignore[arg-type]
        stranger = Client(account="f2")
        with pytest.raises(errors.ConfigError, match="another account"):
            await check_identity(stranger, third, identity_of(stranger))  # type: ignore[arg-type]
        assert len([row async for row in first.journal(seq=0)]) == 1
