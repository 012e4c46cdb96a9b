"""Tell the path of a file from the address of a database or a server that was written in its place.

A file can have almost any name. So such an address would become a file, with the password in its name.
"""

import re
from pathlib import Path
from typing import Final

__all__ = ["address_in", "path_of"]

_KEYWORDS: Final = (
    "host|hostaddr|port|dbname|user|password|passfile|service|servicefile|connect_timeout|client_encoding|options|"
    "application_name|fallback_application_name|replication|target_session_attrs|load_balance_hosts|channel_binding|"
    "require_auth|requirepeer|krbsrvname|gsslib|gssencmode|gssdelegation|tcp_user_timeout|keepalives(?:_[a-z]+)?|"
    "ssl[a-z_]+|database|server|data source|initial catalog|username|user id|uid|pwd"
)
"""The keywords of libpq, and those of the drivers of Windows."""
_PAIR: Final = re.compile(rf"(?:^|[\s;'\"])({_KEYWORDS})\s*=", re.IGNORECASE)
_NAMED_FOLDER: Final = re.compile(r"\.{0,2}[/\\](?![/\\])|[A-Za-z]:[/\\](?!/)")
_URL: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]+):/")
_OPAQUE_URL: Final = re.compile(r"\s*(file|sqlite3?|postgres(?:ql)?|mysql|rediss?):", re.IGNORECASE)
_NO_COLON: Final = re.compile(r"\s*postgres(ql)?//", re.IGNORECASE)
_LOGIN: Final = re.compile(r"(?:^|/)[^/:@]*:.*@", re.DOTALL)


def address_in(path: str) -> str:
    """Return what a text is if it is an address and not the path of a file, in words for a message.

    A path that begins with `/`, `./` or `../` may have every name. The words repeat no value: it may be a password.

    Args:
        path: A text that was given as the path of a file.

    Returns:
        The kind of address; empty for the path of a file.
    """
    url = _URL.match(path) or _OPAQUE_URL.match(path)
    if "://" in path:
        scheme = url[1].lower() if url and path[url.end() - 1 :].startswith("//") else ""
        return f"a {scheme}:// URL" if scheme else "another URL"
    if _NAMED_FOLDER.match(path):
        return ""
    pair = _PAIR.search(path)
    if pair:
        return f"keywords such as {pair[1].lower()}="
    if url:
        return f"a {url[1].lower()}: URL"
    if _NO_COLON.match(path):
        return "a URL without its colon"
    return "a user, a password and a host" if _LOGIN.search(path) else ""


def path_of(text: str) -> Path:
    """Return the path that a text names.

    `Path` drops the `./` that tells a file's name from an address, and the name is looked at again. So such a path is
    made absolute.

    Args:
        text: A path in which `address_in` finds no address.
    """
    path = Path(text)
    return path.absolute() if address_in(str(path)) else path
