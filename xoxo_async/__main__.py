"""The command `xoxo`, also as `python -m xoxo_async`."""

import sys
from importlib.util import find_spec

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its code."""
    if find_spec("click") is None or find_spec("rich") is None:
        sys.stderr.write("the command needs an extra: pip install 'xoxo-async[cli]'\n")
        sys.exit(2)
    from xoxo_async.cli.main import run  # noqa: PLC0415 - only once its libraries are known to be there

    sys.exit(run())


if __name__ == "__main__":
    main()
