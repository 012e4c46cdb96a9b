"""The exit codes. Only this module decides which one a command ends with."""

import signal
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Final

from xoxo_async.errors import (
    ApiError,
    AuthError,
    BulkError,
    ConfigError,
    DecodeError,
    LedgerKeyError,
    OutcomeUnknownError,
    RateLimitedError,
    ServerError,
    TransportError,
    XoxoError,
)

if TYPE_CHECKING:
    from xoxo_async.bulk.exporting.rows import Exported
    from xoxo_async.bulk.ledger.lines import Counts
    from xoxo_async.bulk.planning.totals import PlanTotals
    from xoxo_async.bulk.proving.result import Proof
    from xoxo_async.bulk.report import Report
    from xoxo_async.doctor.findings import Diagnosis
    from xoxo_async.postgres.checking import Checked

__all__ = [
    "DONE",
    "INTERRUPTED",
    "PAUSED",
    "REJECTED",
    "UNKNOWN",
    "USAGE",
    "DeclinedError",
    "StoppedError",
    "in_doubt",
    "of_check",
    "of_diagnosis",
    "of_error",
    "of_export",
    "of_failed_work",
    "of_lost_output",
    "of_plan",
    "of_proof",
    "of_report",
    "of_results",
    "of_status",
    "of_worker",
]

DONE: Final = 0
USAGE: Final = 2
REJECTED: Final = 3
UNKNOWN: Final = 4
PAUSED: Final = 5
INTERRUPTED: Final = 130


class DeclinedError(XoxoError):
    """A command did not move money, because a person declined or `--yes` was missing."""


class StoppedError(DeclinedError):
    """A person ended a command at its question; nothing was sent."""


def of_error(error: BaseException, *, bulk: bool = False, unkeyed: bool = False) -> int:
    """Return the exit code for an error that ended a command.

    Args:
        error: The error.
        bulk: Whether the command works on many orders and has sent none. Then a refusal, such as missing funds, is a
            pause.
        unkeyed: Whether the command moves money without a key. Then any doubt about its outcome is UNKNOWN.
    """
    if unkeyed and in_doubt(error):
        return UNKNOWN
    return _of_sdk_error(error, bulk=bulk) if isinstance(error, XoxoError) else PAUSED


def in_doubt(error: BaseException) -> bool:
    """Return whether the call that an error ended may have taken effect. After a bug in this package it may have.

    Args:
        error: The error.
    """
    if not isinstance(error, XoxoError):
        return True
    code = _of_sdk_error(error, bulk=False)
    return code == UNKNOWN or (code == PAUSED and error.effect == "possible")


def _of_sdk_error(error: XoxoError, *, bulk: bool) -> int:
    match error:
        case StoppedError():
            return INTERRUPTED
        case ConfigError() | BulkError() | DeclinedError():
            return USAGE
        case OutcomeUnknownError():
            return UNKNOWN
        case AuthError() | TransportError() | RateLimitedError() | ServerError() | DecodeError():
            return PAUSED
        case ApiError():
            return PAUSED if bulk else REJECTED
        case _:
            return PAUSED


def of_report(report: "Report", *, skipped: int) -> int:
    """Return the exit code of a run that returned a report.

    Args:
        report: The report.
        skipped: How many bad rows were left out.
    """
    return report.exit_code or (REJECTED if skipped else DONE)


def of_failed_work(error: XoxoError | None, *, began: bool) -> int:
    """Return the exit code of a run that an error or a person ended early.

    Args:
        error: The error; None if a person interrupted the run before it sent anything.
        began: Whether anything may have been sent. Then a ledger error is a pause and not wrong usage: the run can
            continue once the ledger works again. A wrong key is wrong usage: without the right one nothing is sent.
    """
    if error is None:
        return INTERRUPTED
    return PAUSED if began and not isinstance(error, LedgerKeyError) else of_error(error, bulk=True)


def of_plan(totals: "PlanTotals") -> int:
    """Return the exit code of a plan: 3 if bad rows were left out, 5 if the balance is too low.

    Args:
        totals: The plan's sums.
    """
    if totals.skipped:
        return REJECTED
    return DONE if totals.covered else PAUSED


def of_proof(proof: "Proof") -> int:
    """Return the exit code of `prove`: 4 if anything does not agree, or cannot be known.

    Args:
        proof: The result.
    """
    return DONE if proof.ok else UNKNOWN


def of_export(exported: "Exported") -> int:
    """Return the exit code of an export: 4 for an alarm, 3 if a row lacks a code.

    Args:
        exported: What the export wrote.
    """
    if exported.alarms_total:
        return UNKNOWN
    return REJECTED if exported.missing or exported.not_sent else DONE


def of_status(counts: "Counts") -> int:
    """Return the exit code of `status`: 4 for an alarm.

    Args:
        counts: The counts of the ledger.
    """
    return UNKNOWN if counts.alarms_total else DONE


def of_check(checked: "Checked") -> int:
    """Return the exit code of `xoxo ledger check`: 2 if a worker would refuse the database, 4 if its counts are wrong.

    Args:
        checked: What was found.
    """
    if checked.refused:
        return USAGE
    return UNKNOWN if checked.wrong else DONE


def of_diagnosis(diagnosis: "Diagnosis") -> int:
    """Return the exit code of `xoxo doctor`: 4 if money may have moved twice, else 2 for a setting, 3, or 5.

    Args:
        diagnosis: What was found.
    """
    failed = {finding.about for finding in diagnosis.failures}
    codes = (("money", UNKNOWN), ("setting", USAGE), ("refusal", REJECTED), ("server", PAUSED))
    return next((code for about, code in codes if about in failed), DONE)


def of_worker(
    shifts: Collection[int], *, stopped_by: signal.Signals | None, cut_off: bool, refused: bool = False
) -> int:
    """Return the exit code of a worker: 0 after SIGTERM, if it has given its lines back.

    A worker has no end of its own. A system that stops it in order must not read that as a failure.

    Args:
        shifts: The exit code of the last shift on each job.
        stopped_by: The first signal; None if no job had any lines left.
        cut_off: Whether orders in flight were cut off.
        refused: Whether it could not work on some job with its settings, such as its account or its key.
    """
    if stopped_by is signal.SIGTERM and not cut_off:
        return DONE
    if stopped_by is not None:
        return INTERRUPTED
    if refused:
        return USAGE
    return next((code for code in (PAUSED, UNKNOWN, REJECTED) if code in shifts), DONE)


def of_results(successes: Iterable[bool]) -> int:
    """Return the exit code of a call that has several results: 3 if one part was refused.

    Args:
        successes: Whether each part succeeded.
    """
    return DONE if all(successes) else REJECTED


def of_lost_output(code: int, *, unkeyed: bool) -> int:
    """Return the exit code of a command whose result could not be written. It is never 0.

    Args:
        code: The exit code that the command would have had.
        unkeyed: Whether the command moved money without a key. Then nobody may run it again to get its result.
    """
    if code:
        return code
    return UNKNOWN if unkeyed else PAUSED
