"""What a ledger says, and a person's decisions about its lines: no network, no credentials."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from xoxo_async.bulk.deciding import Decision, Resolved, decide_line
from xoxo_async.bulk.issuer import BulkIssuer
from xoxo_async.bulk.ledger.lines import Counts, Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.protocol import Identity
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.cli import exits
from xoxo_async.cli.alarms import tell_alarms
from xoxo_async.cli.connect import SANDBOX, SETTINGS, Connection, open_client, run_async
from xoxo_async.cli.given import COUNTS, no_facts
from xoxo_async.cli.render import amounts, count, json_text, out, say, table
from xoxo_async.errors import ConfigError

__all__ = ["decide", "go_on", "rebind", "show_status", "withdraw"]

T = TypeVar("T")

_TROUBLED: Final = (LineState.MANUAL, LineState.CONFLICT, LineState.UNKNOWN, LineState.SENDING, LineState.REJECTED)
_SHOWN: Final = 10
_SETTINGS: Final = msgspec.json.Decoder(dict[str, list[str]])


def _with_ledger(ledger: SqliteLedger, work: Callable[[SqliteLedger], Awaitable[T]]) -> T:
    async def opened() -> T:
        async with ledger:
            return await work(ledger)

    return run_async(opened)


def show_status(path: Path, *, as_json: bool) -> int:
    """Print where a job stands, and its first lines that need a look; also of a job that is being worked on.

    Args:
        path: The ledger.
        as_json: Whether to print JSON.

    Returns:
        The exit code: 4 for an alarm, and 0 otherwise.
    """

    async def read(ledger: SqliteLedger) -> tuple[Status, list[LedgerLine]]:
        holder, counts = ledger.holder, await ledger.counts()
        status = Status(ledger.job or "", path, counts, holder, await _follow(ledger, counts, holder))
        return status, await _troubled(ledger, at_work=holder is not None)

    status, lines = _with_ledger(SqliteLedger(path, read_only=True), read)
    counts = status.counts
    code = exits.UNKNOWN if counts.alarms_total else 0
    if as_json:
        out(json_text({**status.facts(), "problems": [_problem(line) for line in lines], "exit_code": code}))
        return code
    out(f"job {status.job or '(none yet)'} · {count(counts.rows, 'row')} · ledger {path}")
    for name in COUNTS[1:]:
        out(f"  {name.replace('_', ' '):<9}{getattr(counts, name):>10,}")
    if withdrawn := counts.states.get(LineState.CANCELLED, 0):
        out(f"  withdrawn {withdrawn:>9,} of the not sent, never to be sent")
    out(f"  charged   {amounts(counts.charged)}")
    if status.holder is not None:
        in_flight = counts.states.get(LineState.SENDING, 0)
        out(f"process {status.holder} is working on it; {in_flight:,} of the unknown are in flight")
    _show_problems(status, lines)
    tell_alarms(counts.alarms, counts.alarms_total)
    if status.follow:
        say(f"continue with: {status.follow}")
    return code


class Status(msgspec.Struct, frozen=True):
    """Where a job stands.

    Attributes:
        job: Its name.
        path: Its ledger.
        counts: The ledger in numbers.
        holder: The process that works on it.
        follow: The command that goes on with it; empty where nothing is left, or somebody is at it.
    """

    job: str
    path: Path
    counts: Counts
    holder: int | None
    follow: str

    def facts(self) -> dict[str, object]:
        """Return it as JSON tells it."""
        told = no_facts(job=self.job, ledger=str(self.path), elapsed_s=0.0)
        for name in (*COUNTS, "orders", "delivery_cancelled", "states", "charged", "alarms", "alarms_total"):
            told[name] = getattr(self.counts, name)
        return {**told, "holder_pid": self.holder, "continue_with": self.follow}


async def _follow(ledger: SqliteLedger, counts: Counts, holder: int | None) -> str:
    if holder is not None:
        return ""
    if counts.not_sent > counts.states.get(LineState.CANCELLED, 0) or counts.unknown > counts.states.get(
        LineState.MANUAL, 0
    ):
        return await go_on(ledger, "resume")
    return await go_on(ledger, "reconcile") if counts.pending > counts.delivery_cancelled else ""


async def go_on(ledger: SqliteLedger, action: str) -> str:
    """Return the command that goes on with a ledger, at the server it was begun at, within the bounds it was given.

    Args:
        ledger: The ledger.
        action: `resume` or `reconcile`.
    """
    kept = await ledger.get_fact(SETTINGS)
    sandbox = ledger.identity is not None and ledger.identity.address == SANDBOX
    flags = _SETTINGS.decode(kept)[action] if kept else ["--sandbox"] if sandbox else []
    return exits.command("bulk", action, "--ledger", ledger.path, *flags)


async def _troubled(ledger: SqliteLedger, *, at_work: bool) -> list[LedgerLine]:
    """Return the first lines of each state that needs a look; what a person must decide comes first.

    Args:
        ledger: The ledger.
        at_work: Whether somebody is working on it: then what is being sent needs no look.
    """
    found: list[LedgerLine] = []
    for state in _TROUBLED:
        if at_work and state is LineState.SENDING:
            continue
        left = _SHOWN
        async for line in ledger.lines(states=(state,)):
            if line.lines > 1 and line.evidence == Evidence.REFUSED_NO_ORDER:
                continue  # its rows have orders of their own since
            found.append(line)
            left -= 1
            if not left:
                break
    return found


def _problem(line: LedgerLine) -> dict[str, object]:
    return {
        "key": line.key,
        "row": line.row,
        "po_number": line.po_number,
        "state": line.state.value,
        "attempts": line.attempts,
        "error_id": line.error_id,
        "error": exits.scrub(line.error),
    }


def _show_problems(status: Status, lines: list[LedgerLine]) -> None:
    if not lines:
        return
    out("")
    rows = [(line.state.value, line.key, line.row, line.error_id, exits.scrub(line.error)) for line in lines]
    table(("state", "key", "row", "error id", "why"), rows)
    states = status.counts.states
    in_flight = states.get(LineState.SENDING, 0) if status.holder is not None else 0
    more = sum(states.get(state, 0) for state in _TROUBLED) - in_flight - sum(line.lines for line in lines)
    if more > 0:
        out(f"… and {more:,} more")
    if lines[0].state is LineState.MANUAL:
        resolve = exits.command("bulk", "resolve", "--ledger", status.path)
        say(
            f"{count(states[LineState.MANUAL], 'row')} only a person can decide. Look for the poNumber in the vendor's"
            f" dashboard, then\ndecide with: {resolve} KEY --placed ORDERID | --resend | --reject --reason WHY"
        )


def decide(path: Path, key: str, decision: Decision, connection: Connection, *, as_json: bool) -> None:
    """Record a person's decision about one line.

    Args:
        path: The ledger.
        key: The line's key.
        decision: What was decided.
        connection: Where a named order is looked up.
        as_json: Whether to print JSON.

    Raises:
        ConfigError: There is no such line, it is not a person's to decide, or the order is not this line's.
        XoxoError: The order cannot be looked up.
    """

    async def work(ledger: SqliteLedger) -> tuple[Resolved, str]:
        await ledger.recover()
        line = await _find(ledger, key)
        by_person = line.evidence in {Evidence.PERSON_PLACED, Evidence.PERSON_CORRECTED, Evidence.LATE_PROOF}
        if decision.placed is None and line.state is not LineState.MANUAL and not by_person:
            raise ConfigError(_not_manual(line, path))
        if decision.placed is None or decision.unchecked:
            resolved = await decide_line(None, ledger, key, decision)
        else:
            async with open_client(_same_server(connection, ledger), aloud=False) as client:
                issuer = BulkIssuer(client, ledger, address=_same_server(connection, ledger).ledgers_name)
                resolved = await issuer.resolve(key, decision)
        return resolved, await go_on(ledger, "resume")

    # Codes are not looked at here, so no key is needed.
    resolved, follow = _with_ledger(SqliteLedger(path, store_codes=False, must_exist=True), work)
    after = resolved.line
    if after.state is LineState.REJECTED:
        follow = ""
    if as_json:
        told = {"key": after.key, "po_number": after.po_number, "state": after.state.value, "order_id": after.order_id}
        out(json_text({**told, "found": resolved.found, "continue_with": follow}))
        return
    if resolved.found:
        out(f"the vendor has: {resolved.found}")
    out(f"{after.key} is now {after.state.value}")
    if follow:
        say(f"continue with: {follow}")


def _same_server(connection: Connection, ledger: SqliteLedger) -> Connection:
    """Return a connection to the sandbox where a ledger is of its own one: no flag has to say so again."""
    ours = ledger.identity is not None and ledger.identity.address == SANDBOX and not connection.base_url
    return msgspec.structs.replace(connection, sandbox=True) if ours else connection


def withdraw(path: Path, keys: tuple[str, ...], reason: str, *, as_json: bool) -> None:
    """Cancel rows that were never sent.

    Args:
        path: The ledger.
        keys: The rows' keys; none is every planned row that was never sent.
        reason: Why.
        as_json: Whether to print JSON.

    Raises:
        LedgerConflictError: A row is not there, or was sent.
    """

    async def work(ledger: SqliteLedger) -> tuple[int, Counts]:
        await ledger.recover()
        return await ledger.withdraw(keys or None, reason=reason), await ledger.counts()

    cancelled, counts = _with_ledger(SqliteLedger(path, store_codes=False, must_exist=True), work)
    if as_json:
        told = {name: getattr(counts, name) for name in COUNTS}
        out(json_text({"withdrawn": cancelled, "ledger": str(path), **told}))
    else:
        out(f"{count(cancelled, 'row')} withdrawn, never to be sent")


def rebind(path: Path, reason: str, connection: Connection, *, as_json: bool) -> None:
    """Let a ledger belong to the account and address that this command is set up for.

    Args:
        path: The ledger.
        reason: Why.
        connection: The account and the address.
        as_json: Whether to print JSON.
    """

    async def work(ledger: SqliteLedger) -> tuple[Identity | None, Identity | None]:
        before = ledger.identity
        async with open_client(connection, aloud=False) as client:
            await BulkIssuer(client, ledger, address=connection.ledgers_name).rebind(reason=reason)
        return before, ledger.identity

    before, after = _with_ledger(SqliteLedger(path, store_codes=False, must_exist=True), work)
    was, now = before.address if before else "", after.address if after else ""
    if as_json:
        out(json_text({"ledger": str(path), "was": was, "address": now}))
    else:
        out(f"{path} now belongs to this account at {now}" + (f" (before: {was})" if was and was != now else ""))


async def _find(ledger: SqliteLedger, key: str) -> LedgerLine:
    line = await ledger.find(key)
    if line is None:
        raise ConfigError(f"{ledger.path} holds no line with the key {key!r}")
    if line.lines > 1:
        say(f"{key} shares an order with {line.lines - 1} other rows: this decides all of them")
    return line


def _not_manual(line: LedgerLine, path: Path) -> str:
    told = f"{line.key} is {line.state.value}, so it is not a person's to decide"
    if line.state in {LineState.UNKNOWN, LineState.CONFLICT}:
        return f"{told} yet: run {exits.command('bulk', 'reconcile', '--ledger', path)} first"
    return told
