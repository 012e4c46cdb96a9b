"""`records`: a proof is kept for each account, and a file that is none is no proof."""

from pathlib import Path

import pytest

from xoxo_async.doctor import records


def test_each_account_has_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a private file; the newest counts."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert records.kept("a", "1") is None
    path = records.keep("a", "1", {"result": "twice"})
    assert records.keep("a", "1", {"result": "once"}) == path
    assert path is not None
    assert path.stat().st_mode & 0o777 == 0o600
    assert records.kept("a", "1") == {"result": "once"}
    assert records.kept("a", "2") is records.kept("b", "1") is None


@pytest.mark.parametrize("text", ["", "no json", "[]", "\xff"])
def test_a_damaged_file_is_no_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """The account is proven anew."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = records.keep("a", "1", {})
    assert path is not None
    path.write_bytes(text.encode("latin-1"))
    assert records.kept("a", "1") is None


def test_an_unknown_account_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does a folder that cannot be written."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert records.keep("a", "", {}) is None
    (tmp_path / "xoxo").touch()
    assert records.keep("a", "1", {}) is None
