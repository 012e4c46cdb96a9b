"""`extras`: a package that is missing, and one that does not load, are one clear line with what to install."""

from pathlib import Path

import pytest

from xoxo_async.errors import ConfigError
from xoxo_async.extras import check_loads

FAULTS = {
    "raise ImportError('no libc')": "load: no libc): pip install --force-reinstall 'xoxo-async[files]'",
    "raise OSError('no pango')": "load: no pango): pip install --force-reinstall 'xoxo-async[files]'",
    "import a_module_that_is_not_there": "load: No module named 'a_module_that_is_not_there'): pip install 'xoxo",
}


def test_a_missing_package_is_named() -> None:
    """The line says what needs it, and what to install."""
    with pytest.raises(ConfigError) as caught:
        check_loads("a_package_that_is_not_there", "a thing needs It", "files")
    assert str(caught.value) == "a thing needs It: pip install 'xoxo-async[files]'"


@pytest.mark.parametrize(("at", "fault"), list(enumerate(FAULTS)))
def test_a_package_that_fails_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, fault: str
) -> None:
    """It is installed, so the reason is said."""
    (tmp_path / f"a_broken_package_{at}.py").write_text(fault)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError) as caught:
        check_loads(f"a_broken_package_{at}", "a thing needs It", "files")
    assert f"a thing needs It (it is installed and does not {FAULTS[fault]}" in str(caught.value)


def test_a_package_that_loads_is_fine() -> None:
    """Nothing is said."""
    check_loads("json", "a thing needs It", "files")
