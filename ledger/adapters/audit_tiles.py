"""A folder of tiles of any C2SP log (tlog-tiles): ``checkpoint``, ``tile/`` and, where there are, ``tile/entries/``.

Only the files of the checkpoint's size are read. Where a partial tile is absent, a wider one, at
last the full one, is taken and cut; a file of the exact width may not be longer. Leaf hashes come
from the tiles of level 0, leaves from the entry bundles. A link is not followed: Tessera, which has
one in the place of each partial tile that was filled, has the full tile beside it.
"""

from collections.abc import Iterator, Mapping, Sequence

from ledger.adapters.audit_files import Files
from ledger.application.audit_source import (
    HeldNote,
    Nature,
    PartMissingError,
    PartWrongError,
    StoredDisclosure,
    StoredLeaf,
)
from ledger.tlog.entry_bundle import decode_bundle
from ledger.tlog.notation import HASH_SIZE, FormatError
from ledger.tlog.tiles import WIDTH, BundlePlace, Tile, bundles_of_size, cut_tile, tile_at_size

CHECKPOINT = "checkpoint"


class TilesSource:
    """A log in tiles (an ``audit_source.LogSource``)."""

    def __init__(
        self,
        files: Files,
        *,
        nature: Nature,
        anchors: Sequence[HeldNote] = (),
        disclosures: Sequence[StoredDisclosure] = (),
    ) -> None:
        self.nature = nature
        self._files = files
        self._anchors = tuple(anchors)
        self._disclosures = tuple(disclosures)

    def size(self) -> int | None:
        """Return None: the checkpoint tells."""
        return None

    def leaves(self, start: int, end: int) -> Iterator[Sequence[StoredLeaf]]:
        """Yield the leaves of one tile after the other."""
        for place in bundles_of_size(end):
            first = place.n * WIDTH
            if first + place.width <= start:
                continue
            hashes = self.tile(tile_at_size(0, n=place.n, size=end))
            leaves = self._entries(place)
            rows: list[StoredLeaf] = [
                (first + at, hashes[at * HASH_SIZE : (at + 1) * HASH_SIZE], leaf, None, None, None)
                for at, leaf in enumerate(leaves)
            ]
            yield rows[max(0, start - first) :]

    def _entries(self, place: BundlePlace) -> Sequence[bytes | None]:
        whole = BundlePlace(place.n)
        found = place if str(place) in self._files.names else whole
        if str(found) not in self._files.names:
            return [None] * place.width
        try:
            return decode_bundle(self._files.read(str(found)), width=place.width, stored=found.width)
        except FormatError as exc:
            raise PartWrongError(str(found), fact=f"{exc}: {exc.fact}") from exc

    def checkpoints(self, above: int) -> Iterator[tuple[int | None, bytes]]:  # noqa: ARG002 # there is only one
        """Yield the one checkpoint."""
        yield None, self._files.read(CHECKPOINT)

    def tile(self, tile: Tile) -> bytes:
        """Return the file of a tile, or of a wider one cut to it."""
        # An audit since a smaller size asks for tiles of that size, and a bundle has those of its own alone.
        wider = (Tile(tile.level, tile.n, width) for width in range(tile.width, WIDTH + 1))
        found = next((each for each in wider if str(each) in self._files.names), None)
        if found is None:
            raise _missing(self._files, str(tile))
        try:
            return cut_tile(self._files.read(str(found)), tile=tile, stored=found)
        except FormatError as exc:
            raise PartWrongError(str(found), fact=f"{exc}: {exc.fact}") from exc

    def anchors(self) -> Iterator[HeldNote]:
        """Yield the notes in ``anchors/``, where there are."""
        yield from self._anchors

    def disclosures(self) -> Iterator[StoredDisclosure]:
        """Yield the personal values, where there are."""
        yield from self._disclosures

    def surplus(self, size: int) -> Iterator[str]:  # noqa: ARG002 # a folder may hold more than its size
        """Yield nothing: other widths and later tiles do no harm here."""
        yield from ()

    def versions_before(self, start: int) -> Mapping[bytes, int] | None:  # noqa: ARG002 # the port's signature
        """Return None: tiles do not tell."""
        return None


def foreign_source(files: Files) -> TilesSource:
    """Return a folder of tiles that another log published.

    Raises: PartMissingError where there is no checkpoint.
    """
    if CHECKPOINT not in files.names:
        raise _missing(files, CHECKPOINT)
    entries = any(name.startswith("tile/entries/") for name in files.names)
    limits = (f"links were not followed: {len(files.odd)}, such as {min(files.odd)}",) if files.odd else ()
    return TilesSource(files, nature=Nature(name="log", commits=False, entries=entries, native=False, limits=limits))


def _missing(files: Files, name: str) -> PartMissingError:
    """Return what to say of a file that is not there, or that a link stands for."""
    linked = any(name == odd or name.startswith(f"{odd}/") for odd in files.odd)
    return PartMissingError(name, fact="it is a link, which is not followed" if linked else "it is not there")
