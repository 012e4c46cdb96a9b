"""A token store on disk."""

from pathlib import Path

import pytest

from xoxo_async import FileTokenStore


@pytest.fixture
def store(tmp_path: Path) -> FileTokenStore:
    return FileTokenStore(tmp_path / "pair.json")
