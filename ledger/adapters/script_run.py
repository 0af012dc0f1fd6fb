"""Runs of ``bin/emqx``: with the environment of the service, never killed, its words without the cookie.

With another environment a healthy node looks as if it were not running (otp.md section 11), so the
script gets what the node itself was started with, as far as it concerns EMQX. It runs in a session
of its own and writes to a file, so that neither Ctrl-C nor the end of this process breaks it off;
where *seconds* run out it goes on, and the attempt stays open. As root it runs as the owner of the
installation. What it says is for the record and for the eyes, never a proof of anything; the cookie
is taken out of it, and so are the values in the trace of a crash, which may be those of settings.
"""

import os
import pwd
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ledger.adapters.installation import Installation
from ledger.adapters.node_place import find_cookie, find_runner
from ledger.application.ports import StepFailedError
from ledger.dataclass import dataclass
from ledger.errors import OpenAttemptError
from ledger.temporary import TemporaryPlaceError, temporary_file

# Every call of the script to the node has a limit of 300 s, and an upgrade makes several (otp.md 3.1).
SECONDS = 3600.0
_POLL_SECONDS = 0.05
_TELL_SECONDS = 5.0
_EXCERPT = 600
_NAMES = frozenset({"WITH_EPMD", "ERL_EPMD_PORT", "ERL_EPMD_ADDRESS", "HOME", "PATH", "LANG", "LC_ALL", "TMPDIR"})
_PREFIX = "EMQX_"
_COOKIE = "EMQX_NODE_COOKIE"
_REASON = re.compile(r"^(?:ERROR: release_handler:\w+ failed|Unpack failed): (.*)", re.MULTILINE | re.DOTALL)

# A reason that a crash gave holds the arguments of functions: state of processes, settings.
_CRASH = re.compile(r"\{'EXIT',.*", re.DOTALL)
_VALUE = re.compile(r'"(?:[^"\\]|\\.)*"|\[\s*\d+(?:\s*,\s*\d+)+\s*\]', re.DOTALL)

Tell = Callable[[str], None]


class ScriptGoesOnError(OpenAttemptError):
    """The limit ran out while the script works; it is not killed, so the attempt stays open."""

    def __init__(self, command: str, *, pid: int, seconds: float) -> None:
        super().__init__(
            f"{command} is still at work",
            fact=f"process {pid} did not end within {seconds:.0f} seconds, and it is not killed",
            hint="wait until it is done, then run `release-ledger recover`",
        )
        self.pid = pid


@dataclass(frozen=True)
class Said:
    """How a run ended and what it said on stdout and stderr, without the cookie."""

    command: str
    code: int
    words: str

    @property
    def reason(self) -> str:
        """OTP's own reason as the script printed it, else how the script ended and what it said last."""
        found = _REASON.search(self.words)
        if found is None:
            return f"{self.command} ended with {self.code}: {' | '.join(self.words.split(chr(10)))[-_EXCERPT:]}"
        first = re.split(r"\nInstalled versions:|\n\S*escript: |\n(?=[A-Z])", found[1])[0]
        # The script wraps long terms over lines.
        reason = re.sub(r"\s*\n\s*", "", first).strip()
        return reason.removesuffix(".")[:_EXCERPT]


def run_script(
    files: Installation, arguments: tuple[str, ...], *, os_pid: int, seconds: float = SECONDS, tell: Tell
) -> Said:
    """Run ``bin/emqx`` with *arguments* for the node of process *os_pid* and return what it said.

    *tell* hears every few seconds that it is at work.
    Raises: ScriptGoesOnError; StepFailedError where the script does not start.
    """
    command = " ".join(("bin/emqx", *arguments))
    runner = find_runner(files)
    environ = service_environ(os_pid, owner=files.releases.stat().st_uid)
    secrets = {find_cookie(files).value, environ.get(_COOKIE, "")} - {""}
    try:
        words = temporary_file()
    except TemporaryPlaceError as exc:
        raise StepFailedError(arguments[0], arguments[-1], f"{exc}: {exc.fact}") from exc
    with words:
        try:
            process = subprocess.Popen(  # noqa: S603 # the installation's own script
                [files.root / "bin/emqx", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=subprocess.STDOUT,
                cwd=files.root,
                env=environ,
                start_new_session=True,
                user=None if runner is None else runner.uid,
                group=None if runner is None else runner.gid,
                extra_groups=None if runner is None else (),
            )
        except OSError as exc:
            raise StepFailedError(arguments[0], arguments[-1], f"bin/emqx: {os.strerror(exc.errno or 0)}") from exc
        _await(process, command, seconds=seconds, tell=tell)
        words.seek(0)
        text = words.read().decode(errors="replace")
    return Said(command, process.returncode, without_secrets(text, secrets).strip())


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return *text* without *secrets*, and without the values in the trace of a crash."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return _CRASH.sub(lambda crash: _VALUE.sub('"..."', crash[0]), text)


def service_environ(os_pid: int, *, owner: int) -> dict[str, str]:
    """Return the part of the environment of process *os_pid* that the script needs, with a HOME of *owner*.

    Where that process is not ours to look at, this process's own takes its place.
    """
    try:
        raw = Path("/proc", str(os_pid), "environ").read_bytes()
        given: Mapping[str, str] = dict(pair.split("=", 1) for pair in os.fsdecode(raw).split("\0") if "=" in pair)
    except OSError:
        given = {name: value for name, value in os.environ.items() if name != "HOME"}
    kept = {name: value for name, value in given.items() if name in _NAMES or name.startswith(_PREFIX)}
    kept.setdefault("PATH", os.defpath)
    if "HOME" not in kept:
        kept["HOME"] = _home_of(owner)
    return kept


def _await(process: "subprocess.Popen[bytes]", command: str, *, seconds: float, tell: Tell) -> None:
    begun = told = time.monotonic()
    while True:
        try:
            process.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            now = time.monotonic()
            if now - begun > seconds:
                pid = process.pid
                process.returncode = 0  # it is left to itself on purpose, and nobody waits for it
                raise ScriptGoesOnError(command, pid=pid, seconds=seconds) from None
            if now - told >= _TELL_SECONDS:
                told = now
                tell(f"{command} is at work since {now - begun:.0f} seconds")
        else:
            return


def _home_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:
        return "/"
