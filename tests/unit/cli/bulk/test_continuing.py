"""`continuing`: the next command uses the ledger's own server, and the bounds of its last run."""

from typing import Any

import pytest

from xoxo_async.bulk import Counts, Identity, JobKind, LineState
from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.cli.bulk.continuing import continue_ledger, keep_settings, next_command

pytestmark = pytest.mark.anyio

WHERE = LedgerAddress.read("my march.db")


class Kept:
    """A ledger that only keeps facts."""

    def __init__(self, address: str = "https://x.example:443/chef", kind: JobKind | None = None) -> None:
        self.kind = kind
        self.identity = Identity(address, "")
        self.facts: dict[str, str] = {}

    async def get_fact(self, name: str) -> str | None:
        return self.facts.get(name)

    async def set_fact(self, name: str, value: str) -> None:
        self.facts[name] = value


def counts(**given: Any) -> Counts:
    return Counts(**{"rows": 0, "issued": 0, "pending": 0, "rejected": 0, "unknown": 0, "not_sent": 0, **given})


async def test_flags_of_the_last_run_are_kept() -> None:
    """`resume` and `reconcile` each have flags of their own."""
    ledger: Any = Kept()
    await keep_settings(ledger, {"resume": ["--max-spend", "5"], "reconcile": []})
    assert (await continue_ledger(ledger, WHERE, "resume")).endswith("bulk resume --ledger 'my march.db' --max-spend 5")
    assert (await continue_ledger(ledger, WHERE, "reconcile")).endswith("bulk reconcile --ledger 'my march.db'")


async def test_a_ledger_of_a_sandbox_goes_on_there() -> None:
    """The command has --sandbox, although the ledger keeps no flags of a run."""
    ledger: Any = Kept("sandbox")
    assert (await continue_ledger(ledger, WHERE, "resume")).endswith("--sandbox")


@pytest.mark.parametrize(
    ("given", "action"),
    [
        ({"not_sent": 2, "states": {LineState.CANCELLED: 1}}, "resume"),
        ({"not_sent": 1, "states": {LineState.CANCELLED: 1}}, ""),
        ({"unknown": 2, "states": {LineState.MANUAL: 1, LineState.UNKNOWN: 1}}, "resume"),
        ({"unknown": 1, "states": {LineState.PLACED: 1}}, ""),  # its cancellation is in doubt
        ({"unknown": 1, "states": {LineState.MANUAL: 1}}, ""),
        ({"pending": 2, "delivery_cancelled": 1}, "reconcile"),
        ({"pending": 1, "delivery_cancelled": 1}, ""),
        ({"issued": 1}, ""),
    ],
)
async def test_the_next_command_finishes_rows(given: dict[str, Any], action: str) -> None:
    """No command helps rows that are withdrawn, left to a person, or cancelled by the vendor."""
    ledger: Any = Kept()
    follow = await next_command(ledger, WHERE, counts(**given), None)
    assert (f"bulk {action} " in follow) if action else follow == ""


async def test_a_process_at_work_needs_no_command() -> None:
    """Whatever rows are left, no command is printed."""
    ledger: Any = Kept()
    assert await next_command(ledger, WHERE, counts(not_sent=5), 4711) == ""


async def test_a_database_keeps_its_options_and_its_job() -> None:
    """Without them the next command would reach another server, or no job. The password stays out."""
    ledger: Any = Kept()
    where = LedgerAddress.read("postgresql://me:hunter2@/x?host=/run/pg&password=hunter3#march")
    follow = await continue_ledger(ledger, where, "resume")
    assert follow.endswith("--ledger 'postgresql://me@/x?host=/run/pg#march'")


@pytest.mark.parametrize(("kind", "words"), [
    (JobKind.POINTS, "points send"),
    (JobKind.LINKS, "links generate"),
    (JobKind.LINK_MAILS, "links send"),
])  # fmt: skip
async def test_a_job_without_a_key_has_one_command(kind: JobKind, words: str) -> None:
    """It sends what is left and leaves what is in doubt to a person; nothing fetches what an answer lacked."""
    ledger: Any = Kept("sandbox", kind)
    assert (await continue_ledger(ledger, WHERE, "resume")).endswith(f"{words} --ledger 'my march.db' --sandbox")
    assert words in await next_command(ledger, WHERE, counts(not_sent=1), None)
    assert await next_command(ledger, WHERE, counts(pending=1), None) == ""
