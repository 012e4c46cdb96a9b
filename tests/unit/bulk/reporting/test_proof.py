"""The result of `prove` as a section of a report."""

from pathlib import Path

import msgspec
import pytest

from xoxo_async.bulk import derive_po_number
from xoxo_async.bulk.reporting.proof import beside, proof_of, read_proof_fact
from xoxo_async.errors import ConfigError

RESULT = {
    "ok": False,
    "job": "march",
    "orders": 10,
    "thorough": True,
    "found": {"missing": 1, "repeated": 0},
    "sums": {"currency": "INR", "ledger": "97.00", "paid": None},
    "missing": [{"kind": "missing", "why": "no order", "key": "ann@example.com", "row": 4, "ledger": ""}],
    "repeated": [],
    "notes": ["the history lags"],
    "signature": {"algorithm": "HS256", "value": "abcdef"},
}


def test_a_proof_has_values_and_lists() -> None:
    """Empty lists and empty values are left out, addresses are masked, and the signature is not shown."""
    proof = proof_of(RESULT, "march.proof.json")
    assert (proof.ok, proof.job) == (False, "march")
    assert proof.facts["found missing"] == "1"
    assert proof.facts["sums ledger"] == "97.00"
    assert proof.facts["thorough"] == "yes"
    assert not {"sums paid", "found repeated"} & set(proof.facts)
    assert [(one.name, one.total, one.entries) for one in proof.lists] == [
        ("missing", 1, ["kind missing, why no order, key a***@example.com, row 4"]),
        ("notes", 1, ["the history lags"]),
    ]
    assert "abcdef" not in repr(proof)
    assert proof.facts["signature"].startswith("NOT checked")
    assert "`" not in proof.facts["signature"]  # a command of a report needs its ledger, and the result has no address


def test_a_long_list_is_cut() -> None:
    """Its length is told."""
    [entries] = proof_of({"ok": True, "unknown": [str(number) for number in range(500)]}, "f").lists
    assert (entries.total, len(entries.entries)) == (500, 20)


def test_a_proof_is_read_from_its_file(tmp_path: Path) -> None:
    """That beside a ledger is `LEDGER.proof.json`."""
    file = beside(str(tmp_path / "march.db"))
    assert file.name == "march.proof.json"
    file.write_bytes(msgspec.json.encode(RESULT))
    assert read_proof_fact(file).file == "march.proof.json"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"ok": 1}', "<html>", "\xff"])
def test_another_file_is_no_proof(tmp_path: Path, content: str) -> None:
    """The error names the file."""
    file = tmp_path / "x.json"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"x\.json is no "):
        read_proof_fact(file)


def test_a_missing_proof_is_told(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(ConfigError, match="cannot be read"):
        read_proof_fact(tmp_path / "none.json")


def test_a_po_number_of_an_address_is_masked() -> None:
    """It shows its key in letters and hyphens."""
    key = "anna.k@example.com"
    finding = {"po_number": derive_po_number("em", key), "key": key, "why": "late"}
    [found] = proof_of({"ok": False, "delivery": [finding]}, "f").lists
    assert found.entries == [f"po number em-a***{derive_po_number('em', key)[-21:]}, key a***@example.com, why late"]
