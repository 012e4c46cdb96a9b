"""Keep the proof of an account's poNumbers in this user's folder, so that later examinations show it."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

import msgspec

from xoxo_async.environment import state_folder
from xoxo_async.private_files import replacement

__all__ = ["keep", "kept"]

_MOST_BYTES: Final = 64 * 1024


def keep(address: str, account: str, facts: Mapping[str, object]) -> Path | None:
    """Keep a proof, in place of an older one.

    Args:
        address: The address of the server.
        account: The fingerprint of the account.
        facts: The proof.

    Returns:
        The file, mode 0600; None where it cannot be written.
    """
    path = _path(address, account)
    if path is None:
        return None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replacement(path) as file:
            file.write(msgspec.json.encode(facts).decode())
    except OSError:
        return None
    return path


def kept(address: str, account: str) -> dict[str, object] | None:
    """Return the proof of an account; None where there is none, or it cannot be read.

    Args:
        address: The address of the server.
        account: The fingerprint of the account.
    """
    path = _path(address, account)
    try:
        text = path.read_text()[:_MOST_BYTES] if path is not None else ""
        found = json.loads(text) if text else None
    except (OSError, ValueError, RecursionError):
        return None
    return cast("dict[str, object]", found) if isinstance(found, dict) else None


def _path(address: str, account: str) -> Path | None:
    folder = state_folder()
    if folder is None or not account:
        return None
    digest = hashlib.sha256(f"{address}\n{account}".encode()).hexdigest()[:16]
    return folder / f"po-proof-{digest}.json"
