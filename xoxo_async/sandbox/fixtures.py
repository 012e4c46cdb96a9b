"""`SandboxFixture`: the sandbox that the pytest plugin gives to a test, which starts others when it is called."""

import copy
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from xoxo_async.sandbox.faults import Faults
from xoxo_async.sandbox.server import Sandbox

__all__ = ["SandboxFixture", "running_sandbox"]


class SandboxFixture(Sandbox):
    """The sandbox of the fixture `xoxo_sandbox`: a running `Sandbox` that starts others when it is called.

    Args:
        settings: The settings of `Sandbox`. `faults` may also be a mix, the share of orders that get each kind of
            fault; `seed` then fixes what it draws.

    Raises:
        FaultError: A kind of fault is unknown, or its share is not possible.
        TypeError: `Sandbox` has no such setting.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**_with_faults(settings))
        self._others: Final = ExitStack()

    def __call__(self, **settings: Any) -> Sandbox:
        """Start another sandbox, on a port of its own and with books of its own. It ends with the test.

        Args:
            settings: As for this class, for example `seed=4, faults={"short_answer": 1}, balance=500`.

        Raises:
            FaultError: A kind of fault is unknown, or its share is not possible.
            TypeError: `Sandbox` has no such setting.
        """
        return self._others.enter_context(Sandbox(**_with_faults(settings)).run_in_thread())

    def stop_others(self) -> None:
        """Stop the sandboxes that this one has started."""
        self._others.close()


@contextmanager
def running_sandbox(**settings: Any) -> Generator[SandboxFixture]:
    """Run the sandbox of a test, and all that it starts.

    Args:
        settings: As for `SandboxFixture`. A marker may stand above many tests, so each gets a copy of its faults:
            rules count the requests that they have seen.

    Raises:
        FaultError: A kind of fault is unknown, or its share is not possible.
        TypeError: `Sandbox` has no such setting.
    """
    with SandboxFixture(**copy.deepcopy(settings)).run_in_thread() as sandbox:
        try:
            yield sandbox
        finally:
            sandbox.stop_others()


def _with_faults(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings in which a mix of faults is a `Faults`."""
    faults = settings.get("faults")
    if not isinstance(faults, Mapping):
        return settings
    return {**settings, "faults": Faults(mix=faults, seed=settings.get("seed", 1))}
