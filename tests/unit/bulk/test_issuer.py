"""`issuer`: plan all or nothing, send what is not sent, settle what is in doubt, and say where the job stands."""

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from tests.unit.bulk.running.servers import Server
from xoxo_async import errors
from xoxo_async.bulk import BulkIssuer, OrderLine, Pause, SqliteLedger
from xoxo_async.bulk.deciding import Decision
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LineState
from xoxo_async.bulk.planning.totals import PlanTotals
from xoxo_async.services.account import Balance
from xoxo_async.services.orders import Order, VoucherCode
from xoxo_async.transport.connections import Attempt, OrderAnswer
from xoxo_async.wire import Secret

pytestmark = pytest.mark.anyio


def delivered(order_id: int) -> Order:
    voucher = VoucherCode(product_id=1, voucher_code_=Secret(f"C{order_id}"))
    return Order(order_id=order_id, quantity=1, vouchers=(voucher,))


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

    async def once(self, operation: Any, request: Any, /, *, attempt: Attempt) -> Order:
        answered = await super().once(operation, request, attempt=attempt)
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
    client: Client, ledger: SqliteLedger, refusal: errors.XoxoError, pause: Pause
) -> None:
    """The report says so in their words."""
    client.refuses = refusal
    client.loses(1, booked=True)
    report = await issuer(client, ledger, pause_limit_s=0).run(lines("a"))
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


# One run after another, and one at a time.


async def test_a_stopped_issuer_goes_on_when_it_is_resumed(client: Client, ledger: SqliteLedger) -> None:
    """A stop ends one run; the next one sends what is left, and counts for itself."""
    run = issuer(client, ledger)

    async def stop_at_the_second(_po_number: str) -> None:
        if len(client.sent) == 2:
            run.stop("enough for today")

    client.happens = stop_at_the_second
    assert (await run.run(lines(*"abcde"))).issued == 2
    progress = run.progress
    report = await run.resume()
    assert (report.issued, report.placed_now, report.pause, len(client.sent)) == (5, 3, Pause.NONE, 5)
    assert run.progress is progress
    assert progress.placed == 3


@pytest.mark.parametrize("again", ["run", "issue", "resume"])
async def test_a_paused_issuer_goes_on_when_it_is_resumed(client: Client, ledger: SqliteLedger, again: str) -> None:
    """What paused it may be mended meanwhile: the funds, the credentials, the server."""
    run = issuer(client, ledger)
    client.happens = broke
    report = await run.run(lines("a", "b"))
    assert (report.pause, report.issued) == (Pause.FUNDS, 0)
    client.happens = lambda _po_number: anyio.sleep(0)
    report = await (run.run(lines("a", "b")) if again == "run" else run.issue() if again == "issue" else run.resume())
    assert (report.pause, report.issued, report.exit_code) == (Pause.NONE, 2, 0)


async def broke(_po_number: str) -> None:
    raise errors.InsufficientFundsError("too low", effect="possible", error_id="PLE10010")


@pytest.mark.parametrize("second", ["run", "issue", "resume", "reconcile"])
async def test_a_second_run_at_once_is_refused_and_disturbs_nothing(
    client: Client, ledger: SqliteLedger, second: str
) -> None:
    """Each result of the first is written down, and afterwards the issuer runs again."""
    run = issuer(client, ledger, concurrency=4)
    refused: list[str] = []

    async def run_again(_po_number: str) -> None:
        if not refused:
            refused.append("")
            with pytest.raises(errors.ConfigError, match="already running") as caught:
                await (run.run(lines("z")) if second == "run" else getattr(run, second)())
            refused[0] = caught.value.message

    client.happens = run_again
    keys = [str(n) for n in range(60)]
    with anyio.fail_after(30):
        report = await run.run(lines(*keys))
    assert (report.rows, report.issued, report.unknown) == (60, 60, 0)
    assert refused == ["this issuer is already running: wait for the end of that run; nothing was sent"]
    assert (await run.run(lines(*keys, "z"))).issued == 61


async def test_a_second_run_is_refused_while_the_first_still_plans(client: Client, ledger: SqliteLedger) -> None:
    """Its rows are not planned, and its orders file is not opened."""
    run = issuer(client, ledger)
    opened: list[str] = []

    async def rows() -> AsyncIterator[OrderLine]:
        with pytest.raises(errors.ConfigError, match="already running"):
            await run.run(opened.append(key) or line for key, line in zip("yz", lines("y", "z"), strict=True))
        for line in lines("a", "b"):
            yield line

    report = await run.run(rows())
    assert (report.rows, report.issued, opened) == (2, 2, [])


async def test_a_stop_before_a_run_holds_that_run_back_and_no_other(client: Client, ledger: SqliteLedger) -> None:
    """The wish came a moment early, and is no less a wish; the rows are planned, and none is sent."""
    run = issuer(client, ledger)
    run.stop("not today")
    report = await run.run(lines("a", "b"))
    assert (report.pause, report.reason, report.not_sent, client.sent) == (Pause.INTERRUPTED, "not today", 2, [])
    assert (await run.resume()).issued == 2


async def test_a_stop_while_a_run_plans_holds_it_back(client: Client, ledger: SqliteLedger) -> None:
    """Nothing is sent after it."""
    run = issuer(client, ledger)

    async def rows() -> AsyncIterator[OrderLine]:
        run.stop("not today")
        for line in lines("a", "b"):
            yield line

    report = await run.run(rows())
    assert (report.pause, report.not_sent, client.sent) == (Pause.INTERRUPTED, 2, [])


async def test_a_second_stop_ends_no_second_run(client: Client, ledger: SqliteLedger) -> None:
    """Neither one that comes in mid-run nor one that comes when the run has already ended by the first."""
    run = issuer(client, ledger)

    async def stop_twice(_po_number: str) -> None:
        run.stop("first")
        run.stop("second")

    client.happens = stop_twice
    report = await run.run(lines("a", "b", "c"))
    assert (report.pause, report.reason, report.issued) == (Pause.INTERRUPTED, "first", 1)
    run.stop("third")
    client.happens = lambda _po_number: anyio.sleep(0)
    assert (await run.resume()).issued == 3


async def test_a_stop_while_it_settles_ends_it_at_once(client: Client, ledger: SqliteLedger) -> None:
    """A look-up that is under way changes nothing and is not waited for; the next run settles the line."""
    client.loses(1, booked=True)
    run = issuer(client, ledger)
    client.refuses = errors.CredentialsRejectedError("not you")
    assert (await run.run(lines("a"))).unknown == 1
    client.refuses = None
    find = client.find

    async def slowly(_po_number: str) -> Order | None:
        run.stop("enough")
        await anyio.sleep_forever()
        return None

    client.find = slowly  # type: ignore[method-assign]
    with anyio.fail_after(10):
        report = await run.reconcile()
    assert (report.pause, report.reason, report.unknown, report.exit_code) == (Pause.INTERRUPTED, "enough", 1, 130)
    client.find = find  # type: ignore[method-assign]
    assert (await run.reconcile()).issued == 1


async def test_an_issuer_runs_again_after_a_plan_that_failed(client: Client, ledger: SqliteLedger) -> None:
    """It is not taken for one that is still at work."""
    run = issuer(client, ledger)
    await run.run(lines("a"))
    with pytest.raises(errors.LedgerConflictError):
        await run.run([OrderLine(key="a", product_id=2, denomination=Decimal(100))])
    assert (await run.run(lines("a", "b"))).issued == 2


async def test_an_issuer_runs_again_after_it_was_cancelled(client: Client, ledger: SqliteLedger) -> None:
    """What was in flight is in doubt and looked up, what was armed is sent, and nothing twice."""
    run = issuer(client, ledger, concurrency=4)

    async def cancel(_po_number: str) -> None:
        if len(client.sent) == 6:
            scope.cancel()
            await anyio.sleep_forever()

    client.happens = cancel
    with anyio.CancelScope() as scope:
        await run.run(lines(*"abcdefghijkl"))
    client.happens = lambda _po_number: anyio.sleep(0)
    with anyio.fail_after(10):
        report = await run.resume()
    assert (report.rows, report.issued, report.unknown) == (12, 12, 0)


async def test_an_issuer_runs_again_after_its_ledger_failed(
    client: Client, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk has room again: what was sent is looked up, the rest is sent."""
    run = issuer(client, ledger)
    await run.plan(lines("a", "b", "c"))

    async def full(*_given: object, **_more: object) -> object:
        raise errors.LedgerError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "claim", full)
        with pytest.raises(errors.LedgerError, match="the disk is full"):
            await run.issue()
    assert (await run.issue()).issued == 3


async def test_no_more_is_in_flight_than_there_are_connections(client: Client, ledger: SqliteLedger) -> None:
    """Waiting for one, a request's time would run."""
    client.max_connections = 3
    await issuer(client, ledger, concurrency=50).run(lines(*"abcdefghij"))
    assert (client.most_in_flight, len(client.sent)) == (3, 10)


async def test_a_receiver_who_gets_the_same_twice_is_told_in_plan_and_report(
    client: Client, ledger: SqliteLedger
) -> None:
    """Both rows are issued; the warning names the later row, and a resume, which reads no rows, has none."""
    rows = [
        OrderLine(key=key, product_id=1, denomination=Decimal(100), email="a@example.com") for key in ("a", "b", "c")
    ]
    run = issuer(client, ledger)
    totals = await run.plan(rows)
    assert totals.warned == 2
    assert totals.warnings[0] == "row 2 (key b): its receiver gets product 1 for 100 from row 1 too"
    report = await run.run(rows)
    assert (report.issued, report.warnings) == (3, totals.warnings)
    assert (await issuer(client, ledger).resume()).warnings == ()


# What is asked is what is sent.


async def contents(ledger: SqliteLedger) -> tuple[object, ...]:
    """Return everything a ledger says, journal and identity included."""
    journal = [row async for row in ledger.journal()]
    return await ledger.counts(), journal, [line async for line in ledger.lines()], ledger.job, ledger.identity


class DeclinedError(Exception):
    """A person said no."""


async def say_no(_totals: PlanTotals) -> None:
    raise DeclinedError


@pytest.mark.parametrize("before", [(), ("a", "b")], ids=["new ledger", "planned before"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"pack": True}, {"restore": True}, {"missing": "withdraw"}, {"missing": "keep"}],
    ids=["plain", "pack", "restore", "withdraw", "keep"],
)
async def test_a_no_leaves_no_trace(
    client: Client, ledger: SqliteLedger, before: tuple[str, ...], settings: dict[str, Any]
) -> None:
    """Neither in the ledger, whatever the plan would have done, nor at the vendor."""
    if before:
        await issuer(client, ledger).plan(lines(*before))
    was = await contents(ledger)
    again = lines("b", "c") if settings.get("missing") else lines("a", "b", "c")
    expected = {*before, *(line.key for line in again)}
    with pytest.raises(DeclinedError):
        await issuer(client, ledger, **settings).run(again, approve=say_no)
    assert await contents(ledger) == was
    assert client.sent == []
    assert (await issuer(client, ledger, missing="keep").run(again)).issued == len(expected)


async def test_a_person_is_asked_once_about_all_that_would_be_sent_now(client: Client, ledger: SqliteLedger) -> None:
    """Rows of earlier plans count in, rows that were issued do not."""
    asked: list[tuple[int, int, int]] = []

    async def approve(totals: PlanTotals) -> None:
        asked.append((totals.lines, totals.pieces, totals.orders))

    await issuer(client, ledger).run(lines("a"))
    await issuer(client, ledger).plan(lines("b"))
    await issuer(client, ledger).run(lines("a", "b", "c", "d"), approve=approve)
    assert asked == [(3, 3, 3)]
    assert len(client.sent) == 4


async def test_the_rows_are_read_once(client: Client, ledger: SqliteLedger) -> None:
    """What a generator yields at the question is what is sent: a second reading could bring other rows."""
    read: list[str] = []

    def rows() -> Iterator[OrderLine]:
        for line in lines("a", "b"):
            read.append(line.key)
            yield line

    asked: list[int] = []

    async def approve(totals: PlanTotals) -> None:
        asked.append(totals.lines)
        read.append("asked")

    report = await issuer(client, ledger).run(rows(), approve=approve)
    assert (read, asked, report.issued) == (["a", "b", "asked"], [2], 2)


async def test_rows_that_end_in_an_error_leave_the_ledger_as_it_was(client: Client, ledger: SqliteLedger) -> None:
    """A query that breaks half-way is no shorter list of orders."""

    async def rows() -> AsyncIterator[OrderLine]:
        for line in lines("a", "b"):
            yield line
        raise OSError("the database is gone")

    await issuer(client, ledger).plan(lines("z"))
    was = await contents(ledger)
    with pytest.raises(OSError, match="the database is gone"):
        await issuer(client, ledger, missing="withdraw").run(rows())
    assert await contents(ledger) == was
    assert client.sent == []


async def test_a_question_that_is_cancelled_is_a_no(client: Client, ledger: SqliteLedger) -> None:
    """Ctrl-C at the question: the ledger is as it was, and can be worked on at once."""
    was = await contents(ledger)

    async def wait(_totals: PlanTotals) -> None:
        scope.cancel()
        await anyio.sleep_forever()

    with anyio.fail_after(10):
        with anyio.CancelScope() as scope:
            await issuer(client, ledger).run(lines("a"), approve=wait)
        assert await contents(ledger) == was
        assert (await issuer(client, ledger).run(lines("a"))).issued == 1


async def test_a_resume_looks_at_what_is_left(client: Client, ledger: SqliteLedger) -> None:
    """The outlook counts what is planned, and sends nothing."""
    await issuer(client, ledger).run(lines("a"))
    await issuer(client, ledger).plan(lines("b", "c"))
    totals = await issuer(client, ledger).outlook()
    assert (totals.lines, totals.orders, len(client.sent)) == (2, 2, 1)


# Rows that are taken out.


async def test_a_row_taken_out_of_the_input_is_not_bought(client: Client, ledger: SqliteLedger) -> None:
    """The run stops and names it, until somebody says what is meant; then it is withdrawn, or sent."""
    await issuer(client, ledger).plan(lines("a", "b", "c"))
    with pytest.raises(errors.PlanError, match=r"lacks 1 planned row .*\n  row 2 \(key b\)"):
        await issuer(client, ledger).run(lines("a", "c"))
    assert client.sent == []
    report = await issuer(client, ledger, missing="withdraw").run(lines("a", "c"))
    assert (report.issued, report.withdrawn, report.not_sent, report.exit_code) == (2, 1, 1, 0)
    assert len(client.sent) == 2
    await issuer(client, ledger).plan(lines("a", "b", "c", "d", "e"))
    assert (await issuer(client, ledger, missing="keep").run(lines("e"))).issued == 4


async def test_a_withdrawn_row_stays_withdrawn(client: Client, ledger: SqliteLedger) -> None:
    """Also when the input has it again."""
    await issuer(client, ledger).plan(lines("a", "b"))
    assert await issuer(client, ledger).withdraw(["b"], reason="left") == 1
    report = await issuer(client, ledger).run(lines("a", "b"))
    assert (report.issued, report.withdrawn, len(client.sent)) == (1, 1, 1)


async def test_a_bad_row_is_not_a_missing_one(client: Client, ledger: SqliteLedger) -> None:
    """It stands in the input: left out as bad, it must not be withdrawn as gone, which is for ever."""
    run = issuer(client, ledger, missing="withdraw", skip_invalid=True)
    await run.plan(lines("a", "b"))
    bad = OrderLine(key="b", product_id=1, denomination=Decimal(100), quantity=0)
    with pytest.raises(errors.PlanError, match="are bad and may be these") as caught:
        await run.run([*lines("a"), bad])
    assert caught.value.problems == ("row 2, column quantity: must be a whole number from 1 to 9999, not 0",)
    assert (await ledger.counts()).states == {LineState.PLANNED: 2}
    assert (await run.run(lines("a"))).withdrawn == 1


async def test_withdrawing_needs_a_reason(client: Client, ledger: SqliteLedger) -> None:
    """It is kept in the journal."""
    run = issuer(client, ledger)
    await run.plan(lines("a", "b"))
    with pytest.raises(errors.ConfigError, match="reason"):
        await run.withdraw(None, reason=" ")
    assert await run.withdraw(None, reason="the campaign is off") == 2
    reasons = [row.reason async for row in ledger.journal() if row.transition == "T14"]
    assert reasons == ["the campaign is off"] * 2
    assert (await run.resume()).withdrawn == 2
    assert client.sent == []


async def test_one_key_is_no_list_of_keys(client: Client, ledger: SqliteLedger) -> None:
    """Rows 1 and 2 are not row 12."""
    run = issuer(client, ledger)
    await run.plan(lines("1", "2", "12"))
    with pytest.raises(errors.ConfigError, match=r"list of keys"):
        await run.withdraw("12", reason="gone")
    assert (await ledger.counts()).states == {LineState.PLANNED: 3}


# A ledger that replaces a lost one.


def refuses_known(client: Client) -> None:
    """Have the vendor refuse a poNumber it knows."""
    known = set(client.books)

    async def happen(po_number: str) -> None:
        if po_number in known:
            raise errors.DuplicatePoNumberError("known", error_id="PLE10004", effect="possible")
        known.add(po_number)

    client.happens = happen


async def test_a_lost_ledger_is_replaced_without_buying_twice(client: Client, tmp_path: Path) -> None:
    """Every planned row is looked up first: what exists is adopted, what does not is sent."""
    async with SqliteLedger(tmp_path / "lost.db") as ledger:
        await issuer(client, ledger).run(lines("a", "b"))
    async with SqliteLedger(tmp_path / "new.db") as ledger:
        report = await issuer(client, ledger, restore=True).run(lines("a", "b", "c"))
        assert (report.issued, report.unknown, len(client.sent)) == (3, 0, 3)
        assert len(client.looked_up) >= 3
        told = [row.reason async for row in ledger.journal(seq=0)]
    assert told == ["generation 2: a person said that this ledger replaces another one"]


async def test_rows_of_a_restored_ledger_are_in_doubt_with_the_plan_itself(client: Client, tmp_path: Path) -> None:
    """A process that dies right after the plan leaves no row that a resume sends without a look-up."""
    async with SqliteLedger(tmp_path / "lost.db") as ledger:
        await issuer(client, ledger).run(lines("a", "b"))
    async with SqliteLedger(tmp_path / "new.db") as ledger:
        await issuer(client, ledger, restore=True).plan(lines("a", "b"))
        assert (await ledger.counts()).states == {LineState.UNKNOWN: 2}
    async with SqliteLedger(tmp_path / "new.db") as ledger:
        report = await issuer(client, ledger).resume()  # nobody says --restore again
        assert (report.issued, len(client.sent)) == (2, 2)


async def test_an_older_copy_looks_up_what_it_has_planned(client: Client, tmp_path: Path) -> None:
    """It was copied before its rows were sent, so it has forgotten that they were; the vendor refuses no poNumber."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await issuer(client, ledger).plan(lines("a", "b"))
    shutil.copy(tmp_path / "l.db", tmp_path / "copy.db")
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await issuer(client, ledger).resume()
    async with SqliteLedger(tmp_path / "copy.db") as ledger:
        report = await issuer(client, ledger, restore=True).resume()
    assert (report.issued, len(client.sent)) == (2, 2)


async def test_doubt_that_a_look_at_deliveries_brings_up_is_settled_in_the_same_run(
    client: Client, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection may turn out to be out of step at any look-up, and each row ends with its own order."""
    run = issuer(client, ledger)
    await run.plan(lines("a", "b"))
    one, two = await ledger.claim(2)
    placed = [
        Change(seq=line.seq, evidence=Evidence.ANSWERED_PLACED, epoch=line.epoch, order_id=900 + line.seq)
        for line in (one, two)
    ]
    await ledger.record([msgspec.structs.replace(fact, delivery=Delivery.PENDING) for fact in placed])
    listeners: list[Callable[[OrderAnswer], None]] = []

    @contextmanager
    def telling_doubts(listener: Callable[[OrderAnswer], None]) -> Iterator[None]:
        listeners.append(listener)
        yield

    async def get(*, order_id: int) -> Order:
        listeners[-1](OrderAnswer(one.po_number, 901))
        return Order(order_id=order_id, quantity=1)

    monkeypatch.setattr(client, "telling_doubts", telling_doubts)
    monkeypatch.setattr(client, "get", get, raising=False)
    client.books[one.po_number] = delivered(77)
    report = await run.resume()
    assert (report.unknown, report.issued, report.pending) == (0, 1, 1)
    assert [line.order_id async for line in ledger.lines()] == [77, 902]


async def test_a_restored_ledger_takes_no_order_for_its_own_that_differs(client: Client, ledger: SqliteLedger) -> None:
    """It is another order under the row's poNumber: a person looks at it."""
    await issuer(client, ledger, restore=True).plan(lines("a"))
    (line,) = [line async for line in ledger.lines()]
    client.books[line.po_number] = Order(order_id=7, quantity=3)
    report = await issuer(client, ledger).resume()
    assert (report.unknown, client.sent) == (1, [])
    (line,) = [line async for line in ledger.lines()]
    assert line.state is LineState.MANUAL
    assert "order 7 has this poNumber, but its quantity is 3, not 1" in line.error


async def test_what_a_first_send_found_taken_is_adopted_once_a_person_says_so(
    client: Client, ledger: SqliteLedger, tmp_path: Path
) -> None:
    """Without a word the other sender's order stays a person's matter, however often the ledger is resumed."""
    async with SqliteLedger(tmp_path / "lost.db") as lost:
        await issuer(client, lost).run(lines("a"))
    refuses_known(client)
    for report in (await issuer(client, ledger).run(lines("a")), await issuer(client, ledger).resume()):
        assert (report.issued, report.unknown, report.exit_code) == (0, 1, 4)
    (line,) = [line async for line in ledger.lines()]
    assert line.state is LineState.MANUAL
    assert "The vendor has: order 1, product 1, 1 pieces." in line.error
    assert "(--job)" in line.error
    assert "--restore" in line.error
    report = await issuer(client, ledger, restore=True).resume()
    assert (report.issued, report.unknown) == (1, 0)
    assert len(client.sent) == 2  # the second was refused


# Whose books.


@pytest.mark.parametrize("work", ["plan", "run", "issue", "resume", "reconcile", "outlook", "resolve"])
@pytest.mark.parametrize("other", ["account_fingerprint", "base_url"])
async def test_whatever_is_done_with_a_ledger_is_done_for_its_account(
    client: Client, ledger: SqliteLedger, work: str, other: str
) -> None:
    """At another account, or address, nothing is sent, asked or changed."""
    await issuer(client, ledger).plan(lines("a"))
    was = await contents(ledger)
    stranger = Client()
    setattr(stranger, other, "https://other.test/chef" if other == "base_url" else "f2")
    run = issuer(stranger, ledger)
    asked = {
        "plan": lambda: run.plan(lines("a", "b")),
        "run": lambda: run.run(lines("a", "b")),
        "resolve": lambda: run.resolve("a", Decision(placed=1)),
    }
    with pytest.raises(errors.ConfigError, match="rebind"):
        await asked.get(work, getattr(run, work))()
    assert await contents(ledger) == was
    assert (stranger.sent, stranger.looked_up) == ([], [])


async def test_a_ledger_is_bound_anew_on_a_persons_word(client: Client, ledger: SqliteLedger) -> None:
    """With a reason, which the journal keeps beside what it was bound to before."""
    await issuer(client, ledger).plan(lines("a"))
    renamed = Client()
    renamed.account_fingerprint = "f2"
    with pytest.raises(errors.ConfigError, match="reason"):
        await issuer(renamed, ledger).rebind(reason=" ")
    await issuer(renamed, ledger).rebind(reason="a new client id")
    assert (await issuer(renamed, ledger).resume()).issued == 1
    with pytest.raises(errors.ConfigError, match="another account"):
        await issuer(client, ledger).resume()
    (told,) = [row.reason async for row in ledger.journal(seq=0)]
    assert told == (
        "from https://plum.test:443/chef (account f1) to https://plum.test:443/chef (account f2): a new client id"
    )
