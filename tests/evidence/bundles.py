"""Small bundles by evidence.md 6.3, made by the specification alone."""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from hashlib import sha256
from pathlib import Path

from ledger.application.audit_source import PartMissingError
from ledger.tlog.entry_bundle import encode_bundle
from ledger.tlog.merkle import hash_leaf
from ledger.tlog.proof import TlogProof
from ledger.tlog.tiled_tree import TiledTree
from ledger.tlog.tiles import BundlePlace, tiles_of_size

from .ledgers import Case, newest

Contents = dict[str, bytes]


class _Rows:
    def __init__(self, hashes: bytes) -> None:
        self.hashes = hashes

    def read_tile(self, level: int, n: int, width: int) -> bytes:
        assert (level, n) == (0, 0)
        return self.hashes[: width * 32]


def leaves_of(case: Case) -> list[bytes]:
    statement = "SELECT state FROM log_leaf JOIN stored_events USING (originator_id, originator_version) ORDER BY idx"
    with closing(sqlite3.connect(case.database)) as connection:
        return [row[0] for row in connection.execute(statement)]


def whole(case: Case, *, anchors: Mapping[str, bytes] | None = None) -> Contents:
    """Return the files of the whole form, of a log of fewer than 256 events."""
    leaves = leaves_of(case)
    files: Contents = {
        "README": b"evidence\n",
        "checkpoint": newest(case.database),
        str(BundlePlace(0, len(leaves))): encode_bundle(leaves),
        **{str(tile): b"".join(map(hash_leaf, leaves)) for tile in tiles_of_size(len(leaves))},
        **{f"anchors/{name}": note for name, note in (anchors or {}).items()},
    }
    return listed(files)


def sample(case: Case, *indexes: int) -> Contents:
    """Return the files of the sample form."""
    leaves = leaves_of(case)
    tree = TiledTree(len(leaves), reader=_Rows(b"".join(map(hash_leaf, leaves))))
    note = newest(case.database)
    files: Contents = {"README": b"evidence\n", "checkpoint": note}
    for index in indexes:
        files[f"entries/{index}.json"] = leaves[index]
        files[f"entries/{index}.tlog-proof"] = TlogProof(index, tree.prove_inclusion(index), note).encode()
    return listed(files)


def listed(files: Mapping[str, bytes], **stated: object) -> Contents:
    """Return *files* with a manifest, which may state more, and sums that list them."""
    rows = [
        {"path": name, "size": len(data), "sha256": sha256(data).hexdigest()} for name, data in sorted(files.items())
    ]
    manifest = json.dumps({"format": 1, "files": rows, **stated}).encode()
    sums = "".join(f"{row['sha256']}  {row['path']}\n" for row in rows)
    sums += f"{sha256(manifest).hexdigest()}  manifest.json\n"
    return {**files, "manifest.json": manifest, "SHA256SUMS": sums.encode()}


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


class MemoryFiles:
    """The files of a bundle in memory (an ``audit_files.Files``)."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self.names = frozenset(files)
        self.odd = frozenset[str]()

    def read(self, name: str) -> bytes:
        if name not in self._files:
            raise PartMissingError(name)
        return self._files[name]
