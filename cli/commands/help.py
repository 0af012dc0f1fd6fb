"""Explain a topic or a command.

Topics: exit-codes, events, json, config, trust, recovery. Without one they are listed.
"""

from typing import Annotated

from cli.command_table import COMMANDS
from cli.declared import Argument
from cli.session import Session
from cli.topics import TOPICS, UnknownTopicError, list_of_topics

EXAMPLE = "help exit-codes"


def help(  # noqa: A001 # the name of the command
    topic: Annotated[str | None, Argument(metavar="[TOPIC]", help="A topic or a command.")] = None, *, session: Session
) -> int:
    """Print it."""
    if topic is None:
        session.terminal.write(list_of_topics())
    elif topic in TOPICS:
        session.terminal.write(TOPICS[topic]())
    elif topic in COMMANDS:
        from cli.run import run  # noqa: PLC0415 # only the help text of a command needs Typer
        from cli.typer_root import run_line  # noqa: PLC0415 # as above

        return run_line((topic, "--help"), commands=COMMANDS, run=run)
    else:
        raise UnknownTopicError(topic)
    return 0
