"""What a ledger keeps of voucher codes when there is a key: nothing in clear, and nothing for another key."""

import pytest

from tests.unit.bulk.ledger.conformance.subjects import Subject
from tests.unit.bulk.ledger.ledgers import CODES, each, line, placed
from xoxo_async.errors import LedgerError, LedgerKeyError

pytest.importorskip("cryptography")
pytestmark = pytest.mark.anyio

KEY, OTHER = "A" * 43 + "=", "B" * 42 + "A="


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the key to each opening."""
    monkeypatch.delenv("XOXO_LEDGER_KEY", raising=False)


async def one_placed(subject: Subject, key: str) -> None:
    """Leave a ledger with a placed line, whose code is kept, and a planned one."""
    async with subject.open(codes_key=key) as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        await ledger.record([placed((await ledger.claim(1))[0])])


async def test_codes_are_not_stored_in_clear(subject: Subject) -> None:
    """Somebody who has the store and no key reads no code."""
    await one_placed(subject, KEY)
    assert b"BEARER" not in subject.stored()
    async with subject.open(codes_key=KEY) as ledger:
        assert [one.codes async for one in ledger.lines(with_codes=True)] == [CODES, None]


async def test_another_key_is_refused(subject: Subject) -> None:
    """On opening, also where the key is missing: what it would write could not be read beside the rest."""
    await one_placed(subject, KEY)
    for key in (OTHER, ""):
        with pytest.raises(LedgerError, match="XOXO_LEDGER_KEY"):
            async with subject.open(codes_key=key):
                pass


async def test_codes_in_clear_are_sealed_later(subject: Subject) -> None:
    """A holder with a key seals what holders without one have kept, and from then on only that key opens it."""
    await one_placed(subject, "")
    assert b"BEARER" in subject.stored()
    async with subject.open(codes_key=KEY) as ledger:
        await ledger.set_fact("a", "b")
    assert b"BEARER" not in subject.stored()
    async with subject.open(codes_key=KEY) as ledger:
        assert [one.codes async for one in ledger.lines(with_codes=True)] == [CODES, None]
    with pytest.raises(LedgerError, match="XOXO_LEDGER_KEY"):
        async with subject.open(codes_key=OTHER):
            pass


async def test_a_lost_key_is_told_before_a_claim(subject: Subject) -> None:
    """A ledger that keeps no codes opens without it, for what sends nothing; a new ledger has a key of its own."""
    async with subject.open(codes_key="", store_codes=False) as ledger:
        await ledger.require_key()
    await one_placed(subject, KEY)
    for key in (OTHER, ""):
        async with subject.open(codes_key=key, store_codes=False) as ledger:
            with pytest.raises(LedgerKeyError, match="XOXO_LEDGER_KEY"):
                await ledger.require_key()
            await ledger.pause("a person said so")
    async with subject.open(codes_key=KEY, store_codes=False) as ledger:
        await ledger.require_key()


@pytest.mark.parametrize("sealed", ["from the start", "later"])
async def test_no_claim_without_the_marks_key(subject: Subject, sealed: str) -> None:
    """It is sealed as the codes are; nothing is sent whose codes could not be told from those of other lines."""
    await one_placed(subject, KEY if sealed == "from the start" else "")
    async with subject.open(codes_key=KEY) as ledger:
        await ledger.set_fact("a", "b")
    async with subject.open(store_codes=False) as ledger:
        with pytest.raises(LedgerError, match="XOXO_LEDGER_KEY"):
            await ledger.claim(1)
        counts = await ledger.counts()
        assert (counts.issued, counts.not_sent) == (1, 1)
    async with subject.open(codes_key=KEY, store_codes=False) as ledger:
        assert len(await ledger.claim(1)) == 1
