"""Names of the files that an export is split into: one for each value, safe on every system, and never the same."""

import hashlib
import re
import unicodedata
from collections.abc import Collection
from pathlib import Path
from typing import Final

__all__ = ["NONE", "split_paths"]

NONE: Final = "none"
"""Stands for a blank value in a file name."""
_RUNS: Final = re.compile("__+")
_LONGEST: Final = 60
_MOST_BYTES: Final = 120
"""UTF-8 bytes of a value in a name: with the name of the file and of its draft, it stays below 255."""


def split_paths(path: Path, values: Collection[str]) -> dict[str, Path]:
    """Return a file for each value: `codes.xlsx` and `Sales` is `codes-Sales.xlsx`; a blank value is `codes-none.xlsx`.

    Letters and digits of any language stay; everything else becomes an underscore. Values whose names would be the same
    on some system (`A/B` and `A B`, `sales` and `Sales`) get a mark that depends on the value alone. So a value has
    the same file in each export, as long as it has the same neighbours. A name begins with that of the export, so it is
    never a reserved one, such as `CON` or `NUL`.

    Args:
        path: The file of the export.
        values: The values.
    """
    plain = {value: _plain(value) for value in values}
    same: dict[str, list[str]] = {}
    for value, name in plain.items():
        same.setdefault(_folded(name), []).append(value)
    taken = {folded for folded, alike in same.items() if len(alike) == 1 or "" in map(str.strip, alike)}
    names: dict[str, str] = {}
    for alike in same.values():
        for value in sorted(alike):
            names[value] = plain[value]
            if len(alike) > 1 and value.strip():
                names[value] = _marked(plain[value], value, taken)
                taken.add(_folded(names[value]))
    return {value: path.with_name(f"{path.stem}-{names[value]}{path.suffix}") for value in values}


def _plain(value: str) -> str:
    text = unicodedata.normalize("NFC", value).strip()
    if not text:
        return NONE
    text = _RUNS.sub("_", "".join(char if _is_safe(char) else "_" for char in text)).strip("._-")[:_LONGEST]
    while len(text.encode()) > _MOST_BYTES:
        text = text[:-1]
    return text.rstrip("._-") or "_"


def _is_safe(char: str) -> bool:
    """Return whether a character may stand in a name: a letter, a digit, a mark of a script such as Hindi, or `.@-`."""
    return char.isalnum() or char in ".@-" or unicodedata.category(char).startswith("M")


def _folded(name: str) -> str:
    """Return a name as a file system may compare it: without case, and with accents in one form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).casefold())


def _marked(name: str, value: str, taken: Collection[str]) -> str:
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
    for length in range(6, len(digest)):
        marked = f"{name}-{digest[:length]}"
        if _folded(marked) not in taken:
            return marked
    return f"{name}-{digest}"
