"""Logs that other software wrote: Tessera's POSIX driver and Sunlight (see ``tests/vectors/SOURCES.md``)."""

import json
from pathlib import Path

import pytest

from ledger.tlog.checkpoint import Checkpoint, OpenedCheckpoint, open_checkpoint
from ledger.tlog.entry_bundle import decode_bundle, encode_bundle
from ledger.tlog.merkle import check_consistency, check_inclusion, hash_leaf
from ledger.tlog.note import open_note
from ledger.tlog.tiled_tree import TiledTree, root_of_size
from ledger.tlog.tiles import BundlePlace, cut_tile, tile_at_size
from ledger.tlog.tree_builder import TreeBuilder

from .keys import verifier_from

VECTORS = Path(__file__).parent.parent / "vectors"
POSIX = VECTORS / "tlog-tiles-posix"
SUNLIGHT = VECTORS / "tlog-tiles-300"
POSIX_KEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"


class Folder:
    """A TileReader over a published folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read_tile(self, level: int, n: int, width: int) -> bytes:
        tile = tile_at_size(level, n=n, size=(n * 256 + width) << 8 * level)
        return cut_tile((self.root / str(tile)).read_bytes(), tile=tile)


def open_posix(size: int) -> OpenedCheckpoint:
    return open_checkpoint((POSIX / f"checkpoint.{size}").read_bytes(), logs=[verifier_from(POSIX_KEY)])


@pytest.mark.parametrize("size", range(16))
def test_a_checkpoint_of_tessera_is_signed_and_has_the_root_of_its_tiles(size: int) -> None:
    checkpoint = open_posix(size).checkpoint

    assert checkpoint.size == size
    assert root_of_size(size, reader=Folder(POSIX)) == checkpoint.root


@pytest.mark.parametrize("size", range(1, 16))
def test_a_bundle_of_tessera_hashes_to_its_tile(size: int) -> None:
    data = (POSIX / str(BundlePlace(0, size))).read_bytes()

    leaves = decode_bundle(data, width=size)
    builder = TreeBuilder()
    builder.extend([hash_leaf(leaf) for leaf in leaves])

    assert encode_bundle(leaves) == data
    assert builder.partial_tiles()[0].hashes == Folder(POSIX).read_tile(0, 0, size)
    assert builder.root() == open_posix(size).checkpoint.root


def test_every_proof_from_the_tiles_of_tessera_holds() -> None:
    tree, last = TiledTree(15, reader=Folder(POSIX)), open_posix(15).checkpoint
    leaves = decode_bundle((POSIX / "tile/entries/000.p/15").read_bytes(), width=15)

    for index, leaf in enumerate(leaves):
        check_inclusion(hash_leaf(leaf), index=index, size=15, proof=tree.prove_inclusion(index), root=last.root)
    for size in range(1, 16):
        proof, old_root = tree.prove_consistency(size), open_posix(size).checkpoint.root
        check_consistency(proof, old_size=size, new_size=15, old_root=old_root, new_root=last.root)


def test_the_cosigned_head_of_sunlight_is_the_root_of_its_tiles() -> None:
    """300 leaves: a full and a partial tile, a level-1 tile; the mirror's cosignature is of type 0x04."""
    key = "mirror.example.org+3fb148ef+BAAjjch9GyYz0sJsJx7ALhbdAtz2ov0unbzSl1vMp94O"
    note = open_note((SUNLIGHT / "checkpoint.mirror").read_bytes(), verifiers=[verifier_from(key)])
    checkpoint = Checkpoint.parse(note.text)

    assert root_of_size(300, reader=Folder(SUNLIGHT)) == checkpoint.root
    for index in (0, 255, 256, 299):
        tree = TiledTree(300, reader=Folder(SUNLIGHT))
        leaf_hash = tree.read_hash(0, index)
        check_inclusion(leaf_hash, index=index, size=300, proof=tree.prove_inclusion(index), root=checkpoint.root)


def test_another_tree_of_the_same_origin_and_size_is_told_apart() -> None:
    """The other checkpoint in that folder: its log line is of type 0x05, unknown here, so ignored."""
    key = "witness.example.org+b8a2cf20+BFLN3yikSfFkVAJtrnh/CiY3Zozkoy7clp+P7XB28qUN"
    note = open_note((SUNLIGHT / "checkpoint.log-and-witness").read_bytes(), verifiers=[verifier_from(key)])

    assert [line.name for line in note.unknown] == ["rome2026h1.example.org"]
    assert Checkpoint.parse(note.text).root != root_of_size(300, reader=Folder(SUNLIGHT))


def test_the_level_1_tile_is_the_hash_of_the_full_tile() -> None:
    folder = Folder(SUNLIGHT)
    full, rest = folder.read_tile(0, 0, 256), folder.read_tile(0, 1, 44)
    builder = TreeBuilder()

    filled = builder.extend([(full + rest)[at : at + 32] for at in range(0, 300 * 32, 32)])

    assert [row.hashes for row in filled] == [full]
    assert [row.hashes for row in builder.partial_tiles()] == [rest, folder.read_tile(1, 0, 1)]


def test_the_published_notes_name_the_keys_used_here() -> None:
    keys = {
        vkey for note in json.loads((VECTORS / "signed-note/notes.json").read_text())["notes"] for vkey in note["vkeys"]
    }

    assert POSIX_KEY in keys
