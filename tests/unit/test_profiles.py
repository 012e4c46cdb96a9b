"""`profiles`: a file of profiles is read whole, and what is wrong in it is named."""

from pathlib import Path

import pytest

from xoxo_async import PRODUCTION, STAGING, errors
from xoxo_async.profiles import config_file, find_profile, read_profiles, without_password


def written(folder: Path, text: str | bytes, mode: int = 0o644) -> Path:
    path = folder / "config.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def test_a_profile_has_the_settings_of_its_table(tmp_path: Path) -> None:
    """Addresses may be words, a relative path starts at the file's folder, and `none` is no limit."""
    path = written(
        tmp_path,
        """
[profiles.march]
base_url = "Production"
client_id = "me"
family = "company"
trust_env = true
token_file = "pair.json"
client_secret_env = "MINE"
refresh_token_file = "/x/refresh"
[profiles.march.limits]
place_order = 20
balance = "none"
[profiles.test]
base_url = "staging"
""",
    )
    profiles = read_profiles(path)
    march = profiles["march"]
    assert march.texts == {
        "base_url": PRODUCTION,
        "client_id": "me",
        "token_family": "company",
        "trust_env": "1",
        "token_file": str(tmp_path / "pair.json"),
    }
    assert {name: source.place for name, source in march.secrets.items()} == {
        "client_secret": "the variable MINE",
        "refresh_token": "the file /x/refresh",
    }
    assert march.limits is not None
    assert (march.limits.place_order, march.limits.balance, march.limits.vouchers) == (20, None, 50)
    assert profiles["test"].texts == {"base_url": STAGING}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[profiles.a]\nbase_url = x\n", "is not TOML: .*line 2"),
        ("[profiles.a]\n[profiles.a]\n", "is not TOML: .*line 2"),
        (b"\xff\xfe", "is not UTF-8"),
        ("[profile.a]\n", "unknown key 'profile'; did you mean profiles"),
        ("profiles = 1\n", r"\[profiles.NAME\]"),
        ("[profiles]\na = 1\n", r"\[profiles.NAME\]"),
        ('[profiles."a b"]\n', "'a b' is no name"),
        ('[profiles.a]\nclientid = "x"\n', "profile a: unknown key 'clientid'; did you mean client_id"),
        ('[profiles.a]\nsecret_place = "x"\nzzz = 1\n', "profile a: unknown key 'secret_place'"),
        ("[profiles.a]\nclient_id = 7\n", "profile a: client_id must be one line of text"),
        ('[profiles.a]\nclient_id = ""\n', "client_id must be one line of text"),
        ('[profiles.a]\nclient_id = "a\\nb"\n', "client_id must be one line of text"),
        ('[profiles.a]\nfamily = "uncle"\n', "family must be user"),
        ('[profiles.a]\ntrust_env = "yes"\n', "trust_env must be true or false"),
        ("[profiles.a]\nlimits = 5\n", "limits is a table"),
        ("[profiles.a.limits]\nplace = 5\n", "limits: unknown key 'place'"),
        ("[profiles.a.limits]\nplace_order = 0\n", "limits.place_order must be a positive number"),
        ('[profiles.a.limits]\nplace_order = "some"\n', "limits.place_order must be a positive number"),
        (
            '[profiles.a]\nclient_secret_env = "A"\nclient_secret_file = "b"\n',
            "client_secret_file and client_secret_env exclude each other",
        ),
        ('[profiles.a]\nclient_secret = "hush"\n', "client_secret: other users .*chmod 600"),
        ('[profiles.a]\nproxy = "http://me:hush@host:1"\n', "proxy: other users .*chmod 600"),
        ('[profiles.a]\nshared = "postgresql://me:hush@host/db"\n', "shared: other users .*chmod 600"),
        ('[profiles.a]\nshared = "postgresql://host/db?password=hush"\n', "shared: other users .*chmod 600"),
        ("x = " + "[" * 5000, "is not TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str | bytes, why: str) -> None:
    """The message has the file, the profile and the key, or the line, and never a secret."""
    path = written(tmp_path, text)
    with pytest.raises(errors.ConfigError, match=why) as caught:
        read_profiles(path)
    assert str(path) in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_secret_may_stand_in_a_private_file(tmp_path: Path) -> None:
    """With mode 0600 nobody else reads it."""
    path = written(tmp_path, '[profiles.a]\nclient_secret = "hush"\n', mode=0o600)
    profile = read_profiles(path)["a"]
    assert profile.secrets["client_secret"].read({}) == "hush"
    assert "hush" not in repr(profile)


@pytest.mark.parametrize("name", ["config.toml", ""])
def test_no_file_is_named(tmp_path: Path, name: str) -> None:
    """It is not there, or is a folder."""
    with pytest.raises(errors.ConfigError, match=str(tmp_path)):
        read_profiles(tmp_path / name)


def test_an_unknown_profile_lists_what_there_is(tmp_path: Path) -> None:
    """A near name is offered."""
    variables = {"XOXO_CONFIG": str(written(tmp_path, "[profiles.march]\n[profiles.april]\n"))}
    assert find_profile("march", variables).name == "march"
    with pytest.raises(errors.ConfigError, match="no profile 'marhc': it has april, march; did you mean march"):
        find_profile("marhc", variables)


def test_the_file_has_a_usual_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """XOXO_CONFIG, then XDG_CONFIG_HOME, then the home folder, which a container may lack."""
    assert config_file({"XOXO_CONFIG": "/a.toml", "XDG_CONFIG_HOME": "/b"}) == Path("/a.toml")
    assert config_file({"XDG_CONFIG_HOME": "/b"}) == Path("/b/xoxo/config.toml")

    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", fail)
    assert config_file({}) is None
    with pytest.raises(errors.ConfigError, match="set XOXO_CONFIG"):
        find_profile("march", {})


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://me:hush@host:1/x", "http://me:***@host:1/x"),
        ("http://host:1", "http://host:1"),
        ("postgresql://h/d?password=hush&x=1", "postgresql://h/d?password=***&x=1"),
        ("http://[bad", "***"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    """Proxies and databases have them."""
    assert without_password(url) == shown


def test_a_file_that_anyone_writes_is_refused(tmp_path: Path) -> None:
    """An address that somebody else wrote would get the secret."""
    with pytest.raises(errors.ConfigError, match="chmod o-w"):
        read_profiles(written(tmp_path, "[profiles.a]\n", mode=0o666))
    assert read_profiles(written(tmp_path, "[profiles.a]\n", mode=0o664))
