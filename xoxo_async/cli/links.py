"""`xoxo links`: list campaigns, make links, mail links. A link is cash, and the vendor shows it only once."""

import errno
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from xoxo_async.cli import exits
from xoxo_async.cli.connect import ask
from xoxo_async.cli.connection import Connection
from xoxo_async.cli.consent import confirm_spending
from xoxo_async.cli.first_rows import first_rows
from xoxo_async.cli.invocation import Group
from xoxo_async.cli.json_output import json_text, print_json, to_json
from xoxo_async.cli.listing import Output, listing_options, print_listing
from xoxo_async.cli.numbers import Whole
from xoxo_async.cli.options import DAY, connection_options, json_option, yes_option
from xoxo_async.cli.output import out, say
from xoxo_async.cli.wording import count, money, unescaped
from xoxo_async.client import XoxoClient
from xoxo_async.errors import ConfigError
from xoxo_async.private_files import ReservedFile
from xoxo_async.services.links import LinkBatch

__all__ = ["links"]


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
    epilog="Example:  xoxo links generate --campaign-id 7 --quantity 100 --expires-on 2026-12-31 --out links.txt",
)
@click.option("--campaign-id", type=Whole(1), required=True, help="The campaign.")
@click.option("--quantity", type=Whole(1), required=True, help="The number of links.")
@click.option("--expires-on", type=DAY, required=True, help="The last day on which they are valid.")
@click.option(
    "--out",
    "path",
    type=click.Path(path_type=Path),
    help="Write the links to this new file, mode 0600. An existing file is never overwritten.",
)
@click.option("--reveal", is_flag=True, help="Show the links.")
@yes_option
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
    """Make links. Each link is cash, and no later call shows it again, so give --out or --reveal."""
    if path is None and not reveal:
        raise click.UsageError("links are shown only once: give --out FILE to keep them, or --reveal to see them")
    connection = Connection(**where)
    confirm_spending(connection, f"make {count(quantity, 'link')} of campaign {campaign_id}", yes=yes)
    # Create the file before the call: if that fails after the call, the links are lost.
    file = _reserved(path) if path is not None else None
    try:
        return _make(
            connection,
            lambda xoxo: xoxo.links.generate(campaign_id=campaign_id, quantity=quantity, expires_on=expires_on.date()),
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
    generate: Callable[[XoxoClient], Awaitable[LinkBatch]],
    file: ReservedFile | None,
    *,
    reveal: bool,
    as_json: bool,
) -> int:
    """Make links, write them to the file or show them, and return the exit code."""
    made: list[LinkBatch] = []

    async def make(xoxo: XoxoClient) -> None:
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


def _shown(batch: LinkBatch, *, reveal: bool, as_json: bool) -> str:
    return f"{json_text(to_json(batch, reveal=reveal))}\n" if as_json else _listed(batch)


def _listed(batch: LinkBatch) -> str:
    return "".join(f"{link.reveal()}\n" for link in batch.links)


def _write_out(text: str) -> None:
    """Write to standard output, and raise an error if that fails, so that the caller can rescue the links."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, "standard output is closed")
    sys.stdout.write(text)
    sys.stdout.flush()


def _rescue(batch: LinkBatch, error: BaseException, file: ReservedFile | None) -> int:
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


@links.command("send", moves_money="unkeyed")
@click.option("--campaign-id", type=Whole(1), required=True, help="The campaign.")
@click.option("--email", "emails", multiple=True, required=True, help="An address that gets a link; may be repeated.")
@click.option("--expires-on", type=DAY, required=True, help="The last day on which they are valid.")
@yes_option
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
    """Have the vendor mail a link to each address. After a lost answer, look in the vendor's dashboard."""
    connection = Connection(**where)
    confirm_spending(connection, f"mail {count(len(emails), 'link')} of campaign {campaign_id}", yes=yes)
    sent = ask(
        connection,
        lambda xoxo: xoxo.links.send(campaign_id=campaign_id, emails=emails, expires_on=expires_on.date()),
    )
    if as_json:
        print_json(to_json(sent))
    else:
        out(sent.message or f"{count(len(emails), 'link')} mailed")
