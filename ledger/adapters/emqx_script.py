"""The driver of a running node through EMQX's own ``bin/emqx`` (PRODUCT section 2, otp.md).

Every change is a run of the vendor's script; every look goes to the node itself. A run is judged
by what node and disk show afterwards, never by its text or its exit code: 4 may mean that the
node restarts, 127 that the script crashed anywhere. Its faults are looked for before it is run.

A step of ours is one word of the script: ``unpack``, ``install --no-permanent``, ``install`` of what
runs as a trial, which makes it permanent, ``uninstall``. The package is laid out beside the
installation first, as for the other drivers, so that all of its content is checked, and what the
script unpacked is compared with it: the node extracts with "keep existing files" (otp.md 4).
"""

import time
from filecmp import cmp
from pathlib import Path

from ledger.adapters import durable
from ledger.adapters.boot_agreement import disagreements
from ledger.adapters.boot_scripts import lacking_scripts
from ledger.adapters.erlang_node import ErlangNode
from ledger.adapters.erlang_terms import Term
from ledger.adapters.installation import Installation
from ledger.adapters.node_connection import NodeConnection
from ledger.adapters.node_view import NodeView, entries_of
from ledger.adapters.otp_check import refusal_of_permanent, refusal_of_removal
from ledger.adapters.release_parts import parts_to_remove, what_stays
from ledger.adapters.release_table import Entries, entry_of
from ledger.adapters.script_faults import (
    SETTINGS,
    UNPRINTABLE,
    changed_settings,
    fault_of_repair,
    fault_of_script,
    fault_of_settings,
    faults_of_package,
)
from ledger.adapters.script_run import SECONDS, Said, Tell, run_script
from ledger.adapters.set_aside import move_aside
from ledger.adapters.staging import discard
from ledger.application.ports import CheckRefusedError, Progress, RelupCrashedError, StepFailedError
from ledger.domain.observation import Observation
from ledger.domain.outcomes import Installed, Removed, StagedPackage, Unpacked
from ledger.domain.package_facts import PackageFacts, PackageUnsoundError, Staged
from ledger.domain.reason import Reason
from ledger.domain.records import Driver
from ledger.domain.status import ReleaseStatus
from ledger.errors import CheckFailedError

_FOLDER_MODE = 0o755
_SETTINGS_SECONDS = 60


class ScriptRefusedError(PackageUnsoundError):
    """EMQX's script has a fault that this unpacking would meet; nothing was touched."""

    def __init__(self, vsn: str, problems: tuple[Reason, ...]) -> None:
        super().__init__(vsn, problems)
        self.args = (f"EMQX's script cannot be used for {vsn}: {'; '.join(problem.message for problem in problems)}",)


class ScriptFaultError(CheckFailedError):
    """EMQX's script has a fault that this step would meet; what runs is unchanged."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.message, fact=reason.fact, hint=reason.hint)
        self.reason = reason


class EmqxScript:
    """``bin/emqx`` of the root of *files*; *node* looks at the node and mends what the script left."""

    def __init__(
        self,
        files: Installation,
        *,
        node: ErlangNode,
        connection: NodeConnection,
        tell: Tell = lambda _: None,
        seconds: float = SECONDS,
    ) -> None:
        self._files = files
        self._root = files.root
        self._node = node
        self._connection = connection
        self._tell = tell
        self._seconds = seconds
        self._said: list[str] = []

    @property
    def driver(self) -> Driver:
        """The driver that this is."""
        return Driver.SCRIPT

    def said(self) -> tuple[str, ...]:
        """Return each command of the script with the code that it ended with and what it said."""
        return tuple(self._said)

    def observe(self) -> Observation:
        """Return what the node and its files show.

        Raises: ScriptAtWorkError where somebody runs the script; what a look at the node raises.
        """
        return self._node.observe()

    def stage_release(self, package: PackageFacts, *, attempt: str, progress: Progress) -> StagedPackage:
        """Lay *package* out beside the installation, once the script can be trusted with it.

        Raises: ScriptRefusedError with all faults; what staging raises.
        """
        vsn = package.sound_vsn()
        known = self._connection.look_when_idle().status_of(vsn) is not None
        faults = (
            fault_of_script(self._files),
            *faults_of_package(self._files, package),
            fault_of_repair(vsn) if known else None,
            self._fault_of_settings(),
        )
        if found := tuple(fault for fault in faults if fault is not None):
            raise ScriptRefusedError(vsn, found)
        return self._node.stage_release(package, attempt=attempt, progress=progress)

    def discard_staged(self, staged: StagedPackage) -> None:
        """Remove what is laid out."""
        self._node.discard_staged(staged)

    def unpack_release(self, staged: StagedPackage) -> Unpacked:
        """Let the script unpack, and compare what came of it with what the package holds.

        Raises: StepFailedError.
        """
        vsn = staged.package.sound_vsn()
        self._files.save_copies()
        move_aside(self._root, staged.set_aside, attempt=staged.attempt)
        said, view = self._run("unpack", vsn)
        if view.status_of(vsn) is not ReleaseStatus.UNPACKED:
            raise StepFailedError("unpack_release", vsn, said.reason)
        if other := _first_other(staged.staged, self._root):
            raise StepFailedError("unpack_release", vsn, f"{other} is not what the package holds")
        discard(self._root, vsn)
        return Unpacked(
            vsn=vsn,
            erts=staged.package.erts or "",
            files=staged.staged.files,
            files_sha256=staged.staged.files_sha256,
        )

    def install_release(self, vsn: str) -> Installed:
        """Let the script check and install; what it says is believed only as the reason of a failure.

        Raises: ScriptFaultError, CheckRefusedError; RelupCrashedError; ScriptGoesOnError.
        """
        before = self._connection.look_when_idle()
        self._check_install(before, vsn)
        self._files.save_copies()
        settings, begun = self._settings(), time.monotonic()
        said, after = self._run("install", "--no-permanent", vsn)
        if _run_of(after) != _run_of(before):
            how = f"generation {before.generation} to {after.generation}"
            raise RelupCrashedError(vsn, said.reason, how=how, down_ms=round((time.monotonic() - begun) * 1000))
        if not after.runs(vsn):
            raise CheckRefusedError(vsn, said.reason)
        return Installed(settings=changed_settings(settings, self._settings()))

    def make_permanent(self, vsn: str) -> None:
        """Let the script make *vsn* permanent; all boot files and scripts must follow (otp.md 6.2).

        Raises: StepFailedError.
        """
        memory = self._memory()
        _refuse("make_permanent", vsn, refusal_of_permanent(memory, vsn))
        if lacking := lacking_scripts(self._root, vsn):
            raise StepFailedError("make_permanent", vsn, f"enoent: {', '.join(lacking)}")
        self._files.save_copies()
        said, view = self._run("install", vsn)
        left = tuple(disagreements(self._files, entries_of(view, self._files), vsn, scripts=said.code != 0))
        if left:
            raise StepFailedError("make_permanent", vsn, f"{'; '.join(left)}; {said.reason}")
        durable.sync_tree(self._files.releases)

    def remove_release(self, vsn: str) -> Removed:
        """Let the script uninstall; what is missing of *vsn* is laid down empty first (otp.md 6.6).

        Raises: StepFailedError.
        """
        memory = self._memory()
        refusal = refusal_of_removal(memory, vsn)
        if refusal is None and not all(entry.libs for entry in memory):
            refusal = "{no_libs,the_node_booted_without_RELEASES}"  # it would count no library as used
        _refuse("remove_release", vsn, refusal)
        parts = parts_to_remove(entry_of(memory, vsn), tuple(entry for entry in memory if entry.vsn != vsn))
        missing = tuple(part for part in parts if not (self._root / part).exists())
        self._files.save_copies()
        for part in missing:
            durable.make_folder(self._root / part, mode=_FOLDER_MODE)
        said, view = self._run("uninstall", vsn)
        if view.status_of(vsn) is not None:
            raise StepFailedError("remove_release", vsn, said.reason)
        durable.sync_tree(self._files.releases)
        removed = tuple(part for part in parts if part not in missing)
        return Removed(removed=removed, stays=what_stays(self._root, vsn), missing=missing)

    def restart(self) -> None:
        """Restart the node through ``bin/emqx restart``."""
        self._node.restart()

    def revive(self) -> tuple[str, ...]:
        """Return nothing: the memory of a node that answers can be read."""
        return self._node.revive()

    def disagreements(self, vsn: str, *, scripts: bool) -> tuple[str, ...]:
        """Return, in words, each place that does not name *vsn* permanent."""
        return self._node.disagreements(vsn, scripts=scripts)

    def agree_on(self, vsn: str, *, scripts: bool) -> tuple[str, ...]:
        """Make all places name *vsn* permanent: natively, since the script repairs nothing (otp.md 6.2)."""
        return self._node.agree_on(vsn, scripts=scripts)

    def _check_install(self, view: NodeView, vsn: str) -> None:
        """Refuse where the script would do something else than install (otp.md 2.3), or damage something."""
        status, boot = view.status_of(vsn), self._files.releases / vsn / "start.boot"
        if status is None:
            raise CheckRefusedError(vsn, f'{{no_such_release,"{vsn}"}}')
        if status is ReleaseStatus.CURRENT:
            raise CheckRefusedError(vsn, f'{{already_installed,"{vsn}"}}')
        if not boot.is_file():  # the script would unpack it again
            raise CheckRefusedError(vsn, f'{{no_such_file,"{boot}"}}')
        unpacked = status is ReleaseStatus.UNPACKED
        fault = (fault_of_script(self._files) if unpacked else None) or self._fault_of_settings()
        if fault is not None:
            raise ScriptFaultError(fault)

    def _run(self, *arguments: str) -> tuple[Said, NodeView]:
        """Run the script; return what it said and, once the node is idle, what that shows."""
        os_pid = self._connection.look_when_idle().os_pid
        said = run_script(self._files, arguments, os_pid=os_pid, seconds=self._seconds, tell=self._tell)
        lines = said.words.splitlines()
        self._said += (f"{said.command} ended with {said.code}", *lines)
        for line in lines:
            self._tell(f"bin/emqx: {line}")
        return said, self._connection.look_when_idle()

    def _memory(self) -> Entries:
        return entries_of(self._connection.look_when_idle(), self._files)

    def _fault_of_settings(self) -> Reason | None:
        return fault_of_settings(self._connection.call(UNPRINTABLE, seconds=_SETTINGS_SECONDS))

    def _settings(self) -> Term:
        return self._connection.call(SETTINGS, seconds=_SETTINGS_SECONDS)


def _first_other(staged: Staged, root: Path) -> str | None:
    """Return the first path of the package whose content the installation does not have."""
    folder = Path(staged.folder)
    dropped = f"releases/{staged.vsn}/emqx.rel"  # it goes when the release is registered
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file() and name != dropped and not _has(root / name, path):
            return name
    return None


def _has(placed: Path, staged: Path) -> bool:
    return placed.is_file() and cmp(placed, staged, shallow=False)


def _run_of(view: NodeView) -> tuple[int, int, str]:
    return (view.os_pid, view.started_us, view.generation)


def _refuse(call: str, vsn: str, otp_reason: str | None) -> None:
    if otp_reason is not None:
        raise StepFailedError(call, vsn, otp_reason)
