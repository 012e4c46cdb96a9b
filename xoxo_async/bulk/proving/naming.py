"""Whether a poNumber is one that a job derives: the trace of an order that the job's ledger may lack."""

import re
from typing import Final, Literal

from xoxo_async.bulk.intake.keys import derive_po_number

__all__ = ["Kinship", "key_of", "kinship"]

Kinship = Literal["", "surely", "perhaps"]
"""Whether an order is of a job: no, surely, or only by the look of its poNumber."""

_HASH: Final = 20
_DERIVED: Final = re.compile(r"(?:(?P<readable>[A-Za-z0-9_-]+)-)?[0-9a-f]{20}")
_SHARED: Final = re.compile(r"(?P<first>[A-Za-z0-9_-]+)-x[0-9]+-[0-9a-f]{20}")
_READABLE: Final = 79
"""Characters of job and key that a derived poNumber shows at most."""
_SHARED_READABLE: Final = 74
"""Characters of its first row's poNumber that a shared order shows at most."""
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_-]+")


def kinship(job: str, po_number: str) -> Kinship:
    """Return whether a poNumber is one that a job derives.

    A derived poNumber shows job and key, and ends with a hash of both. So a plain key can be read out of it and
    checked. Other keys cannot; then only the beginning of the poNumber is like the job's.

    Args:
        job: The job's name.
        po_number: The poNumber of an order that the job's ledger does not have.
    """
    shared = _SHARED.fullmatch(po_number)
    if shared is not None and len(shared["first"]) < _SHARED_READABLE:
        po_number = shared["first"]  # a shared order begins with the poNumber of its first row, whole if it is short
    derived = _DERIVED.fullmatch(po_number)
    prefix = _prefix(job)
    if derived is None or not prefix:
        return ""
    if key_of(job, po_number) is not None:
        return "surely"
    readable = derived["readable"] or ""
    if not f"{readable}-".startswith(f"{prefix}-"[:_READABLE]):
        return ""
    return "" if _is_of_another(readable, po_number) else "perhaps"


def key_of(job: str, po_number: str) -> str | None:
    """Return the key of the row that a job derives a poNumber from; None if no plain key gives it.

    Args:
        job: The job's name.
        po_number: The poNumber.
    """
    prefix = _prefix(job)
    shared = _SHARED.fullmatch(po_number)
    if shared is not None and len(shared["first"]) < _SHARED_READABLE:
        po_number = shared["first"]
    key = po_number[: -_HASH - 1].removeprefix(f"{prefix}-" if prefix else "")
    return key if key and derive_po_number(job, key) == po_number else None


def _prefix(job: str) -> str:
    """Return what a derived poNumber shows of the job's name."""
    return "-".join(part for part in _UNFIT.split(job) if part)


def _is_of_another(readable: str, po_number: str) -> bool:
    """Return whether a poNumber is surely derived from another job, whose name begins alike."""
    cuts = (place for place, character in enumerate(readable[:-1]) if character == "-")
    return any(derive_po_number(readable[:cut], readable[cut + 1 :]) == po_number for cut in cuts)
