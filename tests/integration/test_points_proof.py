"""Jobs of points, links and mails are proven by the payment report of the sandbox, in both stores."""

from collections.abc import AsyncIterator, Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.jobs import connected
from xoxo_async import XoxoClient, errors
from xoxo_async.bulk import (
    BulkIssuer,
    BulkLinkMails,
    BulkLinks,
    BulkPoints,
    Decision,
    Finding,
    LinkLine,
    MailLine,
    OrderLine,
    PointsLine,
    PostgresLedger,
    Proof,
    SqliteLedger,
    prove_job,
)
from xoxo_async.sandbox import Sandbox
from xoxo_async.sandbox.points_book import Gift
from xoxo_async.sandbox.state import Entry

pytestmark = pytest.mark.anyio

SENDER = "admin@example.com"
DAY = date(2099, 12, 31)
Store = Callable[[], Any]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as server:
        yield server


@pytest.fixture
async def xoxo(sandbox: Sandbox) -> AsyncIterator[XoxoClient]:
    async with connected(sandbox) as client:
        yield client


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Return what opens the job's ledger: in a file, or in a database."""
    if request.param == "sqlite":
        return lambda: SqliteLedger(tmp_path / "l.db")
    database = request.getfixturevalue("database")
    return lambda: PostgresLedger(database, job="thanks")


@pytest.fixture
def _settled_books(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is so new that the report may lag behind it."""
    monkeypatch.setattr("xoxo_async.bulk.proving.facts.RECENT_S", -1.0)


def people(count: int, points: int = 100) -> list[PointsLine]:
    """Return recipients; the n-th gets `points` and n more."""
    return [
        PointsLine(key=f"k{n}", email=f"p{n}@example.com", name="P", amount=Decimal(points + n)) for n in range(count)
    ]


async def prove(xoxo: XoxoClient, ledger: Any, tmp_path: Path, **how: Any) -> Proof:
    return await prove_job(xoxo, ledger, progress=tmp_path / "l.proof", **how)


def found(proof: Proof) -> dict[str, int]:
    return {kind: number for kind, number in proof.found.items() if number}


def entry_of(sandbox: Sandbox, key: int) -> Entry:
    """Return the row of the report that took the points of a recipient."""
    (unique_id,) = (one.unique_id for one in sandbox.books().credits if one.email == f"p{key}@example.com")
    return next(one for one in sandbox.state.payments if one.reference == f"REF{unique_id}" and "issued" in one.reason)


async def test_points_are_proven_row_by_row(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path, store: Store) -> None:
    """The report names each credit, and what was cancelled is given back; the sums are those of the ledger."""
    journal: list[object] = []
    async with store() as ledger:
        points = BulkPoints(xoxo, ledger, job="thanks", sender_email=SENDER, batch=7)
        await points.run(people(30))
        assert (await points.cancel(["k3", "k4"], reason="they left")).cancelled == 2
        journal = [row async for row in ledger.journal()]
        proof = await prove(xoxo, ledger, tmp_path)
        counts = await ledger.counts()
        assert [row async for row in ledger.journal()] == journal, "a proof writes nothing"
    assert (proof.ok, proof.kind, proof.agree, proof.placed, found(proof)) == (True, "points", 30, 30, {})
    left = sum(sandbox.books().points.values())
    assert proof.sums.ledger == proof.sums.vendor == counts.charged["points"] == left
    assert (counts.issued, counts.taken_back, counts.pending) == (30, 2, 0)
    assert proof.sums.rate == Decimal("0.1")
    assert (proof.sums.paid or 0) - proof.sums.refunded == Decimal(left) / 10
    assert proof.calls == {"paymentHistory": 1}
    assert not (tmp_path / "l.proof").exists()


def by_key(findings: tuple[Finding, ...]) -> dict[str, str]:
    return {finding.key: finding.why for finding in findings}


@pytest.mark.usefixtures("_settled_books")
async def test_what_is_planted_is_found(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path, store: Store) -> None:
    """Each row gets another discrepancy, and exactly these are named; what others sent is no discrepancy."""
    sandbox.script("commit_then_reset", operation="sendBalance", email="p0@example.com")
    sandbox.script("reset_before_commit", operation="sendBalance", email="p1@example.com")
    sandbox.script("error_in_200", operation="sendBalance", email="p2@example.com")
    async with store() as ledger:
        points = BulkPoints(xoxo, ledger, job="thanks", sender_email=SENDER, concurrency=1)
        report = await points.run(people(20))
        assert (report.unknown, report.rejected, report.issued) == (2, 1, 17)
        await points.cancel(["k5", "k6"], reason="they left")
        payments = sandbox.state.payments
        entry_of(sandbox, 3).amount += 1
        payments.remove(entry_of(sandbox, 4))
        payments.remove(next(one for one in payments if one.reason == "Refunded"))  # of k5
        again = entry_of(sandbox, 7)
        payments.append(Entry(again.reference, again.day, again.reason, again.amount, again.balance))
        payments.append(Entry(entry_of(sandbox, 8).reference, again.day, "Refunded", Decimal("10.8"), again.balance))
        sandbox.state.book_points([Gift("other@example.com", "O", 5_000, "")])
        before = sandbox.books()
        proof = await prove(xoxo, ledger, tmp_path)
        states = {line.key: line.state async for line in ledger.lines()}
    assert sandbox.books().credits == before.credits, "a proof sends nothing"
    assert (states["k0"], states["k1"]) == ("manual", "manual"), "what the report says settles nothing"
    assert (proof.ok, proof.agree, proof.differ, proof.undecided) == (False, 13, 5, 2)
    assert {key: "took 11.3 for credit" in why for key, why in by_key(proof.charges).items()} == {"k3": True}
    assert list(by_key(proof.missing)) == ["k4"]
    assert list(by_key(proof.delivery)) == ["k5"]
    assert list(by_key(proof.repeated)) == ["k7"]
    assert "took money 2 times" in by_key(proof.repeated)["k7"]
    assert "gave 10.8 back" in by_key(proof.wallet)["k8"]
    doubts = by_key(proof.unknown)
    lost = next(one.unique_id for one in before.credits if one.email == "p0@example.com")
    assert f"has 1 row over 10 of these days that names no credit of this ledger (REF{lost} of" in doubts["k0"]
    assert "has no row over 10.1 of these days, but for those of this ledger's other rows" in doubts["k1"]
    assert "example.com" not in repr(proof.to_dict())
    assert (proof.sums.other_orders, proof.sums.other) == (2, Decimal(510))
    assert any("2 more rows of points, for nothing that this job knows" in note for note in proof.notes)


async def test_a_new_row_may_lag(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path) -> None:
    """What the report lacks of the last ten minutes is not known; a refund of just now neither."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        points = BulkPoints(xoxo, ledger, job="thanks", sender_email=SENDER)
        await points.run(people(5))
        await points.cancel(["k1"], reason="left")
        sandbox.state.payments.remove(entry_of(sandbox, 0))
        sandbox.state.payments.pop()
        proof = await prove(xoxo, ledger, tmp_path)
    assert (set(found(proof)), proof.undecided) == ({"unknown", "wallet"}, 2)  # the balances have two gaps
    assert "yet, which is very new" in by_key(proof.unknown)["k0"]
    assert "yet, which was cancelled only now" in by_key(proof.unknown)["k1"]


async def test_a_cancellation_in_doubt_has_evidence(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path) -> None:
    """The report says what became of it; the ledger waits for a person all the same."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        points = BulkPoints(xoxo, ledger, job="thanks", sender_email=SENDER, concurrency=1)
        await points.run(people(4))
        for key, kind in (("k0", "commit_then_reset"), ("k1", "reset_before_commit")):
            sandbox.script(kind, operation="cancelBalance", first=1)
            assert (await points.cancel([key], reason="left")).unknown == 1
        proof = await prove(xoxo, ledger, tmp_path)
        assert (await ledger.counts()).cancels_in_doubt == 2
    doubts = by_key(proof.unknown)
    assert "its cancellation is in doubt, and the payment report gave 10 back" in doubts["k0"]
    assert "its cancellation is in doubt, and the payment report gave nothing back" in doubts["k1"]
    assert (proof.agree, proof.undecided) == (2, 2)


async def test_a_wrong_resend_is_seen(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path) -> None:
    """A person overlooked the points in the dashboard, and had them sent again: the report has them twice."""
    sandbox.script("commit_then_reset", operation="sendBalance", email="p1@example.com", first=1)
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        points = BulkPoints(xoxo, ledger, job="thanks", sender_email=SENDER, settle_s=0)
        await points.run(people(3))
        await points.resolve("k1", Decision(resend=True, reason="not there"))
        assert (await points.resume()).issued == 3
        proof = await prove(xoxo, ledger, tmp_path)
    assert sandbox.books().points["p1@example.com"] == 202
    assert (proof.agree, proof.undecided, list(by_key(proof.unknown))) == (2, 1, ["k1"])
    assert (
        "it was sent again after a lost answer, and may have been sent twice; the payment report"
        in proof.unknown[0].why
    )


async def test_a_wrong_decision_is_seen(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path) -> None:
    """Points that went out, and that a person calls refused, or wants to send again; what never went out agrees."""
    for key, kind in (("p0", "commit_then_reset"), ("p1", "commit_then_reset"), ("p2", "reset_before_commit")):
        sandbox.script(kind, operation="sendBalance", email=f"{key}@example.com", first=1)
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        points = BulkPoints(xoxo, ledger, job="thanks", sender_email=SENDER, settle_s=0, concurrency=1)
        await points.run(people(5))
        for key in ("k0", "k2"):
            await points.resolve(key, Decision(reason="not there"))
        await points.resolve("k1", Decision(resend=True, reason="not there"))
        proof = await prove(xoxo, ledger, tmp_path)
    assert (proof.ok, proof.agree, sorted(by_key(proof.unknown))) == (False, 3, ["k0", "k1"])
    assert "the ledger calls it rejected now; the payment report has 1 row over 10 of" in by_key(proof.unknown)["k0"]
    assert "the ledger calls it planned now; the payment report has 1 row over 10.1 of" in by_key(proof.unknown)["k1"]


async def test_a_second_ledger_is_seen(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path) -> None:
    """What a lost ledger sent, and a person has sent again by the one that replaces it, is not proven."""
    for name in ("a", "b"):
        async with SqliteLedger(tmp_path / f"{name}.db") as ledger:
            points = BulkPoints(
                xoxo, ledger, job="thanks", sender_email=SENDER, settle_s=0, restore=name == "b", concurrency=1
            )
            await points.run(people(3))
            if name == "b":
                for key in ("k0", "k1", "k2"):
                    await points.resolve(key, Decision(resend=True, reason="not there"))
                assert (await points.resume()).issued == 3
                proof = await prove(xoxo, ledger, tmp_path)
    assert len(sandbox.books().credits) == 6
    assert (proof.ok, proof.undecided, sorted(by_key(proof.unknown))) == (False, 3, ["k0", "k1", "k2"])


async def test_a_job_of_doubts_has_evidence(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path) -> None:
    """No answer came, so no price is known: every row of the report that names nothing of the job is shown."""
    sandbox.script("commit_then_reset", operation="sendBalance")
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await BulkPoints(xoxo, ledger, job="thanks", sender_email=SENDER, concurrency=1).run(people(2))
        proof = await prove(xoxo, ledger, tmp_path)
    assert (proof.undecided, found(proof)) == (2, {"unknown": 2})
    assert all("has 2 rows of these days that name no credit of this ledger (REF9" in one.why for one in proof.unknown)


async def test_an_account_that_pays_later_proves_nothing(tmp_path: Path) -> None:
    """Where points cost when they are redeemed the report has no row of them, and the proof says so once."""
    async with Sandbox(pay_on="redeem") as sandbox, connected(sandbox) as xoxo:
        async with SqliteLedger(tmp_path / "l.db") as ledger:
            await BulkPoints(xoxo, ledger, job="thanks", sender_email=SENDER).run(people(3))
            proof = await prove(xoxo, ledger, tmp_path)
    assert (proof.ok, proof.undecided, found(proof)) == (False, 3, {"unknown": 1})
    assert "names none of 3 rows by the id of its credit, so none is proven" in proof.unknown[0].why
    assert (proof.sums.paid, proof.sums.vendor, proof.sums.ledger) == (None, 0, 303)


async def test_a_report_of_whole_amounts_is_taken(tmp_path: Path) -> None:
    """The vendor's page calls amounts integers: fractions are lost, and nothing is called wrong for it."""
    async with Sandbox(dialect="openapi") as sandbox, connected(sandbox) as xoxo:
        async with SqliteLedger(tmp_path / "l.db") as ledger:
            await BulkPoints(xoxo, ledger, job="thanks", sender_email=SENDER).run(people(9, points=1001))
            proof = await prove(xoxo, ledger, tmp_path)
            assert (proof.ok, proof.agree) == (True, 9)
            entry_of(sandbox, 5).amount += 2
            assert list(by_key((await prove(xoxo, ledger, tmp_path)).charges)) == ["k5"]


async def test_links_are_proven_by_their_batch(
    sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path, store: Store
) -> None:
    """One row of the report is a call of several rows; a lost batch stays a person's, beside what the report has."""
    sandbox.script("commit_then_reset", operation="generateLink", nth=2)
    async with store() as ledger:
        links = BulkLinks(xoxo, ledger, job="thanks", campaign_id=7002, expires_on=DAY, batch=5, concurrency=1)
        report = await links.run(LinkLine(key=f"k{n}") for n in range(20))
        assert (report.issued, report.unknown) == (15, 5)
        proof = await prove(xoxo, ledger, tmp_path)
        assert (proof.ok, proof.agree, proof.undecided, found(proof)) == (False, 15, 5, {"unknown": 5})
        assert proof.sums.ledger == proof.sums.vendor == report.charged["USD"] == 150
        assert (proof.sums.currency, proof.sums.rate) == ("USD", Decimal("83.25"))
        assert "has 1 row of these days that names no batch of this ledger (batch_000002 of" in proof.unknown[0].why
        next(one for one in sandbox.state.payments if one.reference == "batch_000003").amount -= 50
        proof = await prove(xoxo, ledger, tmp_path)
        assert (proof.differ, len(proof.charges)) == (5, 5)


async def test_a_batch_sent_again_is_seen(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path) -> None:
    """The lost call had made its links, and the report has a batch that no row of the ledger has."""
    sandbox.script("commit_then_reset", operation="generateLink", nth=2)
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        links = BulkLinks(
            xoxo, ledger, job="thanks", campaign_id=7002, expires_on=DAY, batch=5, concurrency=1, settle_s=0
        )
        await links.run(LinkLine(key=f"k{n}") for n in range(10))
        lost = [line.key async for line in ledger.lines() if line.state == "manual"]
        for key in lost:
            await links.resolve(key, Decision(resend=True, reason="not there"))
        assert (await links.resume()).issued == 10
        proof = await prove(xoxo, ledger, tmp_path)
    assert (proof.ok, proof.agree, sorted(by_key(proof.unknown))) == (False, 5, sorted(lost))
    assert "names no batch of this ledger (batch_000002 of" in proof.unknown[0].why


async def test_mailed_links_cannot_be_proven(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path) -> None:
    """Their answers name nothing. The proof says it, with what the report has, and does not pass."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        mails = BulkLinkMails(xoxo, ledger, job="thanks", campaign_id=7001, expires_on=DAY)
        await mails.run([MailLine(key=f"k{n}", email=f"p{n}@example.com") for n in range(3)])
        proof = await prove(xoxo, ledger, tmp_path)
    assert (proof.ok, proof.undecided, found(proof)) == (False, 3, {"unknown": 1})
    assert "so 3 rows are not proven; it has 3 rows of links over 300, and does not say whose" in proof.unknown[0].why


async def test_points_are_no_orders_of_a_proof(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path) -> None:
    """A job of orders is proven although the account sent points and links as well."""
    sandbox.state.book_points([Gift("other@example.com", "O", 5_000, "")])
    sandbox.state.book_links(7001, 3, (), Decimal(300))
    async with SqliteLedger(tmp_path / "o.db") as ledger:
        orders = [OrderLine(key="k", product_id=1001, denomination=Decimal(100))]
        await BulkIssuer(xoxo, ledger, job="march").run(orders)
        proof = await prove(xoxo, ledger, tmp_path)
    assert (proof.ok, proof.kind, found(proof)) == (True, "orders", {})


async def test_an_interrupted_proof_goes_on(sandbox: Sandbox, xoxo: XoxoClient, tmp_path: Path) -> None:
    """Its pages are kept, but not across a cancellation, which changes the report."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        points = BulkPoints(xoxo, ledger, job="thanks", sender_email=SENDER)
        await points.run(people(250))
        sandbox.script("reset_before_commit", operation="paymentHistory", nth=3)
        with pytest.raises(errors.TransportError):
            await prove(xoxo.with_options(attempts=1), ledger, tmp_path)
        assert (tmp_path / "l.proof").stat().st_mode & 0o777 == 0o600
        proof = await prove(xoxo, ledger, tmp_path)
        assert (proof.ok, proof.calls) == (True, {"paymentHistory": 4})
