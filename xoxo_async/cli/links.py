"""`xoxo links`: list campaigns, make links, mail links. A link is cash, and the vendor shows it only once."""

import errno
import sys
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.cli import exits
from xoxo_async.cli.bulk.options import (
    batch_option,
    max_spend_option,
    maybe_ledger_option,
)
from xoxo_async.cli.connect import ask
from xoxo_async.cli.connection import Connection
from xoxo_async.cli.consent import confirm_spending
from xoxo_async.cli.first_rows import first_rows
from xoxo_async.cli.invocation import Group, complete_files
from xoxo_async.cli.json_output import json_text, print_json
from xoxo_async.cli.listing import Output, listing_options, print_listing
from xoxo_async.cli.numbers import Whole
from xoxo_async.cli.options import DAY, Decorator, NewFile, connection_options
from xoxo_async.cli.output import out, say
from xoxo_async.cli.reply_values import to_json
from xoxo_async.cli.unkeyed.forms import JOB_FLAGS, form_options, lacks, refuse
from xoxo_async.cli.unkeyed.starting import connection_of, send_job
from xoxo_async.cli.wording import count, money, unescaped
from xoxo_async.errors import ConfigError
from xoxo_async.private_files import ReservedFile

if TYPE_CHECKING:
    from xoxo_async.bulk.ledger.address import LedgerAddress
    from xoxo_async.client import XoxoClient
    from xoxo_async.services.links import LinkBatch

__all__ = ["links"]


_campaign_option: Final[Decorator] = click.option(
    "--campaign-id", "--campaign", "campaign_id", type=Whole(1), help="The campaign."
)
_expires_option: Final[Decorator] = click.option(
    "--expires-on", "--expires", "expires_on", type=DAY, help="The last day on which they are valid."
)
_batch_option: Final[Decorator] = batch_option("rows", "The vendor documents no safe number above 1.")
_max_spend_option: Final[Decorator] = max_spend_option(
    "The most that all links may be worth, in the campaign's currency. The job pauses before it could be more"
)


@click.group(cls=Group)
def links() -> None:
    """List campaigns, make reward links, mail reward links."""


@links.command("campaigns")
@click.option("--name", default="", help="List only campaigns with this text in their name.")
@click.option("--limit", type=Whole(1), default=100, show_default=True, help="The most campaigns to list.")
@listing_options
@connection_options
def links_campaigns(name: str, limit: int, output: Output, **where: Any) -> None:
    """List the campaigns that links can be made for."""
    found = ask(
        Connection(**where),
        lambda xoxo: first_rows(xoxo.links.iterate_campaigns(limit=min(limit, 100), name=name), limit),
    )
    print_listing(
        output,
        lambda: (
            ("id", "name", "value", "country"),
            [
                (
                    c.campaign_id,
                    unescaped(c.campaign_name),
                    money(c.denomination_value, c.currency_code),
                    c.country_name,
                )
                for c in found
            ],
        ),
        facts=lambda: {"campaigns": to_json(found)},
        plain=lambda: (
            ("id", "name", "value", "currency", "country"),
            [
                (c.campaign_id, unescaped(c.campaign_name), c.denomination_value, c.currency_code, c.country_name)
                for c in found
            ],
        ),
    )


@links.command(
    "generate",
    moves_money="unkeyed",
    epilog="""\b
Examples:
  xoxo links generate --campaign-id 7 --quantity 100 --expires-on 2026-12-31 --out links.txt
  xoxo links generate --campaign-id 7 --quantity 100 --expires-on 2026-12-31 --ledger links.db
  xoxo links generate --campaign-id 7 --file rows.csv --expires-on 2026-12-31 --ledger links.db
  xoxo links generate --ledger links.db                                                         go on
  xoxo bulk export --ledger links.db --out links.csv --reveal
  xoxo bulk template rows.xlsx --kind links                                                     a file to fill in

ROWS is CSV, TSV or a workbook (.xlsx, .xls, .ods) with a header row, or JSONL; - is standard input. Columns: key, and
quantity where a row gets more than one link.""",
)
@_campaign_option
@click.option("--quantity", type=Whole(1, 1_000_000),
              help="The number of links. With --ledger, as many rows of one link each.")  # fmt: skip
@_expires_option
@click.option("--file", "source", metavar="ROWS", shell_complete=complete_files,
              help="Make links for all rows of this file; needs --ledger.")  # fmt: skip
@maybe_ledger_option
@click.option(
    "--out",
    "path",
    type=NewFile(),
    help="Write the links to this new file, mode 0600. An existing file is never overwritten.",
)
@click.option("--reveal", is_flag=True, help="Show the links.")
@_batch_option
@_max_spend_option
@form_options
def links_generate(
    ledger: "LedgerAddress | None",
    campaign_id: int | None,
    quantity: int | None,
    expires_on: datetime | None,
    path: Path | None,
    reveal: bool,
    **flags: Any,
) -> int:
    """Make links: a number of them, or for all rows of a file, each row once.

    Each link is cash, and no later call shows it again. With --ledger, the links are kept in it, encrypted if
    XOXO_LEDGER_KEY is set. A second run makes only what is left, and `xoxo bulk export` writes the links. Without
    --ledger, give --out or --reveal.
    """
    if ledger is not None:
        refuse(("path", "reveal"), "does not fit --ledger, which keeps the links: xoxo bulk export writes them")
        if flags["source"] is not None:
            refuse(("quantity",), "does not fit --file: a column of the file has each row's quantity")
        day = _day_of_job(campaign_id, expires_on, new=flags["source"] is not None or quantity is not None)
        from xoxo_async.cli.unkeyed.work import JobWork

        return send_job(
            JobKind.LINKS, ledger, JobWork, quantity=quantity or 0, campaign_id=campaign_id, expires_on=day, **flags
        )
    refuse(JOB_FLAGS, "needs --ledger")
    if campaign_id is None or quantity is None or expires_on is None:
        raise lacks(("campaign_id", "quantity", "expires_on"), "for links without a ledger")
    if path is None and not reveal:
        raise click.UsageError("links are shown only once: give --out FILE to keep them, or --reveal to see them")
    return _generate_once(campaign_id, quantity, expires_on.date(), path, reveal=reveal, **flags)


def _day_of_job(campaign_id: int | None, expires_on: datetime | None, *, new: bool) -> date | None:
    """Return the last day of a job's links, which its new rows need, with their campaign."""
    if new and (campaign_id is None or expires_on is None):
        raise lacks(("campaign_id", "expires_on"), "for new rows")
    if not new:
        refuse(("campaign_id", "expires_on"), "is a part of each planned row, and there are no new ones")
    return None if expires_on is None else expires_on.date()


def _generate_once(
    campaign_id: int,
    quantity: int,
    day: date,
    path: Path | None,
    *,
    reveal: bool,
    yes: bool,
    as_json: bool,
    **where: Any,
) -> int:
    """Make links in one call, and return the exit code."""
    connection = connection_of(where)
    confirm_spending(connection, f"make {count(quantity, 'link')} of campaign {campaign_id}", yes=yes)
    # Create the file before the call: if that fails after the call, the links are lost.
    file = _reserved(path) if path is not None else None
    try:
        return _make(
            connection,
            lambda xoxo: xoxo.links.generate(campaign_id=campaign_id, quantity=quantity, expires_on=day),
            file,
            reveal=reveal,
            as_json=as_json,
        )
    finally:
        if file is not None:
            file.close()


def _reserved(path: Path) -> ReservedFile:
    try:
        return ReservedFile(path)
    except FileExistsError:
        raise ConfigError(f"{path} exists, and an existing file is never overwritten; nothing was sent") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}; nothing was sent") from error


def _make(
    connection: Connection,
    generate: "Callable[[XoxoClient], Awaitable[LinkBatch]]",
    file: ReservedFile | None,
    *,
    reveal: bool,
    as_json: bool,
) -> int:
    """Make links, write them to the file or show them, and return the exit code."""
    made: list[LinkBatch] = []

    async def make(xoxo: "XoxoClient") -> None:
        made.append(await generate(xoxo))  # kept here, because closing the client may fail afterwards

    try:
        ask(connection, make)
        if file is None:
            _write_out(_shown(made[0], reveal=reveal, as_json=as_json))
        else:
            file.write(_listed(made[0]))
    except BaseException as error:
        if not made:
            raise
        return _rescue(made[0], error, file)
    if file is not None:
        say(f"{count(len(made[0].links), 'link')} in {file.path}")
        if reveal or as_json:
            out(_shown(made[0], reveal=reveal, as_json=as_json).rstrip())
    return exits.DONE


def _shown(batch: "LinkBatch", *, reveal: bool, as_json: bool) -> str:
    return f"{json_text(to_json(batch, reveal=reveal))}\n" if as_json else _listed(batch)


def _listed(batch: "LinkBatch") -> str:
    return "".join(f"{link.reveal()}\n" for link in batch.links)


def _write_out(text: str) -> None:
    """Write to standard output, and raise an error if that fails, so that the caller can rescue the links."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, "standard output is closed")
    sys.stdout.write(text)
    sys.stdout.flush()


def _rescue(batch: "LinkBatch", error: BaseException, file: ReservedFile | None) -> int:
    """Show links that were made and could not be written to their place, because no later call shows them.

    Args:
        batch: The links.
        error: The error after they were made.
        file: The file that they should be in; it may have some of them.
    """
    why = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
    say(
        f"error: {count(len(batch.links), 'link')} made, and then something failed ({why}). The links are cash, and"
        " this is the only time that they are shown: keep them, and do not run the command again for them"
        + (f". {file.path} may have some of them" if file is not None else "")
    )
    try:
        _write_out(_listed(batch))
    except (OSError, ValueError):
        say(_listed(batch).rstrip())
    return exits.UNKNOWN


@links.command(
    "send",
    moves_money="unkeyed",
    epilog="""\b
Examples:
  xoxo links send --campaign-id 7 --email jane@example.com --expires-on 2026-12-31
  xoxo links send --campaign-id 7 --file people.csv --expires-on 2026-12-31 --ledger mails.db
  xoxo links send --ledger mails.db                                                           go on
  xoxo bulk template people.xlsx --kind mails                                                 a file to fill in

PEOPLE is CSV, TSV or a workbook (.xlsx, .xls, .ods) with a header row, or JSONL; - is standard input. Columns: key and
email.""",
)
@_campaign_option
@click.option("--email", "emails", multiple=True, help="An address that gets a link; may be repeated.")
@_expires_option
@click.option("--file", "source", metavar="PEOPLE", shell_complete=complete_files,
              help="Mail a link to all addresses of this file; needs --ledger.")  # fmt: skip
@maybe_ledger_option
@_batch_option
@_max_spend_option
@form_options
def links_send(
    ledger: "LedgerAddress | None",
    campaign_id: int | None,
    emails: tuple[str, ...],
    expires_on: datetime | None,
    **flags: Any,
) -> int:
    """Have the vendor mail a link to each address: to a few, or to all of a file, each at most once.

    With --ledger, every address's result is kept, a second run mails only what is left, and an address whose answer was
    lost is never mailed again by itself: it waits for your decision (xoxo bulk status). Without --ledger, look in the
    vendor's dashboard after a lost answer.
    """
    if ledger is not None:
        refuse(("emails",), "does not fit --ledger: addresses come from --file")
        day = _day_of_job(campaign_id, expires_on, new=flags["source"] is not None)
        from xoxo_async.cli.unkeyed.work import JobWork

        return send_job(JobKind.LINK_MAILS, ledger, JobWork, campaign_id=campaign_id, expires_on=day, **flags)
    refuse(JOB_FLAGS, "needs --ledger")
    if campaign_id is None or not emails or expires_on is None:
        raise lacks(("campaign_id", "emails", "expires_on"), "for a few addresses, or --ledger for many")
    return _mail_once(campaign_id, emails, expires_on.date(), **flags)


def _mail_once(campaign_id: int, emails: tuple[str, ...], day: date, *, yes: bool, as_json: bool, **where: Any) -> int:
    """Have links mailed in one call, and return the exit code."""
    connection = connection_of(where)
    confirm_spending(connection, f"mail {count(len(emails), 'link')} of campaign {campaign_id}", yes=yes)
    sent = ask(connection, lambda xoxo: xoxo.links.send(campaign_id=campaign_id, emails=emails, expires_on=day))
    if as_json:
        print_json(to_json(sent))
    else:
        out(sent.message or f"{count(len(emails), 'link')} mailed")
    return exits.DONE
