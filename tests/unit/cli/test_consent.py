"""`consent`: no real money moves without a person's consent."""

import io

import pytest

from xoxo_async.cli.connection import Connection
from xoxo_async.cli.consent import confirm_spending
from xoxo_async.cli.exits import DeclinedError, StoppedError
from xoxo_async.config import PRODUCTION, STAGING

REAL = Connection(base_url=PRODUCTION)


@pytest.mark.parametrize(
    "connection", [Connection(sandbox=True), Connection(base_url=STAGING), Connection(base_url="http://127.0.0.1:1")]
)
def test_no_real_money_needs_no_consent(connection: Connection) -> None:
    """These are the sandbox, staging and this machine."""
    confirm_spending(connection, "order 1 x 5", yes=False)


def test_without_a_terminal_real_money_needs_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what would be sent and where, and `--yes` is enough consent."""
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
    """An empty answer means no. The question names the address and the order, on standard error."""
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    monkeypatch.setattr("xoxo_async.cli.consent.is_terminal", lambda _stream: True)
    if ends is None:
        confirm_spending(REAL, "order 1 x 5", yes=False)
    else:
        with pytest.raises(DeclinedError, match="nothing was sent") as caught:
            confirm_spending(REAL, "order 1 x 5", yes=False)
        assert type(caught.value) is ends
    asked = capsys.readouterr()
    assert f"{PRODUCTION} moves real money. Order 1 x 5?" in asked.err
    assert asked.out == ""
