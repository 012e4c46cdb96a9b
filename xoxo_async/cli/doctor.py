"""`xoxo doctor`: check settings, server, token, account, limits, a ledger's place and versions, and say what to do."""

import shutil
import sys
import textwrap
from contextlib import AsyncExitStack
from decimal import Decimal
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import click

from xoxo_async.cli import exits
from xoxo_async.cli.bulk.options import LedgerPath
from xoxo_async.cli.connect import environment_of, limits_of, own_sandbox
from xoxo_async.cli.connection import Connection
from xoxo_async.cli.consent import answer_to
from xoxo_async.cli.event_loop import run_async
from xoxo_async.cli.exits import DeclinedError
from xoxo_async.cli.failures import scrub
from xoxo_async.cli.invocation import Command
from xoxo_async.cli.listing import Output, Rows, listing_options, print_listing
from xoxo_async.cli.numbers import AMOUNT, SECONDS, Whole
from xoxo_async.cli.options import connection_options
from xoxo_async.cli.output import is_terminal, out, say
from xoxo_async.cli.reply_values import to_json
from xoxo_async.cli.wording import count, money
from xoxo_async.environment import Environment

if TYPE_CHECKING:
    from xoxo_async.bulk.ledger.address import LedgerAddress
    from xoxo_async.doctor.examining import Proving
    from xoxo_async.doctor.findings import Diagnosis
    from xoxo_async.doctor.proving import SmallOrder

__all__ = ["doctor"]


@click.command(
    cls=Command,
    epilog="""\b
Examples:
  xoxo doctor
  xoxo doctor --profile march --ledger /data/march.db --json
  xoxo doctor --sandbox --prove-po --yes

Exit codes: 0 nothing fails, 2 a setting fails, 3 the proof's order was refused, 4 a poNumber bought twice or it is not
known, 5 the server, the credentials or the way to them.""",
)
@click.option("--ledger", type=LedgerPath(), metavar="PATH|URL",
              help="Check the place of this ledger [default: the working folder].")  # fmt: skip
@click.option("--prove-po", is_flag=True,
              help="Place one small order three times under one poNumber, and report what the account does. Spends"
              " staging or sandbox money; refused elsewhere.")  # fmt: skip
@click.option("--product-id", type=Whole(1), help="The product of the proof [default: the cheapest of the catalog].")
@click.option("--denomination", type=AMOUNT, help="The value of its one piece; needs --product-id.")
@click.option("--later", type=SECONDS, default=10.0, show_default=True, metavar="S",
              help="Seconds before the third placing of the proof.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not ask before the proof spends.")
@listing_options
@connection_options
def doctor(
    ledger: "LedgerAddress | None",
    prove_po: bool,
    product_id: int | None,
    denomination: Decimal | None,
    later: float,
    yes: bool,
    output: Output,
    **where: Any,
) -> int:
    """Check that everything a command needs is in order, and say what to do where it is not.

    It checks settings and where they come from, the credentials, the address, proxy and TLS, this machine's clock, the
    token's life, the account, the limits, the ledger's folder, and the versions. It moves no money without --prove-po,
    and never prints a secret. One check that fails hides no other.
    """
    if denomination is not None and product_id is None:
        raise click.UsageError("--denomination needs --product-id")
    connection = Connection(**where)
    proving = _proving(connection, product_id, denomination, later, yes=yes) if prove_po else None
    found = run_async(lambda: _examine(connection, ledger, proving))
    code = exits.of_diagnosis(found)
    if output == "table":
        _print(found)
    else:
        print_listing(output, lambda: _rows(found), facts=lambda: _facts(found, code))
    return code


def _rows(found: "Diagnosis") -> Rows:
    return ("status", "check", "text", "advice"), [
        (one.status, one.check, one.text, one.advice) for one in found.findings
    ]


def _facts(found: "Diagnosis", code: int) -> dict[str, object]:
    findings = [to_json(finding) for finding in found.findings]
    counts = {"failures": len(found.failures), "warnings": len(found.warnings)}
    return {"ok": not found.failures, **counts, "findings": findings, "exit_code": code}


def _proving(
    connection: Connection, product_id: int | None, denomination: Decimal | None, later: float, *, yes: bool
) -> "Proving":
    from xoxo_async.doctor.examining import Proving
    from xoxo_async.doctor.proving import SmallOrder, refuse_real_money

    if not connection.sandbox:
        refuse_real_money(connection.address)
    if not yes and not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        raise DeclinedError("--prove-po places orders: without a terminal it needs --yes; nothing was sent")

    async def agree(order: "SmallOrder") -> None:
        what = f"{money(order.denomination, order.currency)} of product {order.product_id}"
        say(f"the proof sends one order of {what} three times: it spends that once, or up to three times")
        if not yes and answer_to(f"{connection.address}: place it? [y/N]: ").lower() not in {"y", "yes"}:
            raise DeclinedError("declined, nothing was placed")

    order = None
    if product_id is not None and denomination is not None:
        order = SmallOrder(product_id=product_id, denomination=denomination)
    keep, flags = not connection.sandbox, connection.flags
    return Proving(product_id=product_id, order=order, later_s=later, agree=agree, keep=keep, flags=flags)


async def _examine(connection: Connection, ledger: "LedgerAddress | None", proving: "Proving | None") -> "Diagnosis":
    from xoxo_async.doctor.examining import examine

    async with AsyncExitStack() as stack:
        if not connection.sandbox:
            return await examine(lambda: environment_of(connection), ledger=ledger, proving=proving)
        base_url, client_id, secret = await stack.enter_async_context(own_sandbox(None))
        environment = Environment(base_url=base_url, client_id=client_id, client_secret=secret,
                                  origins={"base_url": "--sandbox", "client_secret": "--sandbox"})  # fmt: skip
        return await examine(
            lambda: environment, ledger=ledger, proving=proving, limits=limits_of(connection, None), variables={}
        )


def _lines(text: str, room: int) -> list[str]:
    """Return a text in lines that fit a terminal and end at words; one line where there is no terminal."""
    return textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) if room > 20 else [text]


def _print(found: "Diagnosis") -> None:
    width = max(len(finding.check) for finding in found.findings)
    room = shutil.get_terminal_size().columns - width - 8 if is_terminal(sys.stdout) else 0
    for finding in found.findings:
        lines = _lines(scrub(finding.text), room)
        lines += _lines(f"-> {scrub(finding.advice)}", room) if finding.advice else []
        for status, check, line in zip_longest((finding.status,), (finding.check,), lines, fillvalue=""):
            out(f"{status:<5} {check:<{width}}  {line}")
    failures, warnings = len(found.failures), len(found.warnings)
    good = len(found.findings) - failures - warnings
    say(f"{count(good, 'check')} ok, {count(warnings, 'warning')}, {count(failures, 'failure')}")
