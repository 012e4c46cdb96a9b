"""The names of accounts, credentials and pairs: hashes that reveal no secret."""

import hashlib

import msgspec

__all__ = ["client_digest", "digest", "fingerprint_of", "masked", "pair_account"]


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


def pair_account(address: str, client: str) -> str:
    """Return the key under which a store for many accounts keeps a rotating pair.

    The first refresh token is no part of it, because a person may generate another one for the same account.

    Args:
        address: The address that the pair is valid at.
        client: The hash of the family and the client id.
    """
    return digest("pair", address, client)


def fingerprint_of(credentials: object) -> str:
    """Return a short hash of a provider's account, or an empty text where the provider does not name its account.

    Args:
        credentials: The provider.
    """
    account = getattr(credentials, "account", None)
    return hashlib.sha256(account.encode()).hexdigest()[:16] if isinstance(account, str) else ""


def masked(client_id: str) -> str:
    """Return the start of a client id, which tells two clients apart and reveals too little to use.

    Args:
        client_id: The client id.
    """
    return f"{client_id[:4]}…" if len(client_id) >= 12 else "***"
