"""Write the line of JSON that `--json` prints."""

from typing import Final

from xoxo_async.cli.output import out

__all__ = ["COUNTS", "empty_counts", "json_text", "print_json"]

COUNTS: Final = ("rows", "issued", "pending", "rejected", "unknown", "not_sent")
"""The counts that the JSON of a command on a ledger always has, besides job, ledger and elapsed_s."""


def print_json(value: object) -> None:
    """Write a value to standard output as one line of JSON.

    Args:
        value: A result of `reply_values.to_json`, or a value of the same types.
    """
    out(json_text(value))


def json_text(value: object) -> str:
    """Return a value as one line of JSON, with amounts as exact numbers.

    Args:
        value: A result of `reply_values.to_json`, or a value of the same types.
    """
    import msgspec

    return msgspec.json.Encoder(decimal_format="number").encode(value).decode()


def empty_counts(*, job: str, ledger: str, elapsed_s: float) -> dict[str, object]:
    """Return the JSON of a job whose ledger was not read: every key that a script needs, with counts of 0.

    Args:
        job: The job's name; empty if it is not known.
        ledger: The ledger.
        elapsed_s: How long the command took, in seconds.
    """
    facts: dict[str, object] = {"job": job, "ledger": ledger, "elapsed_s": elapsed_s}
    facts.update(dict.fromkeys(COUNTS, 0))
    return {**facts, "alarms": [], "alarms_total": 0}
