"""Sign the result of a proof with a key, and check a signature.

A signature proves that a holder of the key made this result, and that nobody has changed it since. It does not prove
that the vendor's answers were true. Everyone who can check it can also make one, because the key is the same.
"""

import hashlib
import hmac
import json
import os
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from xoxo_async.bulk.proving.result import Proof
from xoxo_async.errors import ConfigError

__all__ = ["read_proof", "read_proof_key", "sign_proof", "verify_proof"]

_ALGORITHM: Final = "HMAC-SHA256"
_LEAST_KEY: Final = 16
_MOST_KEY: Final = 4096
_MOST_PROOF: Final = 64 * 1024 * 1024
_PURPOSE: Final = b"xoxo-async proof 1\n"
"""It stands before what is signed, so that a key with another use signs nothing else by accident."""


def read_proof_key(path: str | os.PathLike[str]) -> bytes:
    """Read the key of a file. Line ends at its end do not count.

    Args:
        path: The file. It must belong to this user, and nobody else may read it (mode 0600).

    Raises:
        ConfigError: The file cannot be read, others may read it, or the key is too short or too long.
    """
    name = os.fspath(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise ConfigError(f"the key file {name} is no regular file")
            if facts.st_uid not in {os.geteuid(), 0}:
                raise ConfigError(f"the key file {name} belongs to another user")
            if facts.st_mode & 0o077:
                raise ConfigError(f"others may read the key file {name}: run chmod 600 {shlex.quote(name)}")
            key = file.read(_MOST_KEY + 1).rstrip(b"\r\n")
    except OSError as error:
        raise ConfigError(f"the key file {name} cannot be read: {error.strerror or error}") from error
    if len(key) < _LEAST_KEY:
        raise ConfigError(
            f"the key in {name} has {len(key)} bytes, and {_LEAST_KEY} is the least: make one with"
            f" `(umask 077; openssl rand -hex 32 > {shlex.quote(name)})`"
        )
    if len(key) > _MOST_KEY:
        raise ConfigError(f"the key in {name} has more than {_MOST_KEY:,} bytes: it is not a key")
    return key


def sign_proof(proof: Proof, key: bytes, *, also: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Return a result as plain values with its signature, ready to be written as JSON.

    Args:
        proof: The result.
        key: The key, as `read_proof_key` returns it.
        also: More fields to sign and to return; their values are texts, whole numbers and the like, as JSON has them.

    Returns:
        The fields of the result, and `signature` with the algorithm, a name of the key, and the signature in hex.
    """
    facts = {**proof.to_dict(), **(also or {})}
    return {**facts, "signature": {"algorithm": _ALGORITHM, "key": _name_of(key), "value": _mac(facts, key)}}


def read_proof(path: str | os.PathLike[str], key: bytes | None = None) -> Proof:
    """Read a result from a file, as `xoxo bulk prove --out` writes it.

    Args:
        path: The file.
        key: The key that its signature is checked with; None checks no signature.

    Raises:
        ConfigError: The file cannot be read, or is no result; or its signature is not valid.
    """
    name = os.fspath(path)
    facts = _read(Path(path), name) if key is None else verify_proof(path, key)
    try:
        return msgspec.convert(facts, Proof, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{name} is not the JSON of a proof: {error}") from error


def verify_proof(path: str | os.PathLike[str], key: bytes) -> dict[str, Any]:
    """Check the signature of a result in a file.

    Args:
        path: The file, as `xoxo bulk prove --out` writes it.
        key: The key.

    Returns:
        The signed fields.

    Raises:
        ConfigError: The file cannot be read, is no signed result, was signed with another key, or was changed.
    """
    name = os.fspath(path)
    facts = _read(Path(path), name)
    signature = facts.pop("signature", None)
    if not isinstance(signature, dict):
        raise ConfigError(f"{name} has no signature: it was made without --key-file")
    told = cast("dict[str, object]", signature)
    if told.get("algorithm") != _ALGORITHM:
        raise ConfigError(f"{name} has a signature of another kind, {told.get('algorithm')!r}")
    value = told.get("value")
    if isinstance(value, str) and hmac.compare_digest(_mac(facts, key).encode(), value.encode()):
        return facts
    if told.get("key") != _name_of(key):
        raise ConfigError(f"{name} was signed with another key, or was changed")
    raise ConfigError(f"{name} was changed after it was signed: do not trust it")


def _read(path: Path, name: str) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST_PROOF:
            raise ConfigError(f"{name} is too large to be the result of a proof")
        facts = json.loads(path.read_bytes(), object_pairs_hook=_without_repeats)
    except OSError as error:
        raise ConfigError(f"{name} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{name} is not the JSON of a proof: {error}") from error
    if not isinstance(facts, dict):
        raise ConfigError(f"{name} is not the JSON of a proof")
    return cast("dict[str, Any]", facts)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that stands twice: two readers could take different values of it."""
    facts = dict(pairs)
    if len(facts) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return facts


def _mac(facts: dict[str, Any], key: bytes) -> str:
    """Return the signature of the canonical JSON: sorted names, no blanks, UTF-8."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hmac.new(key, _PURPOSE + text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _name_of(key: bytes) -> str:
    """Return a name that tells keys apart and shows nothing of them."""
    return hmac.new(key, b"xoxo-async proof key", hashlib.sha256).hexdigest()[:16]
