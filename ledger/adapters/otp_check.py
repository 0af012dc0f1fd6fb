"""What OTP's release handler refuses, with its own reasons (otp.md sections 2.1 and 3.1).

``check_install_release`` looks into the relup of the target for a way up from what runs, then into
the relup of what runs for a way down to the target. It loads the boot script and needs every
library folder.
"""

from pathlib import Path

from ledger.adapters.package_layout import MAX_TEXT, relup_of
from ledger.adapters.releases_file import ReleaseEntry
from ledger.domain.relup import Relup
from ledger.domain.status import ReleaseStatus
from ledger.domain.version import Vsn


class RelupFileError(Exception):
    """A relup file is there and cannot be read; *otp_reason* is what OTP says."""

    def __init__(self, path: Path) -> None:
        self.otp_reason = f'{{bad_relup_file,"{path}"}}'
        super().__init__(self.otp_reason)


def read_relup(root: Path, vsn: str) -> Relup | None:
    """Return the relup of a release on disk, None where it has none.

    Raises: RelupFileError.
    """
    path = root / "releases" / vsn / "relup"
    try:
        with path.open("rb") as file:
            text = file.read(MAX_TEXT + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise RelupFileError(path) from exc
    relup = relup_of(text, Vsn.parse(vsn)) if len(text) <= MAX_TEXT else None
    if relup is None:
        raise RelupFileError(path)
    return relup


def refusal_of_install(root: Path, memory: tuple[ReleaseEntry, ...], vsn: str, *, running: str) -> str | None:
    """Return OTP's reason against installing *vsn* while *running* runs, None where it may go."""
    entry = _entry(memory, vsn)
    if entry is None:
        return _no_such_release(vsn)
    if entry.status is ReleaseStatus.CURRENT:
        return f'{{already_installed,"{vsn}"}}'
    return _refusal_of_files(root, entry, running)


def refusal_of_permanent(memory: tuple[ReleaseEntry, ...], vsn: str) -> str | None:
    """Return OTP's reason against making *vsn* permanent, None where it may be."""
    entry = _entry(memory, vsn)
    if entry is None:
        return _no_such_release(vsn)
    may_be = entry.status in {ReleaseStatus.CURRENT, ReleaseStatus.PERMANENT}
    return None if may_be else f"{{bad_status,{entry.status}}}"


def refusal_of_removal(memory: tuple[ReleaseEntry, ...], vsn: str) -> str | None:
    """Return OTP's reason against removing *vsn*, None where it may go.

    OTP itself removes a current release; EMQX's script never asks for that (otp.md 2.1).
    """
    entry = _entry(memory, vsn)
    if entry is None:
        return _no_such_release(vsn)
    may_go = entry.status in {ReleaseStatus.UNPACKED, ReleaseStatus.OLD}
    return None if may_go else f'{{{entry.status},"{vsn}"}}'


def _entry(memory: tuple[ReleaseEntry, ...], vsn: str) -> ReleaseEntry | None:
    return next((entry for entry in memory if entry.vsn == vsn), None)


def _no_such_release(vsn: str) -> str:
    return f'{{no_such_release,"{vsn}"}}'


def _refusal_of_files(root: Path, entry: ReleaseEntry, running: str) -> str | None:
    vsn = entry.vsn
    try:
        refusal = _refusal_of_way(root, vsn, running)
    except RelupFileError as exc:
        return exc.otp_reason
    if refusal is not None:
        return refusal
    boot = root / "releases" / vsn / "start.boot"
    if not boot.is_file():
        return f'{{no_such_file,"{boot}"}}'
    for lib in entry.libs:
        folder = root / "lib" / f"{lib.app}-{lib.vsn}"
        if not folder.is_dir():
            return f'{{no_such_file,"{lib.dir}"}}'
    return None


def _refusal_of_way(root: Path, vsn: str, running: str) -> str | None:
    up = read_relup(root, vsn)
    way = up.up_from(running) if up is not None else None
    if way is None:
        down = read_relup(root, running)
        if down is None:
            return f'{{enoent,"{root}/releases/{running}/relup"}}'
        way = down.down_to(vsn)
    if way is None:
        return f'{{no_matching_relup,"{vsn}","{running}"}}'
    if way.restarts_emulator:
        return "{restart_emulator,an_embedded_node_has_no_emulator}"
    return None
