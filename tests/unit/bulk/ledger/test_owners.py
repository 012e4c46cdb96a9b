"""`owners`: a ledger has one job, and is of one account at one address."""

import pytest

from xoxo_async.bulk.ledger.owners import Identity, check_identity, check_job
from xoxo_async.errors import LedgerError


def test_lines_of_another_owner_are_refused() -> None:
    """A ledger has one job, and is of one account at one address."""
    mine, other = Identity("https://a", "1"), Identity("https://a", "2")
    check_job(None, "march")
    check_job("march", "march")
    with pytest.raises(LedgerError, match="holds the job 'march', not 'april'"):
        check_job("march", "april")
    check_identity(None, mine)
    check_identity(mine, None)
    check_identity(mine, mine)
    with pytest.raises(LedgerError, match="belongs to another account or address: https://a"):
        check_identity(mine, other)
