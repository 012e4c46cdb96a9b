"""The settings in the `XOXO_*` variables, and the file of a rotating token pair."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

import msgspec

from xoxo_async.config import STAGING
from xoxo_async.errors import ConfigError
from xoxo_async.network import Network, ssl_context
from xoxo_async.postgres.address import is_database

__all__ = ["Environment", "TokenFamily", "default_token_file", "make_folder", "state_folder", "token_file_if_any"]

TokenFamily = Literal["user", "company"]
"""One of an account's two credential sets: `user` for rewards and links, `company` for points and the storefront."""


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """The values of the `XOXO_*` variables. Its repr shows the address and nothing else, because others are secrets."""

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
            raise ConfigError(f"XOXO_CA_FILE: {error.message}") from None
        try:
            return Network(proxy=self.proxy, ssl=ssl, trust_env=trust_env)
        except ConfigError as error:
            raise ConfigError(f"XOXO_PROXY: {error.message}") from None

    @classmethod
    def read(cls, variables: Mapping[str, str] | None = None) -> Self:
        """Read the `XOXO_*` variables.

        They are `XOXO_BASE_URL`, `_CLIENT_ID`, `_CLIENT_SECRET`, `_REFRESH_TOKEN`, `_ACCESS_TOKEN`, `_TOKEN_FILE`,
        `_TOKEN_FAMILY`, `_PROXY`, `_CA_FILE`, `_TRUST_ENV` and `_SHARED`.

        Args:
            variables: The variables; the process environment by default.

        Returns:
            The settings. A variable that is absent or blank gives an empty text, and `base_url` is then STAGING.
        """
        source = os.environ if variables is None else variables
        # A value that comes from a file often ends with a line break, which no header can hold.
        found = {name: source.get(f"XOXO_{name.upper()}", "").strip() for name in cls.__struct_fields__}
        return cls(**{name: value for name, value in found.items() if value})


def default_token_file(environment: Environment, variables: Mapping[str, str] | None = None) -> Path:
    """Return the file of a rotating token pair: `XOXO_TOKEN_FILE`, or a file for this account and address.

    Each renewal ends the refresh token before it. So a pair that is kept in memory alone is lost at exit, and with it
    the access to the account.

    Args:
        environment: The settings.
        variables: The variables that may hold `XDG_STATE_HOME`; the process environment by default.

    Raises:
        ConfigError: There is no home folder for the file.
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
    """
    if environment.token_file:
        return Path(environment.token_file)
    state = state_folder(variables)
    if state is None:
        return None
    account = f"{environment.base_url}\n{environment.client_id}\n{environment.refresh_token}"
    if environment.family == "company":
        # The user family adds nothing, so that files of earlier versions keep their names.
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
