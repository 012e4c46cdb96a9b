"""What an operation may change, and so what may follow a lost answer."""

from enum import Enum

__all__ = ["EffectClass"]


class EffectClass(Enum):
    """What an operation may change. It decides what may follow a lost answer."""

    READ = "read"
    """The operation changes nothing, so the retry policy may repeat it."""
    KEYED = "keyed"
    """The operation spends money under a poNumber. A look-up by poNumber settles a lost answer, and the order is sent
    again only where look-ups prove that it does not exist."""
    UNKEYED = "unkeyed"
    """The operation changes something and has no key for a look-up, so the SDK never repeats it after a lost answer."""
