"""Ask a person for consent on the terminal, before real money moves."""

import getpass
import sys
from contextlib import suppress

import anyio

from xoxo_async.cli.connection import Connection, is_real_money
from xoxo_async.cli.exits import DeclinedError, StoppedError
from xoxo_async.cli.output import is_terminal, say, width_of, wrapped

__all__ = ["agree", "answer_to", "confirm_spending", "need_a_person"]


def confirm_spending(connection: Connection, what: str, *, yes: bool) -> None:
    """Ask a person before real money moves. Without a terminal, the command needs `--yes`.

    Args:
        connection: Where the request goes.
        what: What the command would do, for the question.
        yes: Whether the command line has `--yes`.

    Raises:
        DeclinedError: The person did not agree; nothing was sent.
        StoppedError: The person ended the command at the question; nothing was sent.
    """
    if yes or not is_real_money(connection):
        return
    need_a_person(connection, what)
    _check_answer(answer_to(_question(connection, what)))


def need_a_person(connection: Connection, what: str) -> None:
    """Refuse to move real money if there is no terminal to ask on.

    Args:
        connection: Where the request goes.
        what: What the command would do.

    Raises:
        DeclinedError: There is no terminal; nothing was sent.
    """
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        raise DeclinedError(
            f"{connection.address} moves real money: {what} needs --yes without a terminal; nothing was sent"
        )


async def agree(connection: Connection, what: str) -> None:
    """Ask a person on the terminal, as `confirm_spending` does, while the event loop runs on and hears Ctrl-C.

    Args:
        connection: Where the request goes.
        what: What the command would do, for the question.

    Raises:
        DeclinedError: Nobody agreed; nothing was sent. `StoppedError` when the terminal's input ended.
    """
    _show(_question(connection, what))
    await anyio.wait_readable(sys.stdin)
    _check_answer(answer_to(""))


def answer_to(question: str, *, hidden: bool = False) -> str:
    """Ask a person at a terminal, and return the answer.

    Args:
        question: The text before the answer.
        hidden: Whether the answer is a secret that the terminal must not show.

    Raises:
        StoppedError: The person ended the command at the question.
    """
    # We do not use click's prompts. Before click 8.4 they write a blank to standard output, where only results belong,
    # and they show a hidden question before they stop the echo.
    try:
        if hidden:
            return getpass.getpass(question).strip()
        _show(question)
        answer = sys.stdin.readline()
    except (KeyboardInterrupt, EOFError, OSError):  # OSError: the terminal is gone
        answer = ""
    if not answer:
        say("")  # so that the shell's prompt begins on a new line
        raise StoppedError("interrupted, nothing was sent")
    return answer.strip()


def _question(connection: Connection, what: str) -> str:
    question = f"{connection.address} moves real money. {what[:1].upper()}{what[1:]}? [y/N]:"
    return f"{wrapped(question, width_of(sys.stderr) - 2)} "


def _check_answer(answer: str) -> None:
    if answer.lower() not in {"y", "yes"}:
        raise DeclinedError("declined, nothing was sent")


def _show(question: str) -> None:
    with suppress(OSError):  # if the terminal is gone, reading the answer fails next
        sys.stderr.write(question)
        sys.stderr.flush()
