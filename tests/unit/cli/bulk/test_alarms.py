"""`alarms`: the first ten alarms are printed, and the others are counted."""

import pytest

from xoxo_async.bulk import Alarm
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


def test_no_alarm_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A ledger without alarms prints no line about alarms."""
    print_alarms((), 0)
    assert capsys.readouterr().err == ""
