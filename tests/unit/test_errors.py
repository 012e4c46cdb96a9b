"""`errors`: the hierarchy, what each error says about its effect, and copies for other processes."""

import copy
import pickle
import re

import pytest

from xoxo_async import errors
from xoxo_async.errors import ERROR_IDS, OrderMayExist, XoxoError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, XoxoError)]
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)

DOUBT = {
    "TransportError",
    "ReplyTimeoutError",
    "ReplyLostError",
    "DuplicatePoNumberError",
    "ServerError",
    "RefusedError",
    "OutcomeUnknownError",
    "DecodeError",
    "LineBusyError",
}
RETRYABLE = {"ConnectError", "RateLimitedError", "LineBusyError"}


def test_the_drawing_at_the_top_is_the_hierarchy() -> None:
    """The module docstring draws every error under its parent, and `__all__` has every one of them."""
    parents: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"(    [│├└─ ]*)(\w+Error)\b", line):
            depth = (len(found[1]) - 4) // 4
            above = [*above[:depth], found[2]]
            parents[found[2]] = above[depth - 1] if depth else "Exception"
    assert parents == {kind.__name__: kind.__mro__[1].__name__ for kind in KINDS}
    assert set(parents) <= set(errors.__all__)


@kinds
def test_only_some_errors_leave_doubt(kind: type[XoxoError]) -> None:
    """Only the listed classes have effect `possible`; the argument overrides the class."""
    assert kind("x").effect == ("possible" if kind.__name__ in DOUBT else "none")
    if "effect" in kind.__init__.__kwdefaults__:
        assert kind("x", effect="possible").effect == "possible"
        assert kind("x", effect="none").effect == "none"


@kinds
def test_only_some_classes_are_retryable(kind: type[XoxoError]) -> None:
    """Where nothing was processed, or where asking again is what settles a line."""
    assert kind("x").retryable is (kind.__name__ in RETRYABLE)


@kinds
def test_copy_and_pickle_keep_all_attributes(kind: type[XoxoError]) -> None:
    """Another process reads a worker's error, and a remembered error is raised again as a copy."""
    error = kind("no luck").located(operation="placeOrder", attempts=3, po_number="PO-1")
    error.status, error.error_id, error.effect, error.retryable = 502, "PLE10025", "possible", True
    if isinstance(error, errors.RateLimitedError):
        error.retry_after_s = 7.0
    elif isinstance(error, errors.PlanError):
        error.problems, error.total = ("row 1: x",), 30
    elif isinstance(error, errors.LedgerLockedError):
        error.holder_pid = 123
    elif isinstance(error, errors.RefusedError):
        error.in_words = True
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 - our own bytes
        assert (type(again), str(again), vars(again)) == (kind, str(error), vars(error))
    copied = copy.copy(error)
    assert (type(copied), str(copied), vars(copied)) == (kind, str(error), vars(error))


def test_a_message_ends_with_the_facts_there_are() -> None:
    """The text ends with operation, status, error id and poNumber, in this order, as far as they are known."""
    assert str(errors.ServerError("failed")) == "failed"
    assert str(errors.ServerError("failed", status=502)) == "failed [HTTP 502]"
    error = errors.ServerError("failed", status=400, error_id="PLE10025", operation="placeOrder", po_number="PO-1")
    assert str(error) == "failed [placeOrder, HTTP 400, PLE10025, poNumber PO-1]"
    assert error.message == "failed"


def test_located_keeps_the_first_operation() -> None:
    """`located` fills in what is missing, always replaces `attempts`, and returns the same error."""
    error = errors.ConnectError("down")
    assert error.located(operation="getBalance", attempts=1) is error
    error.located(operation="other", attempts=4, po_number="PO-1")
    error.located(operation="other", attempts=5, po_number="PO-2")
    assert (error.operation, error.attempts, error.po_number) == ("getBalance", 5, "PO-1")


def test_plan_problems_are_counted_by_default() -> None:
    """`total` is the number of `problems`, unless the caller says that there are more."""
    assert errors.PlanError("x").total == 0
    assert errors.PlanError("x", problems=("a", "b")).total == 2
    assert errors.PlanError("x", problems=("a", "b"), total=30).total == 30


@pytest.mark.parametrize("error_id", ERROR_IDS)
def test_no_input_error_means_an_order(error_id: str) -> None:
    """No error id of an existing order has a class that blames the payload or the account."""
    row = ERROR_IDS[error_id]
    assert issubclass(row.error, errors.ApiError)
    assert row.meaning
    if row.order is OrderMayExist.YES:
        assert not issubclass(row.error, errors.BadRequestError | errors.NotAllowedError)
