"""`request`: the command that goes on with a work has all of its settings, and none that would spend more."""

import math
import shlex
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from xoxo_async.bulk.settings import Bounds
from xoxo_async.cli.bulk.request import RunRequest
from xoxo_async.cli.connection import Connection


def work(*, rate: float | None = None, sandbox: bool = False, **given: Any) -> RunRequest:
    connection = Connection(rate=rate, sandbox=sandbox)
    plain: dict[str, Any] = {"action": "run", "orders": "orders.csv", "ledger": Path("m.db"), "connection": connection}
    return RunRequest(**{**plain, **given})


def test_what_was_left_as_it_is_needs_no_flag() -> None:
    """A plain run goes on with a plain command."""
    assert work().flags("run") == work().flags("resume") == work().flags("reconcile") == []


@pytest.mark.parametrize(
    ("given", "flags"),
    [
        ({"job": "march"}, "--job march"),
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
    """What is resent, and how fast, must not change on the way."""
    for action in ("run", "resume", "reconcile"):
        assert work(**given).flags(action) == flags.split()


def test_what_is_spent_is_no_matter_of_looking_up() -> None:
    """Neither the budget nor a person's consent goes to `reconcile`, which sends no order."""
    given = work(max_spend=Decimal("1E+3"), yes=True)
    assert given.flags("resume") == ["--max-spend", "1000", "--yes"]
    assert given.flags("reconcile") == []


def test_how_rows_are_read_matters_only_where_they_are_read() -> None:
    """A resumed run has them in its ledger, packed as they were."""
    given = work(pack=True, skip_invalid=True)
    assert given.flags("run") == ["--pack", "--skip-invalid"]
    assert given.flags("resume") == []


def test_a_command_names_the_ledger_and_a_run_its_orders() -> None:
    """Quoted for a shell; JSON goes on as JSON."""
    given = work(ledger=Path("my march.db"), as_json=True)
    assert shlex.split(given.continued_by("run"))[-6:] == [
        "bulk",
        "run",
        "orders.csv",
        "--ledger",
        "my march.db",
        "--json",
    ]
    assert shlex.split(given.continued_by("resume"))[-5:] == ["bulk", "resume", "--ledger", "my march.db", "--json"]


def test_an_absence_counts_sooner_in_a_sandbox_of_its_own() -> None:
    """No order of an earlier one can be on its way; what a person said counts before both."""
    nothing, kept = Bounds(), Bounds(settle_s=30.0)
    assert work(sandbox=True).settle_within(nothing) == 1.0
    assert work().settle_within(nothing) is work(sandbox=True).settle_within(kept) is None
    assert work(sandbox=True, settle=7.0).settle_within(kept) == work(settle=7.0).settle_within(nothing) == 7.0


def test_the_kept_rate_and_concurrency_shape_the_connection() -> None:
    """A flag that is given goes before what the ledger keeps; the flags of the next command stay as they were given."""
    kept = Bounds(rate=60.0, concurrency=300)
    asked = work()
    assert (asked.connection_within(kept).rate, asked.connection_within(kept).connections) == (60.0, 300)
    assert asked.connection_within(Bounds(rate="none")).rate == math.inf
    assert asked.connection_within(Bounds()) == asked.connection
    assert "--rate" not in asked.flags("resume")
