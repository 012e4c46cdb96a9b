"""Choose samples for the crash tests: `sample` for the points in a test, the mark `sampled` for its cases."""

from collections import defaultdict

import pytest

from tests.crash.sampling import Sample


def _sample(config: pytest.Config, name: str) -> Sample:
    return Sample(f"{config.getoption('randomly_seed', default=0)} {name}")


@pytest.fixture
def sample(request: pytest.FixtureRequest) -> Sample:
    """Choose the points that this test tries in this run."""
    return _sample(request.config, request.node.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep a sample of the cases of each test that has the mark `sampled(most)`."""
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("sampled"):
            cases[item.nodeid.partition("[")[0]].append(item)
    left_out: set[pytest.Item] = set()
    for name, found in cases.items():
        (most,) = found[0].get_closest_marker("sampled").args  # type: ignore[union-attr]
        # In the order of their names, since pytest-randomly may shuffle them, and one seed must choose the same cases.
        found.sort(key=lambda item: item.nodeid)
        left_out |= set(found) - set(_sample(config, name).of(found, most))
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]
