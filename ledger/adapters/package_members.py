"""Members of a package: the names it may use, and the limits it must keep.

A member's path is relative to the installation and is safe to join to it: no empty part, no
``.`` or ``..``, no backslash, no drive, nothing unprintable, no part above 255 bytes. Only
files and folders are members; no two of them collide, also where case does not count.

Broken names come in thousands where they come at all, so each kind of fault is one reason with
its count and its first names.
"""

import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum

from ledger.dataclass import dataclass
from ledger.domain.reason import Reason, Rule

MAX_MEMBERS = 65_535
# Deflate reaches 1032:1. Real packages stay below 4:1; the floor lets small ones hold empty logs.
MAX_RATIO = 200
MAX_FLOOR = 16 << 20
FETCH_AGAIN = "fetch the package again from where it was published"

_NAMES_SHOWN = 3
_MAX_PART = 255
_MAX_PATH = 4096
_DRIVE = re.compile(r"[A-Za-z]:")
_PLAIN_BITS = 0o777


class Fault(Enum):
    """What can be wrong with one member: the words of its reason."""

    ABSOLUTE = "the package has absolute names"
    LEAVES = "the package has names that leave the installation"
    UNCLEAN = "the package has names with empty parts or dots"
    BACKSLASH = "the package has names with backslashes"
    DRIVE = "the package has names with drive letters"
    UNPRINTABLE = "the package has names with characters that cannot be printed"
    NOT_UTF8 = "the package has names that are not UTF-8"
    TOO_LONG = "the package has names that are too long"
    TOP_FOLDER = "the package has a wrong top folder"
    TWICE = "the package has members of the same name"
    CASE_TWINS = "the package has names that differ only by case"
    FILE_AND_FOLDER = "the package has a file where it has a folder"
    LINK = "the package has links"
    SPECIAL = "the package has devices or other special files"
    ENCRYPTED = "the package has encrypted members"
    METHOD = "the package has members compressed in an unknown way"
    CONTRADICTION = "the package has members whose header contradicts the directory"
    OVERLAP = "the package has members that overlap"
    STRAY_BYTES = "the package has bytes that belong to no member"
    OTHER_VERSION = "the package has files of another version"
    RESERVED = "the package has names that belong to this tool"
    SPECIAL_BITS = "the package has setuid, setgid or sticky bits"
    UNSOUND = "the package has members with wrong content"


@dataclass(frozen=True)
class Member:
    """A file or folder of a package, by its path in the installation."""

    path: str
    size: int
    mode: int
    is_folder: bool


@dataclass(frozen=True)
class Listing:
    """The members of a package, what is wrong with them, and the texts that were asked for.

    *is_laid_out* says whether the paths are those of the installation: not below a wrong top folder.
    """

    is_laid_out: bool
    members: tuple[Member, ...]
    problems: tuple[Reason, ...]
    warnings: tuple[Reason, ...]
    texts: Mapping[str, bytes]


class Faults:
    """The faults of one package, gathered by kind."""

    def __init__(self) -> None:
        self._names: dict[Fault, list[str]] = {}

    def add(self, fault: Fault, name: str) -> None:
        """Note that the member *name* has this *fault*."""
        self._names.setdefault(fault, []).append(name)

    def __contains__(self, fault: Fault) -> bool:
        return fault in self._names

    def problems(self) -> tuple[Reason, ...]:
        """Return one reason for each kind of fault, in the order of the kinds."""
        kinds = [fault for fault in Fault if fault in self._names and fault is not Fault.SPECIAL_BITS]
        return tuple(unsound(fault.value, named(self._names[fault])) for fault in kinds)

    def warnings(self) -> tuple[Reason, ...]:
        """Return what is no refusal: bits that are dropped on the way."""
        names = self._names.get(Fault.SPECIAL_BITS)
        if names is None:
            return ()
        hint = "nothing is to be done: the bits are dropped"
        return (Reason(Rule.PACKAGE, Fault.SPECIAL_BITS.value, named(names), hint),)


def unsound(message: str, fact: str, hint: str = FETCH_AGAIN) -> Reason:
    """Return the reason that a package is refused for."""
    return Reason(Rule.PACKAGE, message, fact, hint)


def named(names: list[str]) -> str:
    """Return the first *names*, safe to print, and how many more there are."""
    shown = ", ".join(f"{name[:120]!a}" for name in names[:_NAMES_SHOWN])
    more = len(names) - _NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def name_faults(name: str) -> Iterator[Fault]:
    """Yield all that is wrong with a member's *name*, without the slash at the end of a folder's."""
    if name.startswith("/"):
        yield Fault.ABSOLUTE
    if _DRIVE.match(name):
        yield Fault.DRIVE
    if "\\" in name:
        yield Fault.BACKSLASH
    if not name.isprintable():
        yield Fault.NOT_UTF8 if any("\ud800" <= sign <= "\udfff" for sign in name) else Fault.UNPRINTABLE
    parts = name.removeprefix("/").split("/")
    if ".." in parts:
        yield Fault.LEAVES
    if "" in parts or "." in parts:
        yield Fault.UNCLEAN
    # A name that is short enough as a whole needs no look at its parts.
    is_long = len(name.encode(errors="replace")) > _MAX_PART
    if len(name) > _MAX_PATH or (is_long and any(len(part.encode(errors="replace")) > _MAX_PART for part in parts)):
        yield Fault.TOO_LONG


def note_kind(faults: Faults, name: str, mode: int) -> None:
    """Note a member whose type, by its *mode*, is neither file nor folder, and bits to drop."""
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFLNK:
        faults.add(Fault.LINK, name)
    elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        faults.add(Fault.SPECIAL, name)
    if stat.S_IMODE(mode) & ~_PLAIN_BITS:
        faults.add(Fault.SPECIAL_BITS, name)


def note_collisions(faults: Faults, members: Iterable[Member]) -> None:
    """Note members of the same name, case twins, and files that others lie in."""
    files: set[str] = set()
    folders: set[str] = set()
    for member in members:
        if not member.is_folder and member.path in files:
            faults.add(Fault.TWICE, member.path)
        if not member.is_folder:
            files.add(member.path)
        folders.update(_parents(member.path, folders))
        if member.is_folder:
            folders.add(member.path)
    for path in sorted(files & folders):
        faults.add(Fault.FILE_AND_FOLDER, path)
    twins: dict[str, str] = {}
    for path in sorted(files | folders):
        if twins.setdefault(_folded(path), path) != path:
            faults.add(Fault.CASE_TWINS, path)


def allowed_bytes(size: int) -> int:
    """Return how much a package of *size* bytes may unpack to; more is a bomb."""
    return MAX_FLOOR + MAX_RATIO * size


def _parents(path: str, known: set[str]) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        if path in known:
            return
        yield path


def _folded(path: str) -> str:
    return path if path.isascii() and path.islower() else unicodedata.normalize("NFC", path).casefold()
