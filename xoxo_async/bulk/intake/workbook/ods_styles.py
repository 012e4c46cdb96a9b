"""The number formats of an .ods workbook, as the codes that Excel writes for them."""

from typing import Final

from xoxo_async.bulk.intake.workbook.formats import Format
from xoxo_async.bulk.intake.workbook.markup import Attributes, Parser, local

__all__ = ["Styles"]

_KINDS: Final = {"number-style", "currency-style", "percentage-style", "text-style"}
_MOST_DIGITS: Final = 100
_LONGEST: Final = 1000


class Styles:
    """Learns which style shows numbers in which format. Styles stand before the sheets."""

    def __init__(self) -> None:
        self._codes: Final[dict[str, str]] = {}  # by the name of the format
        self._formats: Final[dict[str, Format]] = {}  # by its code
        self._styles: Final[dict[str, Format]] = {}  # by the name of the cells' style
        self._parser: Parser | None = None
        self._name = self._kind = self._own = ""  # of the format that is being read
        self._sections: list[str] = []  # its parts for a condition
        self._text: list[str] | None = None
        self._number: Attributes | None = None
        self._inner: list[tuple[int, str]] = []  # texts between the digits, by their place from the right
        self._place = 0

    def listen(self, parser: Parser) -> Parser:
        """Take the texts of a parser until `end`.

        Args:
            parser: A new parser. It is returned.
        """
        self._parser = parser
        parser.CharacterDataHandler = self._add
        parser.EndElementHandler = self._end_element
        return parser

    def end(self) -> None:
        """Take no more texts: the sheets begin."""
        if self._parser is not None:
            self._parser.CharacterDataHandler = None
            self._parser.EndElementHandler = None

    def of(self, style: str) -> Format | None:
        """Return the format of a style of cells; None where it shows numbers as they are.

        Args:
            style: Its name.
        """
        return self._styles.get(style)

    def start(self, name: str, attributes: Attributes) -> None:
        """Take an element.

        Args:
            name: Its name without the prefix.
            attributes: Its attributes.
        """
        if name in _KINDS:
            self._name, self._kind, self._own, self._sections = attributes.get("style:name", ""), name, "", []
        elif name == "style":
            self._cells(attributes)
        elif not self._name:
            return
        elif name in {"text", "currency-symbol", "embedded-text"}:
            self._text = []
            self._place = _count(attributes, "number:position")
        elif name == "number":
            self._number, self._inner = attributes, []
        elif name == "scientific-number":
            self._own += f"{_digits(attributes, [])}E+00"
        elif name == "fraction":
            self._own += "# ?/?"
        elif name == "text-content":
            self._own += "@"
        elif name == "map":
            condition = attributes.get("style:condition", "").replace("value()", "").replace("!=", "<>").strip()
            part = self._codes.get(attributes.get("style:apply-style-name", ""), "General")
            self._sections.append(f"[{condition}]{part}")

    def _cells(self, attributes: Attributes) -> None:
        data, parent = attributes.get("style:data-style-name"), attributes.get("style:parent-style-name", "")
        how: Format | None
        if data is None:
            how = self._styles.get(parent)
        elif (code := self._codes.get(data)) is None:
            how = None
        else:
            how = self._formats.setdefault(code, Format(code))
        if how is not None and not how.is_usual:
            self._styles[attributes.get("style:name", "")] = how

    def _add(self, text: str) -> None:
        if self._text is not None and len(self._text) < _LONGEST:
            self._text.append(text)

    def _end_element(self, name: str) -> None:
        name = local(name)
        if name in {"text", "currency-symbol", "embedded-text"} and self._text is not None:
            text, self._text = "".join(self._text)[:_LONGEST].replace('"', ""), None
            if name == "embedded-text":
                self._inner.append((self._place, text))
            elif name == "currency-symbol":
                self._own += f"[${text.replace(']', '')}]"
            elif text == "%" and self._kind == "percentage-style":
                self._own += "%"
            elif text:
                self._own += f'"{text}"'
        elif name == "number" and self._number is not None:
            self._own += _digits(self._number, self._inner)
            self._number = None
        elif name in _KINDS and self._name:
            if self._kind == "percentage-style" and "%" not in self._own:
                self._own += "%"
            self._codes[self._name] = ";".join([*self._sections, self._own])
            self._name = ""


def _digits(attributes: Attributes, inner: list[tuple[int, str]]) -> str:
    """Return the digits of a format: `000`, `#,##0.00`."""
    least = _count(attributes, "number:min-integer-digits", 1)
    places = attributes.get("number:decimal-places")
    is_grouped = attributes.get("number:grouping") == "true"
    if places is None and least <= 1 and not (is_grouped or inner):
        return "General"
    whole = "0" * least or "#"
    if is_grouped:
        whole = whole.rjust(4, "#")
        whole = f"{whole[:-3]},{whole[-3:]}"
    for place, text in sorted(inner, reverse=True):
        if not is_grouped:
            whole = whole.rjust(place + 1, "#")
            whole = (
                f'{whole[: len(whole) - place]}"{text}"{whole[len(whole) - place :]}' if place else f'{whole}"{text}"'
            )
    behind = _count(attributes, "number:decimal-places")
    scale = {"1000": ",", "1000000": ",,", "1000000000": ",,,"}.get(attributes.get("number:display-factor", ""), "")
    return whole + ("." + "0" * behind if behind else "") + scale


def _count(attributes: Attributes, name: str, usual: int = 0) -> int:
    text = attributes.get(name, "")
    return min(int(text), _MOST_DIGITS) if text.isdecimal() and len(text) < 9 else usual
