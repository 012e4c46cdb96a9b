"""What the tests of a report share."""

import pytest

from xoxo_async.bulk.reporting import charts


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no chart: that takes a second a page, and `test_charts` looks at each."""
    monkeypatch.setattr(charts.vl_convert, "vegalite_to_svg", lambda *_, **__: "<svg></svg>")
