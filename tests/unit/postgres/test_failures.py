"""What a driver's error says to an operator, and whether to try again."""

import socket

import asyncpg
import pytest

from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.failures import explain, is_about_a_value, is_passing, is_repeated

ADDRESS = DatabaseAddress.read("postgresql://me:s3cret@db/money")


def state(sqlstate: str) -> asyncpg.PostgresError:
    error = asyncpg.PostgresError("value 's3cret' of a row")
    error.sqlstate = sqlstate  # type: ignore[misc]
    return error


@pytest.mark.parametrize(
    ("error", "final", "text"),
    [
        (state("28P01"), True, "password"),
        (state("42501"), True, "rights"),
        (state("23514"), True, "23514"),
        (state("40P01"), False, "40P01"),
        (asyncpg.InternalClientError("unknown message"), False, "out of step"),
        (state("53300"), False, "no connection left"),
        (state("57P01"), False, "shut down"),
        (state("08006"), False, "ended the connection"),
        (ConnectionRefusedError(111, "Connection refused"), False, "Connection refused"),
        (ConnectionResetError(), False, "connection ended"),
        (socket.gaierror(-2, "Name or service not known"), False, "no address"),
        (TimeoutError(), False, "does not answer"),
        (asyncpg.InterfaceError("connection is closed"), False, "ended the connection"),
        (asyncpg.InterfaceError("cannot perform operation"), True, "InterfaceError"),
    ],
)
def test_each_failure_is_one_line_without_secrets(error: BaseException, final: bool, text: str) -> None:
    """The database is named, the password and the row's values are not."""
    said = explain(error, ADDRESS)
    assert said.final is final
    assert text in said.message
    assert "postgresql://me@db/money" in said.message
    assert "s3cret" not in said.message
    assert "\n" not in said.message


@pytest.mark.parametrize("sqlstate", ["3F000", "42P01", "42703", "42501"])
def test_the_command_that_mends_is_whole(sqlstate: str) -> None:
    """It names the database, so that it works when pasted."""
    said = explain(state(sqlstate), ADDRESS).message
    assert "`xoxo ledger migrate " in said
    assert "--ledger postgresql://me@db/money`" in said
    assert "{" not in said


def test_what_a_repetition_may_mend() -> None:
    """A deadlock passes at once; a value that is there already is told apart from it, and from a lost connection."""
    errors = (state("40P01"), state("23505"), ConnectionResetError())
    assert [is_passing(error) for error in errors] == [True, False, False]
    assert [is_repeated(error) for error in errors] == [False, True, False]


def test_what_is_about_a_value() -> None:
    """Then a statement with other values may succeed; where rights or the connection are missing, none does."""
    assert is_about_a_value(explain(state("22003"), ADDRESS))
    assert not is_about_a_value(explain(state("42501"), ADDRESS))
    assert not is_about_a_value(explain(ConnectionResetError(), ADDRESS))
