"""The command `xoxo`, also as `python -m xoxo_async`."""

import gc
import os
import sys
from importlib.util import find_spec

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its code."""
    # Python looks for garbage after 700 new objects. The imports make tens of thousands, which all stay, and an order
    # leaves no reference cycle behind: there is little to find.
    gc.set_threshold(20_000)
    _fill_standard_streams()
    if find_spec("click") is None or find_spec("rich") is None:
        sys.stderr.write("the command needs an extra: pip install 'xoxo-async[cli]'\n")
        sys.exit(2)
    from xoxo_async.cli.main import run  # noqa: PLC0415 - only once its libraries are known to be there

    sys.exit(run())


def _fill_standard_streams() -> None:
    """Open what was closed of 0, 1 and 2: a ledger opened there would take stray error output for its contents."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one


if __name__ == "__main__":
    main()
