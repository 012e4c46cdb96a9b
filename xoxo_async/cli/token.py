"""`xoxo token`: check the access token, and store a token pair. No token is ever printed."""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

import click

from xoxo_async.cli.connect import ask
from xoxo_async.cli.connection import Connection
from xoxo_async.cli.consent import answer_to
from xoxo_async.cli.event_loop import run_async
from xoxo_async.cli.invocation import Group, current_profile
from xoxo_async.cli.json_output import print_json
from xoxo_async.cli.options import connection_options, json_option
from xoxo_async.cli.output import out, say
from xoxo_async.environment import Environment, default_token_file, make_folder
from xoxo_async.errors import ConfigError, DecodeError

if TYPE_CHECKING:
    from xoxo_async.auth import Token, TokenStore

__all__ = ["token"]

_MAX_INPUT: Final = 64 * 1024


@click.group(cls=Group, invoke_without_command=True)
@json_option
@connection_options
@click.pass_context
def token(context: click.Context, /, as_json: bool, **where: Any) -> None:
    """Ask the vendor whether the access token is valid, and until when; or store a pair. No token is ever printed."""
    if context.invoked_subcommand is not None:
        return
    info = ask(Connection(**where), lambda xoxo: xoxo.account.check_token())
    expires = info.expires_at
    if as_json:
        print_json({"valid": True, "token_type": info.token_type, "expires_at": expires and expires.isoformat()})
        return
    out(f"the token is valid {_until(expires)}")


@token.command(
    "import",
    epilog="""\b
Example:
  xoxo token import < pair.json
pair.json is the vendor's token reply, or three lines: refresh token, access token, expiry of the access token.""",
)
@click.option("--base-url", default="", metavar="URL", help="The API's address [env: XOXO_BASE_URL; or STAGING].")
@click.option("--client-id", default="", metavar="ID", help="The client id [env: XOXO_CLIENT_ID].")
@json_option
def token_import(base_url: str, client_id: str, as_json: bool) -> None:
    """Store a token pair from the dashboard. It is read from standard input or a prompt, never from an argument.

    The pair goes to XOXO_TOKEN_FILE, to the database that XOXO_SHARED names, or to a file for this account, with mode
    0600. Only the refresh token is needed.
    Commands then use and renew this pair, without XOXO_REFRESH_TOKEN.
    """
    environment = Environment.read(profile=current_profile(), base_url=base_url, client_id=client_id)
    if not environment.client_id and not environment.token_file:
        raise ConfigError("it is not known which account the pair is of: set XOXO_CLIENT_ID (or XOXO_TOKEN_FILE)")
    put, place = _destination(environment)
    pair = _read_pair()
    if environment.client_id:
        from xoxo_async.auth.naming import client_digest

        pair = pair._replace(client=client_digest(environment.family, environment.client_id))
    run_async(lambda: _store(put(), place, pair))
    expires, refresh_until = _moment(pair.expires_at), _moment(pair.refresh_expires_at)
    if environment.access_token:
        say("XOXO_ACCESS_TOKEN is set, and commands use it instead of this pair: unset it")
    if as_json:
        times = {"expires_at": expires, "refresh_expires_at": refresh_until}
        stamps = {name: moment and moment.isoformat() for name, moment in times.items()}
        print_json({"stored": place, "has_access_token": bool(pair.access), **stamps})
        return
    out(f"stored in {place}")
    out(f"its access token is valid {_until(expires)}" if pair.access else "the first call requests its access token")
    if refresh_until is not None:
        out(f"its refresh token is valid {_until(refresh_until)}")


def _destination(environment: Environment) -> "tuple[Callable[[], TokenStore], str]":
    """Return what makes the store of the pair, and the name of its place."""
    if not environment.token_database:
        from xoxo_async.auth.stores import FileTokenStore
        from xoxo_async.credentials import allowance_from

        allowance_from(environment)  # an address that is wrong may have been meant for a database with the pair
        path = default_token_file(environment)
        return lambda: FileTokenStore(make_folder(path)), str(path)
    from xoxo_async.auth.naming import client_digest, pair_account
    from xoxo_async.credentials import shared_token_store
    from xoxo_async.network import check_base_url
    from xoxo_async.postgres.address import DatabaseAddress

    store = shared_token_store(environment)
    address = check_base_url(environment.base_url, allow_insecure_http=False)
    account = pair_account(address, client_digest(environment.family, environment.client_id))
    return lambda: store.of_account(account), DatabaseAddress.read(environment.token_database).name


async def _store(store: "TokenStore", place: str, pair: "Token") -> None:
    async with store.lock():
        before = await store.load()
        if before is not None and before.client and pair.client and before.client != pair.client:
            raise ConfigError(
                f"{place} holds the pair of another client id or family, which would be lost: move the file away, "
                "or set XOXO_TOKEN_FILE to another file"
            )
        await store.save(pair)


def _read_pair() -> "Token":
    from xoxo_async.auth.tokens import read_pair

    if sys.stdin is not None and sys.stdin.isatty():
        fields: dict[str, object] = {
            "refresh_token": answer_to("Refresh token: ", hidden=True),
            "access_token": answer_to("Access token (Enter for none): ", hidden=True),
        }
        if fields["access_token"]:
            fields["expires_at"] = _given_time(answer_to("It expires at (Enter if not known): "))
        return read_pair(fields, time.time())
    text = sys.stdin.read(_MAX_INPUT) if sys.stdin is not None else ""
    if not text.strip():
        raise ConfigError("standard input has no pair")
    return read_pair(_fields(text), time.time())


def _fields(text: str) -> dict[str, object]:
    """Return the fields of a JSON object, or of up to three lines."""
    if text.lstrip().startswith(("{", "[")):
        from xoxo_async.wire.untyped import read_untyped

        try:
            given = read_untyped(text)
        except DecodeError:
            given = None
        if not isinstance(given, dict):
            raise ConfigError("standard input is not a JSON object")
        return cast("dict[str, object]", given)
    refresh, access, expires, *more = [*(line.strip() for line in text.splitlines()), "", "", ""]
    if any(more[:-3] if len(more) > 3 else more):
        raise ConfigError("standard input has more than three lines: refresh token, access token, expiry")
    return {"refresh_token": refresh, "access_token": access, "expires_at": _given_time(expires)}


def _given_time(text: str) -> str | float:
    """Return a time as the vendor writes it. A date that a person typed becomes epoch seconds."""
    text = text.strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        if text and not text.replace(".", "", 1).isdecimal():
            raise ConfigError("the expiry is neither a time (2026-12-31T12:00) nor a number of seconds") from None
        return text
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def _moment(at: float | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(at, UTC).replace(microsecond=0) if at else None
    except (ValueError, OverflowError, OSError):
        return None


def _until(expires: datetime | None) -> str:
    if expires is None:
        return "for an unknown time"
    left = expires - datetime.now(UTC)
    past = left < timedelta(0)
    return f"until {expires:%Y-%m-%d %H:%M} UTC ({'expired' if past else f'in {_span(left)}'})"


def _span(left: timedelta) -> str:
    if left.days:
        return f"{left.days:,} days"
    minutes = max(int(left.total_seconds()), 0) // 60
    return f"{minutes // 60} h {minutes % 60} min"
