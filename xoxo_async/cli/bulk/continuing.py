"""The command that goes on with a ledger, at the server it was begun at, within the bounds it was given."""

from typing import TYPE_CHECKING, Final

import msgspec

from xoxo_async.cli.command_line import command_line
from xoxo_async.cli.json_output import json_text

if TYPE_CHECKING:
    from xoxo_async.bulk.ledger.lines import Counts
    from xoxo_async.bulk.ledger.protocol import Ledger

__all__ = ["continue_ledger", "keep_settings", "next_command"]

_SETTINGS: Final = "settings"
"""What a ledger's fact is called that holds the flags of its last run."""
_DECODER: Final = msgspec.json.Decoder(dict[str, list[str]])


async def keep_settings(ledger: "Ledger", flags: dict[str, list[str]]) -> None:
    """Keep the flags of a run beside its lines, so that `status` can tell a person to go on within the same bounds.

    Args:
        ledger: The ledger.
        flags: The flags of the run, for `resume` and for `reconcile`.
    """
    await ledger.set_fact(_SETTINGS, json_text(flags))


async def continue_ledger(ledger: "Ledger", action: str) -> str:
    """Return the command that goes on with a ledger.

    Args:
        ledger: The ledger.
        action: `resume` or `reconcile`.
    """
    from xoxo_async.bulk.identity import is_of_own_sandbox

    kept = await ledger.get_fact(_SETTINGS)
    flags = _DECODER.decode(kept)[action] if kept else ["--sandbox"] if is_of_own_sandbox(ledger) else []
    return command_line("bulk", action, "--ledger", ledger.name, *flags)


async def next_command(ledger: "Ledger", counts: "Counts", holder: int | None) -> str:
    """Return the command after which fewer lines are left; empty where none helps, or somebody is at work.

    Args:
        ledger: The ledger.
        counts: What it says.
        holder: The process that works on it; None where none does.
    """
    from xoxo_async.bulk.ledger.lines import LineState

    if holder is not None:
        return ""
    to_send = counts.not_sent - counts.states.get(LineState.CANCELLED, 0)
    to_look_up = counts.unknown - counts.states.get(LineState.MANUAL, 0)
    if to_send > 0 or to_look_up > 0:
        return await continue_ledger(ledger, "resume")
    return await continue_ledger(ledger, "reconcile") if counts.pending > counts.delivery_cancelled else ""
