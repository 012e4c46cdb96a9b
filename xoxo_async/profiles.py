"""The profiles in `~/.config/xoxo/config.toml`: one set of settings for each account and address."""

import os
import re
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import msgspec

from xoxo_async.config import PRODUCTION, STAGING, RateLimits
from xoxo_async.errors import ConfigError
from xoxo_async.secret_sources import SecretSource, refuse_if_others_read

__all__ = ["SECRET_NAMES", "Profile", "config_file", "find_profile", "read_profiles", "without_password"]

SECRET_NAMES: Final = ("client_secret", "refresh_token", "access_token")
"""The settings that are secrets. A profile says where each of them is."""

_TEXTS: Final = ("base_url", "client_id", "family", "proxy", "ca_file", "shared", "token_file")
_SOURCES: Final = {"_file": "file", "_env": "variable", "_keyring": "keyring", "": "inline"}
_KEYS: Final = (*_TEXTS, "trust_env", "limits", *(name + end for name in SECRET_NAMES for end in _SOURCES))
_ADDRESSES: Final = {"production": PRODUCTION, "staging": STAGING}
_PATHS: Final = frozenset({"ca_file", "token_file"})
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PASSWORD: Final = re.compile(r"((?:ssl)?password=)[^\s&#]*", re.IGNORECASE)
_MOST_BYTES: Final = 1024 * 1024


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One profile. It says where its secrets are, and reads none of them.

    Attributes:
        name: Its name.
        path: The file that it is in.
        texts: Its plain settings by name, as the `XOXO_*` variables would give them.
        secrets: Where its secrets are, by name.
        limits: Its rate limits; None where it gives none.
    """

    name: str
    path: Path
    texts: dict[str, str] = {}
    secrets: dict[str, SecretSource] = {}
    limits: RateLimits | None = None

    def __repr__(self) -> str:
        return f"Profile({self.name!r}, {str(self.path)!r})"


def config_file(variables: Mapping[str, str] | None = None) -> Path | None:
    """Return the file of the profiles: `XOXO_CONFIG`, or `xoxo/config.toml` in the user's folder of settings.

    Args:
        variables: The variables that may hold `XOXO_CONFIG` and `XDG_CONFIG_HOME`; the process environment by default.

    Returns:
        The file, which need not exist; None without `XOXO_CONFIG` and without a home folder.
    """
    source = os.environ if variables is None else variables
    named = source.get("XOXO_CONFIG", "").strip()
    try:
        if named:
            return Path(named).expanduser()
        return Path(source.get("XDG_CONFIG_HOME", "").strip() or Path.home() / ".config") / "xoxo" / "config.toml"
    except RuntimeError:  # there is no home folder, as in many containers
        return None


def find_profile(name: str, variables: Mapping[str, str] | None = None) -> Profile:
    """Return the profile of a name.

    Args:
        name: The profile's name.
        variables: As for `config_file`.

    Raises:
        ConfigError: There is no file or no such profile, or the file is wrong. The message names the file and the key.
    """
    path = config_file(variables)
    if path is None:
        raise ConfigError(f"the profile {name!r} is not known: there is no home folder, so set XOXO_CONFIG to a file")
    profiles = read_profiles(path)
    if name not in profiles:
        there = f"it has {', '.join(sorted(profiles))}" if profiles else "it has no profiles"
        raise ConfigError(f"{path} has no profile {name!r}: {there}{_like(name, profiles)}")
    return profiles[name]


def read_profiles(path: Path) -> dict[str, Profile]:
    """Return the profiles of a file by name. Reads no secret, unless the file itself holds one.

    Args:
        path: The file.

    Raises:
        ConfigError: The file is missing or wrong, or holds a secret that other users may read.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_MOST_BYTES + 1)
        text = content.decode()
    except FileNotFoundError:
        raise ConfigError(f"there is no file of profiles at {path}; XOXO_CONFIG names another one") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if stat.S_ISREG(mode) and mode & stat.S_IWOTH:
        # Who may write an address here gets the secret that is sent to it.
        raise ConfigError(f"every user of this machine may write {path}; run: chmod o-w {shlex.quote(str(path))}")
    if len(content) > _MOST_BYTES:
        raise ConfigError(f"{path} is larger than 1 MiB: it is no file of profiles")
    import tomllib  # noqa: PLC0415 - most programs name no profile

    try:
        given = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    _check_keys(str(path), given, ("profiles",))
    profiles = given.get("profiles", {})
    if not isinstance(profiles, dict) or not all(isinstance(one, dict) for one in profiles.values()):
        raise ConfigError(f"{path}: each profile is a table, [profiles.NAME]")
    return {name: _profile(path, name, one) for name, one in cast("dict[str, dict[str, Any]]", profiles).items()}


def _profile(path: Path, name: str, given: dict[str, Any]) -> Profile:
    where = f"{path}, profile {name}"
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{path}: {name!r} is no name of a profile: letters, digits, dots, - and _, up to 64")
    _check_keys(where, given, _KEYS)
    texts: dict[str, str] = {key: _text(where, key, given[key]) for key in _TEXTS if key in given}
    texts |= {key: str(_beside(path, texts[key])) for key in _PATHS & texts.keys()}
    if "base_url" in texts:
        texts["base_url"] = _ADDRESSES.get(texts["base_url"].lower(), texts["base_url"])
    if texts.get("family", "user").lower() not in {"user", "company"}:
        raise ConfigError(f"{where}: family must be user (rewards, links) or company (points, storefront)")
    if "family" in texts:
        texts["token_family"] = texts.pop("family")
    if "trust_env" in given:
        if not isinstance(given["trust_env"], bool):
            raise ConfigError(f"{where}: trust_env must be true or false")
        texts["trust_env"] = "1" if given["trust_env"] else "0"
    secrets = {name: source for name in SECRET_NAMES if (source := _source(path, where, name, given)) is not None}
    held = [name for name, source in secrets.items() if source.kind == "inline"]
    held += [key for key in ("proxy", "shared") if texts.get(key, "") != without_password(texts.get(key, ""))]
    if held:
        refuse_if_others_read(f"{where}: {held[0]}", path)
    return Profile(name=name, path=path, texts=texts, secrets=secrets, limits=_limits(where, given.get("limits")))


def _check_keys(where: str, given: Mapping[str, object], known: tuple[str, ...]) -> None:
    for key in given:
        if key not in known:
            like = _like(key, known) or f"; known: {', '.join(known)}"
            raise ConfigError(f"{where}: unknown key {key!r}{like}")


def _like(word: str, known: "tuple[str, ...] | Mapping[str, object]") -> str:
    import difflib  # noqa: PLC0415 - for an error alone

    close = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {close[0]}?" if close else ""


def _text(where: str, key: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not value.strip().isprintable():
        raise ConfigError(f"{where}: {key} must be one line of text in quotation marks, and not empty")
    return value.strip()


def _beside(path: Path, value: str) -> Path:
    """Return a path; a relative one starts at the folder of the file that names it."""
    try:
        return path.parent / Path(value).expanduser()
    except RuntimeError:
        raise ConfigError(f"{path}: {value} needs a home folder, and there is none") from None


def _source(path: Path, where: str, name: str, given: Mapping[str, object]) -> SecretSource | None:
    """Return where a secret of a profile is; None where the profile says nothing of it."""
    found = [(name + end, kind) for end, kind in _SOURCES.items() if name + end in given]
    if len(found) > 1:
        raise ConfigError(f"{where}: {' and '.join(key for key, _kind in found)} exclude each other: give one of them")
    for key, kind in found:
        value = _text(where, key, given[key])
        value = str(_beside(path, value)) if kind == "file" else value
        return SecretSource(f"{where}: {key}", cast("Any", kind), value, name)
    return None


def _limits(where: str, given: object) -> RateLimits | None:
    if given is None:
        return None
    if not isinstance(given, dict):
        raise ConfigError(f"{where}: limits is a table, [profiles.NAME.limits]")
    numbers = cast("dict[str, object]", given)
    _check_keys(f"{where}, limits", numbers, RateLimits.__struct_fields__)
    values = {key: None if value == "none" else value for key, value in numbers.items()}
    try:
        return RateLimits(**cast("dict[str, Any]", values))
    except ConfigError as error:
        raise ConfigError(f'{where}: {error.message.replace("RateLimits.", "limits.")}, nor "none"') from None


def without_password(url: str) -> str:
    """Return an address with *** for the password in it.

    Args:
        url: An address, or any other text.
    """
    try:
        parts = urlsplit(url)
        hidden = bool(parts.password)
    except ValueError:
        return "***"
    url = _PASSWORD.sub(r"\1***", url)
    if not hidden:
        return url
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.username}:***@{parts.netloc.rpartition('@')[2]}").geturl()
