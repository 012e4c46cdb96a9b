"""`kept`: what a ledger keeps of the columns that ride along, and the order of their names."""

import pytest

from xoxo_async.bulk.ledger.kept import KeptNames, decode_kept, encode_kept, names_of

TEXTS = [{}, {"Name": "Zoë"}, {"b": "1", "a": ""}, {"q": 'a "quoted"\n\ttext'}]


@pytest.mark.parametrize("values", TEXTS)
def test_columns_are_read_as_they_were_written(values: dict[str, str]) -> None:
    """In the same order; none at all is an empty text."""
    text = encode_kept(values)
    assert list(decode_kept(text).items()) == list(values.items())
    assert bool(text) is bool(values)


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        (["ac", "abc"], "abc"),
        (["bc", "abc"], "abc"),
        (["a", "b", "a"], "ba"),
        (["ab", "abcd", "bd"], "abcd"),
        ([], ""),
    ],
)
def test_a_name_comes_after_the_one_before_it(rows: list[str], names: str) -> None:
    """A row that lacks a column does not move it."""
    known = KeptNames()
    assert known.add(encode_kept(dict.fromkeys(row, "x")) for row in rows) is bool(names)
    assert "".join(known.names) == names
    assert names_of(known.fact()) == list(names)
    assert not known.merge(names)


def test_a_ledger_without_the_fact_has_no_names() -> None:
    """One of an earlier version."""
    assert names_of(None) == names_of("") == []
