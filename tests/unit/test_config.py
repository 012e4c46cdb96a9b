"""`config`: addresses, limits, timeouts, environment."""

from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from xoxo_async import PRODUCTION, STAGING, RateLimits, Timeouts, errors
from xoxo_async.config import Environment, check_base_url, check_count, check_number, default_token_file


@pytest.mark.parametrize(
    "url", [PRODUCTION, STAGING, "http://127.0.0.1:8080/chef", "http://localhost", "http://[::1]:1"]
)
def test_https_and_loopback_addresses_pass(url: str) -> None:
    """Plain http is for this machine only."""
    assert check_base_url(url + "/") == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "accounts.xoxoday.com",
        "ftp://x",
        "http://example.com",
        "http://127.0.0.1.example.com",
        "https://user:pw@example.com",
        "https://example.com/?a=b",
        "https://exa mple.com",
        "https://example.com/\r\nX: y",
        "http://localhost:99999",
        "https://",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    """Each wrong address is a ConfigError, and none shows a password."""
    with pytest.raises(errors.ConfigError) as caught:
        check_base_url(url)
    assert "pw" not in str(caught.value)


def test_insecure_http_must_be_asked_for() -> None:
    """Plain http to another machine works only when said out loud."""
    assert check_base_url("http://10.0.0.1", allow_insecure_http=True) == "http://10.0.0.1"


def test_limits_are_kept_by_operation() -> None:
    """Each documented operation has its own limit, and the others none."""
    limits = RateLimits(place_order=6000)
    assert [limits.per_minute(n) for n in ("placeOrder", "getBalance", "sendBalance")] == [6000, 10, None]
    assert RateLimits.unlimited().per_minute("placeOrder") is None


NO_NUMBERS = [-1, float("inf"), float("nan"), "10", True, None, 10**400, 1e13, [], Decimal(1)]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_what_is_no_number_is_told_by_its_name(value: object) -> None:
    """NaN ends no wait, infinity none either, and a text raises something else much later."""
    for check in (check_number, partial(check_number, zero=True), check_count):
        with pytest.raises(errors.ConfigError, match="patience_s must be a"):
            check("patience_s", value)


def test_numbers_are_handed_on() -> None:
    """0 only where it means something."""
    assert (check_number("n", 0.5), check_number("n", 0, zero=True), check_count("n", 1)) == (0.5, 0, 1)
    for refused in (lambda: check_number("n", 0), lambda: check_count("n", 0), lambda: check_count("n", 1.5)):
        with pytest.raises(errors.ConfigError):
            refused()


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), "10", True])
def test_senseless_numbers_are_refused(value: object) -> None:
    """Limits and timeouts are positive numbers."""
    with pytest.raises(errors.ConfigError, match="place_order"):
        RateLimits(place_order=value)  # type: ignore[arg-type]
    with pytest.raises(errors.ConfigError, match="read_s"):
        Timeouts(read_s=value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("timeouts", "look_up_s", "order_needs_s"),
    [
        (Timeouts(), 30, 180),
        (Timeouts(order_s=1, read_s=2, call_s=10), 2, 3),
        (Timeouts(read_s=300), 30, 180),
        (Timeouts(call_s=181), 30, 180),
        (Timeouts(call_s=180), 30, 135),
        (Timeouts(call_s=60), 15, 45),
        (Timeouts(call_s=60, read_s=2), 2, 45),
        (Timeouts(call_s=100, order_s=72), 25, 97),
    ],
)
def test_a_call_keeps_time_for_its_order_and_a_look_up(
    timeouts: Timeouts, look_up_s: float, order_needs_s: float
) -> None:
    """Where a call is too short for both, a quarter of it is for waiting and a quarter at most for the look-up."""
    assert (timeouts.look_up_s, timeouts.order_needs_s) == (look_up_s, order_needs_s)


def test_the_environment_is_read_and_not_shown() -> None:
    """Blank variables count as absent; the repr holds no secret."""
    environment = Environment.read({"XOXO_CLIENT_SECRET": "hush", "XOXO_BASE_URL": " ", "XOXO_CLIENT_ID": "me"})
    assert (environment.base_url, environment.client_id, environment.client_secret) == (STAGING, "me", "hush")
    assert "hush" not in repr(environment)


def test_the_families_have_files_of_their_own() -> None:
    """One client id in both families keeps two pairs; the user family's file is named as it always was."""
    who = {"XOXO_CLIENT_ID": "me"}
    families: list[dict[str, str]] = [{}, {"XOXO_TOKEN_FAMILY": "user"}, {"XOXO_TOKEN_FAMILY": "company"}]
    files = {default_token_file(Environment.read(who | one), {"XDG_STATE_HOME": "/x"}) for one in families}
    assert len(files) == 2


def test_no_home_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without a home folder is told which variable helps."""

    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", fail)
    with pytest.raises(errors.ConfigError, match="XOXO_TOKEN_FILE"):
        default_token_file(Environment.read({"XOXO_CLIENT_ID": "me"}), {})
