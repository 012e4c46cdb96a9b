"""Print the alarms of a ledger."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from xoxo_async.cli.failures import scrub
from xoxo_async.cli.output import say
from xoxo_async.cli.wording import count

if TYPE_CHECKING:
    from xoxo_async.bulk.ledger.lines import Alarm

__all__ = ["print_alarms"]

_SHOWN: Final = 10


def print_alarms(alarms: Sequence["Alarm"], total: int) -> None:
    """Write alarms to standard error, the first ten of them in full.

    Args:
        alarms: The first alarms of the ledger.
        total: The number of all alarms.
    """
    for alarm in alarms[:_SHOWN]:
        say(f"alarm: {scrub(alarm.text)}", "red")
    if total > _SHOWN:
        say(f"… and {count(total - _SHOWN, 'more alarm')}")
    if total:
        say("ask the vendor about these rows before you hand out their codes or links; alarms stay in the ledger")
