"""`xoxo bulk`: plan, run, resume, reconcile, status, export, resolve."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from xoxo_async.cli.connect import Connection, connection_options, json_option
from xoxo_async.cli.numbers import AMOUNT, CONCURRENCY, RATE, SECONDS, Whole

__all__ = ["bulk"]

Command = TypeVar("Command", bound=Callable[..., Any])


class _LedgerPath(click.Path):
    """A file's path: not empty, and not that of a folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it."""
        if not str(value).strip() or not Path(value).name:
            self.fail(f"{str(value)!r} is not a file's name", param, ctx)
        return super().convert(value, param, ctx)


_ledger_option = click.option(
    "--ledger",
    type=_LedgerPath(path_type=Path),
    required=True,
    metavar="FILE",
    help="The job's ledger: the truth about it.",
)


def _work_options(command: Command) -> Command:
    """Add the flags of commands that work on a ledger's lines."""
    options = [
        _ledger_option,
        click.option("--job", default="", metavar="NAME", help="The job's name [default: the ledger's own]."),
        click.option("--concurrency", type=CONCURRENCY, default="auto", show_default=True, metavar="N|auto",
                     help="Orders in flight at most; auto has as many as the allowance needs."),
        click.option("--rate", type=RATE, metavar="N|none", help="Orders a minute [default: the vendor's 100]."),
        click.option("--settle", type=SECONDS, metavar="S", help="Seconds until a lost order counts as absent."),
        click.option("--resend", type=click.Choice(["settled", "never"]), default="settled", show_default=True,
                     help="Whether what is proven absent is placed again, or left to a person."),
        click.option("--no-codes", is_flag=True, help="Keep no voucher codes in the ledger, only order ids."),
        click.option("--pause-limit", type=SECONDS, default=60.0, show_default=True, metavar="S",
                     help="Seconds a dead server, or a penalty's end, is waited for before the run pauses (exit 5)."),
        click.option("--grace", type=SECONDS, default=30.0, show_default=True, metavar="S",
                     help="Seconds that requests in flight get after Ctrl-C."),
        json_option,
        connection_options,
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def _spend_options(command: Command) -> Command:
    """Add the flags of commands that place orders."""
    options = [
        click.option(
            "--max-spend",
            type=AMOUNT,
            metavar="N",
            help="What the job may cost, in the account's currency; it pauses before it could go over.",
        ),
        click.option("--yes", is_flag=True, help="Do not ask, also where it is real money."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _row_options(command: Command) -> Command:
    """Add the flags that say how rows become orders."""
    options = [
        click.option("--pack", is_flag=True,
                     help="Let rows of one product and value that want only codes share orders, up to its limit."),
        click.option("--skip-invalid", is_flag=True, help="Leave bad rows out (exit 3) instead of sending nothing."),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def bulk() -> None:
    """Issue many vouchers from a file, each accounted for exactly once.

    A ledger file remembers every order line: what was sent, what came of it, its codes. Running again, after a crash
    too, does only what is left.
    """


@bulk.command(epilog="Example:  xoxo bulk plan orders.csv --pack")
@click.argument("orders")
@_row_options
@click.option("--rate", type=RATE, metavar="N|none", help="Orders a minute [default: the vendor's 100].")
@json_option
@connection_options
def plan(orders: str, pack: bool, skip_invalid: bool, as_json: bool, **where: Any) -> int:
    """Check every row of ORDERS against the catalogue and the balance. Moves no money.

    ORDERS is CSV with a header row, or JSONL; - is standard input. Columns: key, product_id, denomination, quantity,
    email, contact, tag, notify_receiver, notify_admin, po_number; and currency and country, which are checked against
    the product and not sent.
    """
    from xoxo_async.cli.bulk_plan import Asked, run_plan

    return run_plan(Asked(orders, Connection(**where), pack=pack, skip_invalid=skip_invalid), as_json=as_json)


@bulk.command(
    epilog="""\b
Examples:
  xoxo bulk run orders.csv --ledger march.db --sandbox          try it, without an account
  xoxo bulk run orders.csv --ledger march.db                    the same, for real
  xoxo bulk run orders.csv --ledger march.db --max-spend 50000 --yes --json

Ctrl-C ends it in order: what is in flight is waited for and written down, and the command that continues is printed."""
)
@click.argument("orders")
@_row_options
@_work_options
@_spend_options
def run(orders: str, **given: Any) -> int:
    """Issue the vouchers of ORDERS (CSV, JSONL, - for standard input). Moves money.

    Every row is checked before the first is sent; a bad one, and nothing is sent, unless --skip-invalid. Running it
    again issues only what is not issued yet.
    """
    return _work("run", given, orders=orders)


@bulk.command(epilog="Example:  xoxo bulk resume --ledger march.db")
@_work_options
@_spend_options
def resume(**given: Any) -> int:
    """Go on with a ledger's job: settle what is unknown, send what is left. Moves money."""
    return _work("resume", given)


@bulk.command(epilog="Example:  xoxo bulk reconcile --ledger march.db")
@_work_options
def reconcile(**given: Any) -> int:
    """Look up what is unknown or pending, and settle it. Sends no order, ever."""
    return _work("reconcile", given)


def _work(action: str, given: dict[str, Any], orders: str = "") -> int:
    from xoxo_async.cli.bulk_run import run_work
    from xoxo_async.cli.bulk_work import Work

    connection = Connection(
        base_url=given.pop("base_url"),
        client_id=given.pop("client_id"),
        sandbox=given.pop("sandbox"),
        books=books_of(given["ledger"]),
        rate=given.pop("rate"),
        connections=given["concurrency"] if given["concurrency"] != "auto" else 0,
    )
    return run_work(Work(action=action, orders=orders, connection=connection, **given))


def books_of(ledger: Path) -> Path:
    """Return where the sandbox of a ledger keeps its books."""
    return ledger.with_name(f"{ledger.name}.sandbox")


@bulk.command(epilog="Example:  xoxo bulk status --ledger march.db")
@_ledger_option
@json_option
def status(ledger: Path, as_json: bool) -> None:
    """Show where a job stands, and what needs a look; also while it runs. Asks nobody, needs no credentials."""
    from xoxo_async.cli.bulk_books import show_status

    show_status(ledger, as_json=as_json)


@bulk.command(
    epilog="""\b
Examples:
  xoxo bulk export --ledger march.db --out codes.csv --reveal
  xoxo bulk export --ledger march.db --out report.jsonl          everything but the codes"""
)
@_ledger_option
@click.option("--out", "path", type=click.Path(path_type=Path), required=True, metavar="FILE",
              help="Where to: .csv or .jsonl, for you alone. Replaces an older export, no other file.")  # fmt: skip
@click.option("--reveal", is_flag=True, help="Write the codes themselves; they are cash.")
@json_option
@connection_options
def export(ledger: Path, path: Path, reveal: bool, as_json: bool, **where: Any) -> None:
    """Write a row for every voucher, and one for every order without. Codes are masked unless --reveal."""
    from xoxo_async.cli.bulk_export import run_export

    run_export(ledger, path, Connection(books=books_of(ledger), **where), reveal=reveal, as_json=as_json)


@bulk.command(
    epilog="""\b
Examples, once the vendor's dashboard has told what became of EMP-17:
  xoxo bulk resolve EMP-17 --ledger march.db --placed 123456
  xoxo bulk resolve EMP-17 --ledger march.db --resend --reason "support says it was never received"
  xoxo bulk resolve EMP-17 --ledger march.db --reject --reason "bought elsewhere" """
)
@click.argument("key")
@_ledger_option
@click.option("--placed", type=Whole(1), metavar="ORDERID", help="It exists, under this order id.")
@click.option("--resend", is_flag=True, help="It does not exist; place it again, under the same poNumber.")
@click.option("--reject", is_flag=True, help="It does not exist, and is no longer wanted.")
@click.option("--reason", default="", help="Why; kept in the journal. Needed for --reject.")
@json_option
def resolve(key: str, ledger: Path, placed: int | None, resend: bool, reject: bool, reason: str, as_json: bool) -> None:
    """Decide a line that no safe automatic step is left for. KEY is the row's key.

    --resend spends again if the order does exist after all: look in the dashboard first.
    """
    if [placed is not None, resend, reject].count(True) != 1:
        raise click.UsageError("give one of --placed ORDERID, --resend and --reject")
    if reject and not reason.strip():
        raise click.UsageError("--reject needs --reason: it is kept in the journal")
    from xoxo_async.cli.bulk_books import Decision, decide

    decide(ledger, key, Decision(placed=placed, resend=resend, reason=reason), as_json=as_json)
