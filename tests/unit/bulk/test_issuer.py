"""`issuer`: plan all rows or none, send planned rows, settle rows in doubt, and report."""

from collections.abc import AsyncIterator
from decimal import Decimal

import anyio
import pytest

from tests.unit.bulk.jobs import Client, broke, contents, issuer, lines
from xoxo_async import errors
from xoxo_async.bulk import OrderLine, Pause, SqliteLedger
from xoxo_async.bulk.deciding import Decision
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.services.orders import Order

pytestmark = pytest.mark.anyio


async def test_every_row_is_issued_and_counted(client: Client, ledger: SqliteLedger) -> None:
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


async def test_a_stopped_run_says_who_stopped_it(client: Client, ledger: SqliteLedger) -> None:
    """What was not sent is left for the next run; no doubt is settled any more."""
    run = issuer(client, ledger)

    async def happen(_po_number: str) -> None:
        run.stop("enough for today")
        raise errors.ReplyLostError("gone")

    client.happens = happen
    report = await run.run(lines("a", "b", "c"))
    assert (report.pause, report.reason, report.exit_code) == (Pause.INTERRUPTED, "enough for today", 130)
    assert (report.unknown, report.not_sent, client.looked_up) == (1, 2, [])


async def test_a_stopped_issuer_goes_on_when_resumed(client: Client, ledger: SqliteLedger) -> None:
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
async def test_a_paused_issuer_goes_on_when_resumed(client: Client, ledger: SqliteLedger, again: str) -> None:
    """Funds, credentials or the server may be in order again."""
    run = issuer(client, ledger)
    client.happens = broke
    report = await run.run(lines("a", "b"))
    assert (report.pause, report.issued) == (Pause.FUNDS, 0)
    client.happens = lambda _po_number: anyio.sleep(0)
    report = await (run.run(lines("a", "b")) if again == "run" else run.issue() if again == "issue" else run.resume())
    assert (report.pause, report.issued, report.exit_code) == (Pause.NONE, 2, 0)


@pytest.mark.parametrize("second", ["run", "issue", "resume", "reconcile"])
async def test_a_second_run_at_once_is_refused(client: Client, ledger: SqliteLedger, second: str) -> None:
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


async def test_a_second_run_is_refused_during_planning(client: Client, ledger: SqliteLedger) -> None:
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


async def test_a_stop_before_a_run_holds_it_back(client: Client, ledger: SqliteLedger) -> None:
    """A stop just before a run counts: the rows are planned, and none is sent."""
    run = issuer(client, ledger)
    run.stop("not today")
    report = await run.run(lines("a", "b"))
    assert (report.pause, report.reason, report.not_sent, client.sent) == (Pause.INTERRUPTED, "not today", 2, [])
    assert (await run.resume()).issued == 2


async def test_a_stop_during_planning_holds_it_back(client: Client, ledger: SqliteLedger) -> None:
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


async def test_a_stop_during_settling_ends_it_at_once(client: Client, ledger: SqliteLedger) -> None:
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


async def test_an_issuer_runs_again_after_a_failed_plan(client: Client, ledger: SqliteLedger) -> None:
    """The failed plan does not count as a run under way."""
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
    """The text "12" does not mean the keys "1" and "2"."""
    run = issuer(client, ledger)
    await run.plan(lines("1", "2", "12"))
    with pytest.raises(errors.ConfigError, match=r"list of keys"):
        await run.withdraw("12", reason="gone")
    assert (await ledger.counts()).states == {LineState.PLANNED: 3}


@pytest.mark.parametrize("work", ["plan", "run", "issue", "resume", "reconcile", "outlook", "resolve"])
@pytest.mark.parametrize("other", ["account_fingerprint", "base_url"])
async def test_every_kind_of_work_compares_the_identity(
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


async def test_rebind_binds_a_ledger_to_another_account(client: Client, ledger: SqliteLedger) -> None:
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
