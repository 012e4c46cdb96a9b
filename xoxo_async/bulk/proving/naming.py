"""Whether a poNumber is one that a job derives: the trace of an order that the job's ledger may lack."""

import re
from typing import Final, Literal

from xoxo_async.bulk.intake.keys import derive_po_number

__all__ = ["Kinship", "key_of", "kinship"]

Kinship = Literal["", "surely", "perhaps"]
"""Whether an order is of a job: no, surely, or only by the look of its poNumber."""

_HASH: Final = 20
_DERIVED: Final = re.compile(r"(?:(?P<readable>[A-Za-z0-9_-]+)-)?[0-9a-f]{20}")
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_-]+")


def kinship(job: str, po_number: str) -> Kinship:
    """Return whether a poNumber is one that a job derives.

    A derived poNumber shows job and key, and ends with a hash of both. So a plain key can be read out of it and
    checked. Other keys cannot; then only the beginning of the poNumber is like the job's.

    Args:
        job: The job's name.
        po_number: The poNumber of an order that the job's ledger does not have.
    """
    derived = _DERIVED.fullmatch(po_number)
    prefix = "-".join(part for part in _UNFIT.split(job) if part)
    if derived is None or not prefix:
        return ""
    if key_of(job, po_number) is not None:
        return "surely"
    readable = derived["readable"] or ""
    if readable != prefix and not readable.startswith(f"{prefix}-"):
        return ""
    return "" if _is_of_another(readable, po_number) else "perhaps"


def key_of(job: str, po_number: str) -> str | None:
    """Return the key of the row that a job derives a poNumber from; None if no plain key gives it.

    Args:
        job: The job's name.
        po_number: The poNumber.
    """
    prefix = "-".join(part for part in _UNFIT.split(job) if part)
    key = po_number[: -_HASH - 1].removeprefix(f"{prefix}-" if prefix else "")
    return key if key and derive_po_number(job, key) == po_number else None


def _is_of_another(readable: str, po_number: str) -> bool:
    """Return whether a poNumber is surely derived from another job, whose name begins alike."""
    cuts = (place for place, character in enumerate(readable) if character == "-")
    return any(derive_po_number(readable[:cut], readable[cut + 1 :]) == po_number for cut in cuts)
