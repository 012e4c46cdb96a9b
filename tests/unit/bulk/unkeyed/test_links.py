"""`BulkLinks` and `BulkLinkMails` against the sandbox: each row is sent once, or a person decides about it."""

import csv
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import python_calamine

from xoxo_async import ClientCredentials, RateLimits, XoxoClient
from xoxo_async.bulk import (
    BulkLinkMails,
    BulkLinks,
    Decision,
    LineState,
    LinkLine,
    MailLine,
    Report,
    SqliteLedger,
    UnkeyedTotals,
    export_codes,
)
from xoxo_async.bulk.exporting.columns import COLUMNS
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.vouchers import codes_of
from xoxo_async.bulk.pauses import Pause
from xoxo_async.errors import ConfigError, LedgerError, PlanError
from xoxo_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

DAY = date(2099, 12, 31)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Give a running sandbox."""
    async with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
async def xoxo(sandbox: Sandbox) -> AsyncIterator[XoxoClient]:
    """Give a client of the sandbox."""
    credentials = ClientCredentials(sandbox.client_id, sandbox.client_secret)
    limits = RateLimits.unlimited()
    async with XoxoClient(credentials, base_url=sandbox.base_url, rate_limits=limits) as xoxo:
        yield xoxo


@asynccontextmanager
async def linking(xoxo: XoxoClient, path: Path, **given: Any) -> AsyncIterator[tuple[BulkLinks, SqliteLedger]]:
    """Open a ledger, and give its job of links."""
    settings = {"job": "fair", "campaign_id": 7001, "expires_on": DAY, "settle_s": 0, "concurrency": 1, **given}
    async with SqliteLedger(path / "links.db") as ledger:
        yield BulkLinks(xoxo, ledger, **settings), ledger  # type: ignore[arg-type]


@asynccontextmanager
async def mailing(xoxo: XoxoClient, path: Path, **given: Any) -> AsyncIterator[tuple[BulkLinkMails, SqliteLedger]]:
    """Open a ledger, and give its job of mails."""
    settings = {"job": "mails", "campaign_id": 7001, "expires_on": DAY, "settle_s": 0, "concurrency": 1, **given}
    async with SqliteLedger(path / "mails.db") as ledger:
        yield BulkLinkMails(xoxo, ledger, **settings), ledger  # type: ignore[arg-type]


def rows(*quantities: int) -> list[LinkLine]:
    return [LinkLine(key=f"k{n}", quantity=quantity) for n, quantity in enumerate(quantities, 1)]


def addresses(*names: str) -> list[MailLine]:
    return [MailLine(key=f"k{n}", email=f"{name}@b.example") for n, name in enumerate(names, 1)]


async def held(ledger: SqliteLedger) -> dict[str, list[str]]:
    """Return the links of each row."""
    return {line.key: [code.code for code in codes_of(line.codes)] async for line in ledger.lines(with_codes=True)}


async def states(ledger: SqliteLedger) -> dict[str, LineState]:
    return {line.key: line.state async for line in ledger.lines()}


def numbers(report: Report) -> tuple[int, ...]:
    parts = report.issued, report.pending, report.rejected, report.unknown, report.not_sent
    assert sum(parts) == report.rows
    return parts


async def test_each_row_gets_its_own_links(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path) -> None:
    """The links of a call are dealt to its rows, each once; running again makes none."""
    async with linking(xoxo, tmp_path, batch=2) as (links, ledger):
        report = await links.run(rows(2, 1, 3))
        assert numbers(report) == (3, 0, 0, 0, 0)
        assert report.charged == {"INR": Decimal(600)}
        found = await held(ledger)
        assert {key: len(own) for key, own in found.items()} == {"k1": 2, "k2": 1, "k3": 3}
        assert [link for own in found.values() for link in own] == sandbox.state.links.all()
        assert [len(batch.links) for batch in sandbox.books().links] == [3, 3]
        assert (await links.run(rows(2, 1, 3))).rows == 3
        assert len(sandbox.books().links) == 2


async def test_links_are_exported_as_codes(xoxo: XoxoClient, tmp_path: Path) -> None:
    """Masked unless they are revealed, each under its row with the columns that ride along."""
    async with linking(xoxo, tmp_path) as (links, ledger):
        await links.run([LinkLine(key="k1", quantity=2, kept={"stand": "A 7"})])
        (found,) = (await held(ledger)).values()
        await export_codes(xoxo, ledger, tmp_path / "masked.csv")
        await export_codes(xoxo, ledger, tmp_path / "links.csv", reveal=True)
    masked, shown = (tmp_path / "masked.csv").read_text(), (tmp_path / "links.csv").read_text()
    assert all(link in shown and link not in masked for link in found)
    assert shown.count("A 7") == 2
    with (tmp_path / "links.csv").open(newline="") as file:
        exported = list(csv.DictReader(file))
    own = {"key": "k1", "row": "1", "state": "placed", "delivery": "delivered", "campaign": "7001", "quantity": "2"}
    worth = {"value": "100", "currency": "INR", "valid_to": "2099-12-31", "error": "", "stand": "A 7"}
    assert exported == [{**own, "link": link, **worth} for link in found]


async def test_mails_are_exported_by_address(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path) -> None:
    """What was mailed, and what a row that is not sent is worth; the vendor shows no link."""
    sandbox.script("commit_then_reset", operation="generateLinkEmail", first=1)
    async with mailing(xoxo, tmp_path) as (mails, ledger):
        await mails.run(addresses("anna", "ben"))
        done = await export_codes(None, ledger, tmp_path / "mails.jsonl", split_by="state")
    assert (done.rows, done.codes, done.missing) == (2, 0, 1)
    shown = [json.loads((tmp_path / f"mails-{state}.jsonl").read_text()) for state in ("manual", "placed")]
    worth = {"value": "100", "currency": "INR", "valid_to": "2099-12-31"}
    assert [(one["key"], one["email"], one["campaign"], {name: one[name] for name in worth}) for one in shown] == [
        ("k1", "anna@b.example", 7001, worth), ("k2", "ben@b.example", 7001, worth),
    ]  # fmt: skip
    assert list(shown[1]) == list(COLUMNS[JobKind.LINK_MAILS].names)


async def test_a_workbook_of_links_has_two_sheets(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path) -> None:
    """The links with their value as a number and their last day as a date; and which rows lack some, and why."""
    sandbox.script("short_answer", operation="generateLink", first=1)
    out = tmp_path / "links.xlsx"
    async with linking(xoxo, tmp_path) as (links, ledger):
        await links.run(rows(2, 1))
        before = "key,po_number,order_id,state,delivery,product_id,denomination,quantity,email,code,pin,valid_to,amount"
        (tmp_path / "old.csv").write_text(f"{before},currency,error,tag\nk1\n")
        await export_codes(None, ledger, tmp_path / "old.csv")
        await export_codes(None, ledger, out, reveal=True)
        found = await held(ledger)
    book = python_calamine.load_workbook(str(out))
    assert book.sheet_names == ["links", "missing"]
    heading, first, second = book.get_sheet_by_name("links").to_python()
    assert heading == list(COLUMNS[JobKind.LINKS].names)
    assert (first[6], second[6]) == (*found["k1"], *found["k2"])
    assert second[:6] == ["k2", 2, "placed", "delivered", "7001", 1]
    assert second[7:10] == [100, "INR", DAY]
    heading, missing = book.get_sheet_by_name("missing").to_python()
    assert dict(zip(heading, missing, strict=True)) == {
        "key": "k1", "row": 1, "state": "placed", "delivery": "pending", "campaign": "7001", "quantity": 2,
        "why": "the ledger has 1 of 2 links, and no call gives the others",
    }  # fmt: skip


async def test_a_lost_answer_is_left_to_a_person(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path) -> None:
    """Its row is not sent again by itself; a person has it sent again, or says that it is done."""
    sandbox.script("commit_then_reset", operation="generateLink", first=2)
    async with linking(xoxo, tmp_path) as (links, ledger):
        assert numbers(await links.run(rows(1, 1, 1))) == (1, 0, 0, 2, 0)
        assert numbers(await links.resume()) == (1, 0, 0, 2, 0)
        assert len(sandbox.books().links) == 3
        assert await states(ledger) == {"k1": LineState.MANUAL, "k2": LineState.MANUAL, "k3": LineState.PLACED}
        await links.resolve("k1", Decision(resend=True, reason="its batch is disabled"))
        assert numbers(await links.resume()) == (2, 0, 0, 1, 0)
        found = await held(ledger)
        lost = {link for batch in sandbox.books().links if not batch.answered for link in batch.links}
        assert not lost & {link for own in found.values() for link in own}
        assert len({link for own in found.values() for link in own}) == 2


async def test_a_short_answer_is_seen(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path) -> None:
    """The row keeps what came and is an alarm; rows of the call without a link are in doubt."""
    sandbox.script("short_answer", operation="generateLink", first=1)
    async with linking(xoxo, tmp_path, batch=2) as (links, ledger):
        report = await links.run(rows(4, 2))
        assert numbers(report) == (0, 1, 0, 1, 0)
        assert [alarm.key for alarm in report.alarms] == ["k1"]
        assert "3 of 4 links (batch batch_000001): no call gives the others" in report.alarms[0].text
        assert report.exit_code == 4
        assert len((await held(ledger))["k1"]) == 3
        # A person has handed out the fourth one: the row is closed, and its alarm with it.
        for wrong in (Decision(resend=True), Decision(reason="no")):
            with pytest.raises(ConfigError, match=r"its answer had fewer links.* close it by .* --done k1`"):
                await links.resolve("k1", wrong)
        closed = (await links.resolve("k1", Decision(done=True, reason="support gave the fourth"))).line
        assert (closed.state, closed.error, closed.amount_charged) == (LineState.PLACED, "support gave the fourth", 400)
        assert len((await held(ledger))["k1"]) == 3
        await links.resolve("k2", Decision(done=True, reason="the dashboard has them"))
        with pytest.raises(ConfigError, match="closed by a person already"):
            await links.resolve("k1", Decision(resend=True))
        report = await links.resume()
        assert (numbers(report), report.alarms_total, report.exit_code) == ((2, 0, 0, 0, 0), 0, 0)


async def test_a_success_without_links_is_doubt(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path) -> None:
    """The vendor has been seen to answer so; nothing shows these links again."""
    sandbox.script("bare_answer", operation="generateLink")
    async with linking(xoxo, tmp_path) as (links, _):
        assert numbers(await links.run(rows(1))) == (0, 0, 0, 1, 0)


async def test_a_refusal_is_final(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path) -> None:
    """The vendor's own no is the best evidence there is; other rows are sent."""
    sandbox.script("error_in_200", operation="generateLink", first=1)
    async with linking(xoxo, tmp_path) as (links, _):
        assert numbers(await links.run(rows(1, 1))) == (1, 0, 1, 0, 0)


async def test_an_unknown_campaign_plans_nothing(xoxo: XoxoClient, sandbox: Sandbox, tmp_path: Path) -> None:
    """It is named before anything is written or sent."""
    async with linking(xoxo, tmp_path, campaign_id=9999) as (links, ledger):
        with pytest.raises(ConfigError, match="there is no campaign 9999; nothing was sent"):
            await links.run(rows(1))
        assert (ledger.kind, sandbox.books().links) == (None, ())


async def test_a_ledger_has_links_of_one_currency(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path) -> None:
    """A budget and a sum of two currencies would mean nothing; the rows that are there go on."""
    async with linking(xoxo, tmp_path) as (links, ledger):
        await links.plan(rows(1))
        with pytest.raises(ConfigError, match="campaign 7002 is in USD, and the links of this ledger are in INR"):
            await BulkLinks(xoxo, ledger, campaign_id=7002, expires_on=DAY, missing="keep").run([LinkLine(key="other")])
        assert numbers(await links.resume()) == (1, 0, 0, 0, 0)
    assert {batch.campaign_id for batch in sandbox.books().links} == {7001}


async def test_a_job_resumes_without_its_campaign(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path) -> None:
    """Campaign and expiry are a part of each row; new rows need them."""
    async with linking(xoxo, tmp_path) as (links, ledger):
        await links.plan(rows(1, 1))
        later = BulkLinks(xoxo, ledger)
        with pytest.raises(ConfigError, match="campaign_id and expires_on are missing"):
            await later.run(rows(1, 1))
        assert numbers(await later.resume()) == (2, 0, 0, 0, 0)
    assert {batch.campaign_id for batch in sandbox.books().links} == {7001}


async def test_a_budget_counts_what_links_are_worth(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path) -> None:
    """In the campaign's currency; the run pauses before it could go over, also when it resumes."""
    told: list[UnkeyedTotals] = []

    async def approve(totals: UnkeyedTotals) -> None:
        told.append(totals)

    async with linking(xoxo, tmp_path, max_spend=Decimal(350)) as (links, ledger):
        report = await links.run(rows(2, 1, 3), approve=approve)
        assert (told[0].rows, told[0].total, told[0].worth) == (3, 6, Decimal(600))
        assert (report.pause, report.charged) == (Pause.BUDGET, {"INR": Decimal(300)})
        assert numbers(await BulkLinks(xoxo, ledger).resume()) == (2, 0, 0, 0, 1)
    assert len(sandbox.state.links.all()) == 3


async def test_bad_rows_of_links_are_named(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path) -> None:
    """All of them, and nothing is planned."""
    async with linking(xoxo, tmp_path) as (links, _):
        with pytest.raises(PlanError) as caught:
            await links.run([*rows(1, 0), LinkLine(key="K1")])
    assert "row 2, column quantity" in str(caught.value)
    assert "row 3, column key" in str(caught.value)
    assert sandbox.books().links == ()


async def test_a_ledger_without_codes_is_refused(xoxo: XoxoClient, tmp_path: Path) -> None:
    """No call shows a link twice; mails need no codes."""
    async with SqliteLedger(tmp_path / "l.db", store_codes=False) as ledger:
        with pytest.raises(ConfigError, match="keeps codes"):
            BulkLinks(xoxo, ledger, campaign_id=7001, expires_on=DAY)
        BulkLinkMails(xoxo, ledger, campaign_id=7001, expires_on=DAY)


async def test_each_address_is_mailed_once(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path) -> None:
    """Sent, refused or unknown; running again mails nobody a second time."""
    sandbox.script("commit_then_reset", operation="generateLinkEmail", email="bob@b.example")
    sandbox.script("error_in_200", operation="generateLinkEmail", email="eve@b.example")
    async with mailing(xoxo, tmp_path) as (mails, ledger):
        for _ in range(2):
            assert numbers(await mails.run(addresses("ada", "bob", "eve"))) == (1, 0, 1, 1, 0)
        assert await states(ledger) == {"k1": LineState.PLACED, "k2": LineState.MANUAL, "k3": LineState.REJECTED}
        assert await held(ledger) == {"k1": [], "k2": [], "k3": []}
        await mails.resolve("k2", Decision(done=True, reason="seen in the dashboard"))
        assert numbers(await mails.resume()) == (2, 0, 1, 0, 0)
    assert sandbox.books().link_mails == {"ada@b.example": 1, "bob@b.example": 1}


async def test_many_addresses_may_share_a_call(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path) -> None:
    """A call in doubt is in doubt for each of them."""
    sandbox.script("timeout_after_commit", operation="generateLinkEmail", nth=2, seconds=0)
    async with mailing(xoxo, tmp_path, batch=2) as (mails, ledger):
        assert numbers(await mails.run(addresses("ada", "bob", "eve", "joe", "kim"))) == (3, 0, 0, 2, 0)
        assert [key for key, state in (await states(ledger)).items() if state is LineState.MANUAL] == ["k3", "k4"]
    assert [batch.emails for batch in sandbox.books().links] == [
        ("ada@b.example", "bob@b.example"),
        ("eve@b.example", "joe@b.example"),
        ("kim@b.example",),
    ]


async def test_one_address_is_one_row(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path) -> None:
    """In any case, within the input and against the ledger: nobody is mailed under two keys."""
    async with mailing(xoxo, tmp_path) as (mails, _):
        with pytest.raises(PlanError, match="row 2, column email: is in row 1 already: one row a person, so leave"):
            await mails.run(addresses("ada", "ADA"))
        await mails.run(addresses("ada"))
        with pytest.raises(PlanError, match="under the key 'k1'"):
            await mails.run([MailLine(key="k9", email="Ada@b.example")])
    assert sandbox.books().link_mails == {"ada@b.example": 1}


async def test_a_ledger_of_links_takes_no_mails(xoxo: XoxoClient, tmp_path: Path) -> None:
    """One ledger holds one job of one kind."""
    async with linking(xoxo, tmp_path) as (links, ledger):
        await links.plan(rows(1))
        mails = BulkLinkMails(xoxo, ledger, campaign_id=7001, expires_on=DAY)
        with pytest.raises(LedgerError, match="links"):
            await mails.run(addresses("ada"))


async def test_links_that_are_over_are_not_asked_for(
    sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that waited too long: the vendor would refuse each row for good, so they stay planned and are named."""
    async with linking(xoxo, tmp_path) as (links, ledger):
        await links.plan(rows(1, 2))
        monkeypatch.setattr("xoxo_async.bulk.unkeyed.link_sending._is_over", lambda day: day <= DAY)
        with pytest.raises(ConfigError, match=r"expires_on of 2 planned rows is over: row 1 \(key k1\) has 2099-12-31"):
            await BulkLinks(xoxo, ledger).resume()
        assert not sandbox.books().links
        assert await links.withdraw(None, reason="too late") == 2
        assert (await BulkLinks(xoxo, ledger).resume()).not_sent == 2
