"""`fixtures`: one call starts another sandbox, and all of them end together."""

import socket

import pytest

from xoxo_async.sandbox import FaultError, Faults, Rule, SandboxFixture
from xoxo_async.sandbox.fixtures import running_sandbox


def test_the_fixture_starts_other_sandboxes(xoxo_sandbox: SandboxFixture) -> None:
    """A call gives another server with its own books and settings."""
    other = xoxo_sandbox(seed=7, balance=50)
    assert other.base_url != xoxo_sandbox.base_url
    assert other.state.balance == 50
    assert xoxo_sandbox.state.balance > 50


def test_all_sandboxes_end_together() -> None:
    """Nothing listens any more after the block, whoever started it."""
    with running_sandbox() as sandbox:
        ports = [int(each.base_url.rsplit(":", 1)[1].split("/")[0]) for each in (sandbox, sandbox(), sandbox())]
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5).close()


def test_a_mix_is_drawn_by_the_seed() -> None:
    """The same seed draws the same faults, and an unknown kind is named."""
    mix = {"commit_then_reset": 0.5}
    drawn = []
    for seed in (3, 3, 4):
        with running_sandbox(seed=seed, faults=mix) as sandbox:
            drawn.append([sandbox.faults.pick("placeOrder", str(number)) is None for number in range(30)])
    assert drawn[0] == drawn[1] != drawn[2]
    with pytest.raises(FaultError, match="comit"), running_sandbox(faults={"comit": 1.0}):
        pass


def test_faults_of_a_marker_are_not_shared() -> None:
    """A rule counts requests: each test gets a copy of it, so that no test finds what another one left."""
    faults = Faults((Rule(kind="throttle", first=1),))
    for _ in range(2):
        with running_sandbox(faults=faults) as sandbox:
            assert sandbox.faults.pick("placeOrder", "A") is not None
            assert sandbox.faults.pick("placeOrder", "B") is None
