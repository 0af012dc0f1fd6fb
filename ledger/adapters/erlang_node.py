"""The driver of a running node: OTP's own release handler, called through ``erl_call`` (native-driver.md).

The node does what only it can do, in one call a step, and works it off even where this process is
killed. Files are laid out, placed and replaced by this process, durably, with the owner of the
installation. After each call the node is looked at; its answers are words for the record, never proof.

``emqx_vars`` and the scripts are replaced by the node itself in the call that makes a release
permanent, ``emqx_vars`` first: where the node dies in between, what ran goes on running
(native-driver.md 6). A relup that crashes makes the node restart its applications in the same
process; that is waited for and told apart from a refusal by the run, never by the error.

A step begins from the last look where that is of this moment. What only one step needs is imported
by it, so that a look does not pay for packages.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from stat import S_IMODE

from ledger.adapters import durable
from ledger.adapters.boot_agreement import BEFORE_RECOVERY, disagreements, full_table, restore_saved
from ledger.adapters.boot_files import read_boot_files
from ledger.adapters.boot_scripts import lacking_scripts, mixed_scripts, put_scripts, write_scripts_beside
from ledger.adapters.clock import format_time
from ledger.adapters.emqx_vars import with_boot
from ledger.adapters.erl_call import CallFailedError, CallFault
from ledger.adapters.erlang_terms import Atom, Term
from ledger.adapters.installation import BootFileError, Installation
from ledger.adapters.node_connection import NodeConnection
from ledger.adapters.node_failure import failure_of
from ledger.adapters.node_install import InstallAnswer, InstallGoesOnError, answer_of
from ledger.adapters.node_recipes import REREAD, install, make_permanent, remove, set_unpacked
from ledger.adapters.node_view import NodeView, entries_of
from ledger.adapters.otp_check import refusal_of_permanent, refusal_of_removal
from ledger.adapters.release_table import Entries, entry_of, table_of, tables_of, with_table, written
from ledger.adapters.releases_file import StartErl
from ledger.adapters.set_aside import left_overs, move_aside
from ledger.application.ports import CheckRefusedError, Progress, RelupCrashedError, StepFailedError
from ledger.domain.observation import Observation
from ledger.domain.outcomes import Installed, Removed, StagedPackage, Unpacked
from ledger.domain.package_facts import PackageFacts
from ledger.domain.records import Driver, Run
from ledger.domain.status import ReleaseStatus
from ledger.domain.tables import Tables
from ledger.errors import LedgerError

_INSTALL_SECONDS = 3600
_UNPACK_SECONDS = 60
_CHANGE_SECONDS = 300
_TELL_SECONDS = 5.0
_FOLDER_MODE = 0o755

Tell = Callable[[str], None]


class ErlangNode:
    """The node that runs from the root of *connection*; *boot_id* is the host's boot, *tell* hears of progress."""

    def __init__(
        self,
        files: Installation,
        *,
        connection: NodeConnection,
        boot_id: str,
        tell: Tell = lambda _: None,
        install_seconds: int = _INSTALL_SECONDS,
    ) -> None:
        self._files = files
        self._root = files.root
        self._connection = connection
        self._boot_id = boot_id
        self._tell = tell
        self._install_seconds = install_seconds

    @property
    def driver(self) -> Driver:
        """The driver that this is."""
        return Driver.NODE

    def observe(self) -> Observation:
        """Return what the node and its files show, once its release handler has nothing to do.

        Raises: NodeDownError; CookieRefusedError, NodeHungError, NodeRestartingError, NodeBusyError.
        """
        return self._observation(self._connection.look_when_idle())

    def stage_release(self, package: PackageFacts, *, attempt: str, progress: Progress) -> StagedPackage:
        """Lay *package* out beside the installation, checking all of its content."""
        from ledger.adapters.staging import stage  # noqa: PLC0415 # as the module says

        vsn = package.sound_vsn()
        known = self._connection.look_of_now().status_of(vsn) is not None
        aside = () if known else left_overs(self._root, vsn)
        staged = stage(package, root=self._root, progress=progress, absent=aside)
        return StagedPackage(package=package, staged=staged, set_aside=aside, attempt=attempt)

    def discard_staged(self, staged: StagedPackage) -> None:
        """Remove what is laid out."""
        from ledger.adapters.staging import discard  # noqa: PLC0415 # as the module says

        discard(self._root, staged.staged.vsn)

    def unpack_release(self, staged: StagedPackage) -> Unpacked:
        """Place what is staged and let the node register it (native-driver.md 5.2)."""
        from ledger.adapters.staging import drop_rel_file, place  # noqa: PLC0415 # as the module says

        vsn, erts = staged.package.sound_vsn(), staged.package.erts or ""
        known = self._connection.look_of_now().status_of(vsn) is not None
        self._files.save_copies()
        move_aside(self._root, staged.set_aside, attempt=staged.attempt)
        place(staged.staged)
        if not known:
            self._do("set_unpacked", vsn, set_unpacked(vsn), seconds=_UNPACK_SECONDS)
        drop_rel_file(self._root, vsn)
        link = self._root / "releases" / vsn / "emqx.tar.gz"
        if link.is_symlink():  # what EMQX's script left there (otp.md section 4)
            durable.remove_file(link)
        durable.sync_tree(self._files.releases)
        return Unpacked(vsn=vsn, erts=erts, files=staged.staged.files, files_sha256=staged.staged.files_sha256)

    def install_release(self, vsn: str) -> Installed:
        """Check and install in one call (native-driver.md 5.3).

        Raises: CheckRefusedError; RelupCrashedError; InstallGoesOnError where the limit ran out.
        """
        before = self._connection.look_of_now()
        answer = self._installed(vsn)
        if answer.done:
            return Installed(settings=answer.settings)
        begun = time.monotonic()
        after = self._connection.look_when_idle()
        if _run_of(after) != _run_of(before):
            how = f"{_where(before, after)}, generation {before.generation} to {after.generation}"
            raise RelupCrashedError(vsn, answer.reason, how=how, down_ms=round((time.monotonic() - begun) * 1000))
        if answer.cut and after.runs(vsn):
            return Installed()  # the connection was lost, and the node went on to the end
        raise CheckRefusedError(vsn, answer.reason)

    def make_permanent(self, vsn: str) -> None:
        """Stage what changes, then let the node put it in place and make *vsn* permanent (native-driver.md 5.4)."""
        memory = entries_of(self._connection.look_of_now(), self._files)
        _refuse("make_permanent", vsn, refusal_of_permanent(memory, vsn))
        if lacking := lacking_scripts(self._root, vsn):
            raise StepFailedError("make_permanent", vsn, f"enoent: {', '.join(lacking)}")
        self._files.save_copies()
        variables = self._files.vars_file
        text = self._files.read_vars()
        changed = with_boot(text, vsn=vsn, erts=entry_of(memory, vsn).erts)
        saved = durable.write_beside(variables.with_name("emqx_vars.saved"), text.encode(), mode=_mode(variables))
        staged = [] if changed == text else [(durable.write_beside(variables, changed.encode()), variables)]
        staged += write_scripts_beside(self._root, vsn)
        renames = tuple((str(source), str(target)) for source, target in staged)
        expression = make_permanent(vsn, renames=renames, saved=str(saved), restored=str(variables))
        try:
            self._do("make_permanent", vsn, expression, seconds=_CHANGE_SECONDS)
        except StepFailedError:
            _clear(saved, *(source for source, _ in staged))
            raise
        # Where no answer came, the node may be about to rename what is staged: `recover` clears it.
        _clear(saved)
        durable.sync_tree(self._files.releases)

    def remove_release(self, vsn: str) -> Removed:
        """Let the node delete what only *vsn* uses; what is missing of it is no obstacle (native-driver.md 5.5)."""
        from ledger.adapters.release_parts import parts_to_remove, what_stays  # noqa: PLC0415 # as the module says

        memory = entries_of(self._connection.look_of_now(), self._files)
        refusal = refusal_of_removal(memory, vsn)
        if refusal is None and not all(entry.libs for entry in memory):
            refusal = "{no_libs,the_node_booted_without_RELEASES}"  # it would count no library as used
        _refuse("remove_release", vsn, refusal)
        parts = parts_to_remove(entry_of(memory, vsn), tuple(entry for entry in memory if entry.vsn != vsn))
        missing = tuple(part for part in parts if not os.path.lexists(self._root / part))
        self._files.save_copies()
        for part in missing:  # remove_release stops half way at the first that is missing
            durable.make_folder(self._root / part, mode=_FOLDER_MODE)
        self._do("remove_release", vsn, remove(vsn), seconds=_CHANGE_SECONDS)
        durable.sync_tree(self._files.releases)
        return Removed(
            removed=tuple(part for part in parts if part not in missing),
            stays=what_stays(self._root, vsn),
            missing=missing,
        )

    def restart(self) -> None:
        """Restart the node through ``bin/emqx restart``, the vendor's way.

        Raises: BootImpossibleError, before anything ends; StepFailedError.
        """
        from ledger.adapters.node_restart import restart_node  # noqa: PLC0415 # as the module says

        before = self._connection.look_when_idle()
        vsn = restart_node(self._files, os_pid=before.os_pid)
        if _run_of(self._connection.look_when_idle()) == _run_of(before):
            raise StepFailedError("restart", vsn, "bin/emqx restart ended, and the same node answers")

    def revive(self) -> tuple[str, ...]:
        """Return nothing: the memory of a node that answers can be read."""
        return ()

    def disagreements(self, vsn: str, *, scripts: bool) -> tuple[str, ...]:
        """Return, in words, each place that does not name *vsn* permanent."""
        memory = entries_of(self._connection.look_when_idle(), self._files)
        return tuple(disagreements(self._files, memory, vsn, scripts=scripts))

    def agree_on(self, vsn: str, *, scripts: bool) -> tuple[str, ...]:
        """Make boot files name *vsn* permanent, and memory by reading them again (native-driver.md 6.1)."""
        known = entries_of(self._connection.look_when_idle(), self._files)
        done = tuple(disagreements(self._files, known, vsn, scripts=scripts))
        self._files.save_copies(BEFORE_RECOVERY)
        try:
            self._files.read_vars()
        except BootFileError as exc:
            restore_saved(self._files, exc.path)
        full = full_table(self._files, known, vsn)
        memory = with_table(full, tables_of(full).made_permanent(vsn).memory)
        erts = entry_of(memory, vsn).erts
        if scripts or any(mixed_scripts(self._root, vsn, tuple(entry.vsn for entry in memory))):
            put_scripts(self._root, vsn)
        self._files.boot_next(vsn=vsn, erts=erts)
        self._files.write_start_erl(StartErl(erts, vsn))
        self._files.write_releases(written(memory))
        if _is_other(known, memory):
            self._reread(vsn, known)
        return tuple(f"mended {place}" for place in done)

    def _reread(self, vsn: str, known: Entries) -> None:
        """Let the release handler read RELEASES again; never while a release is a trial (native-driver.md 6.1)."""
        if any(entry.status is ReleaseStatus.CURRENT for entry in known):
            raise StepFailedError("agree", vsn, "a trial runs, and reading RELEASES again would lose it")
        self._do("agree", vsn, REREAD, seconds=_CHANGE_SECONDS)

    def _installed(self, vsn: str) -> InstallAnswer:
        told = time.monotonic()

        def waiting() -> None:
            nonlocal told
            if time.monotonic() - told >= _TELL_SECONDS:
                told = time.monotonic()
                self._tell(f"{vsn} is being installed: the release handler is {self._activity()}")

        try:
            return answer_of(self._connection.call(install(vsn), seconds=self._install_seconds, waiting=waiting))
        except CallFailedError as exc:
            if exc.fault is CallFault.TIMED_OUT:
                raise InstallGoesOnError(vsn, seconds=self._install_seconds) from exc
            return InstallAnswer(done=False, cut=True, reason=str(exc))

    def _activity(self) -> str:
        try:
            return self._connection.look().activity
        except LedgerError as exc:  # whatever keeps us from looking, the install goes on
            return f"out of sight ({exc})"

    def _do(self, call: str, vsn: str, expression: str, *, seconds: int) -> None:
        """Let the node do one step.

        Raises: StepFailedError with OTP's reason; what a call raises.
        """
        answer: Term = self._connection.call(expression, seconds=seconds)
        match answer:
            case Atom("ok"):
                return
            case (Atom("failed"), bytes(reason)):
                raise failure_of(self._files, call, vsn, reason.decode(errors="replace"))
            case _:
                raise StepFailedError(call, vsn, "an answer that is none of ours")

    def _observation(self, view: NodeView) -> Observation:
        disk = read_boot_files(self._files)
        entries = disk.entries
        erts_of = {entry.vsn: entry.erts for entry in entries or () if view.status_of(entry.vsn) is not None}
        return Observation(
            tables=Tables(
                memory=view.table,
                disk=None if entries is None else table_of(entries),
                start_erl=disk.start_erl,
                rel_vsn=disk.rel_vsn,
            ),
            booted=view.booted,
            run=Run(
                boot_id=self._boot_id,
                started_at=format_time(view.started_us),
                generation=view.generation,
                os_pid=view.os_pid,
            ),
            code=view.code,
            erts=view.erts,
            erts_of=erts_of,
            problems=disk.problems,
        )


def _where(before: NodeView, after: NodeView) -> str:
    return "inside its process" if before.os_pid == after.os_pid else "as a new process"


def _run_of(view: NodeView) -> tuple[int, int, str]:
    return (view.os_pid, view.started_us, view.generation)


def _is_other(known: Entries, wanted: Entries) -> bool:
    """Tell whether what the node knows is not what RELEASES now says."""
    return table_of(known) != table_of(wanted) or any(not entry.libs for entry in known)


def _refuse(call: str, vsn: str, otp_reason: str | None) -> None:
    if otp_reason is not None:
        raise StepFailedError(call, vsn, otp_reason)


def _clear(*paths: Path) -> None:
    for path in paths:
        durable.remove_file(path)


def _mode(path: Path) -> int:
    return S_IMODE(path.stat().st_mode)
