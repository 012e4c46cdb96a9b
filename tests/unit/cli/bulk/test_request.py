"""`request`: the command that continues has all settings of the first one, and none that spends more."""

import math
import shlex
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.bulk.settings import Bounds
from xoxo_async.cli.bulk.request import RunRequest
from xoxo_async.cli.connection import Connection


def work(*, rate: float | None = None, sandbox: bool = False, **given: Any) -> RunRequest:
    connection = Connection(rate=rate, sandbox=sandbox)
    plain: dict[str, Any] = {
        "action": "run",
        "source": "orders.csv",
        "ledger": LedgerAddress.read("m.db"),
        "connection": connection,
    }
    return RunRequest(**{**plain, **given})


def test_default_settings_need_no_flag() -> None:
    """After a run without flags, the next command has none."""
    assert work().flags("run") == work().flags("resume") == work().flags("reconcile") == []


@pytest.mark.parametrize(
    ("given", "flags"),
    [
        ({"ledger": LedgerAddress.read("m.db", job="march")}, "--job march"),
        ({"concurrency": 8}, "--concurrency 8"),
        ({"rate": 300.0}, "--rate 300"),
        ({"rate": math.inf}, "--rate none"),
        ({"settle": 0.0}, "--settle 0"),
        ({"resend": "never"}, "--resend never"),
        ({"no_codes": True}, "--no-codes"),
        ({"pause_limit": 1.5}, "--pause-limit 1.5"),
        ({"grace": 5.0}, "--grace 5"),
        ({"sandbox": True}, "--sandbox"),
    ],
)
def test_a_setting_goes_on_with_every_command(given: dict[str, Any], flags: str) -> None:
    """The next command has the same resending and the same rate."""
    for action in ("run", "resume", "reconcile"):
        assert work(**given).flags(action) == flags.split()


def test_a_reconcile_has_no_spending_flags() -> None:
    """`reconcile` sends no order, so it needs no --max-spend, --max-errors and --yes."""
    given = work(max_spend=Decimal("1E+3"), max_errors="5%", yes=True)
    assert given.flags("resume") == ["--max-spend", "1000", "--max-errors", "5%", "--yes"]
    assert given.flags("resume", bounds=False) == ["--yes"]
    assert given.flags("reconcile") == []


def test_only_a_run_has_row_flags() -> None:
    """A resume takes the rows from the ledger, packed as the run packed them."""
    given = work(pack=True, skip_invalid=True, problems=Path("bad rows.csv"))
    assert given.flags("run") == ["--pack", "--skip-invalid", "--problems", "bad rows.csv"]
    assert given.flags("resume") == []


def test_a_command_has_its_files() -> None:
    """It names the ledger and, for a run, the orders. It is quoted for a shell, and keeps --json."""
    given = work(ledger=LedgerAddress.read("my march.db"), as_json=True)
    assert shlex.split(given.continued_by("run"))[-6:] == [
        "bulk",
        "run",
        "orders.csv",
        "--ledger",
        "my march.db",
        "--json",
    ]
    assert shlex.split(given.continued_by("resume"))[-5:] == ["bulk", "resume", "--ledger", "my march.db", "--json"]


def test_a_sandbox_settles_sooner() -> None:
    """No order of an earlier sandbox can be under way. A flag and the ledger's bound go first."""
    nothing, kept = Bounds(), Bounds(settle_s=30.0)
    assert work(sandbox=True).settle_within(nothing) == 1.0
    assert work().settle_within(nothing) is work(sandbox=True).settle_within(kept) is None
    assert work(sandbox=True, settle=7.0).settle_within(kept) == work(settle=7.0).settle_within(nothing) == 7.0


def test_the_kept_rate_and_concurrency_shape_the_connection() -> None:
    """A flag goes before the ledger's bound. The flags of the next command do not change."""
    kept = Bounds(rate=60.0, concurrency=300)
    asked = work()
    assert (asked.connection_within(kept).rate, asked.connection_within(kept).connections) == (60.0, 300)
    assert asked.connection_within(Bounds(rate="none")).rate == math.inf
    assert asked.connection_within(Bounds()) == asked.connection
    assert "--rate" not in asked.flags("resume")


def test_a_database_is_named_without_its_password() -> None:
    """The next command has the URL with its options and its job, and no --job besides."""
    ledger = LedgerAddress.read("postgresql://me:hunter2@db/x?sslmode=require", job="march")
    words = shlex.split(work(ledger=ledger).continued_by("resume"))
    assert words[-2:] == ["--ledger", "postgresql://me@db/x?sslmode=require#march"]
