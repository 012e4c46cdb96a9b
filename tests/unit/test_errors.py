"""`errors`: one hierarchy whose members say what may have happened, and survive a journey to another process."""

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
}


def test_the_drawing_at_the_top_is_the_hierarchy() -> None:
    """Every error stands there, under its parent, and is offered by name."""
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
def test_an_error_is_proof_that_nothing_happened_unless_it_says_otherwise(kind: type[XoxoError]) -> None:
    """A look-up is due only after those that leave doubt; the caller's word goes before the class's."""
    assert kind("x").effect == ("possible" if kind.__name__ in DOUBT else "none")
    if "effect" in kind.__init__.__kwdefaults__:
        assert kind("x", effect="possible").effect == "possible"
        assert kind("x", effect="none").effect == "none"


@kinds
def test_only_what_surely_changed_nothing_may_be_made_again_by_itself(kind: type[XoxoError]) -> None:
    """Never reached, and refused for the rate: the rest is for whoever knows more."""
    assert kind("x").retryable is (kind.__name__ in {"ConnectError", "RateLimitedError"})


@kinds
def test_an_error_survives_copy_and_pickle_with_all_it_says(kind: type[XoxoError]) -> None:
    """A worker's error is read in another process; a remembered one is raised again with a traceback of its own."""
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
    """Operation, status, error id and poNumber, in this order; without any of them it stands alone."""
    assert str(errors.ServerError("failed")) == "failed"
    assert str(errors.ServerError("failed", status=502)) == "failed [HTTP 502]"
    error = errors.ServerError("failed", status=400, error_id="PLE10025", operation="placeOrder", po_number="PO-1")
    assert str(error) == "failed [placeOrder, HTTP 400, PLE10025, poNumber PO-1]"
    assert error.message == "failed"


def test_an_error_is_located_once_and_counted_to_the_end() -> None:
    """Who raised it knows best where; attempts are the dispatcher's. It is the same error, with its traceback."""
    error = errors.ConnectError("down")
    assert error.located(operation="getBalance", attempts=1) is error
    error.located(operation="other", attempts=4, po_number="PO-1")
    error.located(operation="other", attempts=5, po_number="PO-2")
    assert (error.operation, error.attempts, error.po_number) == ("getBalance", 5, "PO-1")


def test_the_problems_of_a_plan_are_counted_where_nobody_did() -> None:
    """What is shown may be less than there is."""
    assert errors.PlanError("x").total == 0
    assert errors.PlanError("x", problems=("a", "b")).total == 2
    assert errors.PlanError("x", problems=("a", "b"), total=30).total == 30


@pytest.mark.parametrize("error_id", ERROR_IDS)
def test_an_error_id_after_which_an_order_may_exist_is_no_plain_no(error_id: str) -> None:
    """Where the table says that an order exists, its error never says that the payload or the account was at fault."""
    row = ERROR_IDS[error_id]
    assert issubclass(row.error, errors.ApiError)
    assert row.meaning
    if row.order is OrderMayExist.YES:
        assert not issubclass(row.error, errors.BadRequestError | errors.NotAllowedError)
