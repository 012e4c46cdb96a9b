"""The goals that the page shows, and a measured figure as one of them."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from report import Goal
from rounds import Spread

_FILE: Final = Path(__file__).parent / "goals.toml"


@dataclass(frozen=True)
class Asked:
    """A row of `goals.toml`, which says what its fields are."""

    what: str
    limit: float
    sense: str
    bench: str
    unit: str = "x"
    profile: str = ""


ASKED: Final[dict[str, Asked]] = {name: Asked(**row) for name, row in tomllib.loads(_FILE.read_text()).items()}


def answer(
    name: str, value: float, case: str = "", *, spread: Spread | None = None, noise: float | None = None
) -> Goal:
    """Return a measured figure beside its goal.

    Args:
        name: The row of `goals.toml`.
        value: The figure, in the unit of the row.
        case: What this figure is of, where a row has several: `uvloop`, `300 connections`.
        spread: The quartiles of the figure.
        noise: The distance of the control from 1; None if the figure has almost no noise.
    """
    asked = ASKED[name]
    what = f"{asked.what}, {case}" if case else asked.what
    return Goal(what, value, asked.limit, asked.sense, spread, noise, asked.unit, name)
