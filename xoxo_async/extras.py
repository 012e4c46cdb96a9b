"""Packages of an extra: the error where one is not installed, or is and does not load."""

from importlib import import_module

from xoxo_async.errors import ConfigError

__all__ = ["check_loads"]


def check_loads(package: str, need: str, extra: str) -> None:
    """Import a package, so that whatever needs it does not fail half way.

    Args:
        package: Its name in Python.
        need: What needs it, to begin the message: `an export to .xlsx needs XlsxWriter`.
        extra: The extra that has it.

    Raises:
        ConfigError: It is not installed, or does not load.
    """
    try:
        import_module(package)
    except ModuleNotFoundError as error:
        why = "" if error.name == package else f" (it is installed and does not load: {_line(error)})"
        raise ConfigError(f"{need}{why}: pip install 'xoxo-async[{extra}]'") from None
    except (ImportError, OSError) as error:  # OSError: a library of the system is missing
        what = f"{need} (it is installed and does not load: {_line(error)})"
        raise ConfigError(f"{what}: pip install --force-reinstall 'xoxo-async[{extra}]'") from None


def _line(error: Exception) -> str:
    return "".join(c if c.isprintable() else " " for c in str(error).partition("\n")[0])[:120]
