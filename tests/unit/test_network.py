"""`network`: the addresses that a client accepts."""

import pytest

from xoxo_async import PRODUCTION, STAGING, errors
from xoxo_async.network import check_base_url


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
