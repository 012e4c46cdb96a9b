"""`signing`: a result that was changed, or signed with another key, is refused."""

import json
from pathlib import Path

import pytest

from xoxo_async.bulk.proving.result import Finding, Proof, ProofSums
from xoxo_async.bulk.proving.signing import read_proof, read_proof_key, sign_proof, verify_proof
from xoxo_async.errors import ConfigError

KEY = b"0123456789abcdef0123456789abcdef"
PROOF = Proof(
    ok=False,
    job="märz",
    ledger="march.db",
    address="sandbox",
    since="2026-03-01",
    until="2026-03-31",
    began_at="2026-03-31T00:00:00Z",
    ended_at="2026-03-31T00:01:00Z",
    found={"missing": 1},
    missing=(Finding(kind="missing", why="it is not there", key="A"),),
    sums=ProofSums(currency="INR"),
)


def written(folder: Path, signed: object) -> Path:
    path = folder / "p.json"
    path.write_text(json.dumps(signed, indent=2))
    return path


def test_a_signed_result_is_verified(tmp_path: Path) -> None:
    """However it is laid out: only its values are signed."""
    facts = verify_proof(written(tmp_path, sign_proof(PROOF, KEY)), KEY)
    assert (facts["job"], facts["found"], "signature" in facts) == ("märz", {"missing": 1}, False)


def test_a_result_is_read_back(tmp_path: Path) -> None:
    """As it was; with a key only if its signature is valid."""
    path = written(tmp_path, sign_proof(PROOF, KEY))
    assert read_proof(path) == read_proof(path, KEY) == PROOF
    with pytest.raises(ConfigError, match="signed with another key"):
        read_proof(path, b"another key of enough bytes")
    with pytest.raises(ConfigError, match="is not the JSON of a proof"):
        read_proof(written(tmp_path, {"ok": True}))


def test_a_changed_result_is_refused(tmp_path: Path) -> None:
    """Any value counts, also one that was added."""
    for name, value in (("ok", True), ("missing", []), ("new", 1)):
        signed = {**sign_proof(PROOF, KEY), name: value}
        with pytest.raises(ConfigError, match="was changed after it was signed"):
            verify_proof(written(tmp_path, signed), KEY)


def test_another_key_is_told_apart(tmp_path: Path) -> None:
    """The name of a key shows nothing of it."""
    signed = sign_proof(PROOF, KEY)
    assert KEY.decode() not in json.dumps(signed)
    with pytest.raises(ConfigError, match="signed with another key"):
        verify_proof(written(tmp_path, signed), b"another key of enough bytes")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not the JSON of a proof"),
        ("[1]", "is not the JSON of a proof"),
        ('{"ok": true}', "has no signature"),
        ('{"ok": false, "ok": true, "signature": {}}', "a name stands twice"),
        ('{"signature": {"algorithm": "none"}}', "a signature of another kind"),
        ('{"signature": {"algorithm": "HMAC-SHA256", "value": 7}}', "signed with another key"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, why: str) -> None:
    """With a line that says what is wrong."""
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(ConfigError, match=why):
        verify_proof(tmp_path / "p.json", KEY)


def test_a_missing_result_is_one_line(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        verify_proof(tmp_path / "p.json", KEY)


def test_a_key_is_read_without_its_line_end(tmp_path: Path) -> None:
    """A text editor adds one."""
    path = tmp_path / "key"
    path.write_bytes(KEY + b"\n")
    path.chmod(0o600)
    assert read_proof_key(path) == KEY


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        (KEY, 0o640, "others may read the key file"),
        (KEY, 0o604, "others may read the key file"),
        (b"short\n", 0o600, "has 5 bytes"),
        (b"", 0o600, "has 0 bytes"),
        (b"x" * 5000, 0o600, "more than 4,096 bytes"),
    ],
)
def test_a_weak_key_file_is_refused(tmp_path: Path, content: bytes, mode: int, why: str) -> None:
    """Before anything is read from the vendor."""
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=why):
        read_proof_key(path)


def test_a_folder_is_no_key(tmp_path: Path) -> None:
    """Nor is a missing file."""
    with pytest.raises(ConfigError, match="Is a directory"):
        read_proof_key(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_proof_key(tmp_path / "none")
