"""An evidence bundle (evidence.md 6.3) as a verifier reads it: a folder or a zip, whole or a sample.

Before anything else the files are held against ``manifest.json`` and ``SHA256SUMS``: a file that
is not listed, a link, or another size or digest has *failed*, as has a manifest that states
another origin, size or root than the checkpoint; a listed file that is missing leaves the audit
*undecided*. Policy and key files inside are information and never read as trust.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256

from ledger.adapters.audit_files import Files
from ledger.adapters.audit_tiles import CHECKPOINT, TilesSource
from ledger.application.audit_source import (
    HeldNote,
    Nature,
    PartMissingError,
    PartWrongError,
    Sample,
    StoredDisclosure,
)
from ledger.dataclass import replace
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.notation import FormatError, split_lines
from ledger.tlog.note import Note

MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
DISCLOSURES = "disclosures.json"

_SUM = re.compile(rb"(?P<sha256>[0-9a-f]{64}) [ *](?P<name>[^\\\n]+)")
_ENTRY = re.compile(r"entries/(?P<index>0|[1-9][0-9]*)\.json")
# Only a bundle has these: without its manifest it is a bundle that lacks it, and no log of other software.
_OURS = frozenset({"README", "VERIFY.md", "verify.sh", "log.vkey", "policy", DISCLOSURES})
_OUR_FOLDERS = ("anchors/", "entries/", "views/")
_STATEMENTS = f"what {MANIFEST} states (limits, redactions, export_recorded) is the exporter's word; it was not checked"
_VIEWS = "views/ was not checked against the events: its tables are made for reading"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_WHOLE = Nature(name="bundle", commits=False, entries=True, native=True)
_SAMPLE = Nature(name="sample", commits=False, entries=True, native=True)


class BundleSample:
    """The sample form: some entries, each with its proof (an ``audit_source.SampleSource``)."""

    def __init__(
        self,
        files: Files,
        *,
        limits: Sequence[str],
        anchors: Sequence[HeldNote],
        disclosures: Sequence[StoredDisclosure],
    ) -> None:
        self.nature = replace(_SAMPLE, limits=tuple(limits))
        self._files = files
        self._anchors = tuple(anchors)
        self._disclosures = tuple(disclosures)

    def checkpoint(self) -> bytes:
        """Return the note of the bundle.

        Raises: PartMissingError.
        """
        return self._files.read(CHECKPOINT)

    def samples(self) -> Iterator[Sample]:
        """Yield the entries by rising index.

        Raises: PartMissingError.
        """
        found = {int(match["index"]): match[0] for match in map(_ENTRY.fullmatch, self._files.names) if match}
        for index, place in sorted(found.items()):
            yield Sample(place, self._files.read(place), self._files.read(f"entries/{index}.tlog-proof"))

    def anchors(self) -> Iterator[HeldNote]:
        """Yield the notes in ``anchors/``."""
        yield from self._anchors

    def disclosures(self) -> Iterator[StoredDisclosure]:
        """Yield the personal values in ``disclosures.json``."""
        yield from self._disclosures


def is_bundle(files: Files) -> bool:
    """Tell whether *files* are meant as a bundle of ours, and not as tiles of any log."""
    if files.names == {CHECKPOINT}:
        return False  # a log that is empty yet; where its checkpoint says more, its tiles are missing
    # A link may stand for a folder.
    names = {*files.names, *files.odd, *(f"{name}/" for name in files.odd)}
    if {MANIFEST, SUMS, *_OURS} & names or any(name.startswith(_OUR_FOLDERS) for name in names):
        return True
    return not any(name.startswith("tile/") for name in names)


def bundle_source(files: Files) -> TilesSource | BundleSample:
    """Return the record in a bundle whose files are those that it lists.

    Raises: PartMissingError, PartWrongError.
    """
    for name in sorted(files.odd):
        raise PartWrongError(name, fact="it is a link or no plain file")
    listed, stated = _read_manifest(files)
    _check_sums(files, listed)
    for name in sorted(files.names - listed.keys() - {MANIFEST, SUMS}):
        raise PartWrongError(name, fact=f"it is not listed in {MANIFEST}")
    _check_listed(files, listed)
    _check_stated(files, stated)
    anchors = [HeldNote(name, files.read(name)) for name in sorted(files.names) if name.startswith("anchors/")]
    disclosures = _read_disclosures(files)
    views = any(name.startswith("views/") for name in files.names)
    limits = (_STATEMENTS, _VIEWS) if views else (_STATEMENTS,)
    if any(name.startswith("tile/") for name in files.names):
        return TilesSource(files, nature=replace(_WHOLE, limits=limits), anchors=anchors, disclosures=disclosures)
    return BundleSample(files, limits=limits, anchors=anchors, disclosures=disclosures)


def _read_disclosures(files: Files) -> Sequence[StoredDisclosure]:
    if DISCLOSURES not in files.names:
        return ()
    try:
        rows = json.loads(files.read(DISCLOSURES))
        return [
            StoredDisclosure(str(row["commitment"]), bytes.fromhex(row["salt"]), row["json"].encode()) for row in rows
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        fact = "it is no list of personal values with commitment, salt and json"
        raise PartWrongError(DISCLOSURES, fact=fact) from exc


def _read_manifest(files: Files) -> tuple[Mapping[str, tuple[int, str]], Mapping[str, object]]:
    try:
        manifest = json.loads(files.read(MANIFEST))
        rows = [(row["path"], row["size"], row["sha256"]) for row in manifest["files"]]
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise PartWrongError(MANIFEST, fact="it is no manifest: it lists no files with path, size and sha256") from exc
    listed: dict[str, tuple[int, str]] = {}
    for name, size, digest in rows:
        if not (isinstance(name, str) and type(size) is int and isinstance(digest, str) and _DIGEST.fullmatch(digest)):
            raise PartWrongError(MANIFEST, fact="a file is listed without path, size or sha256")
        if name in listed or name in {MANIFEST, SUMS}:
            raise PartWrongError(MANIFEST, fact=f"it lists {name!a} twice, or itself")
        listed[name] = (size, digest)
    return listed, manifest


def _check_sums(files: Files, listed: Mapping[str, tuple[int, str]]) -> None:
    try:
        matches = [_SUM.fullmatch(line) for line in split_lines(files.read(SUMS))]
    except FormatError as exc:
        raise PartWrongError(SUMS, fact=exc.fact) from exc
    sums = {match["name"].decode(errors="replace"): match["sha256"].decode() for match in matches if match}
    if len(sums) != len(matches):
        raise PartWrongError(SUMS, fact="a line is no digest and path, or a path stands twice")
    expected = {name: digest for name, (_, digest) in listed.items()}
    expected[MANIFEST] = sha256(files.read(MANIFEST)).hexdigest()
    for name in sorted(expected.keys() | sums.keys()):
        if expected.get(name) != sums.get(name):
            raise PartWrongError(name, fact=f"{MANIFEST} and {SUMS} do not say the same of it")


def _check_stated(files: Files, stated: Mapping[str, object]) -> None:
    """Hold what the manifest says of the tree against the checkpoint; a checkpoint that does not read is told later."""
    try:
        found = Checkpoint.parse(Note.parse(files.read(CHECKPOINT)).text)
    except (PartMissingError, FormatError):
        return
    roots = (b64encode(found.root).decode(), found.root.hex())
    facts = {"origin": (found.origin,), "tree_size": (found.size,), "root": roots}
    for name, values in facts.items():
        if stated.get(name, values[0]) not in values:
            raise PartWrongError(MANIFEST, fact=f"its {name} is not that of the checkpoint, {values[0]}")


def _check_listed(files: Files, listed: Mapping[str, tuple[int, str]]) -> None:
    missing = sorted(listed.keys() - files.names)
    for name, (size, digest) in sorted(listed.items()):
        if name in files.names:
            data = files.read(name)
            if len(data) != size or sha256(data).hexdigest() != digest:
                raise PartWrongError(name, fact=f"its size or digest is not that of {MANIFEST}")
    if missing:
        raise PartMissingError(missing[0], fact="it is listed and is not there")
