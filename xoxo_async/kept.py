"""Values that a process keeps for an account: found by a key, shared by threads and event loops, dropped when run out.

Tokens, allowances and penalties belong to the vendor's account. A web application may make a client for each request.
If these values ended with the client, each request would ask for a token and start a new allowance.
"""

import os
import threading
from collections.abc import Callable, Hashable
from typing import Final, Generic, Protocol, TypeVar
from weakref import WeakSet

__all__ = ["Kept", "Lasting", "lock_of", "named_by"]


class _Locking(Protocol):
    """An object with a lock that other threads may hold."""

    lock: threading.Lock


# Weak, so that an object is not kept only because it has a lock.
_LOCKING: Final["WeakSet[_Locking]"] = WeakSet()


def lock_of(owner: _Locking) -> threading.Lock:
    """Return a lock for the owner's attribute `lock`; a forked process finds a new one there.

    A fork copies a lock as it is. If another thread of the parent holds it at that moment, no thread of the child ever
    releases it, and the child waits for ever.

    Args:
        owner: The object that keeps the lock in its attribute `lock`.
    """
    _LOCKING.add(owner)
    return threading.Lock()


def _renew_locks() -> None:
    for owner in list(_LOCKING):
        owner.lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_locks)


class Lasting(Protocol):
    """A value that is kept until it has run out."""

    def runs_out_at(self) -> float:
        """Return when the value has run out, by the clock of its `Kept`."""
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
        make: Makes the value of a new key.
        clock: The clock by which values run out.
    """

    __slots__ = ("__weakref__", "_entries", "_make", "clock", "lock")

    def __init__(self, make: Callable[[], V], clock: Callable[[], float]) -> None:
        self.lock: threading.Lock = lock_of(self)
        self.clock: Final = clock
        self._make: Final = make
        self._entries: Final[dict[Hashable, _Entry[V]]] = {}

    def join(self, key: Hashable, enter: Callable[[V], U], anchor: object = None) -> U:
        """Return a user of a key's value. The value is kept at least as long as this user lives.

        Args:
            key: Names the account; holds hashes, never a secret.
            enter: Takes the value and returns its user, a new one or one that is there already. No other thread can
                join or drop the value meanwhile.
            anchor: An object that must live as long as the value, because its identity is part of the key.
        """
        with self.lock:
            self._drop_what_has_run_out()
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = _Entry(self._make(), anchor)
            user = enter(entry.value)
            entry.users.add(user)
            return user

    def clear(self) -> None:
        """Forget all values; users keep theirs. For tests that share a process."""
        with self.lock:
            self._entries.clear()

    def __len__(self) -> int:
        with self.lock:
            self._drop_what_has_run_out()
            return len(self._entries)

    def _drop_what_has_run_out(self) -> None:
        now = self.clock()
        over = [key for key, entry in self._entries.items() if not entry.users and entry.value.runs_out_at() <= now]
        for key in over:
            del self._entries[key]


def named_by(provider: object, attribute: str) -> tuple[str, object]:
    """Return what names a token provider's account, and the object that must be kept for the name to stay true.

    Args:
        provider: The token provider.
        attribute: Where it says its account, as a hash. A provider that does not say it is an account by itself.
    """
    name = getattr(provider, attribute, None)
    return (name, None) if isinstance(name, str) else (f"object {id(provider)}", provider)
