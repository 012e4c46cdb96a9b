"""Samples for the crash tests: `sample` for the points in a test, the mark `sampled` for the cases of one."""

from itertools import groupby

import pytest

from tests.crash.sampling import EXHAUSTIVE, Sample


def pytest_report_header() -> str:
    """Say how many kill points this run tries."""
    return (
        "kill points: all of them (XOXO_EXHAUSTIVE=1)"
        if EXHAUSTIVE
        else "kill points: a sample by the seed of pytest-randomly; the same again: --randomly-seed=SEED"
    )


def _sample(config: pytest.Config, name: str) -> Sample:
    return Sample(f"{config.getoption('randomly_seed', default=0)} {name}")


@pytest.fixture
def sample(request: pytest.FixtureRequest) -> Sample:
    """Choose the points that this test tries in this run."""
    return _sample(request.config, request.node.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep a sample of the cases of each test that has the mark `sampled(most)`."""
    kept: list[pytest.Item] = []
    for name, group in groupby(items, key=lambda item: item.nodeid.partition("[")[0]):
        cases = list(group)
        mark = cases[0].get_closest_marker("sampled")
        kept += cases if mark is None else _sample(config, name).of(cases, *mark.args)
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept
