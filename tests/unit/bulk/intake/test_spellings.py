"""`spellings`: a key that a ledger holds in another spelling is not planned, and bought, a second time."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.bulk.jobs import Client, issuer
from xoxo_async import errors
from xoxo_async.bulk import OrderLine, SqliteLedger

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        yield ledger


def row(key: str) -> OrderLine:
    return OrderLine(key=key, product_id=1, denomination=Decimal(100))


@pytest.mark.parametrize("pack", [False, True], ids=["alone", "packed"])
@pytest.mark.parametrize(
    ("planned", "again"),
    [("M\u00fcller", "Mu\u0308ller"), ("Mu\u0308ller", "M\u00fcller"), ("EMP\u00a01", "EMP 1"), ("a  b", "a\u2003b")],
    ids=ascii,
)
async def test_a_row_in_another_spelling_is_refused(ledger: SqliteLedger, planned: str, again: str, pack: bool) -> None:
    """A run with a second file: both spellings are told, and nothing is sent."""
    client = Client()
    run = issuer(client, ledger, pack=pack)
    await run.plan([row(planned), row("other")])
    with pytest.raises(errors.PlanError, match=r"row 2, column key: .* is planned already, in the spelling ") as caught:
        await run.plan([row("new"), row(again)])
    assert ascii(planned) in str(caught.value)
    assert ascii(again) in str(caught.value)
    assert (await ledger.counts()).rows == 2
    assert client.sent == []


@pytest.mark.parametrize("key", ["Mu\u0308ller", "EMP\u00a01", "EMP-1"], ids=ascii)
async def test_the_same_spelling_is_the_same_row(ledger: SqliteLedger, key: str) -> None:
    """Running again plans nothing new, and the poNumber is that of the key as it was given."""
    run = issuer(Client(), ledger)
    for _ in range(2):
        await run.plan([row(key)])
    line = await ledger.find(key)
    assert line is not None
    assert (line.key, (await ledger.counts()).rows) == (key, 1)
