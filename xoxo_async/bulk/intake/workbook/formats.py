"""What the number format of a cell shows of its number: `00000`, `[$€-407] #,##0.00`, `0%`.

All kinds of workbooks give the codes of Excel here, so that one sheet means the same in each of them.
"""

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, NamedTuple

from xoxo_async.bulk.intake.currencies import currencies_of

__all__ = ["BUILT_IN", "Format", "Seen"]

_TOKEN: Final = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|(?P<pad>[_*].?)|\[(?P<bracket>[^\]]*)\]?|(?P<general>General)'
    r"|(?P<power>[Ee][+-]0*)|(?P<core>[0#?.,]+)|(?P<end>;)|(?P<other>.)",
    re.DOTALL | re.IGNORECASE,
)
_CONDITION: Final = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?[0-9]{1,15}(?:\.[0-9]{1,15})?)")
_GROUPS: Final = re.compile(r"[#0?]+(?:[,' \u00a0\u202f][#0?]{2,3})*[,' \u00a0\u202f][#0?]{3}")
_ZEROS: Final = re.compile(r"[#?]*0+")
_SCALE: Final = re.compile(r"[0#?](,+)(?:\.|$)")
_MINUS: Final = re.compile(r"[-\u2212(]")
_IN_TEXT: Final = str.maketrans(".0#?", "\0\0\0\0")
"""What a text between digits may not be taken for."""
_REMEMBERED: Final = 10_000
_LONGEST: Final = 40
_MOST_CODE: Final = 1000
"""Characters of a format. Excel writes 255 at most."""
_MOST_COMMAS: Final = 5
_MOST_PLACES: Final = 30
_MOST_DIGITS: Final = 100

BUILT_IN: Final = {
    1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?", 13: "# ??/??",
    37: "#,##0_);(#,##0)", 38: "#,##0_);(#,##0)", 39: "#,##0.00_);(#,##0.00)", 40: "#,##0.00_);(#,##0.00)",
    48: "##0.0E+0",
}  # fmt: skip
"""Formats that a file names by a number alone. Those of dates are none: dates are read as such. Those with the currency
of the reader's own country are left out, because the file does not say which one it is."""


class Seen(NamedTuple):
    """What a format makes of one number.

    Attributes:
        text: What a column of texts gets.
        bad_text: Why a column of texts cannot take it; empty where it can.
        bad_amount: Why a column of numbers cannot take it; empty where it can.
        sign: The currency that stands beside it; empty for none.
    """

    text: str
    bad_text: str = ""
    bad_amount: str = ""
    sign: str = ""


class _Section:
    """One part of a format: the one for positive numbers, for negative ones, for zero, or for a condition."""

    def __init__(self) -> None:
        self.condition: tuple[str, Decimal] | None = None
        self.general = self.percent = self.power = self.fraction = False
        self.sign = ""  # a currency that the format names as such
        self.before = ""
        self.core = ""
        self.after = ""

    def add(self, kind: str, text: str) -> None:
        """Take the next part of the code."""
        if kind == "bracket":
            self._bracket(text)
        elif kind == "general":
            self.general = True
        elif kind == "power":
            self.power = True
        elif kind == "core":
            if not self.core and not set(text) & set("0#?"):
                self.before += text
            else:
                self.core += self.after.translate(_IN_TEXT) + text
                self.after = ""
        elif kind in {"quoted", "escaped", "other"}:
            if kind == "other" and text == "%":
                self.percent = True
            elif kind == "other" and text == "/" and self.core:
                self.fraction = True
            elif kind == "other" and text == "@":
                self.general = True
            elif self.core or self.general:
                self.after += text
            else:
                self.before += text

    def _bracket(self, text: str) -> None:
        if found := _CONDITION.fullmatch(text.strip()):
            self.condition = found[1], Decimal(found[2])
        elif text.startswith("$"):
            self.sign = text[1:].rpartition("-")[0] if "-" in text[1:] else text[1:]
        elif text.casefold() in {"h", "hh", "m", "mm", "s", "ss"}:
            self.before += text  # a length of time

    def fits(self, number: Decimal) -> bool:
        """Return whether the condition, if there is one, holds."""
        if self.condition is None:
            return True
        how, limit = self.condition
        return (
            ("<" in how and number < limit and how != "<>")
            or (">" in how and number > limit and how != "<>")
            or ("=" in how and number == limit)
            or (how == "<>" and number != limit)
        )

    @property
    def currency(self) -> str:
        """The currency beside the number: one that the format names as such, or a sign or code that is known."""
        found = [text for text in (self.before, self.after) if currencies_of(text.strip(" \u00a0\u202f-+()"))]
        return self.sign.strip() or (found[0].strip(" \u00a0\u202f-+()") if found else "")

    @property
    def scale(self) -> int:
        """How many thousands the number is divided by."""
        found = _SCALE.search(self.core)
        return min(len(found[1]), _MOST_COMMAS) if found else 0

    @property
    def whole(self) -> str:
        """The digits before the decimal point, with what stands between them."""
        return self.core.partition(".")[0].rstrip(",")

    @property
    def places(self) -> int:
        """How many digits are shown behind the decimal point."""
        return sum(c in "0#?" for c in self.core.partition(".")[2])

    @property
    def is_number(self) -> bool:
        """Whether it shows digits of a number, in groups at most."""
        if self.general:
            return not self.core
        digits = set("0#?")
        behind = self.core.partition(".")[2].rstrip(",")
        whole = self.whole
        return (
            bool(self.core)
            and set(behind) <= digits
            and (
                set(whole) <= set("0#?")
                or ("," in whole and set(whole) <= set("0#?,"))
                or bool(_GROUPS.fullmatch(whole))
            )
        )

    @property
    def digits(self) -> int:
        """How many digits a whole number has at least."""
        shown = self.whole
        return sum(c in "0#?" for c in shown[shown.index("0") :]) if "0" in shown else 0


class Format:
    """A number format.

    Args:
        code: The format as Excel writes it.
    """

    def __init__(self, code: str) -> None:
        code = code[:_MOST_CODE]
        self._sections: Final = _sections(code)
        shown = re.sub(r"\\(.)", r"\1", code).replace('"', "")
        shown = "".join(c if c.isprintable() else "?" for c in shown)
        self._name: Final = shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "…"
        self._seen: Final[dict[Decimal, Seen | None]] = {}

    @property
    def is_usual(self) -> bool:
        """Whether it shows each number as it is."""
        section = self._sections[0]
        return len(self._sections) == 1 and section.general and not (section.before or section.after or section.sign)

    def see(self, number: Decimal) -> Seen | None:
        """Return what it makes of a number; None where that is the number itself."""
        if number in self._seen:
            return self._seen[number]
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        seen = self._look(number)
        plain = Seen(f"{number:f}")
        self._seen[number] = None if seen == plain else seen
        return self._seen[number]

    def _look(self, number: Decimal) -> Seen:
        section = self._section(number)
        if section is None:
            return self._other(number, "")
        before, after = section.before, section.after
        if number == 0 and (before + after).strip(" -\u2013\u00a0") == "" and "0" not in section.core:
            return Seen("0")  # bookkeepers show a line for zero
        if number < 0:
            before, after = _MINUS.sub("", before), after.replace(")", "")
        sign = section.currency
        text, bad_text = self._text(section, number, (before, after))
        bad_amount = self._amount(section, number, (before, after))
        return Seen(text, bad_text, bad_amount, sign)

    def _section(self, number: Decimal) -> _Section | None:
        """Return the part of the format that shows a number."""
        sections = self._sections
        if any(section.condition for section in sections):
            return next((section for section in sections if section.fits(number)), None)
        if number < 0 and len(sections) > 1:
            return sections[1]
        if number == 0 and len(sections) > 2:
            return sections[2]
        return sections[0]

    def _text(self, section: _Section, number: Decimal, beside: tuple[str, str]) -> tuple[str, str]:
        """Return what a column of texts gets, and why it cannot take it."""
        text = f"{number:f}"
        bad = f"is {text}, and its format {self._name} shows it differently; store it as text"
        literals = [
            one for one in beside if one.strip(" \u00a0\u202f+") and not currencies_of(one.strip(" \u00a0\u202f+"))
        ]
        if section.percent and section.is_number and not literals and not section.scale:
            return f"{_plain(number * 100)}%", ""
        if section.power or section.fraction:
            return text, ""
        if literals or not section.is_number or section.scale:
            return text, bad
        if section.digits >= 2:
            # Programs do not agree on `0#`: Excel shows 5 as 05, and LibreOffice as 5.
            is_plain = _ZEROS.fullmatch(section.whole) and not section.places and section.digits <= _MOST_DIGITS
            if not is_plain or number != number.to_integral_value() or (number < 0 and len(self._sections) > 1):
                return text, bad
            digits = f"{abs(number):.0f}".zfill(section.digits)
            return ("-" if number < 0 else "") + digits, ""
        return text, ""

    def _amount(self, section: _Section, number: Decimal, beside: tuple[str, str]) -> str:
        """Return why a column of numbers cannot take a number that is shown so."""
        before, after = beside
        if section.sign.strip() and not currencies_of(section.sign):
            return f"is {number:f} in {section.sign.strip()[:_LONGEST]!r}, which is no known currency"
        if section.fraction and number == number.to_integral_value():
            return ""
        changes = _MINUS.search(before) or re.search(r"[0-9%]", before + after)
        if section.fraction or changes or not section.is_number:
            return self._other(number, "").bad_amount
        if section.general:
            return ""
        places = min(section.places, _MOST_PLACES)
        if section.power:
            shown = Decimal(f"{number:.{places}E}")
        else:
            scaled = number / 1000**section.scale * (100 if section.percent else 1)
            cent = Decimal(1).scaleb(-places)
            exponent = scaled.normalize().as_tuple().exponent
            is_shown = isinstance(exponent, int) and exponent >= -places
            shown = scaled if is_shown else scaled.quantize(cent, ROUND_HALF_UP)
        if section.percent or section.scale or shown != number:
            return self._other(number, f"{_plain(shown)}{'%' if section.percent else ''}").bad_amount
        return ""

    def _other(self, number: Decimal, shown: str) -> Seen:
        """Return the refusal of a number that is shown as another one."""
        what = f"shows {shown}" if shown else "shows it differently"
        why = f"is {number:f}, and its format {self._name} {what}"
        return Seen(f"{number:f}", f"{why}; store it as text", f"{why}; write the number that is meant, as it is shown")


def _sections(code: str) -> list[_Section]:
    sections = [_Section()]
    for found in _TOKEN.finditer(code):
        kind = found.lastgroup or ""
        if kind == "end":
            sections.append(_Section())
        else:
            sections[-1].add(kind, found[kind])
    return sections


def _plain(number: Decimal) -> str:
    """Return a number without the zeros at its end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
