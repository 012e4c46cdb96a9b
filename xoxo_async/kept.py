"""Values that a process keeps for an account, by key. Threads and event loops share them until they run out.

Tokens, allowances and penalties belong to the vendor's account. A web application may make a client for each request.
If these values ended with the client, each web request would ask for a token and start a new allowance.
"""

import os
import threading
from collections.abc import Callable, Hashable
from typing import Final, Generic, Protocol, TypeVar
from weakref import WeakSet

__all__ = ["Kept", "Lasting", "account_name", "fork_safe_lock"]


class _Locking(Protocol):
    """An object with a lock that other threads may hold."""

    lock: threading.Lock


# Weak, so that an object is not kept only because it has a lock.
_LOCKING: Final["WeakSet[_Locking]"] = WeakSet()


def fork_safe_lock(owner: _Locking) -> threading.Lock:
    """Return a lock for the owner's attribute `lock`, and give a forked process a new one there.

    A fork copies a lock as it is. If another thread of the parent holds the lock at that moment, no thread of the child
    ever releases it, and the child waits for ever.

    Args:
        owner: The object that keeps the lock in its attribute `lock`.
    """
    _LOCKING.add(owner)
    return threading.Lock()


def _renew_locks() -> None:
    for owner in list(_LOCKING):
        owner.lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # Windows forks no process
    os.register_at_fork(after_in_child=_renew_locks)


class Lasting(Protocol):
    """A value with an end: a `Kept` drops it when it has run out and has no user."""

    def runs_out_at(self) -> float:
        """Return when the value runs out, by the clock of its `Kept`."""
        ...


U = TypeVar("U")
V = TypeVar("V", bound=Lasting)


class _Entry(Generic[V]):
    __slots__ = ("anchor", "users", "value")

    def __init__(self, value: V, anchor: object) -> None:
        self.value: Final = value
        self.anchor: Final = anchor
        self.users: Final[WeakSet[object]] = WeakSet()


class Kept(Generic[V]):
    """Keep one value for each key as long as it has a user, and after that until it has run out.

    There is no timer: each access drops all values that have run out.

    Args:
        make: Makes the value for a new key.
        clock: The clock by which values run out.
    """

    __slots__ = ("__weakref__", "_entries", "_make", "clock", "lock")

    def __init__(self, make: Callable[[], V], clock: Callable[[], float]) -> None:
        self.lock: threading.Lock = fork_safe_lock(self)
        self.clock: Final = clock
        self._make: Final = make
        self._entries: Final[dict[Hashable, _Entry[V]]] = {}

    def join(self, key: Hashable, enter: Callable[[V], U], anchor: object = None) -> U:
        """Return a user of a key's value, and keep the value at least as long as this user lives.

        Args:
            key: The name of the account; it holds hashes, never a secret.
            enter: Takes the value and returns its user, a new or an existing one. No other thread can join or drop the
                value meanwhile.
            anchor: An object that must live as long as the value, because its identity is part of the key.
        """
        with self.lock:
            self._drop_expired()
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = _Entry(self._make(), anchor)
            user = enter(entry.value)
            entry.users.add(user)
            return user

    def clear(self) -> None:
        """Forget all values; users keep theirs. Tests that share a process call this."""
        with self.lock:
            self._entries.clear()

    def __len__(self) -> int:
        with self.lock:
            self._drop_expired()
            return len(self._entries)

    def _drop_expired(self) -> None:
        now = self.clock()
        expired = [key for key, entry in self._entries.items() if not entry.users and entry.value.runs_out_at() <= now]
        for key in expired:
            del self._entries[key]


def account_name(provider: object, attribute: str) -> tuple[str, object]:
    """Return the name of a token provider's account, and the object that must be kept while the name is in use.

    Args:
        provider: The token provider.
        attribute: The provider's attribute with the name, a hash. A provider without it counts as an account.
    """
    name = getattr(provider, attribute, None)
    # An `id` names another object once the first one is gone, so the provider is kept as long as its name.
    return (name, None) if isinstance(name, str) else (f"object {id(provider)}", provider)
