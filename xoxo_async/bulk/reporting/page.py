"""The report as one HTML page: it loads nothing, runs no script, and fits a phone, a screen and paper."""

from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from functools import partial
from importlib.resources import files
from typing import Final

import jinja2
import msgspec
from markupsafe import Markup, escape

from xoxo_async.bulk.reporting.charts import DARK, LIGHT, ON_PAGE, Palette, bars, bill_bars, latency_bars, outcome_bar
from xoxo_async.bulk.reporting.charts import timeline as draw_timeline
from xoxo_async.bulk.reporting.facts import Facts
from xoxo_async.bulk.reporting.words import MARKER

__all__ = ["page_of"]

_WIDE: Final = (1086, 602, 292)
_HALF: Final = (500, 292)
_DAY_S: Final = 86_400
_MOST_BARS: Final = 12
_FIRST_ROWS: Final = 10

Amounts = dict[str, Decimal]


class _Chart(msgspec.Struct):
    """A chart, drawn for each place: a text that shrinks with its chart cannot be read.

    Attributes:
        wide: For a whole screen; empty if it always stands beside another one.
        middle: For half a screen, and for paper.
        narrow: For a phone.
    """

    wide: str
    middle: str
    narrow: str


class _Charts(msgspec.Struct):
    """The charts of a page; None where there is nothing to draw."""

    outcome: _Chart | None
    products: _Chart | None
    labels: list[_Chart | None]
    bill: _Chart | None
    timeline: _Chart | None
    latency: _Chart | None
    has_bands: bool
    has_stops: bool


def page_of(
    facts: Facts,
    *,
    zone: tzinfo | None = None,
    refresh_s: int | None = None,
    printed: bool = False,
) -> str:
    """Return the page of a report.

    Args:
        facts: What it says.
        zone: The time zone of its times; None is the machine's own.
        refresh_s: The page reads itself again after so many seconds; None for a page that stays.
        printed: Whether it is for paper: light, with literal colours in the charts, for programs that print no CSS
            variables in an SVG.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=False, auto_reload=False
    )
    digits = _points if facts.headline.words.whole else _amount
    filters: dict[str, Callable[..., object]] = {
        "money": digits,
        "signed": partial(_signed, digits),
        "difference": partial(_difference, digits),
        "code": _code,
        "count": _count,
        "moment": partial(_moment, zone=zone),
        "age": _age,
        "seconds": _seconds,
    }
    environment.filters.update(filters)
    template = environment.from_string(_text("page.html.jinja"))
    stopped = sum(total.orders for total in facts.open_totals)
    return template.render(
        f=facts,
        h=facts.headline,
        drawn=_draw(facts, LIGHT if printed else ON_PAGE, zone),
        marker=MARKER,
        style=_style(printed=printed),
        zone=_zone_name(facts.made_at, zone),
        refresh_s=refresh_s,
        printed=printed,
        first_rows=_FIRST_ROWS,
        open_more=stopped - len(facts.open_rows),
        placed=sum(one.lines for one in facts.receivers),
        mailed=sum(one.lines for one in facts.receivers if one.mailed),
    )


def _text(name: str) -> str:
    return files("xoxo_async.bulk.reporting").joinpath(name).read_text("utf-8")


def _style(*, printed: bool) -> str:
    light, dark = _variables(LIGHT, _LIGHT_PAGE), _variables(DARK, _DARK_PAGE)
    return _text("page.css").replace("{{light}}", light).replace("{{dark}}", light if printed else dark)


_LIGHT_PAGE: Final = {"back": "#f4f6f8", "card": "#ffffff", "tint": "#eef2f6", "link": "#1f56b3"}
_DARK_PAGE: Final = {"back": "#10161d", "card": "#18212b", "tint": "#223040", "link": "#8fb8ff"}


def _variables(palette: Palette, more: dict[str, str]) -> str:
    colours = palette._asdict() | more
    return "{" + "".join(f"--{name}:{colour};" for name, colour in colours.items()) + "}"


def _draw(facts: Facts, palette: Palette, zone: tzinfo | None) -> _Charts:
    currency = "" if facts.bill is None else facts.bill.currency
    products = [(one.name or f"product {one.product_id}", one.charged) for one in facts.products]
    bill, latency, times = facts.bill, facts.latency, facts.timeline
    compared = bill is not None and bill.expected is not None and bill.charged > 0
    head, line = facts.headline, facts.headline.words.line
    return _Charts(
        outcome=_sizes(_WIDE, lambda width: outcome_bar(head, width, palette)) if head.rows else None,
        products=_amounts(products, currency, palette, f"Charged by {head.words.product.lower()}"),
        labels=[
            _amounts(
                [(one.value or "(none)", one.charged) for one in label.shown],
                currency,
                palette,
                f"Charged by {label.name}",
            )
            for label in facts.labels
        ],
        bill=_sizes(_HALF, lambda width: bill_bars(bill, width, palette)) if bill is not None and compared else None,
        timeline=_sizes(_WIDE, lambda width: draw_timeline(times, width, palette, zone, line)) if times.beats else None,
        latency=None
        if latency is None
        else _sizes(_HALF, lambda width: latency_bars(latency.bars, width, palette, line)),
        has_bands=any(mark.kind != "stop" for mark in times.marks),
        has_stops=any(mark.kind == "stop" for mark in times.marks),
    )


def _sizes(widths: Sequence[int], draw: Callable[[int], str]) -> _Chart:
    *wide, middle, narrow = (draw(width) for width in widths)
    return _Chart("".join(wide), middle, narrow)


def _amounts(found: Sequence[tuple[str, Amounts]], currency: str, palette: Palette, of: str) -> _Chart | None:
    amounts = [(name, charged[currency]) for name, charged in found if charged.get(currency, Decimal(0)) > 0]
    if not amounts:
        return None
    rest = sum((amount for _, amount in amounts[_MOST_BARS:]), Decimal(0))
    shown = amounts[:_MOST_BARS] + ([(f"{len(amounts) - _MOST_BARS} more", rest)] if rest else [])
    return _sizes(_HALF, lambda width: bars(shown, currency, width, palette, of=of))


# What the page writes.


_Digits = Callable[[Decimal], str]


def _amount(value: Decimal) -> str:
    return f"{value:,.2f}"


def _points(value: Decimal) -> str:
    """Return points: they are whole, and one that is not shows so."""
    return f"{value:,.0f}" if value == value.to_integral_value() else _amount(value)


def _signed(digits: _Digits, value: Decimal | None, sign: str) -> str:
    if value is None:
        return _NOT_KNOWN
    return f"{sign} {digits(value)}" if value else digits(Decimal(0))


def _difference(digits: _Digits, value: Decimal | None) -> str:
    if value is None:
        return _NOT_KNOWN
    sign = "+ " if value > 0 else "\N{MINUS SIGN} " if value < 0 else ""
    return f"{sign}{digits(abs(value))}"


_NOT_KNOWN: Final = Markup('<span class="none">not known</span>')


def _code(text: str) -> Markup:
    """Return a text with what stands between backticks as code."""
    parts = [
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(text.split("`"))
    ]
    return Markup("").join(parts)


def _count(number: int, word: str, words: str = "") -> str:
    return f"{number:,} {word if number == 1 else words or word + 's'}"


def _moment(at: float, zone: tzinfo | None) -> str:
    moment = datetime.fromtimestamp(at, zone).astimezone(zone)
    return f"{moment.day} {moment:%b %Y, %H:%M:%S}"


def _zone_name(at: float, zone: tzinfo | None) -> str:
    moment = datetime.fromtimestamp(at, zone).astimezone(zone)
    offset = f"{moment:%z}"
    return "UTC" if offset == "+0000" else f"UTC{offset[:3]}:{offset[3:]}"


def _age(seconds: float | None) -> str:
    if seconds is None:
        return "\N{EN DASH}"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, hours, days = round(seconds / 60), seconds / 3600, seconds / _DAY_S
    if minutes < 60:
        return f"{minutes} min"
    return f"{hours:.1f} h" if hours < 48 else f"{days:.0f} days"


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:g} s"
