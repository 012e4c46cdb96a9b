"""The charts of a report as SVG, drawn by Vega-Lite (vl-convert). They run no script and load nothing.

Colours are texts that go into the SVG as they are: on a page they are CSS variables, so that one drawing fits a dark
and a light screen, and in a PDF they are literal colours. Of the libraries that draw static SVG, this one takes such
texts, has no dependency, and is imported in a few milliseconds; matplotlib knows only literal colours and brings NumPy,
and pygal has neither bands nor lines over bars.
"""

import html
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Final, NamedTuple

import vl_convert

from xoxo_async.bulk.reporting.costs import Bill
from xoxo_async.bulk.reporting.course import LatencyBar, Timeline
from xoxo_async.bulk.reporting.facts import Headline

__all__ = ["DARK", "LIGHT", "ON_PAGE", "Palette", "bars", "bill_bars", "latency_bars", "outcome_bar", "timeline"]

Spec = dict[str, object]

_BAR_PX: Final = 20
_STEP_PX: Final = 34
_HOUR_S: Final = 3600
_FLUSH_PX: Final = 42
"""A label so near to an end of its axis stays within the chart: half of the longest label."""


class Palette(NamedTuple):
    """The colours of charts, each as CSS writes it.

    Attributes:
        ink: Of texts that matter.
        muted: Of axes.
        grid: Of lines behind the data.
        issued: Of what is placed and has its codes.
        pending: Of what is placed and waits for codes.
        rejected: Of what was refused.
        unknown: Of what is in doubt.
        idle: Of what was not sent.
        accent: Of amounts.
        band: Of stretches of time in which the vendor held the job back.
    """

    ink: str
    muted: str
    grid: str
    issued: str
    pending: str
    rejected: str
    unknown: str
    idle: str
    accent: str
    band: str


LIGHT: Final = Palette(
    ink="#16202c",
    muted="#566374",
    grid="#dfe4ea",
    issued="#0b7a66",
    pending="#b7791f",
    rejected="#c0392b",
    unknown="#7c4dbd",
    idle="#93a1b1",
    accent="#2b62c9",
    band="#f0b429",
)
"""For a light screen, and for paper."""

DARK: Final = Palette(
    ink="#e8edf3",
    muted="#9fadbd",
    grid="#2b3644",
    issued="#2fb59a",
    pending="#e0a83a",
    rejected="#ef7b6c",
    unknown="#b08df0",
    idle="#64748a",
    accent="#76a5ff",
    band="#e0a83a",
)
"""For a dark screen."""

ON_PAGE: Final = Palette(*(f"var(--{name})" for name in Palette._fields))
"""The variables that the page's style sets."""


def outcome_bar(headline: Headline, width: int, palette: Palette) -> str:
    """Return the rows of a job by outcome, as one bar.

    Args:
        headline: The numbers.
        width: In pixels.
        palette: The colours.
    """
    names = ("issued", "pending", "rejected", "unknown", "not_sent")
    colours = (palette.issued, palette.pending, palette.rejected, palette.unknown, palette.idle)
    values = [
        {"name": name, "rows": getattr(headline, name), "order": number}
        for number, name in enumerate(names)
        if getattr(headline, name)
    ]
    spec: Spec = {
        "height": 16,
        "data": {"values": values},
        "mark": {"type": "bar", "height": 16},
        "encoding": {
            "x": {
                "field": "rows",
                "type": "quantitative",
                "stack": "normalize",
                "axis": None,
                "scale": {"nice": False},
            },
            "order": {"field": "order"},
            "color": _colours(dict(zip(names, colours, strict=True)), "name"),
        },
    }
    label = ", ".join(f"{name.replace('_', ' ')} {getattr(headline, name):,}" for name in names)
    return _draw(spec, width, palette, f"Rows by outcome: {label}")


def bars(amounts: Sequence[tuple[str, Decimal]], unit: str, width: int, palette: Palette, *, of: str) -> str:
    """Return amounts as bars, one below the other.

    Args:
        amounts: Name and amount, in order.
        unit: The currency.
        width: In pixels.
        palette: The colours.
        of: What the chart is about.
    """
    values = [{"name": name or "(none)", "amount": float(value), "text": f"{value:,.0f}"} for name, value in amounts]
    return _draw(_bars(values, palette.accent, palette, width), width, palette, f"{of}, in {unit or 'orders'}")


def bill_bars(bill: Bill, width: int, palette: Palette) -> str:
    """Return what a job could have cost at most, what was expected, and what it cost.

    Args:
        bill: Plan against outcome.
        width: In pixels.
        palette: The colours.
    """
    known = [("At most", bill.at_most), ("Expected", bill.expected), ("Charged", bill.charged)]
    values = [
        {"name": name, "amount": float(value), "text": f"{value:,.0f}"} for name, value in known if value is not None
    ]
    return _draw(_bars(values, palette.accent, palette, width), width, palette, f"Plan and outcome, in {bill.currency}")


def latency_bars(latency: Sequence[LatencyBar], width: int, palette: Palette, of: str = "order") -> str:
    """Return how many answers took how long.

    Args:
        latency: The bars.
        width: In pixels.
        palette: The colours.
        of: What a line of the job is called.
    """
    values = [
        {"name": _within(bar), "orders": bar.orders, "text": f"{bar.orders:,}" if bar.orders else ""} for bar in latency
    ]
    x: Spec = {
        "field": "name",
        "type": "nominal",
        "sort": [_within(bar) for bar in latency],
        "axis": {"labelAngle": 0, "title": "answered within … seconds", "grid": False, "labelOverlap": True},
    }
    y: Spec = {"field": "orders", "type": "quantitative", "axis": None}
    spec: Spec = {
        "height": 170,
        "data": {"values": values},
        "encoding": {"x": x, "y": y},
        "layer": [
            {"mark": {"type": "bar", "color": palette.accent, "cornerRadiusEnd": 2}},
            {"mark": {"type": "text", "dy": -8, "color": palette.ink}, "encoding": {"text": {"field": "text"}}},
        ],
    }
    return _draw(spec, width, palette, f"{of.capitalize()}s by the time of their answers")


def _within(bar: LatencyBar) -> str:
    return f"> {bar.above_s:g}" if bar.up_to_s is None else f"{bar.up_to_s:g}"


def timeline(times: Timeline, width: int, palette: Palette, zone: tzinfo | None, of: str = "order") -> str:
    """Return orders a minute over time, the allowance above them, and what held them back behind them.

    Args:
        times: Orders over time.
        width: In pixels.
        palette: The colours.
        zone: The time zone; None is the machine's own.
        of: What a line of the job is called.
    """
    begins = min((beat.at for beat in times.beats), default=0.0)
    ends = max((beat.at for beat in times.beats), default=0.0) + times.width_s
    kinds = {"placed": palette.issued, "refused": palette.rejected, "open": palette.unknown}
    gap_s = 0.0 if times.width_s * width < 4 * (ends - begins) else times.width_s * 0.08
    x: Spec = {
        "type": "temporal",
        "scale": {"type": "utc", "domain": [_shown(begins, zone), _shown(ends, zone)], "nice": False},
        "axis": {
            "title": None,
            "format": _format(ends - begins),
            "grid": False,
            "tickCount": max(width // 110, 2),
            "labelOverlap": True,
            "labelFlush": _FLUSH_PX,
        },
    }
    y: Spec = {
        "type": "quantitative",
        "axis": {"title": f"{of}s a minute", "tickCount": 4},
        "scale": {"zero": True},
    }
    layers: list[Spec] = [
        {
            "data": {"values": _bands(times, begins, ends, zone)},
            "mark": {"type": "rect", "color": palette.band, "opacity": 0.28},
            "encoding": {"x": {**x, "field": "from"}, "x2": {"field": "to"}},
        },
        {
            "data": {"values": _stacks(times, tuple(kinds), gap_s, zone)},
            "mark": {"type": "rect"},
            "encoding": {
                "x": {**x, "field": "from"},
                "x2": {"field": "to"},
                "y": {**y, "field": "low"},
                "y2": {"field": "high"},
                "color": _colours(kinds, "kind"),
            },
        },
        {
            "data": {"values": _allowances(times, begins, ends, zone)},
            "mark": {"type": "rule", "color": palette.ink, "strokeDash": [5, 4], "strokeWidth": 1.5},
            "encoding": {"x": {**x, "field": "from"}, "x2": {"field": "to"}, "y": {**y, "field": "rate"}},
        },
        {
            "data": {"values": _stops(times, begins, ends, zone)},
            "mark": {"type": "rule", "color": palette.rejected, "strokeWidth": 1.5},
            "encoding": {"x": {**x, "field": "from"}},
        },
    ]
    shown: list[Spec] = [layer for layer in layers if _has_values(layer)]
    return _draw({"height": 220, "layer": shown}, width, palette, f"{of.capitalize()}s over time")


def _stacks(times: Timeline, kinds: Sequence[str], gap_s: float, zone: tzinfo | None) -> list[Spec]:
    """Return the orders of each beat, those of one kind above those of another."""
    a_minute = 60 / times.width_s
    return [
        {
            "from": _shown(beat.at, zone),
            "to": _shown(beat.at + times.width_s - gap_s, zone),
            "kind": kind,
            "low": sum(numbers[:place]) * a_minute,
            "high": sum(numbers[: place + 1]) * a_minute,
        }
        for beat in times.beats
        for numbers in ((beat.placed, beat.rejected, beat.open),)
        for place, kind in enumerate(kinds)
        if numbers[place]
    ]


def _has_values(layer: Spec) -> bool:
    data = layer["data"]
    return isinstance(data, dict) and bool(data["values"])


def _bands(times: Timeline, begins: float, ends: float, zone: tzinfo | None) -> list[Spec]:
    return [
        {"from": _shown(max(mark.since, begins), zone), "to": _shown(min(mark.until or ends, ends), zone)}
        for mark in times.marks
        if mark.kind != "stop" and mark.since < ends and (mark.until or ends) > begins
    ]


def _stops(times: Timeline, begins: float, ends: float, zone: tzinfo | None) -> list[Spec]:
    return [
        {"from": _shown(mark.since, zone)}
        for mark in times.marks
        if mark.kind == "stop" and begins <= mark.since <= ends
    ]


def _allowances(times: Timeline, begins: float, ends: float, zone: tzinfo | None) -> list[Spec]:
    return [
        {
            "from": _shown(max(one.since, begins), zone),
            "to": _shown(min(one.until, ends), zone),
            "rate": one.per_minute,
        }
        for one in times.allowances
        if one.since < ends and one.until > begins
    ]


def _shown(at: float, zone: tzinfo | None) -> int:
    """Return a moment in milliseconds as if its local time were UTC: charts then show local time everywhere."""
    moment = datetime.fromtimestamp(at, zone).astimezone(zone)
    offset = moment.utcoffset()
    return round((at + (offset.total_seconds() if offset is not None else 0.0)) * 1000)


def _format(span_s: float) -> str:
    if span_s < _HOUR_S / 4:
        return "%H:%M:%S"
    return "%H:%M" if span_s < 36 * _HOUR_S else "%d %b" if span_s > 96 * _HOUR_S else "%d %b %H:%M"


def _bars(values: Sequence[Mapping[str, object]], colour: str, palette: Palette, width: int) -> Spec:
    room = max(len(str(value["text"])) for value in values) * 8 + 8 if values else 0
    most = max((float(str(value["amount"])) for value in values), default=0.0)
    longest = max((len(str(value["name"])) for value in values), default=0)
    names = min(max(longest * 8 + 4, 64), width * 9 // 20)
    drawn = max(width - names - room - 10, 60)
    x: Spec = {
        "field": "amount",
        "type": "quantitative",
        "axis": None,
        "scale": {"domain": [0, most * (drawn + room) / drawn or 1], "nice": False},
    }
    y: Spec = {
        "field": "name",
        "type": "nominal",
        "sort": [value["name"] for value in values],
        "axis": {
            "title": None,
            "ticks": False,
            "domain": False,
            "labelLimit": names - 10,
            "minExtent": names,
            "labelColor": palette.ink,
            "labelPadding": 8,
        },
    }
    return {
        "height": {"step": _STEP_PX},
        "data": {"values": list(values)},
        "encoding": {"x": x, "y": y},
        "layer": [
            {"mark": {"type": "bar", "height": _BAR_PX, "color": colour, "cornerRadiusEnd": 2}},
            {
                "mark": {"type": "text", "align": "left", "dx": 6, "color": palette.ink},
                "encoding": {"text": {"field": "text"}},
            },
        ],
    }


def _colours(colours: Mapping[str, str], field: str) -> Spec:
    return {
        "field": field,
        "type": "nominal",
        "scale": {"domain": list(colours), "range": list(colours.values())},
        "legend": None,
    }


def _draw(spec: Spec, width: int, palette: Palette, label: str) -> str:
    """Return a chart as the text of one SVG element."""
    config = {
        "background": None,
        "font": "sans-serif",
        "aria": False,
        "view": {"stroke": None},
        "text": {"fontSize": 13},
        "axis": {
            "labelColor": palette.muted,
            "titleColor": palette.muted,
            "domainColor": palette.grid,
            "tickColor": palette.grid,
            "gridColor": palette.grid,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
        },
    }
    whole: Spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": width,
        "padding": 2,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "config": config,
        **spec,
    }
    drawn = vl_convert.vegalite_to_svg(whole, allowed_base_urls=[])
    return drawn.replace("<svg ", f'<svg role="img" aria-label="{html.escape(label)}" ', 1)
