"""`xoxo token` and `xoxo token import` as a person runs them."""

import json
import os
import pty
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.commands import XOXO
from tests.warm_python import WarmProcess, run_warm
from xoxo_async.sandbox import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox().run_in_thread() as running:
        yield running


def env(folder: Path, **extra: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("XOXO_")}
    who = {"XOXO_CLIENT_ID": CLIENT_ID, "XOXO_CLIENT_SECRET": CLIENT_SECRET, "XDG_STATE_HOME": str(folder / "state")}
    return {**clean, "TERM": "dumb", **who, **extra}


def xoxo(*arguments: str, folder: Path, stdin: str = "", **extra: str) -> subprocess.CompletedProcess[str]:
    return run_warm([*XOXO[1:], *arguments], cwd=folder, env=env(folder, **extra), input=stdin)


def the_file(folder: Path) -> Path:
    (found,) = (path for path in folder.rglob("*.json") if path.suffix == ".json")
    return found


def test_a_shared_store_away_is_one_line(tmp_path: Path, sandbox: Sandbox, free_tcp_port: int) -> None:
    """The token is not at fault, and nobody waits for the part of the rate that the process would go on with."""
    store = f"postgresql://me:s3cret@127.0.0.1:{free_tcp_port}/shop"
    done = xoxo("balance", folder=tmp_path, XOXO_BASE_URL=sandbox.base_url, XOXO_SHARED=store)
    assert done.returncode == 5
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: token store: the database postgresql://me@127.0.0.1:{free_tcp_port}/shop cannot be")
    assert not sandbox.requests


FORMS = {
    "a line": f"{REFRESH_TOKEN}\n",
    "three lines": f"{REFRESH_TOKEN}\nsandbox-token\n2099-12-31T12:00\n",
    "the vendor's reply": json.dumps(
        {
            "access_token": "sandbox-token",
            "refresh_token": REFRESH_TOKEN,
            "expires_in": "1296000",
            "token_type": "bearer",
        }
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("named", [True, False], ids=["XOXO_TOKEN_FILE", "default file"])
def test_an_imported_pair_is_private_and_used(tmp_path: Path, sandbox: Sandbox, form: str, named: bool) -> None:
    """The file has mode 0600, no output has a value, and then client id and secret are enough."""
    where = {"XOXO_BASE_URL": sandbox.base_url}
    if named:
        where["XOXO_TOKEN_FILE"] = str(tmp_path / "own" / "pair.json")
    done = xoxo("token", "import", folder=tmp_path, stdin=FORMS[form], **where)
    assert done.returncode == 0, done.stderr
    path = the_file(tmp_path)
    assert str(path) in done.stdout
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert REFRESH_TOKEN not in done.stdout + done.stderr
    assert "sandbox-token" not in done.stdout + done.stderr
    assert ("2099-12-31" in done.stdout) == (form == "three lines")
    shown = xoxo("token", "--json", folder=tmp_path, **where)
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["valid"] is True
    assert sandbox.books().requests.get("token", 0) == (1 if form == "a line" else 0)
    assert xoxo("balance", folder=tmp_path, **where).returncode == 0
    assert sandbox.books().requests.get("token", 0) == (1 if form == "a line" else 0)


def test_import_says_in_json_when_it_expires(tmp_path: Path) -> None:
    """--json has the file and the times, and no value."""
    pair = {"access_token": "secret-access", "refresh_token": "secret-refresh", "refresh_token_expiry": "4102444800000",
            "access_token_expiry": 4102444800000}  # fmt: skip
    done = xoxo("token", "import", "--json", folder=tmp_path, stdin=json.dumps(pair))
    told = json.loads(done.stdout)
    assert told["expires_at"] == told["refresh_expires_at"] == "2100-01-01T00:00:00+00:00"
    assert told["stored"] == str(the_file(tmp_path))
    assert told["has_access_token"] is True
    assert "secret-" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "stdin",
    ["", "\n", "{", "[]", '{"access_token": "secret-a"}', "secret-a b\n", "secret-r\nsecret-a\nsoon\n", "a\nb\n5\nd\n"],
)
def test_other_input_is_refused(tmp_path: Path, stdin: str) -> None:
    """It is exit 2 with a reason, no value is printed, and no file is made."""
    done = xoxo("token", "import", folder=tmp_path, stdin=stdin)
    assert done.returncode == 2, done.stderr
    assert "secret-" not in done.stdout + done.stderr
    assert "internal fault" not in done.stderr
    assert list(tmp_path.rglob("*.json")) == []


def test_no_token_is_taken_from_the_command_line(tmp_path: Path) -> None:
    """There is no such argument, because every user of the machine sees the arguments of a process."""
    assert xoxo("token", "import", "refresh-token", folder=tmp_path).returncode == 2
    assert xoxo("token", "import", "--refresh-token", "x", folder=tmp_path).returncode == 2


def test_another_clients_pair_is_not_written_over(tmp_path: Path) -> None:
    """A file with the pair of another client id or family stays as it is."""
    where = {"XOXO_TOKEN_FILE": str(tmp_path / "pair.json")}
    assert xoxo("token", "import", folder=tmp_path, stdin="mine\n", **where).returncode == 0
    before = (tmp_path / "pair.json").read_bytes()
    for other in ({"XOXO_CLIENT_ID": "another"}, {"XOXO_TOKEN_FAMILY": "company"}):
        done = xoxo("token", "import", folder=tmp_path, stdin="theirs\n", **where, **other)
        assert (done.returncode, (tmp_path / "pair.json").read_bytes()) == (2, before)
        assert "another client" in done.stderr
    assert xoxo("token", "import", folder=tmp_path, stdin="mine-2\n", **where).returncode == 0
    assert (tmp_path / "pair.json").read_bytes() != before


def test_an_unusable_token_file_is_named(tmp_path: Path) -> None:
    """Every command that needs the file is exit 2, and names the variable."""
    (tmp_path / "file").write_text("")
    where = {"XOXO_TOKEN_FILE": str(tmp_path / "file" / "pair.json")}
    for arguments in (("token", "import"), ("balance",)):
        done = xoxo(*arguments, folder=tmp_path, stdin="r\n", **where, XOXO_REFRESH_TOKEN="r")
        assert done.returncode == 2
        assert "XOXO_TOKEN_FILE" in done.stderr


def test_a_prompt_hides_the_pair(tmp_path: Path) -> None:
    """The prompt reads the pair without echo."""
    ours, theirs = pty.openpty()
    process = WarmProcess(
        [*XOXO[1:], "token", "import"], cwd=tmp_path, env=env(tmp_path), stdin=theirs, stdout=theirs, stderr=theirs,
        session=True,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    try:
        for prompt, answer in (
            (b"Refresh token", b"secret-r\n"),
            (b"Enter for none", b"secret-a\n"),
            (b"expires", b"\n"),
        ):
            while prompt not in said:
                said += os.read(ours, 4096)
            os.write(ours, answer)
        while True:
            try:
                said += os.read(ours, 4096)
            except OSError:
                break
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)
    assert b"secret-" not in said
    stored: Any = json.loads(the_file(tmp_path).read_bytes())
    assert (stored["refresh_token"], stored["access_token"]) == ("secret-r", "secret-a")


@pytest.mark.parametrize("expires_in", [9e17, "1e30", "soon", 2**80])
def test_a_token_with_an_absurd_lifetime_is_shown(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, expires_in: object
) -> None:
    """The expiry is not known, and the command succeeds."""
    monkeypatch.setattr(sandbox.tokens, "seconds_left", lambda _token: expires_in)
    where = {"XOXO_BASE_URL": sandbox.base_url, "XOXO_ACCESS_TOKEN": "sandbox-token"}
    done = xoxo("token", folder=tmp_path, **where)
    assert (done.returncode, done.stdout) == (0, "the token is valid for an unknown time\n"), done.stderr


def test_company_credentials_come_from_the_environment(tmp_path: Path, sandbox: Sandbox) -> None:
    """With XOXO_TOKEN_FAMILY=company, pairs are renewed at the endpoint of points and storefront."""
    seen: list[str] = []
    real = sandbox.tokens.issue
    sandbox.tokens.issue = lambda path, *rest: (seen.append(path), real(path, *rest))[1]  # type: ignore[method-assign]
    where = {"XOXO_BASE_URL": sandbox.base_url, "XOXO_REFRESH_TOKEN": REFRESH_TOKEN, "XOXO_TOKEN_FAMILY": "company"}
    done = xoxo("points", "balance", "--email", "a@b.example", folder=tmp_path, **where)
    assert done.returncode == 0, done.stderr
    assert seen == ["/chef/v1/oauth/token/company"]


def test_one_bad_product_hides_no_others(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that cannot be decoded is null in JSON and a dash in the table. Every other field is shown."""
    from xoxo_async.sandbox.handlers import catalog

    real = catalog._product_reply

    def odd(product: Any, **options: Any) -> dict[str, object]:
        fields = real(product, **options)
        return {**fields, "fee": "2%", "valueDenominations": "10,20,N/A"} if product.id == 1001 else fields

    monkeypatch.setattr(catalog, "_product_reply", odd)
    where = {"XOXO_BASE_URL": sandbox.base_url}
    done = xoxo("catalog", "vouchers", "--limit", "2", "--json", folder=tmp_path, **where)
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)["vouchers"]
    assert (first["product_id"], first["fee"], first["denominations"]) == (1001, None, None)
    assert second["fee"] == 0
    shown = xoxo("catalog", "vouchers", "--limit", "2", folder=tmp_path, **where)
    assert (shown.returncode, "1001\tCorner Shop\tIN\tINR\t-" in shown.stdout) == (0, True)


def test_a_pair_is_imported_into_a_shared_database(tmp_path: Path, sandbox: Sandbox, database: str) -> None:
    """With XOXO_SHARED the pair is in the database, sealed by the ledger's key, and every process of it uses it."""
    where = {"XOXO_BASE_URL": sandbox.base_url + "/", "XOXO_SHARED": database, "XOXO_LEDGER_KEY": "A" * 43 + "="}
    done = xoxo("token", "import", "--json", folder=tmp_path, stdin=f"{REFRESH_TOKEN}\n", **where)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["stored"] == database
    assert REFRESH_TOKEN not in done.stdout + done.stderr
    for folder in (tmp_path / "one", tmp_path / "two"):  # no file is shared
        folder.mkdir()
        shown = xoxo("token", folder=folder, **where)
        assert shown.returncode == 0, shown.stderr
    assert sandbox.books().requests["token"] == 1
    assert list(tmp_path.rglob("*.json")) == []


def test_a_files_pair_moves_to_a_database(tmp_path: Path, sandbox: Sandbox, database: str) -> None:
    """The token file is what the import reads; until it is deleted, the pair in the default file is not left behind."""
    alone = {"XOXO_BASE_URL": sandbox.base_url, "XOXO_REFRESH_TOKEN": REFRESH_TOKEN}
    assert xoxo("balance", folder=tmp_path, **alone).returncode == 0
    path = the_file(tmp_path)
    shared = alone | {"XOXO_SHARED": database}
    done = xoxo("balance", folder=tmp_path, **shared)
    assert done.returncode == 2
    assert f"{path} holds a pair that would not be used" in done.stderr
    done = xoxo("token", "import", folder=tmp_path, stdin=path.read_text(), **shared)
    assert done.returncode == 0, done.stderr
    path.unlink()
    assert xoxo("balance", folder=tmp_path, **shared).returncode == 0
    assert sandbox.books().requests["token"] == 1


def test_a_shared_database_that_is_down_is_named(tmp_path: Path, sandbox: Sandbox, free_tcp_port: int) -> None:
    """The command ends with a retryable failure, names the database without its password, and sends nothing."""
    where = {"XOXO_BASE_URL": sandbox.base_url, "XOXO_SHARED": f"postgresql://me:s3cret@127.0.0.1:{free_tcp_port}/db"}
    done = xoxo("token", folder=tmp_path, **where)
    assert done.returncode == 5, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"error: token store: the database postgresql://me@127.0.0.1:{free_tcp_port}/db cannot be")
    assert "s3cret" not in done.stdout + done.stderr
    assert sandbox.books().requests.get("token", 0) == 0
