"""`settings`: each setting says where it comes from."""

from pathlib import Path

import pytest

from xoxo_async import PRODUCTION, STAGING, ClientCredentials, RateLimits, RefreshToken, StaticToken, errors
from xoxo_async.auth import TokenProvider
from xoxo_async.doctor import settings
from xoxo_async.environment import Environment


@pytest.mark.parametrize(
    ("address", "kind", "real"),
    [
        (PRODUCTION, "production", True),
        (f"{PRODUCTION}/", "production", True),
        (STAGING, "staging", False),
        ("http://127.0.0.1:8080/chef", "this machine", False),
        ("http://[::1]:8080/chef", "this machine", False),
        ("https://plum.example/chef", "another server", True),
    ],
)
def test_an_address_is_named(address: str, kind: str, real: bool) -> None:
    """One that is not known may be real money, and warns."""
    found = settings.check_address(Environment(base_url=address, origins={"base_url": "XOXO_BASE_URL"}))
    assert (found.facts["kind"], found.facts["real_money"]) == (kind, real)
    assert found.status == ("warn" if kind == "another server" else "ok")
    assert "from XOXO_BASE_URL" in found.text


def test_a_wrong_address_is_an_error() -> None:
    """The examination makes a finding of it."""
    with pytest.raises(errors.ConfigError):
        settings.check_address(Environment(base_url="nowhere"))


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        (StaticToken("tokentoken"), "nothing renews"),
        (ClientCredentials("me", "hush"), "renew themselves"),
        (RefreshToken("me", "hush", "refresh"), "rotating pair"),
    ],
)
def test_credentials_have_a_kind(provider: TokenProvider, words: str) -> None:
    """No secret is shown."""
    found = settings.check_credentials(Environment(origins={"client_secret": "profile march"}), provider)
    assert words in found.text
    assert "hush" not in str(found)


def test_a_token_that_hides_a_secret_warns() -> None:
    """Both are set, and the access token goes first."""
    environment = Environment(access_token="t", client_secret="s")
    found = settings.check_credentials(environment, StaticToken("tokentoken"))
    assert (found.status, "client_secret" in found.advice) == ("warn", True)


@pytest.mark.parametrize(("mode", "status"), [(0o600, "ok"), (0o644, "warn")])
def test_a_secrets_file_is_private(tmp_path: Path, mode: int, status: str) -> None:
    """Outside a container, others may not read it."""
    path = tmp_path / "secret"
    path.touch(mode)
    path.chmod(mode)
    found = settings.check_secret_files(Environment(), {"XOXO_CLIENT_SECRET_FILE": path})
    assert found is not None
    assert found.status == status
    assert settings.check_secret_files(Environment(), {}) is None


def test_a_proxy_is_shown_without_its_password() -> None:
    """The setting that names it is shown too."""
    environment = Environment(proxy="http://me:hush@proxy.example:1", origins={"proxy": "XOXO_PROXY"})
    found = settings.check_proxy(environment, environment.network())
    assert "http://me:***@proxy.example:1, from XOXO_PROXY" in found.text


def test_limits_say_where_they_come_from() -> None:
    """The profile, the documents, or a flag."""
    assert "the vendor's documents" in settings.check_limits(RateLimits(), Environment()).text
    assert "the command line" in settings.check_limits(RateLimits.unlimited(), Environment()).text
    mine = RateLimits(place_order=20)
    found = settings.check_limits(mine, Environment(limits=mine, profile="march"))
    assert "from profile march: place_order 20, " in found.text


def test_a_shared_store_is_named() -> None:
    """Without its password; an address that no store has is an error."""
    assert settings.check_shared(Environment()) is None
    found = settings.check_shared(Environment(shared="file:/run/xoxo"))
    assert found is not None
    assert "file:/run/xoxo keeps one allowance" in found.text
    with pytest.raises(errors.ConfigError, match="XOXO_SHARED"):
        settings.check_shared(Environment(shared="ftp://host"))
