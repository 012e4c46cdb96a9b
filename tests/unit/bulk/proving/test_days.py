"""`days`: those of the job, with one more at each end."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.bulk.proving.books import issue
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.proving.days import days_of
from xoxo_async.errors import ConfigError

pytestmark = pytest.mark.anyio

TODAY = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    """Yield a ledger with a row that was sent now."""
    async with SqliteLedger(tmp_path / "l.db") as opened:
        await issue(opened, 1)
        yield opened


async def test_the_days_of_a_job_are_whole(ledger: SqliteLedger) -> None:
    """The vendor's zone is not known."""
    days = await days_of(ledger, None, None, TODAY.timestamp())
    assert (days.first, days.last) == ((TODAY - DAY).date(), (TODAY + DAY).date())
    assert (days.cut, days.ends_early) == ("", False)


async def test_a_later_change_belongs_to_the_job(ledger: SqliteLedger) -> None:
    """Points are cancelled a week later: without that day the refund would not be seen."""
    later = TODAY + 7 * DAY
    days = await days_of(ledger, None, (TODAY + 2 * DAY).date(), later.timestamp(), changed_at=later.timestamp())
    assert days.cut.startswith(f"after {(TODAY + 2 * DAY).date()} (its own days are {(TODAY - DAY).date()} to")
    assert float(days.newest) == later.timestamp()


async def test_days_that_make_no_sense_are_refused(ledger: SqliteLedger) -> None:
    """The first one cannot come after the last one."""
    with pytest.raises(ConfigError, match="is after the last day"):
        await days_of(ledger, (TODAY + 9 * DAY).date(), None, TODAY.timestamp())
