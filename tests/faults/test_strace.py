"""The same command as a process under strace(1): no write of a file is missed, and faults are the kernel's."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.child import Ran
from tests.faults.disk_calls import Call
from tests.faults.host import DEEDS, Deed, Host, sampled
from tests.faults.settings import EVERY
from tests.faults.sweep import judge, resume
from tests.needs import need

_CALLS = (
    "mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,chmod,fchmod,fchmodat,chown,fchown,fchownat,"
    "link,linkat,symlink,symlinkat,truncate,ftruncate,write,pwrite64,writev,pwritev,fsync,syncfs,open,openat,creat"
)
_BREAKABLE = "fsync,fdatasync,rename,pwrite64,unlink,mkdir,syncfs"
_LINE = re.compile(r"^(?:\[pid +\d+\] |\d+ +)?(?P<name>\w+)\((?P<rest>.*)\) += (?P<result>-?\d+)")
_OURS = {
    "mkdirat": "mkdir",
    "renameat": "rename",
    "renameat2": "rename",
    "fchmodat": "chmod",
    "fchownat": "owner",
    "linkat": "link",
    "chown": "owner",
    "fchown": "owner",
    "symlinkat": "symlink",
    "pwrite64": "pwrite",
    "creat": "open",
    "openat": "open",
}


@pytest.fixture(autouse=True)
def strace() -> None:
    """Need the program that sees the kernel's calls."""
    need("strace", packages="strace")


def _traced(host: Host, deed: Deed, *how: str) -> tuple[Ran, list[str]]:
    log = host.folder / "strace.log"
    command = ["strace", "-f", "-y", "-o", str(log), *how, sys.executable, "-m", "cli", *deed.arguments(host)]
    environ = {**host.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return Ran(done.returncode, done.stdout, done.stderr), log.read_text(errors="replace").splitlines()


def _changes(host: Host, lines: list[str]) -> list[Call]:
    """Return the calls that changed something under the watched folders."""
    found = []
    for line in lines:
        match = _LINE.match(line)
        if match is None or int(match["result"]) < 0:
            continue
        name, rest = match["name"], match["rest"]
        if name in {"open", "openat", "creat"} and not re.search(r"O_CREAT|O_TRUNC", rest):
            continue
        if name == "unlinkat":
            name = "rmdir" if "AT_REMOVEDIR" in rest else "unlink"
        if name in {"fchown", "fchmod"} and re.search(r"-(?:journal|wal|shm)>", rest):
            continue  # SQLite gives the files beside a database its mode and owner
        if any(f"{place}/" in line or f"<{place}>" in line or f'"{place}"' in line for place in host.watched):
            found.append(Call(_OURS.get(name, name), line))
    return found


def _normal(name: str) -> str:
    name = name.removeprefix("sqlite ")
    return {**_OURS, "replace": "rename", "remove": "unlink"}.get(name, name)


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_the_count_in_the_child_misses_no_write(fast_folder: Path, deed: Deed) -> None:
    """Each call that strace sees to change something was met in the child, as often as there.

    Opening is compared only where it makes a file; SQLite's own fsync is not in its table.
    """
    host = deed.prepared(fast_folder)
    put_back = host.keep()
    met = Counter(_normal(call.name) for call in host.run(*deed.arguments(host), counted=True).calls)
    put_back()

    ran, lines = _traced(host, deed, "-e", f"trace={_CALLS}")

    seen = Counter(call.name for call in _changes(host, lines))
    assert ran.code == 0, ran
    for name in ("mkdir", "rename", "chmod", "fchmod", "owner", "link", "symlink", "write"):
        assert seen[name] == met[name], (name, seen, met)
    # Removing what is not there changes nothing, and is met in the child all the same.
    for name in ("unlink", "rmdir", "fsync", "syncfs"):
        assert seen[name] <= met[name], (name, seen, met)
    assert abs(seen["pwrite"] - met["pwrite"]) <= _pages(met["pwrite"])


def _pages(writes: int) -> int:
    """Random ids lie in one page of an index or in two."""
    return max(4, writes // 10)


@pytest.mark.parametrize("how", ["signal=SIGKILL", "error=ENOSPC", "error=EIO"])
@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_a_fault_of_the_kernel_loses_nothing(fast_folder: Path, deed: Deed, how: str) -> None:
    """As in `test_every_write`, with fsync and fdatasync of SQLite among the calls that break."""
    host = deed.prepared(fast_folder)
    put_back = host.keep()
    _, lines = _traced(host, deed, "-e", f"trace={_BREAKABLE}")
    counts = Counter(match["name"] for line in lines if (match := _LINE.match(line)))
    for name, count in counts.items():
        every = EVERY and deed.name == "permanent"
        for at in sampled(count, count if every else 2 if EVERY else 1):
            put_back()
            ran, _ = _traced(host, deed, "-e", f"trace={name}", "-e", f"inject={name}:{how}:when={at}")
            judge(host, deed, ran)
            resume(host, deed, goes_on=at % 2 == 0)
