"""The one place that starts ``erl_call``: an expression goes to a node, a term comes back (native-driver.md 2).

The expression goes in on stdin and the cookie through a private HOME, so that neither is in the
process list; no error text of ``erl_call`` is passed on, because it repeats the expression. The
reply is base64 of ``term_to_binary/1``, since ``erl_call``'s own printer does not escape. What an
expression raises comes back as its class and the name of its reason: values stay on the node.

The node works an expression off to its end, whatever becomes of ``erl_call`` or of this process.
It may then send the reply to the next ``erl_call``: a name that the node gave (``-R``) is given
again, and a C node does not look for whom a reply is. So each reply carries the number of its call.
As root, ``erl_call`` runs as the owner of the installation, to whom the program belongs. A private
HOME that a killed command left is removed by the next call.
"""

import os
import re
import signal
import subprocess
import time
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path

from ledger.adapters.erlang_terms import Atom, Term
from ledger.adapters.external_term import decode_term
from ledger.dataclass import dataclass, field
from ledger.errors import FailedError, UsageError

_GRACE_SECONDS = 15.0
_POLL_SECONDS = 0.5
_HOME = "release-ledger-erl."
_COOKIE_FILE = ".erlang.cookie"
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 # the folder made in it is private, under a new name
_REPLY = b"{ok, {reply, ["
_STRINGS = re.compile(rb'"([^"]*)"')
_WRAPPED = """\
RL_R = {{{call}, try {{ok, (fun() -> {expression} end)()}} catch RL_C:RL_E -> {{raised, RL_C,
  case RL_E of RL_A when is_atom(RL_A) -> RL_A;
    RL_T when is_tuple(RL_T), tuple_size(RL_T) > 0, is_atom(element(1, RL_T)) -> element(1, RL_T);
    _ -> other end}} end}},
RL_F = fun RL_G(<<RL_X:60000/binary, RL_Y/binary>>) -> [binary_to_list(RL_X) | RL_G(RL_Y)];
  RL_G(RL_X) -> [binary_to_list(RL_X)] end,
{{reply, RL_F(base64:encode(term_to_binary(RL_R)))}}.
"""


class CallFault(StrEnum):
    """How a call ended without a reply."""

    UNREACHED = "the node did not accept the connection"
    CUT = "the connection was cut while the node worked"
    TIMED_OUT = "the node did not reply in time"
    MIXED_UP = "the reply to an earlier call came instead"


class CallFailedError(FailedError):
    """No reply came; but for UNREACHED the node may have done what it was asked for, or be at it."""

    def __init__(self, fault: CallFault, *, seconds: int) -> None:
        super().__init__(
            str(fault),
            fact=f"erl_call was given {seconds} seconds",
            hint="look at `release-ledger versions --live`, then at `release-ledger recover`",
        )
        self.fault = fault


class ErlCallMissingError(UsageError):
    """There is no ``erl_call`` that can be run, or it does not run."""

    def __init__(self, program: Path, fact: str) -> None:
        super().__init__(
            "erl_call cannot be run",
            fact=f"{program}: {fact}",
            hint="let the owner of the installation run it: chmod +x; Debian has it in erlang-base",
        )
        self.program = program


class CookieHomeError(UsageError):
    """The cookie cannot be laid down for ``erl_call``, so the node cannot be reached."""

    def __init__(self, folder: Path, fact: str) -> None:
        super().__init__(
            "the cookie cannot be handed to erl_call",
            fact=f"{folder}: {fact}",
            hint="see to space and rights there, or let TMPDIR name another folder",
        )


class ExpressionError(FailedError):
    """The node took no expression or none of ours, or its reply is none."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the node could not work an expression off: {what}",
            fact="the expression is not shown, because it may hold settings",
            hint="report it together with the versions of release-ledger and of OTP",
        )
        self.what = what


class RaisedError(FailedError):
    """An expression raised; *reason* is the name of its reason, never a value."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(
            "the node raised an exception",
            fact=f"{kind}:{reason}",
            hint="look at the log of the node, and at `release-ledger versions --live`",
        )
        self.reason = reason


@dataclass(frozen=True)
class Cookie:
    """The secret of a node, and the file that it came from; it does not print."""

    value: str = field(repr=False)
    source: Path


@dataclass(frozen=True)
class NodeAddress:
    """Where the distribution of a node listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Runner:
    """The user as whom ``erl_call`` runs."""

    uid: int
    gid: int


class ErlCall:
    """Calls to the node at *address* through *program*; *runner* where it is another user than this one."""

    def __init__(self, program: Path, *, address: NodeAddress, cookie: Cookie, runner: Runner | None = None) -> None:
        self._program = program
        self._address = address
        self._cookie = cookie
        self._runner = runner

    def call(self, expression: str, *, seconds: int, waiting: Callable[[], None] | None = None) -> Term:
        """Return what *expression* returns; *waiting* is called twice a second until it does.

        Raises: CallFailedError; RaisedError; ExpressionError; ExternalTermError; ErlCallMissingError; CookieHomeError.
        """
        number = int.from_bytes(os.urandom(7), "big")
        text = _WRAPPED.format(expression=expression, call=number)
        with _private_home(self._cookie, self._runner) as home:
            code, out, errors = self._run(text, home, seconds, waiting)
        if code != 0:
            raise _failure(code, errors, seconds=seconds)
        match _reply(out):
            case (int(call), answer) if call == number:
                return _value(answer)
            case (int(), _):
                raise CallFailedError(CallFault.MIXED_UP, seconds=seconds)
            case _:
                raise ExpressionError("the reply is none of ours")

    def _run(self, text: str, home: Path, seconds: int, waiting: Callable[[], None] | None) -> tuple[int, bytes, bytes]:
        arguments = [str(self._program), "-address", str(self._address), "-R", "-timeout", str(seconds), "-e"]
        runner = self._runner
        try:
            process = subprocess.Popen(  # noqa: S603 # the program of the installation, and arguments of ours
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
                env={"HOME": str(home), "PATH": os.defpath},
                user=None if runner is None else runner.uid,
                group=None if runner is None else runner.gid,
                extra_groups=None if runner is None else (),
            )
        except OSError as exc:
            raise ErlCallMissingError(self._program, os.strerror(exc.errno or 0)) from exc
        with process:
            out, errors = _ended(process, text.encode(), seconds=seconds, waiting=waiting)
        return process.returncode, out, errors


def _ended(
    process: subprocess.Popen[bytes], text: bytes, *, seconds: int, waiting: Callable[[], None] | None
) -> tuple[bytes, bytes]:
    """Return what *process* wrote; one that outlives its own limit is killed."""
    limit = time.monotonic() + seconds + _GRACE_SECONDS
    given: bytes | None = text
    while True:
        try:
            return process.communicate(given, timeout=_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            given = None
            if time.monotonic() > limit:
                process.send_signal(signal.SIGALRM)
            elif waiting is not None:
                waiting()
        except BaseException:
            process.kill()
            raise


@contextmanager
def _private_home(cookie: Cookie, runner: Runner | None) -> Iterator[Path]:
    """Give a folder that holds nothing but the cookie, for the one who runs ``erl_call``."""
    home = _temporary_folder(runner) / f"{_HOME}{os.getpid()}.{os.urandom(8).hex()}"
    try:
        try:
            _remove_left_homes(home.parent)
            _make_home(home, cookie, runner)
        except OSError as exc:
            raise CookieHomeError(home.parent, os.strerror(exc.errno or 0)) from exc
        yield home
    finally:
        _remove_home(home)


def _temporary_folder(runner: Runner | None) -> Path:
    """Return a folder for temporary files that the one who runs ``erl_call`` can enter; root's own he often cannot."""
    # Not tempfile and shutil: their import takes longer than the call.
    named = os.environ.get("TMPDIR")
    folders = (Path(folder).absolute() for folder in ((named,) if named else ()) + _TEMPORARY)
    # os.path.isdir says no where it may not look, which Path.is_dir raises.
    usable = (folder for folder in folders if os.path.isdir(folder) and _can_enter(folder, runner))  # noqa: PTH112 # so
    return next(usable, Path("/"))


def _can_enter(folder: Path, runner: Runner | None) -> bool:
    """Tell whether *runner* can pass through *folder* and each one above it; this user finds out by trying."""
    if runner is None:
        return True
    for above in (folder, *folder.parents):
        status = above.stat()
        who = 0o100 if status.st_uid == runner.uid else 0o010 if status.st_gid == runner.gid else 0o001
        if not status.st_mode & who:
            return False
    return True


def _make_home(home: Path, cookie: Cookie, runner: Runner | None) -> None:
    home.mkdir(mode=0o700)
    path = home / _COOKIE_FILE
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o400)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(cookie.value)
    if runner is not None:
        os.chown(path, runner.uid, runner.gid)
        os.chown(home, runner.uid, runner.gid)


def _remove_left_homes(above: Path) -> None:
    """Remove the folders of commands of ours that were killed."""
    for name in os.listdir(above):  # noqa: PTH208 # it is read before every call
        if name.startswith(_HOME):
            pid = name.removeprefix(_HOME).partition(".")[0]
            with suppress(OSError):
                is_ours = os.geteuid() in {0, (above / name).lstat().st_uid}
                if is_ours and pid.isdigit() and not Path("/proc", pid).exists():
                    _remove_home(above / name)


def _remove_home(home: Path) -> None:
    """Remove a folder with the cookie; links are not followed, and what else lies in it keeps it."""
    with suppress(OSError):
        descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            with suppress(FileNotFoundError):
                os.unlink(_COOKIE_FILE, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        home.rmdir()


def _failure(code: int, errors: bytes, *, seconds: int) -> FailedError:
    if code == -signal.SIGALRM:
        return CallFailedError(CallFault.TIMED_OUT, seconds=seconds)
    if b"failed to connect to node" in errors:
        return CallFailedError(CallFault.UNREACHED, seconds=seconds)
    if b"evaluating input failed" in errors:
        return CallFailedError(CallFault.CUT, seconds=seconds)
    return ExpressionError(f"erl_call ended with {code}")


def _reply(out: bytes) -> Term:
    """Return the term that a reply holds.

    Raises: ExpressionError; ExternalTermError.
    """
    if not out.startswith(_REPLY):
        raise ExpressionError("it was not evaluated")
    try:
        return decode_term(b64decode(b"".join(_STRINGS.findall(out)), validate=True))
    except Base64Error as exc:
        raise ExpressionError("the reply is not base64") from exc


def _value(answer: Term) -> Term:
    """Return what an expression returned.

    Raises: RaisedError; ExpressionError.
    """
    match answer:
        case (Atom("ok"), value):
            return value
        case (Atom("raised"), Atom(kind), Atom(reason)):
            raise RaisedError(kind, reason)
        case _:
            raise ExpressionError("the reply is none of ours")
