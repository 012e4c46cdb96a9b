"""Build the command that continues a ledger, with the server and the bounds of its last run."""

from typing import TYPE_CHECKING, Final

import msgspec

from xoxo_async.bulk.ledger.facts import SETTINGS
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.cli.command_line import command_line
from xoxo_async.cli.json_output import json_text

if TYPE_CHECKING:
    from xoxo_async.bulk.ledger.address import LedgerAddress
    from xoxo_async.bulk.ledger.lines import Counts
    from xoxo_async.bulk.ledger.protocol import Ledger

__all__ = ["continue_ledger", "keep_settings", "next_command", "stopped_by_refusals"]

_DECODER: Final = msgspec.json.Decoder(dict[str, list[str]])


async def keep_settings(ledger: "Ledger", flags: dict[str, list[str]]) -> None:
    """Store the flags of a run in its ledger, so that `status` prints a command with the same bounds.

    Args:
        ledger: The ledger.
        flags: The flags of the run, for `resume` and for `reconcile`.
    """
    await ledger.set_fact(SETTINGS, json_text(flags))


async def continue_ledger(ledger: "Ledger", where: "LedgerAddress", action: str, *more: str) -> str:
    """Return the command that continues a ledger.

    Args:
        ledger: The ledger, open.
        where: Its place.
        action: `resume` or `reconcile`. A job of points or links has one command, which does both.
        more: Flags that it needs besides.
    """
    from xoxo_async.bulk.ledger.owners import is_own_sandbox

    kept = await ledger.get_fact(SETTINGS)
    flags = _DECODER.decode(kept)[action] if kept else ["--sandbox"] if is_own_sandbox(ledger.identity) else []
    kind = ledger.kind
    words = ["bulk", action] if kind is None or kind is JobKind.ORDERS else kind.command.split()[1:]
    return command_line(*words, "--ledger", where.argument, *flags, *more)


async def stopped_by_refusals(ledger: "Ledger") -> bool:
    """Return whether the last run paused because more rows were refused than it allowed, and rows are left to send.

    Args:
        ledger: The ledger, open.
    """
    from xoxo_async.bulk.ledger.facts import RUNS
    from xoxo_async.bulk.ledger.lines import LineState
    from xoxo_async.bulk.ledger.overview import notes_of
    from xoxo_async.bulk.pauses import Pause

    notes = notes_of(await ledger.get_fact(RUNS))
    if not notes or notes[-1].end != Pause.REFUSALS.value:
        return False
    return bool((await ledger.counts()).states.get(LineState.PLANNED))


async def next_command(ledger: "Ledger", where: "LedgerAddress", counts: "Counts", holder: int | None) -> str:
    """Return the command that finishes more lines; empty if no command does, or if a process works on the ledger.

    Args:
        ledger: The ledger, open.
        where: Its place.
        counts: Its counts.
        holder: The id of the process that works on it; None if no process does.
    """
    from xoxo_async.bulk.ledger.lines import LineState

    if holder is not None:
        return ""
    to_send = counts.not_sent - counts.states.get(LineState.CANCELLED, 0)
    to_look_up = counts.unknown - counts.for_a_person
    if to_send > 0 or to_look_up > 0:
        return await continue_ledger(ledger, where, "resume")
    if counts.pending <= counts.delivery_cancelled or ledger.kind not in {None, JobKind.ORDERS}:
        return ""  # no call fetches a link that an answer lacked
    return await continue_ledger(ledger, where, "reconcile")
