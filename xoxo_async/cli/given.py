"""What a command line asked for, read without running it: for what is said when it ends otherwise than it should."""

from collections.abc import Sequence
from typing import Final

__all__ = ["COUNTS", "Given", "no_facts"]

COUNTS: Final = ("rows", "issued", "pending", "rejected", "unknown", "not_sent")
"""What every end of a command over a ledger tells in JSON, beside job, ledger and elapsed_s."""

_UNKEYED: Final = (("points", "send"), ("points", "cancel"), ("links", "generate"), ("links", "send"))
_KEYED: Final = (("order", "place"),)
_COUNTED: Final = tuple(("bulk", action) for action in ("plan", "run", "resume", "reconcile", "status"))


class Given:
    """The arguments of one command line.

    Args:
        arguments: What follows the program's name.

    Attributes:
        arguments: The same.
        command: The command's words, `("bulk", "run")`; fewer where none was reached.
        as_json: Whether JSON was asked for.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self.arguments: Final = tuple(arguments)
        # The groups have flags only, so that the first two words are group and command.
        self.command: Final = tuple(word for word in arguments if not word.startswith("-"))[:2]
        self.as_json: Final = "--json" in arguments

    @property
    def in_bulk(self) -> bool:
        """Whether it works on many orders."""
        return self.command[:1] == ("bulk",)

    @property
    def unkeyed(self) -> bool:
        """Whether it moves money without a key: run again, it does so again."""
        return self.command in _UNKEYED

    @property
    def keyed(self) -> bool:
        """Whether it moves money under the caller's own key: run again, it finds what it did."""
        return self.command in _KEYED

    def option(self, name: str) -> str:
        """Return what was given for an option, empty without it.

        Args:
            name: The option, `--ledger`.
        """
        value = ""
        for place, word in enumerate(self.arguments):
            if word == name:
                value = next(iter(self.arguments[place + 1 : place + 2]), "")
            elif word.startswith(f"{name}="):
                value = word.removeprefix(f"{name}=")
        return value

    def facts(self, elapsed_s: float) -> dict[str, object]:
        """Return what JSON tells of a command over a ledger that ended before there was anything to tell.

        Args:
            elapsed_s: How long it took.
        """
        if self.command not in _COUNTED:
            return {}
        return no_facts(job=self.option("--job"), ledger=self.option("--ledger"), elapsed_s=elapsed_s)


def no_facts(*, job: str, ledger: str, elapsed_s: float) -> dict[str, object]:
    """Return the facts of a job nothing is known of.

    Args:
        job: Its name, empty where that is not known either.
        ledger: Its ledger.
        elapsed_s: How long the command took.
    """
    facts: dict[str, object] = {"job": job, "ledger": ledger, "elapsed_s": elapsed_s}
    facts.update(dict.fromkeys(COUNTS, 0))
    return {**facts, "alarms": [], "alarms_total": 0}
