"""`entities`: the vendor's HTML entities become the signs that they stand for."""

import pytest

from xoxo_async.wire.entities import unescape


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", ""),
        ("Tea for two", "Tea for two"),
        ("H&amp;M", "H&M"),
        ("A &lt; B &#39;C&#39;", "A < B 'C'"),
        ("A & B", "A & B"),
    ],
)
def test_entities_become_their_signs(text: str, read: str) -> None:
    """A text without an entity, also one with a bare `&`, stays as it is."""
    assert unescape(text) == read
