"""What a ledger says, and a person's decisions about its lines: no network, no credentials."""

import getpass
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from xoxo_async.bulk.ledger import Change, Counts, Delivery, Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger_sqlite import SqliteLedger
from xoxo_async.cli import exits
from xoxo_async.cli.connect import SANDBOX, SERVER, run_async
from xoxo_async.cli.render import amounts, count, json_text, out, say, table
from xoxo_async.errors import ConfigError, LedgerConflictError

__all__ = ["Decision", "decide", "show_status"]

T = TypeVar("T")

_TROUBLED: Final = (LineState.MANUAL, LineState.CONFLICT, LineState.UNKNOWN, LineState.SENDING, LineState.REJECTED)
_SHOWN: Final = 10


def _with_ledger(path: Path, work: Callable[[SqliteLedger], Awaitable[T]]) -> T:
    async def opened() -> T:
        # Codes are not looked at here, so no key is needed.
        async with SqliteLedger(path, store_codes=False, must_exist=True) as ledger:
            return await work(ledger)

    return run_async(opened)


def show_status(path: Path, *, as_json: bool) -> None:
    """Print where a job stands, and its first lines that need a look.

    Args:
        path: The ledger.
        as_json: Whether to print JSON.
    """

    async def read(ledger: SqliteLedger) -> tuple[str, Counts, list[LedgerLine], str]:
        return ledger.job or "", await ledger.counts(), await _troubled(ledger), await _resume(ledger)

    job, counts, lines, follow = _with_ledger(path, read)
    if not counts.not_sent and counts.unknown == counts.states.get(LineState.MANUAL, 0):
        follow = ""
    if as_json:
        names = (
            "rows",
            "issued",
            "pending",
            "rejected",
            "unknown",
            "not_sent",
            "orders",
            "delivery_cancelled",
            "states",
            "charged",
        )
        told = {name: getattr(counts, name) for name in names}
        problems = [_problem(line) for line in lines]
        told |= {"job": job, "ledger": str(path), "elapsed_s": 0.0, "problems": problems, "continue_with": follow}
        out(json_text(told))
        return
    out(f"job {job or '(none yet)'} · {count(counts.rows, 'row')} · ledger {path}")
    for name in ("issued", "pending", "rejected", "unknown", "not_sent"):
        out(f"  {name.replace('_', ' '):<9}{getattr(counts, name):>10,}")
    out(f"  charged   {amounts(counts.charged)}")
    _show_problems(lines, counts)
    if follow:
        say(f"continue with: {follow}")


async def _resume(ledger: SqliteLedger) -> str:
    """Return the command that goes on with a ledger, at the server it was begun at."""
    sandbox = await ledger.get_meta(SERVER) == SANDBOX
    return exits.command("bulk", "resume", "--ledger", ledger.path, *(["--sandbox"] if sandbox else []))


async def _troubled(ledger: SqliteLedger) -> list[LedgerLine]:
    """Return the first lines of each state that needs a look; what a person must decide comes first."""
    found: list[LedgerLine] = []
    for state in _TROUBLED:
        left = _SHOWN
        async for line in ledger.lines(states=(state,)):
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


def _show_problems(lines: list[LedgerLine], counts: Counts) -> None:
    if not lines:
        return
    out("")
    rows = [(line.state.value, line.key, line.row, line.error_id, exits.scrub(line.error)) for line in lines]
    table(("state", "key", "row", "error id", "why"), rows)
    more = sum(counts.states.get(state, 0) for state in _TROUBLED) - len(lines)
    if more:
        out(f"… and {more:,} more")
    if counts.states.get(LineState.MANUAL):
        say("manual lines are a person's to decide, see: xoxo bulk resolve --help")


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a person says of a line: placed under an order id, to be sent again, or (neither) rejected."""

    placed: int | None = None
    resend: bool = False
    reason: str = ""

    def change(self, line: LedgerLine) -> Change:
        """Return it as a fact about a line.

        Args:
            line: The line.
        """
        reason = self.reason.strip() or f"decided by {_person()}"
        if self.placed is None:
            evidence = Evidence.PERSON_RESEND if self.resend else Evidence.PERSON_REJECTED
            return Change(seq=line.seq, evidence=evidence, epoch=line.epoch, reason=reason)
        # An order id is proof in any state; its codes are fetched by the next resume.
        evidence = Evidence.PERSON_PLACED if line.state is LineState.MANUAL else Evidence.LATE_PROOF
        return Change(
            seq=line.seq,
            evidence=evidence,
            epoch=line.epoch,
            order_id=self.placed,
            delivery=Delivery.PENDING,
            reason=reason,
        )


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "a person"


def decide(path: Path, key: str, decision: Decision, *, as_json: bool) -> None:
    """Record a person's decision about one line.

    Args:
        path: The ledger.
        key: The line's key.
        decision: What was decided.
        as_json: Whether to print JSON.

    Raises:
        ConfigError: There is no such line, or it is not a person's to decide.
    """

    async def record(ledger: SqliteLedger) -> tuple[LedgerLine, str]:
        await ledger.recover()
        line = await _find(ledger, key)
        if decision.placed is None and line.state is not LineState.MANUAL:
            raise ConfigError(_not_manual(line, path))
        try:
            (after,) = await ledger.record([decision.change(line)])
        except LedgerConflictError as error:
            raise ConfigError(f"{key} stays {line.state.value}: {error.message}") from error
        return after, await _resume(ledger)

    after, follow = _with_ledger(path, record)
    if after.state is LineState.REJECTED:
        follow = ""
    if as_json:
        told = {"key": after.key, "po_number": after.po_number, "state": after.state.value, "order_id": after.order_id}
        out(json_text({**told, "continue_with": follow}))
        return
    out(f"{after.key} is now {after.state.value}")
    if follow:
        say(f"continue with: {follow}")


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
