"""`xoxo points`: show a balance, send points, take points back.

The last two have no key: without a ledger a second run repeats them.
"""

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import click

from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.cli import exits
from xoxo_async.cli.bulk.options import (
    batch_option,
    max_spend_option,
    maybe_ledger_option,
    one_line,
)
from xoxo_async.cli.bulk.servers import books_of
from xoxo_async.cli.connect import ask
from xoxo_async.cli.connection import Connection
from xoxo_async.cli.consent import confirm_spending
from xoxo_async.cli.invocation import Group, complete_files
from xoxo_async.cli.json_output import print_json
from xoxo_async.cli.numbers import POINTS, Whole
from xoxo_async.cli.options import connection_options, json_option, yes_option
from xoxo_async.cli.output import out, say
from xoxo_async.cli.reply_values import to_json
from xoxo_async.cli.tables import table
from xoxo_async.cli.unkeyed.forms import JOB_FLAGS, form_options, lacks, refuse
from xoxo_async.cli.unkeyed.starting import connection_of, send_job
from xoxo_async.cli.wording import count, money

if TYPE_CHECKING:
    from xoxo_async.bulk.ledger.address import LedgerAddress
    from xoxo_async.services.points import PointsRecipient

__all__ = ["points"]

_ONE_PERSON: Final = ("email", "name", "amount", "citation")


@click.group(cls=Group)
def points() -> None:
    """Show a balance, send points, take points back."""


@points.command("balance")
@click.option("--email", help="The user's e-mail address; or give --phone.")
@click.option("--phone", help="The user's phone number.")
@json_option
@connection_options
def points_balance(email: str | None, phone: str | None, as_json: bool, **where: Any) -> None:
    """Show the points of one user."""
    if (email is None) == (phone is None):
        raise click.UsageError("give one of --email and --phone")
    found = ask(Connection(**where), lambda xoxo: xoxo.points.get_balance(email=email, phone=phone))
    if as_json:
        print_json(to_json(found))
    else:
        out(f"{money(found.total)} points")


@points.command(
    "send",
    moves_money="unkeyed",
    epilog="""\b
Examples:
  xoxo points send --sender admin@example.com --to jane@example.com --name Jane --amount 500
  xoxo points send --file people.csv --ledger points.db --sender admin@example.com --sandbox      try it
  xoxo points send --file people.csv --ledger points.db --sender admin@example.com --max-spend 50000
  xoxo points send --ledger points.db                                                             go on
  xoxo bulk template people.xlsx --kind points                                                    a file to fill in

PEOPLE is CSV, TSV or a workbook (.xlsx, .xls, .ods) with a header row, or JSONL; - is standard input. Columns: key,
email, name, amount, and if you like citation and phone. Usual names such as Employee ID, E-mail and Points are
recognised.""",
)
@click.option("--sender", "--sender-email", "sender", metavar="EMAIL",
              help="The e-mail address of the account's super admin.")  # fmt: skip
@click.option("--to", "email", metavar="EMAIL", help="One receiver's e-mail address.")
@click.option("--name", help="The name of the one receiver.")
@click.option("--amount", type=POINTS, help="The number of points for the one receiver.")
@click.option("--citation", default="", help="The reason for the points of the one receiver.")
@click.option("--expiry-month", type=Whole(1), help="The number of months until they expire.")
@click.option("--file", "source", metavar="PEOPLE", shell_complete=complete_files,
              help="Send to all people of this file; needs --ledger.")  # fmt: skip
@maybe_ledger_option
@batch_option("people", "The vendor documents no safe number above 1.")
@click.option("--balances", is_flag=True,
              help="Read the balance of each person before the call, and again if its answer is lost: evidence for the"
              " person who decides. One call more for each.")  # fmt: skip
@max_spend_option("The most points that the job may send. It pauses before it could send more", "POINTS")
@form_options
def points_send(
    ledger: "LedgerAddress | None",
    sender: str | None,
    email: str | None,
    name: str | None,
    amount: Decimal | None,
    citation: str,
    **flags: Any,
) -> int:
    """Send points to one person, or to all people of a file, each at most once.

    With --ledger, every person's result is kept, a second run sends only what is left, and a row whose answer was lost
    is never sent again by itself: it waits for your decision (xoxo bulk status). Without --ledger, look in the vendor's
    dashboard after a lost answer.
    """
    if ledger is not None:
        refuse(_ONE_PERSON, "is for one person; with --ledger, people come from --file")
        if flags["source"] is not None and not sender:
            raise lacks(("sender",), "with --file")
        from xoxo_async.cli.unkeyed.work import JobWork

        return send_job(JobKind.POINTS, ledger, JobWork, sender=sender or "", **flags)
    refuse(JOB_FLAGS, "needs --ledger")
    if sender is None or email is None or name is None or amount is None:
        raise lacks(("sender", "email", "name", "amount"), "for one person, or --ledger for many")
    from xoxo_async.services.points import PointsRecipient

    return _send_to_one(
        PointsRecipient(name=name, email=email, amount=amount, citation=citation),
        sender=sender,
        expiry_month=flags["expiry_month"],
        yes=flags["yes"],
        as_json=flags["as_json"],
        connection=connection_of(flags),
    )


def _send_to_one(
    recipient: "PointsRecipient",
    *,
    sender: str,
    expiry_month: int | None,
    yes: bool,
    as_json: bool,
    connection: Connection,
) -> int:
    """Send points to one person, and return the exit code."""
    confirm_spending(connection, f"send {money(Decimal(recipient.amount))} points to {recipient.email}", yes=yes)
    sent = ask(
        connection,
        lambda xoxo: xoxo.points.send(sender_email=sender, recipients=[recipient], expiry_month=expiry_month),
    )
    if as_json:
        print_json(to_json(sent))
        return exits.DONE
    say(sent.message or "sent")
    table(("unique id", "receiver", "points"), ((c.unique_id, c.email, money(c.points)) for c in sent.recipients))
    return exits.DONE


@points.command(
    "cancel",
    moves_money="unkeyed",
    epilog="""\b
Examples:
  xoxo points cancel 987654321
  xoxo points cancel --ledger points.db EMP-17 EMP-18 --reason "left the company"
  xoxo points cancel --ledger points.db --all --reason "wrong list"
  xoxo points cancel --ledger points.db EMP-17 --found cancelled --reason "the dashboard shows it" """,
)
@click.argument("names", nargs=-1, metavar="[UNIQUE_ID|KEY]...")
@maybe_ledger_option
@click.option("--all", "all_rows", is_flag=True, help="Take back the points of all rows; needs --ledger.")
@click.option("--reason", default="", metavar="TEXT", callback=one_line, help="The reason; the ledger keeps it.")
@batch_option("rows")
@click.option("--found", type=click.Choice(["cancelled", "kept"]),
              help="Record what you found in the dashboard about rows whose cancellation is in doubt; makes no call.",
              )  # fmt: skip
@yes_option
@json_option
@connection_options
def points_cancel(
    names: tuple[str, ...],
    ledger: "LedgerAddress | None",
    all_rows: bool,
    reason: str,
    batch: int,
    found: str | None,
    yes: bool,
    as_json: bool,
    **where: Any,
) -> int:
    """Take points back: by the unique ids that `send` printed, or by the rows of a ledger.

    With --ledger, the result of each row is kept, and a second run asks only for rows that are not cancelled. A row
    whose answer was lost is not asked for again: look in the vendor's dashboard, and record it with --found.
    """
    if ledger is None:
        refuse(("all_rows", "reason", "batch", "found"), "needs --ledger")
        return _take_back(names, Connection(**where), yes=yes, as_json=as_json)
    if bool(names) == all_rows:
        raise click.UsageError("give the KEY of each row, or --all")
    if not reason.strip():
        raise click.UsageError("--ledger needs --reason, which the journal keeps")
    from xoxo_async.cli.unkeyed.cancel import cancel_points, settle_cancels

    if found is not None:
        if all_rows:
            raise click.UsageError("--found needs the KEY of each row that you have looked for")
        settle_cancels(ledger, names, cancelled=found == "cancelled", reason=reason, as_json=as_json)
        return exits.DONE
    connection = Connection(books=books_of(ledger), **where)
    return cancel_points(
        ledger, None if all_rows else names, connection, reason=reason, batch=batch, yes=yes, as_json=as_json
    )


def _take_back(names: tuple[str, ...], connection: Connection, *, yes: bool, as_json: bool) -> int:
    """Take points back by their unique ids, and return the exit code."""
    if not names:
        raise click.UsageError("give the unique ids that `send` printed, or --ledger for the rows of a job")
    unique_ids = list(dict.fromkeys(Whole(1).convert(name, None, None) for name in names))
    confirm_spending(connection, f"take back {count(len(unique_ids), 'credit')}", yes=yes)
    done = ask(connection, lambda xoxo: xoxo.points.cancel(unique_ids))
    if as_json:
        print_json(to_json(done))
    else:
        rows = ((r.unique_id, "cancelled" if r.success else "refused", r.message) for r in done.recipients)
        table(("unique id", "result", "message"), rows)
    return exits.of_results(result.success for result in done.recipients)
