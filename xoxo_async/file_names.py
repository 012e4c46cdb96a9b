"""Tell the path of a file from the address of a database or a server that was written in its place.

A file can have almost any name. So such an address would become a file, with the password in its name.
"""

import os
import re
from pathlib import Path
from typing import Final

__all__ = ["address_in", "path_of", "way_out"]

_KEYWORDS: Final = (
    "host|hostaddr|port|dbname|user|password|passfile|service|servicefile|connect_timeout|client_encoding|options|"
    "application_name|fallback_application_name|replication|target_session_attrs|load_balance_hosts|channel_binding|"
    "require_auth|requirepeer|krbsrvname|gsslib|gssencmode|gssdelegation|tcp_user_timeout|keepalives(?:_[a-z]+)?|"
    "ssl[a-z_]+|database|server|data source|initial catalog|username|user id|uid|pwd"
)
"""The keywords of libpq, and those of the drivers of Windows."""
_SECRETS: Final = frozenset({"password", "sslpassword", "pwd"})
_PAIR: Final = re.compile(rf"(?:^|[\s;'\"])({_KEYWORDS})\s*=", re.IGNORECASE)
_NAMED_FOLDER: Final = re.compile(r"\.{0,2}[/\\](?![/\\])|[A-Za-z]:[/\\](?!/)")
_URL: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]+):/")
_OPAQUE_URL: Final = re.compile(r"\s*(file|sqlite3?|postgres(?:ql)?|mysql|rediss?):", re.IGNORECASE)
_NO_COLON: Final = re.compile(r"\s*postgres(ql)?//", re.IGNORECASE)
_LOGIN: Final = re.compile(r"(?:^|/)[^/:@]*:.*@", re.DOTALL)
_BLANK: Final = re.compile(r"\s")


def address_in(path: str | os.PathLike[str], *, kept: bool = True) -> str:
    """Return what a text is if it is an address and not the path of a file, in words for a message.

    A path that begins with `/`, `./` or `../` may have every name. The words repeat no value: it may be a password.

    Args:
        path: What was given as the path of a file.
        kept: Whether the file keeps a ledger, a token or an allowance. An address is often given for those, so one
            keyword is enough; but a file that exists is taken as it is. For another file it takes `://`, two keywords,
            or a password.

    Returns:
        The kind of address; empty for the path of a file.
    """
    text = os.fspath(path)
    kind = _kind(text, strict=kept)
    return "" if kind and kept and Path(text).exists() and not Path(text).is_dir() else kind


def way_out(path: str | os.PathLike[str]) -> str:
    """Return how the file is named whose path looks like an address, as the end of a message.

    Args:
        path: The path that is refused.
    """
    if isinstance(path, str):
        return "put ./ before the name of such a file"
    return "give the full path of such a file, because a Path drops ./"


def path_of(text: str, *, kept: bool = True) -> Path:
    """Return the path that a text names.

    `Path` drops the `./` that tells a file's name from an address, and the name is looked at again. So such a path is
    made absolute.

    Args:
        text: A path in which `address_in` finds no address.
        kept: As for `address_in`.
    """
    path = Path(text)
    return path.absolute() if _kind(str(path), strict=kept) else path


def _kind(text: str, *, strict: bool) -> str:
    if _NAMED_FOLDER.match(text):
        return ""
    url = _URL.match(text) or _OPAQUE_URL.match(text)
    if "://" in text:
        scheme = url[1].lower() if url and text[url.end() - 1 :].startswith("//") else ""
        return f"a {scheme}:// URL" if scheme else "another URL"
    keywords = [keyword.lower() for keyword in _PAIR.findall(text)]
    if keywords and (strict or len(keywords) > 1 or keywords[0] in _SECRETS):
        return f"keywords such as {keywords[0]}="
    if strict and url:
        return f"a {url[1].lower()}: URL"
    if strict and _NO_COLON.match(text):
        return "a URL without its colon"
    login = _LOGIN.search(text) and (strict or not _BLANK.search(text))
    return "a user, a password and a host" if login else ""
