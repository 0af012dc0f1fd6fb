"""The manifest of an evidence bundle, and its digests (evidence.md 6.3).

``manifest.json`` says what the bundle holds, what it leaves out, and what it does not show; it
lists each file with size and digest, but neither itself nor ``SHA256SUMS``. That file is
readable by ``sha256sum -c`` and covers the manifest. The digest of the manifest is what the
event of the export carries.
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from string import Template

from ledger.application.bundle import BundleFile, Contents, HeldCopy, held_paths, readable_json
from ledger.application.bundle_tally import Tally
from ledger.dataclass import dataclass
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.notation import FormatError, print_base64
from ledger.tlog.note import Note

SCHEMA = "release-ledger/bundle/1"
MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
README = "README"
LIMIT_OF_ALL = "A bundle shows that its events are those that were recorded and signed, not that they are true."


@dataclass(frozen=True)
class Listed:
    """A file of a bundle as the manifest lists it."""

    path: str
    size: int
    sha256: str
    derived: bool = False

    @classmethod
    def of(cls, file: BundleFile) -> "Listed":
        """Return the row of *file*."""
        return cls(file.path, len(file.data), sha256(file.data).hexdigest(), file.derived)


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What is known of an export beside its events: the nodes with an attempt that is still open, and by what tool."""

    tool: str
    recorded: bool
    open_attempts: tuple[str, ...] = ()


def readme_of(template: str, *, contents: Contents, tool: str) -> BundleFile:
    """Return the README, which names the log."""
    checkpoint = contents.scope.checkpoint
    text = Template(template).substitute(
        origin=checkpoint.origin, size=checkpoint.size, root=_root(checkpoint), form=contents.scope.form, tool=tool
    )
    return BundleFile(README, text.encode())


def closing_files(contents: Contents, about: Circumstances, *, listed: Sequence[Listed]) -> Iterator[BundleFile]:
    """Yield the manifest over the files *listed*, and the sums over all."""
    rows = sorted(listed, key=lambda row: row.path)
    manifest = BundleFile(MANIFEST, readable_json(_manifest(contents, about, rows)))
    yield manifest
    sums = sorted((*((row.path, row.sha256) for row in rows), (MANIFEST, sha256(manifest.data).hexdigest())))
    yield BundleFile(SUMS, "".join(f"{digest}  {path}\n" for path, digest in sums).encode())


def _manifest(contents: Contents, about: Circumstances, rows: Sequence[Listed]) -> Mapping[str, object]:
    scope, tally = contents.scope, contents.tally
    return {
        "schema": SCHEMA,
        "tool": about.tool,
        "origin": scope.checkpoint.origin,
        "tree_size": scope.checkpoint.size,
        "root": _root(scope.checkpoint),
        "form": scope.form,
        "filter": list(scope.filters),
        "first_event": tally.first,
        "last_event": tally.last,
        "entries": tally.entries,
        "order": "index",
        "redactions": tally.redactions(),
        "gaps": _gaps(contents),
        "limits": _limits(contents.held, scope.checkpoint, tally, about),
        "anchors": [
            {"path": path, "size": copy.size, "sink": copy.sink, "at": copy.at}
            for copy, path in held_paths(contents.held)
        ],
        "export_recorded": about.recorded,
        "files": [_row(row) for row in rows],
    }


def _row(row: Listed) -> Mapping[str, object]:
    listed: dict[str, object] = {"path": row.path, "size": row.size, "sha256": row.sha256}
    return {**listed, "derived": True} if row.derived else listed


def _gaps(contents: Contents) -> list[str]:
    scope, tally = contents.scope, contents.tally
    gaps = []
    if scope.indexes is not None:
        left_out = scope.checkpoint.size - tally.entries
        gaps.append(f"{left_out} of {scope.checkpoint.size} events are not in this bundle; it says nothing of them")
    if scope.vkey is None:
        gaps.append("the exporter had no public key of the log, so log.vkey and policy are missing")
    if not scope.disclose and tally.redactions():
        gaps.append("personal values are left out; the events hold salted commitments to them")
    return gaps


def _limits(
    held: Sequence[HeldCopy], checkpoint: Checkpoint, tally: Tally, about: Circumstances
) -> Mapping[str, Mapping[str, object]]:
    outside = max((copy.size for copy in held if _is_note(copy)), default=0)
    return {
        "truth": {"statement": LIMIT_OF_ALL},
        "unanchored": {
            "events": checkpoint.size - outside,
            "first_event": outside,
            "statement": "Nobody outside is known to hold a note of these events: the key's holder could rewrite them.",
        },
        "unsigned": {
            "events": tally.entries - tally.signed,
            "statement": "Who acted in these events is what the operating system said; no person signed.",
        },
        "unreconciled": {
            "open_attempts": list(about.open_attempts),
            "statement": "No node was asked for this export; an attempt that is open has no recorded outcome.",
        },
    }


def _is_note(copy: HeldCopy) -> bool:
    try:
        Note.parse(copy.note)
    except FormatError:
        return False
    return True


def _root(checkpoint: Checkpoint) -> str:
    return print_base64(checkpoint.root).decode()
