"""`sealing`: a text opens with its key and for its label alone, and stays in clear without a key."""

import sys

import pytest

from xoxo_async.sealing import SEALED, SealError, Seals

KEY = "A" * 43 + "="


@pytest.fixture
def seals() -> Seals:
    pytest.importorskip("cryptography")
    return Seals(KEY)


def test_a_sealed_text_opens_for_its_label_alone(seals: Seals) -> None:
    """A text that somebody moves to another row does not open there."""
    sealed = seals.seal(b"bearer", "one")
    assert sealed.startswith(SEALED)
    assert "bearer" not in sealed
    assert seals.open(sealed, "one") == b"bearer"
    with pytest.raises(SealError, match="does not open"):
        seals.open(sealed, "two")
    with pytest.raises(SealError, match="does not open"):
        Seals("B" * 43 + "=").open(sealed, "one")


def test_clear_texts_open_with_any_key_or_none(seals: Seals) -> None:
    """A store that began without a key goes on with one; what is sealed stays shut without it."""
    plain = Seals("")
    assert plain.open(plain.seal(b"text", "one"), "one") == seals.open("text", "one") == b"text"
    with pytest.raises(SealError, match="XOXO_LEDGER_KEY is not set"):
        plain.open(seals.seal(b"text", "one"), "one")


@pytest.mark.parametrize("key", ["short", "A" * 43, "?" * 43 + "=", "ä" * 43 + "="])
def test_a_malformed_key_is_never_repeated(key: str) -> None:
    """The key may be the right one with a letter missing."""
    pytest.importorskip("cryptography")
    with pytest.raises(SealError, match="32 bytes") as caught:
        Seals(key)
    assert key not in str(caught.value)


def test_a_key_needs_the_encryption_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a key and without the extra, nothing is quietly kept in clear."""
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(SealError, match=r"xoxo-async\[encryption\]"):
        Seals(KEY)


def test_the_repr_shows_no_key(seals: Seals) -> None:
    """The repr says whether there is a key, and not which."""
    assert repr(seals) == "Seals(closed=True)"
