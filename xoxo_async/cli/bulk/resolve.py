"""`xoxo bulk resolve`: record a person's decision about a line that no automatic step can settle safely."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.cli.bulk.continuing import continue_ledger, next_command
from xoxo_async.cli.bulk.ledgers import with_ledger
from xoxo_async.cli.bulk.options import ledger_option, one_line
from xoxo_async.cli.bulk.servers import address_of, at_its_server, books_of
from xoxo_async.cli.connect import open_client
from xoxo_async.cli.connection import Connection
from xoxo_async.cli.invocation import Command
from xoxo_async.cli.json_output import print_json
from xoxo_async.cli.numbers import Whole
from xoxo_async.cli.options import connection_options, json_option
from xoxo_async.cli.output import out, say, say_command
from xoxo_async.cli.wording import count
from xoxo_async.errors import ConfigError

if TYPE_CHECKING:
    from xoxo_async.bulk.deciding import Decision, Resolved
    from xoxo_async.bulk.ledger.address import LedgerAddress
    from xoxo_async.bulk.ledger.protocol import Ledger

__all__ = ["resolve"]

_NAMED: Final = 20
"""How many rows an error names."""


@click.command(
    cls=Command,
    epilog="""\b
Examples, after a look at EMP-17 in the vendor's dashboard:
  xoxo bulk resolve EMP-17 --ledger march.db --placed 123456
  xoxo bulk resolve EMP-17 EMP-18 --ledger points.db --done      points that the dashboard shows, without an id
  xoxo bulk resolve --file seen.csv --ledger points.db --done    each row whose key the file has
  xoxo bulk resolve EMP-17 --ledger march.db --resend --reason "support says it was never received"
  xoxo bulk resolve EMP-17 --ledger march.db --reject --reason "bought elsewhere" """,
)
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option("--file", "source", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE|-",
              help="Decide about every row whose key stands in this table, in a column `key`: a part of what"
              " `xoxo bulk status --problems` writes, for example.")  # fmt: skip
@ledger_option
@click.option(
    "--placed",
    type=Whole(1),
    metavar="ID",
    help="The order exists with this id; it is looked up first. For points: the unique id that the dashboard shows.",
)
@click.option("--done", is_flag=True,
              help="The dashboard shows the points, the links or the mail of the row, and no id is known. Of a row with"
              " fewer links than it asked for: the others are handed out, or there are no more.")  # fmt: skip
@click.option("--unchecked", is_flag=True, help="Accept --placed without a look-up, if the vendor is down.")
@click.option("--resend", is_flag=True, help="It did not happen: send it again; an order with the same poNumber.")
@click.option("--reject", is_flag=True, help="It did not happen, and is no longer wanted.")
@click.option("--reason", default="", callback=one_line,
              help="The reason, which the journal keeps. Needed for --reject.")  # fmt: skip
@json_option
@connection_options
def resolve(
    keys: tuple[str, ...],
    source: Path | None,
    ledger: "LedgerAddress",
    placed: int | None,
    done: bool,
    unchecked: bool,
    resend: bool,
    reject: bool,
    reason: str,
    as_json: bool,
    **where: Any,
) -> None:
    """Decide lines that no automatic step can settle safely, or correct such a decision. KEY is the row's key.

    --placed looks an order up first: it must exist, match the row, and belong to no other row. Points, links and mails
    cannot be looked up. --resend spends the money again if it did happen, so look in the vendor's dashboard first.
    """
    if bool(keys) == (source is not None):
        raise click.UsageError("give the KEY of each row, or --file FILE with their keys")
    if [placed is not None, done, resend, reject].count(True) != 1:
        raise click.UsageError("give one of --placed ID, --done, --resend and --reject")
    if placed is not None and len(keys) != 1:
        raise click.UsageError("--placed names the order of one row: give one KEY")
    if unchecked and placed is None:
        raise click.UsageError("--unchecked goes with --placed")
    if reject and not reason.strip():
        raise click.UsageError("--reject needs --reason, which the journal keeps")
    from xoxo_async.bulk.deciding import Decision

    decision = Decision(placed=placed, done=done, resend=resend, reason=reason, unchecked=unchecked)
    if source is not None:
        from xoxo_async.bulk.intake.keys_file import read_keys

        keys = tuple(read_keys(source))
    _decide(ledger, tuple(dict.fromkeys(keys)), decision, Connection(books=books_of(ledger), **where), as_json=as_json)


def _decide(
    where: "LedgerAddress", keys: tuple[str, ...], decision: "Decision", connection: Connection, *, as_json: bool
) -> None:
    """Record a decision about each row, and print the new state of the lines."""
    from xoxo_async.bulk.ledger.lines import LineState

    async def work(ledger: "Ledger") -> "tuple[dict[str, Resolved], str]":
        decided = await _record_all(ledger, keys, decision, connection)
        if all(one.line.state is LineState.REJECTED for one in decided.values()):
            return decided, ""
        if (ledger.kind or JobKind.ORDERS) is JobKind.ORDERS:
            return decided, await continue_ledger(ledger, where, "resume")  # it fetches the codes of an order
        return decided, await next_command(ledger, where, await ledger.counts(), None)

    decided, follow = with_ledger(where, work, store_codes=False)
    for key, resolved in decided.items():
        if (lines := resolved.line.lines) > 1:
            say(f"{key} shares an order with {count(lines - 1, 'other row')}: the decision holds for all of them")
    if as_json:
        rows = [_to_json(resolved) for resolved in decided.values()]
        print_json({**(rows[0] if len(keys) == 1 else {"rows": rows}), "continue_with": follow})
        return
    for resolved in decided.values():
        if resolved.found:
            out(f"the vendor has: {resolved.found}")
        out(f"{resolved.line.key} is now {resolved.line.state.value}")
    if follow:
        say_command("continue with", follow)


def _to_json(resolved: "Resolved") -> dict[str, object]:
    line = resolved.line
    facts = {"key": line.key, "po_number": line.po_number, "state": line.state.value, "order_id": line.order_id}
    return {**facts, "found": resolved.found}


async def _record_all(
    ledger: "Ledger", keys: tuple[str, ...], decision: "Decision", connection: Connection
) -> "dict[str, Resolved]":
    """Record a decision about rows one by one; a key that is not there refuses all of them before."""
    lines = {key: await ledger.find(key) for key in keys}
    if missing := [key for key, line in lines.items() if line is None]:
        raise ConfigError(f"{ledger.name} holds no line with the key {missing[0]!r}; nothing was recorded")
    decided: dict[str, Resolved] = {}
    seen: set[int] = set()
    for key, line in lines.items():
        if line is None or line.seq in seen:
            continue  # it shares an order with a row that is decided now
        seen.add(line.seq)
        try:
            decided[key] = await _record(ledger, key, decision, connection)
        except ConfigError as error:
            more = f" and {len(decided) - _NAMED:,} more" if len(decided) > _NAMED else ""
            before = f"; recorded before: {', '.join(list(decided)[:_NAMED])}{more}" if decided else ""
            raise ConfigError(f"{error.message}{before}") from error
    return decided


async def _record(ledger: "Ledger", key: str, decision: "Decision", connection: Connection) -> "Resolved":
    from xoxo_async.bulk.deciding import decide_line
    from xoxo_async.bulk.issuer import BulkIssuer

    by_word = (ledger.kind or JobKind.ORDERS) is not JobKind.ORDERS
    if decision.placed is None or decision.unchecked or by_word:
        return await decide_line(None, ledger, key, decision)  # it makes no call, so it needs no credentials
    server = at_its_server(connection, ledger)
    async with open_client(server, say_lookups=False) as client:
        return await BulkIssuer(client, ledger, address=address_of(server)).resolve(key, decision)
