"""Print the alarms of a ledger."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from xoxo_async.cli.command_line import command_line
from xoxo_async.cli.failures import scrub
from xoxo_async.cli.output import say, say_command
from xoxo_async.cli.wording import count

if TYPE_CHECKING:
    from xoxo_async.bulk.ledger.address import LedgerAddress
    from xoxo_async.bulk.ledger.lines import Alarm

__all__ = ["print_alarms"]

_SHOWN: Final = 10


def print_alarms(alarms: Sequence["Alarm"], total: int, *, settled_in: "LedgerAddress | None" = None) -> None:
    """Write alarms to standard error, the first ten of them in full.

    Args:
        alarms: The first alarms of the ledger.
        total: The number of all alarms.
        settled_in: The ledger, if its alarms are about answers with links: a person settles one by closing its row.
    """
    for alarm in alarms[:_SHOWN]:
        say(f"alarm: {scrub(alarm.text)}", "red")
    if total > _SHOWN:
        say(f"… and {count(total - _SHOWN, 'more alarm')}")
    if total:
        stay = "" if settled_in else "; alarms stay in the ledger"
        say(f"ask the vendor about these rows before you hand out their codes or links{stay}")
    if total and settled_in:
        keys = list(dict.fromkeys(alarm.key for alarm in alarms[:_SHOWN]))
        dashes = ["--"] if any(key.startswith("-") for key in keys) else []
        close = command_line("bulk", "resolve", "--ledger", settled_in.argument, "--done", *dashes, *keys)
        these = "it is" if len(keys) == 1 else "they are" if total <= _SHOWN else "these are"
        say_command(f"once {these} settled, record it by", close)
        if total > _SHOWN:
            say("the other alarms are shown once these are recorded")
