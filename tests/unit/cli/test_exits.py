"""`exits`: every end of a command has its exit code."""

import signal
from typing import Any

import pytest

from xoxo_async import errors
from xoxo_async.cli import exits
from xoxo_async.doctor import Diagnosis, Finding
from xoxo_async.postgres.checking import Checked


@pytest.mark.parametrize(
    ("error", "alone", "in_bulk"),
    [
        (errors.ConfigError("x"), 2, 2),
        (errors.PlanError("x"), 2, 2),
        (errors.LedgerLockedError("x"), 2, 2),
        (errors.BudgetError("x"), 2, 2),
        (exits.DeclinedError("x"), 2, 2),
        (errors.NotFoundError("x"), 3, 5),
        (errors.DenominationError("x"), 3, 5),
        (errors.OutcomeUnknownError("x"), 4, 4),
        (errors.CredentialsRejectedError("x"), 5, 5),
        (errors.ConnectError("x"), 5, 5),
        (errors.ReplyTimeoutError("x"), 5, 5),
        (errors.RateLimitedError("x"), 5, 5),
        (errors.ServerError("x"), 5, 5),
    ],
)
def test_every_kind_of_error_has_its_exit_code(error: errors.XoxoError, alone: int, in_bulk: int) -> None:
    """Wrong input is 2, a refusal 3, doubt 4, a pause 5. Before a bulk run sends, a refusal is a pause."""
    assert exits.of_error(error) == alone
    assert exits.of_error(error, bulk=True) == in_bulk


@pytest.mark.parametrize(("refused", "wrong", "code"), [((), (), 0), ((), ("w",), 4), (("r",), ("w",), 2)])
def test_a_database_that_workers_refuse_comes_first(
    refused: tuple[str, ...], wrong: tuple[str, ...], code: int
) -> None:
    """Wrong counts of one that works are 4."""
    checked = Checked("15", 1, 1, None, 0.0, None, (), refused, wrong, ("a warning",))
    assert exits.of_check(checked) == code


@pytest.mark.parametrize(
    ("stopped_by", "cut_off", "code"),
    [(signal.SIGTERM, False, 0), (signal.SIGTERM, True, 130), (signal.SIGINT, False, 130), (None, False, 4)],
)
def test_a_worker_that_is_stopped_in_order_is_no_failure(
    stopped_by: signal.Signals | None, cut_off: bool, code: int
) -> None:
    """Kubernetes and systemd send SIGTERM; what a person or the end of the grace interrupts is another matter."""
    assert exits.of_worker({0, 3, 4}, stopped_by=stopped_by, cut_off=cut_off) == code


def test_a_worker_that_left_a_job_out_has_the_wrong_settings() -> None:
    """Whatever became of the other jobs; a stop in order is no failure all the same."""
    assert exits.of_worker({0}, stopped_by=None, cut_off=False, refused=True) == exits.USAGE
    assert exits.of_worker({0}, stopped_by=signal.SIGTERM, cut_off=False, refused=True) == exits.DONE


@pytest.mark.parametrize(
    ("about", "code"),
    [
        ([], 0),
        (["server"], 5),
        (["refusal", "server"], 3),
        (["server", "setting"], 2),
        (["setting", "money"], 4),
    ],
)
def test_a_diagnosis_has_its_worst_code(about: list[Any], code: int) -> None:
    """Money that may have moved twice comes first, and a warning is no failure."""
    findings = [Finding(check="x", status="fail", text="", about=one) for one in about]
    findings.append(Finding(check="x", status="warn", text=""))
    assert exits.of_diagnosis(Diagnosis(findings=tuple(findings))) == code
