"""The settings of a client, from flags, `XOXO_*` variables and a profile; and the file of a rotating token pair."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, Self

import msgspec

from xoxo_async.config import STAGING, RateLimits
from xoxo_async.errors import ConfigError
from xoxo_async.file_names import address_in, path_of, way_out
from xoxo_async.network import Network, ssl_context
from xoxo_async.postgres.address import is_database
from xoxo_async.profiles import SECRET_NAMES, Profile, find_profile, without_password
from xoxo_async.secret_sources import secret_variable

__all__ = [
    "Environment",
    "TokenFamily",
    "address_in_force",
    "default_token_file",
    "make_folder",
    "state_folder",
    "token_file_if_any",
]

TokenFamily = Literal["user", "company"]
"""One of an account's two credential sets: `user` for rewards and links, `company` for points and the storefront."""

_TEXTS: Final = ("base_url", "client_id", "token_file", "token_family", "proxy", "ca_file", "trust_env", "shared")


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a client. Its repr shows the address and nothing else, because others are secrets.

    Attributes:
        base_url: The address; STAGING by default.
        client_id: The client id.
        client_secret: The client secret.
        refresh_token: The refresh token of the account.
        access_token: An access token made elsewhere.
        token_file: The file of a rotating pair.
        token_family: `user` or `company`; see `family`.
        proxy: The address of a proxy.
        ca_file: A file of certificates to trust besides the system's.
        trust_env: Whether the proxy variables of other programs are used, as text.
        shared: The store of a shared allowance.
        profile: The name of the profile that settings come from; empty for none.
        limits: The rate limits of the profile; None for the vendor's.
        origins: Where each setting comes from, by its name, in words for a person.
    """

    base_url: str = STAGING
    client_id: str = ""
    client_secret: str = ""
    refresh_token: str = ""
    access_token: str = ""
    token_file: str = ""
    token_family: str = ""
    proxy: str = ""
    ca_file: str = ""
    trust_env: str = ""
    shared: str = ""
    profile: str = ""
    limits: RateLimits | None = None
    origins: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Environment(base_url={self.base_url!r})"

    @property
    def family(self) -> TokenFamily:
        """The credential set; `user` by default.

        Raises:
            ConfigError: `XOXO_TOKEN_FAMILY` is neither `user` nor `company`.
        """
        match self.token_family.lower():
            case "" | "user":
                return "user"
            case "company":
                return "company"
            case _:
                raise ConfigError("XOXO_TOKEN_FAMILY must be user (rewards, links) or company (points, storefront)")

    def shown(self) -> dict[str, str]:
        """Return the settings that are given, and the address, for a person: secrets and passwords masked."""
        settings = {"base_url": self.base_url}
        settings |= {name: without_password(value) for name in _TEXTS if (value := getattr(self, name))}
        settings |= {name: "***" for name in SECRET_NAMES if getattr(self, name)}
        for name in self.limits.__struct_fields__ if self.limits is not None else ():
            value = getattr(self.limits, name)
            settings[f"limits.{name}"] = "none" if value is None else f"{value:g}"
        return settings

    @property
    def token_database(self) -> str:
        """The URL of the database that keeps the tokens; empty where a file does.

        It is `XOXO_SHARED` if that names a database, unless `XOXO_TOKEN_FILE` says that the token has its own place.
        """
        return self.shared if is_database(self.shared) and not self.token_file else ""

    def network(self) -> Network:
        """Return the proxy and TLS settings.

        Raises:
            ConfigError: A variable is wrong; the message names it.
        """
        match self.trust_env.lower():
            case "" | "0" | "no" | "false" | "off":
                trust_env = False
            case "1" | "yes" | "true" | "on":
                trust_env = True
            case _:
                raise ConfigError("XOXO_TRUST_ENV must be 1 or 0")
        try:
            ssl = ssl_context(self.ca_file) if self.ca_file else None
        except ConfigError as error:
            raise ConfigError(f"{self.origins.get('ca_file', 'XOXO_CA_FILE')}: {error.message}") from None
        try:
            return Network(proxy=self.proxy, ssl=ssl, trust_env=trust_env)
        except ConfigError as error:
            raise ConfigError(f"{self.origins.get('proxy', 'XOXO_PROXY')}: {error.message}") from None

    @classmethod
    def read(
        cls,
        variables: Mapping[str, str] | None = None,
        *,
        profile: str | None = None,
        base_url: str | None = None,
        client_id: str | None = None,
    ) -> Self:
        """Read the settings: an argument goes before a variable, a variable before the profile of `XOXO_PROFILE`.

        A profile that is named here is an argument: what it gives goes before the variables. Otherwise a forgotten
        `XOXO_BASE_URL` would send the orders of `--profile test` to production.

        The variables are `XOXO_BASE_URL`, `_CLIENT_ID`, `_CLIENT_SECRET`, `_REFRESH_TOKEN`, `_ACCESS_TOKEN`,
        `_TOKEN_FILE`, `_TOKEN_FAMILY`, `_PROXY`, `_CA_FILE`, `_TRUST_ENV` and `_SHARED`. `XOXO_CLIENT_SECRET_FILE`,
        `XOXO_REFRESH_TOKEN_FILE` and `XOXO_ACCESS_TOKEN_FILE` name files that hold these secrets. `XOXO_PROFILE` names
        the profile, and `XOXO_CONFIG` the file that it is in.

        The secrets of a profile belong to its client id: they are not used with another one. The access token of
        `XOXO_PROFILE` is not used where a variable gives a client secret, and no secret of a variable beside those of a
        profile that is named here.

        Args:
            variables: The variables; the process environment by default.
            profile: The name of a profile, instead of `XOXO_PROFILE`.
            base_url: The address, instead of `XOXO_BASE_URL`.
            client_id: The client id, instead of `XOXO_CLIENT_ID`.

        Returns:
            The settings. What is absent or blank everywhere is an empty text, and `base_url` is then STAGING.

        Raises:
            ConfigError: The profile is not there or wrong, or a secret cannot be read where a setting says it is. The
                message names the setting.
        """
        source = os.environ if variables is None else variables
        chosen = _chosen(profile, source)
        values: dict[str, str] = {}
        origins: dict[str, str] = {}
        given = {"base_url": base_url or "", "client_id": client_id or ""}
        for name in _TEXTS:
            # A value that comes from a file often ends with a line break, which no header can hold.
            value = source.get(f"XOXO_{name.upper()}", "").strip()
            kept = chosen.texts.get(name, "") if chosen is not None else ""
            if given.get(name):
                values[name], origins[name] = given[name], f"--{name.replace('_', '-')}"
            elif value and not (profile and kept):
                values[name], origins[name] = value, f"XOXO_{name.upper()}"
            elif chosen is not None and kept:
                values[name], origins[name] = kept, f"profile {chosen.name}"
        _add_secrets(values, origins, source, chosen, named=bool(profile))
        if chosen is not None and chosen.limits is not None:
            origins |= {f"limits.{name}": f"profile {chosen.name}" for name in RateLimits.__struct_fields__}
        return cls(
            **values,
            profile=chosen.name if chosen is not None else "",
            limits=chosen.limits if chosen is not None else None,
            origins=origins,
        )


def _chosen(profile: str | None, source: Mapping[str, str]) -> Profile | None:
    name = (profile or source.get("XOXO_PROFILE", "")).strip()
    return find_profile(name, source) if name else None


def _add_secrets(
    values: dict[str, str],
    origins: dict[str, str],
    source: Mapping[str, str],
    chosen: Profile | None,
    *,
    named: bool,
) -> None:
    """Add the secrets, from variables, from the files that variables name, and from the profile."""
    client_id = values.get("client_id", "")
    own = chosen is not None and chosen.texts.get("client_id", "") == client_id
    # The variables' secrets belong to the variables' account, and a profile that is named may be of another one.
    another = source.get("XOXO_CLIENT_ID", "").strip() not in ("", client_id)
    apart = named and chosen is not None and own and (another or bool(chosen.secrets))
    if apart and another and origins.get("token_file") == "XOXO_TOKEN_FILE":
        del values["token_file"], origins["token_file"]
    for name in () if apart else SECRET_NAMES:
        found = secret_variable(f"XOXO_{name.upper()}", source)
        if found.value:
            values[name], origins[name] = found
    if chosen is None:
        return
    if not own:
        # The client id is another one, so the profile's token file would be another account's, too.
        if origins.get("token_file") == f"profile {chosen.name}":
            del values["token_file"], origins["token_file"]
        return
    given = set(values)
    for name, secret in chosen.secrets.items():
        if name not in given and not (name == "access_token" and "client_secret" in given):
            values[name], origins[name] = secret.read(source), f"profile {chosen.name} ({secret.place})"


def address_in_force(
    base_url: str = "", *, profile: str | None = None, variables: Mapping[str, str] | None = None
) -> str:
    """Return the address that calls go to, without reading a secret.

    Args:
        base_url: The address that was asked for, if one was.
        profile: The name of a profile, instead of `XOXO_PROFILE`.
        variables: The variables; the process environment by default.

    Raises:
        ConfigError: The profile is not there or wrong.
    """
    source = os.environ if variables is None else variables
    variable = source.get("XOXO_BASE_URL", "").strip()
    if base_url or (variable and not profile):
        return base_url or variable
    chosen = _chosen(profile, source)
    kept = chosen.texts.get("base_url", "") if chosen is not None else ""
    return kept or variable or STAGING


def default_token_file(environment: Environment, variables: Mapping[str, str] | None = None) -> Path:
    """Return the file of a rotating token pair: `XOXO_TOKEN_FILE`, or a file for this account and address.

    Each renewal ends the refresh token before it. So a pair that is kept in memory alone is lost at exit, and with it
    the access to the account.

    Args:
        environment: The settings.
        variables: The variables that may hold `XDG_STATE_HOME`; the process environment by default.

    Raises:
        ConfigError: There is no home folder for the file, or `XOXO_TOKEN_FILE` is an address, as of a database.
    """
    path = token_file_if_any(environment, variables)
    if path is None:
        raise ConfigError(
            "no place for the token file (there is no home folder): set XOXO_TOKEN_FILE (in a container, to a file "
            "on a volume), or use a shared store (XOXO_SHARED)"
        )
    return path


def token_file_if_any(environment: Environment, variables: Mapping[str, str] | None = None) -> Path | None:
    """Return the file of a token pair, or None without `XOXO_TOKEN_FILE` and without a home folder.

    Args:
        environment: The settings. Each account and address has a file of its own.
        variables: The variables that may hold `XDG_STATE_HOME`; the process environment by default.

    Raises:
        ConfigError: `XOXO_TOKEN_FILE` is an address, as of a database.
    """
    if environment.token_file:
        kind = address_in(environment.token_file)
        if kind:
            origin = environment.origins.get("token_file", "XOXO_TOKEN_FILE")
            raise ConfigError(
                f"{origin}: a token file is the path of a file, not {kind}: XOXO_SHARED names a database; "
                f"{way_out(environment.token_file)}"
            )
        return path_of(environment.token_file)
    state = state_folder(variables)
    if state is None:
        return None
    account = f"{environment.base_url}\n{environment.client_id}\n{environment.refresh_token}"
    if environment.family == "company":
        # The user family is the default, and adds nothing to the name.
        account += "\ncompany"
    return state / f"token-{hashlib.sha256(account.encode()).hexdigest()[:16]}.json"


def state_folder(variables: Mapping[str, str] | None = None) -> Path | None:
    """Return this user's folder for what programs keep, or None without a home folder.

    Args:
        variables: The variables that may hold `XDG_STATE_HOME`; the process environment by default.
    """
    source = os.environ if variables is None else variables
    try:
        return Path(source.get("XDG_STATE_HOME", "").strip() or Path.home() / ".local" / "state") / "xoxo"
    except RuntimeError:  # `Path.home()` raises it for a user without a home folder, as in many containers
        return None


def make_folder(path: Path) -> Path:
    """Make the folder of a token file (0700) where it does not exist, and return the file's path.

    Args:
        path: The file.

    Raises:
        ConfigError: The folder cannot be made.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"the folder of the token file {path} cannot be made ({reason}): set XOXO_TOKEN_FILE to a file that can be "
            "written, in a container one on a volume"
        ) from None
    return path
