"""The rows of a ledger that a person should look at: which they are, and the commands that decide about each."""

import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.cli.command_line import command_line, file_for
from xoxo_async.cli.failures import scrub
from xoxo_async.cli.output import out, out_command
from xoxo_async.cli.tables import table
from xoxo_async.cli.wording import age, count

if TYPE_CHECKING:
    from decimal import Decimal

    from xoxo_async.bulk.ledger.address import LedgerAddress
    from xoxo_async.bulk.ledger.lines import Counts, LedgerLine
    from xoxo_async.bulk.ledger.protocol import Ledger

__all__ = ["Troubled", "cells_of", "decisions", "line_to_json", "lines_in", "print_troubled", "troubled_lines"]

_TROUBLED: Final = ("manual", "conflict", "unknown", "sending", "rejected")
"""The states that a person should look at. Lines that a person must decide come first."""

_FACTS: Final = {
    "ledger_restored": "the ledger was restored, so the row may have been sent",
    "ledger_copied": "the ledger is a copy or an older state, so the row may have been sent",
    "sender_died": "its sender ended before the answer",
}
"""Why a row without an error is in doubt, by the fact that moved it last."""


class Troubled(NamedTuple):
    """The troubled rows of a job, as far as the screen shows them.

    Attributes:
        where: The ledger.
        kind: What its job is of.
        counts: Its counts.
        at_work: Whether a process works on it. Then a line in flight is no trouble.
        lines: The first lines of each troubled state.
        file: The file that has all of them; empty without one.
    """

    where: "LedgerAddress"
    kind: JobKind
    counts: "Counts"
    at_work: bool
    lines: "Sequence[LedgerLine]"
    file: str = ""

    @property
    def total(self) -> int:
        """How many troubled rows the job has."""
        counts = self.counts
        in_flight = lines_in(counts, "sending") if self.at_work else 0
        short = counts.pending if self.kind is JobKind.LINKS else 0
        return sum(lines_in(counts, state) for state in _TROUBLED) + counts.cancels_in_doubt + short - in_flight


def lines_in(counts: "Counts", state: str) -> int:
    """Return how many lines are in a state.

    Args:
        counts: The counts of the ledger.
        state: The state.
    """
    return next((lines for known, lines in counts.states.items() if known.value == state), 0)


async def troubled_lines(
    ledger: "Ledger", counts: "Counts", *, at_work: bool, most: int | None = None
) -> "AsyncIterator[LedgerLine]":
    """Stream the lines of each troubled state, then those whose cancellation is in doubt, or whose links are too few.

    Args:
        ledger: The ledger.
        counts: Its counts.
        at_work: Whether a process works on it. Then a line in flight is no trouble.
        most: How many lines of each state; None is all.
    """
    from xoxo_async.bulk.ledger.lines import Delivery, Evidence, LineState

    for state in map(LineState, _TROUBLED):
        if at_work and state is LineState.SENDING:
            continue
        left = most
        async for line in ledger.lines(states=(state,)):
            if line.lines > 1 and line.evidence == Evidence.REFUSED_NO_ORDER:
                continue  # its rows have got orders of their own since then
            yield line
            if left is not None and (left := left - 1) == 0:
                break
    # A job has points or links. No call fetches links that an answer lacked, so a person closes such a row.
    links = ledger.kind is JobKind.LINKS
    delivery, number = (Delivery.PENDING, counts.pending) if links else (Delivery.CANCELLING, counts.cancels_in_doubt)
    left = number if most is None else min(number, most)
    if left > 0:
        async for line in ledger.lines(states=(LineState.PLACED,)):
            if line.delivery is delivery:
                yield line
                if (left := left - 1) == 0:
                    break


def line_to_json(line: "LedgerLine", where: "LedgerAddress", kind: JobKind) -> dict[str, object]:
    """Return what JSON says of a troubled line.

    Args:
        line: The line.
        where: Its ledger.
        kind: What its job is of.
    """
    return {
        "key": line.key,
        "row": line.row,
        "po_number": line.po_number,
        "order_id": line.order_id,
        "age_s": _age_s(line),
        "state": line.state.value,
        "attempts": line.attempts,
        "error_id": line.error_id,
        "error": _why(line),
        **({"balances": _balances(line)} if kind is JobKind.POINTS else {}),
        "resolve": decisions(line, where, kind) if _is_for_a_person(line, kind) else {},
    }


def cells_of(line: "LedgerLine") -> dict[str, str]:
    """Return what a table of troubled lines says of one, by column.

    Args:
        line: The line.
    """
    sent = "" if line.sent_at is None else datetime.fromtimestamp(line.sent_at, UTC).isoformat(" ", "seconds")
    return {
        "key": line.key,
        "row": str(line.row),
        "state": _state(line),
        "po_number": line.po_number,
        "order_id": "" if line.order_id is None else str(line.order_id),
        "sent_at": sent,
        "attempts": str(line.attempts),
        "error_id": line.error_id,
        "why": _why(line),
    }


def decisions(line: "LedgerLine", where: "LedgerAddress", kind: JobKind = JobKind.ORDERS) -> dict[str, str]:
    """Return the commands that decide a line, by what a person finds in the vendor's dashboard.

    Args:
        line: The line.
        where: Its ledger.
        kind: What its job is of.
    """
    key = ["--", line.key] if line.key.startswith("-") else [line.key]
    if line.delivery.value == "cancelling":
        cancel = ("points", "cancel", "--ledger", where.argument, "--found")
        return {found: command_line(*cancel, found, "--reason", "seen", *key) for found in ("cancelled", "kept")}
    if kind is JobKind.LINKS and line.state.value == "placed":
        return {"done": command_line("bulk", "resolve", "--ledger", where.argument, "--done", *key)}
    found = str(line.order_id or "ORDERID")
    placed = {"placed": ["--placed", found]} if kind is JobKind.ORDERS else {"done": ["--done"]}
    flags = {**placed, "resend": ["--resend"], "reject": ["--reject", "--reason", "not wanted"]}
    return {
        name: command_line("bulk", "resolve", "--ledger", where.argument, *chosen, *key)
        for name, chosen in flags.items()
    }


def print_troubled(found: Troubled) -> None:
    """Print the first troubled rows, how to see the others, and the commands that decide about each.

    Args:
        found: The rows.
    """
    if not found.lines:
        return
    out("")
    rows = [(_state(line), line.key, line.row, _age(line), line.error_id, _why(line)) for line in found.lines]
    table(("state", "key", "row", "age", "error id", "why"), rows)
    more = found.total - sum(line.lines for line in found.lines)
    if more > 0 and found.file:
        out(f"… and {more:,} more, in {found.file}")
    elif more > 0:
        file = file_for(found.where, "-problems.csv")
        show_all = command_line("bulk", "status", "--ledger", found.where.argument, "--problems", file)
        out_command(f"… and {more:,} more. To see all of them", show_all)
    _print_decisions(found)
    _print_cancels(found)
    _print_short(found)


def _print_decisions(found: Troubled) -> None:
    """Print each line that needs a person, with the commands for it."""
    lines = [line for line in found.lines if line.state.value == "manual"]
    if not lines:
        return
    rows = lines_in(found.counts, "manual")
    words = _WORDS[found.kind]
    needs = f"{count(rows, 'row')} {'needs' if rows == 1 else 'need'} your decision."
    out("")
    out(f"{needs} Look for {words.sought} in the vendor's dashboard first:", "yellow", wrap=True)
    for line in lines:
        commands = decisions(line, found.where, found.kind)
        out("")
        out(f"  {line.key} (row {line.row}{_shared(line)}): {_last_sent(line)}, {_id_of(line, words)}", wrap=True)
        if found.kind is JobKind.ORDERS:
            out(f"  poNumber {line.po_number}")
        out_command(f"    {words.there}", commands.get("placed") or commands["done"])
        out_command(f"    {words.missing}, and {words.still} wanted", commands["resend"])
        out_command(f"    {words.missing}, and {words.no_longer} wanted", commands["reject"])
    if rows > 1:
        out("")
        alone = " other than --placed" if found.kind is JobKind.ORDERS else ""
        out(
            f"  One command{alone} decides several rows: add their keys to it, or --file FILE.csv with a column `key`,"
            " such as a part of what --problems writes.",
            wrap=True,
        )


def _print_cancels(found: Troubled) -> None:
    """Print each line whose cancellation is in doubt, with the commands for it."""
    lines = [line for line in found.lines if line.delivery.value == "cancelling"]
    if not lines:
        return
    rows = found.counts.cancels_in_doubt
    what = f"The cancellation of {count(rows, 'row')} is in doubt."
    out("")
    out(
        f"{what} Look for the credit in the vendor's dashboard first; a command takes several keys:",
        "yellow",
        wrap=True,
    )
    for line in lines:
        commands = decisions(line, found.where, found.kind)
        out("")
        out(f"  {line.key} (row {line.row}): unique id {line.order_id}", wrap=True)
        out_command("    it is gone", commands["cancelled"])
        out_command("    it is there, and may be cancelled again", commands["kept"])


def _print_short(found: Troubled) -> None:
    """Print each row of links whose answer had fewer than were asked for, with the command that closes it."""
    lines = [line for line in found.lines if line.state.value == "placed" and line.delivery.value == "pending"]
    if not lines:
        return
    rows = count(found.counts.pending, "row")
    out("")
    out(
        f"{rows} got fewer links than asked for, and no call gives the others. Look in the vendor's dashboard, and hand"
        " out those that it shows; a command takes several keys, or --file FILE.csv:",
        "yellow",
        wrap=True,
    )
    for line in lines:
        out("")
        out(f"  {line.key} (row {line.row}): {count(line.held, 'link')} in the ledger", wrap=True)
        command = decisions(line, found.where, found.kind)["done"]
        out_command("    the others are handed out, or there are no more", command)


def _balances(line: "LedgerLine") -> "dict[str, Decimal]":
    from xoxo_async.bulk.unkeyed.balances import balances_in

    return balances_in(line.error)


def _is_for_a_person(line: "LedgerLine", kind: JobKind) -> bool:
    short = kind is JobKind.LINKS and line.state.value == "placed"
    return short or line.state.value == "manual" or line.delivery.value == "cancelling"


def _age_s(line: "LedgerLine") -> float | None:
    """Return how many seconds ago a line was sent last; None if it never was."""
    return None if line.sent_at is None else round(max(time.time() - line.sent_at, 0.0), 1)


def _age(line: "LedgerLine") -> str:
    seconds = _age_s(line)
    return "-" if seconds is None else age(seconds)


def _why(line: "LedgerLine") -> str:
    """Return why a line is in its state: its error, or where it has none, the fact that moved it."""
    return scrub(line.error) or _FACTS.get(line.evidence, "")


def _state(line: "LedgerLine") -> str:
    if line.state.value == "placed":
        return line.delivery.value  # cancelling, or pending
    return line.state.value


def _last_sent(line: "LedgerLine") -> str:
    return f"sent {_age(line)} ago" if line.sent_at is not None else "never sent from this ledger"


def _shared(line: "LedgerLine") -> str:
    return f", shared by {count(line.lines, 'row')}" if line.lines > 1 else ""


def _id_of(line: "LedgerLine", words: "_Words") -> str:
    return f"{words.id} {line.order_id}" if line.order_id is not None else f"no {words.id} known"


class _Words(NamedTuple):
    """What a person looks for in the dashboard, and what may be found."""

    sought: str
    id: str
    there: str
    missing: str
    still: str
    no_longer: str


_WORDS: Final = {
    JobKind.ORDERS: _Words("the poNumber", "order id", "the order exists", "it does not exist", "is still", "is not"),
    JobKind.POINTS: _Words(
        "the recipient and the points",
        "unique id",
        "the points are there",
        "they are not there",
        "are still",
        "are not",
    ),
    JobKind.LINKS: _Words(
        "links of the campaign made at that time",
        "id",
        "the links are there",
        "they are not there",
        "are still",
        "are not",
    ),
    JobKind.LINK_MAILS: _Words("the address", "id", "the mail was sent", "it was not sent", "is still", "is not"),
}
