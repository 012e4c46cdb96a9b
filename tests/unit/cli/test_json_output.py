"""`json_output`: one line of JSON, with exact amounts and every key that a script reads."""

from decimal import Decimal

import pytest

from xoxo_async.cli.json_output import COUNTS, empty_counts, json_text, print_json


def test_amounts_are_exact_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    """An amount keeps its digits, and is no text."""
    print_json({"charged": Decimal("0.10"), "name": "Café"})
    assert capsys.readouterr().out == '{"charged":0.10,"name":"Café"}\n'


def test_a_job_not_read_has_all_counts() -> None:
    """A script finds each of them, also after an error."""
    facts = empty_counts(job="march", ledger="march.db", elapsed_s=0.5)
    assert {facts[name] for name in COUNTS} == {0}
    assert json_text(facts).startswith('{"job":"march","ledger":"march.db","elapsed_s":0.5,')
