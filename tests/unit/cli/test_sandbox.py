"""`sandbox`: its printed variables lead to it, and settings that it cannot serve are wrong usage."""

import os
import re
import signal
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.unit.cli.in_process import Command


def test_it_serves_until_a_signal(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """It prints its address and credentials, answers there, and ends in order."""
    answered: list[int] = []

    def ask_and_end(_text: str) -> None:
        def ask() -> None:
            with urllib.request.urlopen(address_of(), timeout=30) as answer:  # noqa: S310 - our own, on loopback
                answered.append(answer.status)
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=ask).start()

    printed: list[str] = []

    def address_of() -> str:
        (base_url,) = re.findall(r"XOXO_BASE_URL=(\S+)", "\n".join(printed))
        return base_url.replace("/chef", "/_sandbox/books")

    monkeypatch.setattr("xoxo_async.cli.sandbox.out", printed.append)
    monkeypatch.setattr("xoxo_async.cli.sandbox.say", ask_and_end)
    ended = command("sandbox", "--port", "0")
    assert (ended.code, answered) == (0, [200])
    assert "XOXO_CLIENT_ID=sandbox-client" in "\n".join(printed)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address_of(), timeout=5)  # noqa: S310 - our own, on loopback


@pytest.mark.parametrize("flags", [("--faults", "none.json"), ("--host", "256.0.0.1"), ("--books", "no/such/books")])
def test_unusable_settings_are_wrong_usage(command: Command, flags: tuple[str, str]) -> None:
    """That is exit 2 with the reason."""
    ended = command("sandbox", "--port", "0", *flags)
    assert (ended.code, "the sandbox cannot start" in ended.err) == (2, True)
    assert not Path("no").exists()
