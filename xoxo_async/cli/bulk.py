"""`xoxo bulk`: plan, run, resume, reconcile, status, export, resolve, withdraw, rebind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

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
        click.option("--concurrency", type=CONCURRENCY, metavar="N|auto",
                     help="Orders in flight at most; auto has as many as the allowance needs [default: what the ledger"
                     " keeps, else auto]."),
        click.option("--rate", type=RATE, metavar="N|none",
                     help="Orders a minute [default: what the ledger keeps, else the vendor's 100]."),
        click.option("--settle", type=SECONDS, metavar="S",
                     help="Seconds until a lost order counts as absent [default: what the ledger keeps, else 150]."),
        click.option("--resend", type=click.Choice(["settled", "never"]),
                     help="Whether what is proven absent is placed again, or left to a person [default: what the ledger"
                     " keeps, else settled]."),
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
            help="What the job may cost, in the account's currency; it pauses before it could go over [default: what"
            " the ledger keeps].",
        ),
        click.option("--restore", is_flag=True,
                     help="This ledger replaces a lost one, or is an older copy: look every planned row up before it is"
                     " sent, and adopt the orders that match."),
        click.option("--yes", is_flag=True, help="Do not ask, also where it is real money."),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def _row_options(command: Command) -> Command:
    """Add the flags that say how rows become orders."""
    options = [
        click.option("--pack", is_flag=True,
                     help="Let rows of one product and value that want only codes share orders, up to its limit."),
        click.option("--skip-invalid", is_flag=True, help="Leave bad rows out (exit 3) instead of sending nothing."),
        click.option("--withdraw-missing", "missing", flag_value="withdraw", default="refuse",
                     help="Withdraw planned rows of the ledger that ORDERS no longer has."),
        click.option("--keep-missing", "missing", flag_value="keep",
                     help="Send planned rows of the ledger although ORDERS no longer has them."),
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
@click.option("--ledger", type=_LedgerPath(path_type=Path), metavar="FILE",
              help="Write the plan into this ledger; `resume` sends it later.")  # fmt: skip
@click.option("--job", default="", metavar="NAME", help="The job's name in that ledger [default: its file's name].")
@click.option("--rate", type=RATE, metavar="N|none", help="Orders a minute [default: the vendor's 100].")
@json_option
@connection_options
def plan(
    orders: str,
    pack: bool,
    skip_invalid: bool,
    missing: Literal["refuse", "withdraw", "keep"],
    ledger: Path | None,
    job: str,
    as_json: bool,
    **where: Any,
) -> int:
    """Check every row of ORDERS against the catalogue and the balance. Moves no money.

    ORDERS is CSV with a header row, or JSONL; - is standard input. Columns: key, product_id, denomination, quantity,
    email, contact, tag, notify_receiver, notify_admin, po_number; and currency and country, which are checked against
    the product and not sent.
    """
    from xoxo_async.cli.bulk_plan import Asked, run_plan

    connection = Connection(books=books_of(ledger) if ledger is not None else None, **where)
    asked = Asked(
        orders, connection, pack=pack, skip_invalid=skip_invalid, ledger=ledger, job=job, missing=missing
    )  # fmt: skip
    return run_plan(asked, as_json=as_json)


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
        connections=given["concurrency"] if isinstance(given["concurrency"], int) else 0,
    )
    return run_work(Work(action=action, orders=orders, connection=connection, **given))


def books_of(ledger: Path) -> Path:
    """Return where the sandbox of a ledger keeps its books."""
    return ledger.with_name(f"{ledger.name}.sandbox")


@bulk.command(epilog="Example:  xoxo bulk status --ledger march.db")
@_ledger_option
@json_option
def status(ledger: Path, as_json: bool) -> int:
    """Show where a job stands, and what needs a look; also while it runs. Asks nobody, needs no credentials."""
    from xoxo_async.cli.bulk_books import show_status

    return show_status(ledger, as_json=as_json)


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
def export(ledger: Path, path: Path, reveal: bool, as_json: bool, **where: Any) -> int:
    """Write a row for every voucher, and one for every order without. Codes are masked unless --reveal.

    Exit code 3: some rows have no codes in the file, or not all; standard error names them.

    No spreadsheet runs a cell of a .csv: a text that begins with = + - @, a tab or a line end gets an apostrophe before
    it, and one that begins with an apostrophe gets a second one. Codes and PINs are written exactly as they are. In
    .jsonl everything is exact.
    """
    from xoxo_async.cli.bulk_export import run_export

    return run_export(ledger, path, Connection(books=books_of(ledger), **where), reveal=reveal, as_json=as_json)


@bulk.command(
    epilog="""\b
Examples, once the vendor's dashboard has told what became of EMP-17:
  xoxo bulk resolve EMP-17 --ledger march.db --placed 123456
  xoxo bulk resolve EMP-17 --ledger march.db --resend --reason "support says it was never received"
  xoxo bulk resolve EMP-17 --ledger march.db --reject --reason "bought elsewhere" """
)
@click.argument("key")
@_ledger_option
@click.option("--placed", type=Whole(1), metavar="ORDERID", help="It exists, under this order id; it is looked up.")
@click.option("--unchecked", is_flag=True, help="Believe --placed without asking the vendor, when the vendor is down.")
@click.option("--resend", is_flag=True, help="It does not exist; place it again, under the same poNumber.")
@click.option("--reject", is_flag=True, help="It does not exist, and is no longer wanted.")
@click.option("--reason", default="", help="Why; kept in the journal. Needed for --reject.")
@json_option
@connection_options
def resolve(
    key: str,
    ledger: Path,
    placed: int | None,
    unchecked: bool,
    resend: bool,
    reject: bool,
    reason: str,
    as_json: bool,
    **where: Any,
) -> None:
    """Decide a line that no safe automatic step is left for, or correct such a decision. KEY is the row's key.

    --placed looks the order up first: it has to exist, to match the row, and to be no other row's. --resend spends
    again if the order does exist after all: look in the dashboard first.
    """
    if [placed is not None, resend, reject].count(True) != 1:
        raise click.UsageError("give one of --placed ORDERID, --resend and --reject")
    if unchecked and placed is None:
        raise click.UsageError("--unchecked goes with --placed")
    if reject and not reason.strip():
        raise click.UsageError("--reject needs --reason: it is kept in the journal")
    from xoxo_async.bulk.deciding import Decision
    from xoxo_async.cli.bulk_books import decide

    decision = Decision(placed=placed, resend=resend, reason=reason, unchecked=unchecked)
    decide(ledger, key, decision, Connection(books=books_of(ledger), **where), as_json=as_json)


_reason_option = click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the journal.")


@bulk.command(
    epilog="""\b
Examples:
  xoxo bulk withdraw EMP-17 EMP-18 --ledger march.db --reason "left the company"
  xoxo bulk withdraw --planned --ledger march.db --reason "the campaign is off" """
)
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option("--planned", is_flag=True, help="All rows that were never sent.")
@_ledger_option
@_reason_option
@json_option
def withdraw(keys: tuple[str, ...], planned: bool, ledger: Path, reason: str, as_json: bool) -> None:
    """Withdraw rows that were never sent: they are never sent then. KEY is a row's key. Moves no money."""
    if bool(keys) == planned:
        raise click.UsageError("name the rows by KEY, or give --planned for all of them")
    if not reason.strip():
        raise click.UsageError("--reason must not be blank: it is kept in the journal")
    from xoxo_async.cli import bulk_books

    bulk_books.withdraw(ledger, keys, reason, as_json=as_json)


@bulk.command(epilog='Example:  xoxo bulk rebind --ledger march.db --reason "new client id for the same account"')
@_ledger_option
@_reason_option
@json_option
@connection_options
def rebind(ledger: Path, reason: str, as_json: bool, **where: Any) -> None:
    """Let a ledger belong to the account and address this command is set up for. Moves no money.

    For a client id that was replaced in the vendor's dashboard, or a server whose address changed. At another account
    every order of the ledger looks absent, and is bought again.
    """
    if not reason.strip():
        raise click.UsageError("--reason must not be blank: it is kept in the journal")
    from xoxo_async.cli import bulk_books

    bulk_books.rebind(ledger, reason, Connection(books=books_of(ledger), **where), as_json=as_json)
