"""`sealing`: voucher codes are sealed where there is a key, open only with it, and are shown nowhere."""

import sys
from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.ledgers import CODES, each, line, one_placed, placed
from xoxo_async.bulk.ledger.sealing import CodeBox
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.errors import ConfigError, LedgerError

pytestmark = pytest.mark.anyio


KEY = "A" * 43 + "="


async def test_sealed_codes_open_only_with_their_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sealed codes are nowhere in the file; no key or another one is refused with words."""
    pytest.importorskip("cryptography")
    path = tmp_path / "march.db"
    await one_placed(path, KEY)
    assert b"BEARER" not in path.read_bytes()
    monkeypatch.delenv("XOXO_LEDGER_KEY", raising=False)
    with pytest.raises(LedgerError, match="set XOXO_LEDGER_KEY"):
        await SqliteLedger(path).open()
    with pytest.raises(LedgerError, match="not the key"):
        await SqliteLedger(path, codes_key="B" * 43 + "=").open()
    with pytest.raises(ConfigError, match="not the key"):  # waiting does not help
        await SqliteLedger(path, codes_key="B" * 43 + "=").open()
    with pytest.raises(LedgerError, match="32 bytes"):
        await SqliteLedger(path, codes_key="short").open()
    monkeypatch.setenv("XOXO_LEDGER_KEY", KEY)
    async with SqliteLedger(path) as ledger:
        lines = [one async for one in ledger.lines(with_codes=True)]
        assert lines[0].codes == CODES
    async with SqliteLedger(path, store_codes=False) as ledger:  # counting needs no key
        assert (await ledger.counts()).charged == {"INR": Decimal("49.50")}


async def test_codes_are_in_no_repr(tmp_path: Path) -> None:
    """Bearer cash shows nowhere."""
    async with SqliteLedger(tmp_path / "march.db", store_codes=False) as ledger:
        await ledger.plan("march", each([line(1)]))
        change = placed((await ledger.claim(1))[0])
        await ledger.record([change])
        [one] = [one async for one in ledger.lines(with_codes=True)]
    assert one.codes is None
    assert "BEARER" not in repr(change) + repr(one)


@pytest.fixture
def box() -> CodeBox:
    pytest.importorskip("cryptography")
    return CodeBox(KEY)


def test_a_sealed_code_opens_for_its_line_only(box: CodeBox) -> None:
    """Codes that somebody moves from line to line in the file are no codes of that line."""
    sealed = box.seal(CODES, 7)
    assert "BEARER" not in sealed
    assert box.open(sealed, 7) == CODES
    with pytest.raises(LedgerError, match="line 8 do not open"):
        box.open(sealed, 8)


def test_the_same_codes_are_never_sealed_alike(box: CodeBox) -> None:
    """Otherwise the file would show that two rows have one code."""
    assert box.seal(CODES, 7) != box.seal(CODES, 7)


@pytest.mark.parametrize("how", ["cut", "another letter", "nothing", "no base64"])
def test_sealed_codes_that_were_touched_do_not_open(box: CodeBox, how: str) -> None:
    """They are an error by line, never other codes."""
    sealed = box.seal(CODES, 7)
    at = len(sealed) - 10
    touched = {
        "cut": sealed[:-8],
        "another letter": sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :],
        "nothing": sealed[: sealed.index(":") + 1],
        "no base64": sealed[:-1] + "!",
    }[how]
    with pytest.raises(LedgerError, match="line 7 do not open") as caught:
        box.open(touched, 7)
    assert "BEARER" not in str(caught.value)


def test_codes_in_clear_open_with_a_key(box: CodeBox) -> None:
    """A ledger begun without one goes on when one is set; what was sealed stays shut without it."""
    plain = CodeBox("")
    assert plain.seal(CODES, 7) == CODES.decode()
    assert box.open(plain.seal(CODES, 7), 7) == plain.open(plain.seal(CODES, 7), 7) == CODES
    with pytest.raises(LedgerError, match="set XOXO_LEDGER_KEY"):
        plain.open(box.seal(CODES, 7), 7)


def test_a_ledger_knows_its_key(box: CodeBox) -> None:
    """By a check that only that key opens; a ledger without one takes any."""
    check = box.key_check()
    box.require(check)
    assert CodeBox("").key_check() == ""
    CodeBox("").require("")
    box.require("")
    with pytest.raises(LedgerError, match="set XOXO_LEDGER_KEY to their key"):
        CodeBox("").require(check)
    with pytest.raises(LedgerError, match="is not the key"):
        CodeBox("B" * 43 + "=").require(check)


@pytest.mark.parametrize("key", ["short", "A" * 43, "A" * 44, "?" * 43 + "=", "ä" * 43 + "=", "A" * 42 + "=="])
def test_a_malformed_key_is_never_repeated(key: str) -> None:
    """It may be the right one with a letter missing."""
    pytest.importorskip("cryptography")
    with pytest.raises(LedgerError, match="32 bytes as URL-safe base64") as caught:
        CodeBox(key)
    assert key not in str(caught.value)


def test_a_key_needs_the_encryption_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes that were meant to be sealed are not quietly kept in clear."""
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(LedgerError, match=r"xoxo-async\[encryption\]"):
        CodeBox(KEY)
    assert not CodeBox("").sealed


def test_a_box_shows_no_key(box: CodeBox) -> None:
    """It says whether it seals."""
    assert repr(box) == "CodeBox(sealed=True)"
