"""Public names are imported when they are asked for."""

import copy
import subprocess
import sys
import types

import pytest

from xoxo_async.public_names import LazyModule, import_name

HOMES = {"Decimal": "decimal"}


def test_a_name_is_imported_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time it is an attribute of the package."""
    package = types.ModuleType("shop")
    monkeypatch.setitem(sys.modules, "shop", package)
    found = import_name("shop", HOMES, "Decimal")
    assert vars(package)["Decimal"] is found
    assert found is sys.modules["decimal"].Decimal


def test_another_name_is_no_attribute() -> None:
    """The error names the package."""
    with pytest.raises(AttributeError, match="module 'shop' has no attribute 'Nothing'"):
        import_name("shop", HOMES, "Nothing")


def test_a_module_can_be_asked_for_first() -> None:
    """`from xoxo_async import errors` as the first import of a program."""
    program = "from xoxo_async import errors; print(errors.XoxoError.__name__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "XoxoError\n"), done.stderr[-300:]


def test_a_lazy_module_is_imported_by_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when it is made, nor when `inspect` or `copy` look at it."""
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    module = LazyModule("colorsys")
    copy.copy(module)
    assert not hasattr(module, "__wrapped__")
    assert "colorsys" not in sys.modules
    assert module.rgb_to_hsv is sys.modules["colorsys"].rgb_to_hsv
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = module.Nothing
