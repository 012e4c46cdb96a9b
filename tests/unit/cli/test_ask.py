"""`ask`: no more is read than was asked for, and no real money moves unless somebody agreed."""

import io
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import pytest

from xoxo_async.cli.ask import ask, confirm_spending, day, takers
from xoxo_async.cli.connect import Connection
from xoxo_async.cli.exits import DeclinedError, StoppedError
from xoxo_async.config import PRODUCTION, STAGING

REAL = Connection(base_url=PRODUCTION)


@pytest.mark.anyio
@pytest.mark.parametrize(("limit", "read"), [(1, 1), (3, 3), (9, 5)])
async def test_the_first_rows_are_taken_and_none_read_beyond_them(limit: int, read: int) -> None:
    """The row after the last one might cost another page."""
    seen: list[int] = []

    async def rows() -> AsyncIterator[int]:
        for number in range(5):
            seen.append(number)
            yield number

    assert await takers(rows(), limit) == seen == list(range(read))


def test_a_day_is_the_days_of_the_time_given() -> None:
    """None where none was given."""
    assert day(datetime(2026, 3, 1, 0, 0, tzinfo=UTC)) == date(2026, 3, 1)
    assert day(None) is None


def test_one_question_opens_and_closes_a_client() -> None:
    """Here the sandbox's, which starts with some money."""
    assert ask(Connection(sandbox=True), lambda xoxo: xoxo.account.get_balance()).value > 0


@pytest.mark.parametrize(
    "connection", [Connection(sandbox=True), Connection(base_url=STAGING), Connection(base_url="http://127.0.0.1:1")]
)
def test_nobody_is_asked_where_no_real_money_moves(connection: Connection) -> None:
    """Sandbox, staging, this machine."""
    confirm_spending(connection, "order 1 x 5", yes=False)


def test_without_a_terminal_real_money_needs_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would have been sent, and where, is said; `--yes` is consent enough."""
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(DeclinedError, match=r"order 1 x 5 needs --yes .* nothing was sent"):
        confirm_spending(REAL, "order 1 x 5", yes=False)
    confirm_spending(REAL, "order 1 x 5", yes=True)


@pytest.mark.parametrize(
    ("answer", "ends"), [("y\n", None), ("n\n", DeclinedError), ("\n", DeclinedError), ("", StoppedError)]
)
def test_a_person_at_a_terminal_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str, ends: type[Exception] | None
) -> None:
    """No answer is a no; the question names the address and what would happen, on standard error."""
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    monkeypatch.setattr("xoxo_async.cli.ask.is_terminal", lambda _stream: True)
    if ends is None:
        confirm_spending(REAL, "order 1 x 5", yes=False)
    else:
        with pytest.raises(DeclinedError, match="nothing was sent") as caught:
            confirm_spending(REAL, "order 1 x 5", yes=False)
        assert type(caught.value) is ends
    asked = capsys.readouterr()
    assert f"{PRODUCTION} is real money. order 1 x 5?" in asked.err
    assert asked.out == ""
