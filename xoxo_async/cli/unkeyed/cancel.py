"""`xoxo points cancel --ledger`: take points back by the ids that a ledger keeps, each row accounted for."""

import os
from collections.abc import Collection, Sequence
from decimal import Decimal
from math import inf
from typing import TYPE_CHECKING, Final

import anyio
import msgspec

from xoxo_async.bulk.ledger.kinds import JobKind, require_kind
from xoxo_async.bulk.settings import kept_bounds
from xoxo_async.cli import exits
from xoxo_async.cli.bulk.ledgers import with_ledger
from xoxo_async.cli.bulk.servers import address_of, at_its_server
from xoxo_async.cli.command_line import command_line, file_for
from xoxo_async.cli.connect import open_client
from xoxo_async.cli.connection import Connection, is_real_money
from xoxo_async.cli.consent import agree, need_a_person
from xoxo_async.cli.failures import one_error, scrub
from xoxo_async.cli.json_output import print_json
from xoxo_async.cli.output import Colour, out, say, say_command
from xoxo_async.cli.reply_values import to_json
from xoxo_async.cli.signals import as_before, ending_signals
from xoxo_async.cli.tables import table
from xoxo_async.cli.wording import count, money

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from xoxo_async.bulk.ledger.address import LedgerAddress
    from xoxo_async.bulk.ledger.protocol import Ledger
    from xoxo_async.bulk.unkeyed.cancelling import CancelReport
    from xoxo_async.bulk.unkeyed.points import BulkPoints

__all__ = ["cancel_points", "settle_cancels"]

_COLOURS: Final[dict[str, Colour]] = {"refused": "red", "unknown": "yellow"}
_SHOWN: Final = 20
"""Rows that were not cancelled, on the screen; the JSON has all."""


def cancel_points(
    where: "LedgerAddress",
    keys: Collection[str] | None,
    connection: Connection,
    *,
    reason: str,
    batch: int,
    yes: bool,
    as_json: bool,
) -> int:
    """Take back the points of rows, print what became of each, and return the exit code.

    Args:
        where: The ledger.
        keys: The rows; None is every row that got points.
        connection: Where the calls go.
        reason: Why, for the journal.
        batch: How many rows travel in one call.
        yes: Whether to cancel without asking a person.
        as_json: Whether to print JSON.
    """
    asks = not yes and is_real_money(connection)
    if asks:
        need_a_person(connection, "taking points back")
    flags = [*(["--batch", str(batch)] if batch != 1 else []), *connection.flags, *(["--yes"] if yes else [])]
    flags += ["--json"] if as_json else []

    def again(keys: Collection[str] | None) -> str:
        """Return the command for some rows, with what the user gave; for every row if no row was named."""
        rows = ["--all"] if keys is None else ["--", *keys] if any(key.startswith("-") for key in keys) else keys
        return command_line("points", "cancel", "--ledger", where.argument, "--reason", reason, *flags, *rows)

    stopped: list[str] = []

    async def work(ledger: "Ledger") -> "CancelReport":
        from xoxo_async.bulk.unkeyed.points import BulkPoints

        require_kind(ledger, JobKind.POINTS)
        server = at_its_server(connection, ledger)
        if (rate := (await kept_bounds(ledger)).rate) is not None:  # these calls are as many as the job's own
            server = msgspec.structs.replace(server, rate=inf if rate == "none" else rate, paced="other")

        async def approve(rows: int, sum_of_points: Decimal) -> None:
            if asks:
                await agree(server, f"take {money(sum_of_points)} points back from {count(rows, 'row')}")
            # After kill -9 or a power cut only this line has the command.
            say_command(f"Progress is saved in {where}. If interrupted, run", again(keys))

        async with open_client(server, say_lookups=False) as client:
            points = BulkPoints(client, ledger, batch=batch, address=address_of(server))
            return await _until_stopped(points, lambda: points.cancel(keys, reason=reason, approve=approve), stopped)

    with as_before():
        report = with_ledger(where, work, store_codes=False)
    follow = ""
    if report.not_asked:
        # Never --all where rows were named: it would take points from everybody.
        follow = again(keys and [one.key for one in report.results if one.state == "not_asked"])
    if not as_json:
        _print(report)
    _say_what_is_left(report, where, follow)
    code = exits.INTERRUPTED if stopped and report.not_asked else report.exit_code
    if as_json:
        print_json({**to_json(report), "ledger": str(where), "exit_code": code, "continue_with": follow})
    return code


async def _until_stopped(
    points: "BulkPoints", cancel: "Callable[[], Awaitable[CancelReport]]", stopped: list[str]
) -> "CancelReport":
    """Cancel, and end after the call under way at a first signal, at once at a second one; note the signal."""
    done: list[CancelReport] = []

    async def listen() -> None:
        async for number in signals:
            if stopped:
                os._exit(exits.INTERRUPTED)  # safe: every intent is durable before its call
            stopped.append(number.name)
            points.stop(f"interrupted by {number.name}")
            say("Stopping: the call under way is the last one. Press Ctrl-C again to stop at once.")

    try:
        with anyio.open_signal_receiver(*ending_signals()) as signals:
            async with anyio.create_task_group() as group:
                group.start_soon(listen)
                done.append(await cancel())
                group.cancel_scope.cancel()
    except BaseExceptionGroup as errors:
        raise one_error(errors) from None
    return done[0]


def _print(report: "CancelReport") -> None:
    """Print what became of the rows; of those that were not cancelled the first ones by name."""
    out(f"{count(report.rows, 'row')}: {money(report.points)} points cancelled")
    for name in ("cancelled", "refused", "unknown", "not_asked"):
        if number := getattr(report, name):
            out(f"  {name.replace('_', ' '):<10}{number:>9,}", _COLOURS.get(name, ""))
    others = [one for one in report.results if one.state != "cancelled"]
    if others:
        rows = ((one.key, one.unique_id, one.state.replace("_", " "), scrub(one.message)) for one in others[:_SHOWN])
        table(("key", "unique id", "result", "message"), rows)
        more = len(others) - _SHOWN
        if more > 0:
            out(f"… and {more:,} more; --json prints all of them")


def _say_what_is_left(report: "CancelReport", where: "LedgerAddress", follow: str) -> None:
    """Print why the work ended early, and the commands for the rows that it has not settled."""
    if report.reason:
        say(f"ended early: {scrub(report.reason)}", "yellow")
    if follow:
        say_command("continue with", follow)
    if report.unknown:
        _say_what_is_in_doubt([one.key for one in report.results if one.state == "unknown"], where)
    if report.in_doubt:
        rows = f"{count(report.in_doubt, 'row')} of this ledger may have points, and nobody knows; see them by"
        say_command(rows, command_line("bulk", "status", "--ledger", where.argument))


def _say_what_is_in_doubt(keys: Sequence[str], where: "LedgerAddress") -> None:
    """Print how a person records what became of cancellations in doubt; of many rows, where all of them stand."""
    say("rows in doubt are not asked for again: look for each credit in the vendor's dashboard")
    rows = ["--", *keys] if any(key.startswith("-") for key in keys) else keys
    if len(keys) > _SHOWN:
        file = file_for(where, "-problems.csv")
        show_all = command_line("bulk", "status", "--ledger", where.argument, "--problems", file)
        say_command(f"all {count(len(keys), 'row')} are listed by", show_all)
        rows = ["--", keys[0]] if keys[0].startswith("-") else [keys[0]]
    of_first = f", for the first row ({keys[0]})" if len(keys) > _SHOWN else ""
    settle = ("points", "cancel", "--ledger", where.argument, "--found")
    say_command(f"where the credit is gone{of_first}", command_line(*settle, "cancelled", "--reason", "seen", *rows))
    say_command(f"where the credit is there{of_first}", command_line(*settle, "kept", "--reason", "seen", *rows))


def settle_cancels(
    where: "LedgerAddress", keys: Collection[str], *, cancelled: bool, reason: str, as_json: bool
) -> None:
    """Record what a person found out about cancellations in doubt. Makes no call.

    Args:
        where: The ledger.
        keys: The rows.
        cancelled: Whether the points are gone; otherwise they are still there.
        reason: Why, for the journal.
        as_json: Whether to print JSON.
    """

    async def work(ledger: "Ledger") -> int:
        from xoxo_async.bulk.unkeyed.cancelling import settle_cancels as settle

        require_kind(ledger, JobKind.POINTS)
        return await settle(ledger, keys, cancelled=cancelled, reason=reason)

    settled = with_ledger(where, work, store_codes=False)
    state = "cancelled" if cancelled else "kept"
    if as_json:
        print_json({"settled": settled, "state": state, "ledger": str(where)})
    else:
        out(f"{count(settled, 'row')} recorded as {state}")
