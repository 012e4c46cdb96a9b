"""`credit_prover`: a whole proof of points over a real ledger and a report that a test writes by hand."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.unit.bulk.proving.unkeyed import decided, fact, lost, paid, planned, resent, sent
from xoxo_async import errors
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Evidence
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.proving.prover import prove_job
from xoxo_async.bulk.proving.result import Proof
from xoxo_async.paging import Page
from xoxo_async.services.account.replies import Payment

pytestmark = pytest.mark.anyio

TODAY = datetime.now(UTC).date()


class Vendor:
    """A client whose payment report a test writes. There is no other list, and no look-up."""

    base_url = "https://plum.test/chef"
    account_fingerprint = "f1"

    def __init__(self) -> None:
        self.account = self
        self.payments: list[Payment] = []
        self.asked = 0
        self.fails: errors.XoxoError | None = None

    @property
    def orders(self) -> Any:
        raise AssertionError("a proof of points reads no orders")

    def pays(self, count: int) -> None:
        """Take a tenth of each row's points."""
        balance, self.payments = Decimal(1000), []
        for row in range(1, count + 1):
            balance -= 10 * row
            self.payments.append(paid(f"REF{900 + row}", f"{10 * row}", day=TODAY.isoformat(), closing=f"{balance}"))

    async def list_payments(self, start: date, end: date, *, page: int = 1, limit: int = 100) -> Page[Payment]:
        assert start <= TODAY <= end
        self.asked += 1
        if self.fails is not None:
            raise self.fails
        return Page(tuple(self.payments[(page - 1) * limit : page * limit]), page, limit)


@pytest.fixture
def client() -> Vendor:
    return Vendor()


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    async with SqliteLedger(tmp_path / "l.db") as opened:
        yield opened


async def prove(client: Vendor, ledger: SqliteLedger, tmp_path: Path, **how: Any) -> Proof:
    return await prove_job(client, ledger, progress=tmp_path / "p", **how)


async def test_points_are_proven_in_one_list(client: Vendor, ledger: SqliteLedger, tmp_path: Path) -> None:
    """Each row is told its verdict; look-ups are asked for in vain, and the result says so."""
    await sent(ledger, JobKind.POINTS, 5)
    client.pays(5)
    verdicts: list[tuple[str, int]] = []
    proof = await prove(
        client, ledger, tmp_path, thorough=True, each=lambda line, found: verdicts.append((line.key, len(found)))
    )
    assert (proof.ok, proof.kind, proof.agree, proof.thorough) == (True, "points", 5, False)
    assert verdicts == [(f"k{n}", 0) for n in range(1, 6)]
    assert (proof.sums.ledger, proof.sums.vendor, proof.sums.paid, proof.sums.rate) == (1500, 1500, 150, Decimal("0.1"))
    assert "nothing was looked up: no call finds what was sent without a key" in proof.notes


async def test_a_report_that_is_refused_proves_nothing(client: Vendor, ledger: SqliteLedger, tmp_path: Path) -> None:
    """The company's credentials may not read it: nobody has shown that they do. That is said, and not passed."""
    await sent(ledger, JobKind.POINTS, 2)
    client.fails = errors.NotAllowedError("not for this token", error_id="PIPE10013")
    proof = await prove(client, ledger, tmp_path)
    assert (proof.ok, proof.undecided, proof.found["unknown"]) == (False, 2, 1)
    assert proof.unknown[0].why.startswith("the payment report cannot be read, so nothing is compared with it: ")


async def test_nothing_placed_needs_a_report(client: Vendor, ledger: SqliteLedger, tmp_path: Path) -> None:
    """Nobody has read what the report has of two rows that were refused: no proof either."""
    await planned(ledger, JobKind.POINTS, 2)
    await ledger.record([fact(line, Evidence.REFUSED_NO_ORDER) for line in await ledger.claim(2)])
    client.fails = errors.NotAllowedError("not for this token", error_id="PIPE10013")
    proof = await prove(client, ledger, tmp_path)
    assert (proof.ok, proof.placed, proof.found["unknown"]) == (False, 0, 1)
    assert proof.unknown[0].why.startswith("the payment report cannot be read, so nothing is compared with it: ")
    client.fails = None
    assert (await prove(client, ledger, tmp_path)).ok


async def test_an_empty_report_proves_nothing(client: Vendor, ledger: SqliteLedger, tmp_path: Path) -> None:
    """It lags, or the account has none."""
    await sent(ledger, JobKind.POINTS, 2)
    proof = await prove(client, ledger, tmp_path)
    assert (proof.ok, proof.undecided, proof.found["unknown"]) == (False, 2, 1)


async def test_whole_amounts_are_compared_exactly(client: Vendor, ledger: SqliteLedger, tmp_path: Path) -> None:
    """The price gives whole amounts: one that is off by 1 is wrong, and so is a balance."""
    await sent(ledger, JobKind.POINTS, 4)
    client.pays(4)
    client.payments[1] = paid("REF902", "21", day=TODAY.isoformat(), closing="970")
    proof = await prove(client, ledger, tmp_path)
    assert ([one.key for one in proof.charges], proof.found["wallet"]) == (["k2"], 1)
    assert "balances of the payment report do not follow" in proof.wallet[0].why


async def test_rounded_amounts_are_noted(client: Vendor, ledger: SqliteLedger, tmp_path: Path) -> None:
    """The price gives fractions that the report does not show: then its balances say nothing, and a note says so."""
    await sent(ledger, JobKind.POINTS, 4)
    rows = zip(("1", "3", "4", "6"), ("98", "95", "91", "85"), strict=True)
    client.payments = [
        paid(f"REF{901 + at}", amount, day=TODAY.isoformat(), closing=left) for at, (amount, left) in enumerate(rows)
    ]
    client.payments[0] = paid("REF901", "1", day=TODAY.isoformat(), closing="99")
    proof = await prove(client, ledger, tmp_path)
    assert (proof.ok, proof.sums.rate) == (True, Decimal("0.015"))
    assert any("so amounts are compared to the unit, and its balances are not checked" in note for note in proof.notes)
    client.pays(4)
    assert not any("balances" in note for note in (await prove(client, ledger, tmp_path)).notes)


async def test_what_was_read_is_kept(client: Vendor, ledger: SqliteLedger, tmp_path: Path) -> None:
    """A proof that was cut off reads its last page again, and no other; a later send begins it anew."""
    await sent(ledger, JobKind.POINTS, 2)
    client.pays(2)
    client.payments += [paid(f"X{n}", "1", "Links issued", day=TODAY.isoformat()) for n in range(150)]
    client.payments[0], client.payments[-1] = client.payments[-1], client.payments[0]

    async def cut(start: date, end: date, *, page: int = 1, limit: int = 100) -> Page[Payment]:
        if page > 1:
            raise errors.ConnectError("the network is gone")
        return await Vendor.list_payments(client, start, end, page=page, limit=limit)

    whole, client.list_payments = client.list_payments, cut  # type: ignore[method-assign]
    with pytest.raises(errors.ConnectError):
        await prove(client, ledger, tmp_path)
    assert (tmp_path / "p").stat().st_mode & 0o777 == 0o600
    client.list_payments = whole  # type: ignore[method-assign]
    client.asked = 0
    proof = await prove(client, ledger, tmp_path)
    assert (proof.agree, client.asked, proof.calls) == (2, 2, {"paymentHistory": 3})
    assert not (tmp_path / "p").exists()


async def test_cut_days_are_not_passed(client: Vendor, ledger: SqliteLedger, tmp_path: Path) -> None:
    """What the report has of the other days was not read; days that end after the job are only noted."""
    await sent(ledger, JobKind.POINTS, 1)
    client.pays(1)
    proof = await prove(client, ledger, tmp_path, since=TODAY)
    assert (proof.agree, proof.found["unknown"]) == (1, 1)
    assert f"the job may have rows before {TODAY} (its own days are" in proof.unknown[0].why
    later = datetime.now(UTC) + timedelta(days=60)
    proof = await prove(client, ledger, tmp_path, until=TODAY + timedelta(days=1), clock=later.timestamp)
    assert proof.ok
    assert any("were not read" in note for note in proof.notes)


async def test_a_wrong_day_leaves_no_file(client: Vendor, ledger: SqliteLedger, tmp_path: Path) -> None:
    """But it does not forget what an interrupted proof has read."""
    await sent(ledger, JobKind.POINTS, 1)
    wrong = {"since": TODAY, "until": TODAY - timedelta(days=3)}
    with pytest.raises(errors.ConfigError, match="is after the last day"):
        await prove(client, ledger, tmp_path, **wrong)
    assert not (tmp_path / "p").exists()
    client.fails = errors.ConnectError("the network is gone")
    with pytest.raises(errors.ConnectError):
        await prove(client, ledger, tmp_path)
    with pytest.raises(errors.ConfigError, match="is after the last day"):
        await prove(client, ledger, tmp_path, **wrong)
    assert (tmp_path / "p").exists()


async def test_what_another_ledger_sent_is_seen(client: Vendor, ledger: SqliteLedger, tmp_path: Path) -> None:
    """The ledger replaces another one, and a person had its rows sent again: the report has them twice."""
    await planned(ledger, JobKind.POINTS, 2)
    await ledger.restored(reason="the other one is lost")
    await lost(ledger)
    for key, order_id in (("k1", 901), ("k2", 902)):
        await resent(ledger, key, order_id)
    client.pays(2)
    before = paid("REF500", "20", day=(TODAY - timedelta(days=6)).isoformat(), closing="1000")
    client.payments.insert(0, before)
    proof = await prove(client, ledger, tmp_path, since=TODAY - timedelta(days=7))
    assert (proof.agree, [one.key for one in proof.unknown]) == (1, ["k2"])
    assert "and may have been sent twice; the payment report has 1 row over 20" in proof.unknown[0].why
    day = TODAY - timedelta(days=7)
    assert any(f"what the other one sent is only seen from {day} on" in note for note in proof.notes)


@pytest.mark.parametrize("kind", [JobKind.POINTS, JobKind.LINKS, JobKind.LINK_MAILS])
async def test_a_wrong_refusal_is_not_passed(
    client: Vendor, ledger: SqliteLedger, tmp_path: Path, kind: JobKind
) -> None:
    """A person calls a row with a lost answer refused, and the report has a row that may be its own."""
    await planned(ledger, kind, 1)
    await lost(ledger, 1)
    await decided(ledger, Evidence.PERSON_REJECTED, "k1")
    reason = "Points issued" if kind is JobKind.POINTS else "Links issued"
    client.payments = [paid("REF7", "10", reason, day=TODAY.isoformat(), closing="90")]
    proof = await prove(client, ledger, tmp_path)
    assert (proof.ok, proof.undecided, [one.key for one in proof.unknown]) == (False, 1, ["k1"])
    assert "it was in doubt, and the ledger calls it rejected now; the payment report has 1 row" in proof.unknown[0].why
    assert any("but where one was in doubt, rows of the report that may be its own are named" in n for n in proof.notes)
    client.payments = [paid("REF7", "10", "Funds added", day=TODAY.isoformat(), closing="90")]
    assert (await prove(client, ledger, tmp_path)).ok


async def test_another_account_is_refused(client: Vendor, ledger: SqliteLedger, tmp_path: Path) -> None:
    """Before any call: its report would prove nothing."""
    await sent(ledger, JobKind.POINTS, 1)
    client.account_fingerprint = "f2"
    with pytest.raises(errors.ConfigError, match="another account"):
        await prove(client, ledger, tmp_path)
    assert client.asked == 0
