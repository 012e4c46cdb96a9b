"""`xoxo worker`: work on the jobs of a ledger until stopped, beside any number of other workers."""

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Literal

import click
from click.types import FuncParamType

from xoxo_async.cli.bulk.options import LedgerPath, order_options
from xoxo_async.cli.invocation import Command
from xoxo_async.cli.numbers import CONCURRENCY, RATE, SECONDS
from xoxo_async.cli.options import connection_options, json_option, with_options

if TYPE_CHECKING:
    from xoxo_async.bulk.ledger.address import LedgerAddress

__all__ = ["health_port", "worker"]

_ADDRESS: Final = re.compile(r"(?:(?P<host>[^:\s]+|\[[0-9A-Fa-f:]+\]):)?(?P<port>[0-9]{1,5})")


def health_port(value: object) -> tuple[str, int]:
    """Return host and port; all interfaces without a host, because Kubernetes asks at the address of the pod."""
    if isinstance(value, tuple):
        return value
    found = _ADDRESS.fullmatch(str(value))
    if found is None or int(found["port"]) > 65535:
        raise click.BadParameter(f"{value!r} is not a port, nor a host and a port")
    return (found["host"] or "0.0.0.0").strip("[]"), int(found["port"])  # noqa: S104 - see above


@click.command(
    cls=Command,
    epilog="""\b
Examples:
  xoxo bulk plan orders.csv --ledger postgresql://xoxo@db/xoxo#march
  xoxo worker --ledger postgresql://xoxo@db/xoxo                   all jobs; start as many as you like
  xoxo worker --ledger postgresql://xoxo@db/xoxo#march --health 8081
  xoxo worker --ledger march.db --until-done                       one process, one file, no database

SIGTERM or Ctrl-C: takes no more lines, waits for those in flight, gives the others back. A second signal ends at
once; what was in flight is in doubt then, and a worker looks it up at the start of a later shift. Starting a worker
asks for no consent: who plans a job decides that it is sent.""",
)
@with_options(
    click.option("--ledger", type=LedgerPath(), required=True, metavar="PATH|URL",
                 help="The ledger: a file, or postgresql://USER@HOST/DATABASE[#JOB]; without #JOB, all jobs."),
    click.option("--job", default="", metavar="NAME", help="Only this job [default: the one in the URL, or all]."),
    click.option("--engine", type=click.Choice(["pgqueuer", "none"]),
                 help="What delivers the work: a queue in the database, or a loop over the jobs [default: pgqueuer"
                 " where it is installed and the ledger is a database]."),
    click.option("--health", type=FuncParamType(health_port), metavar="[HOST:]PORT",
                 help="Answer /live and /ready there [default: no health checks; all interfaces without HOST]."),
    click.option("--concurrency", type=CONCURRENCY, metavar="N|auto",
                 help="The most orders in flight [default: what the ledger keeps, or auto]."),
    click.option("--rate", type=RATE, metavar="N|none", help="Orders a minute [default: the vendor's 100]."),
    order_options,
    click.option("--pause-limit", type=SECONDS, default=30.0, show_default=True, metavar="S",
                 help="Seconds to wait for a dead server or the end of a penalty, before the shift ends."),
    click.option("--shift", type=SECONDS, default=60.0, show_default=True, metavar="S",
                 help="Seconds of work on one job before the next one has its turn."),
    click.option("--grace", type=SECONDS, default=25.0, show_default=True, metavar="S",
                 help="Seconds that orders in flight have after SIGTERM; less than Kubernetes' 30."),
    click.option("--until-done", is_flag=True, help="End once no job has lines that a worker may work on."),
    json_option,
    connection_options,
)  # fmt: skip
def worker(ledger: "LedgerAddress", job: str, **flags: Any) -> int:
    """Send and settle the planned lines of a ledger's jobs, until stopped. Moves money.

    Any number of workers may share a ledger in PostgreSQL, on any machine: each line is sent by one of them. If one
    dies, another looks its lines up. If funds or credentials fail, the job pauses for all, until `xoxo bulk resume`.
    A worker sends orders alone. It names jobs of points and links, and the command that goes on with each.
    """
    from xoxo_async.bulk.ledger.address import LedgerAddress
    from xoxo_async.cli.connect import open_client
    from xoxo_async.cli.working import WorkerRequest, run_worker

    address = LedgerAddress.read(ledger, job=job)
    flags["engine"] = _engine(flags["engine"], address)
    return run_worker(WorkerRequest.of(address, **flags), open_client)


def _engine(asked: Literal["pgqueuer", "none"] | None, ledger: "LedgerAddress") -> Literal["pgqueuer", "none"]:
    """Return the engine that was asked for, or the best one there is."""
    if asked == "pgqueuer" and ledger.is_file:
        raise click.BadParameter(
            "pgqueuer keeps its queue in a database, and the ledger is a file", param_hint="--engine"
        )
    if asked is None:
        return "pgqueuer" if not ledger.is_file and find_spec("pgqueuer") else "none"
    return asked
