"""Choose credentials, stores and connection settings by the `XOXO_*` settings."""

import os
from typing import TYPE_CHECKING

from xoxo_async import allowance, auth
from xoxo_async.environment import Environment, default_token_file, make_folder, token_file_if_any
from xoxo_async.errors import ConfigError
from xoxo_async.network import Network
from xoxo_async.public_names import LazyModule

if TYPE_CHECKING:
    import ssl
else:
    ssl = LazyModule("ssl")

__all__ = ["allowance_from", "credentials_from", "network_from", "shared_token_store"]


def network_from(
    environment: Environment, *, proxy: str | None, ssl: "ssl.SSLContext | None", trust_env: bool | None, own: bool
) -> Network:
    """Return the connection settings: what is given goes before the `XOXO_*` settings.

    Args:
        environment: The `XOXO_*` settings.
        proxy: The proxy; an empty text for none.
        ssl: The TLS settings.
        trust_env: Whether the proxy variables are used.
        own: Whether the client makes its own aiohttp session.

    Raises:
        ConfigError: The settings are for the client's own session, and it has none.
    """
    found = environment.network()
    if not own and (found.proxy or found.ssl is not None or found.trust_env):
        raise ConfigError(
            "XOXO_PROXY, XOXO_CA_FILE and XOXO_TRUST_ENV are for the client's own session: unset them, and set the "
            "proxy and TLS of the session that you give"
        )
    return Network(
        proxy=found.proxy if proxy is None else proxy,
        ssl=found.ssl if ssl is None else ssl,
        trust_env=found.trust_env if trust_env is None else trust_env,
    )


def allowance_from(environment: Environment) -> "allowance.Allowance | None":
    """Return the store that `XOXO_SHARED` names, None where it names none.

    Args:
        environment: The `XOXO_*` settings.

    Raises:
        ConfigError: The address is wrong, or an extra is missing. The message names the variable.
    """
    if not environment.shared:
        return None
    from xoxo_async.allowance.opening import open_allowance  # noqa: PLC0415 - only for those who share

    try:
        return open_allowance(environment.shared)
    except ConfigError as error:
        raise ConfigError(f"XOXO_SHARED: {error.message}") from None


def credentials_from(environment: Environment) -> "auth.TokenProvider":
    """Choose the token provider that the environment has values for.

    Args:
        environment: The `XOXO_*` settings.

    Raises:
        ConfigError: No credentials are complete; the message names the missing variables.
    """
    # Most programs use one of them, or none of these: they give a client their own.
    from xoxo_async.auth.providers import ClientCredentials, StaticToken  # noqa: PLC0415

    if environment.access_token:
        return StaticToken(environment.access_token)
    if not environment.client_id or not environment.client_secret:
        missing = [name for name in ("client_id", "client_secret") if not getattr(environment, name)]
        named = " and ".join(f"XOXO_{name.upper()}" for name in missing)
        given = f"; the profile {environment.profile} gives none" if environment.profile else ""
        raise ConfigError(f"no credentials: set {named}, or XOXO_ACCESS_TOKEN{given}")
    from xoxo_async.auth.rotating import RefreshToken  # noqa: PLC0415

    family, path = environment.family, token_file_if_any(environment)
    client_id, secret, refresh_token = environment.client_id, environment.client_secret, environment.refresh_token
    stored = path is not None and os.path.exists(path)  # noqa: PTH110 - Path.exists() raises where it may not look
    if environment.token_database:
        if stored:
            raise ConfigError(
                f"XOXO_SHARED keeps the token in a database, and {path} holds a pair that would not be used: move it "
                "with xoxo token import, and delete the file then; or set XOXO_TOKEN_FILE to go on with the file"
            )
        store = shared_token_store(environment)
        if not refresh_token:
            from xoxo_async.auth.stored import StoredCredentials  # noqa: PLC0415

            return StoredCredentials(client_id, secret, store=store, family=family)
        return RefreshToken(client_id, secret, refresh_token, store=store, family=family)
    # A stored pair may be newer than the configured token. `RefreshToken` decides which of them it uses.
    if refresh_token or stored:
        from xoxo_async.auth.stores import FileTokenStore  # noqa: PLC0415

        allowance_from(environment)  # an address that is wrong may have been meant for a database with the pair
        file_store = FileTokenStore(make_folder(default_token_file(environment)))
        return RefreshToken(client_id, secret, refresh_token or None, store=file_store, family=family)
    return ClientCredentials(client_id, secret, no_pair_in=str(path) if path is not None else "")


def shared_token_store(environment: Environment) -> "auth.PostgresTokenStore":
    """Return the store of tokens that `XOXO_SHARED` names.

    Args:
        environment: The `XOXO_*` settings, in which it names a database.

    Raises:
        ConfigError: The URL is wrong, or an extra is missing. The message names the variable.
    """
    from xoxo_async.auth.postgres import PostgresTokenStore  # noqa: PLC0415 - only for those who share a token

    try:
        return PostgresTokenStore(environment.token_database)
    except ConfigError as error:
        named = "" if error.message.startswith("XOXO_") else "XOXO_SHARED: "
        raise ConfigError(f"{named}{error.message}") from None
