"""The command as in a container: a read-only root, one volume, no home folder, and as the first process.

The system's own namespaces stand for a container. Where they may not be made, these tests are skipped.
"""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from xoxo_async.sandbox import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, Sandbox

XOXO = [sys.executable, "-m", "xoxo_async"]

READ_ONLY = """
set -e
for folder in / /tmp /var/tmp /dev/shm /run; do
    if [ -d "$folder" ]; then mount --bind "$folder" "$folder"; mount -o remount,bind,ro "$folder"; fi
done
mount --bind "$1" "$1"
mount -o remount,bind,rw "$1"
shift
cd /
exec "$@"
"""
"""Makes everything read-only but one folder. What it mounts ends with its process."""


def _has_namespaces() -> bool:
    try:
        done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, timeout=30)
    except OSError:
        return False
    return done.returncode == 0


pytestmark = pytest.mark.skipif(not _has_namespaces(), reason="namespaces may not be made here")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox().run_in_thread() as running:
        yield running


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    folder = tmp_path / "volume"
    folder.mkdir()
    (folder / "orders.csv").write_text("key,product_id,denomination\na,1001,100\nb,1001,250\n")
    return folder


def env(sandbox: Sandbox, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XOXO_", "XDG_"))}
    kept.pop("TMPDIR", None)
    who = {"XOXO_CLIENT_ID": CLIENT_ID, "XOXO_CLIENT_SECRET": CLIENT_SECRET, "XOXO_REFRESH_TOKEN": REFRESH_TOKEN}
    return {**kept, **who, "XOXO_BASE_URL": sandbox.base_url, "HOME": "/nonexistent", "TERM": "dumb", **more}


def contained(volume: Path, *arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", str(volume), *XOXO, *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)


def test_a_volume_keeps_the_token_and_the_ledger(sandbox: Sandbox, volume: Path) -> None:
    """With both on the volume, nothing else is written, and the next container goes on with the pair."""
    given = env(sandbox, XOXO_TOKEN_FILE=str(volume / "pair.json"))
    ledger = str(volume / "march.db")
    done = contained(volume, "bulk", "run", str(volume / "orders.csv"), "--ledger", ledger, "--yes", env=given)
    assert done.returncode == 0, done.stderr
    out = volume / "codes.csv"
    done = contained(volume, "bulk", "export", "--ledger", ledger, "--out", str(out), "--reveal", env=given)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert contained(volume, "balance", env=given).returncode == 0
    assert sandbox.books().requests["token"] == 1


def test_a_second_start_without_its_pair_says_so(sandbox: Sandbox, volume: Path) -> None:
    """The file system of the first container is gone, and with it the pair: the error names the file and the remedy."""
    given = env(sandbox, XOXO_TOKEN_FILE=str(volume / "pair.json"))
    assert contained(volume, "balance", env=given).returncode == 0
    (volume / "pair.json").unlink()
    done = contained(volume, "balance", env=given)
    assert done.returncode == 5
    for words in ("pair.json", "held no pair", "XOXO_TOKEN_FILE on a volume", "XOXO_SHARED"):
        assert words in done.stderr


def test_a_read_only_root_sends_nothing(sandbox: Sandbox, volume: Path) -> None:
    """Neither a token file nor a ledger can be made outside the volume; each error names the file."""
    done = contained(volume, "balance", env=env(sandbox))
    assert done.returncode == 2
    assert "/nonexistent/.local/state/xoxo/token-" in done.stderr
    assert "XOXO_TOKEN_FILE" in done.stderr
    given = env(sandbox, XOXO_TOKEN_FILE="/tmp/pair.json")
    done = contained(volume, "balance", env=given)
    assert done.returncode == 2
    assert "/tmp/pair.json" in done.stderr
    assert "volume" in done.stderr
    given = env(sandbox, XOXO_TOKEN_FILE=str(volume / "pair.json"))
    orders = str(volume / "orders.csv")
    done = contained(volume, "bulk", "run", orders, "--ledger", "/tmp/march.db", "--yes", env=given)
    assert done.returncode == 2
    assert "/tmp/march.db" in done.stderr
    assert "placeOrder" not in sandbox.books().requests


def test_a_plan_needs_a_place_for_its_ledger(sandbox: Sandbox, volume: Path) -> None:
    """`bulk plan` without a ledger makes a temporary one: without a folder for it, the error names TMPDIR."""
    given = env(sandbox, XOXO_ACCESS_TOKEN="sandbox-token")
    done = contained(volume, "bulk", "plan", str(volume / "orders.csv"), env=given)
    assert done.returncode == 2
    assert "TMPDIR" in done.stderr
    done = contained(volume, "bulk", "plan", str(volume / "orders.csv"), env={**given, "TMPDIR": str(volume)})
    assert done.returncode == 0, done.stderr


def test_the_first_process_ends_in_order(sandbox: Sandbox, volume: Path) -> None:
    """The system gives a first process no default action for SIGTERM: the command handles it, and exits with 130."""
    sandbox.script("timeout_before", operation="placeOrder", seconds=3)
    given = env(sandbox, XOXO_ACCESS_TOKEN="sandbox-token")
    arguments = ["bulk", "run", str(volume / "orders.csv"), "--ledger", str(volume / "march.db"), "--yes"]
    command = ["unshare", "--pid", "--fork", "--kill-child", *XOXO, *arguments, "--grace", "1"]
    outer = subprocess.Popen(command, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + 60
        while not sandbox.books().requests.get("placeOrder"):
            assert time.monotonic() < end
            assert outer.poll() is None
            time.sleep(0.02)
        (first,) = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        os.kill(int(first), signal.SIGTERM)
        _, told = outer.communicate(timeout=60)
    finally:
        outer.kill()
        outer.communicate()
    assert outer.returncode == 130, told
    assert "Stopping (SIGTERM): no new orders" in told
