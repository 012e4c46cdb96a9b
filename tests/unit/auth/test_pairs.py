"""`auth.pairs`: a pair comes back as it was stored, and other contents are refused without being repeated."""

import pytest

from xoxo_async.auth import Token
from xoxo_async.auth.pairs import packed, unpacked
from xoxo_async.errors import ConfigError
from xoxo_async.wire import Secret

PAIR = Token(Secret("access"), 5.0, Secret("refresh"), 9.0, 1.0, "client", ("first", "second"))


@pytest.mark.parametrize("pair", [PAIR, Token(Secret("access")), Token(Secret(""), refresh=Secret("refresh"))])
def test_a_pair_comes_back_as_it_was(pair: Token) -> None:
    """Every field of a token is stored, and what is absent stays absent."""
    assert unpacked(packed(pair), "the store", otherwise="is none") == pair


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"secret-text", b"\xff", b'{"access_token": "a\\nb"}', b'{"access_token": 7}']
)
def test_other_contents_are_refused(content: bytes) -> None:
    """The error names the store, and repeats nothing of its content."""
    with pytest.raises(ConfigError, match="the store") as caught:
        unpacked(content, "the store", otherwise="holds no pair")
    assert "secret-text" not in str(caught.value)
