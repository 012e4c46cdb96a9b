"""What the `XOXO_*` variables say, and where a rotating token pair is kept."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

import msgspec

from xoxo_async.config import STAGING
from xoxo_async.errors import ConfigError
from xoxo_async.network import Network, ssl_context

__all__ = ["Environment", "TokenFamily", "default_token_file", "made_folder", "token_file_if_any"]

TokenFamily = Literal["user", "company"]
"""Which of an account's two credential sets: rewards and links, or points and storefront."""


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """The values of the `XOXO_*` variables; its repr shows the address alone."""

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

    def __repr__(self) -> str:
        return f"Environment(base_url={self.base_url!r})"

    @property
    def family(self) -> TokenFamily:
        """The credential set; `user` (rewards and links) by default.

        Raises:
            ConfigError: `XOXO_TOKEN_FAMILY` is neither.
        """
        match self.token_family.lower():
            case "" | "user":
                return "user"
            case "company":
                return "company"
            case _:
                raise ConfigError("XOXO_TOKEN_FAMILY must be user (rewards, links) or company (points, storefront)")

    def network(self) -> Network:
        """Return how a client reaches the vendor.

        Raises:
            ConfigError: A variable makes no sense; named.
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
        `_TOKEN_FAMILY`, `_PROXY`, `_CA_FILE` and `_TRUST_ENV`.

        Args:
            variables: Where to read them from; the process environment by default.

        Returns:
            The settings; what is absent or blank is empty (the base URL: STAGING).
        """
        source = os.environ if variables is None else variables
        found = {name: source.get(f"XOXO_{name.upper()}", "").strip() for name in cls.__struct_fields__}
        return cls(**{name: value for name, value in found.items() if value})


def default_token_file(environment: Environment, variables: Mapping[str, str] | None = None) -> Path:
    """Return the file of a rotating token pair: `XOXO_TOKEN_FILE`, or a file of the account's own.

    Every renewal ends the refresh token before it. A pair that is only kept in memory is lost at exit, and with it the
    access to the account.

    Args:
        environment: The settings; another account or address has another file.
        variables: Where `XDG_STATE_HOME` is read from.

    Raises:
        ConfigError: There is no home folder to keep it in.
    """
    path = token_file_if_any(environment, variables)
    if path is None:
        raise ConfigError("no place for the token file (there is no home folder): set XOXO_TOKEN_FILE")
    return path


def token_file_if_any(environment: Environment, variables: Mapping[str, str] | None = None) -> Path | None:
    """Return the file of a token pair; None without `XOXO_TOKEN_FILE` and without a home folder.

    Args:
        environment: The settings; another account or address has another file.
        variables: Where `XDG_STATE_HOME` is read from.
    """
    source = os.environ if variables is None else variables
    if environment.token_file:
        return Path(environment.token_file)
    try:
        state = Path(source.get("XDG_STATE_HOME", "").strip() or Path.home() / ".local" / "state") / "xoxo"
    except RuntimeError:
        return None
    account = f"{environment.base_url}\n{environment.client_id}\n{environment.refresh_token}"
    if environment.family == "company":
        account += "\ncompany"
    return state / f"token-{hashlib.sha256(account.encode()).hexdigest()[:16]}.json"


def made_folder(path: Path) -> Path:
    """Return a token file's path; make its folder (0700) where there is none.

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
            "written"
        ) from None
    return path
