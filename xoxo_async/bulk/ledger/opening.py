"""Open a ledger by its path or URL. Only this module and the stores themselves name a store."""

import os
import re
from typing import Final

from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.errors import ConfigError

__all__ = ["open_ledger"]

_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def open_ledger(
    where: str | os.PathLike[str],
    *,
    codes_key: str | None = None,
    store_codes: bool = True,
    must_exist: bool = False,
    read_only: bool = False,
    keep_unused: bool = True,
) -> Ledger:
    """Return the ledger at a path. Open it with `async with`. Moves no money.

    Args:
        where: A file's path: the ledger is a `SqliteLedger`. This version opens no URL.
        codes_key: The key that encrypts voucher codes: 32 bytes as URL-safe base64. None reads `XOXO_LEDGER_KEY`;
            empty, or unset there, keeps them in clear.
        store_codes: Whether voucher codes are kept; otherwise only order ids are, and a keyed hash of each code.
        must_exist: Whether a missing ledger is an error; otherwise it is made.
        read_only: Whether to read only: this takes no lock and changes nothing, and another process may write
            meanwhile. Methods that write raise.
        keep_unused: Whether a ledger that this opening made stays when nothing was planned in it.

    Returns:
        The ledger, not opened yet: `async with`, or its `open`, raises `LedgerError` when it cannot be used.

    Raises:
        ConfigError: When `where` is a URL.

    Example:
        ```python
        async with open_ledger("march.db") as ledger:
            print(await ledger.counts())
        ```
    """
    url = _URL.match(os.fspath(where))
    if url is not None:
        # Never the whole URL: it may hold a password.
        raise ConfigError(
            f"no ledger can be opened at a {url[1].lower()}:// URL: this version has the embedded ledger only. Give"
            " the path of a file"
        )
    return SqliteLedger(
        where,
        codes_key=codes_key,
        store_codes=store_codes,
        must_exist=must_exist,
        read_only=read_only,
        keep_unused=keep_unused,
    )
