"""`xoxo bulk export`: write a row for every voucher to a private file, and name the rows without codes."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.cli import exits
from xoxo_async.cli.bulk.alarms import print_alarms
from xoxo_async.cli.bulk.continuing import continue_ledger
from xoxo_async.cli.bulk.ledgers import with_ledger
from xoxo_async.cli.bulk.options import ledger_option
from xoxo_async.cli.bulk.servers import address_of, at_its_server, books_of
from xoxo_async.cli.connect import open_client
from xoxo_async.cli.connection import Connection
from xoxo_async.cli.failures import scrub
from xoxo_async.cli.invocation import Command
from xoxo_async.cli.json_output import print_json
from xoxo_async.cli.options import NewFile, connection_options, json_option
from xoxo_async.cli.output import say, say_command
from xoxo_async.cli.wording import count

if TYPE_CHECKING:
    from xoxo_async.bulk.exporting.files import ExportFile
    from xoxo_async.bulk.exporting.rows import Exported
    from xoxo_async.bulk.ledger.address import LedgerAddress
    from xoxo_async.bulk.ledger.protocol import Ledger

__all__ = ["export", "run_export"]

_ONE: Final = {JobKind.ORDERS: "code", JobKind.LINKS: "link"}
"""What a row of an export has; points and mails go to their recipients."""
_NAMED: Final = 5
"""Files that are named; JSON names all of them."""


@click.command(
    cls=Command,
    epilog="""\b
Examples:
  xoxo bulk export --ledger march.db --out codes.xlsx --reveal
  xoxo bulk export --ledger march.db --out codes.xlsx --reveal --split-by Department
  xoxo bulk export --ledger march.db --out report.jsonl          everything except the codes""",
)
@ledger_option
@click.option("--out", "path", type=NewFile(), required=True, metavar="FILE",
              help="The new file, .xlsx, .csv or .jsonl, mode 0600. It may replace an older export only.")  # fmt: skip
@click.option("--reveal", is_flag=True, help="Write the codes themselves. They are cash.")
@click.option("--excel", is_flag=True, help="Make the .csv one that Excel opens without changing a code.")
@click.option("--split-by", default="", metavar="COLUMN",
              help="Write one file for each value of a column: a kept one, product_id, currency, tag …")  # fmt: skip
@json_option
@connection_options
def export(
    ledger: "LedgerAddress", path: Path, reveal: bool, excel: bool, split_by: str, as_json: bool, **where: Any
) -> int:
    """Write a row for every voucher, and one for every order without vouchers. Codes are masked without --reveal.

    Exit code 3: some rows lack codes, and standard error names them.

    A .xlsx has every code as text, to the digit, and a second sheet with what is missing and why. It needs
    `pip install 'xoxo-async[files]'`. For codes that people open in Excel, it is the right form.

    A spreadsheet runs no cell of a .csv as a formula: a text that begins with = + - @, a tab or a line end gets an
    apostrophe before it, and a text that begins with an apostrophe gets a second one. Codes and PINs are exact. With
    --excel, codes, PINs and texts that Excel would read as a number or a date get an apostrophe, too, and Excel shows
    it. In .jsonl every text is exact.

    With --split-by, codes.xlsx becomes codes-Sales.xlsx and so on, and rows without a value go to codes-none.xlsx.
    """
    connection = Connection(books=books_of(ledger), **where)
    return run_export(ledger, path, connection, reveal=reveal, excel=excel, split_by=split_by, as_json=as_json)


def run_export(
    where: "LedgerAddress",
    out: Path,
    connection: Connection,
    *,
    reveal: bool,
    as_json: bool,
    excel: bool = False,
    split_by: str = "",
) -> int:
    """Write the rows and codes of a ledger to a file, and print a summary.

    Args:
        where: The ledger.
        out: The file, `.xlsx`, `.csv` or `.jsonl`. It replaces an older export with that name.
        connection: The server that has the codes, if the ledger does not keep them.
        reveal: Whether to write codes in clear.
        as_json: Whether to print JSON.
        excel: Whether a `.csv` is for Excel.
        split_by: The column by whose values the export is split; empty for a single file.

    Returns:
        The exit code: 4 for an alarm, 3 if codes are missing.

    Raises:
        ConfigError: The file cannot be written or has another suffix, or credentials to fetch codes are missing.
        XoxoError: The ledger or the vendor failed. No file is left.
    """
    from xoxo_async.bulk.exporting.fetching import CodeFetcher
    from xoxo_async.bulk.exporting.files import ExportFile, export_rows

    file = ExportFile(out, ledger=where.name, excel=excel, split_by=split_by)

    async def write(ledger: "Ledger") -> "tuple[Exported, str, JobKind]":
        # The fetcher opens a client only when it needs one, so an export of codes in the ledger needs no credentials.
        server = at_its_server(connection, ledger)
        fetcher = CodeFetcher(ledger, lambda: open_client(server), address=address_of(server))
        done = await export_rows(ledger, file, fetcher, reveal=reveal, clean=scrub)
        return done, await _next_command(ledger, where, done), ledger.kind or JobKind.ORDERS

    # A ledger in a folder that cannot be written has no lock to take, and nobody else writes it there.
    done, follow, kind = with_ledger(where, write, read_only=_is_fixed(where))
    code = exits.of_export(done)
    _print(done, file, follow, kind, where, reveal=reveal)
    if as_json:
        facts = {"out": str(out), **msgspec.to_builtins(done), "revealed": reveal}
        print_json({**facts, "exit_code": code, "continue_with": follow})
    return code


def _is_fixed(where: "LedgerAddress") -> bool:
    """Return whether a ledger is a file that is there, in a folder that cannot be written."""
    return where.path is not None and where.path.exists() and not os.access(where.path.resolve().parent, os.W_OK)


async def _next_command(ledger: "Ledger", where: "LedgerAddress", done: "Exported") -> str:
    """Return the command after which an export has more codes; empty if no command helps."""
    from xoxo_async.bulk.ledger.lines import LineState

    counts = await ledger.counts()
    if done.not_sent or counts.unknown > counts.states.get(LineState.MANUAL, 0):
        return await continue_ledger(ledger, where, "resume")
    return await continue_ledger(ledger, where, "reconcile") if done.waiting else ""


def _print(
    done: "Exported", file: "ExportFile", follow: str, kind: JobKind, where: "LedgerAddress", *, reveal: bool
) -> None:
    """Print what the file has, and what it lacks."""
    in_clear = "in clear" if reveal else "masked; --reveal writes them"
    one = _ONE.get(kind, "")
    codes = f", {count(done.codes, one)} {in_clear}" if one else ""
    say(f"{count(done.rows, 'row')} in {_where(done, file)}{codes}")
    if done.formulas and reveal and file.as_csv:
        say(
            f"{count(done.formulas, 'cell')} with a code or PIN begins with a sign that a spreadsheet calculates with: "
            "export .xlsx, which has them as text, or open the file with these columns as text"
        )
    _print_missing(done, f"without all of the {one}s" if one else "in doubt")
    print_alarms(done.alarms, done.alarms_total, settled_in=where if kind is JobKind.LINKS else None)
    if follow:
        say_command(f"{'collect them' if ' reconcile ' in follow else 'continue'} with", follow)


def _where(done: "Exported", file: "ExportFile") -> str:
    """Return the file, or the files, that the rows are in."""
    if not file.split_by:
        return str(file.path)
    if not done.files:
        return "no file: no row has a value"
    shown = ", ".join(done.files[:_NAMED])
    return f"{count(len(done.files), 'file')}: {shown}{', …' if len(done.files) > _NAMED else ''}"


def _print_missing(done: "Exported", lacking: str) -> None:
    if done.missing:
        say(f"warning: {count(done.missing, 'row')} {lacking}")
        for row in done.missing_rows:
            say(f"  {row.key}: {row.why}")
        more = done.missing - len(done.missing_rows)
        if more:
            say(f"  … and {more:,} more")
    if done.not_sent:
        say(f"warning: {count(done.not_sent, 'row')} not sent yet")
    if done.waiting:
        waits = "order waits for its codes" if done.waiting == 1 else "orders wait for their codes"
        say(f"{done.waiting:,} {waits}; collect them, and export again")
