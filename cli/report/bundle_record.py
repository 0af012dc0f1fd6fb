"""A whole evidence bundle as a record: its events in the tables that readers of a ledger know.

The bundle has been verified before; here it is only read. Trees and tiles are built anew from
its leaves. A sample has no whole history, so no table of versions follows from it.
"""

import json
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ledger.errors import CheckFailedError, EvidenceError, UsageError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.entry_bundle import decode_bundle
from ledger.tlog.merkle import hash_leaf
from ledger.tlog.note import Note
from ledger.tlog.tiles import bundles_of_size
from ledger.tlog.tree_builder import TileRow, TreeBuilder

_TABLES = (
    """CREATE TABLE stored_events (originator_id TEXT, originator_version INTEGER, topic TEXT, state BLOB,
       PRIMARY KEY (originator_id, originator_version))""",
    "CREATE TABLE log_leaf (idx INTEGER PRIMARY KEY, originator_id TEXT, originator_version INTEGER, leaf_hash BLOB)",
    "CREATE TABLE log_tile (level INTEGER, n INTEGER, hashes BLOB, PRIMARY KEY (level, n))",
    "CREATE TABLE log_checkpoint (size INTEGER PRIMARY KEY, note BLOB)",
    "CREATE TABLE anchor (size INTEGER, sink TEXT, proof BLOB, at TEXT)",
)


# What a record that is not decided can hold instead of what is read here.
_UNREADABLE = (
    *(OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError),
    *(zipfile.BadZipFile, sqlite3.Error, EvidenceError),
)


class SampleBundleError(UsageError):
    """A bundle holds some events only."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} holds a sample",
            fact="tables of versions do not follow from some events of a history",
            hint="export the whole record and report on that with filters, or read the sample with verify.sh",
        )


class BundleRecordError(CheckFailedError):
    """A bundle cannot be read as a record."""

    kind = "undecided"

    def __init__(self, path: Path, cause: Exception) -> None:
        super().__init__(
            f"{path} cannot be read as a record",
            fact=str(cause) or type(cause).__name__,
            hint="run `release-ledger verify` on it, and get the whole bundle again",
        )


@contextmanager
def record_of_bundle(path: Path) -> Iterator[sqlite3.Connection]:
    """Give the record in the bundle at *path*, a folder or a zip.

    Raises: SampleBundleError, BundleRecordError.
    """
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as record:
        try:
            files = zipfile.Path(path) if zipfile.is_zipfile(path) else path
            sampled = files.joinpath("entries").is_dir()
            if not sampled:
                _fill(record, files)
        except _UNREADABLE as exc:
            raise BundleRecordError(path, exc) from exc
        if sampled:
            raise SampleBundleError(path)
        yield record


def key_in_bundle(path: Path) -> str | None:
    """Return the text of the key that a bundle states for its log, which is no ground of trust."""
    try:
        files = zipfile.Path(path) if zipfile.is_zipfile(path) else path
        return files.joinpath("log.vkey").read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, ValueError, LookupError, zipfile.BadZipFile):
        return None


def _fill(record: sqlite3.Connection, files: "Path | zipfile.Path") -> None:
    for statement in _TABLES:
        record.execute(statement)
    note = files.joinpath("checkpoint").read_bytes()
    checkpoint, builder = Checkpoint.parse(Note.parse(note).text), TreeBuilder()
    for place in bundles_of_size(checkpoint.size):
        leaves = decode_bundle(files.joinpath(str(place)).read_bytes(), width=place.width)
        for index, leaf in enumerate(leaves, builder.size):
            _add(record, index, leaf)
        _add_tiles(record, builder.extend(tuple(map(hash_leaf, leaves))))
    _add_tiles(record, builder.partial_tiles())
    record.execute("INSERT INTO log_checkpoint VALUES (?, ?)", (checkpoint.size, note))
    manifest = json.loads(files.joinpath("manifest.json").read_bytes())
    listed = {row["path"] for row in manifest["files"]}
    for row in manifest["anchors"]:
        path, size, told = row["path"], row["size"], (row["sink"], row["at"])
        # The exporter names these paths, and none of them may be a file of whoever makes the page.
        if path not in listed or not path.startswith("anchors/"):
            raise ValueError(f"manifest.json names an anchor {path!a}, which is none of its files")
        if type(size) is not int or not all(isinstance(text, str) for text in told):
            raise ValueError(f"manifest.json does not say of {path!a} what size it holds, for whom and since when")
        copy = (size, told[0], files.joinpath(path).read_bytes(), told[1])
        record.execute("INSERT INTO anchor VALUES (?, ?, ?, ?)", copy)


def _add(record: sqlite3.Connection, index: int, leaf: bytes) -> None:
    envelope = json.loads(leaf)
    place = (envelope["stream"], envelope["version"])
    record.execute("INSERT INTO stored_events VALUES (?, ?, ?, ?)", (*place, envelope["type"], leaf))
    record.execute("INSERT INTO log_leaf VALUES (?, ?, ?, ?)", (index, *place, hash_leaf(leaf)))


def _add_tiles(record: sqlite3.Connection, rows: tuple[TileRow, ...]) -> None:
    record.executemany("INSERT INTO log_tile VALUES (?, ?, ?)", ((r.tile.level, r.tile.n, r.hashes) for r in rows))
