"""The boot files of one root in one look: what each says, and what is wrong with those that cannot be read."""

from collections.abc import Callable
from typing import TypeVar

from ledger.adapters.emqx_vars import rel_vsns
from ledger.adapters.installation import BootFileError, Installation
from ledger.adapters.releases_file import ReleaseEntry
from ledger.dataclass import dataclass

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class BootFiles:
    """The boot files as far as they can be read, and in words what is wrong with the others."""

    entries: tuple[ReleaseEntry, ...] | None
    start_erl: str | None
    rel_vsn: str | None
    problems: tuple[str, ...]


def read_boot_files(files: Installation) -> BootFiles:
    """Return what the boot files say now."""
    problems: list[str] = []
    return BootFiles(
        entries=_readable(files.read_releases, problems),
        start_erl=_readable(lambda: files.read_start_erl().vsn, problems),
        rel_vsn=_readable(lambda: rel_vsns(files.read_vars())[-1], problems),
        problems=tuple(problems),
    )


def _readable(read: Callable[[], T], problems: list[str]) -> T | None:
    try:
        return read()
    except BootFileError as exc:
        problems.append(f"{exc}: {exc.detail}")
        return None
