"""Charts: SVG that loads nothing, in the colours that are given, at the width of its place."""

import re
from collections.abc import Callable
from datetime import UTC
from decimal import Decimal

import msgspec
import pytest

from tests.unit.bulk.reporting.jobs import whole
from xoxo_async.bulk.reporting.charts import (
    DARK,
    LIGHT,
    ON_PAGE,
    Palette,
    bars,
    bill_bars,
    latency_bars,
    outcome_bar,
    timeline,
)

FACTS = whole()
assert FACTS.bill is not None
assert FACTS.latency is not None
BILL, LATENCY = FACTS.bill, FACTS.latency

CHARTS: dict[str, Callable[[int, Palette], str]] = {
    "outcome": lambda width, palette: outcome_bar(FACTS.headline, width, palette),
    "bars": lambda width, palette: bars([("<b>&", Decimal(5))], "INR", width, palette, of='By "name"'),
    "bill": lambda width, palette: bill_bars(BILL, width, palette),
    "latency": lambda width, palette: latency_bars(LATENCY.bars, width, palette),
    "timeline": lambda width, palette: timeline(FACTS.timeline, width, palette, UTC),
}


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_one_quiet_svg(name: str) -> None:
    """It has a label, runs nothing, loads nothing, has no literal colour on a page, and is as wide as its place."""
    drawn = CHARTS[name](292, ON_PAGE)
    assert drawn.startswith("<svg role=")
    assert not re.search(r"<script|<image|<style|href=|url\((?!#)| on\w+=", drawn)
    assert set(re.findall(r'(?:fill|stroke)="(#[^"]*|rgb[^"]*)"', drawn)) == set()
    width = re.search(r' width="([\d.]+)"', drawn)
    assert width is not None
    assert 280 <= float(width[1]) <= 300


def test_names_in_a_chart_are_escaped() -> None:
    """Those of products and tags come from outside."""
    drawn = CHARTS["bars"](500, LIGHT)
    assert "<b>" not in drawn
    assert "&lt;b&gt;&amp;" in drawn
    assert 'aria-label="By &quot;name&quot;, in INR"' in drawn
    assert LIGHT.accent in drawn


def test_the_timeline_draws_all_marks() -> None:
    """Bars for each state, the allowance, bands for penalty and pause, and a line for an early end."""
    drawn = CHARTS["timeline"](600, ON_PAGE)
    for colour in (ON_PAGE.issued, ON_PAGE.rejected, ON_PAGE.unknown, ON_PAGE.band, ON_PAGE.ink):
        assert colour in drawn
    assert "08:00:00" in drawn  # 1,800,000,000 is 08:00 in UTC


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, as WCAG defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(("palette", "cards"), [(LIGHT, ["#ffffff", "#f4f6f8"]), (DARK, ["#18212b", "#10161d"])])
def test_colours_can_be_told_apart(palette: Palette, cards: list[str]) -> None:
    """Texts have the contrast of WCAG AA (4.5), and bars that of graphics (3), on cards and on the page."""
    for card in cards:
        assert min(contrast(palette.ink, card), contrast(palette.muted, card)) >= 4.5
        for colour in (palette.issued, palette.pending, palette.rejected, palette.unknown, palette.accent):
            assert contrast(colour, card) >= 3, (colour, card)


@pytest.mark.parametrize(("after_s", "beats", "width"), [(35, 2, 340), (35, 61, 292), (13, 9, 600)])
def test_the_last_time_is_not_cut(after_s: int, beats: int, width: int) -> None:
    """A label whose tick is near the end of the axis ends at the tick."""
    first = FACTS.timeline.beats[0]
    step = FACTS.timeline.width_s
    many = [msgspec.structs.replace(first, at=first.at + after_s + number * step) for number in range(beats)]
    times = msgspec.structs.replace(FACTS.timeline, beats=many, marks=[], allowances=[])
    drawn = timeline(times, width, LIGHT, UTC)
    labels = re.findall(r'<text text-anchor="(\w+)" transform="translate\(([-\d.]+),16\)[^>]*>([^<]*)<', drawn)
    assert labels
    assert labels[-1][0] == "end"
