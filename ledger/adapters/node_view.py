"""What a node says of itself in one reply, and what of it the boot files name.

``releases`` are the node's own table with the libraries of each release, or the word *busy* while
its ``release_handler`` works, or *none* where it has no release handler: then it is starting or
stopping (native-driver.md section 3).
"""

from ledger.adapters.boot_files import read_boot_files
from ledger.adapters.erl_call import ExpressionError
from ledger.adapters.erlang_terms import Atom, ErlangMap, Term
from ledger.adapters.installation import Installation
from ledger.adapters.releases_file import Lib, ReleaseEntry
from ledger.dataclass import dataclass
from ledger.domain.status import ReleaseStatus
from ledger.domain.tables import Table


@dataclass(frozen=True)
class NodeRelease:
    """A release in the memory of a node; *libs* are names such as ``kernel-8.5.3``."""

    vsn: str
    status: ReleaseStatus
    libs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class NodeView:
    """One look at a node; *releases* is None while *activity* says why there is no table."""

    releases: tuple[NodeRelease, ...] | None
    activity: str
    status: str
    booted: str
    code: str | None
    os_pid: int
    erts: str
    otp: str
    cpu: str
    root: str
    node: str
    started_us: int
    generation: str
    heart: bool

    @property
    def is_up(self) -> bool:
        """Tell whether all applications run and the release handler is there, idle or busy."""
        return self.status == "started" and self.activity != "none"

    @property
    def table(self) -> Table:
        """The table, in the order of the node."""
        return tuple((release.vsn, release.status) for release in self.releases or ())

    def runs(self, vsn: str) -> bool:
        """Tell whether release *vsn* is what runs."""
        return self.code == vsn and self.status_of(vsn) in {ReleaseStatus.CURRENT, ReleaseStatus.PERMANENT}

    def status_of(self, vsn: str) -> ReleaseStatus | None:
        """Return the status of release *vsn*, None where the node does not know it."""
        return next((release.status for release in self.releases or () if release.vsn == vsn), None)


def view_of(term: Term) -> NodeView:
    """Return what the reply to the observing expression says.

    Raises: ExpressionError where it is none.
    """
    try:
        said = {_name(key): value for key, value in (term.pairs if isinstance(term, ErlangMap) else ())}
        releases = said["releases"]
        known = tuple(map(_release, releases)) if isinstance(releases, list) else None
        return NodeView(
            releases=known,
            activity="idle" if known is not None else _name(releases),
            status=_name(said["status"]),
            booted=_text(said["booted"]),
            code=None if said["code"] == Atom("none") else _text(said["code"]),
            os_pid=_number(said["os_pid"]),
            erts=_text(said["erts"]),
            otp=_text(said["otp"]),
            cpu=_text(said["cpu"]),
            root=_text(said["root"]),
            node=_text(said["node"]),
            started_us=_number(said["started_us"]),
            generation=_text(said["generation"]),
            heart=_name(said["heart"]) == "true",
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise ExpressionError("its reply to the look is not as expected") from exc


def entries_of(view: NodeView, files: Installation) -> tuple[ReleaseEntry, ...]:
    """Return the node's table with the emulators and folders that RELEASES, or its saved copy, names.

    A release that the node booted without libraries keeps none, so that it shows.
    """
    named = {entry.vsn: entry for entry in (*(files.saved_releases() or ()), *(read_boot_files(files).entries or ()))}
    return tuple(_entry(release, named.get(release.vsn), erts=view.erts) for release in view.releases or ())


def _entry(release: NodeRelease, named: ReleaseEntry | None, *, erts: str) -> ReleaseEntry:
    folders = {f"{lib.app}-{lib.vsn}": lib for lib in named.libs} if named else {}
    libs = tuple(folders.get(name) or _lib(name) for name in release.libs)
    return ReleaseEntry("emqx", release.vsn, named.erts if named else erts, libs, release.status)


def _lib(name: str) -> Lib:
    app, _, vsn = name.partition("-")
    return Lib(app, vsn, f"lib/{name}")


def _release(term: Term) -> NodeRelease:
    match term:
        case (vsn, Atom(status), list(libs)):
            return NodeRelease(_text(vsn), ReleaseStatus(status), tuple(map(_text, libs)))
        case _:
            raise TypeError(term)


def _name(term: Term) -> str:
    if not isinstance(term, Atom):
        raise TypeError(term)
    return term.name


def _text(term: Term) -> str:
    if not isinstance(term, bytes):
        raise TypeError(term)
    return term.decode()


def _number(term: Term) -> int:
    if not isinstance(term, int):
        raise TypeError(term)
    return term
