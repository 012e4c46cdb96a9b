"""`credentials`: which token provider, store and connection settings the `XOXO_*` settings choose."""

import ssl
from pathlib import Path

import pytest

from xoxo_async import XoxoClient, errors
from xoxo_async.credentials import credentials_from, network_from
from xoxo_async.environment import Environment, default_token_file

WHO = {"XOXO_CLIENT_ID": "me", "XOXO_CLIENT_SECRET": "hush", "XOXO_REFRESH_TOKEN": "first"}


def environment(**variables: object) -> Environment:
    return Environment.read(WHO | {name: str(value) for name, value in variables.items()})


@pytest.mark.parametrize(
    ("family", "shown"), [("", "user"), ("user", "user"), ("company", "company"), ("Company", "company")]
)
def test_the_environment_chooses_the_credential_family(tmp_path: Path, family: str, shown: str) -> None:
    """`XOXO_TOKEN_FAMILY` says which credential set is used; points and the storefront need `company`."""
    given = environment(XOXO_TOKEN_FAMILY=family, XOXO_TOKEN_FILE=tmp_path / "pair.json")
    assert f"family={shown!r}" in repr(credentials_from(given))


def test_another_family_is_a_config_error(tmp_path: Path) -> None:
    """An unknown family raises `ConfigError` before anything is sent."""
    with pytest.raises(errors.ConfigError, match="XOXO_TOKEN_FAMILY"):
        credentials_from(environment(XOXO_TOKEN_FAMILY="admin", XOXO_TOKEN_FILE=tmp_path / "pair.json"))


def test_an_imported_pair_needs_no_configured_token(tmp_path: Path) -> None:
    """With an imported pair, client id and secret mean `RefreshToken`; without one, `ClientCredentials`."""
    variables = {"XOXO_REFRESH_TOKEN": "", "XOXO_TOKEN_FILE": tmp_path / "pair.json"}
    assert repr(credentials_from(environment(**variables))).startswith("ClientCredentials")
    (tmp_path / "pair.json").write_text("{}")
    assert repr(credentials_from(environment(**variables))).startswith("RefreshToken")


@pytest.mark.parametrize(
    ("refresh_token", "kind"), [("first", "RefreshToken"), ("", "StoredCredentials")], ids=["configured", "imported"]
)
def test_a_shared_database_keeps_the_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refresh_token: str, kind: str
) -> None:
    """With `XOXO_SHARED=postgresql://…` no file is used but `XOXO_TOKEN_FILE`; no repr has the password."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    shared = {"XOXO_SHARED": "postgresql://me:s3cret@host/db", "XOXO_REFRESH_TOKEN": refresh_token}
    provider = credentials_from(environment(**shared))
    assert repr(provider).startswith(f"{kind}(")
    assert "PostgresTokenStore('postgresql://me@host/db')" in repr(provider)
    assert not (tmp_path / "state").exists()
    if refresh_token:
        own = credentials_from(environment(**shared, XOXO_TOKEN_FILE=tmp_path / "pair.json"))
        assert "FileTokenStore" in repr(own)


@pytest.mark.parametrize(
    ("shared", "key", "says"),
    [
        ("postgresql://me:s3cret@host:port/db", "", "XOXO_SHARED: .*port"),
        ("postgresql://me@host/db", "s3cret", "^XOXO_LEDGER_KEY must be"),
    ],
)
def test_a_wrong_shared_store_names_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: str, key: str, says: str
) -> None:
    """The error is raised before anything is opened, and shows no password and no key."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XOXO_LEDGER_KEY", key)
    with pytest.raises(errors.ConfigError, match=says) as caught:
        credentials_from(environment(XOXO_SHARED=shared))
    assert "s3cret" not in str(caught.value)


def test_a_pair_in_two_places_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A live pair in the default file is not left behind in silence when the tokens move to a database."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = default_token_file(environment())
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    with pytest.raises(errors.ConfigError, match=rf"XOXO_SHARED.*{path.name}.*token import.*XOXO_TOKEN_FILE"):
        credentials_from(environment(XOXO_SHARED="postgresql://me@host/db"))


def test_client_credentials_need_no_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Client credentials keep nothing on disk, so they need no home folder; a refresh token needs one."""

    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", fail)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert repr(credentials_from(environment(XOXO_REFRESH_TOKEN=""))).startswith("ClientCredentials")
    with pytest.raises(errors.ConfigError, match="XOXO_TOKEN_FILE"):
        credentials_from(environment())


@pytest.mark.parametrize("where", ["under a file", "in a folder nobody may make", "state"])
def test_an_unusable_token_folder_is_a_config_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """The error names the token file and the variable that moves it."""
    (tmp_path / "file").write_text("")
    match where:
        case "under a file":
            monkeypatch.setenv("XOXO_TOKEN_FILE", str(tmp_path / "file" / "pair.json"))
        case "state":
            monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
        case _:
            monkeypatch.setenv("XOXO_TOKEN_FILE", "/proc/nobody/pair.json")
    for name, value in WHO.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(errors.ConfigError, match=r"token.*\.json.*XOXO_TOKEN_FILE"):
        XoxoClient.from_env()


def test_what_is_given_goes_before_variables() -> None:
    """A proxy, TLS settings and `trust_env` of the call replace those of the environment; the rest stays."""
    found = environment(XOXO_PROXY="http://env.example:3128", XOXO_TRUST_ENV="1")
    context = ssl.create_default_context()
    network = network_from(found, proxy="http://given.example:3128", ssl=context, trust_env=None, own=True)
    assert (network.proxy, network.ssl, network.trust_env) == ("http://given.example:3128", context, True)
    assert network_from(found, proxy="", ssl=None, trust_env=False, own=True).proxy_for("https://a.example") is None


def test_a_callers_session_refuses_proxy_variables() -> None:
    """Variables for the client's own session would be ignored in silence: the error names them."""
    with pytest.raises(errors.ConfigError, match=r"XOXO_PROXY, XOXO_CA_FILE and XOXO_TRUST_ENV"):
        network_from(environment(XOXO_PROXY="http://env.example"), proxy=None, ssl=None, trust_env=None, own=False)
