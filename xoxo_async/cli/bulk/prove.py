"""`xoxo bulk prove`: say line by line whether a ledger and the vendor agree, and sign the result."""

import hashlib
import json
import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

import click

from xoxo_async.cli import exits
from xoxo_async.cli.bulk.continuing import next_command
from xoxo_async.cli.bulk.ledgers import with_ledger
from xoxo_async.cli.bulk.options import LedgerPath
from xoxo_async.cli.bulk.servers import address_of, at_its_server, books_of
from xoxo_async.cli.bulk.verdicts import Verdicts, verdicts_in
from xoxo_async.cli.command_line import command_line, file_for, same_command
from xoxo_async.cli.connect import open_client
from xoxo_async.cli.connection import Connection
from xoxo_async.cli.failures import scrub
from xoxo_async.cli.invocation import Command
from xoxo_async.cli.json_output import print_json
from xoxo_async.cli.options import DAY, NewFile, connection_options, json_option
from xoxo_async.cli.output import is_terminal, out, say, say_command
from xoxo_async.cli.wording import count, money
from xoxo_async.environment import state_folder
from xoxo_async.errors import ConfigError
from xoxo_async.private_files import replacement, why_unwritten

if TYPE_CHECKING:
    from xoxo_async.bulk.ledger.address import LedgerAddress
    from xoxo_async.bulk.ledger.protocol import Ledger
    from xoxo_async.bulk.proving.result import Finding, Proof

__all__ = ["prove"]

_SHOWN: Final = 10
_RESULT: Final = frozenset({"ok", "job", "found"})
"""What every result has."""
_EVERY_S: Final = 2.0
_TITLES: Final = {
    "missing": "placed rows without an order at the vendor",
    "repeated": "poNumbers with more than one order",
    "unlisted": "orders of this job that belong to no placed row",
    "different": "orders that are not what the row asks for",
    "charges": "orders with another charge than the ledger has",
    "delivery": "orders whose delivery is not as the ledger says",
    "wallet": "movements of the wallet that do not fit the charges",
    "unknown": "not known",
}
_TITLES_UNKEYED: Final = {
    "missing": "rows for which the payment report took nothing",
    "repeated": "credits that the payment report took more than once",
    "charges": "rows for which the payment report took another amount",
    "delivery": "rows that are cancelled in the ledger, and not given back",
    "wallet": "movements of the wallet that do not fit the rows",
}
"""The same for points, links and mails, as far as it differs."""
_DOING: Final = {
    "ledger": "rows of the ledger read",
    "history": "orders of the vendor's history read",
    "details": "orders looked up",
    "payments": "rows of the payment report read",
    "comparing": "rows compared",
}


@click.command(
    cls=Command,
    epilog="""\b
Examples:
  xoxo bulk prove --ledger march.db
  xoxo bulk prove --ledger march.db --out march.proof.json --key-file proof.key
  xoxo bulk prove --verify march.proof.json --key-file proof.key""",
)
@click.option("--ledger", type=LedgerPath(), metavar="PATH|URL",
              help="The ledger of the job: a file, or postgresql://USER@HOST/DATABASE#JOB.")  # fmt: skip
@click.option("--job", default="", metavar="NAME",
              help="The name of the job [default: the one after # in the URL, or the file's own].")  # fmt: skip
@click.option("--since", type=DAY, metavar="DAY",
              help="The first day of the order history [default: a day before the job].")  # fmt: skip
@click.option("--until", type=DAY, metavar="DAY", help="The last day of the order history [default: tomorrow].")
@click.option("--thorough", is_flag=True, help="Look up every order, also those that the history shows.")
@click.option("--out", "path", type=NewFile(), metavar="FILE.json",
              help="Write the result to this file, mode 0600. It may replace an older result. [default:"
              " LEDGER.proof.json, where a report looks for it]")  # fmt: skip
@click.option("--lines", type=NewFile(), metavar="FILE.csv",
              help="Write a row for each order of the ledger with its verdict, mode 0600.")  # fmt: skip
@click.option("--key-file", type=click.Path(path_type=Path), metavar="F",
              help="Sign the result with the key in this file (HMAC-SHA256), which has mode 0600.")  # fmt: skip
@click.option("--verify", type=click.Path(path_type=Path), metavar="FILE.json",
              help="Check the signature of a result. It needs --key-file, and no ledger or network.")  # fmt: skip
@click.option("--progress", type=NewFile(), metavar="FILE",
              help="Keeps an interrupted proof [default: LEDGER.proof, or a file in your state folder].")  # fmt: skip
@json_option
@connection_options
def prove(
    ledger: "LedgerAddress | None",
    job: str,
    since: datetime | None,
    until: datetime | None,
    thorough: bool,
    path: Path | None,
    lines: Path | None,
    key_file: Path | None,
    verify: Path | None,
    progress: Path | None,
    as_json: bool,
    **where: Any,
) -> int:
    """Say whether the ledger and the vendor agree, order by order. Moves no money, and writes nothing into the ledger.

    It reads the vendor's order history and payment report, and looks up the orders that the history does not show. An
    interrupted proof goes on where it stopped.

    Of a job of points or links it compares each row with the payment report, the only list of the vendor's that may
    name it. What the report says of a row in doubt is for you to judge: nothing is settled or sent by it.

    Exit code 0: everything agrees. Exit code 4: something does not agree, or cannot be known; the output names it.
    With --verify: 0 if the signature is valid, whatever the result says, and 2 if not.

    A signature proves that a holder of the key made the result, and that nobody changed it. It does not prove that the
    vendor's answers were true.
    """
    if verify is not None:
        if ledger is not None or key_file is None:
            raise click.UsageError("--verify goes with --key-file, and without --ledger")
        return _verify(verify, key_file, as_json=as_json)
    if ledger is None:
        raise click.UsageError("Missing option '--ledger'.")
    place = ledger.with_job(job)
    key = _key(key_file)
    if path is not None:
        _check_out(path)
    named = path
    path, why_none = (path, "") if path is not None else _usual(place, signs=key is not None)
    notes = progress or _progress_of(place)
    connection = Connection(books=books_of(place), **where)
    days = (since.date() if since else None, until.date() if until else None)
    with _draft(path) as draft, verdicts_in(lines) as verdicts:
        proof, follow = _prove(place, connection, notes, days, verdicts, thorough=thorough)
        code = exits.of_proof(proof)
        # The file and standard output have the same object, so that either can be verified.
        facts = _signed(proof, key, {"exit_code": code, "continue_with": follow})
        if as_json:
            print_json(facts)
        else:
            _print(proof, place)
        if draft is not None:
            json.dump(facts, draft, indent=1, ensure_ascii=False)
            draft.write("\n")
    if not as_json:
        for name, what in ((named, "result, signed," if key else "result"), (lines, count(verdicts.rows, "row"))):
            if name is not None:
                out(f"{what} in {name}")
        _say_where(place, named, path, why_none)
        if follow:
            say_command("continue with", follow)
    return code


def _say_where(place: "LedgerAddress", named: Path | None, path: Path | None, why_none: str) -> None:
    """Say how a report shows the result: of a name that a person gave, or of the usual one; or why it is in no file."""
    if named is not None:
        say_command("show it in a report with", _report_with(place, "--proof", str(named)))
    elif path is not None:
        say_command(f"result in {path}. Show it in a report with", _report_with(place))
    elif why_none:
        say(f"{why_none}; --out FILE.json writes this result")


def _report_with(place: "LedgerAddress", *proof: str) -> str:
    """Return the command of a report with a result in it; a report finds the usual one without a flag."""
    return command_line("bulk", "report", "--ledger", place.argument, "--out", file_for(place, ".html"), *proof)


@contextmanager
def _draft(path: Path | None) -> Generator[TextIO | None]:
    """Open a draft of the result's file before the first call, so that a proof of hours can be written."""
    if path is None:
        yield None
        return
    try:
        with replacement(path) as file:
            yield file
    except OSError as error:
        why = why_unwritten(error, path)
        if why is None:  # the whole proof is in the block
            raise
        raise ConfigError(f"the result cannot be written to {path}: {why}") from error


def _signed(proof: "Proof", key: bytes | None, also: dict[str, object]) -> dict[str, Any]:
    from xoxo_async.bulk.proving.signing import sign_proof

    return sign_proof(proof, key, also=also) if key is not None else {**proof.to_dict(), **also}


def _key(key_file: Path | None) -> bytes | None:
    """Read the key before the first call, so that a proof of hours does not end without a signature."""
    if key_file is None:
        return None
    from xoxo_async.bulk.proving.signing import read_proof_key

    return read_proof_key(key_file)


def _usual(place: "LedgerAddress", *, signs: bool) -> tuple[Path | None, str]:
    """Return where a report looks for the result, or why none is written there; neither for a database.

    A result that is signed gives way to no other one.
    """
    from xoxo_async.bulk.reporting.proof import beside

    if place.path is None:
        return None, ""
    path = beside(place.name)
    try:
        older = _older(path)
    except OSError as error:
        return None, f"{path} cannot be read ({error.strerror or error}), and it stays"
    if older is not None and not older.keys() >= _RESULT:
        return None, f"{path} is no older result of a proof, and it stays"
    if not signs and older is not None and older.get("signature"):
        return None, f"{path} is signed, and it stays"
    if not os.access(path.parent, os.W_OK):
        return None, f"no file can be written into {path.parent}"
    return path, ""


def _check_out(path: Path) -> None:
    """Refuse a file that cannot be written or read, and one that is no older result, such as the ledger itself."""
    if path.suffix.lower() != ".json":
        raise ConfigError(f"the result is JSON: give --out a name that ends in .json, not {path.name}")
    if not path.parent.is_dir():
        raise ConfigError(f"there is no folder {path.parent} for --out")
    try:
        older = _older(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}; name another file") from error
    if older is not None and not older.keys() >= _RESULT:
        raise ConfigError(f"{path} is there and is no older result of a proof: name another file")


def _older(path: Path) -> dict[str, Any] | None:
    """Return what a file holds that is to be replaced; nothing if it is no object, None if it is not there.

    Raises:
        OSError: It cannot be read.
    """
    try:
        known = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        return {}
    return known if isinstance(known, dict) else {}


def _progress_of(ledger: "LedgerAddress") -> Path:
    """Return the file that keeps an interrupted proof: beside a file, or in this user's state folder for a database."""
    if ledger.path is not None:
        return ledger.path.with_name(f"{ledger.path.name}.proof")
    folder = state_folder()
    if folder is None:
        raise ConfigError("there is no home folder for the progress of a proof: name a file with --progress")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or error
        raise ConfigError(f"the folder {folder} cannot be made ({why}): name a file with --progress") from error
    return folder / f"{ledger.stem}-{hashlib.sha256(ledger.name.encode()).hexdigest()[:12]}.proof"


def _prove(
    place: "LedgerAddress",
    connection: Connection,
    notes: Path,
    days: "tuple[date | None, date | None]",
    verdicts: Verdicts,
    *,
    thorough: bool,
) -> "tuple[Proof, str]":
    """Return the result, and the command that may change it; empty if the job is proven."""
    from xoxo_async.bulk.proving.prover import prove_job

    teller = _Teller()

    async def work(ledger: "Ledger") -> "tuple[Proof, str]":
        server = at_its_server(connection, ledger)
        async with open_client(server, say_lookups=False) as client:
            proof = await prove_job(
                client,
                ledger,
                progress=notes,
                since=days[0],
                until=days[1],
                thorough=thorough,
                address=address_of(server),
                tell=teller,
                each=verdicts,
            )
        if proof.ok:
            return proof, ""
        workers, counts = await ledger.holders(), await ledger.counts()
        follow = await next_command(ledger, place, counts, workers[0].pid if workers else None)
        # Rows for a person: `status` says what to look for, and how to record it.
        if not follow and counts.for_a_person and not workers:
            follow = command_line("bulk", "status", "--ledger", place.argument)
        return proof, follow or same_command()

    return with_ledger(place, work, read_only=True, store_codes=False)


class _Teller:
    """Says now and then how far a proof is; never more than every two seconds."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _EVERY_S

    def __call__(self, what: str, done: int) -> None:
        """Say it, if it is time."""
        if time.monotonic() >= self._next and (is_terminal(sys.stderr) or done):
            self._next = time.monotonic() + _EVERY_S
            say(f"{done:,} {_DOING.get(what, what)} …")


def _print(proof: "Proof", place: "LedgerAddress") -> None:
    out(f"job {proof.job} · ledger {place} · {proof.address} · {proof.since} to {proof.until}")
    unkeyed = proof.kind != "orders"
    what, done = ("rows", "sent") if unkeyed else ("orders", "placed")
    out(f"  {what:<12}{proof.orders:>10,}, {proof.placed:,} of them {done}")
    out(f"  agree       {proof.agree:>10,}")
    out(f"  differ      {proof.differ:>10,}")
    out(f"  not known   {proof.undecided:>10,}")
    (_print_credits if unkeyed else _print_sums)(proof)
    for kind, title in (_TITLES | _TITLES_UNKEYED if unkeyed else _TITLES).items():
        _print_findings(title, getattr(proof, kind), proof.found.get(kind, 0))
    for note in proof.notes:
        out(f"note: {note}")
    calls = ", ".join(f"{number:,} {operation}" for operation, number in proof.calls.items())
    out(f"calls: {calls}")
    out("proven: ledger and vendor agree" if proof.ok else "NOT proven: see above")


def _print_sums(proof: "Proof") -> None:
    sums, unit = proof.sums, proof.sums.currency
    out(f"  ledger      {money(sums.ledger, unit)}")
    out(f"  vendor      {money(sums.vendor, unit)}")
    if sums.paid is not None:
        back = f", {money(sums.refunded, unit)} given back" if sums.refunded else ""
        out(f"  wallet      {money(sums.paid, unit)} paid for this job{back}")
    if sums.opening is not None and sums.closing is not None:
        out(f"              from {money(sums.opening, unit)} to {money(sums.closing, unit)}")
    if sums.added:
        out(f"              {money(sums.added, unit)} added")
    if sums.unlisted:
        out(f"  in no row   {money(sums.unlisted, unit)}")
    if sums.other_orders or sums.other:
        out(f"  other jobs  {money(sums.other, unit)} for {count(sums.other_orders, 'order')}")


def _print_credits(proof: "Proof") -> None:
    """Print the sums of a job of points or links: the wallet's amounts are in the account's currency."""
    sums = proof.sums
    out(f"  ledger      {money(sums.ledger, sums.currency)}")
    if sums.paid is None:
        out("  report      names none of them")
    else:
        each = "a point" if proof.kind == "points" else f"{sums.currency} 1"
        rate = f", {money(sums.rate)} for {each}" if sums.rate is not None else ""
        back = f", {money(sums.refunded)} given back" if sums.refunded else ""
        out(f"  report      {money(sums.vendor, sums.currency)} proven")
        out(f"  wallet      {money(sums.paid)} paid for this job{rate}{back}")
    if sums.opening is not None and sums.closing is not None:
        out(f"              from {money(sums.opening)} to {money(sums.closing)}")
    if sums.added:
        out(f"              {money(sums.added)} added")
    if sums.other_orders:
        out(f"  other rows  {sums.other_orders:,} of the report, {money(sums.other)} in all")


def _print_findings(title: str, findings: "tuple[Finding, ...]", total: int) -> None:
    if not total:
        return
    out(f"{title}: {total:,}")
    for finding in findings[:_SHOWN]:
        about = f"row {finding.row} {finding.key} ({finding.po_number}): " if finding.row else ""
        if not about and finding.po_number:
            about = f"{finding.po_number}: "
        out(f"  {scrub(about + finding.why)}")
    if total > _SHOWN:
        out(f"  … and {total - _SHOWN:,} more; --out FILE.json has the first thousand")


def _verify(path: Path, key_file: Path, *, as_json: bool) -> int:
    from xoxo_async.bulk.proving.signing import read_proof_key, verify_proof

    facts = verify_proof(path, read_proof_key(key_file))
    ok = facts.get("ok") is True
    if as_json:
        print_json({"verified": True, "ok": ok, "job": facts.get("job"), "ended_at": facts.get("ended_at")})
        return exits.DONE
    verdict = "agree" if ok else "do NOT agree, or something is not known"
    out(f"the signature of {path} is valid: a holder of this key made it, and nobody changed it since")
    out(f"job {facts.get('job')}, proven {facts.get('ended_at')}: ledger and vendor {verdict}")
    return exits.DONE
