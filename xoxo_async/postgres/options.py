"""The options of a database's URL, by the names of libpq. An option without a meaning here is refused by its name.

The driver takes an option that it does not know for a setting of the server. So a typing error in `sslmode` would be
sent there, and the connection would have no encryption.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["CACHE", "CERTIFICATES", "NOT_THE_DRIVERS", "VARIABLES", "fault_in", "fault_of"]

CACHE: Final = "statement_cache_size"
"""The one option that is not libpq's."""

_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "ssl_min_protocol_version": ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
    "ssl_max_protocol_version": ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "gsslib": ("gssapi", "sspi"),
    # What the driver does in any case. It cannot do what the other values ask for.
    "channel_binding": ("disable", "prefer"),
    "gssencmode": ("disable", "prefer"),
    "load_balance_hosts": ("disable",),
    "sslcertmode": ("allow",),
    "sslcompression": ("0",),
    "sslsni": ("1",),
    "client_encoding": ("utf8", "UTF8", "utf-8", "UTF-8"),
    "keepalives": ("0", "1"),
}
"""The options with a few values that this driver can honour."""

_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_NUMBERS: Final = (
    "connect_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout", CACHE,
)  # fmt: skip
_LARGEST: Final[Mapping[str, int]] = {
    "keepalives_idle": 32767,
    "keepalives_interval": 32767,
    "keepalives_count": 127,
}
"""What Linux takes for a socket. A greater value would fail only after the connection is made."""
_PORTS: Final = re.compile(r"[0-9]{1,5}(,[0-9]{1,5})*")

CERTIFICATES: Final = ("sslrootcert", "sslcrl", "sslcert", "sslkey")
"""The options that name a file of certificates or a key."""

_TEXTS: Final = (
    "user", "host", "dbname", "database", "passfile", "service", "krbsrvname", "options", "application_name",
    "fallback_application_name", *CERTIFICATES,
)  # fmt: skip
_PASSWORDS: Final = ("password", "sslpassword")
_KNOWN: Final = frozenset({*_CHOICES, *_NUMBERS, "port", *_TEXTS, *_PASSWORDS})

NOT_THE_DRIVERS: Final = frozenset(
    {"sslnegotiation", "channel_binding", "gssencmode", "load_balance_hosts", "sslcertmode", "sslcompression", "sslsni",
     "client_encoding", "service", "application_name", "fallback_application_name", "connect_timeout", "keepalives",
     "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"}
)  # fmt: skip
"""The options that the driver does not get: `connecting` honours them, or they ask for what happens in any case."""

VARIABLES: Final[Mapping[str, str]] = {
    "PGSSLMODE": "sslmode",
    "PGSSLNEGOTIATION": "sslnegotiation",
    "PGSSLMINPROTOCOLVERSION": "ssl_min_protocol_version",
    "PGSSLMAXPROTOCOLVERSION": "ssl_max_protocol_version",
    "PGSSLROOTCERT": "sslrootcert",
    "PGSSLCRL": "sslcrl",
    "PGSSLCERT": "sslcert",
    "PGSSLKEY": "sslkey",
    "PGTARGETSESSIONATTRS": "target_session_attrs",
    "PGGSSLIB": "gsslib",
    "PGPORT": "port",
    "PGCHANNELBINDING": "channel_binding",
    "PGGSSENCMODE": "gssencmode",
    "PGCONNECT_TIMEOUT": "connect_timeout",
}
"""The variables that stand for an option, and that option. `PGHOST` and the like take any value."""

_SHOWN: Final = re.compile(r"[A-Za-z_]{1,40}")


def fault_in(pairs: Sequence[tuple[str, str]], where: str, *, in_url: bool = False) -> str:
    """Return what is wrong with options, in a line that names the option and repeats no value; empty if nothing is.

    Args:
        pairs: The names and the values, in their order.
        where: What names them, for the message: `the database's URL`.
        in_url: Whether an option may be the rest of a password with an & or a ? that is not written as %XX. Then its
            name is not shown.
    """
    # A URL ends its password with an @: one that comes so late shows where the password really ends.
    hidden = in_url and any("@" in name + value for name, value in pairs if name != "user")
    for name, value in pairs:
        if name not in _KNOWN:
            return _unknown(name if not hidden and _SHOWN.fullmatch(name) else "", where)
        fault = fault_of(name, value, f"{where}: {name}")
        if fault:
            return fault
        hidden = hidden or (in_url and name in _PASSWORDS)
    return ""


def fault_of(name: str, value: str, origin: str) -> str:
    """Return what is wrong with the value of an option, without the value; empty if nothing is.

    Args:
        name: The option's name.
        value: Its value.
        origin: What to name: the option in its place, or a variable.
    """
    if not value and name not in _PASSWORDS:
        return f"{origin} has no value"
    choices = _CHOICES.get(name)
    if choices is not None and value not in choices:
        *others, last = choices
        return f"{origin} must be {', '.join(others)}{' or ' if others else ''}{last}"
    if name in _NUMBERS and not _NUMBER.fullmatch(value):
        return f"{origin} must be a whole number"
    if name in _LARGEST and int(value) > _LARGEST[name]:
        return f"{origin} must be at most {_LARGEST[name]}"
    if name == "port" and not _PORTS.fullmatch(value):
        return f"{origin} must be a number, or one for each host with a comma between them"
    return ""


def _unknown(name: str, where: str) -> str:
    if not name:
        return (
            f"{where} has an option that is not known (are @, /, #, ?, & and % of the password written as %40, %2F,"
            " %23, %3F, %26 and %25?)"
        )
    return (
        f"{where} has the option {name}, which is not known or cannot be honoured; a setting of the server is written"
        " as options=-c%20NAME%3DVALUE"
    )
