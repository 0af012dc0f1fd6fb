"""The embedded driver: a release handler in Python over a real installation directory.

It follows OTP's state machine (otp.md section 2) on real files, with a memory that a restart
throws away (embedded_state.py). Nothing runs: it serves rehearsals on a copy, image building,
training and tests, and refuses an installation from which a program runs.

Boot files are changed in one order that leaves a bootable installation at every point: the new
memory together with the files to come, then the scripts of what boots, emqx_vars, start_erl.data,
RELEASES, then the memory without them (RULINGS 16). Whoever reads the memory rolls a broken-off
change forward.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from ledger.adapters import durable
from ledger.adapters.boot_agreement import disagreements, full_table, keep, restore_saved
from ledger.adapters.boot_files import read_boot_files
from ledger.adapters.boot_scripts import lacking_scripts, mixed_scripts, put_scripts
from ledger.adapters.embedded_state import (
    BOOT_FILES,
    STATE_FILE,
    VARS_FILE,
    EmbeddedState,
    EmbeddedStateError,
    PendingFile,
    forget_state,
    read_state,
    write_state,
)
from ledger.adapters.emqx_vars import rel_vsns, with_boot
from ledger.adapters.installation import BootFileError, Installation
from ledger.adapters.otp_check import refusal_of_install, refusal_of_permanent, refusal_of_removal
from ledger.adapters.plain_file import FileNotReadError, read_file
from ledger.adapters.release_parts import parts_to_remove, what_stays
from ledger.adapters.release_table import entry_of, table_of, tables_of, with_table, written
from ledger.adapters.releases_file import Lib, ReleaseEntry, StartErl, print_releases
from ledger.adapters.running import running_under
from ledger.adapters.set_aside import left_overs, move_aside
from ledger.adapters.staging import discard, drop_rel_file, place, stage
from ledger.application.ports import CheckRefusedError, Progress, StepFailedError
from ledger.dataclass import replace
from ledger.domain.observation import Observation
from ledger.domain.outcomes import Installed, Removed, StagedPackage, Unpacked
from ledger.domain.package_facts import PackageFacts
from ledger.domain.records import Driver, Run
from ledger.domain.status import ReleaseStatus
from ledger.domain.tables import Tables
from ledger.domain.version import OtpVsn
from ledger.errors import CheckFailedError, RefusedError

_FIRST_OTP_WITH_RELATIVE_DIRS = 25
_VM_ARGS_MODE = 0o640


class LiveInstallationError(RefusedError):
    """A program runs from the installation, so it is not a rehearsal."""

    def __init__(self, root: Path, pids: tuple[int, ...]) -> None:
        super().__init__(
            f"{root} is in use by a running node",
            fact=f"the programs of these processes lie under it: {', '.join(map(str, pids))}",
            hint="rehearse on a copy; change a running node with `--driver node`",
        )
        self.pids = pids


class BootImpossibleError(CheckFailedError):
    """The node would not come up again, so it is not restarted."""

    def __init__(self, fact: str) -> None:
        super().__init__(
            "the node would not boot", fact=fact, hint="run `release-ledger recover`: it makes the boot files agree"
        )


class EmbeddedNode:
    """A node that lives in the files of *root*; *boot_id* is the host's boot, *now* tells the time."""

    def __init__(self, root: Path, *, boot_id: str, now: Callable[[], str]) -> None:
        self._files = Installation(root)
        self._root = self._files.root
        self._boot_id = boot_id
        self._now = now

    @property
    def driver(self) -> Driver:
        """The driver that this is."""
        return Driver.EMBEDDED

    def observe(self) -> Observation:
        """Return what memory and disk show; a node that does not run is booted.

        Raises: LiveInstallationError; EmbeddedStateError; BootFileError where nothing tells what boots.
        """
        if pids := running_under(self._root):
            raise LiveInstallationError(self._root, pids)
        state = self._load()
        found = read_boot_files(self._files)
        disk = None if found.entries is None else table_of(found.entries)
        return Observation(
            tables=Tables(memory=table_of(state.memory), disk=disk, start_erl=found.start_erl, rel_vsn=found.rel_vsn),
            booted=state.booted,
            run=state.run,
            code=state.code,
            erts=state.erts,
            erts_of={entry.vsn: entry.erts for entry in state.memory},
            problems=found.problems,
        )

    def stage_release(self, package: PackageFacts, *, attempt: str, progress: Progress) -> StagedPackage:
        """Lay *package* out beside the installation, checking all of its content."""
        vsn = package.sound_vsn()
        known = any(entry.vsn == vsn for entry in self._load().memory)
        aside = () if known else left_overs(self._root, vsn)
        staged = stage(package, root=self._root, progress=progress, absent=aside)
        return StagedPackage(package=package, staged=staged, set_aside=aside, attempt=attempt)

    def discard_staged(self, staged: StagedPackage) -> None:
        """Remove what is laid out."""
        discard(self._root, staged.staged.vsn)

    def unpack_release(self, staged: StagedPackage) -> Unpacked:
        """Place what is staged and register its release as ``unpacked``."""
        package, state = staged.package, self._load()
        vsn, erts = package.sound_vsn(), package.erts or ""
        self._files.save_copies()
        move_aside(self._root, staged.set_aside, attempt=staged.attempt)
        place(staged.staged)
        drop_rel_file(self._root, vsn)
        self._drop_link(vsn)
        if not any(entry.vsn == vsn for entry in state.memory):
            libs = tuple(self._lib(app, lib_vsn, state.erts) for app, lib_vsn in package.libs)
            entry = ReleaseEntry("emqx", vsn, erts, libs, ReleaseStatus.UNPACKED)
            self._write(state, (entry, *state.memory))
        return Unpacked(vsn=vsn, erts=erts, files=staged.staged.files, files_sha256=staged.staged.files_sha256)

    def install_release(self, vsn: str) -> Installed:
        """Check as OTP does, then make *vsn* what runs; RELEASES is not written (otp.md 2.2)."""
        state = self._load()
        running = tables_of(state.memory).running or state.booted
        refusal = refusal_of_install(self._root, state.memory, vsn, running=running)
        if refusal is not None:
            raise CheckRefusedError(vsn, refusal)
        self._copy_settings(vsn)
        memory = with_table(state.memory, tables_of(state.memory).installed(vsn).memory)
        write_state(self._root, replace(state, memory=memory, code=vsn))
        return Installed()

    def make_permanent(self, vsn: str) -> None:
        """Put the scripts of *vsn* in place and let all boot files name it."""
        state = self._load()
        _refuse("make_permanent", vsn, refusal_of_permanent(state.memory, vsn))
        if lacking := lacking_scripts(self._root, vsn):
            raise StepFailedError("make_permanent", vsn, f"enoent: {', '.join(lacking)}")
        self._files.save_copies()
        memory = with_table(state.memory, tables_of(state.memory).made_permanent(vsn).memory)
        self._write(state, memory, boots=entry_of(state.memory, vsn))
        put_scripts(self._root, vsn)  # where emqx_vars named it already

    def remove_release(self, vsn: str) -> Removed:
        """Delete what only *vsn* uses, then its entry (otp.md section 7)."""
        state = self._load()
        _refuse("remove_release", vsn, refusal_of_removal(state.memory, vsn))
        rest = tuple(entry for entry in state.memory if entry.vsn != vsn)
        parts = parts_to_remove(entry_of(state.memory, vsn), rest)
        missing = tuple(part for part in parts if not os.path.lexists(self._root / part))
        self._files.save_copies()
        for part in parts:
            durable.remove_whole(self._root / part)
        self._write(state, rest)
        return Removed(
            removed=tuple(part for part in parts if part not in missing),
            stays=what_stays(self._root, vsn),
            missing=missing,
        )

    def restart(self) -> None:
        """End the node and boot what emqx_vars names.

        Raises: BootImpossibleError before anything ends.
        """
        state = self._load()
        vsn = rel_vsns(self._files.read_vars())[-1]
        if vsn not in {entry.vsn for entry in self._files.read_releases()}:
            raise BootImpossibleError(f"emqx_vars boots {vsn}, which RELEASES does not know")
        if not self._files.can_boot(vsn):
            raise BootImpossibleError(f"releases/{vsn}/start.boot is missing")
        self._boot(int(state.run.generation) + 1)

    def revive(self) -> tuple[str, ...]:
        """Throw a memory away that cannot be read; the next look boots from disk."""
        done: list[str] = []
        while len(done) <= len(BOOT_FILES):
            try:
                self._load()
            except EmbeddedStateError as exc:
                keep(self._files, self._root / STATE_FILE)
                forget_state(self._root)
                done.append(f"{exc}: {exc.fact}; it was set aside, and the node boots from disk")
            except BootFileError as exc:
                done.append(restore_saved(self._files, exc.path))
            else:
                break
        return tuple(done)

    def disagreements(self, vsn: str, *, scripts: bool) -> tuple[str, ...]:
        """Return, in words, each place that does not name *vsn* permanent."""
        return tuple(disagreements(self._files, self._load().memory, vsn, scripts=scripts))

    def agree_on(self, vsn: str, *, scripts: bool) -> tuple[str, ...]:
        """Make memory and boot files name *vsn* permanent."""
        state = self._load()
        done = tuple(disagreements(self._files, state.memory, vsn, scripts=scripts))
        for path in (*BOOT_FILES, STATE_FILE):
            keep(self._files, self._root / path)
        try:
            self._files.read_vars()
        except BootFileError as exc:
            restore_saved(self._files, exc.path)
        memory = full_table(self._files, state.memory, vsn)
        memory = with_table(memory, tables_of(memory).made_permanent(vsn).memory)
        self._write(state, memory, boots=entry_of(memory, vsn), table=True)
        if scripts or any(mixed_scripts(self._root, vsn, tuple(entry.vsn for entry in memory))):
            put_scripts(self._root, vsn)
        return tuple(f"mended {place}" for place in done)

    def _load(self) -> EmbeddedState:
        state = read_state(self._root)
        if state is None:
            return self._boot(1)
        if not self._is_alive(state):
            return self._boot(int(state.run.generation) + 1)
        return self._rolled_forward(state) if state.pending else state

    def _is_alive(self, state: EmbeddedState) -> bool:
        here = self._root.stat()
        return (
            (state.root, state.device, state.inode) == (str(self._root), here.st_dev, here.st_ino)
            and state.run.boot_id == self._boot_id
            and state.vm_args >= self._newest_vm_args()
        )

    def _boot(self, generation: int) -> EmbeddedState:
        """Boot from disk; a ``tmp_current`` there is settled and written back (otp.md 2.1)."""
        state = self._booted(generation)
        texts: dict[str, str] = {}
        if any(e.status is ReleaseStatus.TMP_CURRENT for e in read_boot_files(self._files).entries or ()):
            texts["releases/RELEASES"] = print_releases(written(state.memory)).decode()
        return self._stored(state, texts)

    def _booted(self, generation: int) -> EmbeddedState:
        rel_vsn = self._files.boots()
        try:
            entries = self._files.read_releases()
        except BootFileError:
            # OTP: without a readable RELEASES, one entry, the booted version, permanent, without libs.
            erts = self._files.read_start_erl().erts
            entries = (ReleaseEntry("emqx", rel_vsn, erts, (), ReleaseStatus.PERMANENT),)
        tables = Tables(memory=(), disk=table_of(entries), start_erl=None, rel_vsn=rel_vsn).restarted()
        here = self._root.stat()
        return EmbeddedState(
            root=str(self._root),
            device=here.st_dev,
            inode=here.st_ino,
            vm_args=self._newest_vm_args(),
            run=Run(boot_id=self._boot_id, started_at=self._now(), generation=str(generation)),
            booted=rel_vsn,
            code=rel_vsn,
            erts=next((entry.erts for entry in entries if entry.vsn == rel_vsn), entries[0].erts),
            memory=with_table(entries, tables.memory),
        )

    def _newest_vm_args(self) -> str:
        newest = self._files.newest_vm_args()
        return newest.name if newest else ""

    def _write(
        self,
        state: EmbeddedState,
        memory: tuple[ReleaseEntry, ...],
        *,
        boots: ReleaseEntry | None = None,
        table: bool = False,
    ) -> None:
        texts: dict[str, str] = {}
        if boots is not None:
            texts["releases/emqx_vars"] = with_boot(self._files.read_vars(), vsn=boots.vsn, erts=boots.erts)
            texts["releases/start_erl.data"] = bytes(StartErl(boots.erts, boots.vsn)).decode()
        if table or memory != state.memory:
            texts["releases/RELEASES"] = print_releases(written(memory)).decode()
        self._stored(replace(state, memory=memory), texts)

    def _stored(self, state: EmbeddedState, texts: Mapping[str, str]) -> EmbeddedState:
        """Store the memory with the boot files to come, then write them (RULINGS 16)."""
        state = replace(state, pending=tuple((path, self._pending(path, text)) for path, text in texts.items()))
        write_state(self._root, state)
        return self._rolled_forward(state) if state.pending else state

    def _pending(self, path: str, text: str) -> PendingFile:
        return PendingFile(text, sha256(text.encode()).hexdigest(), self._digest(path))

    def _rolled_forward(self, state: EmbeddedState) -> EmbeddedState:
        """Write the boot files that are to come; one that somebody changed since is left as it is."""
        for path, pending in sorted(state.pending, key=lambda item: BOOT_FILES.index(item[0])):
            if self._is_to_come(path, pending):
                if path == VARS_FILE:
                    put_scripts(self._root, rel_vsns(pending.text)[-1])
                durable.replace_file(self._root / path, pending.text.encode())
        state = replace(state, pending=())
        write_state(self._root, state)
        # So that a table that is lost right after this change is found again; the change itself is done.
        with suppress(durable.WriteFailedError):
            self._files.save_copies()
        return state

    def _is_to_come(self, path: str, pending: PendingFile) -> bool:
        return self._digest(path) == pending.was_sha256 != pending.sha256

    def _digest(self, path: str) -> str | None:
        """Return the digest of a plain file; a link, a pipe or a folder in its place is none, and is replaced."""
        try:
            return sha256(read_file(self._root / path, follow=False)).hexdigest()
        except FileNotReadError:
            return None

    def _drop_link(self, vsn: str) -> None:
        """Remove the link to a tarball that EMQX's script left in ``releases/V`` (otp.md section 4)."""
        link = self._root / "releases" / vsn / "emqx.tar.gz"
        if link.is_symlink():
            durable.remove_file(link)

    def _lib(self, app: str, vsn: str, erts: str) -> Lib:
        folder = f"lib/{app}-{vsn}"
        relative = OtpVsn.of_erts(erts).major >= _FIRST_OTP_WITH_RELATIVE_DIRS
        return Lib(app, vsn, folder if relative else str(self._root / folder))

    def _copy_settings(self, vsn: str) -> None:
        """Give the release the arguments and settings of the last start, as the scripts do (otp.md 5.2)."""
        folder = self._root / "releases" / vsn
        vm_args = self._files.newest_vm_args()
        if vm_args is not None:
            durable.copy_file(vm_args, folder / "vm.args", mode=_VM_ARGS_MODE)
            config = vm_args.with_name(vm_args.name.replace("vm.", "app.", 1).replace(".args", ".config"))
            if config.is_file():
                durable.copy_file(config, folder / "sys.config", mode=_VM_ARGS_MODE)


def _refuse(call: str, vsn: str, otp_reason: str | None) -> None:
    if otp_reason is not None:
        raise StepFailedError(call, vsn, otp_reason)
