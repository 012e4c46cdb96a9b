"""`prices`: what a budget needs to know of account and catalog."""

from decimal import Decimal

import pytest

from tests.unit.bulk.jobs import Client, issuer
from xoxo_async import errors
from xoxo_async.bulk import SqliteLedger

pytestmark = pytest.mark.anyio


async def test_only_a_budget_needs_the_balance(client: Client, ledger: SqliteLedger) -> None:
    """Where it cannot be read, a plan is made without it, unless it is to hold to a budget in its currency."""
    assert (await issuer(client, ledger, check=True).plan([])).balance == client.balance
    client.balance = errors.ServerError("502")
    assert (await issuer(client, ledger, check=True).plan([])).balance is None
    with pytest.raises(errors.ServerError):
        await issuer(client, ledger, check=True, max_spend=Decimal(1)).plan([])
