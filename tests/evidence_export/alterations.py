"""What a forger, a bad disk or a careless hand does to a bundle, and what a verifier must say of it.

An alteration that is *listed* has manifest and sums made anew, so only the signature is in its
way. *go* tells whether Go's verifier can see it: it reads neither manifest nor sums.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import Note, sign_note
from ledger.tlog.proof import TlogProof
from tests.tlog.keys import make_signer

from .exports import FAILED, UNDECIDED, relist


class Alteration(NamedTuple):
    """One alteration of a bundle."""

    name: str
    change: Callable[[Path], None]
    verdict: int
    listed: bool = True
    go: bool = True

    def apply(self, bundle: Path) -> None:
        """Alter *bundle*."""
        self.change(bundle)
        if self.listed:
            relist(bundle)


def flip(name: str, at: int = -1) -> Callable[[Path], None]:
    """Return what flips one bit of the file whose name begins so."""

    def change(bundle: Path) -> None:
        path = find(bundle, name)
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        path.write_bytes(data)

    return change


def remove(name: str) -> Callable[[Path], None]:
    """Return what removes the file whose name begins so."""
    return lambda bundle: find(bundle, name).unlink()


def write(name: str, data: bytes) -> Callable[[Path], None]:
    """Return what adds a file."""
    return lambda bundle: void((bundle / name).write_bytes(data))


def append(name: str, data: bytes) -> Callable[[Path], None]:
    """Return what lengthens a file."""
    return lambda bundle: void(find(bundle, name).write_bytes(find(bundle, name).read_bytes() + data))


def find(bundle: Path, name: str) -> Path:
    """Return the one file whose path begins with *name*."""
    (found,) = [path for path in bundle.rglob("*") if path.is_file() and str(path.relative_to(bundle)).startswith(name)]
    return found


def void(_: object) -> None:
    """Return nothing."""


def forge(bundle: Path) -> None:
    """Sign another root with another key of the same name, and put that key into the bundle (row 13)."""
    path = bundle / "checkpoint"
    was = Checkpoint.parse(Note.parse(path.read_bytes()).text)
    key = make_signer(was.origin, 99)
    path.write_bytes(sign_note(was.encode(), signers=[key]))
    (bundle / "log.vkey").write_text(f"{key.vkey}\n")
    (bundle / "policy").write_text(f"log {key.vkey}\nquorum none\n")
    for proof in bundle.glob("entries/*.tlog-proof"):
        parsed = TlogProof.parse(proof.read_bytes())
        proof.write_bytes(TlogProof(parsed.index, parsed.hashes, path.read_bytes()).encode())


def restate(old: bytes, new: bytes) -> Callable[[Path], None]:
    """Return what changes the text of the checkpoint."""
    return lambda bundle: void(
        (bundle / "checkpoint").write_bytes((bundle / "checkpoint").read_bytes().replace(old, new, 1))
    )


def stray_bits(bundle: Path) -> None:
    """Spell the same signature in another way: set the last bit of its last character, which stands for nothing."""
    path = bundle / "checkpoint"
    data = path.read_bytes()
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = data[-3]  # behind it stand one "=" and the newline
    path.write_bytes(data[:-3] + alphabet[alphabet.index(last) | 1 :][:1] + data[-2:])


def link(bundle: Path) -> None:
    """Put a link in the place of a file."""
    path = bundle / "policy"
    path.unlink()
    path.symlink_to(bundle / "log.vkey")


def swap_entries(bundle: Path) -> None:
    """Show the entry of one index as that of another, each with the proof of the other (row 12)."""
    for suffix in ("json", "tlog-proof"):
        one, other = bundle / f"entries/1.{suffix}", bundle / f"entries/4.{suffix}"
        kept = one.read_bytes()
        one.write_bytes(other.read_bytes())
        other.write_bytes(kept)


def reproof(change: Callable[[TlogProof], TlogProof]) -> Callable[[Path], None]:
    """Return what changes the proof of event 1."""

    def apply(bundle: Path) -> None:
        path = bundle / "entries/1.tlog-proof"
        path.write_bytes(change(TlogProof.parse(path.read_bytes())).encode())

    return apply


ANY_FORM = (
    Alteration("signature", flip("checkpoint", -20), FAILED),
    # The last character has two bits that stand for nothing: Go does not look at them (base64, not the signature).
    Alteration("stray bits of a signature", stray_bits, FAILED, go=False),
    Alteration("root in the checkpoint", flip("checkpoint", 50), FAILED),
    Alteration("size in the checkpoint", restate(b"\n5\n", b"\n4\n"), FAILED),
    Alteration("origin in the checkpoint", restate(b"broker1", b"broker2"), FAILED),
    Alteration("line that is no signature", append("checkpoint", b"signed by me\n"), FAILED),
    Alteration("own key and policy", forge, FAILED),
    Alteration("no checkpoint", remove("checkpoint"), UNDECIDED),
    Alteration("no checkpoint, not listed", remove("checkpoint"), UNDECIDED, listed=False),
    Alteration("readme edited", append("README", b"all is well\n"), FAILED, listed=False, go=False),
    Alteration("readme missing", remove("README"), UNDECIDED, listed=False, go=False),
    Alteration("sums missing", remove("SHA256SUMS"), UNDECIDED, listed=False, go=False),
    Alteration("manifest edited", append("manifest.json", b" "), FAILED, listed=False, go=False),
    Alteration("manifest missing", remove("manifest.json"), UNDECIDED, listed=False, go=False),
    Alteration("sums that lead out", append("SHA256SUMS", b"0" * 64 + b"  ../x\n"), FAILED, listed=False, go=False),
    Alteration("sums unreadable", append("SHA256SUMS", b"x\n"), FAILED, listed=False, go=False),
    Alteration("file that is not listed", write("notes.txt", b"x"), FAILED, listed=False, go=False),
    Alteration("hidden file", write(".notes", b"x"), FAILED, listed=False, go=False),
    Alteration("name that steers a terminal", write("\x1b[31mx", b"x"), FAILED, listed=False, go=False),
    Alteration("link", link, FAILED, listed=False, go=False),
)
WHOLE = (
    Alteration("entry", flip("tile/entries/000", 100), FAILED),
    Alteration("entry, not listed", flip("tile/entries/000", 100), FAILED, listed=False),
    Alteration("length of an entry", flip("tile/entries/000", 1), FAILED),
    Alteration("entries too long", append("tile/entries/000", b"\0\1x"), FAILED),
    Alteration("hash in a tile", flip("tile/0/000", 40), FAILED),
    Alteration("tile too long", append("tile/0/000", bytes(32)), FAILED),
    Alteration("tile missing", remove("tile/0/000"), UNDECIDED),
    Alteration("tile missing, not listed", remove("tile/0/000"), UNDECIDED, listed=False),
    Alteration("entries missing", remove("tile/entries/000"), UNDECIDED),
)
SAMPLE = (
    Alteration("entry", flip("entries/1.json", 100), FAILED),
    Alteration("entry, not listed", flip("entries/1.json", 100), FAILED, listed=False),
    Alteration("newline after an entry", append("entries/4.json", b"\n"), FAILED),
    Alteration("entry of another index", swap_entries, FAILED),
    Alteration("proof of another index", reproof(lambda p: TlogProof(2, p.hashes, p.note)), FAILED),
    Alteration("proof too long", reproof(lambda p: TlogProof(p.index, (*p.hashes, bytes(32)), p.note)), FAILED),
    Alteration("proof too short", reproof(lambda p: TlogProof(p.index, p.hashes[:-1], p.note)), FAILED),
    Alteration("proof in another order", reproof(lambda p: TlogProof(p.index, p.hashes[::-1], p.note)), FAILED),
    Alteration("hash of a proof", reproof(lambda p: TlogProof(p.index, (bytes(32), *p.hashes[1:]), p.note)), FAILED),
    Alteration("entry with no proof", remove("entries/1.tlog-proof"), UNDECIDED),
    Alteration("proof with no entry", remove("entries/1.json"), UNDECIDED, go=False),
    Alteration("proof is no proof", flip("entries/4.tlog-proof", 3), FAILED),
)
