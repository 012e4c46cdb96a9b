"""Read a secret from where a setting says that it is: a file, an environment variable, or the system's keyring."""

import os
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple

from xoxo_async.errors import ConfigError

__all__ = ["SecretSource", "Variable", "read_secret_file", "refuse_if_others_read", "secret_variable"]

_MOST_BYTES: Final = 64 * 1024


class SecretSource(NamedTuple):
    """The place of a secret. Its repr shows the place, and no secret.

    Attributes:
        setting: The setting that names the place, for messages.
        kind: `file`, `variable` or `keyring`; `inline` where the setting is the secret itself.
        value: The path, the variable's name, or the keyring's service; the secret where it is inline.
        entry: The name of the secret, which is the user name in the keyring.
    """

    setting: str
    kind: Literal["file", "variable", "keyring", "inline"]
    value: str
    entry: str

    def __repr__(self) -> str:
        return f"SecretSource({self.setting!r}: {self.place})"

    @property
    def place(self) -> str:
        """The place in words, for a person."""
        match self.kind:
            case "file":
                return f"the file {self.value}"
            case "variable":
                return f"the variable {self.value}"
            case "keyring":
                return f"the keyring ({self.value}, {self.entry})"
            case "inline":
                return "the profile itself"

    def read(self, variables: Mapping[str, str]) -> str:
        """Return the secret.

        Args:
            variables: The environment variables.

        Raises:
            ConfigError: There is no secret there, or other users may read its file. The message names the place.
        """
        match self.kind:
            case "file":
                path = Path(self.value)
                refuse_if_others_read(self.setting, path)
                return read_secret_file(self.setting, path)
            case "variable":
                found = variables.get(self.value, "").strip()
                if not found:
                    raise ConfigError(f"{self.setting}: the variable {self.value} is not set")
                return found
            case "keyring":
                return self._from_keyring()
            case "inline":
                return self.value

    def _from_keyring(self) -> str:
        try:
            import keyring  # noqa: PLC0415 - an extra
            import keyring.errors  # noqa: PLC0415
        except ImportError:
            raise ConfigError(f"{self.setting} needs keyring: pip install 'xoxo-async[keyring]'") from None
        try:
            found = keyring.get_password(self.value, self.entry)
        except keyring.errors.NoKeyringError:
            raise ConfigError(f"{self.setting}: this system has no keyring; use a file with mode 0600") from None
        except keyring.errors.KeyringError as error:
            raise ConfigError(f"{self.setting}: the keyring refused ({type(error).__name__}); is it locked?") from None
        if not (found or "").strip():
            raise ConfigError(
                f"{self.setting}: the keyring has no entry {self.value} {self.entry}; make it with: "
                f"keyring set {self.value} {self.entry}"
            )
        return (found or "").strip()


class Variable(NamedTuple):
    """A secret from the environment. Its repr shows the origin alone.

    Attributes:
        value: The secret; empty where no variable gives it.
        origin: The variable, with the file that it names.
    """

    value: str
    origin: str

    def __repr__(self) -> str:
        return f"Variable({self.origin!r})"


def secret_variable(name: str, variables: Mapping[str, str] | None = None) -> Variable:
    """Return the secret in a variable, or in the file that the variable with `_FILE` after its name names.

    Args:
        name: The variable's name.
        variables: The environment variables; the process's by default.

    Raises:
        ConfigError: Both are set, or the file cannot be used.
    """
    source = os.environ if variables is None else variables
    value, path = source.get(name, "").strip(), source.get(f"{name}_FILE", "").strip()
    if value and path:
        raise ConfigError(f"{name} and {name}_FILE exclude each other: unset one of them")
    if not path:
        return Variable(value, name)
    # A container's secrets are files that every user in it may read, so the mode is not refused here.
    return Variable(read_secret_file(f"{name}_FILE", Path(path)), f"{name}_FILE ({path})")


def read_secret_file(setting: str, path: Path) -> str:
    """Return the secret in a file, without the blanks and line ends around it.

    Args:
        setting: The setting that names the file, for messages.
        path: The file: one line of text. A pipe works too.

    Raises:
        ConfigError: The file cannot be read, is empty, or is no single line of text. The message shows nothing of it.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{setting}: the file {path} cannot be read ({reason})") from None
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        text = "\0"  # no secret has it
    if not text:
        raise ConfigError(f"{setting}: the file {path} is empty")
    if not text.isprintable() or len(content) > _MOST_BYTES:
        raise ConfigError(f"{setting}: the file {path} is no single line of text")
    return text


def refuse_if_others_read(setting: str, path: Path) -> None:
    """Refuse a file with a secret that other users may read. A file that is not there is no matter of this check.

    Args:
        setting: The setting, for the message.
        path: The file.

    Raises:
        ConfigError: Group or others may read it.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - Path.stat() is the same call
    except (OSError, ValueError):
        return
    if stat.S_ISREG(found.st_mode) and found.st_mode & 0o077:
        raise ConfigError(
            f"{setting}: other users may use the file {path} (mode {stat.S_IMODE(found.st_mode):04o}), and it holds a "
            f"secret; run: chmod 600 {shlex.quote(os.fspath(path))}"
        )
