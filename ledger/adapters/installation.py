"""The files of one EMQX root: what boots, what is unpacked, what the node is called.

The root itself may be given by a link (packages do so) and is resolved once. The boot files
RELEASES, start_erl.data and emqx_vars must be plain files: the node writes them in place, while a
rename would cut a link off from its target, so that a link there is refused. They are read as
strict UTF-8 of at most 16 MiB. A boot file that is missing, unreadable or malformed is rule 8
(RULINGS 35): changes stop with exit 5 until ``recover``.

``releases/.ledger-saved/`` holds one copy of each boot file: the last one that was read before a
change and that parsed. A file that is missing or damaged never takes the place of a good copy.

Other folders are where emqx_vars puts them: a Debian package has ``RUNNER_ETC_DIR="/etc/emqx"``.
"""

import os
import re
from pathlib import Path

from ledger.adapters import durable
from ledger.adapters.emqx_vars import values, with_boot
from ledger.adapters.plain_file import FileNotReadError, Problem, names_in, read_file, read_if_there
from ledger.adapters.releases_file import (
    BootFileTextError,
    ReleaseEntry,
    StartErl,
    parse_releases,
    print_releases,
)
from ledger.dataclass import dataclass
from ledger.errors import OpenAttemptError

SAVED = ".ledger-saved"
_ELF_HEADER = 20
_ELF_MACHINES = {62: "amd64", 183: "arm64"}  # EM_X86_64, EM_AARCH64 of elf.h
_ARGS_NAME = re.compile(r"^[ \t]*-s?name[ \t]+(\S+)[ \t]*(?:#.*)?\r?$", re.MULTILINE)
_CONF_NAME = re.compile(r"^[ \t]*node\.name[ \t]*=[ \t]*(\S+)[ \t]*\r?$", re.MULTILINE)
_HINTS = {
    Problem.MISSING: "run `release-ledger recover`, which can put the saved copy back",
    Problem.UNREADABLE: "let the user of the command read it, then run the command again",
    Problem.MALFORMED: "run `release-ledger recover`, which can put the saved copy back",
}


class BootFileError(OpenAttemptError):
    """A boot file does not say what boots (PRODUCT rule 8)."""

    def __init__(self, path: Path, problem: Problem, detail: str) -> None:
        super().__init__(f"{path} is {problem}", fact=detail, hint=_HINTS[problem])
        self.path, self.problem, self.detail = path, problem, detail


@dataclass(frozen=True)
class Installation:
    """The files of one EMQX root."""

    root: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", Path(os.path.realpath(self.root)))

    @property
    def releases(self) -> Path:
        """The folder of the releases and boot files."""
        return self.root / "releases"

    @property
    def releases_file(self) -> Path:
        """The table on disk."""
        return self.releases / "RELEASES"

    @property
    def start_erl_file(self) -> Path:
        """The pointer that OTP keeps."""
        return self.releases / "start_erl.data"

    @property
    def vars_file(self) -> Path:
        """The pointer that bin/emqx boots by."""
        return self.releases / "emqx_vars"

    def read_releases(self) -> tuple[ReleaseEntry, ...]:
        """Return the table on disk.

        Raises: BootFileError.
        """
        return _parsed_releases(self.releases_file, self.boot_file(self.releases_file))

    def read_start_erl(self) -> StartErl:
        """Return what start_erl.data names.

        Raises: BootFileError.
        """
        return _parsed_start_erl(self.start_erl_file, self.boot_file(self.start_erl_file))

    def read_vars(self) -> str:
        """Return the text of emqx_vars, for `ledger.adapters.emqx_vars`.

        Raises: BootFileError.
        """
        return _parsed_vars(self.vars_file, self.boot_file(self.vars_file))

    def boot_file(self, path: Path) -> bytes:
        """Return the content of a boot file.

        Raises: BootFileError.
        """
        try:
            return read_file(path, follow=False)
        except FileNotReadError as exc:
            raise BootFileError(path, exc.problem, exc.detail) from exc

    def write_releases(self, entries: tuple[ReleaseEntry, ...]) -> None:
        """Replace the table on disk durably."""
        durable.replace_file(self.releases_file, print_releases(entries))

    def write_start_erl(self, start_erl: StartErl) -> None:
        """Replace start_erl.data durably."""
        durable.replace_file(self.start_erl_file, bytes(start_erl))

    def write_vars(self, text: str) -> None:
        """Replace emqx_vars durably."""
        durable.replace_file(self.vars_file, text.encode())

    def boot_next(self, *, vsn: str, erts: str) -> None:
        """Let emqx_vars boot release *vsn*, as bin/emqx does after it made it permanent (otp.md 5.2).

        Raises: BootFileError, WriteFailedError.
        """
        text = self.read_vars()
        changed = with_boot(text, vsn=vsn, erts=erts)
        if changed != text:
            self.write_vars(changed)

    def can_boot(self, vsn: str) -> bool:
        """Tell whether the boot script of release *vsn* is there."""
        return (self.releases / _one_name(vsn) / "start.boot").is_file()

    def boots(self) -> str:
        """Return the release that emqx_vars boots.

        Raises: BootFileError, also where no file of that release is there and RELEASES does not list it.
        """
        vsn = values(self.read_vars(), "REL_VSN")[-1]
        if not self.can_boot(vsn) and not self._lists(vsn):
            raise BootFileError(self.vars_file, Problem.MALFORMED, f"it boots {vsn}, which is not there")
        return vsn

    def _lists(self, vsn: str) -> bool:
        try:
            return any(entry.vsn == vsn for entry in self.read_releases())
        except BootFileError:
            return False

    def saved_releases(self) -> tuple[ReleaseEntry, ...] | None:
        """Return the saved table, None where there is no sound copy."""
        try:
            return parse_releases(read_file(self.releases / SAVED / "RELEASES"))
        except (FileNotReadError, BootFileTextError):
            return None

    def save_copies(self, folder_name: str = SAVED) -> tuple[str, ...]:
        """Keep a copy of each boot file that is sound; return the names of those.

        A table that lost a release whose files are there does not take the place of one that has it.

        Raises: WriteFailedError.
        """
        parsers = {
            self.releases_file: _parsed_releases,
            self.start_erl_file: _parsed_start_erl,
            self.vars_file: _parsed_vars,
        }
        folder, saved = self.releases / folder_name, []
        durable.make_folder(folder, mode=0o755)
        for path, parse in parsers.items():
            try:
                data = self.boot_file(path)
                parse(path, data)
            except BootFileError:
                continue
            if path == self.releases_file and folder_name == SAVED and self._lost_by(parse_releases(data)):
                continue
            if read_if_there(folder / path.name) != data:
                durable.replace_file(folder / path.name, data)
            saved.append(path.name)
        return tuple(saved)

    def _lost_by(self, entries: tuple[ReleaseEntry, ...]) -> bool:
        listed = {entry.vsn for entry in entries}
        return any(entry.vsn not in listed and self.can_boot(entry.vsn) for entry in self.saved_releases() or ())

    def erts_folders(self) -> tuple[str, ...]:
        """Return the names of the ``erts-*`` folders, sorted.

        Raises: FileNotReadError.
        """
        return names_in(self.root, "erts-", folders=True)

    def built_on(self, vsn: str) -> str | None:
        """Return what ``releases/V/BUILT_ON`` says of the build, None where it is not there.

        Raises: FileNotReadError.
        """
        return (_text(self.releases / _one_name(vsn) / "BUILT_ON") or "").strip() or None

    def elf_machine(self, erts: str) -> str | None:
        """Return ``amd64`` or ``arm64`` by the ELF header of the emulator *erts*, else None.

        Raises: FileNotReadError.
        """
        header = read_if_there(self.root / f"erts-{_one_name(erts)}" / "bin" / "beam.smp", first=_ELF_HEADER)
        if header is None or len(header) < _ELF_HEADER or header[:4] != b"\x7fELF" or header[5] not in {1, 2}:
            return None
        # elf(5): e_ident[EI_DATA] is the byte order, e_machine stands at byte 18.
        return _ELF_MACHINES.get(int.from_bytes(header[18:20], "little" if header[5] == 1 else "big"))

    def node_name_on_disk(self) -> str | None:
        """Return the node's name by its files (RULINGS 18), None where none tells it.

        That is the newest ``vm.<time>.args`` that a start made, else ``etc/vm.args``, else
        ``node.name`` of ``etc/emqx.conf``.
        Raises: FileNotReadError.
        """
        etc = self._folder("RUNNER_ETC_DIR", "etc")
        made = self.newest_vm_args()
        if made is not None and (name := _last_name(_ARGS_NAME, made)):
            return name
        return _last_name(_ARGS_NAME, etc / "vm.args") or _last_name(_CONF_NAME, etc / "emqx.conf")

    def newest_vm_args(self) -> Path | None:
        """Return the ``vm.<time>.args`` of the last start, None where the node never started here.

        Raises: FileNotReadError.
        """
        configs = self._folder("RUNNER_DATA_DIR", "data") / "configs"
        names = names_in(configs, "vm.", end=".args")
        return configs / names[-1] if names else None

    def _folder(self, variable: str, name: str) -> Path:
        """Return the folder that emqx_vars sets, else that below the root."""
        found = values(_text(self.vars_file) or "", variable)
        text = re.sub(
            r"\$(?:RUNNER_ROOT_DIR\b|\{RUNNER_ROOT_DIR\})", lambda _: str(self.root), found[-1] if found else ""
        )
        return Path(text) if text.startswith("/") and "$" not in text else self.root / name


def _parsed_releases(path: Path, data: bytes) -> tuple[ReleaseEntry, ...]:
    try:
        return parse_releases(data)
    except BootFileTextError as exc:
        raise BootFileError(path, Problem.MALFORMED, exc.problem) from exc


def _parsed_start_erl(path: Path, data: bytes) -> StartErl:
    try:
        return StartErl.parse(data)
    except BootFileTextError as exc:
        raise BootFileError(path, Problem.MALFORMED, exc.problem) from exc


def _parsed_vars(path: Path, data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError as exc:
        raise BootFileError(path, Problem.MALFORMED, f"byte {exc.start} is not UTF-8") from exc
    if not values(text, "REL_VSN"):
        raise BootFileError(path, Problem.MALFORMED, "no line sets REL_VSN")
    return text


def _text(path: Path) -> str | None:
    data = read_if_there(path)
    return None if data is None else data.decode(errors="replace")


def _one_name(text: str) -> str:
    """Return *text* as one part of a path: what a damaged file names never leaves the root."""
    return text.replace("/", "_").replace("\0", "_")


def _last_name(pattern: re.Pattern[str], path: Path) -> str | None:
    found = pattern.findall(_text(path) or "")
    return found[-1].strip("\"'") or None if found else None
