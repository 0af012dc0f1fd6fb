"""A host for faults: a small installation, its packages and a ledger, put back as it was for each case.

The folder of the installation itself stays when its content is put back: an embedded node on
another folder would be a new node that boots (RULINGS 17).
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.emqx_installation import make_installation
from demo.emqx_package import make_package
from demo.emqx_tree import ReleaseSpec
from tests.faults.child import Ran, run, run_here
from tests.faults.disk_calls import Fault, Kind

STATED = ("--edition", "ce", "--os", "ubuntu20.04")
_LIBS = (("kernel", "8.5.3"), ("stdlib", "4.2"))
_NEW = "4.4.16"


def spec_of(vsn: str) -> ReleaseSpec:
    """Return a small release: three libraries, and from 4.4.11 on an ERTS of its own."""
    newer = int(vsn.split(".")[2]) > 10
    return ReleaseSpec(
        vsn=vsn,
        libs=(*_LIBS, ("emqx", vsn)),
        extra_bytes=300,
        otp="24.3.4.2-1" if newer else "24.1.5-3",
        erts="12.3.2.2" if newer else "12.1.5",
    ).between("4.4.0", "4.4.1", "4.4.2", "4.4.16")


@dataclass(frozen=True)
class Host:
    """One host, all of it under *folder*."""

    folder: Path

    @property
    def root(self) -> Path:
        """The installation."""
        return self.folder / "emqx"

    @property
    def ledger(self) -> Path:
        """The ledger's folder."""
        return self.folder / "ledger"

    @property
    def tip(self) -> Path:
        """The folder of the tip guard."""
        return self.folder / "ledger.tip"

    @property
    def watched(self) -> tuple[Path, ...]:
        """The folders in which every write counts."""
        return (self.root, self.ledger, self.tip)

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment of a command."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "RELEASE_LEDGER": str(self.ledger),
            "RELEASE_LEDGER_DRIVER": "embedded",
        }

    def run(self, *arguments: str, fault: Fault | None = None, counted: bool = False) -> Ran:
        """Run one command, in a child of this process where it is broken or its calls are counted."""
        if not (counted or fault):
            return run_here(arguments, environ=self.environ)
        streams = self.folder / "streams"
        streams.mkdir(exist_ok=True)
        return run(arguments, environ=self.environ, streams=streams, folders=self.watched, fault=fault)

    def do(self, *arguments: str) -> None:
        """Run a command that must succeed."""
        ran = self.run(*arguments)
        assert ran.code == 0, (arguments, ran)

    def rows(self) -> dict[str, str]:
        """Return the table that the record shows."""
        ran = self.run("versions", "--json")
        assert ran.code == 0, ran
        return {row["vsn"]: row["status"] for row in json.loads(ran.out)["releases"]}

    def boots(self) -> str:
        """Return what emqx_vars boots."""
        lines = (self.root / "releases/emqx_vars").read_text(encoding="utf-8").splitlines()
        return [line for line in lines if line.startswith("REL_VSN=")][-1].partition("=")[2].strip('"')

    def files(self) -> dict[str, bytes]:
        """Return what lies under root and tip folder, but for the lock's note."""
        return {
            str(path.relative_to(self.folder)): _content(path)
            for top in (self.root, self.tip)
            for path in sorted(top.rglob("*"))
            if path.name not in {".release-ledger.lock", "tip.lock"}
        }

    def keep(self) -> Callable[[], None]:
        """Keep all as it is now, and return what puts it back."""
        kept = self.folder / "kept"
        shutil.rmtree(kept, ignore_errors=True)
        for place in self.watched:
            if place.exists():
                shutil.copytree(place, kept / place.name, symlinks=True)

        def put_back() -> None:
            for place in self.watched:
                _empty(place)
                if (kept / place.name).exists():
                    shutil.copytree(kept / place.name, place, symlinks=True, dirs_exist_ok=True)
                elif place.exists():
                    place.rmdir()
            for stray in self.folder.glob(".*"):
                stray.rmdir()

        return put_back


def make_host(folder: Path, *vsns: str) -> Host:
    """Write a host into *folder*, not registered yet, with the packages of *vsns*."""
    host = Host(folder)
    make_installation(host.root, spec_of("4.4.0"))
    for vsn in vsns or (_NEW,):
        make_package(host.root / "releases", spec_of(vsn))
    return host


@dataclass(frozen=True)
class Broken:
    """A command that is killed after it renamed something to a path with this *end*."""

    command: tuple[str, ...]
    end: str

    def happen(self, host: Host) -> None:
        """Break the command on *host*."""
        put_back = host.keep()
        calls = host.run(*self.command, counted=True).calls
        put_back()
        at = next(n for n, call in enumerate(calls, 1) if call.name == "rename" and call.path.endswith(self.end))
        assert host.run(*self.command, fault=Fault(at, Kind.KILL_AFTER)).killed


def half_permanent(host: Host) -> None:
    """Let emqx_vars name the old version again, as a killed ``bin/emqx`` leaves it (otp.md 6.2)."""
    path = host.root / "releases/emqx_vars"
    path.write_text(f'{path.read_text(encoding="utf-8")}REL_VSN="4.4.0"\nERTS_VSN="12.1.5"\n', encoding="utf-8")


def left_over(host: Host) -> None:
    """Put a file of somebody's where the new release has its folder (RULINGS 34)."""
    (host.root / "releases" / _NEW).write_bytes(b"somebody's")


@dataclass(frozen=True)
class Deed:
    """A command to break: what leads to it, the *damage* done then, and what it is for."""

    name: str
    before: tuple[tuple[str, ...], ...]
    command: tuple[str, ...]
    goal: Mapping[str, str]
    boots: str
    damage: Callable[[Host], None] = lambda _: None

    def prepared(self, folder: Path) -> Host:
        """Return a host on which the command comes next."""
        host = make_host(folder)
        for arguments in self.before:
            host.do(*(str(host.root) if part == "ROOT" else part for part in arguments))
        self.damage(host)
        return host

    def arguments(self, host: Host) -> tuple[str, ...]:
        """Return the command for *host*."""
        return tuple(str(host.root) if part == "ROOT" else part for part in self.command)

    def is_reached(self, host: Host) -> bool:
        """Tell whether record and boot pointer are as the command wants them."""
        return host.rows() == self.goal and host.boots() == self.boots


_INIT = ("init", "--root", "ROOT", *STATED)
_RECOVER = ("recover", "--yes")
_ALONE, _KEPT = {"4.4.0": "permanent"}, {_NEW: "permanent", "4.4.0": "old"}
_REMOVED, _PLACED, _STARTED = f"lib/.emqx-{_NEW}.ledger-tmp", f"releases/{_NEW}", "data/embedded_node.json"
_UPGRADE, _TRIAL, _BACK = ("upgrade", _NEW), ("install", _NEW, "--no-permanent"), ("downgrade", "4.4.0")
DEEDS: Mapping[str, Deed] = {
    deed.name: deed
    for deed in (
        Deed("init", (), _INIT, {"4.4.0": "permanent"}, "4.4.0"),
        Deed("unpack", (_INIT,), ("unpack", _NEW), {_NEW: "unpacked", "4.4.0": "permanent"}, "4.4.0"),
        Deed("aside", (_INIT,), ("unpack", _NEW), {_NEW: "unpacked", "4.4.0": "permanent"}, "4.4.0", left_over),
        Deed("upgrade", (_INIT,), _UPGRADE, {_NEW: "permanent", "4.4.0": "old"}, _NEW),
        Deed("install", (_INIT,), _TRIAL, {_NEW: "current", "4.4.0": "permanent"}, "4.4.0"),
        Deed("permanent", (_INIT, _TRIAL), ("permanent", _NEW), {_NEW: "permanent", "4.4.0": "old"}, _NEW),
        Deed("downgrade", (_INIT, _UPGRADE), _BACK, {_NEW: "old", "4.4.0": "permanent"}, "4.4.0"),
        Deed("uninstall", (_INIT, _UPGRADE, _BACK), ("uninstall", _NEW), {"4.4.0": "permanent"}, "4.4.0"),
        Deed("recover", (_INIT, _TRIAL), _RECOVER, _KEPT, _NEW, Broken(("permanent", _NEW), _STARTED).happen),
        Deed(
            "remove", (_INIT, _UPGRADE, _BACK), _RECOVER, _ALONE, "4.4.0", Broken(("uninstall", _NEW), _REMOVED).happen
        ),
        Deed("take back", (_INIT,), _RECOVER, _ALONE, "4.4.0", Broken(("unpack", _NEW), _PLACED).happen),
        Deed("mend", (_INIT, _UPGRADE), _RECOVER, _KEPT, _NEW, half_permanent),
        Deed("restart", (_INIT, _TRIAL), ("restart",), {_NEW: "unpacked", "4.4.0": "permanent"}, "4.4.0"),
    )
}


def _empty(folder: Path) -> None:
    for path in folder.iterdir() if folder.exists() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _content(path: Path) -> bytes:
    if path.is_symlink():
        return b"-> " + bytes(path.readlink())
    return path.read_bytes() if path.is_file() else b"/"


def sampled(count: int, size: int) -> Iterator[int]:
    """Yield about *size* of the numbers 1 to *count*, evenly, first and last among them."""
    step = max(1, (count - 1) / max(1, size - 1))
    yield from sorted({min(count, 1 + round(step * at)) for at in range(size)} if count else set())
