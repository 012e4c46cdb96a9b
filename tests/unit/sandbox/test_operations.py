"""`sandbox.operations`: one name for each operation that has a handler."""

from xoxo_async.sandbox.handlers import FLAT_HANDLERS, HANDLERS
from xoxo_async.sandbox.operations import OPERATIONS, data_of, failure_of, reply_key


def test_every_operation_has_one_handler() -> None:
    """The names in the table are those that the server answers."""
    assert sorted([*HANDLERS, *FLAT_HANDLERS]) == sorted(OPERATIONS)


def test_data_is_found_in_its_wrapper() -> None:
    """A request without the wrapper is read as the data itself."""
    assert data_of("sendBalance", {"recipients_data": [1]}) == [1]
    assert data_of("placeOrder", {"data": {"a": 1}}) == {"a": 1}
    assert data_of("placeOrder", {"a": 1}) == {"a": 1}


def test_a_failure_has_its_own_flag() -> None:
    """The vendor has three flags, and answers generateLinkEmail under the name of generateLink."""
    assert [failure_of(name) for name in ("placeOrder", "sendBalance", "user_balance", "generateLinkEmail")] == [
        {"status": 0},
        {"error": True},
        {"success": 0},
        {"success": 0},
    ]
    assert [reply_key(name) for name in ("placeOrder", "generateLinkEmail")] == ["placeOrder", "generateLink"]
