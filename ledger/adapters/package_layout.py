"""What a release package must hold, and what its emqx.rel and relup say (RULINGS 35).

A package of V holds ``releases/V/emqx.rel`` that names V, ``start.boot`` and
``no_dot_erlang.boot`` beside it, the five scripts ``bin/<script>-V`` and the ERTS that emqx.rel
names. It may hold ``releases/V/relup``. It must hold nothing in the folder of another version
and no name of this tool's own.
"""

from collections.abc import Iterator
from posixpath import basename

from ledger.adapters.erlang_terms import Atom, ErlangTermError, Term, as_text, read_terms
from ledger.adapters.package_members import Fault, Faults, Listing, Member, named, unsound
from ledger.dataclass import dataclass
from ledger.domain.reason import Reason
from ledger.domain.relup import Relup, RelupPath
from ledger.domain.version import Vsn

SCRIPTS = ("emqx", "emqx_ctl", "nodetool", "cuttlefish", "install_upgrade.escript")
MAX_TEXT = 16 << 20

_BOOT_FILES = ("start.boot", "no_dot_erlang.boot")
_RESTARTS = (Atom("restart_emulator"), Atom("restart_new_emulator"))
_RENAMED = "a package must keep the name under which it was published; fetch it again"


@dataclass(frozen=True)
class ReleaseContent:
    """What the texts inside a package say."""

    vsn: str | None
    erts: str | None
    libs: tuple[tuple[str, str], ...]
    relup: Relup | None


def rel_path(vsn: Vsn) -> str:
    """Return where emqx.rel of *vsn* lies."""
    return f"releases/{vsn}/emqx.rel"


def relup_path(vsn: Vsn) -> str:
    """Return where the relup of *vsn* lies."""
    return f"releases/{vsn}/relup"


def texts_of(vsn: Vsn) -> frozenset[str]:
    """Return the paths whose content is to be read for *vsn*."""
    return frozenset((rel_path(vsn), relup_path(vsn)))


def shared_folder(path: str) -> str | None:
    """Return the ``lib/<app>-<vsn>`` or ``erts-<vsn>`` that *path* is or lies in; releases share them."""
    first, _, rest = path.partition("/")
    if first.startswith("erts-"):
        return first
    app = rest.partition("/")[0]
    return f"{first}/{app}" if first == "lib" and "-" in app else None


def read_content(listing: Listing, vsn: Vsn) -> tuple[ReleaseContent, tuple[Reason, ...]]:
    """Return what the package says of release *vsn*, and all that is wrong with its layout."""
    files = {member.path for member in listing.members if not member.is_folder}
    problems = list(_strangers(listing.members, vsn))
    said, relup = None, None
    rel, way = rel_path(vsn), relup_path(vsn)
    if rel not in files:
        problems.append(_other_version(files, vsn))
    else:
        said = _release(listing.texts.get(rel))
        if said is None:
            problems.append(unsound("the package's emqx.rel cannot be read", rel))
        elif said[0] != str(vsn):
            problems.append(
                unsound(f"the package is of another version than {vsn}", f"{rel} names {said[0]}", _RENAMED)
            )
    if way in files:
        relup = relup_of(listing.texts.get(way), vsn)
        if relup is None:
            problems.append(unsound("the package's relup cannot be read", f"bad_relup_file: {way}"))
    missing = sorted(_required(vsn) - files)
    if missing:
        problems.append(unsound("the package lacks files that the release needs", ", ".join(missing)))
    if said is not None and not any(path.startswith(f"erts-{said[1]}/") for path in files):
        problems.append(unsound("the package lacks its Erlang runtime", f"no folder erts-{said[1]}"))
    version, erts, libs = said if said is not None else (None, None, ())
    return ReleaseContent(version, erts, libs, relup), tuple(problems)


def _required(vsn: Vsn) -> set[str]:
    return {f"releases/{vsn}/{name}" for name in _BOOT_FILES} | {f"bin/{script}-{vsn}" for script in SCRIPTS}


def _other_version(files: set[str], vsn: Vsn) -> Reason:
    inside = sorted(path for path in files if path.startswith("releases/") and path.count("/") > 1)
    inside = [path for path in inside if basename(path) == "emqx.rel"]
    if not inside:
        return unsound("the package has no emqx.rel", f"{rel_path(vsn)} is missing")
    fact = f"{rel_path(vsn)} is missing, it has {named(inside)}"
    return unsound(f"the package is of another version than {vsn}", fact, _RENAMED)


def _strangers(members: tuple[Member, ...], vsn: Vsn) -> Iterator[Reason]:
    """Yield reasons for files that no package may bring."""
    faults = Faults()
    for member in members:
        parts = member.path.split("/")
        if parts[0] == "releases" and len(parts) > 1:
            if parts[1].startswith("."):
                faults.add(Fault.RESERVED, member.path)
            elif parts[1] != str(vsn) and (len(parts) > 2 or member.is_folder):  # noqa: PLR2004 - releases/<x>/<file>
                faults.add(Fault.OTHER_VERSION, member.path)
        elif member.path == "data/embedded_node.json":
            faults.add(Fault.RESERVED, member.path)
    yield from faults.problems()


def _terms(text: bytes | None) -> tuple[Term, ...]:
    """Return the terms of *text*, none where it cannot be read."""
    if text is None:
        return ()
    try:
        return read_terms(text.decode("utf-8"))
    except (UnicodeDecodeError, ErlangTermError):
        return ()


def _release(text: bytes | None) -> tuple[str, str, tuple[tuple[str, str], ...]] | None:
    """Return version, ERTS and libs of rel(4): ``{release,{Name,Vsn},{erts,E},[{App,AppVsn,…}]}``."""
    match _terms(text):
        case (tuple((Atom("release"), tuple((_, vsn)), tuple((Atom("erts"), erts)), list(apps))),):
            libs = tuple(lib for lib in map(_lib, apps) if lib is not None)
            version, emulator = as_text(vsn), as_text(erts)
            if version and emulator and _is_part(emulator) and len(libs) == len(apps):
                return version, emulator, libs
    return None


def _lib(term: Term) -> tuple[str, str] | None:
    match term:
        case tuple((Atom(app), vsn, *_)):
            text = as_text(vsn)
            return (app, text) if text and _is_part(f"{app}-{text}") else None
    return None


def _is_part(name: str) -> bool:
    """Whether *name* can be a part of a path."""
    return "/" not in name and name.isprintable()


def relup_of(text: bytes | None, vsn: Vsn) -> Relup | None:
    """Return the ways of relup(4): ``{Vsn,[{UpFrom,Descr,Instructions}],[{DownTo,Descr,Instructions}]}``."""
    match _terms(text):
        case (tuple((name, list(up), list(down))),) if as_text(name) == str(vsn):
            ways = [[_way(term) for term in terms] for terms in (up, down)]
            ups, downs = (tuple(way for way in found if way is not None) for found in ways)
            if (len(ups), len(downs)) == (len(up), len(down)):
                return Relup(str(vsn), ups, downs)
    return None


def _way(term: Term) -> RelupPath | None:
    match term:
        case tuple((vsn, _, list(instructions))):
            text = as_text(vsn)
            return RelupPath(text, any(step in _RESTARTS for step in instructions)) if text else None
    return None
