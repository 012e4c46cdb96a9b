"""Every test of this folder runs against each store that keeps a ledger."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.conformance.subjects import SUBJECTS, URL, Subject


@pytest.fixture(params=SUBJECTS)
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    """Give an empty ledger of each store."""
    if request.param == "postgres":
        (tmp_path / URL).write_text(request.getfixturevalue("database"))
    with SUBJECTS[request.param](tmp_path) as one:
        yield one
