"""`environment`: the `XOXO_*` variables, and the file of a token pair."""

from pathlib import Path

import pytest

from xoxo_async import STAGING, errors
from xoxo_async.environment import Environment, address_in_force, default_token_file


def test_the_environment_is_read_and_not_shown() -> None:
    """A blank variable counts as absent, and the repr holds no secret."""
    environment = Environment.read({"XOXO_CLIENT_SECRET": "hush", "XOXO_BASE_URL": " ", "XOXO_CLIENT_ID": "me"})
    assert (environment.base_url, environment.client_id, environment.client_secret) == (STAGING, "me", "hush")
    assert "hush" not in repr(environment)


def test_the_families_have_files_of_their_own() -> None:
    """One client id in both families has two files; the user family's file keeps its old name."""
    who = {"XOXO_CLIENT_ID": "me"}
    families: list[dict[str, str]] = [{}, {"XOXO_TOKEN_FAMILY": "user"}, {"XOXO_TOKEN_FAMILY": "company"}]
    files = {default_token_file(Environment.read(who | one), {"XDG_STATE_HOME": "/x"}) for one in families}
    assert len(files) == 2


@pytest.mark.parametrize(
    ("shared", "file", "database"),
    [
        ("postgresql://me@host/db", "", "postgresql://me@host/db"),
        ("postgresql://me@host/db", "/volume/pair.json", ""),  # the token has a place of its own
        ("redis://host", "", ""),
        ("file:/run/xoxo", "", ""),
        ("", "", ""),
    ],
)
def test_a_shared_database_keeps_the_token(shared: str, file: str, database: str) -> None:
    """`XOXO_SHARED` may name other stores, which keep the allowance alone; `XOXO_TOKEN_FILE` is more specific."""
    given = {"XOXO_SHARED": shared, "XOXO_TOKEN_FILE": file}
    assert Environment.read(given).token_database == database


def test_no_home_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a home folder the error names the variable that helps."""

    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", fail)
    with pytest.raises(errors.ConfigError, match="XOXO_TOKEN_FILE"):
        default_token_file(Environment.read({"XOXO_CLIENT_ID": "me"}), {})


MARCH = """
[profiles.march]
base_url = "https://march.example/chef"
client_id = "me"
client_secret_env = "MINE"
access_token_env = "TOKEN"
token_file = "/x/pair.json"
[profiles.march.limits]
place_order = 20
"""


@pytest.fixture
def march(tmp_path: Path) -> dict[str, str]:
    """Return variables that lead to a file with one profile."""
    path = tmp_path / "config.toml"
    path.write_text(MARCH)
    return {"XOXO_CONFIG": str(path), "MINE": "hush", "TOKEN": "token"}


def test_a_flag_a_variable_a_profile(march: dict[str, str]) -> None:
    """In this order, and nothing of the file without its name. A profile that is named goes before variables."""
    assert Environment.read(march).client_id == ""
    named = Environment.read(march | {"XOXO_PROFILE": "march"})
    assert (named.client_id, named.client_secret, named.access_token) == ("me", "hush", "token")
    assert named.limits is not None
    assert named.limits.place_order == 20
    changed = march | {"XOXO_BASE_URL": "https://env.example"}
    assert Environment.read(changed | {"XOXO_PROFILE": "march"}).base_url == "https://env.example"
    assert address_in_force(variables=changed | {"XOXO_PROFILE": "march"}) == "https://env.example"
    assert Environment.read(changed, profile="march").base_url == "https://march.example/chef"
    assert address_in_force(profile="march", variables=changed) == "https://march.example/chef"
    flagged = Environment.read(changed, profile="march", base_url="https://flag.example")
    assert flagged.base_url == address_in_force("https://flag.example", profile="march", variables=changed)
    assert flagged.origins["base_url"] == "--base-url"
    assert flagged.origins["client_secret"] == "profile march (the variable MINE)"
    assert address_in_force(profile="march", variables=march) == "https://march.example/chef"
    assert "hush" not in repr(named) + str(named.shown()) + str(named.origins)


def test_secrets_stay_with_their_client_id(march: dict[str, str]) -> None:
    """Another client id gets no secret and no token file of the profile's account."""
    other = Environment.read(march, profile="march", client_id="you")
    assert (other.client_id, other.client_secret, other.access_token, other.token_file) == ("you", "", "", "")


def test_a_variables_secret_replaces_a_profiles_token(march: dict[str, str]) -> None:
    """The profile's access token would go before it otherwise."""
    given = Environment.read(march | {"XOXO_CLIENT_SECRET": "mine", "XOXO_PROFILE": "march"})
    assert (given.client_secret, given.access_token) == ("mine", "")


def test_a_named_profile_gets_no_others_secret(march: dict[str, str], tmp_path: Path) -> None:
    """The variables' secrets are of the variables' account: not beside the profile's own, nor with its client id."""
    theirs = {"XOXO_CLIENT_ID": "you", "XOXO_CLIENT_SECRET": "yours", "XOXO_ACCESS_TOKEN": "your-token"}
    named = Environment.read(march | theirs, profile="march")
    assert (named.client_id, named.client_secret, named.access_token) == ("me", "hush", "token")
    text = '[profiles.march]\nclient_id = "me"\n[profiles.slow.limits]\nplace_order = 2\n'
    (tmp_path / "config.toml").write_text(text)
    bare = Environment.read(march | theirs | {"XOXO_TOKEN_FILE": "/x/yours.json"}, profile="march")
    assert (bare.client_id, bare.client_secret, bare.token_file) == ("me", "", "")
    assert Environment.read(march | {"XOXO_CLIENT_SECRET": "mine"}, profile="march").client_secret == "mine"
    slow = Environment.read(march | theirs, profile="slow")
    assert (slow.client_id, slow.client_secret, slow.access_token) == ("you", "yours", "your-token")


@pytest.mark.parametrize("name", ["CLIENT_SECRET", "REFRESH_TOKEN", "ACCESS_TOKEN"])
def test_a_file_holds_a_secret(tmp_path: Path, name: str) -> None:
    """Its line end is no part of it, other users may read it in a container, and both at once are refused."""
    path = tmp_path / "secret"
    path.write_text("hush\n")
    given = {f"XOXO_{name}_FILE": str(path)}
    assert getattr(Environment.read(given), name.lower()) == "hush"
    with pytest.raises(errors.ConfigError, match=f"XOXO_{name} and XOXO_{name}_FILE exclude each other"):
        Environment.read(given | {f"XOXO_{name}": "x"})
    with pytest.raises(errors.ConfigError, match=f"^XOXO_{name}_FILE: the file .* cannot be read"):
        Environment.read({f"XOXO_{name}_FILE": str(tmp_path / "none")})


def test_a_wrong_proxy_names_its_setting(tmp_path: Path) -> None:
    """The variable, or the profile."""
    (tmp_path / "c.toml").write_text('[profiles.a]\nproxy = "nowhere"\n')
    with pytest.raises(errors.ConfigError, match=r"^profile a: the proxy"):
        Environment.read({"XOXO_CONFIG": str(tmp_path / "c.toml")}, profile="a").network()
