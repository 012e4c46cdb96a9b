"""The reasons for which a bulk run pauses."""

from enum import StrEnum

__all__ = ["Pause"]


class Pause(StrEnum):
    """Why a run stopped with rows it could still work on.

    `job`: the job is paused in its ledger, by another worker or by a person.
    `refusals`: more rows were refused than `max_errors` allows.
    """

    NONE = ""
    FUNDS = "funds"
    CREDENTIALS = "credentials"
    RATE = "rate"
    UNREACHABLE = "unreachable"
    BUDGET = "budget"
    REFUSALS = "refusals"
    LEDGER = "ledger"
    JOB = "job"
    INTERRUPTED = "interrupted"
