"""Import names and modules when they are asked for: a command, a worker or a test loads only what it uses."""

import sys
from collections.abc import Mapping
from importlib import import_module

__all__ = ["LazyModule", "import_name"]


def import_name(package: str, homes: Mapping[str, str], name: str) -> object:
    """Return a public name of a package, and keep it there. The package's `__getattr__` calls this.

    Args:
        package: The package's name.
        homes: The module of each public name; of a module of the package, the package itself.
        name: The name that was asked for.

    Raises:
        AttributeError: The package has no such name.
        ImportError: A library that the name needs is not installed.
    """
    home = homes.get(name)
    if home is None:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    # A module is imported by its own name: `getattr` on the package would ask for it again, and again.
    value: object = import_module(f"{package}.{name}") if home == package else getattr(import_module(home), name)
    setattr(sys.modules[package], name, value)
    return value


class LazyModule:
    """Stands for a module, and imports it when one of its names is first asked for.

    It is for a module that is slow to import, or needs an extra, and that annotations name: `typing.get_type_hints`,
    with which frameworks read a signature, finds the name then. For a type checker, the module itself is imported:

        if TYPE_CHECKING:
            import ssl
        else:
            ssl = LazyModule("ssl")

    Args:
        name: The module's full name.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # `inspect` and `copy` ask every object for such names: that imports nothing
            raise AttributeError(name)
        return getattr(import_module(self._name), name)
