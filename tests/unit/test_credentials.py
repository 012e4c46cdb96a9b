"""From `XOXO_*` variables to a token provider, and what an imported pair may look like."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from xoxo_async import FileTokenStore, MemoryTokenStore, RefreshToken, XoxoClient, errors
from xoxo_async.auth import ExchangeAnswer, Token
from xoxo_async.auth.tokens import pair_of
from xoxo_async.client import credentials_from
from xoxo_async.config import Environment, default_token_file
from xoxo_async.services import account
from xoxo_async.wire import Secret

pytestmark = pytest.mark.anyio

WHO = {"XOXO_CLIENT_ID": "me", "XOXO_CLIENT_SECRET": "hush", "XOXO_REFRESH_TOKEN": "first"}


def environment(**variables: object) -> Environment:
    return Environment.read(WHO | {name: str(value) for name, value in variables.items()})


@pytest.mark.parametrize("where", ["under a file", "in a folder nobody may make", "state"])
def test_a_token_file_without_a_place_is_a_config_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Whatever the system says, the error names the file and the variable that moves it."""
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


def test_no_home_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without a home folder is told which variable helps."""

    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", fail)
    with pytest.raises(errors.ConfigError, match="XOXO_TOKEN_FILE"):
        default_token_file(environment(), {})


@pytest.mark.parametrize(
    ("family", "shown"), [("", "user"), ("user", "user"), ("company", "company"), ("Company", "company")]
)
def test_the_family_of_the_credentials_is_the_environments(tmp_path: Path, family: str, shown: str) -> None:
    """XOXO_TOKEN_FAMILY says which of an account's two credential sets it is; points and storefront need company."""
    given = environment(XOXO_TOKEN_FAMILY=family, XOXO_TOKEN_FILE=tmp_path / "pair.json")
    assert f"family={shown!r}" in repr(credentials_from(given))


def test_another_family_is_a_config_error(tmp_path: Path) -> None:
    """Anything else is named before anything is sent."""
    with pytest.raises(errors.ConfigError, match="XOXO_TOKEN_FAMILY"):
        credentials_from(environment(XOXO_TOKEN_FAMILY="admin", XOXO_TOKEN_FILE=tmp_path / "pair.json"))


def test_the_families_have_files_of_their_own() -> None:
    """One client id in both families keeps two pairs; the user family's file is named as it always was."""
    company, user = environment(XOXO_TOKEN_FAMILY="company"), environment(XOXO_TOKEN_FAMILY="user")
    files = {default_token_file(e, {"XDG_STATE_HOME": "/x"}) for e in (environment(), user, company)}
    assert len(files) == 2


# A store alone.


class Vendor:
    def __init__(self) -> None:
        self.sent: list[str] = []

    async def __call__(self, _path: str, body: bytes, _type: str, /) -> ExchangeAnswer:
        self.sent.append(msgspec.json.decode(body)["refresh_token"])
        number = len(self.sent)
        return ExchangeAnswer(200, json.dumps({"access_token": f"a{number}", "refresh_token": f"r{number}"}).encode())


async def test_a_stored_pair_needs_no_configured_token(tmp_path: Path) -> None:
    """After an import the store alone goes on, from renewal to renewal and restart to restart."""
    path, vendor = tmp_path / "pair.json", Vendor()
    await FileTokenStore(path).save(Token(Secret(""), None, Secret("imported")))
    for _ in range(2):
        assert (await RefreshToken("me", "s", store=FileTokenStore(path)).obtain(vendor, None)).access == Secret("a1")
    stored = await FileTokenStore(path).load()
    token = await RefreshToken("me", "s", store=FileTokenStore(path)).obtain(vendor, stored)
    assert (token.access, vendor.sent) == (Secret("a2"), ["imported", "r1"])


async def test_an_imported_pair_goes_before_an_older_configuration(tmp_path: Path) -> None:
    """A process that still has the old refresh token in its environment uses what a person has imported since."""
    path, vendor = tmp_path / "pair.json", Vendor()
    await RefreshToken("me", "s", "old", store=FileTokenStore(path)).obtain(vendor, None)
    await FileTokenStore(path).save(Token(Secret(""), None, Secret("imported")))
    await RefreshToken("me", "s", "old", store=FileTokenStore(path)).obtain(vendor, None)
    assert vendor.sent == ["old", "imported"]


async def test_an_empty_store_says_how_to_fill_it(tmp_path: Path) -> None:
    """Neither a stored nor a configured refresh token: the command that stores one is named."""
    with pytest.raises(errors.ConfigError, match="xoxo token import"):
        await RefreshToken("me", "s", store=FileTokenStore(tmp_path / "pair.json")).obtain(Vendor(), None)
    with pytest.raises(errors.ConfigError, match="refresh_token"):
        RefreshToken("me", "s")
    with pytest.raises(errors.ConfigError, match="refresh_token"):
        RefreshToken("me", "s", "", store=MemoryTokenStore())


def test_a_token_file_is_used_without_a_configured_token(tmp_path: Path) -> None:
    """Where a pair has been imported, client id and secret are enough; where none has, they mean what they meant."""
    variables = {"XOXO_REFRESH_TOKEN": "", "XOXO_TOKEN_FILE": tmp_path / "pair.json"}
    assert repr(credentials_from(environment(**variables))).startswith("ClientCredentials")
    (tmp_path / "pair.json").write_text("{}")
    assert repr(credentials_from(environment(**variables))).startswith("RefreshToken")


# What is brought.

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("fields", "expires_at"),
    [
        ({"access_token": "a", "expires_in": "1296000"}, NOW + 1_296_000),
        ({"access_token": "a", "access_token_expiry": "1718000000000", "expires_in": 5}, 1_718_000_000.0),
        ({"access_token": "a", "expires_at": 1_600_000_000.0}, 1_600_000_000.0),
        ({"access_token": "a"}, None),
        ({"expires_in": 5}, None),
        ({"access_token": "", "expires_in": 5}, None),
    ],
)
def test_a_pair_is_taken_in_the_vendors_form(fields: dict[str, object], expires_at: float | None) -> None:
    """The token reply, or its fields by hand; a time that is past is believed, since the pair is not new."""
    pair = pair_of({"refresh_token": "r", **fields}, NOW)
    assert (pair.refresh, pair.expires_at, pair.access) == (
        Secret("r"),
        expires_at,
        Secret(str(fields.get("access_token", ""))),
    )


@pytest.mark.parametrize(
    "fields",
    [{}, {"refresh_token": ""}, {"refresh_token": "r\nX"}, {"refresh_token": "r", "access_token": "a b"},
     {"refresh_token": "r", "access_token": 5}, {"access_token": "a"}],
)  # fmt: skip
def test_what_is_no_pair_is_a_config_error(fields: dict[str, Any]) -> None:
    """A missing or impossible token is named, and not repeated."""
    with pytest.raises(errors.ConfigError, match="token") as caught:
        pair_of(fields, NOW)
    assert "a b" not in str(caught.value)


@pytest.mark.parametrize("value", [9e17, "1e30", 1e25, "soon", [], {}, True, -5, 0, "0", 253402300800000])
def test_absurd_lifetimes_are_no_time(value: object) -> None:
    """Whatever `expires_in` says, `expires_at()` is a time that a calendar has, or None."""
    body = json.dumps({"access_token": "x", "expires_in": value}).encode()
    info = account.CHECK_TOKEN.read(body)
    assert info is not None
    assert info.expires_at() is None
