"""`issuer`: plan all or nothing, send what is not sent, settle what is in doubt, and say where the job stands."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from tests.unit.bulk.test_runner import Server
from xoxo_async import errors
from xoxo_async.bulk import BulkIssuer, OrderLine, Pause, SqliteLedger
from xoxo_async.bulk.ledger import LineState
from xoxo_async.services.account import Balance
from xoxo_async.services.orders import Order, VoucherCode
from xoxo_async.wire import Secret

pytestmark = pytest.mark.anyio


def delivered(order_id: int) -> Order:
    return Order(order_id=order_id, quantity=1, vouchers=(VoucherCode(product_id=1, voucher_code_=Secret("C")),))


class Client(Server):
    """A client whose vendor knows every order it answered, and may be made to lose an answer, or the order as well."""

    def __init__(self) -> None:
        super().__init__()
        self.max_connections = 100
        self.base_url, self.account_fingerprint = "https://plum.test/chef", "f1"
        self.orders = self.account = self
        self.books: dict[str, Order] = {}
        self.looked_up: list[str] = []
        self.refuses: errors.XoxoError | None = None
        self.balance: Balance | errors.XoxoError = Balance(value=Decimal(5), currency="INR")

    async def once(self, operation: Any, request: Any, /) -> Order:
        answered = await super().once(operation, request)
        order = self.books[msgspec.json.decode(request)["poNumber"]] = delivered(answered.order_id)
        return order

    async def find(self, po_number: str) -> Order | None:
        self.looked_up.append(po_number)
        if self.refuses is not None:
            raise self.refuses
        return self.books.get(po_number)

    async def get_balance(self) -> Balance:
        if isinstance(self.balance, errors.XoxoError):
            raise self.balance
        return self.balance

    def loses(self, *answers: int, booked: bool) -> None:
        """Lose some answers, counted from 1; their orders are in the books, or never were."""

        async def happen(po_number: str) -> None:
            nth = len(self.sent)
            if nth in answers:
                if booked:
                    self.books[po_number] = delivered(nth)
                raise errors.ReplyLostError("gone")

        self.happens = happen


@pytest.fixture
def client() -> Client:
    """Return a client: look at what was `sent` and `looked_up`."""
    return Client()


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    """Yield an empty ledger."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        yield ledger


def issuer(client: Client, ledger: SqliteLedger, **settings: Any) -> BulkIssuer:
    """Return an issuer that asks no catalogue, and believes two absences at once."""
    return BulkIssuer(client, ledger, **{"job": "march", "check": False, "settle_s": 0, "concurrency": 1, **settings})  # type: ignore[arg-type]


def lines(*keys: str) -> list[OrderLine]:
    return [OrderLine(key=key, product_id=1, denomination=Decimal(100)) for key in keys]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": "many"}, "concurrency"),
        ({"concurrency": 1.5}, "concurrency"),
        ({"settle_s": -1}, "settle_s"),
        ({"settle_s": float("inf")}, "settle_s"),
        ({"settle_s": float("nan")}, "settle_s"),
        ({"settle_s": "150"}, "settle_s"),
        ({"settle_s": True}, "settle_s"),
        ({"concurrency": True}, "concurrency"),
        ({"pause_limit_s": float("nan")}, "pause_limit_s"),
        ({"pause_limit_s": float("inf")}, "pause_limit_s"),
        ({"pause_limit_s": "60"}, "pause_limit_s"),
        ({"pause_limit_s": -1}, "pause_limit_s"),
        ({"max_spend": Decimal("nan"), "check": True}, "max_spend"),
        ({"max_spend": 1.5, "check": True}, "max_spend"),
        ({"max_spend": True, "check": True}, "max_spend"),
        ({"resend": "always"}, "resend"),
        ({"max_spend": Decimal(-1), "check": True}, "max_spend"),
        ({"max_spend": Decimal(1)}, "check=True"),
    ],
    ids=str,
)
async def test_a_setting_that_makes_no_sense_is_refused(
    client: Client, ledger: SqliteLedger, settings: dict[str, Any], named: str
) -> None:
    """When it is given, by its name."""
    with pytest.raises(errors.ConfigError, match=named):
        issuer(client, ledger, **settings)


async def test_every_row_is_issued_and_the_report_adds_up(client: Client, ledger: SqliteLedger) -> None:
    """Counts of the job, and what this run did."""
    run = issuer(client, ledger)
    report = await run.run(lines("a", "b", "c"))
    assert (report.job, report.rows, report.issued, report.exit_code) == ("march", 3, 3, 0)
    assert (report.placed_now, run.progress.placed) == (3, 3)
    assert len(set(client.sent)) == 3


async def test_running_again_sends_only_what_is_new(client: Client, ledger: SqliteLedger) -> None:
    """The same rows are known by key and content."""
    await issuer(client, ledger).run(lines("a", "b"))
    report = await issuer(client, ledger).run(lines("b", "c", "a"))
    assert (report.rows, report.placed_now, len(client.sent)) == (3, 1, 3)


async def test_a_key_with_other_content_stops_the_plan(client: Client, ledger: SqliteLedger) -> None:
    """Which of the two is meant, a person must say; nothing of the second file is planned."""
    await issuer(client, ledger).run(lines("a"))
    dearer = OrderLine(key="a", product_id=1, denomination=Decimal(500))
    with pytest.raises(errors.LedgerConflictError, match="key a"):
        await issuer(client, ledger).run([*lines("b"), dearer])
    assert ((await ledger.counts()).rows, len(client.sent)) == (1, 1)


async def test_one_bad_row_spoils_the_plan_unless_it_may_be_left_out(client: Client, ledger: SqliteLedger) -> None:
    """Nothing was sent for the good ones before it, and ledger and account are as they were."""
    bad = OrderLine(key="bad", product_id=1, denomination=Decimal(100), quantity=0)
    with pytest.raises(errors.PlanError, match="row 2, column quantity"):
        await issuer(client, ledger).run([*lines("a"), bad, *lines("c")])
    assert ((await ledger.counts()).rows, client.sent) == (0, [])
    report = await issuer(client, ledger, skip_invalid=True).run([*lines("a"), bad, *lines("c")])
    assert (report.rows, len(client.sent)) == (2, 2)


async def test_a_plan_sends_nothing_until_it_is_issued(client: Client, ledger: SqliteLedger) -> None:
    """In between a person may look at what it adds up to."""
    run = issuer(client, ledger)
    totals = await run.plan(lines("a", "b"))
    assert (totals.lines, totals.orders, client.sent) == (2, 2, [])
    assert (await run.issue()).placed_now == 2


async def test_a_new_ledger_needs_a_job_and_a_used_one_has_it(client: Client, ledger: SqliteLedger) -> None:
    """PoNumbers are derived from it: another name would order everything anew, and is refused."""
    with pytest.raises(errors.ConfigError, match="needs a job name"):
        await issuer(client, ledger, job="").plan(lines("a"))
    await issuer(client, ledger).plan(lines("a"))
    assert (await issuer(client, ledger, job="").run(lines("a"))).rows == 1
    with pytest.raises(errors.LedgerError, match="holds the job 'march'"):
        await issuer(client, ledger, job="april").plan(lines("a"))


async def test_the_balance_is_a_help_to_a_plan_and_a_need_to_a_budget(client: Client, ledger: SqliteLedger) -> None:
    """Where it cannot be read, a plan is made without it, unless it is to hold to a budget in its currency."""
    assert (await issuer(client, ledger, check=True).plan([])).balance == client.balance
    client.balance = errors.ServerError("502")
    assert (await issuer(client, ledger, check=True).plan([])).balance is None
    with pytest.raises(errors.ServerError):
        await issuer(client, ledger, check=True, max_spend=Decimal(1)).plan([])


async def test_an_order_whose_answer_was_lost_is_found_and_not_sent_again(client: Client, ledger: SqliteLedger) -> None:
    """Within the run, after the rest."""
    client.loses(2, booked=True)
    report = await issuer(client, ledger).run(lines("a", "b", "c"))
    assert (report.unknown, report.not_sent, report.placed_now) == (0, 0, 3)
    assert (len(client.sent), client.looked_up) == (3, [client.sent[1]])


async def test_what_is_proven_absent_is_sent_again_under_its_po_number(client: Client, ledger: SqliteLedger) -> None:
    """In the same run."""
    client.loses(2, booked=False)
    report = await issuer(client, ledger).run(lines("a", "b", "c"))
    assert (report.unknown, report.not_sent, report.placed_now) == (0, 0, 3)
    assert (len(client.sent), client.sent[3]) == (4, client.sent[1])


async def test_settling_by_itself_sends_nothing(client: Client, ledger: SqliteLedger) -> None:
    """What is proven absent waits for the next run, and what was found is placed."""
    client.refuses = errors.CredentialsRejectedError("not you")
    client.loses(1, booked=True)
    assert (await issuer(client, ledger).run(lines("a"))).unknown == 1
    client.loses(2, booked=False)
    assert (await issuer(client, ledger).run(lines("b"))).unknown == 2
    client.refuses = None
    report = await issuer(client, ledger).reconcile()
    assert (report.unknown, report.not_sent, report.placed_now, len(client.sent)) == (0, 1, 1, 2)
    assert (await issuer(client, ledger).resume()).placed_now == 1


@pytest.mark.parametrize(
    ("refusal", "pause"),
    [(errors.ServerError("502"), Pause.UNREACHABLE), (errors.CredentialsRejectedError("not you"), Pause.CREDENTIALS)],
)
async def test_look_ups_that_fail_are_why_a_run_ends_in_doubt(
    client: Client, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch, refusal: errors.XoxoError, pause: Pause
) -> None:
    """The report says so in their words."""
    wait = anyio.move_on_after
    monkeypatch.setattr(anyio, "move_on_after", lambda _seconds: wait(0))  # between two look-ups
    client.refuses = refusal
    client.loses(1, booked=True)
    report = await issuer(client, ledger).run(lines("a"))
    assert (report.unknown, report.pause, report.reason) == (1, pause, f"look-ups fail: {refusal.message}")


async def test_what_a_dead_process_was_sending_is_looked_up_first(client: Client, tmp_path: Path) -> None:
    """It is in doubt, and may have been placed: it is found, and the line beside it is sent."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await issuer(client, ledger).plan(lines("a", "b"))
        (claimed,) = await ledger.claim(1)
    client.books[claimed.po_number] = delivered(77)
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        report = await issuer(client, ledger).resume()
        first = await ledger.find("a")
    assert first is not None
    assert (first.state, first.order_id) == (LineState.PLACED, 77)
    assert (report.placed_now, claimed.po_number in client.sent, len(client.sent)) == (2, False, 1)


async def test_a_run_that_is_stopped_says_who_stopped_it(client: Client, ledger: SqliteLedger) -> None:
    """What was not sent is left for the next run; no doubt is settled any more."""
    run = issuer(client, ledger)

    async def happen(_po_number: str) -> None:
        run.stop("enough for today")
        raise errors.ReplyLostError("gone")

    client.happens = happen
    report = await run.run(lines("a", "b", "c"))
    assert (report.pause, report.reason, report.exit_code) == (Pause.INTERRUPTED, "enough for today", 130)
    assert (report.unknown, report.not_sent, client.looked_up) == (1, 2, [])


async def test_no_more_is_in_flight_than_there_are_connections(client: Client, ledger: SqliteLedger) -> None:
    """Waiting for one, a request's time would run."""
    client.max_connections = 3
    await issuer(client, ledger, concurrency=50).run(lines(*"abcdefghij"))
    assert (client.most_in_flight, len(client.sent)) == (3, 10)
