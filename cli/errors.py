"""Errors that only a command line has, each in the three parts that every error has.

What Typer says of a command that it cannot understand becomes a ``CommandLineError``; what
nobody foresaw becomes an ``UnexpectedError`` without a traceback. Its exit code is 4 where the
command may have changed a node, else 3: nothing that runs was changed, and there is no answer.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from ledger.errors import CheckFailedError, FailedError, LedgerError, UsageError

DEBUG_VARIABLE = "RELEASE_LEDGER_DEBUG"
_HINT = f"run it again with {DEBUG_VARIABLE}=1 for the details of the program, and report them"


class CommandLineError(UsageError):
    """The command line cannot be understood."""

    def __init__(self, message: str, *, usage: str, command: str) -> None:
        super().__init__(message.rstrip("."), fact=usage, hint=f"see `{command} --help`")


class CommandMissingError(UsageError):
    """No command was named."""

    def __init__(self) -> None:
        super().__init__(
            "no command was named", fact="the commands are listed above", hint="see `release-ledger --help`"
        )


class InterruptedByUserError(LedgerError):
    """The user interrupted the command (Ctrl-C); *attempt* is what it left open."""

    code = 130
    kind = "interrupted"

    def __init__(self, attempt: str | None = None) -> None:
        super().__init__(
            "interrupted",
            fact=f"the attempt stays open: {attempt}" if attempt else "no attempt was left open by this command",
            hint="run `release-ledger recover`: it closes the attempt" if attempt else "run the command again",
        )
        self.attempt = attempt


class UnexpectedError(CheckFailedError):
    """The program met what nobody foresaw, in a command that changes nothing."""

    kind = "unexpected"

    def __init__(self, cause: BaseException) -> None:
        super().__init__("this command broke off", fact=_cause(cause), hint=_HINT)


class UnexpectedInChangeError(FailedError):
    """The program met what nobody foresaw, in a command that may have changed a node."""

    kind = "unexpected"

    def __init__(self, cause: BaseException) -> None:
        super().__init__(
            "this change broke off; the node may have changed",
            fact=_cause(cause),
            hint=f"look at `release-ledger versions`; {_HINT}",
        )


class FileAccessError(UsageError):
    """The operating system does not let this command at a file it needs."""

    def __init__(self, path: Path, cause: OSError) -> None:
        super().__init__(
            f"{path} cannot be used",
            fact=cause.strerror or str(cause),
            hint="run this as the user who owns it, or name another place",
        )
        self.path = path


class NotConfirmedError(UsageError):
    """The user was asked and did not say yes."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was not done", fact="the question was not answered with yes", hint="or give --yes")


def debugging(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether the details of the program are wanted."""
    return environ.get(DEBUG_VARIABLE, "") not in {"", "0"}


def _cause(cause: BaseException) -> str:
    return f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__
