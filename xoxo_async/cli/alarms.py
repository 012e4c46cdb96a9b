"""Alarms of a ledger, as every command over it tells them."""

from collections.abc import Sequence
from typing import Final

from xoxo_async.bulk.ledger.lines import Alarm
from xoxo_async.cli.exits import scrub
from xoxo_async.cli.render import count, say

__all__ = ["tell_alarms"]

_SHOWN: Final = 10


def tell_alarms(alarms: Sequence[Alarm], total: int) -> None:
    """Write what must reach a person to standard error.

    Args:
        alarms: The first alarms.
        total: How many there are.
    """
    for alarm in alarms[:_SHOWN]:
        say(f"alarm: {scrub(alarm.text)}")
    if total > _SHOWN:
        say(f"… and {count(total - _SHOWN, 'alarm')} more")
    if total:
        say("ask the vendor about these orders before their codes are handed out; alarms stay in the ledger")
