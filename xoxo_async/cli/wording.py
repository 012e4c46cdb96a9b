"""Format amounts, numbers and times for a person."""

from collections.abc import Mapping
from decimal import Decimal

from xoxo_async.wire.entities import unescape

__all__ = ["age", "amounts", "count", "duration", "money", "stopping", "unescaped"]


def money(value: Decimal | None, currency: str | None = "") -> str:
    """Return an amount for a person: `INR 1,250.50`.

    Args:
        value: The amount; None gives a dash.
        currency: Its currency.
    """
    if value is None:
        return "-"
    whole = value == value.to_integral_value()
    text = f"{value.quantize(Decimal(1)):,f}" if whole and abs(value) < 10**24 else f"{value:,f}"
    return f"{currency} {text}" if currency else text


def amounts(by_currency: Mapping[str, Decimal]) -> str:
    """Return sums by currency: `INR 1,250, USD 40`."""
    return ", ".join(money(value, currency) for currency, value in sorted(by_currency.items())) or "nothing"


def unescaped(text: str | None) -> str:
    """Return a text of the vendor without HTML escapes: its catalog writes `&amp;` for `&`."""
    return unescape(text or "")


def count(number: int, word: str) -> str:
    """Return a number with its noun: `1 row`, `1,000 rows`."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def age(seconds: float) -> str:
    """Return how long ago something was, for a person: `40 s`, `5 min`, `3 h 20 min`, `2 days 4 h`.

    Args:
        seconds: How long ago, in seconds; less than nothing counts as now.
    """
    minutes = int(max(seconds, 0.0) // 60)
    hours, days = minutes // 60, minutes // 1440
    if not minutes:
        return f"{max(seconds, 0.0):.0f} s"
    if not hours:
        return f"{minutes} min"
    if not days:
        return f"{hours} h {minutes % 60} min"
    return f"{count(days, 'day')} {hours % 24} h"


def stopping(signal_name: str, in_flight: int, grace_s: float, what: str = "orders") -> str:
    """Return what a command says when it stops in order.

    Args:
        signal_name: The signal: Ctrl-C is `SIGINT`.
        in_flight: How many requests are sent, and have no answer yet.
        grace_s: How long it waits for them, in seconds.
        what: What it sends no more of.
    """
    again = "Press Ctrl-C again" if signal_name == "SIGINT" else f"Send {signal_name} again"
    why = "" if signal_name == "SIGINT" else f" ({signal_name})"
    return (
        f"Stopping{why}: no new {what}; waiting up to {grace_s:g} s for {in_flight:,} already sent."
        f" {again} to stop at once."
    )


def duration(seconds: float) -> str:
    """Return a duration for a person: `0:07`, `17:05`, `16:50:00`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
