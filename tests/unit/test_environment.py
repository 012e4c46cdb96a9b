"""`environment`: the `XOXO_*` variables, and the file of a token pair."""

from pathlib import Path

import pytest

from xoxo_async import STAGING, errors
from xoxo_async.environment import Environment, default_token_file


def test_the_environment_is_read_and_not_shown() -> None:
    """A blank variable counts as absent, and the repr holds no secret."""
    environment = Environment.read({"XOXO_CLIENT_SECRET": "hush", "XOXO_BASE_URL": " ", "XOXO_CLIENT_ID": "me"})
    assert (environment.base_url, environment.client_id, environment.client_secret) == (STAGING, "me", "hush")
    assert "hush" not in repr(environment)


def test_the_families_have_files_of_their_own() -> None:
    """One client id in both families has two files; the user family's file keeps its old name."""
    who = {"XOXO_CLIENT_ID": "me"}
    families: list[dict[str, str]] = [{}, {"XOXO_TOKEN_FAMILY": "user"}, {"XOXO_TOKEN_FAMILY": "company"}]
    files = {default_token_file(Environment.read(who | one), {"XDG_STATE_HOME": "/x"}) for one in families}
    assert len(files) == 2


@pytest.mark.parametrize(
    ("shared", "file", "database"),
    [
        ("postgresql://me@host/db", "", "postgresql://me@host/db"),
        ("postgresql://me@host/db", "/volume/pair.json", ""),  # the token has a place of its own
        ("redis://host", "", ""),
        ("file:/run/xoxo", "", ""),
        ("", "", ""),
    ],
)
def test_a_shared_database_keeps_the_token(shared: str, file: str, database: str) -> None:
    """`XOXO_SHARED` may name other stores, which keep the allowance alone; `XOXO_TOKEN_FILE` is more specific."""
    given = {"XOXO_SHARED": shared, "XOXO_TOKEN_FILE": file}
    assert Environment.read(given).token_database == database


def test_no_home_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a home folder the error names the variable that helps."""

    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", fail)
    with pytest.raises(errors.ConfigError, match="XOXO_TOKEN_FILE"):
        default_token_file(Environment.read({"XOXO_CLIENT_ID": "me"}), {})
