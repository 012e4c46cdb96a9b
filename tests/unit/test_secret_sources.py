"""`secret_sources`: a secret comes from a file, a variable or the keyring, and no message shows it."""

import sys
from pathlib import Path

import pytest

from xoxo_async import errors
from xoxo_async.secret_sources import SecretSource, read_secret_file, refuse_if_others_read, secret_variable


def written(path: Path, content: bytes = b"hush\n", mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("content", [b"hush", b"hush\n", b"hush\r\n", b"\xef\xbb\xbfhush\n", b"\nhush\n\n"])
def test_a_line_end_is_no_part_of_it(tmp_path: Path, content: bytes) -> None:
    """Editors and `echo` write one, and a header cannot hold it."""
    assert read_secret_file("X_FILE", written(tmp_path / "s", content)) == "hush"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"hush\nhush2\n", "is no single line"),
        (b"hush\x00", "is no single line"),
        (b"\xff\xfehush", "is no single line"),
        (b"x" * 70_000, "is no single line"),
    ],
)
def test_what_is_no_secret_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    """The message names setting and file, and shows nothing of the contents."""
    with pytest.raises(errors.ConfigError, match=f"^X_FILE: the file .*/s {why}") as caught:
        read_secret_file("X_FILE", written(tmp_path / "s", content))
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("name", ["none", "", "a\0b"])
def test_no_file_is_named(tmp_path: Path, name: str) -> None:
    """It is not there, is a folder, or has no name that the system knows."""
    with pytest.raises(errors.ConfigError, match=r"^X_FILE: the file .* cannot be read"):
        read_secret_file("X_FILE", tmp_path / name)


@pytest.mark.parametrize(("mode", "refused"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
def test_a_file_that_others_read_is_refused(tmp_path: Path, mode: int, refused: bool) -> None:
    """The message has the command that helps."""
    path = written(tmp_path / "s", mode=mode)
    if not refused:
        return refuse_if_others_read("x", path)
    with pytest.raises(errors.ConfigError, match=f"mode 0{mode:o}.*chmod 600"):
        refuse_if_others_read("x", path)
    return None


def test_each_kind_of_place_is_read(tmp_path: Path) -> None:
    """A file, a variable, the setting itself."""
    file = written(tmp_path / "s")
    assert SecretSource("x", "file", str(file), "client_secret").read({}) == "hush"
    assert SecretSource("x", "variable", "MINE", "client_secret").read({"MINE": " hush\n"}) == "hush"
    assert SecretSource("x", "inline", "hush", "client_secret").read({}) == "hush"
    with pytest.raises(errors.ConfigError, match="x: the variable MINE is not set"):
        SecretSource("x", "variable", "MINE", "client_secret").read({})


def test_the_repr_shows_the_place_alone() -> None:
    """An error report prints local variables."""
    assert "hush" not in repr(SecretSource("x", "inline", "hush", "client_secret"))


def test_the_keyring_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a service and a user name for each secret; without an entry, the message says how to make it."""
    import keyring

    kept = {("xoxo", "client_secret"): "hush"}
    monkeypatch.setattr(keyring, "get_password", lambda service, entry: kept.get((service, entry)))
    assert SecretSource("x", "keyring", "xoxo", "client_secret").read({}) == "hush"
    with pytest.raises(errors.ConfigError, match="keyring set xoxo refresh_token"):
        SecretSource("x", "keyring", "xoxo", "refresh_token").read({})


def test_a_keyring_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server has none, and a locked one refuses."""
    import keyring
    import keyring.errors

    for error, why in ((keyring.errors.NoKeyringError, "no keyring"), (keyring.errors.KeyringLocked, "locked")):

        def fail(_service: str, _entry: str, error: type[Exception] = error) -> str:
            raise error

        monkeypatch.setattr(keyring, "get_password", fail)
        with pytest.raises(errors.ConfigError, match=why):
            SecretSource("x", "keyring", "xoxo", "client_secret").read({})


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line can be pasted."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(errors.ConfigError, match=r"pip install 'xoxo-async\[keyring\]'"):
        SecretSource("x", "keyring", "xoxo", "client_secret").read({})


def test_a_variable_may_name_a_file(tmp_path: Path) -> None:
    """The key of a ledger too; its repr shows the origin alone."""
    path = written(tmp_path / "key", mode=0o444)
    found = secret_variable("XOXO_LEDGER_KEY", {"XOXO_LEDGER_KEY_FILE": str(path)})
    assert found == ("hush", f"XOXO_LEDGER_KEY_FILE ({path})")
    assert "hush" not in repr(found)
    assert secret_variable("X", {"X": " hush\n"}).value == "hush"
    assert secret_variable("X", {}).value == ""
    with pytest.raises(errors.ConfigError, match=r"^X and X_FILE exclude each other"):
        secret_variable("X", {"X": "a", "X_FILE": str(path)})
