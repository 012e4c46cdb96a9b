"""`given`: what a command line asked for is known without running it, also when it is wrong or was never finished."""

import pytest

from xoxo_async.cli.given import COUNTS, Given, no_facts


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("bulk run orders.csv --job march", ("bulk", "run")),
        ("--debug bulk --quiet resume", ("bulk", "resume")),
        ("balance --json", ("balance",)),
        ("--help", ()),
        ("", ()),
    ],
)
def test_a_command_is_its_first_two_words(line: str, command: tuple[str, ...]) -> None:
    """Flags may stand between them; fewer words are a command that was not reached."""
    assert Given(line.split()).command == command


def test_json_is_asked_for_anywhere() -> None:
    """Before or after the command's own arguments."""
    assert Given(["bulk", "--json", "status"]).as_json
    assert not Given(["bulk", "status", "--jsonl"]).as_json


@pytest.mark.parametrize("line", ["points send", "points cancel", "links generate", "links send"])
def test_what_moves_money_without_a_key_is_neither_keyed_nor_bulk(line: str) -> None:
    """Run again, it does so again: nobody may be told to."""
    given = Given(line.split())
    assert (given.unkeyed, given.keyed, given.in_bulk) == (True, False, False)


def test_an_order_is_keyed() -> None:
    """Run again, it finds what it did."""
    given = Given(["order", "place", "--po-number", "A"])
    assert (given.unkeyed, given.keyed, given.in_bulk) == (False, True, False)


@pytest.mark.parametrize("line", ["order get", "points balance", "bulk run", "balance"])
def test_other_commands_may_be_run_again(line: str) -> None:
    """A read, and a run with a ledger."""
    given = Given(line.split())
    assert not given.unkeyed
    assert not given.keyed


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("bulk run --ledger a.db", "a.db"),
        ("bulk run --ledger=a.db", "a.db"),
        ("bulk run --ledger a.db --ledger=b.db", "b.db"),
        ("bulk run --ledger", ""),
        ("bulk run --ledgers a.db", ""),
        ("bulk run", ""),
    ],
)
def test_an_option_is_read_as_the_command_would_read_it(line: str, value: str) -> None:
    """With a blank or an equals sign; the last one counts; none is empty."""
    assert Given(line.split()).option("--ledger") == value


@pytest.mark.parametrize("action", ["plan", "run", "resume", "reconcile", "status"])
def test_a_bulk_command_that_ended_early_tells_every_count(action: str) -> None:
    """All of them 0, no alarms, and the job and the ledger it was given: a script finds the keys it looks for."""
    facts = Given(["bulk", action, "--job", "march", "--ledger=m.db"]).facts(1.5)
    told = {"job": "march", "ledger": "m.db", "elapsed_s": 1.5, "alarms": [], "alarms_total": 0}
    assert facts == {**told, **dict.fromkeys(COUNTS, 0)}


@pytest.mark.parametrize("line", ["bulk export --ledger m.db", "balance", "order place", ""])
def test_other_commands_have_no_counts(line: str) -> None:
    """There is nothing to count."""
    assert Given(line.split()).facts(1.0) == {}


def test_of_a_job_nobody_knows_everything_is_none() -> None:
    """Empty names, and rows that add up."""
    facts = no_facts(job="", ledger="", elapsed_s=0.0)
    assert [facts[name] for name in COUNTS] == [0] * 6
