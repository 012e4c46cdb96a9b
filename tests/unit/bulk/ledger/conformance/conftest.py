"""Every test of this folder runs against each store that keeps a ledger."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.conformance.subjects import SUBJECTS, URL, Subject


@pytest.fixture
def database_of(request: pytest.FixtureRequest) -> Iterator[Callable[[str, str], str]]:
    """Give a function that returns the URL of a test's database for a store and a key of codes, one key a database.

    The URL is empty where the store needs none.
    """
    made: dict[tuple[str, str], str] = {}

    def database(store: str, key: str) -> str:
        if store != "postgres":
            return ""
        if (store, key) not in made:
            made[store, key] = request.getfixturevalue("postgres").database()
        return made[store, key]

    yield database
    for url in made.values():
        request.getfixturevalue("postgres").drop(url)


@pytest.fixture(params=SUBJECTS)
def subject(
    request: pytest.FixtureRequest, tmp_path: Path, database_of: Callable[[str, str], str]
) -> Iterator[Subject]:
    """Give an empty ledger of each store; what it keeps must still agree when the test has ended."""
    if database := database_of(request.param, ""):
        (tmp_path / URL).write_text(database)
    with SUBJECTS[request.param](tmp_path) as one:
        yield one
        asyncio.run(one.check())
