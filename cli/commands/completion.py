"""Print the script that makes a shell complete commands, options, versions and events.

For bash: eval "$(release-ledger completion bash)" in ~/.bashrc; for zsh the same with zsh,
behind compinit.
"""

from typing import Annotated

from cli.completion_scripts import SCRIPTS, Shell
from cli.declared import Argument
from cli.session import Session

EXAMPLE = "completion bash"


def completion(
    shell: Annotated[Shell, Argument(metavar="SHELL", help="bash or zsh.")],
    *,
    session: Session,
) -> int:
    """Print it."""
    session.terminal.write(SCRIPTS[shell])
    return 0
