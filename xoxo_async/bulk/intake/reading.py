"""What a person decides about how a file is read, and what of it a ledger keeps for the next file of the job."""

from collections.abc import Collection, Mapping
from typing import Final, Literal

import msgspec

from xoxo_async.bulk.intake.csv_table import check_delimiter
from xoxo_async.bulk.intake.encodings import check_encoding
from xoxo_async.bulk.intake.matching import Choices
from xoxo_async.errors import ConfigError

__all__ = ["NO_CHOICE", "ReadingChoices"]


class ReadingChoices(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person decides about how a file is read. None leaves a thing to the file. See `read_orders`.

    Attributes:
        sheet: The sheet of a workbook.
        columns: Fields by the names of columns.
        keep: The columns that ride along.
        delimiter: The separator of a CSV file.
        encoding: The encoding of a text file.
        decimal: The decimal sign of all numbers.
        key_column: The column that named the rows of the job's last file. A ledger keeps it; a person never says it.
    """

    sheet: str | None = None
    columns: Mapping[str, str] = {}
    keep: Literal["all"] | tuple[str, ...] | None = None
    delimiter: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    key_column: str = ""

    @property
    def known_key_column(self) -> str:
        """The column that named the rows of the job's last file; empty where it is not known."""
        named = [column for column, field in self.columns.items() if field == "key"]
        return self.key_column or (named[-1] if named else "")

    @classmethod
    def of(
        cls,
        *,
        sheet: str | None = None,
        columns: Mapping[str, str] | None = None,
        keep: str | Collection[str] | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        decimal: str | None = None,
    ) -> "ReadingChoices":
        """Return choices that make sense.

        Raises:
            ConfigError: Names the one that does not.
        """
        if decimal not in {None, ".", ","}:
            raise ConfigError(f"decimal must be '.' or ',', not {decimal!r}")
        if isinstance(keep, str) and keep != "all":
            raise ConfigError(f"keep must be 'all' or a list of columns, not the one text {keep!r}")
        names = keep if keep is None or isinstance(keep, str) else tuple(keep)
        return cls(
            sheet=sheet,
            columns=dict(columns or {}),
            keep="all" if isinstance(names, str) else names,
            delimiter=None if delimiter is None else check_delimiter(delimiter),
            encoding=None if encoding is None else check_encoding(encoding),
            decimal=decimal,
        )

    def with_kept(self, kept: "ReadingChoices") -> Choices:
        """Return the choices about columns, with those of an earlier file of the job.

        Args:
            kept: The earlier ones.
        """
        return Choices(self.columns, self.keep, self.decimal, kept.columns, None if self.keep else kept.keep)

    def to_keep(self, kept: "ReadingChoices", key_column: str = "") -> "ReadingChoices":
        """Return what the ledger keeps from now on: the names of columns, which of them ride along, and the key's.

        A decimal sign, a separator and an encoding belong to one file, and are not kept.

        Args:
            kept: What it keeps now.
            key_column: The column that named the rows of this file; empty where it has no columns.
        """
        return ReadingChoices(
            columns={**kept.columns, **self.columns},
            keep=self.keep or kept.keep,
            key_column=key_column or kept.key_column,
        )

    def to_json(self) -> str:
        """Return the choices as a ledger keeps them."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str | None) -> "ReadingChoices":
        """Return the choices that a ledger keeps; none where it keeps nothing, or nothing that can be read."""
        try:
            return msgspec.json.decode(text, type=cls) if text else NO_CHOICE
        except msgspec.MsgspecError:  # then a column is not recognised, and the file is refused
            return NO_CHOICE


NO_CHOICE: Final = ReadingChoices()
