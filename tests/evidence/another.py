"""Another exporter and another checker, written from evidence.md alone: nothing here is imported from the product.

They are slow and short on purpose: hashes by the recursive definitions of RFC 6962, notes and
tiles as the pages of C2SP describe them, keys by ``cryptography``.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

Bundle = dict[str, bytes]
ORIGIN = "other.example.org/log"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STREAM = "release:emqx@other.example.org"


class RefusedError(Exception):
    """The checker does not accept a bundle."""


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def uuid7(number: int) -> str:
    """Return the *number*-th UUID of version 7."""
    return str(UUID(int=(number + 1) << 80 | 7 << 76 | 2 << 62 | number))


def leaf(index: int, *, origin: str = ORIGIN) -> bytes:
    """Return the envelope of event *index*: one event a commit, one stream (1.1, 1.2)."""
    members = {
        "v": 1,
        "ledger": origin,
        "stream": STREAM,
        "version": index + 1,
        "type": "emqx.release.made_up.v1",
        "event_id": uuid7(2 * index),
        "commit_id": uuid7(2 * index + 1),
        "recorded_at": f"2026-03-01T12:{index // 60 % 60:02}:{index % 60:02}.{index:06}Z",
        "clock": {"source": "system", "synced": "yes", "boot_id": uuid7(1), "monotonic_us": index},
        "actor": {"id": "os:1000", "kind": "human", "auth": "os"},
        "source": {"host_id": "ab" * 32, "tool": "another/1"},
        "data": {"words": ["ä", "€", "𝄞"]},
    }
    return json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


# RFC 6962, section 2.1


def split(size: int) -> int:
    return 1 << (size - 1).bit_length() - 1


class Tree:
    """The tree over *hashes* of leaves; full subtrees are hashed once."""

    def __init__(self, hashes: Sequence[bytes]) -> None:
        self.hashes = hashes
        self.root = cache(self._root)

    def _root(self, start: int, end: int) -> bytes:
        if end == start:
            return sha256(b"")
        if end - start == 1:
            return self.hashes[start]
        middle = start + split(end - start)
        return sha256(b"\1" + self.root(start, middle) + self.root(middle, end))

    def path(self, index: int, start: int, end: int) -> list[bytes]:
        if end - start == 1:
            return []
        middle = start + split(end - start)
        if index < middle:
            return [*self.path(index, start, middle), self.root(middle, end)]
        return [*self.path(index, middle, end), self.root(start, middle)]


# C2SP signed-note and tlog-tiles


def key_id(name: str, kind: int, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + bytes([kind]) + public)[:4]


def vkey(key: Ed25519PrivateKey = KEY, name: str = ORIGIN) -> str:
    public = key.public_key().public_bytes_raw()
    return f"{name}+{key_id(name, 1, public).hex()}+{base64.b64encode(bytes([1]) + public).decode()}"


def signed_by(text: bytes, key: Ed25519PrivateKey = KEY, name: str = ORIGIN) -> bytes:
    payload = key_id(name, 1, key.public_key().public_bytes_raw()) + key.sign(text)
    return f"— {name} {base64.b64encode(payload).decode()}\n".encode()


def unknown_line(name: str, size: int) -> bytes:
    """Return a signature line of a key, or of a kind of key, that nobody knows."""
    return f"— {name} {base64.b64encode(b'?' * size).decode()}\n".encode()


def checkpoint_text(size: int, root: bytes, *, origin: str = ORIGIN, extensions: Sequence[str] = ()) -> bytes:
    lines = (origin, str(size), base64.b64encode(root).decode(), *extensions)
    return "".join(f"{line}\n" for line in lines).encode()


def place(number: int) -> str:
    groups = []
    while True:
        number, rest = divmod(number, 1000)
        groups.append(f"{rest:03}")
        if not number:
            return "/".join([*(f"x{group}" for group in groups[:0:-1]), groups[0]])


def tiled(size: int) -> Iterator[tuple[str, int, int, int]]:
    """Yield each tile of a tree: its path, its level, its number and its width."""
    level = 0
    while size >> 8 * level:
        full, partial = divmod(size >> 8 * level, 256)
        for n in range(full):
            yield f"tile/{level}/{place(n)}", level, n, 256
        if partial:
            yield f"tile/{level}/{place(full)}.p/{partial}", level, full, partial
        level += 1


def whole(leaves: Sequence[bytes], *, size: int | None = None) -> Bundle:
    """Return the whole form for the first *size* leaves; tiles are those of all *leaves*, as another host may serve."""
    tree = Tree([sha256(b"\0" + each) for each in leaves])
    size = len(leaves) if size is None else size
    text = checkpoint_text(size, tree.root(0, size))
    files = {"checkpoint": text + b"\n" + signed_by(text)}
    for path, level, n, width in tiled(len(leaves)):
        step = 256**level
        hashes = (tree.root((256 * n + i) * step, (256 * n + i + 1) * step) for i in range(width))
        files[path] = b"".join(hashes)
        if level == 0:
            entries = leaves[256 * n : 256 * n + width]
            files[path.replace("tile/0/", "tile/entries/")] = b"".join(
                len(each).to_bytes(2, "big") + each for each in entries
            )
    return files


def part(leaves: Sequence[bytes], indexes: Sequence[int], *, extra: bool = False) -> Bundle:
    """Return the sample form."""
    tree = Tree([sha256(b"\0" + each) for each in leaves])
    text = checkpoint_text(len(leaves), tree.root(0, len(leaves)))
    files = {"checkpoint": text + b"\n" + signed_by(text)}
    for index in indexes:
        lines = ["c2sp.org/tlog-proof@v1", *(["extra AAAA"] if extra else []), f"index {index}"]
        lines += [base64.b64encode(each).decode() for each in tree.path(index, 0, len(leaves))]
        head = "".join(f"{line}\n" for line in lines).encode()
        files[f"entries/{index}.json"] = leaves[index]
        files[f"entries/{index}.tlog-proof"] = head + b"\n" + files["checkpoint"]
    return files


def listed(files: Mapping[str, bytes], *, mark: str = " ", **stated: object) -> Bundle:
    """Return *files* with a manifest, which may state more, and with sums."""
    rows = [
        {"path": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "note": "x"}
        for name, data in sorted(files.items(), reverse=True)
    ]
    manifest = json.dumps({"format": 1, "files": rows, **stated}, indent=3).encode()
    sums = "".join(f"{hashlib.sha256(data).hexdigest()} {mark}{name}\n" for name, data in files.items())
    sums = f"{hashlib.sha256(manifest).hexdigest()} {mark}manifest.json\n{sums}"
    return {**files, "manifest.json": manifest, "SHA256SUMS": sums.encode()}


# The checker


def check(files: Mapping[str, bytes], trusted: str) -> int:
    """Return how many events a bundle shows to be signed by the key *trusted*.

    Raises: RefusedError.
    """
    try:
        return _checked(files, trusted)
    except (KeyError, ValueError, IndexError, TypeError, InvalidSignature) as exc:
        raise RefusedError(repr(exc)) from exc


def _require(holds: object, what: str) -> None:
    if not holds:
        raise RefusedError(what)


def _checked(files: Mapping[str, bytes], trusted: str) -> int:
    sums = [line.split(" ", 1) for line in files["SHA256SUMS"].decode().split("\n")[:-1]]
    _require({name[1:] for _, name in sums} == files.keys() - {"SHA256SUMS"}, "files and sums are not the same")
    for digest, name in sums:
        _require(hashlib.sha256(files[name[1:]]).hexdigest() == digest, name)
    for row in json.loads(files["manifest.json"])["files"]:
        data = files[row["path"]]
        _require((len(data), hashlib.sha256(data).hexdigest()) == (row["size"], row["sha256"]), row["path"])
    size, root = _opened(files["checkpoint"], trusted)
    if not any(name.startswith("tile/") for name in files):
        return _check_part(files, size, root)
    hashes: list[bytes] = []
    for path, level, n, width in tiled(size):
        if level == 0:
            entries = list(_entries(files[path.replace("tile/0/", "tile/entries/")]))
            _require(len(entries) == width, path)
            hashes += [sha256(b"\0" + entry) for entry in entries]
        tree, step = Tree(hashes), 256**level
        row = b"".join(tree.root((256 * n + i) * step, (256 * n + i + 1) * step) for i in range(width))
        _require(row == files[path], path)
    _require(Tree(hashes).root(0, size) == root, "root")
    return size


def _opened(note: bytes, trusted: str) -> tuple[int, bytes]:
    name, _, rest = trusted.partition("+")
    public = base64.b64decode(rest.partition("+")[2], validate=True)[1:]
    text, _, lines = note.rpartition(b"\n\n")
    text += b"\n"
    for line in lines.decode().split("\n")[:-1]:
        dash, signer, payload = line.split(" ")
        found = base64.b64decode(payload, validate=True)
        _require(base64.b64encode(found).decode() == payload and dash == "—", "signature line")
        if (signer, found[:4]) == (name, key_id(name, 1, public)):
            Ed25519PublicKey.from_public_bytes(public).verify(found[4:], text)
            origin, size, root = text.decode().split("\n")[:3]
            _require(origin == name, "origin")
            return int(size), base64.b64decode(root, validate=True)
    raise RefusedError("no line of the trusted key")


def _check_part(files: Mapping[str, bytes], size: int, root: bytes) -> int:
    count = 0
    for name, proof in files.items():
        if not name.endswith(".tlog-proof"):
            continue
        head, _, note = proof.partition(b"\n\n")
        _require(note == files["checkpoint"], name)
        version, position, *hashes = head.decode().split("\n")
        index = int(position.removeprefix("index "))
        _require(version == "c2sp.org/tlog-proof@v1" and name == f"entries/{index}.tlog-proof", name)
        path = [base64.b64decode(each, validate=True) for each in hashes]
        found = sha256(b"\0" + files[f"entries/{index}.json"])
        _require(_climb(found, index, size, path) == root, name)
        count += 1
    return count


def _climb(found: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Return the root by the recursive definition, read from above: the last hash is that of the topmost sibling."""
    if size == 1:
        _require(not path, "a proof that is too long")
        return found
    middle = split(size)
    if index < middle:
        return sha256(b"\1" + _climb(found, index, middle, path[:-1]) + path[-1])
    return sha256(b"\1" + path[-1] + _climb(found, index - middle, size - middle, path[:-1]))


def _entries(data: bytes) -> Iterator[bytes]:
    while data:
        length = int.from_bytes(data[:2], "big")
        _require(2 + length <= len(data), "an entry")
        yield data[2 : 2 + length]
        data = data[2 + length :]
