"""`marks`: codes are recognised by a hash whose key is the ledger's own, and sealed where its codes are."""

import pytest

from xoxo_async.bulk.ledger.marks import CodeMarks
from xoxo_async.bulk.ledger.sealing import CodeBox
from xoxo_async.errors import LedgerError

KEY = "A" * 43 + "="


def made(key: str = "") -> tuple[CodeMarks, str]:
    """Return the marks of a new ledger, and the key that it keeps."""
    box = CodeBox(key)
    marks = CodeMarks(lambda: box)
    stored = marks.key_to_store(None, box)
    assert stored is not None
    return marks, stored


def opened(stored: str, key: str = "") -> CodeMarks:
    """Return the marks of a ledger that keeps a key."""
    marks = CodeMarks(lambda: CodeBox(key))
    marks.open_key(stored)
    return marks


def test_a_mark_belongs_to_one_ledger() -> None:
    """The same ledger recognises a code; two files do not show that they hold one code."""
    _, stored = made()
    _, other = made()
    assert opened(stored).mark("ONE") == opened(stored).mark("ONE") != opened(stored).mark("TWO")
    assert opened(stored).mark("ONE") != opened(other).mark("ONE")


def test_marks_fit_a_database() -> None:
    """They are signed numbers of 64 bits, for any text."""
    marks = opened(made()[1])
    numbers = [marks.mark(f"Zoë {number} 😀") for number in range(300)]
    assert len(set(numbers)) == 300
    assert -(2**63) <= min(numbers) < 0 < max(numbers) < 2**63


def test_a_key_in_clear_is_sealed_later() -> None:
    """As soon as the ledger has a key for its codes; the marks stay what they were."""
    pytest.importorskip("cryptography")
    marks, clear = made()
    assert marks.key_to_store(clear, CodeBox("")) is None
    assert marks.key_to_store(clear, None) is None
    sealed = marks.key_to_store(clear, CodeBox(KEY))
    assert sealed is not None
    assert clear not in sealed
    assert marks.key_to_store(sealed, CodeBox(KEY)) is None
    assert opened(sealed, KEY).mark("ONE") == opened(clear).mark("ONE")


def test_a_sealed_key_needs_the_ledger_s_key() -> None:
    """The error says what to set; without an opened key there are no marks."""
    pytest.importorskip("cryptography")
    marks, sealed = made(KEY)
    with pytest.raises(LedgerError, match="was not opened"):
        marks.mark("ONE")
    assert not marks.has_key
    with pytest.raises(LedgerError, match="without the XOXO_LEDGER_KEY"):
        opened(sealed)
    assert opened(sealed, KEY).has_key
