"""Whole commands on a node that runs, against EMQX's own script.

The node is one of the lab: OTP's own release handler in a release named ``emqx``, with packages of
6 and 63 MB. A command is measured from its start to its end as a process, the program installed as
pip installs it; the figure is the median of rounds on one node, and beside it stands the processor
time of the command and its children, which a busy machine changes less.

What it is held against are the medians that EMQX's own script of 4.4.16 had on such a node, two
processors and ext4: constants of the specification of the node driver, section 9, not measured
here. The lab's own ``bin/emqx``, measured in the same run, does the same calls with a shorter
shell script; it has no limit. Where the time of ours goes is told for each command: in calls to
the node, in record and view, in the package; the rest is Python, its start and its imports.
"""

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.startup import install
from benchmarks.table import Cost, Ratio, report
from tests.lab.node import Lab
from tests.lab.releases import build, make_package, make_root
from tests.lab.script import plain_node

_ROUNDS = 7
_SMALL, _LARGE = "4.4.2", "4.4.16"
_BYTES = {_SMALL: 5_700_000, _LARGE: 63_000_000}
_SPLIT = """
import json, sys, time
from cli import bootstrap, changing
from cli.__main__ import main
from ledger.adapters import installation_root, staging
from ledger.adapters.erl_call import ErlCall
spent = {}
def timed(owner, name, part):
    inner = getattr(owner, name)
    def outer(*args, **kwargs):
        began = time.monotonic()
        try:
            return inner(*args, **kwargs)
        finally:
            spent[part] = spent.get(part, 0) + time.monotonic() - began
    setattr(owner, name, outer)
timed(ErlCall, "call", "the node")
for name in ("record", "verify_tail", "releases"):
    timed(bootstrap.RecordOfCommand, name, "record and view")
timed(changing, "catch_up", "record and view")
for owner, name in ((staging, "stage"), (staging, "place"), (installation_root, "inspect_package")):
    timed(owner, name, "the package")
sys.argv[1:], log = sys.argv[2:], sys.argv[1]
code = main()
with open(log, "w") as file:
    json.dump(spent, file)
sys.exit(code)
"""


@dataclass(frozen=True)
class _Kind:
    """A command: its *line*, the seconds of EMQX's script in section 9, and how much faster ours must be."""

    name: str
    line: tuple[str, ...]
    seconds: float
    at_least: float | None = None


# In this order one round leaves the node as it found it; uninstalling is measured where the package is small.
_KINDS = (
    _Kind("versions --live", ("versions", "--live"), 0.919, 8),
    _Kind("upgrade", ("upgrade", _SMALL), 2.116, 8),
    _Kind("downgrade", ("downgrade", "4.4.0"), 0.969),
    _Kind("uninstall", ("uninstall", _SMALL), 0.928),
    _Kind("unpack 6 MB", ("unpack", _SMALL), 1.903),
    _Kind("", ("uninstall", _SMALL), 0),
    _Kind("unpack 63 MB", ("unpack", _LARGE), 3.785, 10),
    _Kind("", ("uninstall", _LARGE), 0),
)
_MEASURED = tuple(kind for kind in _KINDS if kind.name)


@dataclass(frozen=True)
class _Time:
    """What a command took, in seconds: by the clock, and of processors."""

    wall: float
    processor: float


def measure(folder: Path) -> tuple[Ratio | Cost, ...]:
    """Return how each command compares, with the files in *folder*; nothing where Erlang is not installed."""
    if shutil.which("erl_call") is None:
        return ()
    python, launcher = install(folder / "env")
    built = build(folder / "built")
    lab = Lab(built, make_root(built, folder / "original"), folder / "packages")
    with plain_node(lab, folder / "emqx") as node:
        for vsn, size in _BYTES.items():
            package = make_package(built, folder / "packages", vsn, extra_bytes=size)
            shutil.copyfile(package, node.root / "releases" / package.name)
        theirs = _rounds(lambda line: (str(node.root / "bin/emqx"), *_theirs(line)), node.environ)
        environ = _environ(folder)
        init = ("init", "--root", str(node.root), "--edition", "ce", "--os", "debian12")
        _timed((python, launcher, *init), environ)
        ours = _rounds(lambda line: (python, launcher, *line), environ)
        parts = _parts(python, folder, environ)
    return tuple(row for kind in _MEASURED for row in _rows(kind, ours[kind.name], theirs[kind.name], parts[kind.name]))


def _rows(kind: _Kind, ours: _Time, theirs: _Time, parts: Mapping[str, float]) -> tuple[Ratio | Cost, ...]:
    name = f"{kind.name} {ours.wall * 1000:.0f} ms"
    of = f"its time, {ours.processor * 1000:.0f} ms of processors"
    return (
        Ratio(name, f"the script's {kind.seconds} s in section 9", kind.seconds / ours.wall, kind.at_least),
        Ratio(name, f"the lab's bin/emqx, {theirs.wall * 1000:.0f} ms", theirs.wall / ours.wall),
        *(Cost(f"  in {part}", of, share) for part, share in parts.items()),
    )


def _rounds(command: Callable[[tuple[str, ...]], tuple[str, ...]], environ: Mapping[str, str]) -> dict[str, _Time]:
    """Return the medians of each kind."""
    taken: dict[str, list[_Time]] = {kind.name: [] for kind in _KINDS}
    for _ in range(_ROUNDS):
        for kind in _KINDS:
            taken[kind.name].append(_timed(command(kind.line), environ))
    return {
        name: _Time(statistics.median(time.wall for time in times), statistics.median(time.processor for time in times))
        for name, times in taken.items()
    }


def _parts(python: str, folder: Path, environ: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Return, for each kind, the medians of where its time goes, as shares of it."""
    shares: dict[str, list[dict[str, float]]] = {kind.name: [] for kind in _KINDS}
    log = folder / "split.json"
    for _ in range(_ROUNDS):
        for kind in _KINDS:
            wall = _timed((python, "-c", _SPLIT, str(log), *kind.line), environ).wall
            spent = json.loads(log.read_text(encoding="utf-8"))
            spent["Python"] = wall - sum(spent.values())
            shares[kind.name].append({part: seconds / wall for part, seconds in spent.items()})
    return {
        name: {part: statistics.median(share.get(part, 0.0) for share in found) for part in found[0]}
        for name, found in shares.items()
    }


def _theirs(line: tuple[str, ...]) -> tuple[str, ...]:
    """Return *line* as EMQX's script takes it, whose ``versions`` always asks the node."""
    return tuple(word for word in line if word != "--live")


def _timed(command: tuple[str, ...], environ: Mapping[str, str]) -> _Time:
    began = time.perf_counter()
    pid = os.posix_spawn(
        command[0],
        command,
        environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1)],
    )
    _, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    assert os.waitstatus_to_exitcode(status) == 0, command
    return _Time(wall, used.ru_utime + used.ru_stime)


def _environ(folder: Path) -> Mapping[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    return kept | {"RELEASE_LEDGER": str(folder / "ledger")}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_FOLDER")) as name:
        sys.exit(report(measure(Path(name))))
