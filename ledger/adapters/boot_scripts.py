"""The scripts in ``bin/``, which follow the release that boots (otp.md 5.2, 6.2).

Each release brings ``bin/<script>-V``; the one that boots has a copy as ``bin/<script>``, and its
``no_dot_erlang.boot``. All copies are written before the first takes its place, so that a full
disk leaves no mixture. What somebody changed by hand is told apart from what a broken-off command
left: the latter is the script of another release.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from stat import S_IMODE

from ledger.adapters import durable
from ledger.adapters.package_layout import SCRIPTS

_MODE = 0o755
_BOOT = "no_dot_erlang.boot"


def lacking_scripts(root: Path, vsn: str) -> tuple[str, ...]:
    """Return what release *vsn* lacks of its scripts, relative to *root*."""
    sources = (source for source, _ in (*_programs(root, vsn), _boot(root, vsn)))
    return tuple(str(source.relative_to(root)) for source in sources if not source.is_file())


def put_scripts(root: Path, vsn: str) -> None:
    """Put those scripts of *vsn* in place that are not there yet; one that it lacks is kept as it is.

    Raises: WriteFailedError.
    """
    durable.copy_files([pair for pair in _programs(root, vsn) if _differs(*pair)], mode=_MODE)
    if _differs(*_boot(root, vsn)):
        durable.copy_file(*_boot(root, vsn))


def write_scripts_beside(root: Path, vsn: str) -> tuple[tuple[Path, Path], ...]:
    """Write what `put_scripts` would put in place beside it; return the temporary names and the places.

    Raises: WriteFailedError.
    """
    pairs = [(source, path, _MODE) for source, path in _different(root, vsn)]
    source, path = _boot(root, vsn)
    if _differs(source, path):
        pairs.append((source, path, S_IMODE(source.stat().st_mode)))
    return tuple((durable.write_beside(path, source.read_bytes(), mode=mode), path) for source, path, mode in pairs)


def other_scripts(root: Path, vsn: str) -> Iterator[str]:
    """Return, in words, each script that is not that of *vsn*."""
    return (f"bin/{path.name}: it is not the script of {vsn}" for _, path in _different(root, vsn))


def mixed_scripts(root: Path, vsn: str, known: tuple[str, ...]) -> Iterator[str]:
    """Return, in words, each script that is missing or that of another *known* release."""
    for _, path in _different(root, vsn):
        owners = (other for other in known if other != vsn and _is_copy(path.with_name(f"{path.name}-{other}"), path))
        owner = next(owners, None)
        if owner is not None:
            yield f"bin/{path.name}: it is the script of {owner}, not of {vsn}"
        elif not os.path.isfile(path):  # noqa: PTH113 # as below
            yield f"bin/{path.name}: it is missing"


def _different(root: Path, vsn: str) -> Iterator[tuple[Path, Path]]:
    return (pair for pair in _programs(root, vsn) if _differs(*pair))


def _programs(root: Path, vsn: str) -> tuple[tuple[Path, Path], ...]:
    binary = root / "bin"
    return tuple((binary / f"{script}-{vsn}", binary / script) for script in SCRIPTS)


def _boot(root: Path, vsn: str) -> tuple[Path, Path]:
    return root / "releases" / vsn / _BOOT, root / "bin" / _BOOT


def _differs(source: Path, path: Path) -> bool:
    return os.path.isfile(source) and not _is_copy(source, path)  # noqa: PTH113 # it says no where it may not look


def _is_copy(source: Path, path: Path) -> bool:
    """Tell whether both are there with the same content; one that cannot be read is replaced as one that differs."""
    try:
        return source.is_file() and path.is_file() and source.read_bytes() == path.read_bytes()
    except OSError:
        return False
