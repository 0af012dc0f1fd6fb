"""``releases/RELEASES`` and ``releases/start_erl.data``, as the release handler writes them.

RELEASES (otp.md 5.1) is UTF-8: the line ``%% coding: utf-8``, then one list of
``{release, "emqx", Vsn, Erts, [{App, Vsn, Dir}], Status}`` as ``~tp`` prints it, a dot and a new
line. start_erl.data is ``<erts> <vsn>`` without a new line. What `print_releases` gives equals
the node's own file to the byte; a file by another hand is read in any layout of its term.
"""

from functools import lru_cache

from ledger.adapters.erlang_print import print_term
from ledger.adapters.erlang_terms import Atom, ErlangTermError, Term, as_text, read_terms
from ledger.dataclass import dataclass
from ledger.domain.status import ReleaseStatus
from ledger.errors import RefusedError

_CODING = "%% coding: utf-8\n"
_RELEASE = Atom("release")
_ENTRY_SIZE, _LIB_SIZE = 6, 3


class BootFileTextError(RefusedError):
    """The text of a boot file is not what OTP or EMQX writes."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            problem,
            fact="the file must be what the node or bin/emqx wrote",
            hint="compare it with the saved copy in releases/.ledger-saved",
        )
        self.problem = problem


@dataclass(frozen=True)
class Lib:
    """One application of a release and its folder: ``lib/x-1``, ``./lib/x-1`` or an absolute path."""

    app: str
    vsn: str
    dir: str


@dataclass(frozen=True)
class ReleaseEntry:
    """One release that RELEASES knows."""

    name: str
    vsn: str
    erts: str
    libs: tuple[Lib, ...]
    status: ReleaseStatus


@dataclass(frozen=True)
class StartErl:
    """What start_erl.data names: the emulator and the permanent release."""

    erts: str
    vsn: str

    @classmethod
    def parse(cls, data: bytes) -> "StartErl":
        """Return what the file says; white space around the two words is fine, as in OTP.

        Raises: BootFileTextError.
        """
        words = _decoded(data).split()
        if len(words) != 2:  # noqa: PLR2004 # the emulator and the release
            raise BootFileTextError("it does not name an emulator and a release")
        return cls(*words)

    def __bytes__(self) -> bytes:
        return f"{self.erts} {self.vsn}".encode()


@lru_cache(maxsize=4)  # a command reads the same file and its copy a dozen times
def parse_releases(data: bytes) -> tuple[ReleaseEntry, ...]:
    """Return the entries of RELEASES in the order of the file.

    Raises: BootFileTextError; for an empty list too, since a node has one release at least.
    """
    try:
        terms = read_terms(_decoded(data))
    except ErlangTermError as exc:
        raise BootFileTextError(str(exc)) from exc
    if len(terms) != 1 or not isinstance(terms[0], list) or not terms[0]:
        raise BootFileTextError("it does not hold one list of releases")
    entries = tuple(map(_entry, terms[0]))
    if len({entry.vsn for entry in entries}) != len(entries):
        raise BootFileTextError("it names a release twice")
    return entries


def print_releases(entries: tuple[ReleaseEntry, ...]) -> bytes:
    """Return the file as the release handler writes it."""
    return f"{_CODING}{print_term([_term(entry) for entry in entries])}.\n".encode()


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise BootFileTextError(f"byte {exc.start} is not UTF-8") from exc


def _entry(term: Term) -> ReleaseEntry:
    if not isinstance(term, tuple) or len(term) != _ENTRY_SIZE or term[0] != _RELEASE or not isinstance(term[4], list):
        raise BootFileTextError("an entry is not {release, Name, Vsn, Erts, Libs, Status}")
    name, vsn, erts = (_text(part) for part in term[1:4])
    if not (name and vsn and erts):
        raise BootFileTextError("an entry has no name, version or emulator")
    return ReleaseEntry(name, vsn, erts, tuple(map(_lib, term[4])), _status(term[5], vsn))


def _lib(term: Term) -> Lib:
    if not isinstance(term, tuple) or len(term) != _LIB_SIZE or not isinstance(term[0], Atom):
        raise BootFileTextError("a library is not {App, Vsn, Dir}")
    return Lib(term[0].name, _text(term[1]), _text(term[2]))


def _text(term: Term) -> str:
    text = as_text(term)
    if text is None:
        raise BootFileTextError("a name, version or folder is not a string")
    return text


def _status(term: Term, vsn: str) -> ReleaseStatus:
    try:
        return ReleaseStatus(term.name if isinstance(term, Atom) else "")
    except ValueError:
        raise BootFileTextError(f"the status of release {vsn} is none that OTP knows") from None


def _term(entry: ReleaseEntry) -> Term:
    libs: list[Term] = [(Atom(lib.app), lib.vsn, lib.dir) for lib in entry.libs]
    return (_RELEASE, entry.name, entry.vsn, entry.erts, libs, Atom(str(entry.status)))
