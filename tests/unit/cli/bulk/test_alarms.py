"""`alarms`: the first ten alarms are printed, and the others are counted."""

import pytest

from xoxo_async.bulk import Alarm
from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.cli.bulk.alarms import print_alarms


def test_the_first_alarms_are_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a secret nor a control character is printed, and the last line says what to do."""
    monkeypatch.setenv("XOXO_CLIENT_SECRET", "hush-hush")
    alarms = [Alarm(key="k", row=n, order_id=n, at=0.0, text=f"order {n} hush-hush\x1b[2J") for n in range(12)]
    print_alarms(alarms, 12)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "alarm: order 0 ***[2J"
    assert said[-2:] == [
        "… and 2 more alarms",
        "ask the vendor about these rows before you hand out their codes or links; alarms stay in the ledger",
    ]


def test_an_alarm_about_links_has_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    """A person closes the row; a key that looks like a flag is none."""
    alarms = [Alarm(key=key, row=2, order_id=None, at=0.0, text="1 of 2 links") for key in ("-x", "a b", "-x")]
    print_alarms(alarms, 3, settled_in=LedgerAddress.read("l.db"))
    said = capsys.readouterr().err.splitlines()
    assert "stay in the ledger" not in "".join(said)
    assert said[-1].startswith("once they are settled, record it by: ")
    assert said[-1].endswith("bulk resolve --ledger l.db --done -- -x 'a b'")


def test_later_alarms_about_links_are_promised(capsys: pytest.CaptureFixture[str]) -> None:
    """The command closes the rows that are shown, and no word says that it closes all."""
    alarms = [Alarm(key=f"k{n}", row=n, order_id=None, at=0.0, text="1 of 2 links") for n in range(13)]
    print_alarms(alarms, 13, settled_in=LedgerAddress.read("l.db"))
    *_, command, last = capsys.readouterr().err.splitlines()
    assert command.startswith("once these are settled, record it by: ")
    assert (command.endswith(" k9"), last) == (True, "the other alarms are shown once these are recorded")


def test_no_alarm_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A ledger without alarms prints no line about alarms."""
    print_alarms((), 0)
    assert capsys.readouterr().err == ""
