"""Writing an evidence bundle: a folder, or a zip of the same files; whole, or not at all.

The files are written into a folder under a temporary name beside the target, made durable, and
renamed. A zip is packed from that folder: names sorted, one fixed time, fixed modes, and stored
without compression, because what deflate makes of the same bytes differs from one version of
zlib to the next. What stands at the target is never replaced.
"""

import contextlib
import os
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from importlib.resources import files as resources
from pathlib import Path

from ledger.adapters.durable import WriteFailedError, remove_tree, rename, sync_tree
from ledger.application.bundle import BundleFile, Contents
from ledger.application.bundle_manifest import MANIFEST, Listed, readme_of
from ledger.errors import UsageError

_TEXTS = "ledger.application"
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold
_UNIX = 3
_PLAIN, _EXECUTABLE = 0o100644, 0o100755
_CHUNK = 1024 * 1024
Close = Callable[[Sequence[Listed]], Iterable[BundleFile]]


class TargetTakenError(UsageError):
    """Something stands where the export is to go."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is there already",
            fact="an export never replaces what is there",
            hint="name another place with -o, or move it away",
        )
        self.path = path


class TargetFolderError(UsageError):
    """The folder of the target is not there, or cannot be looked at."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} cannot be written",
            fact=f"{path.parent} is no folder, or this user may not look there",
            hint="make the folder, or name another place with -o",
        )
        self.path = path


class ExportNotWrittenError(UsageError):
    """The system does not let the export be written; nothing of it stays behind."""

    def __init__(self, path: Path, cause: OSError | WriteFailedError) -> None:
        super().__init__(
            f"{path} cannot be written",
            fact=str(cause) if isinstance(cause, WriteFailedError) else cause.strerror or str(cause),
            hint="free some space, or name another place with -o",
        )
        self.path = path


def standing_files(contents: Contents, *, tool: str) -> Iterator[BundleFile]:
    """Yield the files that come with the program: what the bundle is, and how it is verified."""
    yield readme_of(_text("README"), contents=contents, tool=tool)
    yield BundleFile("VERIFY.md", _text("VERIFY.md").encode())
    yield BundleFile("verify.sh", _text("verify.sh").encode(), executable=True)


@contextlib.contextmanager
def written_bundle(target: Path, files: Iterable[BundleFile], *, close: Close) -> Iterator[str]:
    """Write *files*, and those with which *close* ends them, to *target*; give the digest of the manifest.

    A block that fails takes the bundle back. Where *target* ends in ``.zip`` it is a zip.
    Raises: TargetTakenError, TargetFolderError, ExportNotWrittenError; what *files* raises.
    """
    target = target.absolute()
    check_target(target)
    manifest = _publish(target, files, close)
    try:
        yield manifest
    except BaseException:
        remove_tree(target)
        raise


def check_target(target: Path) -> None:
    """Refuse a place that is taken, or whose folder is not there.

    Raises: TargetTakenError, TargetFolderError.
    """
    if os.path.lexists(target):
        raise TargetTakenError(target)
    if not os.path.isdir(target.absolute().parent):  # noqa: PTH112 # unlike pathlib, it says no where it may not look
        raise TargetFolderError(target)


def write_file(target: Path, chunks: Iterable[bytes]) -> None:
    """Write *chunks* to a new file *target*, whole or not at all.

    Raises: TargetTakenError, TargetFolderError, ExportNotWrittenError; what *chunks* raises.
    """
    target = target.absolute()
    check_target(target)
    temporary = target.with_name(f".{target.name}.ledger-tmp")
    try:
        remove_tree(temporary)
        with temporary.open("xb") as written:
            written.writelines(chunks)
        sync_tree(temporary)
        rename(temporary, target)
    except (OSError, WriteFailedError) as exc:
        raise ExportNotWrittenError(target, exc) from exc
    finally:
        with contextlib.suppress(WriteFailedError):
            remove_tree(temporary)


def _text(name: str) -> str:
    return (resources(_TEXTS) / "bundle_files" / name).read_text(encoding="utf-8")


def _publish(target: Path, files: Iterable[BundleFile], close: Close) -> str:
    temporary = target.with_name(f".{target.name}.ledger-tmp")
    packed = target.with_name(f".{target.name}.ledger-tmp.zip")
    try:
        remove_tree(temporary)
        manifest = _write_all(temporary, files, close)
        ready = temporary
        if target.suffix == ".zip":
            _pack(temporary, packed)
            ready = packed
        sync_tree(ready)
        rename(ready, target)
    except (OSError, WriteFailedError) as exc:
        raise ExportNotWrittenError(target, exc) from exc
    finally:
        for left in (temporary, packed):
            with contextlib.suppress(WriteFailedError):
                remove_tree(left)
    return manifest


def _write_all(root: Path, files: Iterable[BundleFile], close: Close) -> str:
    listed = []
    for file in files:
        _write(root, file)
        listed.append(Listed.of(file))
    digest = ""
    for file in close(listed):
        _write(root, file)
        digest = sha256(file.data).hexdigest() if file.path == MANIFEST else digest
    return digest


def _write(root: Path, file: BundleFile) -> None:
    path = root / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as written:
        written.write(file.data)
    path.chmod(0o755 if file.executable else 0o644)


def _pack(folder: Path, archive: Path) -> None:
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    with zipfile.ZipFile(archive, "w") as packed:
        for name in names:
            status = (folder / name).stat()
            member = zipfile.ZipInfo(name, _FIXED_TIME)
            member.create_system = _UNIX
            member.external_attr = (_EXECUTABLE if status.st_mode & 0o100 else _PLAIN) << 16
            member.file_size = status.st_size
            with (folder / name).open("rb") as source, packed.open(member, "w") as written:
                shutil.copyfileobj(source, written, _CHUNK)
