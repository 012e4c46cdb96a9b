"""`xoxo points`: show a balance, send points, take points back. The last two have no key: a second run repeats them."""

from decimal import Decimal
from typing import Any

import click

from xoxo_async.cli import exits
from xoxo_async.cli.connect import ask
from xoxo_async.cli.connection import Connection
from xoxo_async.cli.consent import confirm_spending
from xoxo_async.cli.invocation import Group
from xoxo_async.cli.json_output import print_json, to_json
from xoxo_async.cli.numbers import AMOUNT, Whole
from xoxo_async.cli.options import connection_options, json_option, yes_option
from xoxo_async.cli.output import out, say
from xoxo_async.cli.tables import table
from xoxo_async.cli.wording import count, money
from xoxo_async.services.points import PointsRecipient

__all__ = ["points"]


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
    epilog="Example:  xoxo points send --sender admin@example.com --to jane@example.com --name Jane --amount 500",
)
@click.option("--sender", required=True, help="The e-mail address of the account's super admin.")
@click.option("--to", "email", required=True, help="The receiver's e-mail address.")
@click.option("--name", required=True, help="The receiver's name.")
@click.option("--amount", type=AMOUNT, required=True, help="The number of points.")
@click.option("--citation", default="", help="The reason for the points.")
@click.option("--expiry-month", type=Whole(1), help="The number of months until they expire.")
@yes_option
@json_option
@connection_options
def points_send(
    sender: str,
    email: str,
    name: str,
    amount: Decimal,
    citation: str,
    expiry_month: int | None,
    yes: bool,
    as_json: bool,
    **where: Any,
) -> None:
    """Send points to one person. After a lost answer, look in the vendor's dashboard."""
    connection = Connection(**where)
    confirm_spending(connection, f"send {money(amount)} points to {email}", yes=yes)
    recipient = PointsRecipient(name=name, email=email, amount=amount, citation=citation)
    sent = ask(
        connection,
        lambda xoxo: xoxo.points.send(sender_email=sender, recipients=[recipient], expiry_month=expiry_month),
    )
    if as_json:
        print_json(to_json(sent))
        return
    say(sent.message or "sent")
    table(("unique id", "receiver", "points"), ((c.unique_id, c.email, money(c.points)) for c in sent.recipients))


@points.command("cancel", moves_money="unkeyed")
@click.argument("unique_ids", type=Whole(1), nargs=-1, required=True)
@yes_option
@json_option
@connection_options
def points_cancel(unique_ids: tuple[int, ...], yes: bool, as_json: bool, **where: Any) -> int:
    """Take points back, by the unique ids that `send` printed."""
    connection = Connection(**where)
    confirm_spending(connection, f"take back {count(len(unique_ids), 'credit')}", yes=yes)
    done = ask(connection, lambda xoxo: xoxo.points.cancel(unique_ids))
    if as_json:
        print_json(to_json(done))
    else:
        rows = ((r.unique_id, "cancelled" if r.success else "refused", r.message) for r in done.recipients)
        table(("unique id", "result", "message"), rows)
    return exits.of_results(result.success for result in done.recipients)
