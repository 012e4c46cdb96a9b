"""The plots of the page as SVG, drawn by Vega-Lite (vl-convert): grey text and one colour a run, for light and dark."""

from collections.abc import Sequence
from typing import Any, Final

import vl_convert

_INK: Final = "#7d8794"
_COLOURS: Final = ("#3b78d8", "#d9822b", "#2f9e7d", "#a855c7", "#c0504d")
_STEP: Final = 18
_WIDTH: Final = 380


def to_goals(points: Sequence[dict[str, object]]) -> str:
    """Return each figure as a part of its goal, on a line of its own: what is right of the dashes missed its goal.

    Args:
        points: Each with `what`, `part` and `run`.
    """
    order = list(dict.fromkeys(point["what"] for point in points))
    runs = list(dict.fromkeys(point["run"] for point in points))
    y = {"field": "what", "type": "nominal", "sort": order, "axis": _names(grid=True)}
    dots = {
        "data": {"values": list(points)},
        "mark": {"type": "point", "filled": True, "size": 55, "opacity": 0.9},
        "encoding": {
            "y": y,
            "x": {
                "field": "part",
                "type": "quantitative",
                "scale": {"type": "log"},
                "axis": {"title": "part of the goal, logarithmic", "grid": False},
            },
            "color": _coloured("run", runs),
        },
    }
    line = {
        "data": {"values": [{"part": 1}]},
        "mark": {"type": "rule", "strokeDash": [4, 3], "color": _INK},
        "encoding": {"x": {"field": "part", "type": "quantitative"}},
    }
    return _draw({"layer": [line, dots]}, "Each figure as a part of its goal")


def bars(values: Sequence[dict[str, object]], title: str) -> str:
    """Return bars with their values beside them, in the order given.

    Args:
        values: Each with `name`, `value` and `run`.
        title: Of the axis.
    """
    names = list(dict.fromkeys(value["name"] for value in values))
    runs = list(dict.fromkeys(value["run"] for value in values))
    x = {"field": "value", "type": "quantitative", "axis": {"title": title, "grid": False, "tickCount": 4}}
    y = {"field": "name", "type": "nominal", "sort": names, "axis": _names()}
    offset = {"yOffset": {"field": "run", "sort": runs}} if len(runs) > 1 else {}
    layer = [
        {"mark": {"type": "bar", "cornerRadiusEnd": 2}, "encoding": {"color": _coloured("run", runs)}},
        {
            "mark": {"type": "text", "align": "left", "dx": 4, "color": _INK},
            "encoding": {"text": {"field": "value", "type": "quantitative", "format": ",.3~r"}},
        },
    ]
    encoding = {"x": x, "y": y, **offset}
    return _draw({"data": {"values": list(values)}, "encoding": encoding, "layer": layer}, title)


def _names(*, grid: bool = False) -> dict[str, object]:
    return {"title": None, "labelLimit": 620, "ticks": False, "domain": False, "grid": grid, "labelPadding": 8}


def _coloured(field: str, values: Sequence[object]) -> dict[str, object]:
    colours = [_COLOURS[place % len(_COLOURS)] for place in range(len(values))]
    legend = {"orient": "bottom", "title": None} if len(values) > 1 else None
    return {"field": field, "type": "nominal", "scale": {"domain": list(values), "range": colours}, "legend": legend}


def _draw(spec: dict[str, Any], label: str) -> str:
    axis = {"labelColor": _INK, "titleColor": _INK, "domainColor": _INK, "tickColor": _INK, "gridColor": "#7d879433",
            "titleFontWeight": "normal", "labelFontSize": 12, "titleFontSize": 12}  # fmt: skip
    config = {
        "background": None,
        "font": "sans-serif",
        "aria": False,
        "view": {"stroke": None},
        "axis": axis,
        "legend": {"labelColor": _INK, "labelFontSize": 12},
        "text": {"fontSize": 12},
    }
    whole = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": _WIDTH,
        "height": {"step": _STEP},
        "padding": 4,
        "config": config,
        **spec,
    }
    drawn = vl_convert.vegalite_to_svg(whole, allowed_base_urls=[])
    return drawn.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1) + "\n"
