"""`xoxo bulk pause`: stop a job for everyone who works on it, until a person goes on."""

from typing import TYPE_CHECKING

import click

from xoxo_async.cli.bulk.continuing import continue_ledger
from xoxo_async.cli.bulk.ledgers import with_ledger
from xoxo_async.cli.bulk.options import ledger_option, reason_option
from xoxo_async.cli.invocation import Command
from xoxo_async.cli.json_output import COUNTS, print_json
from xoxo_async.cli.options import json_option
from xoxo_async.cli.output import out, say_command
from xoxo_async.errors import ConfigError, LedgerLockedError

if TYPE_CHECKING:
    from xoxo_async.bulk.ledger.address import LedgerAddress
    from xoxo_async.bulk.ledger.lines import Counts
    from xoxo_async.bulk.ledger.protocol import Ledger

__all__ = ["pause"]


@click.command(
    cls=Command,
    epilog='Example:  xoxo bulk pause --ledger postgresql://db/plum#march --reason "wrong denominations"',
)
@ledger_option
@reason_option
@json_option
def pause(ledger: "LedgerAddress", reason: str, as_json: bool) -> None:
    """Pause a job: from now on no worker takes a row. Requests in flight end, and rows in doubt are settled.

    `run` and `resume` end the pause; workers do not. A job of which nothing is left is paused, too: messages that a
    worker receives wait. Moves no money.
    """
    if not reason.strip():
        raise click.UsageError("--reason must not be blank: whoever goes on reads it")

    async def work(opened: "Ledger") -> "tuple[Counts, str]":
        await opened.pause(reason)
        return await opened.counts(), await continue_ledger(opened, ledger, "resume")

    try:
        counts, follow = with_ledger(ledger, work, store_codes=False)
    except LedgerLockedError as error:
        raise _held(ledger, error.holder_pid) from None
    if as_json:
        facts = {name: getattr(counts, name) for name in COUNTS}
        print_json({"ledger": ledger.name, "paused": reason, **facts, "continue_with": follow})
        return
    out(f"{ledger} is paused: {reason}")
    if not _is_open(counts):
        out("nothing of it is left to send or to look up now; messages that a worker receives wait for `resume`")
    say_command("continue with", follow)


def _is_open(counts: "Counts") -> bool:
    """Return whether a worker could still do something about a row."""
    from xoxo_async.bulk.ledger.lines import LineState

    at_work = (LineState.PLANNED, LineState.SENDING, LineState.UNKNOWN, LineState.CONFLICT)
    return any(counts.states.get(state) for state in at_work)


def _held(ledger: "LedgerAddress", holder: int | None) -> ConfigError:
    """Return the error for a file that a run has open: it can only stop itself."""
    who = f"process {holder}" if holder else "another process"
    how = f"kill -INT {holder}" if holder else "SIGINT (Ctrl-C)"
    return ConfigError(f"{ledger} is held by {who}, the only one that works on it: stop it in order with {how}")
