"""Run the command with a short lease and a short hold, so that a test sees what follows a death in seconds."""

import sys
from typing import Final

import xoxo_async.bulk  # noqa: F401 - the modules that hold the values are there before they are shortened
from xoxo_async.__main__ import main

HOLD_S: Final = 6.0
LEASE_S: Final = 4.0
_SHORT: Final = {"MAX_HOLD_S": HOLD_S, "LEASE_S": LEASE_S}


def shorten() -> None:
    """Set the values in every module that has them."""
    import xoxo_async.bulk.ledger.postgres.ledger  # noqa: F401

    for module in list(sys.modules.values()):
        if module.__name__.startswith("xoxo_async."):
            for name, value in _SHORT.items():
                if hasattr(module, name):
                    setattr(module, name, value)


if __name__ == "__main__":
    shorten()
    main()
