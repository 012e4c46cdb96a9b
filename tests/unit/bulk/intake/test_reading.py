"""`reading`: what a person decides about a file, and what a ledger keeps of it."""

from typing import Any

import pytest

from xoxo_async.bulk.intake.reading import NO_CHOICE, ReadingChoices
from xoxo_async.errors import ConfigError


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"decimal": ";"}, "decimal must be"),
        ({"keep": "Name"}, "keep must be 'all' or a list"),
        ({"delimiter": "::"}, "delimiter must be one sign"),
        ({"encoding": "klingon"}, "encoding must be"),
    ],
)
def test_a_choice_without_sense_is_refused(choice: dict[str, Any], words: str) -> None:
    """The error names the choice."""
    with pytest.raises(ConfigError, match=words):
        ReadingChoices.of(**choice)


def test_a_ledger_keeps_what_columns_are() -> None:
    """The newest word counts; a separator and a decimal sign belong to one file alone."""
    first = ReadingChoices.of(columns={"Staff": "key"}, keep=["Team"], decimal=",", delimiter="semicolon")
    kept = ReadingChoices.from_json(first.to_keep(NO_CHOICE).to_json())
    second = ReadingChoices.of(columns={"Worth": "denomination"}, keep="all").to_keep(kept)
    assert kept == ReadingChoices(columns={"Staff": "key"}, keep=("Team",))
    assert second == ReadingChoices(columns={"Staff": "key", "Worth": "denomination"}, keep="all")
    assert ReadingChoices.from_json(second.to_json()) == second


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"keep": 7}'])
def test_a_damaged_fact_chooses_nothing(text: str | None) -> None:
    """Then a column is not recognised, and the file is refused: no value changes."""
    assert ReadingChoices.from_json(text) == NO_CHOICE
