"""The result of `xoxo bulk prove` as a section of a report; no I/O but one file."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.reporting.words import masked, masked_po
from xoxo_async.errors import ConfigError

__all__ = ["ProofFact", "ProofList", "beside", "proof_of", "read_proof_fact"]

_ENTRIES_SHOWN: Final = 20
_LONGEST: Final = 300
_MOST_BYTES: Final = 64 * 1024 * 1024
_SHOWN_ELSEWHERE: Final = frozenset({"ok", "job", "ledger", "address", "format", "signature", "kind"})
_VALID: Final = "valid: nobody changed the result since it was signed"
_NOT_CHECKED: Final = "NOT checked, so the result may have been changed: a report made with --key-file FILE checks it"
_UNKEYED_NAMES: Final = {
    "orders": "rows",
    "placed": "sent",
    "sums vendor": "sums proven by the report",
    "sums other orders": "sums other rows of the report",
    "sums other": "sums of other rows of the report",
    "sums rate": "sums paid for one",
}
"""How single values of a job of points, links or mails are called: it has no orders."""


class ProofList(msgspec.Struct, frozen=True):
    """A list of a proof: what does not agree, or what cannot be known.

    Attributes:
        name: Its name.
        total: How many entries it has.
        entries: The first of them, as text, masked.
    """

    name: str
    total: int
    entries: list[str]


class ProofFact(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `xoxo bulk prove`.

    Attributes:
        ok: Whether ledger and vendor agree.
        job: The job that it proves; empty if it does not say.
        file: The file that it comes from.
        facts: Its single values, by name.
        lists: Its lists that are not empty.
        placed: How many placed orders it knows; None if it does not say.
        differs: Whether something does not agree; a proof that is not `ok` may only lack knowledge.
        old: Why it is not the proof of the job as it stands now; empty if it is, as far as a report can see.
    """

    ok: bool
    job: str
    file: str
    facts: dict[str, str]
    lists: list[ProofList]
    placed: int | None = None
    differs: bool = False
    old: str = ""

    def beside_ledger(self, placed: int, line: str = "order") -> "ProofFact":
        """Return it with why it is old, where the ledger has other orders than it knows.

        Args:
            placed: How many placed orders the ledger has.
            line: What an order is called: a job of points has rows.
        """
        if self.placed is None or self.placed == placed:
            return self
        knows = f"{self.placed:,} placed {line if self.placed == 1 else line + 's'}"
        old = f"The proof knows {knows}, and the ledger has {placed:,} now: prove the job again."
        return msgspec.structs.replace(self, old=old)


def beside(ledger: str) -> Path:
    """Return where the proof of a ledger's job is looked for: `march.proof.json` beside `march.db`.

    Args:
        ledger: The ledger's file.
    """
    return Path(ledger).with_suffix(".proof.json")


def read_proof_fact(path: str | os.PathLike[str]) -> ProofFact:
    """Read the result of `xoxo bulk prove --json`.

    Args:
        path: The file.

    Raises:
        ConfigError: It cannot be read, or is no such result.
    """
    file = Path(path)
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise ConfigError(f"{file} is larger than a proof: give the JSON of `xoxo bulk prove --json`")
        result = msgspec.json.decode(file.read_bytes(), type=dict[str, object])
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror or error}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ConfigError(f"{file} is no JSON object: give the result of `xoxo bulk prove --json`") from None
    if not isinstance(result.get("ok"), bool):
        raise ConfigError(f"{file} is no proof: it has no `ok`; give the result of `xoxo bulk prove --json`")
    return proof_of(result, file.name)


def proof_of(result: Mapping[str, object], file: str, *, verified: bool = False) -> ProofFact:
    """Return a proof as a report shows it: its single values but zeros of a table, and its lists that are not empty.

    Args:
        result: The object; an object within it is shown as its members.
        file: The name of its file.
        verified: Whether its signature was checked, and is valid.
    """
    facts: dict[str, str] = {}
    lists: list[ProofList] = []
    names = {} if result.get("kind") in {None, JobKind.ORDERS} else _UNKEYED_NAMES
    for name, value in result.items():
        if name in _SHOWN_ELSEWHERE:
            continue
        members = value.items() if isinstance(value, Mapping) else [("", value)]
        for member, one in members:
            label = f"{name} {member}".strip().replace("_", " ")
            if isinstance(one, Sequence) and not isinstance(one, str):
                if one:
                    lists.append(ProofList(label, len(one), [_text(entry) for entry in one[:_ENTRIES_SHOWN]]))
            elif one not in (None, "") and not (member and str(one) == "0"):
                facts[names.get(label, label)] = _text(one)
    if verified or result.get("signature"):
        facts["signature"] = _VALID if verified else _NOT_CHECKED
    placed = result.get("placed")
    return ProofFact(
        ok=result.get("ok") is True,
        job=str(result.get("job") or ""),
        file=file,
        facts=facts,
        lists=lists,
        placed=placed if type(placed) is int else None,
        differs=result.get("ok") is not True and not _only_unknown(result.get("found")),
    )


def _only_unknown(found: object) -> bool:
    """Return whether a proof says of all its findings that they cannot be known."""
    return isinstance(found, Mapping) and not any(number for kind, number in found.items() if kind != "unknown")


def _text(entry: object) -> str:
    """Return an entry in one line."""
    if isinstance(entry, Mapping):
        key = str(entry.get("key") or "")
        text = ", ".join(
            f"{str(name).replace('_', ' ')} {masked_po(str(value), key)}"
            for name, value in entry.items()
            if value not in (None, "", [])
        )
    else:
        text = {True: "yes", False: "no"}[entry] if isinstance(entry, bool) else str(entry)
    return masked(text if len(text) <= _LONGEST else text[:_LONGEST] + "…")
