"""What a connection is opened with: the URL, its service of `~/.pg_service.conf`, and the `PG…` variables.

The driver skips a service that is not there, and knows no reason for a certificate that is missing. So the service is
read here, and files are looked for before the server is asked.
"""

import configparser
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlencode, urlsplit

from xoxo_async.errors import ConfigError
from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.options import CERTIFICATES, NOT_THE_DRIVERS, VARIABLES, fault_in, fault_of

__all__ = ["Resolved", "resolve"]

_ENCRYPTED: Final = ("require", "verify-ca", "verify-full")
_AUTHORITIES: Final = ("sslrootcert", "sslcrl")
"""The files that the driver reads only where encryption is required."""


_UNSET: Final[Mapping[str, str]] = {
    "target_session_attrs": "any",
    "gsslib": "sspi" if sys.platform == "win32" else "gssapi",
}
"""What the driver does without these options. It reads their variables by itself, and refuses an empty one."""


class Resolved(NamedTuple):
    """What a connection is opened with. Its repr shows no password.

    Attributes:
        dsn: The URL as the driver gets it.
        options: All options of the URL and of its service.
        connect_s: Seconds for a connection, of `connect_timeout`; 0 without one.
        direct_tls: Whether TLS begins at once, of `sslnegotiation`.
    """

    dsn: str
    options: Mapping[str, str]
    connect_s: int
    direct_tls: bool

    def __repr__(self) -> str:
        return f"Resolved({sorted(self.options)})"


class _Services(configparser.RawConfigParser):
    """What libpq takes of this format: no [DEFAULT], no %(name)s, no colon for an equals sign, no names made lower."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def resolve(address: DatabaseAddress) -> Resolved:
    """Return what a connection to a database is opened with.

    Args:
        address: The database's.

    Raises:
        ConfigError: The service, a file of certificates or a key is missing, or a service or a variable has a value
            that cannot be honoured.
    """
    parts, options = urlsplit(address.dsn), address.options
    service = options.get("service") or os.environ.get("PGSERVICE")
    if service:
        found = _service(service)
        hosts = parts.netloc.rpartition("@")[2]
        if hosts and "port" in found and ":" not in hosts.rpartition("]")[2]:
            raise ConfigError(
                f"the database's URL ({address.name}) names a host, and its service the port: write the port behind the"
                " host"
            )
        options = found | options
    values = dict(options)
    origins = {name: f"the database's URL ({address.name}): {name}" for name in options}
    taken = {name: value for name, value in options.items() if name not in NOT_THE_DRIVERS}
    for variable, name in VARIABLES.items():
        value = os.environ.get(variable)
        if value is None or name in options:
            continue
        # A compose file writes `PGPORT=` where nobody has set a value. Only an empty PGSSLMODE is a fault, as it is for
        # libpq: whoever wrote it may count on encryption.
        if not value and name != "sslmode":
            taken |= {name: _UNSET[name]} if name in _UNSET else {}
        else:
            fault = fault_of(name, value, variable)
            if fault:
                raise ConfigError(fault)
            values[name], origins[name] = value, variable
    _look_for_files(values, origins)
    path = "" if parts.path == "/" else parts.path  # the driver would ask for a database without a name
    dsn = f"postgresql://{parts.netloc}{path}{'?' if taken else ''}{urlencode(taken)}"
    direct_tls = values.get("sslnegotiation") == "direct"
    return Resolved(dsn, options, int(values.get("connect_timeout", 0)), direct_tls)


def _service(name: str) -> dict[str, str]:
    """Return the options of a service."""
    file = Path(os.environ.get("PGSERVICEFILE") or _home() / ".pg_service.conf")
    services = _Services(delimiters=("=",), comment_prefixes=("#",), strict=False, default_section="")
    try:
        services.read_string(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"the service {name} of the database is looked for in {file}, which cannot be read: {error.strerror}"
        ) from None
    except (configparser.Error, UnicodeDecodeError):  # its text has the line, and that may be a password
        raise ConfigError(f"{file} is no file of services: [NAME], and below it lines such as host=db") from None
    if not services.has_section(name):
        raise ConfigError(f"the service {name} of the database is not in {file}")
    where = f"the service {name} in {file}"
    pairs = services.items(name)
    options = dict(pairs)
    fault = fault_in(pairs, where) or (f"{where} names another service" if "service" in options else "")
    if fault:
        raise ConfigError(fault)
    return options


def _look_for_files(options: Mapping[str, str], origins: Mapping[str, str]) -> None:
    mode = options.get("sslmode", "prefer")
    if options.get("sslnegotiation") == "direct" and mode not in _ENCRYPTED:
        raise ConfigError(f"{origins['sslnegotiation']}: direct needs sslmode require, verify-ca or verify-full")
    for name in CERTIFICATES:
        if name not in options or mode == "disable" or (name in _AUTHORITIES and mode not in _ENCRYPTED):
            continue
        try:
            with Path(options[name]).open("rb"):
                pass
        except OSError as error:
            raise ConfigError(f"{origins[name]}: the file {options[name]} cannot be read: {error.strerror}") from None
    if mode.startswith("verify") and "sslrootcert" not in options:
        usual = _home() / ".postgresql" / "root.crt"
        if not usual.exists():
            raise ConfigError(
                f"{origins['sslmode']}: {mode} needs the certificates of the authorities to trust, and {usual} is"
                " missing: put them there, or name a file with sslrootcert"
            )


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # in a container its user may have none
        return Path("~")
