"""Commands that are killed on their way, one for each verb, and what must hold after ``recover``.

``python -m tests.lab.killing [DEED…]`` kills every command at every point of killed.py, each on a node
of its own, and prints what came of it; that takes some twenty minutes where nothing else runs.
"""

import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.lab.host import Host
from tests.lab.node import Lab, make_node
from tests.lab.releases import build, make_root

_STEPS = ("unpacked", "installed", "downgraded", "made_permanent", "uninstalled")
_TRIAL = ("upgrade", "4.4.1", "--no-permanent")
_BROKEN_AT = 60


@dataclass(frozen=True)
class Deed:
    """A command *line* on a node on which *before* was run; repeated after a kill it ends in *after*."""

    line: tuple[str, ...]
    after: Mapping[str, str]
    before: tuple[tuple[str, ...], ...] = ()
    again: tuple[str, ...] | None = None


DEEDS = {
    "upgrade": Deed(("upgrade", "4.4.16"), {"4.4.16": "permanent", "4.4.0": "old"}),
    "unpack": Deed(("unpack", "4.4.16"), {"4.4.16": "unpacked", "4.4.0": "permanent"}),
    "install": Deed(
        ("install", "4.4.1", "--no-permanent"), {"4.4.1": "current", "4.4.0": "permanent"}, (("unpack", "4.4.1"),)
    ),
    "permanent": Deed(("permanent", "4.4.1"), {"4.4.1": "permanent", "4.4.0": "old"}, (_TRIAL,)),
    "downgrade": Deed(("downgrade", "4.4.0"), {"4.4.1": "old", "4.4.0": "permanent"}, (("upgrade", "4.4.1"),)),
    "uninstall": Deed(("uninstall", "4.4.1"), {"4.4.0": "permanent"}, (("unpack", "4.4.1"),)),
    "restart": Deed(("restart",), {"4.4.1": "unpacked", "4.4.0": "permanent"}, (_TRIAL,)),
    # Of an upgrade that was itself killed.
    "recover": Deed(
        ("recover", "--yes"), {"4.4.16": "permanent", "4.4.0": "old"}, (("upgrade", "4.4.16"),), ("upgrade", "4.4.16")
    ),
}


def kill(host: Host, deed: Deed, point: int) -> str:
    """Kill *deed* at *point*, recover and repeat it; return what became of it, in a word."""
    host.offer("4.4.1", "4.4.16")
    for line in deed.before:
        prepared = host.run(*line, kill_at=_BROKEN_AT if deed.again else None)
        assert prepared.code == (-signal.SIGKILL if deed.again else 0), prepared
    killed = host.run(*deed.line, kill_at=point)
    assert killed.code in {-signal.SIGKILL, 0}, killed
    told = _recovered(host)
    again = host.run(*(deed.again or deed.line))
    assert again.code == 0, again
    assert host.versions() == deed.after
    host.assert_all_agree()
    return told if killed.code else "not killed"


def _recovered(host: Host) -> str:
    """Recover, hold the record against what is there, and return what was said last."""
    recovered = host.run("recover", "--yes")
    assert recovered.code == 0, recovered
    assert host.run("recover", "--yes").out == "Nothing to recover.\n"
    steps = Counter((event["attempt"], event["type"]) for event in host.events() if event["type"] in _STEPS)
    assert set(steps.values()) <= {1}
    host.assert_all_agree()
    left = [*host.node.root.glob("releases/.ledger-4*"), *host.node.root.glob("*/.*.ledger-tmp")]
    assert left == []
    return recovered.out.splitlines()[-1].rstrip(".")


def main(names: list[str]) -> None:
    """Kill each deed named at every point and print one row for each."""
    with tempfile.TemporaryDirectory() as folder:
        built = build(Path(folder, "built"))
        lab = Lab(built, make_root(built, Path(folder, "original")), Path(folder, "packages"))
        for name in names or DEEDS:
            ended: Counter[str] = Counter()
            for point in count():
                told = _killed(lab, Path(folder, f"{name}-{point}"), DEEDS[name], point)
                if told == "not killed":
                    break
                ended[told] += 1
            words = ", ".join(f"{told}: {times}" for told, times in sorted(ended.items()))
            print(f"{name:<10} {ended.total():>4} points  {words}", flush=True)  # noqa: T201 # this is what it is for


def _killed(lab: Lab, folder: Path, deed: Deed, point: int) -> str:
    node = make_node(lab, folder / "emqx")
    try:
        node.start()
        host = Host(lab, node)
        host.init()
        return kill(host, deed, point)
    finally:
        node.kill()


if __name__ == "__main__":
    main(sys.argv[1:])
