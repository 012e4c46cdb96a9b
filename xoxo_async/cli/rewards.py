"""Points and links: calls without a key, so that nothing here is ever sent twice by itself."""

import errno
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xoxo_async.cli.ask import ask, confirm_spending, takers
from xoxo_async.cli.connect import Connection, connection_options, json_option
from xoxo_async.cli.exits import REJECTED, UNKNOWN
from xoxo_async.cli.numbers import AMOUNT, Whole
from xoxo_async.cli.render import count, json_text, money, out, public, say, table, words
from xoxo_async.client import XoxoClient

if TYPE_CHECKING:
    from xoxo_async.cli.files import ReservedFile
    from xoxo_async.services.links import LinkBatch

__all__ = ["links", "points"]

_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def points() -> None:
    """Reward points: balance, sending, taking back."""


@points.command("balance")
@click.option("--email", help="The user's address, or")
@click.option("--phone", help="the user's phone.")
@json_option
@connection_options
def points_balance(email: str | None, phone: str | None, as_json: bool, **where: Any) -> None:
    """Show the points of one user."""
    if (email is None) == (phone is None):
        raise click.UsageError("give one of --email and --phone")
    found = ask(Connection(**where), lambda xoxo: xoxo.points.get_balance(email=email, phone=phone))
    out(json_text(public(found)) if as_json else f"{money(found.total)} points")


@points.command(
    "send",
    epilog="Example:  xoxo points send --sender admin@example.com --to jane@example.com --name Jane --amount 500",
)
@click.option("--sender", required=True, help="The account's super admin.")
@click.option("--to", "email", required=True, help="The receiver's address.")
@click.option("--name", required=True, help="The receiver's name.")
@click.option("--amount", type=AMOUNT, required=True, help="How many points.")
@click.option("--citation", default="", help="What for.")
@click.option("--expiry-month", type=Whole(1), help="After how many months they expire.")
@click.option("--yes", is_flag=True, help="Do not ask, also where it is real money.")
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
    """Send points to one person. A lost answer can only be cleared up in the dashboard."""
    from xoxo_async.services.points import PointsRecipient

    connection = Connection(**where)
    confirm_spending(connection, f"send {money(amount)} points to {email}", yes=yes)
    recipient = PointsRecipient(name=name, email=email, amount=amount, citation=citation)
    sent = ask(
        connection,
        lambda xoxo: xoxo.points.send(sender_email=sender, recipients=[recipient], expiry_month=expiry_month),
    )
    if as_json:
        out(json_text(public(sent)))
        return
    say(sent.message or "sent")
    table(("unique id", "receiver", "points"), ((c.unique_id, c.email, money(c.points)) for c in sent.recipients))


@points.command("cancel")
@click.argument("unique_ids", type=Whole(1), nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask, also where it is real money.")
@json_option
@connection_options
def points_cancel(unique_ids: tuple[int, ...], yes: bool, as_json: bool, **where: Any) -> int:
    """Take points back, by the unique ids that sending them gave."""
    connection = Connection(**where)
    confirm_spending(connection, f"take back {count(len(unique_ids), 'credit')}", yes=yes)
    done = ask(connection, lambda xoxo: xoxo.points.cancel(unique_ids))
    if as_json:
        out(json_text(public(done)))
    else:
        rows = ((r.unique_id, "cancelled" if r.success else "refused", r.message) for r in done.recipients)
        table(("unique id", "result", "message"), rows)
    return 0 if all(result.success for result in done.recipients) else REJECTED


@click.group()
def links() -> None:
    """Reward links: campaigns, making links, mailing them."""


@links.command("campaigns")
@click.option("--name", default="", help="Only campaigns with this in their name.")
@click.option("--limit", type=Whole(1), default=100, show_default=True, help="How many at most.")
@json_option
@connection_options
def links_campaigns(name: str, limit: int, as_json: bool, **where: Any) -> None:
    """List the campaigns that links can be made of."""
    found = ask(
        Connection(**where),
        lambda xoxo: takers(xoxo.links.iterate_campaigns(limit=min(limit, 100), name=name), limit),
    )
    if as_json:
        out(json_text({"campaigns": public(found)}))
        return
    rows = (
        (c.campaign_id, words(c.campaign_name), money(c.denomination_value, c.currency_code), c.country_name)
        for c in found
    )
    table(("id", "name", "value", "country"), rows)


@links.command(
    "generate",
    epilog="Example:  xoxo links generate --campaign-id 7 --quantity 100 --expires-on 2026-12-31 --out links.txt",
)
@click.option("--campaign-id", type=Whole(1), required=True, help="The campaign.")
@click.option("--quantity", type=Whole(1), required=True, help="How many links.")
@click.option("--expires-on", type=_DAY, required=True, help="Their last day.")
@click.option(
    "--out",
    "path",
    type=click.Path(path_type=Path),
    help="Write the links to this new file, 0600; one that is there is never overwritten.",
)
@click.option("--reveal", is_flag=True, help="Show the links.")
@click.option("--yes", is_flag=True, help="Do not ask, also where it is real money.")
@json_option
@connection_options
def links_generate(
    campaign_id: int,
    quantity: int,
    expires_on: datetime,
    path: Path | None,
    reveal: bool,
    yes: bool,
    as_json: bool,
    **where: Any,
) -> int:
    """Make links. Each is cash, and no later call shows it again: give --out or --reveal."""
    if path is None and not reveal:
        raise click.UsageError("links are shown once only: give --out FILE to keep them, or --reveal to see them")
    connection = Connection(**where)
    confirm_spending(connection, f"make {count(quantity, 'link')} of campaign {campaign_id}", yes=yes)
    from xoxo_async.cli.files import ReservedFile

    # Before the call: a file that cannot be made must not cost the links.
    file = ReservedFile(path) if path is not None else None
    made: list[LinkBatch] = []

    async def generate(xoxo: XoxoClient) -> None:
        made.append(await xoxo.links.generate(campaign_id=campaign_id, quantity=quantity, expires_on=expires_on.date()))

    def shown() -> str:
        return f"{json_text(public(made[0], reveal=reveal))}\n" if as_json else _listed(made[0])

    try:
        ask(connection, generate)
        if file is not None:
            file.write(_listed(made[0]))
        else:
            _write_out(shown())
    except BaseException as error:
        if not made:
            raise
        return _rescue(made[0], error, file)
    finally:
        if file is not None:
            file.close()
    if file is not None:
        say(f"{count(len(made[0].links), 'link')} in {path}")
        if reveal or as_json:
            out(shown().rstrip())
    return 0


def _listed(batch: "LinkBatch") -> str:
    return "".join(f"{link.reveal()}\n" for link in batch.links)


def _write_out(text: str) -> None:
    """Write to standard output, and say so if that fails: what is lost here is lost."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, "standard output is closed")
    sys.stdout.write(text)
    sys.stdout.flush()


def _rescue(batch: "LinkBatch", error: BaseException, file: "ReservedFile | None") -> int:
    """Show links that were made and could not be kept where they should go: they exist, and no call shows them again.

    Args:
        batch: The links.
        error: What went wrong after they were made.
        file: Where they should have gone; it may hold some of them.
    """
    why = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
    say(
        f"error: {count(len(batch.links), 'link')} made, and then something failed ({why}). They are cash and are shown"
        " here for the only time: keep them, and do not run this again for them"
        + (f". {file.path} may hold some of them" if file is not None else "")
    )
    try:
        _write_out(_listed(batch))
    except (OSError, ValueError):
        say(_listed(batch).rstrip())
    return UNKNOWN


@links.command("send")
@click.option("--campaign-id", type=Whole(1), required=True, help="The campaign.")
@click.option("--email", "emails", multiple=True, required=True, help="Who gets one; may be repeated.")
@click.option("--expires-on", type=_DAY, required=True, help="Their last day.")
@click.option("--yes", is_flag=True, help="Do not ask, also where it is real money.")
@json_option
@connection_options
def links_send(
    campaign_id: int,
    emails: tuple[str, ...],
    expires_on: datetime,
    yes: bool,
    as_json: bool,
    **where: Any,
) -> None:
    """Have the vendor mail a link to each address. A lost answer can only be cleared up in the dashboard."""
    connection = Connection(**where)
    confirm_spending(connection, f"mail {count(len(emails), 'link')} of campaign {campaign_id}", yes=yes)
    sent = ask(
        connection,
        lambda xoxo: xoxo.links.send(campaign_id=campaign_id, emails=emails, expires_on=expires_on.date()),
    )
    out(json_text(public(sent)) if as_json else (sent.message or f"{count(len(emails), 'link')} mailed"))
