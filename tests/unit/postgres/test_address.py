"""The URL of a database: what is read from it, and what a message shows of it."""

import pytest

from xoxo_async.errors import ConfigError
from xoxo_async.postgres.address import DatabaseAddress, is_database


def test_the_job_is_apart() -> None:
    """The part after # is the job's name, percent-decoded; the driver does not see it."""
    address = DatabaseAddress.read("postgresql://me:secret@db:5433/money?sslmode=require#march%202026")
    assert address.job == "march 2026"
    assert address.dsn == "postgresql://me:secret@db:5433/money?sslmode=require"


def test_no_password_is_shown() -> None:
    """Neither the name, nor the label, nor the repr has the password."""
    address = DatabaseAddress.read("postgres://me:s3cr%40et@db/money?password=other#march")
    assert address.name == "postgresql://me@db/money"
    assert address.label == "postgresql://me@db/money#march"
    assert "s3cr" not in repr(address)
    assert "other" not in repr(address)


def test_a_command_reaches_the_same_database() -> None:
    """It has the options, no password, and works when pasted into a shell."""
    address = DatabaseAddress.read("postgres://me:s3cret@db/money?sslmode=require&sslpassword=other#march")
    assert address.command("ledger", "migrate") == (
        "xoxo ledger migrate --ledger 'postgresql://me@db/money?sslmode=require'"
    )
    found = address.command("bulk", "status", job="my march")
    assert found == "xoxo bulk status --ledger 'postgresql://me@db/money?sslmode=require#my march'"


def test_the_statement_cache_is_an_option_of_ours() -> None:
    """The driver takes unknown options for settings of the server, which refuses them."""
    address = DatabaseAddress.read("postgresql://db/money?statement_cache_size=0&sslmode=disable")
    assert address.statement_cache_size == 0
    assert address.dsn == "postgresql://db/money?sslmode=disable"


def test_everything_may_be_left_out() -> None:
    """The driver takes the rest from the environment."""
    assert DatabaseAddress.read("postgresql:///#march").job == "march"
    assert DatabaseAddress.read("postgresql://db1:1,db2:2/x").name == "postgresql://db1:1,db2:2/x"


@pytest.mark.parametrize(
    "text",
    ["", "march.db", "mysql://db/x", "postgresql:db", "postgresql://me:p:w@d@b:x/y", "postgresql://[::1/x",
     "postgresql://db/x?statement_cache_size=many"],
)  # fmt: skip
def test_other_texts_are_refused(text: str) -> None:
    """The message does not repeat the text, because it may hold a password."""
    with pytest.raises(ConfigError) as caught:
        DatabaseAddress.read(text)
    assert "p:w" not in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://admin:p@s3cr%w/rd#1@db/plum#march",
        "postgresql://admin:p@s3cr%w@db/plum",
        "postgresql://admin:p@s3cr%25w@127.0.0.1:5599/plum",
        "postgresql://admin:1/s3cr@db/plum",
        "postgresql://admin:1#s3cr@db/plum",
        "postgresql://admin:1?s3cr@db/plum",
        "postgresql://admin:p@s3cr%w/rd",
    ],
)
def test_a_password_that_is_not_encoded_is_refused(text: str) -> None:
    """A part of it would be taken for the host, the database or the job, and shown."""
    with pytest.raises(ConfigError, match="%40") as caught:
        DatabaseAddress.read(text)
    assert "s3cr" not in caught.value.message


@pytest.mark.parametrize(
    "text",
    ["postgresql://me:p%40w@%2Fvar%2Frun/plum", "postgresql://me@[fe80::1%25eth0]:5432/plum",
     "postgresql://me:p%40%25%2F%23w@db/plum#march", "postgresql://db/plum?user=me@tenant"],
)  # fmt: skip
def test_what_is_encoded_is_taken(text: str) -> None:
    """A socket's folder and an IPv6 zone have a percent sign in the host, and an option may have an @."""
    assert DatabaseAddress.read(text).dsn.startswith("postgresql://")


def test_the_label_is_read_again() -> None:
    """A person copies it from a message, so a job's @ and % are encoded in it."""
    address = DatabaseAddress.read("postgresql://db/plum#a%40b%2525")
    assert address.job == "a@b%25"
    assert address.label == "postgresql://db/plum#a%40b%2525"
    assert DatabaseAddress.read(address.label) == address


@pytest.mark.parametrize(("text", "expected"), [("postgresql://db/x", True), ("POSTGRES://x", True), ("a.db", False)])
def test_a_database_is_told_from_a_file(text: str, expected: bool) -> None:
    """By the beginning alone, so that a wrong URL is not taken for a file's name."""
    assert is_database(text) is expected
