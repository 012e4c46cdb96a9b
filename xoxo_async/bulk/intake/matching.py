"""Match the names in a table's header with fields: by the field's own name, by a synonym, or by a person's word."""

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from xoxo_async.bulk.intake.currencies import currencies_of
from xoxo_async.bulk.intake.tables import MOST_COLUMNS
from xoxo_async.bulk.intake.text_lines import printable
from xoxo_async.errors import ConfigError, PlanError

__all__ = ["Choices", "Columns", "Field", "FieldSet", "match_columns", "recognised", "same_name"]

_ALIKE: Final = 0.66
_NEARLY: Final = 0.8
"""A name that is so much like a field's is most likely misspelled."""
_SHOWN: Final = 12
"""Names in a message; the rest are counted."""
_IN_BRACKETS: Final = re.compile(r"(.+?)\s*[(\[]\s*(?:in\s+)?([^)\]]+?)\s*[)\]]")


class Field(NamedTuple):
    """A field that a column can hold.

    Attributes:
        name: Its name, which is also the name of its column in a plain file.
        kind: `amount` and `whole` are numbers, whose decimal sign the whole column has to prove. Any other text stays
            as it is, without blanks around it.
        synonyms: Other names of the column. Case, blanks and punctuation do not count: `e-mail` stands for `E Mail`.
        required: Whether a file has to have it.
        why: Why a file has to have it, for the error message, where that is not plain.
    """

    name: str
    kind: Literal["text", "flag", "whole", "amount"] = "text"
    synonyms: tuple[str, ...] = ()
    required: bool = False
    why: str = ""


class FieldSet(NamedTuple):
    """The fields of one kind of file.

    Attributes:
        fields: All fields.
        keys: Fields that can name a row; a file has to have one of them. The first that it has counts. Empty: rows need
            no name.
        why_key: Why a file needs one, for the error message.
        own: Fields whose values differ from row to row. Those of all others are often the same, so that they need to be
            turned and checked only once. Empty: nothing is known of that.
        currency: The field that gets the currency of an amount, where a sign or the header shows one. Empty: an amount
            with a currency sign is no number.
    """

    fields: tuple[Field, ...]
    keys: tuple[str, ...] = ()
    why_key: str = ""
    currency: str = ""
    own: frozenset[str] = frozenset()


class Choices(NamedTuple):
    """What a person decides about a file's columns.

    Attributes:
        columns: Fields by the names of columns: `{"Employee ID": "key"}`. A file without such a column is refused.
        keep: The columns that ride along: their names, or `all` for every column that is no field. None: every column
            has to be a field. A file without a named column is refused. `all` does not keep a column that is nearly
            called like a field which the file lacks; a list with `all` and its name does.
        decimal: The decimal sign of all numbers, `.` or `,`; None leaves it to the columns.
        known_columns: Like `columns`, from an earlier file of the job. A file without such a column is fine.
        known_keep: Like `keep`, from an earlier file of the job.
    """

    columns: Mapping[str, str] = {}
    keep: Literal["all"] | Collection[str] | None = None
    decimal: str | None = None
    known_columns: Mapping[str, str] = {}
    known_keep: Literal["all"] | Collection[str] | None = None


class Columns:
    """The columns of one file, matched with fields.

    Attributes:
        fields: The place and the field of each column that is one, in the file's order.
        kept: The place and the name of each column that rides along, in the file's order.
        titles: The names in the file, by field, of columns whose name is not the field's.
        unnamed: The places of columns without a name. Nothing may stand in them.
        currencies: Currencies that the names of columns show, by field: `INR` for `Amount (INR)`.
        key_column: The field that names a row; empty where the fields have no key.
    """

    def __init__(self, key_column: str) -> None:
        self.fields: Final[list[tuple[int, Field]]] = []
        self.kept: Final[list[tuple[int, str]]] = []
        self.titles: Final[dict[str, str]] = {}
        self.unnamed: Final[list[int]] = []
        self.currencies: Final[dict[str, tuple[str, ...]]] = {}
        self.key_column: Final = key_column

    def describe(self) -> str:
        """Return in words what was recognised: `Employee ID is key; kept: Team`. Empty: every name is a field's."""
        parts = [", ".join(f"{printable(title)} is {field}" for field, title in self.titles.items())]
        parts += ["kept: " + ", ".join(printable(name) for _, name in self.kept)] if self.kept else []
        return "; ".join(part for part in parts if part)


def match_columns(
    header: Sequence[str], known: FieldSet, choices: Choices, source: str, *, separated: bool = False
) -> Columns:
    """Match the columns of a header with fields.

    First comes what a person decided, then names that are a field's own, then synonyms. Two columns for one field are
    refused: nobody can know which one is meant.

    Args:
        header: The names of the columns.
        known: The fields.
        choices: What a person decided.
        source: The file's name, for messages.
        separated: Whether a sign separates the columns, as in CSV: then a single one may be many.

    Raises:
        PlanError: A column is not known, is missing, or is there twice.
        ConfigError: The choices name a field that there is not.
    """
    if len(header) > MOST_COLUMNS:
        raise PlanError(f"{source}: it has {len(header):,} columns, and {MOST_COLUMNS:,} are read at most")
    matching = _Matching([name.strip() for name in header], known, choices, source, separated=separated)
    return matching.matched()


def recognised(header: Sequence[str], known: FieldSet, choices: Choices) -> int:
    """Return how many names of a header are a field's, a synonym, or named by a person.

    Args:
        header: The names.
        known: The fields.
        choices: What a person decided.
    """
    keep = [*_named(choices.keep), *_named(choices.known_keep)]
    names = {_bare(name) for field in known.fields for name in (field.name, *field.synonyms)}
    names |= {_bare(name) for name in (*choices.columns, *choices.known_columns, *keep)}
    return sum(_bare(_without_currency(name)[0]) in names for name in header)


def same_name(one: str, other: str) -> bool:
    """Return whether two columns have the same name: case, blanks and punctuation do not count.

    Args:
        one: A name.
        other: Another one.
    """
    return one.strip() == other.strip() or (_bare(one) != "" and _bare(one) == _bare(other))


class _Matching:
    """One header on its way to `Columns`."""

    def __init__(self, names: list[str], known: FieldSet, choices: Choices, source: str, *, separated: bool) -> None:
        self._names: Final = names
        self._is_unseparated: Final = separated and len(names) == 1
        self._known: Final = known
        self._choices: Final = choices
        self._source: Final = source
        self._by_name: Final = {field.name: field for field in known.fields}
        self._synonyms: Final = {_bare(name): field for field in known.fields for name in field.synonyms}
        self._synonyms.update({_bare(field.name): field for field in known.fields})
        self._places: Final[dict[str, int]] = {}  # of each field that was found
        self._kept: Final[set[int]] = set()

    def matched(self) -> Columns:
        names = [name.casefold() for name in self._names if name]
        if again := sorted({printable(name) for name in names if names.count(name) > 1}):
            raise PlanError(f"{self._source}: column {', '.join(again)} is there more than once")
        self._take_choices()
        self._take_names()
        others = [at for at in self._free() if self._names[at]]
        if _keeps_all(self._choices.keep) or _keeps_all(self._choices.known_keep):
            self._check_typing(others)
            self._kept.update(others)
            others = []
        self._check_missing(others)
        if others:
            raise self._unknown(others)
        return self._columns()

    def _free(self) -> list[int]:
        taken = self._kept.union(self._places.values())
        return [at for at in range(len(self._names)) if at not in taken]

    def _take_choices(self) -> None:
        """Take the columns that a person has named, for this file or for an earlier one of the job."""
        for columns, strict in ((self._choices.columns, True), (self._choices.known_columns, False)):
            settled = set(self._places)  # of two columns that earlier files had as one field, none is the right one
            for name, field in columns.items():
                if field not in self._by_name:
                    raise ConfigError(f"there is no field {field!r}{self._like(field, self._by_name)}")
                at = self._place(name, strict=strict)
                if at is None or at in self._places.values() or field in settled:
                    continue
                if field in self._places:
                    raise self._two(field, self._places[field], at)
                self._places[field] = at
        for keep, strict in ((self._choices.keep, True), (self._choices.known_keep, False)):
            for name in _named(keep):
                at = self._place(name, strict=strict)
                if at is not None and at not in self._places.values():
                    self._kept.add(at)

    def _place(self, name: str, *, strict: bool) -> int | None:
        """Return the place of the column that a person named; case, blanks and punctuation do not count."""
        for same in (str.strip, _bare):
            found = [at for at, one in enumerate(self._names) if one and same(one) == same(name)]
            if len(found) == 1:
                return found[0]
        if strict:
            raise PlanError(f"{self._source}: there is no column {printable(name)}{self._like(name, self._names)}")
        return None

    def _take_names(self) -> None:
        """Take the columns that have a field's own name, then those that have a synonym."""
        for at in self._free():
            field = self._names[at].casefold()
            if field in self._by_name and field not in self._places:
                self._places[field] = at
        found: dict[str, int] = {}
        for at in self._free():
            known = self._synonyms.get(_bare(_without_currency(self._names[at])[0]))
            if known is None or known.name in self._places:
                continue
            if known.name in found:
                raise self._two(known.name, found[known.name], at)
            found[known.name] = at
        self._places.update(found)

    def _two(self, field: str, one: int, other: int) -> PlanError:
        first, second = printable(self._names[one]), printable(self._names[other])
        return PlanError(
            f"{self._source}: column {first} and column {second} can both be {field}: say which with --map"
            f' "{first}={field}", and keep the other one with --keep "{second}"'
        )

    def _check_missing(self, others: list[int]) -> None:
        names = [self._names[at] for at in others]
        missing = [field.name for field in self._known.fields if field.required and field.name not in self._places]
        found = _listed(printable(name) or "(blank)" for name in self._names)
        keys = self._known.keys
        keyless = bool(keys) and not any(key in self._places for key in keys)
        if missing:
            hint = next((hint for field in missing if "is it" in (hint := self._nearest(field, names))), "")
            hint = hint or self._nearest(missing[0], names)
            # A person corrects the headings once, so the key is named with the others.
            named = [*missing, *([" or ".join(keys)] if keyless else [])]
            if len(named) > 1 and self._is_unseparated:  # no name of a column helps
                hint = "; a table has a column for each: if a sign separates them here, add --delimiter"
            what = f"column {named[0]} is" if len(named) == 1 else f"columns {_and(named)} are"
            whys = [field for field in self._known.fields if field.name in missing and field.why]
            why = "".join(field.why if len(named) == 1 else f"; {field.name}{field.why}" for field in whys)
            raise PlanError(f"{self._source}: {what} missing{why} (found: {found}){hint}")
        if keyless:
            need = f"there must be a column {' or '.join(keys)}{self._known.why_key}"
            raise PlanError(f"{self._source}: {need} (found: {found}){self._nearest(keys[0], names)}")

    def _nearest(self, field: str, names: list[str]) -> str:
        """Return a hint for a field that is missing: the column that is nearly called so, or how to name one."""
        spellings = [bare for bare, known in self._synonyms.items() if known.name == field]
        for name in names:
            if difflib.get_close_matches(_bare(name), spellings, 1, _ALIKE):
                return f'; is it {printable(name)}? Then add --map "{printable(name)}={field}"'
        return f'; if a column holds the {field}, add --map "COLUMN={field}"' if names else ""

    def _check_typing(self, others: list[int]) -> None:
        """Refuse to keep a column that is nearly called like a field which the file lacks: `Quantitty`."""
        for name in (self._names[at] for at in others):
            field = self._nearly(name, self._synonyms, _NEARLY)
            known = self._synonyms.get(field)
            if known is not None and known.name not in self._places:
                shown = printable(name)
                listed = f'"{shown}"' if "," in name else shown
                raise PlanError(
                    f"{self._source}: column {shown} would ride along, but is nearly called {known.name}: add --map"
                    f" \"{shown}={known.name}\", or --keep 'all,{listed}' if it is another thing"
                )

    def _unknown(self, others: list[int]) -> PlanError:
        names = [printable(self._names[at]) for at in others]
        them = "them" if len(names) > 1 else "it"
        some = "" if any("," in name or '"' in name for name in names) else f'--keep "{",".join(names[:_SHOWN])}" or '
        keep = f"add {some}--keep all to let {them} ride along"
        fields, columns = ", ".join(sorted(self._by_name)), "columns" if len(names) > 1 else "column"
        return PlanError(
            f"{self._source}: unknown {columns} {_listed(names)}{self._like(names[0], self._synonyms)}: {keep}, or"
            f' --map "{names[0]}=FIELD" (fields: {fields})'
        )

    def _like(self, name: str, known: Iterable[str]) -> str:
        """Return the question whether something like a name is meant."""
        meant = self._nearly(name, known)
        if not meant:
            return ""
        field = self._synonyms.get(meant)
        return f" (did you mean {printable(field.name if field is not None else meant)}?)"

    @staticmethod
    def _nearly(name: str, known: Iterable[str], likeness: float = _ALIKE) -> str:
        """Return the one of some names that a name is nearly; empty if there is none."""
        names = {_bare(one): one for one in known if one}
        close = difflib.get_close_matches(_bare(name), names, 1, likeness)
        return names[close[0]] if close else ""

    def _columns(self) -> Columns:
        columns = Columns(next((key for key in self._known.keys if key in self._places), ""))
        fields = {at: self._by_name[name] for name, at in self._places.items()}
        for at, name in enumerate(self._names):
            field = fields.get(at)
            if field is not None:
                columns.fields.append((at, field))
                if name.casefold() != field.name:
                    columns.titles[field.name] = name
                if field.kind == "amount" and (codes := _without_currency(name)[1]):
                    columns.currencies[field.name] = codes
            elif name:
                columns.kept.append((at, name))
            else:
                columns.unnamed.append(at)
        return columns


def _keeps_all(keep: Collection[str] | None) -> bool:
    return keep is not None and (keep == "all" or (not isinstance(keep, str) and "all" in keep))


def _named(keep: Collection[str] | None) -> list[str]:
    """Return the columns that a person has named to ride along."""
    return [] if keep is None or isinstance(keep, str) else [name for name in keep if name != "all"]


def _bare(name: str) -> str:
    """Return the letters and digits of a name, in which names are compared."""
    return "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if c.isalnum())


def _without_currency(name: str) -> tuple[str, tuple[str, ...]]:
    """Return a name such as `Amount (INR)` without its currency, and the currencies that it can mean."""
    found = _IN_BRACKETS.fullmatch(name)
    codes = currencies_of(found[2]) if found else ()
    return (found[1], codes) if found and codes else (name, ())


def _and(names: Sequence[str]) -> str:
    """Return names as a sentence lists them: `a, b and c`."""
    return " and ".join([*([", ".join(names[:-1])] if len(names) > 1 else []), names[-1]])


def _listed(names: Iterable[str]) -> str:
    """Return the first names of a list."""
    all_names = list(names)
    more = len(all_names) - _SHOWN
    return ", ".join(all_names[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
