"""The names of accounts, credentials and pairs: hashes that reveal no secret."""

import hashlib

import msgspec

__all__ = ["client_digest", "digest", "masked"]


def digest(*parts: str) -> str:
    """Return a hash of some texts.

    Args:
        parts: The texts. Their borders count: `("ab", "c")` has another hash than `("a", "bc")`.
    """
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]


def client_digest(family: str, client_id: str) -> str:
    """Return the hash that names a stored pair's owner.

    Args:
        family: `user` or `company`.
        client_id: The client id.
    """
    return digest(family, client_id)


def masked(client_id: str) -> str:
    """Return the start of a client id, which tells two clients apart and reveals too little to use.

    Args:
        client_id: The client id.
    """
    return f"{client_id[:4]}…" if len(client_id) >= 12 else "***"
