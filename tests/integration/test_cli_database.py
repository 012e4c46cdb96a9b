"""The command on a ledger in PostgreSQL: every command takes its URL, and an unfit database sends nothing."""

import csv
import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.integration.commands import (
    continue_line,
    last_json,
    requests_of,
    server,
    started,
    wait_until,
    write_orders,
    write_values,
    xoxo,
)
from tests.postgres import PostgresServer

pytestmark = pytest.mark.anyio


class Site:
    """A folder, a database and a server of the vendor's, and the command between them."""

    def __init__(self, folder: Path, database: str, vendor: dict[str, str]) -> None:
        self.folder = folder
        self.database = database
        self.vendor = vendor

    def url(self, job: str = "march") -> str:
        return f"{self.database}#{job}"

    def __call__(self, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        return xoxo(*arguments, cwd=self.folder, **{**self.vendor, **extra})

    @property
    def sent(self) -> int:
        """How many orders the vendor was asked for."""
        return requests_of(self.vendor)


@pytest.fixture
def site(tmp_path: Path, database: str) -> Iterator[Site]:
    with server(tmp_path) as vendor:
        yield Site(tmp_path, database, vendor)


async def sql(database: str, *statements: str) -> None:
    connection = await asyncpg.connect(database)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


def refused(done: subprocess.CompletedProcess[str], said: str, code: int = 2) -> str:
    """Check that a command ended with one error that says something, and return all that it said."""
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert (done.returncode, len(errors)) == (code, 1), done.stderr
    assert said in errors[0]
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_a_job_is_planned_run_and_exported(site: Site) -> None:
    """The same commands as for a file, with the URL in its place."""
    write_orders(site.folder, 30)
    url = site.url()
    planned = site("bulk", "plan", "orders.csv", "--ledger", url, "--json")
    assert (planned.returncode, last_json(planned)["not_sent"], site.sent) == (0, 30, 0)
    status = site("bulk", "status", "--ledger", url, "--json")
    assert (last_json(status)["job"], last_json(status)["not_sent"]) == ("march", 30)
    follow = shlex.split(last_json(status)["continue_with"])
    assert follow[follow.index("--ledger") + 1] == url
    ran = site("bulk", "run", "orders.csv", "--ledger", site.database, "--job", "march", "--rate", "none", "--json")
    assert (ran.returncode, last_json(ran)["issued"], site.sent) == (0, 30, 30)
    again = site("bulk", "resume", "--ledger", url, "--json")
    assert (again.returncode, site.sent) == (0, 30)
    assert site("bulk", "reconcile", "--ledger", url).returncode == 0
    exported = site("bulk", "export", "--ledger", url, "--out", "codes.csv", "--reveal", "--json")
    assert (exported.returncode, last_json(exported)["missing"]) == (0, 0)
    with (site.folder / "codes.csv").open(newline="") as file:
        assert len({row["code"] for row in csv.DictReader(file)}) == last_json(exported)["codes"] >= 30
    checked = site("ledger", "check", "--ledger", site.database, "--json")
    assert (checked.returncode, last_json(checked)["wrong"]) == (0, [])


def test_a_service_file_names_the_database(site: Site, postgres: PostgresServer) -> None:
    """So do PGHOST and the others, as for `psql`; the URL needs nothing but the job."""
    write_values(site.folder, ("A", 500))
    name = Path(site.database).name
    lines = ["[plum]", "host=127.0.0.1", f"port={postgres.port}", "user=xoxo", f"dbname={name}"]
    (site.folder / "services").write_text("\n".join(lines))
    service = {"PGSERVICEFILE": str(site.folder / "services")}
    variables = {"PGHOST": "127.0.0.1", "PGPORT": str(postgres.port), "PGUSER": "xoxo", "PGDATABASE": name}
    planned = site("bulk", "plan", "orders.csv", "--ledger", "postgresql://?service=plum#march", **service)
    assert planned.returncode == 0, planned.stderr
    for url, extra in (("postgresql://#march", variables), ("postgresql://?service=plum#march", service)):
        status = last_json(site("bulk", "status", "--ledger", url, "--json", **extra))
        assert status["not_sent"] == 1
        assert shlex.split(status["continue_with"])[-1] == url


def test_a_job_is_bound_to_another_account(site: Site) -> None:
    """On a person's word, as a ledger's file is."""
    write_values(site.folder, ("A", 500))
    assert site("bulk", "plan", "orders.csv", "--ledger", site.url()).returncode == 0
    other = {"XOXO_ACCESS_TOKEN": "other-token"}
    refused(site("bulk", "resume", "--ledger", site.url(), **other), "another account")
    bound = site("bulk", "rebind", "--ledger", site.url(), "--reason", "new client id", "--json", **other)
    assert (bound.returncode, last_json(bound)["ledger"]) == (0, site.url())
    refused(site("bulk", "resume", "--ledger", site.url()), "another account")


def test_rows_are_withdrawn_and_a_job_is_paused(site: Site) -> None:
    """A pause holds for every worker; `resume` ends it and sends what was not withdrawn."""
    write_values(site.folder, ("A", 500), ("B", 250), ("C", 100))
    url = site.url()
    assert site("bulk", "plan", "orders.csv", "--ledger", url).returncode == 0
    assert site("bulk", "withdraw", "B", "--ledger", url, "--reason", "left").returncode == 0
    assert site("bulk", "pause", "--ledger", url, "--reason", "wrong values").returncode == 0
    assert last_json(site("bulk", "status", "--ledger", url, "--json"))["paused"] == "wrong values"
    resumed = last_json(site("bulk", "resume", "--ledger", url, "--rate", "none", "--json"))
    assert (resumed["issued"], resumed["withdrawn"], site.sent) == (2, 1, 2)


def test_several_jobs_share_a_database(site: Site) -> None:
    """Each has its own rows; none is found under another's name."""
    write_values(site.folder, ("A", 500), ("B", 250))
    for job in ("march", "april"):
        done = site("bulk", "run", "orders.csv", "--ledger", site.url(job), "--rate", "none", "--json")
        assert (done.returncode, last_json(done)["issued"]) == (0, 2)
    assert site.sent == 4
    refused(site("bulk", "status", "--ledger", site.url("may")), "'may'")
    refused(site("bulk", "status", "--ledger", site.database), "name one")


def test_two_runs_work_on_one_job(site: Site) -> None:
    """Both are at it at once; together they buy each row once."""
    write_orders(site.folder, 200)
    url = site.url()
    assert site("bulk", "plan", "orders.csv", "--ledger", url).returncode == 0
    arguments = ("bulk", "resume", "--ledger", url, "--rate", "none", "--concurrency", "8", "--json")
    with started(*arguments, cwd=site.folder, **site.vendor) as other:
        mine = site(*arguments)
        said, errors = other.communicate(timeout=90)
    assert (mine.returncode, other.returncode) == (0, 0), mine.stderr + errors
    assert last_json(mine)["issued"] == 200
    assert site.sent == 200
    assert '"issued":200' in said
    checked = site("ledger", "check", "--ledger", site.database, "--json")
    assert last_json(checked)["wrong"] == []


def test_a_run_outlasts_a_restart(tmp_path: Path, postgres: PostgresServer) -> None:
    """The database crashes in the middle and comes back: the run waits, goes on, and buys each row once."""
    write_orders(tmp_path, 60)
    with server(tmp_path, "--latency-ms", "100") as vendor:
        site = Site(tmp_path, postgres.database(), vendor)
        arguments = ("bulk", "run", "orders.csv", "--ledger", site.url(), "--rate", "none", "--concurrency", "4")
        with started(*arguments, "--json", cwd=tmp_path, **vendor) as run:
            wait_until(lambda: site.sent > 10)
            postgres.stop(how="immediate")
            try:
                assert site("bulk", "status", "--ledger", site.url()).returncode == 2
            finally:
                postgres.start()
            said, errors = run.communicate(timeout=90)
        assert run.returncode == 0, errors
        assert json.loads(said.splitlines()[-1])["issued"] == 60
        assert site.sent == 60
        checked = site("ledger", "check", "--ledger", site.database, "--json")
        assert last_json(checked)["wrong"] == []


async def test_a_restored_backup_buys_nothing_again(site: Site) -> None:
    """The backup is older than the orders: after `check --restored` they are looked up, found and adopted."""
    write_orders(site.folder, 20)
    assert site("bulk", "plan", "orders.csv", "--ledger", site.url()).returncode == 0
    backup = f"b{uuid4().hex[:10]}"
    before, _, name = site.database.rpartition("/")
    await sql(f"{before}/postgres", f"CREATE DATABASE {backup} TEMPLATE {name}")
    assert site("bulk", "resume", "--ledger", site.url(), "--rate", "none").returncode == 0
    restored = Site(site.folder, f"{before}/{backup}", site.vendor)
    done = restored("ledger", "check", "--ledger", restored.database, "--restored", "--json")
    assert (done.returncode, last_json(done)["jobs"][0]["behind"]) == (0, True)
    again = restored("bulk", "resume", "--ledger", restored.url(), "--rate", "none", "--settle", "1", "--json")
    assert (again.returncode, last_json(again)["issued"]) == (0, 20), again.stderr
    assert site.sent == 20
    checked = last_json(restored("ledger", "check", "--ledger", restored.database, "--json"))
    assert (checked["jobs"][0]["behind"], checked["wrong"], checked["warnings"]) == (False, [], [])


def test_a_purged_job_cannot_be_bought_again(site: Site) -> None:
    """Neither under its name, nor by whoever looks at it."""
    write_values(site.folder, ("A", 500), ("B", 250))
    ran = ("bulk", "run", "orders.csv", "--ledger", site.url(), "--rate", "none")
    assert site(*ran).returncode == 0
    assert site("ledger", "purge", "--ledger", site.url(), "--yes").returncode == 0
    assert site(*ran).returncode == 2
    assert site.sent == 2
    refused(site("bulk", "status", "--ledger", site.url()), "was purged")


def test_another_accounts_job_is_refused(site: Site) -> None:
    """Its orders are not there, so every one would be bought again."""
    write_values(site.folder, ("A", 500), ("B", 250))
    assert site("bulk", "plan", "orders.csv", "--ledger", site.url()).returncode == 0
    for arguments in (("run", "orders.csv"), ("resume",)):
        done = site("bulk", *arguments, "--ledger", site.url(), XOXO_ACCESS_TOKEN="other-token")
        refused(done, "another account")
    assert site.sent == 0


SETTINGS = [
    ("ALTER DATABASE {name} SET synchronous_commit = off", "synchronous_commit = off"),
    ("ALTER DATABASE {name} SET default_transaction_read_only = on", "read-only"),
    ("UPDATE xoxo.meta SET value = '7' WHERE name = 'schema_version'", "has version 7 of the schema"),
    ("DROP SCHEMA xoxo CASCADE", "xoxo ledger migrate"),
]


@pytest.mark.parametrize(("statement", "said"), SETTINGS)
async def test_an_unfit_database_sends_nothing(site: Site, statement: str, said: str) -> None:
    """A clear line, and exit code 2, for each command that would send."""
    write_values(site.folder, ("A", 500))
    assert site("bulk", "plan", "orders.csv", "--ledger", site.url()).returncode == 0
    await sql(site.database, statement.format(name=Path(site.database).name))
    for arguments in (("run", "orders.csv"), ("resume",), ("plan", "orders.csv"), ("reconcile",)):
        refused(site("bulk", *arguments, "--ledger", site.url()), said)
    assert site.sent == 0


@pytest.mark.parametrize("engine", ["none", "pgqueuer"])
@pytest.mark.parametrize(("statement", "said"), SETTINGS)
async def test_a_worker_refuses_an_unfit_database(site: Site, statement: str, said: str, engine: str) -> None:
    """At its start, also while no job has open lines: it would be found unfit by the first order otherwise."""
    await sql(site.database, statement.format(name=Path(site.database).name))
    refused(site("worker", "--ledger", site.database, "--engine", engine, "--until-done"), said)


@pytest.mark.parametrize("engine", ["none", "pgqueuer"])
def test_a_worker_names_jobs_of_points(site: Site, engine: str) -> None:
    """It cannot send them, so it does not say that all is done, and names the command that goes on with them."""
    (site.folder / "people.csv").write_text(
        "key,email,name,amount\n" + "".join(f"E-{n},p{n}@example.com,P,100\n" for n in range(4))
    )
    points = ("points", "send", "--file", "people.csv", "--ledger", site.url("pts"), "--sender", "a@example.com")
    assert site(*points, "--max-spend", "200").returncode == 5
    write_values(site.folder, ("A", 500))
    assert site("bulk", "plan", "orders.csv", "--ledger", site.url()).returncode == 0
    worker = ("worker", "--ledger", site.database, "--engine", engine, "--rate", "none", "--until-done", "--json")
    done = site(*worker)
    assert (done.returncode, last_json(done)["issued_now"]) == (2, 1), done.stderr
    assert done.stderr.count("trouble: job pts: no worker sends points, links or mails; go on with it by `") == 1
    assert "ended: this worker issued 1 row" in done.stderr
    assert list(last_json(done)["left_out"]) == ["pts"]
    follow = shlex.split(continue_line(done.stderr))
    assert follow[-4:] == ["points", "send", "--ledger", site.url("pts")]
    assert site(*follow[-4:], "--max-spend", "400", "--yes").returncode == 0
    done = site(*worker)
    assert (done.returncode, "left_out" in done.stderr) == (0, False), done.stderr


@pytest.mark.parametrize("engine", ["none", "pgqueuer"])
async def test_a_reader_is_no_worker(site: Site, engine: str) -> None:
    """It is refused at its start, also while no job has open lines."""
    assert site("ledger", "migrate", "--ledger", site.database, "--roles", "apply").returncode == 0
    name = f"u{uuid4().hex[:10]}"
    await sql(site.database, f"CREATE ROLE {name} LOGIN", f"GRANT xoxo_reader TO {name}")
    url = site.database.replace("//xoxo@", f"//{name}@")
    done = site("worker", "--ledger", url, "--engine", engine, "--until-done")
    refused(done, f"does not give this user the rights of a worker: {name} only reads")


@pytest.mark.parametrize("role", ["", "xoxo_reader"])
async def test_a_user_without_rights_sends_nothing(site: Site, role: str) -> None:
    """A reader may look and not send; a stranger may not even look."""
    write_values(site.folder, ("A", 500))
    assert site("bulk", "plan", "orders.csv", "--ledger", site.url()).returncode == 0
    assert site("ledger", "migrate", "--ledger", site.database, "--roles", "apply").returncode == 0
    name = f"u{uuid4().hex[:10]}"
    await sql(site.database, f"CREATE ROLE {name} LOGIN", *([f"GRANT {role} TO {name}"] if role else []))
    url = site.url().replace("//xoxo@", f"//{name}@")
    refused(site("bulk", "resume", "--ledger", url), "does not give this user the rights")
    assert site("bulk", "status", "--ledger", url).returncode == (0 if role else 2)
    assert site.sent == 0


async def test_a_worker_needs_no_more_than_its_role(site: Site) -> None:
    """It plans, sends, settles, withdraws, pauses and exports; only a purge and a migration are the owner's."""
    write_orders(site.folder, 12)
    assert site("ledger", "migrate", "--ledger", site.database, "--roles", "apply").returncode == 0
    name = f"u{uuid4().hex[:10]}"
    await sql(site.database, f"CREATE ROLE {name} LOGIN", f"GRANT xoxo_worker TO {name}")
    url = site.url().replace("//xoxo@", f"//{name}@")
    commands: list[tuple[str, ...]] = [
        ("plan", "orders.csv"),
        ("withdraw", "EMP-000", "--reason", "left"),
        ("pause", "--reason", "lunch"),
        ("run", "orders.csv", "--rate", "none", "--max-spend", "100000"),
        ("resume",),
        ("reconcile",),
        ("export", "--out", "codes.jsonl", "--reveal"),
    ]
    for command in commands:
        done = site("bulk", *command, "--ledger", url)
        assert done.returncode in {0, 3}, (command, done.stderr)  # 3: the withdrawn row has no code
    assert site.sent == 11
    checked = last_json(site("ledger", "check", "--ledger", url, "--json"))
    assert (checked["rights"]["role"], checked["refused"], checked["wrong"]) == ("worker", [], [])
    refused(site("ledger", "purge", "--ledger", url, "--yes"), "does not give this user the rights")


def wrong_urls(postgres: PostgresServer) -> list[tuple[str, str]]:
    port = postgres.port
    return [
        (f"postgresql://xoxo:s3cret@127.0.0.1:{port}/nowhere#march", "does not exist on this server"),
        (f"postgresql://nobody:s3cret@127.0.0.1:{port}/postgres#march", "refuses the user"),
        ("postgresql://xoxo:s3cret@127.0.0.1:9/x#march", "cannot be reached"),
        ("postgresql://xoxo:s3cret@no.such.host.invalid/x#march", "cannot be reached"),
        ("postgresql://xoxo:s3c/ret@127.0.0.1:x/x#march", "URL"),
        ("mysql://xoxo:s3cret@127.0.0.1/x#march", "postgresql:// URL"),
    ]


@pytest.mark.parametrize("number", range(6))
def test_a_wrong_url_sends_nothing(site: Site, postgres: PostgresServer, number: int) -> None:
    """The line has no password, whatever is wrong, and neither has the JSON."""
    write_values(site.folder, ("A", 500))
    url, said = wrong_urls(postgres)[number]
    for arguments in (("run", "orders.csv"), ("status",)):
        done = site("bulk", *arguments, "--ledger", url, "--json")
        everything = refused(done, said)
        assert "s3c" not in everything
        assert last_json(done)["exit_code"] == 2
    assert site.sent == 0


def test_a_printed_command_has_no_password(site: Site) -> None:
    """It continues with the password from PGPASSWORD or ~/.pgpass; a warning says so once."""
    write_values(site.folder, ("A", 500))
    url = site.url().replace("//xoxo@", "//xoxo:s3cret@")
    done = site("bulk", "run", "orders.csv", "--ledger", url, "--base-url", "http://127.0.0.1:9/chef", "--yes")
    assert done.returncode == 5
    assert "s3cret" not in done.stdout + done.stderr
    assert done.stderr.count("PGPASSWORD") == 1
    follow = shlex.split(continue_line(done.stderr))
    assert follow[follow.index("--ledger") + 1] == site.url()
    facts: dict[str, Any] = last_json(site("bulk", "plan", "orders.csv", "--ledger", url, "--json"))
    assert facts["ledger"] == site.url()
