"""What a node answers to an install, and what its silence and its restarts mean (native-driver.md 5.3, 8)."""

from ledger.adapters.erl_call import ExpressionError
from ledger.adapters.erlang_terms import Atom, Term
from ledger.dataclass import dataclass
from ledger.errors import OpenAttemptError


class InstallGoesOnError(OpenAttemptError):
    """The limit ran out while the node installs; it goes on, so the attempt stays open."""

    def __init__(self, vsn: str, *, seconds: int) -> None:
        super().__init__(
            f"the node is still installing {vsn}",
            fact=f"no answer came within {seconds} seconds, and the node works it off to the end",
            hint="look at `release-ledger versions --live`; when it is done, run `release-ledger recover`",
        )
        self.vsn, self.seconds = vsn, seconds


@dataclass(frozen=True, kw_only=True)
class InstallAnswer:
    """What a node answered: *settings* are the changed ones, *reason* is OTP's own where it is not done.

    *cut* where the connection was lost, so that nobody knows.
    """

    done: bool
    cut: bool = False
    reason: str = ""
    settings: tuple[str, ...] = ()


def answer_of(term: Term) -> InstallAnswer:
    """Return what the answer to an install says.

    Raises: ExpressionError where it is none.
    """
    match term:
        case (Atom("installed"), list(changes)):
            return InstallAnswer(done=True, settings=tuple(map(_change, changes)))
        case (Atom("check_failed" | "install_failed"), bytes(reason)):
            return InstallAnswer(done=False, reason=reason.decode(errors="replace"))
        case _:
            raise ExpressionError("its answer to the install is not as expected")


def _change(term: Term) -> str:
    match term:
        case (bytes(name), Atom(how)):
            return f"{name.decode(errors='replace')} {how}"
        case _:
            raise ExpressionError("its list of changed settings is not as expected")
