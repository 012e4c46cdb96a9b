"""`flags`: whether an answer says that it worked."""

import pytest

from xoxo_async.wire.flags import SuccessFlag, has_flag, says_no, says_yes, succeeded, usual_successes


@pytest.mark.parametrize(("flag", "value", "worked"), [
        (SuccessFlag.STATUS_1, 1, True),
        (SuccessFlag.STATUS_1, " Success ", True),
        (SuccessFlag.SUCCESS_1, "1", True),
        (SuccessFlag.SUCCESS_1, True, True),
        (SuccessFlag.STATUS_1, 0, False),
        (SuccessFlag.STATUS_1, None, False),
        (SuccessFlag.STATUS_1, "yes", False),
        (SuccessFlag.ERROR_FALSE, False, True),
        (SuccessFlag.ERROR_FALSE, "0", True),
        (SuccessFlag.ERROR_FALSE, None, False),
        (SuccessFlag.ERROR_FALSE, True, False),
        (SuccessFlag.NONE, None, True),
    ],
)  # fmt: skip
def test_a_flag_is_read_in_each_form(flag: SuccessFlag, value: object, worked: bool) -> None:
    """Numbers, texts and booleans are read; an absent flag proves nothing."""
    assert succeeded(flag, value) is worked


@pytest.mark.parametrize("flag", [SuccessFlag.STATUS_1, SuccessFlag.SUCCESS_1, SuccessFlag.ERROR_FALSE])
def test_the_usual_values_are_successes(flag: SuccessFlag) -> None:
    """The quick check of an answer accepts nothing that the full one refuses."""
    assert all(succeeded(flag, value) for value in usual_successes(flag))


def test_another_flag_speaks_where_its_own_is_absent() -> None:
    """An operation's own flag decides; another one only where that is absent."""
    assert says_yes({"success": 1}, SuccessFlag.STATUS_1)
    assert not says_yes({"status": 0, "success": 1}, SuccessFlag.STATUS_1)
    assert not says_yes({}, SuccessFlag.STATUS_1)


@pytest.mark.parametrize("inner", [
        {"status": 0}, {"success": "failed"}, {"success": False}, {"error": True}, {"error": "no"}, {"errorId": "PLE1"},
        {"status": 1, "error": "no"},
    ],
)  # fmt: skip
def test_any_flag_or_error_refuses(inner: dict[str, object]) -> None:
    """One refusal is enough, whatever the other flags say."""
    assert says_no(inner)


@pytest.mark.parametrize("inner", [{}, {"status": 1}, {"error": False}, {"error": []}, {"error": None}])
def test_no_error_is_no_refusal(inner: dict[str, object]) -> None:
    """A success, and an object that says nothing, refuse nothing."""
    assert not says_no(inner)


def test_a_flag_may_be_there_with_any_value() -> None:
    """Only an object can have one."""
    assert has_flag({"error": None})
    assert not has_flag({"data": 1})
    assert not has_flag([])
