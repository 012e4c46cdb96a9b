"""`xoxo profile`: list the profiles, and show one without its secrets."""

from typing import TYPE_CHECKING

import click

from xoxo_async.cli.invocation import Group, current_profile
from xoxo_async.cli.listing import Output, listing_options, print_listing
from xoxo_async.config import STAGING
from xoxo_async.environment import Environment
from xoxo_async.errors import ConfigError
from xoxo_async.profiles import config_file, find_profile, read_profiles

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["profile"]

_EPILOG = """\b
A profile is a table in ~/.config/xoxo/config.toml (or the file that XOXO_CONFIG names):
  [profiles.march]
  base_url = "production"
  client_id = "…"
  client_secret_file = "march.secret"
Use it with --profile march, before or after any command, or with XOXO_PROFILE=march."""


@click.group(cls=Group, epilog=_EPILOG)
def profile() -> None:
    """List the profiles, and show one. No secret is ever printed."""


@profile.command("list")
@listing_options
def profile_list(output: Output) -> None:
    """List the profiles in the settings file."""
    path = _file()
    profiles = read_profiles(path)
    facts = [
        {
            "name": name,
            "base_url": one.texts.get("base_url", STAGING),
            "client_id": one.texts.get("client_id", ""),
            "family": one.texts.get("token_family", "user"),
        }
        for name, one in sorted(profiles.items())
    ]
    print_listing(
        output,
        lambda: (("name", "base_url", "client_id", "family"), [tuple(one.values()) for one in facts]),
        facts=lambda: {"file": str(path), "profiles": facts},
    )


@profile.command("show")
@click.argument("name", required=False)
@listing_options
def profile_show(name: str | None, output: Output) -> None:
    """Show the settings in force with a profile, and where each comes from. Secrets are masked.

    Without NAME, it shows those of --profile or XOXO_PROFILE, or those without a profile.
    """
    chosen = name or current_profile()
    if chosen:
        find_profile(chosen)  # its own error says what there is
    rows = _in_force(Environment.read(profile=chosen))
    header = ("setting", "value", "from")
    settings = [dict(zip(header, row, strict=True)) for row in rows]
    print_listing(
        output,
        lambda: (header, rows),
        facts=lambda: {"file": str(config_file() or ""), "profile": chosen, "settings": settings},
    )


def _in_force(environment: Environment) -> list[tuple[str, str, str]]:
    """Return the settings in force, with their origins."""
    shown = environment.shown()
    return [(name, value, environment.origins.get(name, "default")) for name, value in shown.items()]


def _file() -> "Path":
    path = config_file()
    if path is None:
        raise ConfigError("there is no home folder for a file of profiles: set XOXO_CONFIG to a file")
    return path
