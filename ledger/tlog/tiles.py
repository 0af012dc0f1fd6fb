"""Geometry of tiles and their paths (C2SP tlog-tiles, height 8).

Tile n of level l holds 256 hashes, each over 256^l leaves: level 0 the leaf hashes, level l + 1
one hash for each full tile of level l. A full tile has 8,192 bytes. At a given size a level may
end in one partial tile; a partial tile is never hashed into its parent, and empty ones do not
exist. Entry bundle n holds the leaves whose hashes are in tile n of level 0.

Paths: ``tile/<L>/<N>[.p/<W>]`` and ``tile/entries/<N>[.p/<W>]``. L is 0 to 63, W is 1 to 255
and absent for a full tile; N is written in groups of three digits, all but the last behind an
``x``: 1234067 is ``x001/x234/067``. Parsing is exact: ``str(parse_path(path)) == path``.
"""

import re
from collections.abc import Iterator

from ledger.dataclass import dataclass
from ledger.tlog.notation import HASH_SIZE, MAX_DECIMAL, FormatError

HEIGHT = 8
WIDTH = 1 << HEIGHT
MAX_LEVEL = 63

_PATH = (  # re keeps it compiled from its first use
    r"tile/(?:(?P<level>[0-9]{1,2})|entries)"
    r"/(?P<n>(?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/(?P<width>[0-9]{1,3}))?"
)
_SHOWN = 80


class TilePathError(FormatError):
    """A path names neither a tile nor an entry bundle."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path[:_SHOWN]!a} is not the path of a tile",
            fact="paths are tile/<L>/<N>[.p/<W>] and tile/entries/<N>[.p/<W>]",
        )
        self.path = path


class TileNumberError(FormatError):
    """Level, number or width are outside what a tile can have."""

    def __init__(self, level: int, *, n: int, width: int) -> None:
        super().__init__(
            f"there is no tile {n} of level {level} and width {width}",
            fact=f"levels are 0 to {MAX_LEVEL}, widths 1 to {WIDTH}, numbers 0 to {MAX_DECIMAL}",
        )
        self.level, self.n, self.width = level, n, width


class TileLengthError(FormatError):
    """A tile does not have the bytes of its width."""

    def __init__(self, tile: "Tile", *, length: int) -> None:
        super().__init__(f"{tile} has {length} bytes", fact=f"{tile.width} hashes of {HASH_SIZE} bytes are due")
        self.tile, self.length = tile, length


@dataclass(frozen=True)
class Tile:
    """The place of one hash tile; *width* says how many hashes it holds."""

    level: int
    n: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        if not (0 <= self.level <= MAX_LEVEL and 0 <= self.n <= MAX_DECIMAL and 1 <= self.width <= WIDTH):
            raise TileNumberError(self.level, n=self.n, width=self.width)

    def __str__(self) -> str:
        return f"tile/{self.level}/{_print_place(self.n, self.width)}"


@dataclass(frozen=True)
class BundlePlace:
    """The place of one entry bundle; *width* says how many entries it holds."""

    n: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        if not (0 <= self.n <= MAX_DECIMAL and 1 <= self.width <= WIDTH):
            raise TileNumberError(0, n=self.n, width=self.width)

    def __str__(self) -> str:
        return f"tile/entries/{_print_place(self.n, self.width)}"


def parse_path(path: str) -> Tile | BundlePlace:
    """Return what *path* names.

    Raises: TilePathError where the path is not in its only accepted spelling.
    """
    match = re.fullmatch(_PATH, path)
    if match is None:
        raise TilePathError(path)
    n = int(match["n"].replace("x", "").replace("/", ""))
    width = int(match["width"] or WIDTH)
    try:
        place = BundlePlace(n, width) if match["level"] is None else Tile(int(match["level"]), n, width)
    except TileNumberError as exc:
        raise TilePathError(path) from exc
    if str(place) != path:
        raise TilePathError(path)
    return place


def tiles_of_size(size: int) -> Iterator[Tile]:
    """Yield every tile of a tree of *size* leaves, level by level."""
    level = 0
    while size:
        full, rest = divmod(size, WIDTH)
        yield from (Tile(level, n) for n in range(full))
        if rest:
            yield Tile(level, full, rest)
        level, size = level + 1, full


def bundles_of_size(size: int) -> Iterator[BundlePlace]:
    """Yield every entry bundle of a tree of *size* leaves."""
    full, rest = divmod(size, WIDTH)
    yield from (BundlePlace(n) for n in range(full))
    if rest:
        yield BundlePlace(full, rest)


def tile_at_size(level: int, *, n: int, size: int) -> Tile:
    """Return tile *n* of *level* as wide as it is in a tree of *size* leaves.

    Raises: TileNumberError where that tree has no such tile.
    """
    return Tile(level, n, min(WIDTH, (size >> HEIGHT * level) - WIDTH * n))


def cut_tile(data: bytes, *, tile: Tile, stored: Tile | None = None) -> bytes:
    """Return the hashes of *tile* from *data*, read at the same place or from the full tile *stored*.

    Raises: TileLengthError where *data* is shorter or longer than the file it was read from.
    """
    found = stored or tile
    if len(data) != found.width * HASH_SIZE or found.width < tile.width:
        raise TileLengthError(found, length=len(data))
    return data[: tile.width * HASH_SIZE]


def _print_place(n: int, width: int) -> str:
    text = f"{n % 1000:03d}"
    while n := n // 1000:
        text = f"x{n % 1000:03d}/{text}"
    return text if width == WIDTH else f"{text}.p/{width}"
