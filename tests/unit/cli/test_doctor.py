"""`doctor`: a line for each check, an exit code, and no order without consent."""

import pytest

from tests.unit.cli.in_process import Command
from xoxo_async import PRODUCTION
from xoxo_async.cli import doctor
from xoxo_async.sandbox import Sandbox


def test_a_set_up_in_order_is_shown(command: Command, sandbox: Sandbox) -> None:
    """One line for each check; the secret is in none."""
    shown = command("doctor")
    assert shown.code == 0
    assert all(line.startswith(("ok ", "warn ")) or "->" in line for line in shown.out.splitlines())
    assert "0 failures" in shown.err
    assert sandbox.client_secret not in shown.out + shown.err


def test_json_has_every_finding(command: Command, sandbox: Sandbox) -> None:
    """And the exit code."""
    facts = command("doctor", "--json", "--ledger", "m.db").facts
    assert (facts["ok"], facts["exit_code"], facts["failures"]) == (True, 0, 0)
    assert {"clock", "token", "disk"} <= {finding["check"] for finding in facts["findings"]}


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"XOXO_CLIENT_SECRET": ""}, 2),
        ({"XOXO_CLIENT_SECRET": "hush-hush"}, 5),
        ({"XOXO_BASE_URL": "http://127.0.0.1:9/chef"}, 5),
        ({"XOXO_BASE_URL": "nowhere"}, 2),
        ({"XOXO_PROFILE": "march"}, 2),
        ({"XOXO_CLIENT_SECRET_FILE": "nofile", "XOXO_CLIENT_SECRET": ""}, 2),
    ],
)
def test_a_failure_has_its_code(
    command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], code: int
) -> None:
    """2 for a setting, 5 for the server or the credentials; the folder is checked all the same."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    shown = command("doctor")
    assert shown.code == code
    assert "\nfail " in f"\n{shown.out}"
    assert "ledger folder" in shown.out
    assert "hush-hush" not in shown.out + shown.err


def test_the_proof_needs_consent(command: Command, sandbox: Sandbox) -> None:
    """Without a terminal it needs --yes, and nothing is sent."""
    assert command("doctor", "--prove-po").code == 2
    assert sandbox.books().requests == {}
    proven = command("doctor", "--sandbox", "--prove-po", "--yes", "--later", "0", "--json")
    assert proven.code == 0
    assert "it spends that once" in proven.err
    (proof,) = [finding["facts"] for finding in proven.facts["findings"] if finding["check"] == "poNumber"]
    assert (proof["result"], len(proof["answers"])) == ("once", 3)


def test_the_proof_is_refused_at_production(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with --yes."""
    monkeypatch.setenv("XOXO_BASE_URL", PRODUCTION)
    refused = command("doctor", "--prove-po", "--yes", "--json")
    assert refused.code == 2
    assert "nothing was sent" in refused.facts["error"]


def test_a_denomination_needs_a_product(command: Command) -> None:
    """A value alone names no order."""
    assert command("doctor", "--prove-po", "--denomination", "5").code == 2


def test_long_lines_end_at_words() -> None:
    """On a terminal; what another program reads stays one line."""
    text = "one two three four five six seven"
    assert doctor._lines(text, 0) == [text]
    assert doctor._lines(text, 21) == ["one two three four", "five six seven"]
    assert doctor._lines("x" * 50, 21) == ["x" * 50]
