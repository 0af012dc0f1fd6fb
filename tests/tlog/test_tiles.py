"""Geometry and paths of tiles (C2SP tlog-tiles)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError
from ledger.tlog.notation import MAX_DECIMAL
from ledger.tlog.tiles import (
    BundlePlace,
    Tile,
    TileLengthError,
    TileNumberError,
    TilePathError,
    bundles_of_size,
    cut_tile,
    parse_path,
    tile_at_size,
    tiles_of_size,
)

NUMBERS = st.one_of(st.integers(0, 2000), st.integers(0, MAX_DECIMAL))
TILES = st.builds(Tile, st.integers(0, 63), NUMBERS, st.integers(1, 256))
BUNDLES = st.builds(BundlePlace, NUMBERS, st.integers(1, 256))


@pytest.mark.parametrize(
    ("place", "path"),
    [
        (Tile(0, 5), "tile/0/005"),
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(63, 999, 255), "tile/63/999.p/255"),
        (Tile(1, 1000, 1), "tile/1/x001/000.p/1"),
        (BundlePlace(0, 112), "tile/entries/000.p/112"),
        (BundlePlace(1234067), "tile/entries/x001/x234/067"),
    ],
)
def test_paths_are_written_as_published(place: Tile | BundlePlace, path: str) -> None:
    """tlog-tiles: N in groups of three digits, all but the last behind an x."""
    assert str(place) == path
    assert parse_path(path) == place


@given(place=st.one_of(TILES, BUNDLES))
def test_a_path_round_trips(place: Tile | BundlePlace) -> None:
    assert parse_path(str(place)) == place


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/5",
        "tile/00/005",
        "tile/64/005",
        "tile/-1/005",
        "tile/0/x000/005",
        "tile/0/x00/005",
        "tile/0/001/005",
        "tile/0/005.p/0",
        "tile/0/005.p/256",
        "tile/0/005.p/01",
        "tile/0/005.p/",
        "tile/0/005/",
        "tile/0/005\n",
        "/tile/0/005",
        "tile/8/0/005",
        "tile/0/\N{ARABIC-INDIC DIGIT ZERO}05",
        "tile/0/x009/x223/x372/x036/x854/x775/808",
        "tile/entry/005",
        "tile/entries/x000/001",
    ],
)
def test_another_spelling_is_refused(path: str) -> None:
    with pytest.raises(TilePathError):
        parse_path(path)


@given(path=st.one_of(st.text(), st.from_regex(r"tile/[0-9]{1,3}/[x0-9/]{1,9}(\.p/[0-9]{0,3})?", fullmatch=True)))
def test_any_text_is_a_path_in_its_only_spelling_or_refused(path: str) -> None:
    try:
        assert str(parse_path(path)) == path
    except LedgerError as error:
        assert isinstance(error, TilePathError)  # noqa: PT017 -- most texts are refused, a few are paths


@pytest.mark.parametrize(("level", "n", "width"), [(64, 0, 1), (-1, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257)])
def test_a_tile_outside_the_limits_cannot_be_built(level: int, n: int, width: int) -> None:
    with pytest.raises(TileNumberError):
        Tile(level, n, width)


@pytest.mark.parametrize(("n", "width"), [(-1, 1), (MAX_DECIMAL + 1, 1), (0, 0), (0, 257)])
def test_a_bundle_outside_the_limits_cannot_be_built(n: int, width: int) -> None:
    with pytest.raises(TileNumberError):
        BundlePlace(n, width)


def test_size_256_has_a_full_tile_and_its_hash() -> None:
    """tlog-tiles: ``0/000`` and ``1/000.p/1``."""
    assert [str(tile) for tile in tiles_of_size(256)] == ["tile/0/000", "tile/1/000.p/1"]


def test_size_70000_has_the_published_tiles() -> None:
    """tlog-tiles' own example: 273 full + 112, level 1 one full + 17, level 2 one hash."""
    paths = [str(tile) for tile in tiles_of_size(70_000)]

    assert len(paths) == 274 + 2 + 1
    assert paths[272:] == ["tile/0/272", "tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"]


def test_an_empty_tree_has_no_tile_and_no_bundle() -> None:
    assert not list(tiles_of_size(0))
    assert not list(bundles_of_size(0))


@given(size=st.integers(0, 200_000))
def test_tiles_and_bundles_hold_as_many_hashes_as_their_level(size: int) -> None:
    """tlog-tiles: level l holds ``size >> 8l`` hashes, and a bundle stands behind each tile of level 0."""
    tiles = list(tiles_of_size(size))

    for level in range(4):
        assert sum(tile.width for tile in tiles if tile.level == level) == size >> 8 * level
    assert [(tile.n, tile.width) for tile in tiles if tile.level == 0] == [
        (bundle.n, bundle.width) for bundle in bundles_of_size(size)
    ]
    assert all(tile == tile_at_size(tile.level, n=tile.n, size=size) for tile in tiles)


def test_a_tile_that_a_size_does_not_have_is_refused() -> None:
    with pytest.raises(TileNumberError):
        tile_at_size(0, n=1, size=256)


def test_a_partial_tile_is_cut_from_the_full_one() -> None:
    """tlog-tiles: a reader takes the full tile where the partial one is absent."""
    full, tile = bytes(range(256)) * 32, Tile(0, 4, 3)

    assert cut_tile(full, tile=tile, stored=Tile(0, 4)) == full[:96]
    assert cut_tile(full[:96], tile=tile) == full[:96]


def test_a_tile_with_trailing_or_missing_bytes_is_refused() -> None:
    tile = Tile(0, 4, 3)

    for length in (0, 95, 97, 128):
        with pytest.raises(TileLengthError):
            cut_tile(bytes(length), tile=tile)
    with pytest.raises(TileLengthError):
        cut_tile(bytes(64), tile=tile, stored=Tile(0, 4, 2))
    with pytest.raises(TileLengthError):
        cut_tile(bytes(96), tile=tile, stored=Tile(0, 4))
