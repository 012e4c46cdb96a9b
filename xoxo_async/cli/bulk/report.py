"""`xoxo bulk report`: write the report of a job as one page, or show that of a job at work."""

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import click
import msgspec

from xoxo_async.cli import exits
from xoxo_async.cli.bulk.continuing import next_command
from xoxo_async.cli.bulk.ledgers import with_ledger
from xoxo_async.cli.bulk.options import ledger_option
from xoxo_async.cli.invocation import Command
from xoxo_async.cli.json_output import print_json
from xoxo_async.cli.options import NewFile, json_option
from xoxo_async.cli.output import out as print_out
from xoxo_async.cli.output import say
from xoxo_async.cli.signals import as_before, ending_signals
from xoxo_async.cli.wording import amounts, count

if TYPE_CHECKING:
    from xoxo_async.bulk.ledger.address import LedgerAddress
    from xoxo_async.bulk.ledger.lines import Counts
    from xoxo_async.bulk.ledger.protocol import Ledger
    from xoxo_async.bulk.reporting.facts import Facts
    from xoxo_async.bulk.reporting.files import ReportFile
    from xoxo_async.bulk.reporting.proof import ProofFact
    from xoxo_async.bulk.reporting.reading import Follow

__all__ = ["report"]


@click.command(
    cls=Command,
    epilog="""\b
Examples:
  xoxo bulk report --ledger march.db --out report.html
  xoxo bulk report --ledger march.db --out report.html --pdf     report.pdf too
  xoxo bulk report --ledger march.db --serve                     follow a job at work""",
)
@ledger_option
@click.option("--out", "path", type=NewFile(), metavar="FILE",
              help="The new file, .html, mode 0600. It may replace an older report only.")  # fmt: skip
@click.option("--pdf", is_flag=True, help="Write a PDF with the same name, too.")
@click.option("--proof", type=click.Path(path_type=Path), metavar="FILE",
              help="The result of `xoxo bulk prove --json` [default: LEDGER.proof.json, if it is there].")  # fmt: skip
@click.option("--key-file", type=click.Path(path_type=Path), metavar="FILE",
              help="The key of the proof's signature: refuse a proof that was changed since.")  # fmt: skip
@click.option("--serve", is_flag=True, help="Show the report on this machine until Ctrl-C, and follow the job.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N",
              help="The port for --serve, on 127.0.0.1 [default: a free one].")  # fmt: skip
@json_option
def report(
    ledger: "LedgerAddress",
    path: Path | None,
    pdf: bool,
    proof: Path | None,
    key_file: Path | None,
    serve: bool,
    port: int,
    as_json: bool,
) -> int:
    """Write the report of a job as one HTML page, also while it runs. Needs no network and no credentials.

    The page says what was issued and what it cost, what is open and what to do, and how it was proven. It loads
    nothing, runs no script, and prints well. It holds no voucher code and no PIN, and e-mail addresses are masked.

    --json prints what the page says. Exit code 4: the ledger has an alarm.
    """
    if serve and (path or as_json or pdf):
        raise click.UsageError("--serve shows the report, and writes no file and no JSON: give it alone")
    if path is None and not serve and not as_json:
        raise click.UsageError("give --out FILE for a file, or --serve to look at it, or --json")
    if pdf and path is None:
        raise click.UsageError("--pdf writes a file: give --out FILE, too")
    found = _proof(ledger, proof, key_file)
    if serve:
        with as_before():
            return _serve(ledger, found, port)
    return _write(ledger, path, found, pdf=pdf, as_json=as_json)


def _proof(ledger: "LedgerAddress", path: Path | None, key_file: Path | None) -> "ProofFact | None":
    """Return the proof that is asked for, or the one beside the ledger."""
    from xoxo_async.bulk.reporting.proof import beside, proof_of, read_proof_fact

    usual = None if ledger.path is None else beside(ledger.name)
    found = path or (usual if usual is not None and usual.exists() else None)
    if key_file is None:
        return None if found is None else read_proof_fact(found)
    if found is None:
        raise click.UsageError("--key-file checks a proof, and there is none: name it with --proof FILE")
    from xoxo_async.bulk.proving.signing import read_proof_key, verify_proof

    # What was verified is what is shown: the file is not read a second time.
    return proof_of(verify_proof(found, read_proof_key(key_file)), found.name, verified=True)


def _follow(ledger: "Ledger", where: "LedgerAddress") -> "Follow":
    async def follow(counts: "Counts", holder: int | None) -> str:
        return await next_command(ledger, where, counts, holder)

    return follow


def _write(where: "LedgerAddress", path: Path | None, proof: "ProofFact | None", *, pdf: bool, as_json: bool) -> int:
    """Write the report, and print where it is, or what it says."""
    from xoxo_async.bulk.reporting.files import ReportFile, write_facts
    from xoxo_async.bulk.reporting.reading import read_facts

    file = None if path is None else ReportFile(path, ledger=where.name, pdf=pdf)

    async def read(ledger: "Ledger") -> "Facts":
        return await read_facts(ledger, proof=proof, follow=_follow(ledger, where))

    facts = with_ledger(where, read, read_only=True, store_codes=False)
    if file is not None:
        write_facts(facts, file)
    code = exits.UNKNOWN if facts.alarms_total else exits.DONE
    _print(facts, file)
    if as_json:
        said = msgspec.to_builtins(facts, builtin_types=(Decimal,))
        print_json({**said, "out": [str(one) for one in file.all] if file else [], "exit_code": code})
    return code


def _print(facts: "Facts", file: "ReportFile | None") -> None:
    if file is None:
        return
    say(f"{' and '.join(str(one) for one in file.all)}: open it in a browser; it holds no codes")
    head = facts.headline
    say(f"{head.issued:,} of {count(head.rows, 'row')} issued, charged {amounts(head.charged)}. {head.verdict}")


def _serve(where: "LedgerAddress", proof: "ProofFact | None", port: int) -> int:
    """Serve the report until a signal."""
    from xoxo_async.bulk.reporting.serving import serving_report

    async def serve(ledger: "Ledger") -> None:
        async with serving_report(ledger, port=port, proof=proof, follow=_follow(ledger, where)) as url:
            print_out(url)
            say("the report of this job, for this machine only; it follows the job. Ctrl-C ends it")
            with anyio.open_signal_receiver(*ending_signals()) as signals:
                async for _number in signals:
                    return

    with_ledger(where, serve, read_only=True, store_codes=False)
    return exits.DONE
