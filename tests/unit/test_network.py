"""`network`: the addresses that a client accepts."""

import platform
from typing import Any

import pytest

from xoxo_async import PRODUCTION, STAGING, __version__, errors
from xoxo_async.network import Network, check_base_url


@pytest.mark.parametrize(
    "url", [PRODUCTION, STAGING, "http://127.0.0.1:8080/chef", "http://localhost", "http://[::1]:1"]
)
def test_https_and_loopback_addresses_pass(url: str) -> None:
    """An https address is accepted for every host, plain http for this machine alone."""
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
    """Each wrong address raises `ConfigError`, and no message shows a password."""
    with pytest.raises(errors.ConfigError) as caught:
        check_base_url(url)
    assert "pw" not in str(caught.value)


def test_insecure_http_must_be_asked_for() -> None:
    """Plain http to another machine needs `allow_insecure_http=True`."""
    assert check_base_url("http://10.0.0.1", allow_insecure_http=True) == "http://10.0.0.1"


def test_the_user_agent_names_versions_and_app() -> None:
    """It carries the SDK's version, Python's and the application's name; `user_agent` replaces all of it."""
    ours = f"xoxo_async/{__version__} Python/{platform.python_version()}"
    assert Network().agent == ours
    assert Network(app="payroll/2.1").agent == f"{ours} payroll/2.1"
    assert Network(user_agent="gateway/9").agent == "gateway/9"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"app": "a\r\nX: y"}, "^app must be"),
        ({"app": 5}, "^app must be"),
        ({"user_agent": "ü"}, "^user_agent must be"),
        ({"app": "a", "user_agent": "b"}, "app or user_agent, not both"),
        ({"trust_env": "yes"}, "^trust_env must be"),
        ({"ssl": False}, "^ssl must be"),
        ({"proxy": "proxy.example.com:3128"}, "proxy must be"),
    ],
)
def test_wrong_connection_settings_name_their_option(settings: dict[str, Any], says: str) -> None:
    """Each wrong value raises `ConfigError`, which names the option."""
    with pytest.raises(errors.ConfigError, match=says):
        Network(**settings)
