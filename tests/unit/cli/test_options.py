"""`options`: shared flags come in the order in which they are written."""

import click

from xoxo_async.cli.options import connection_options, json_option, with_options, yes_option


def test_flags_are_added_in_the_order_written() -> None:
    """Several decorators become one."""

    @click.command()
    @with_options(yes_option, connection_options, json_option)
    def command() -> None:
        """Do nothing."""

    assert [name for parameter in command.params for name in parameter.opts] == [
        "--yes",
        "--base-url",
        "--client-id",
        "--sandbox",
        "--json",
    ]
