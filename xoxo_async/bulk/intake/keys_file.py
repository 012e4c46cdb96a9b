"""The keys of rows, from a file with a column of them: what a person decides about the rows is said elsewhere."""

import os
from collections.abc import Mapping
from typing import Final

import msgspec

from xoxo_async.bulk.intake.matching import FieldSet
from xoxo_async.bulk.intake.person_fields import KEY
from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.reading import ReadingChoices
from xoxo_async.bulk.intake.rows_file import RowKind, RowsFile
from xoxo_async.bulk.intake.tables import FileRow
from xoxo_async.bulk.intake.turning import turn_row

__all__ = ["read_keys"]


class _KeyLine(msgspec.Struct, frozen=True):
    """One row: its key, and columns that nobody reads."""

    key: str
    kept: Mapping[str, object] = {}


def read_keys(path: str | os.PathLike[str]) -> list[str]:
    """Return the keys that a file names, each once, in its order; blocks.

    Args:
        path: A table in any form that a file of rows may have, or `-` for standard input. A column names the keys, by
            the name `key` or a usual one. Its other columns are ignored, and so are the other names of a JSON object.

    Raises:
        PlanError: The file cannot be read, has no column of keys, or has a row without a key; each is named.
    """
    rows = RowsFile(path, _KEYS)
    rows.kept_choices = ReadingChoices.of(keep="all")  # as a choice for this file it would refuse JSONL
    return list(dict.fromkeys(line.key for line in rows))


def _is_line(row: FileRow, problems: Problems) -> bool:
    if isinstance(row.fields.get("key"), str):
        return True
    problems.add(row.number, "is missing", column=row.key_column, value=row.fields.get("key"), given=row.given)
    return False


def _read(
    number: int,
    fields: Mapping[str, object],
    problems: Problems,
    key_column: str,
    given: Mapping[str, object] | None,
) -> FileRow:
    return turn_row(number, fields, {}, problems, keys=("key",), key_column=key_column, given=given)


_KEYS: Final = RowKind(
    line=_KeyLine,
    fields=FieldSet((KEY,), keys=("key",), why_key=", which the rows are named by"),
    one="row",
    many="rows",
    done="decided about",
    read=_read,
    is_line=_is_line,
    ignores_others=True,
)
