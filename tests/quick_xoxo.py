"""Run the command, or a script, with a short lease and a short hold: then a test sees in seconds what follows a death.

`python quick_xoxo.py worker …` runs the command; `python quick_xoxo.py script.py …` runs the script.
"""

import runpy
import sys
from typing import Final

import xoxo_async.bulk.ledger.postgres.ledger
import xoxo_async.workers.loop  # noqa: F401 - what holds the values is there before they are shortened
from xoxo_async.__main__ import main

HOLD_S: Final = 6.0
LEASE_S: Final = 4.0
_SHORT: Final = {"MAX_HOLD_S": HOLD_S, "LEASE_S": LEASE_S, "_RENEW_S": LEASE_S / 3}


def shorten() -> None:
    """Set the values in every module that has them."""
    for module in list(sys.modules.values()):
        if module.__name__.startswith("xoxo_async."):
            for name, value in _SHORT.items():
                if hasattr(module, name):
                    setattr(module, name, value)


if __name__ == "__main__":
    shorten()
    if sys.argv[1].endswith(".py"):
        sys.argv.pop(0)
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        main()
