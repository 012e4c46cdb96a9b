"""`examining`: every check runs, whatever another one finds, and no secret comes out."""

from pathlib import Path

import pytest

from xoxo_async import PRODUCTION, RateLimits, XoxoClient, errors
from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.doctor import Diagnosis, Proving, examine, ledgers, records
from xoxo_async.environment import Environment
from xoxo_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio


def settings_of(sandbox: Sandbox, **other: str) -> Environment:
    secret = other.get("client_secret", sandbox.client_secret)
    return Environment(base_url=sandbox.base_url, client_id=sandbox.client_id, client_secret=secret)


def statuses(found: Diagnosis) -> dict[str, str]:
    return {finding.check: finding.status for finding in found.findings}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


async def test_a_set_up_in_order_has_no_failure(xoxo_sandbox: Sandbox, tmp_path: Path) -> None:
    """Each thing is checked once, with one token request and two calls."""
    where = LedgerAddress.read(tmp_path / "m.db")
    found = await examine(lambda: settings_of(xoxo_sandbox), ledger=where, variables={})
    assert found.failures == ()
    assert list(statuses(found)) == [
        "address", "credentials", "proxy", "limits", "server", "tls", "clock", "token", "account", "stated limits",
        "ledger folder", "disk", "space", "versions", "extras",
    ]  # fmt: skip
    assert xoxo_sandbox.client_secret not in str(found)
    assert "placeOrder" not in xoxo_sandbox.books().requests


async def test_wrong_credentials_hide_nothing(xoxo_sandbox: Sandbox, tmp_path: Path) -> None:
    """The clock and the folder are checked all the same, and the secret is not shown."""
    where = LedgerAddress.read(tmp_path / "no" / "m.db")
    found = await examine(lambda: settings_of(xoxo_sandbox, client_secret="hush-hush"), ledger=where, variables={})
    assert statuses(found) | {"token": "fail", "account": "warn", "clock": "ok", "ledger folder": "fail"} == statuses(
        found
    )
    assert "hush-hush" not in str(found)


async def test_no_credentials_leave_the_server_checked(xoxo_sandbox: Sandbox) -> None:
    """The missing variables are named."""
    found = await examine(lambda: Environment(base_url=xoxo_sandbox.base_url), variables={})
    assert statuses(found) | {"credentials": "fail", "server": "ok", "token": "warn"} == statuses(found)
    assert "XOXO_CLIENT_ID" in found.failures[0].text


async def test_a_server_that_is_away_is_one_failure() -> None:
    """What needs it warns, and says why."""
    environment = Environment(base_url="http://127.0.0.1:9/chef", client_id="me", client_secret="hush")
    found = await examine(lambda: environment, variables={}, proving=Proving())
    assert [finding.check for finding in found.failures] == ["server"]
    assert {"clock", "token", "account", "poNumber"} <= {finding.check for finding in found.warnings}


async def test_a_database_that_is_away_fails(xoxo_sandbox: Sandbox) -> None:
    """As a setting, without the password of its URL."""
    where = LedgerAddress.read("postgresql://me:hush-hush@127.0.0.1:9/db#march")
    found = await examine(lambda: settings_of(xoxo_sandbox), ledger=where, variables={})
    (one,) = found.failures
    assert (one.check, one.about, "PGPASSWORD" in one.advice) == ("ledger", "setting", True)
    assert "hush-hush" not in str(found)


async def test_settings_that_cannot_be_read_are_a_finding() -> None:
    """A profile that is wrong hides neither folder nor versions."""

    def fail() -> Environment:
        raise errors.ConfigError("the profile is wrong")

    found = await examine(fail, variables={})
    assert [finding.check for finding in found.failures] == ["settings"]
    assert {"ledger folder", "versions"} <= statuses(found).keys()


async def test_a_bug_in_a_check_is_said(xoxo_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no failure of the set-up, and no success."""

    def fail(_where: Path) -> None:
        raise KeyError

    monkeypatch.setattr(ledgers, "check_folder", fail)
    found = await examine(lambda: settings_of(xoxo_sandbox), variables={})
    (one,) = [finding for finding in found.findings if finding.check == "ledger folder"]
    assert (one.status, one.text) == ("warn", "not checked: the check itself failed (KeyError)")


async def test_a_throttled_account_fails(xoxo_sandbox: Sandbox) -> None:
    """The vendor's penalty is in the text."""
    xoxo_sandbox.script("throttle", operation="getBalance", first=1)
    found = await examine(lambda: settings_of(xoxo_sandbox), variables={})
    assert [(finding.check, finding.about) for finding in found.failures] == [("account", "server")]


async def test_the_proof_runs_at_a_sandbox(xoxo_sandbox: Sandbox) -> None:
    """Whoever is asked sees the order first."""
    asked: list[int] = []

    async def agree(order: object) -> None:
        asked.append(order.product_id)  # type: ignore[attr-defined]

    found = await examine(
        lambda: settings_of(xoxo_sandbox),
        variables={},
        proving=Proving(later_s=0, agree=agree),
        limits=RateLimits.unlimited(),
    )
    assert statuses(found)["poNumber"] == "ok"
    assert len(asked) == 1
    again = await examine(lambda: settings_of(xoxo_sandbox), variables={})
    assert again.findings[10].text.endswith("one order under one poNumber")


async def test_an_account_that_bought_twice_fails(xoxo_sandbox: Sandbox, xoxo_client: XoxoClient) -> None:
    """Until a new proof says otherwise."""
    records.keep(xoxo_client.base_url, xoxo_client.account_fingerprint, {"result": "twice", "at": "2026-01-01"})
    found = await examine(lambda: settings_of(xoxo_sandbox), variables={})
    assert [(finding.check, finding.about) for finding in found.failures] == [("poNumber", "money")]


async def test_the_proof_is_refused_at_production() -> None:
    """Before anything is sent."""
    with pytest.raises(errors.ConfigError, match="nothing was sent"):
        await examine(lambda: Environment(base_url=PRODUCTION), proving=Proving(), variables={})
