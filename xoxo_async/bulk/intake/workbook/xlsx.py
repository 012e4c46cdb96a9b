"""What the XML of an .xlsx workbook says beside the values that a reader of workbooks gives."""

import posixpath
import re
from typing import Final

from xoxo_async.bulk.intake.workbook.archive import Archive
from xoxo_async.bulk.intake.workbook.formats import BUILT_IN, Format
from xoxo_async.bulk.intake.workbook.marks import Marks, column_number
from xoxo_async.bulk.intake.workbook.markup import Attributes, local, new_parser, parse
from xoxo_async.bulk.intake.workbook.plain_rows import NotPlainError, PlainRows
from xoxo_async.bulk.intake.workbook.refusing import MOST_COLUMNS, RefusedError, as_csv

__all__ = ["Xlsx"]

_MOST_MARKS: Final = 1_000_000
_CELL: Final = re.compile(r"([A-Za-z]{1,3})([1-9][0-9]{0,6})")


class Xlsx:
    """The parts of an .xlsx workbook.

    Attributes:
        sheets: The member of each sheet, by name.
        notes: What a person should know of the whole workbook.

    Args:
        archive: The container.

    Raises:
        RefusedError: It is damaged.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive: Final = archive
        for part in archive.names:
            if part.casefold().endswith(("sharedstrings.xml", "styles.xml")):
                archive.check(part)  # a reader unpacks it when it opens the workbook
        self._root: Final = self._workbook_part()
        self.sheets: Final[dict[str, str]] = {}
        self.notes: Final[list[str]] = []
        self._stale: bool = False
        self._read_workbook()
        if archive.has("xl/vbaProject"):
            self.notes.append("its macros are not run")
        if archive.has("xl/externalLinks/"):
            self.notes.append("values from other workbooks are as this one last had them")

    def marks(self, sheet: str) -> Marks:
        """Return what a sheet says of its cells.

        Args:
            sheet: Its name.

        Raises:
            RefusedError: It is damaged, or larger than the bounds.
        """
        folder = posixpath.dirname(self._root)
        styles, count = self._shown(posixpath.join(folder, "styles.xml"))
        if sheet not in self.sheets:
            return Marks()
        return scan_sheet(self._archive, self.sheets[sheet], styles, PlainRows(styles, count), stale=self._stale)

    def _workbook_part(self) -> str:
        found = [target for kind, target in self._links("", "_rels/.rels").values() if kind == "officeDocument"]
        return found[0] if found else "xl/workbook.xml"

    def _links(self, folder: str, part: str) -> dict[str, tuple[str, str]]:
        """Return the kind and the target of each link of a part, by its id."""
        links: dict[str, tuple[str, str]] = {}

        def start(name: str, attributes: Attributes) -> None:
            if local(name) == "Relationship" and attributes.get("TargetMode") != "External":
                target = attributes.get("Target", "")
                path = target if target.startswith("/") else posixpath.join(folder, target)
                kind = attributes.get("Type", "").rpartition("/")[2]
                links[attributes.get("Id", "")] = kind, posixpath.normpath(path).lstrip("/")

        if content := self._archive.read(part):
            parse([content], part, start)
        return links

    def _read_workbook(self) -> None:
        folder, base = posixpath.split(self._root)
        links = self._links(folder, posixpath.join(folder, "_rels", f"{base}.rels"))

        def start(name: str, attributes: Attributes) -> None:
            name = local(name)
            if name == "sheet":
                link = next((value for key, value in attributes.items() if local(key) == "id"), "")
                kind, target = links.get(link, ("", ""))
                if kind == "worksheet":
                    self.sheets[attributes.get("name", "")] = target
            elif name == "calcPr":
                self._stale = attributes.get("fullCalcOnLoad") in {"1", "true"}

        parse(self._archive.chunks(self._root), self._root, start)

    def _shown(self, part: str) -> tuple[dict[str, Format], int]:
        """Return the format of each style that shows numbers in a way of its own, and how many styles there are."""
        formats = {str(number): Format(code) for number, code in BUILT_IN.items()}
        styles: dict[str, Format] = {}
        place = _Place()

        def start(name: str, attributes: Attributes) -> None:
            name = local(name)
            if name == "numFmt":
                formats[attributes.get("numFmtId", "")] = Format(attributes.get("formatCode", ""))
            elif name in {"cellXfs", "cellStyleXfs"}:
                place.within = name == "cellXfs"
                place.count = 0 if place.within else place.count
            elif name == "xf" and place.within:
                how = formats.get(attributes.get("numFmtId", ""))
                if how is not None and not how.is_usual:
                    styles[str(place.count)] = how
                place.count += 1
            elif name == "cellStyles":
                place.within = False

        if self._archive.has(part):
            parse(self._archive.chunks(part), part, start)
        return styles, place.count


def scan_sheet(archive: Archive, part: str, styles: dict[str, Format], plain: PlainRows, *, stale: bool) -> Marks:
    """Return what a sheet says of its cells.

    Args:
        archive: The container.
        part: The member that is the sheet.
        styles: The format of each style that shows numbers in a way of its own.
        plain: Takes out the rows that need no parser.
        stale: Whether the program left it to the next one to calculate the formulas.

    Raises:
        RefusedError: It is damaged, or larger than the bounds.
    """
    try:
        return _SheetScan(styles, plain, stale=stale).read(archive, part)
    except (NotPlainError, RefusedError):  # plain rows are a fast way: they decide about no sheet in doubt
        return _SheetScan(styles, None, stale=stale).read(archive, part)


class _Place:
    """Where a parser is in a list."""

    def __init__(self) -> None:
        self.within = False
        self.count = 0


class _SheetScan:
    """Goes through the XML of one sheet. It looks at the text of a cell only where there is a formula or an error."""

    def __init__(self, styles: dict[str, Format], plain: PlainRows | None, *, stale: bool) -> None:
        self.marks: Final = Marks()
        self._styles: Final = styles
        self._plain: Final = plain
        self._how: Format | None = None  # the format of the number that is being read
        self._stale: Final = stale
        self._columns: Final[dict[str, int]] = {}
        self._marked = 0
        self._row = -1
        self._digits = ""  # the row's number as text
        self._column = -1
        self._top = self._left = 2**32
        self._bottom = self._right = -1
        self._kind = ""  # of the cell that is being read
        self._formula = False
        self._value = False
        self._text: list[str] = []
        self._open = False  # whether the cell has to be looked at when it ends
        self._hidden_columns = 0
        self._parser: Final = new_parser()

    def read(self, archive: Archive, part: str) -> Marks:
        plain, chunks = self._plain, archive.chunks(part)
        parse(plain.others(chunks) if plain else chunks, part, self._start, parser=self._parser)
        self._end()
        if plain and plain.found:
            self.marks.cover(plain.top, plain.left, plain.bottom, plain.right)
        if self._bottom >= 0:
            self.marks.cover(self._top, self._left, self._bottom, self._right)
        self.marks.check_size()
        if self._hidden_columns:
            self.marks.notes.append(f"{self._hidden_columns} hidden column{'' if self._hidden_columns == 1 else 's'}")
        return self.marks

    def _start(self, name: str, attributes: Attributes) -> None:
        if name == "c":
            self._cell(attributes)
        elif name == "v":
            if self._column < 0:
                self._doubt()
            self._value = True
            if self._how is not None:
                self.marks.show(self._row, self._column, self._how)
            if not self._top <= self._row <= self._bottom or not self._left <= self._column <= self._right:
                self._cover()
        elif ":" in name:
            self._start(local(name), attributes)
        elif name == "is":
            self._start("v", attributes)
        elif name == "f":
            if self._column < 0:
                self._doubt()
            self._formula = True
            self._text.clear()  # the text of the formula does not count
            self._listen()
        elif name == "row":
            self._start_row(attributes)
        elif name == "col" and attributes.get("hidden") in {"1", "true"}:
            first, last = attributes.get("min", ""), attributes.get("max", "")
            if first.isdecimal() and last.isdecimal() and len(last) < 6 and int(last) <= MOST_COLUMNS:
                self._hidden_columns += int(last) - int(first) + 1

    def _start_row(self, attributes: Attributes) -> None:
        if self._open:
            self._end()
        number = attributes.get("r", "")
        if number.isdecimal() and len(number) < 8:
            self._row = int(number) - 1
        else:
            self._doubt()
            self._row += 1
        self._digits = str(self._row + 1)
        self._column = -1
        if attributes.get("hidden") in {"1", "true"}:
            self.marks.hidden.add(self._row)
            self._count()

    def _doubt(self) -> None:
        """Leave the fast way: what comes now depends on what was before, and rows may have been taken out there."""
        if self._plain:
            raise NotPlainError

    def _cell(self, attributes: Attributes) -> None:
        if self._open:
            self._end()
        self._value = False
        at = attributes.get("r")
        if at is None:
            self._column += 1
        else:
            column = self._columns.get(at.removesuffix(self._digits))
            self._column = self._place(at) if column is None else column
        kind = self._kind = attributes.get("t", "n")
        if kind == "e":
            self._listen()
        self._how = self._styles.get(attributes.get("s", "0")) if kind == "n" and self._styles else None

    def _cover(self) -> None:
        """Widen the rectangle around all values to this cell."""
        self._top, self._left = min(self._top, self._row), min(self._left, self._column)
        self._bottom, self._right = max(self._bottom, self._row), max(self._right, self._column)

    def _place(self, at: str) -> int:
        """Return the column of a cell whose name has new letters, or another row than the one around it."""
        found = _CELL.fullmatch(at)
        if not found:
            raise RefusedError("this is a damaged workbook (a cell in it has no place)")
        column = column_number(found[1].upper())
        if found[2] == self._digits:
            self._columns[found[1]] = column
        else:
            self._row, self._digits = int(found[2]) - 1, found[2]
        return column

    def _listen(self) -> None:
        """Take the text of this cell from here on."""
        self._open = True
        self._parser.CharacterDataHandler = self._add

    def _add(self, text: str) -> None:
        if self._value and len(self._text) < 16:
            self._text.append(text)

    def _end(self) -> None:
        """Decide on a cell that has a formula or an error."""
        if not self._open:
            return
        self._parser.CharacterDataHandler = None
        text, formula, kind = "".join(self._text).strip(), self._formula, self._kind
        self._open = self._formula = False
        self._text.clear()
        why = ""
        if kind == "e":
            why = f"has the error {text[:20] or 'of a formula'}"
        elif formula and kind != "str" and (not self._value or not text):
            why = "is a formula without a value: open the workbook in its program, and save it"
        elif formula and self._stale and kind == "n" and text == "0":
            why = "is a formula that was never calculated: open the workbook in its program, and save it"
        if why:
            self._count()
            self.marks.refuse(self._row, self._column, why)
            self._cover()

    def _count(self) -> None:
        self._marked += 1
        if self._marked > _MOST_MARKS:
            raise as_csv("the sheet has too many formulas, errors and hidden rows")
