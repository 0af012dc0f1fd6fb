"""A fleet of 1,000 nodes in PostgreSQL: what an append and each question cost at 100,000 events, against 10,000.

Times are of whole commands and of commits, each at its best of several, in turns; the servers'
part is in them. Views are current. The floor of a question about the fleet is an interpreter
that connects and counts the events, ``SELECT count(*)``, and does nothing else.

``verify`` reads every event, so its time for each is compared; it goes up to level 3. A proof is
``show --proof`` of an event of the middle. ``BENCHMARK_EVENTS`` sets another number of events
than 100,000, like the 1,000,000 of the sizing; those take half an hour to make.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path

from benchmarks.postgres_bulk import build_fleet
from benchmarks.startup import install
from benchmarks.table import Cost, NotMeasured, report, seconds
from ledger.application.release_ledger import ReleaseLedger
from tests.fakes.recording import installed
from tests.postgres.hosts import Host
from tests.postgres.server import Server, place_of_binaries, running_server

_NODES = 1_000
_SIZES = (10_000, int(os.environ.get("BENCHMARK_EVENTS", "100000")))
_TRIES, _APPENDS = 9, 100
_FLOOR_LIMIT, _LIMIT = 10.0, 1.5
_COUNT = (
    "import psycopg, sys\n"
    "with psycopg.connect(sys.argv[1]) as connection:\n"
    "    print(connection.execute('SELECT count(*) FROM ledger.stored_events').fetchone()[0])\n"
)
_FLEET = (("versions",), ("versions", "--status", "permanent", "--vsn", "4.4.16"), ("nodes",), ("nodes", "--json"))
_QUESTIONS = (
    ("versions",),
    ("nodes",),
    ("log", "-n", "20"),
    ("show", "last"),
    ("show", "5000"),
    ("show", "5000", "--proof"),
)
_VERIFY = ("verify", "--level", "3")


def measure(folder: Path) -> tuple[Cost | NotMeasured, ...]:
    """Return how each grows, with the files of the hosts in *folder*; the server's lie where it puts them."""
    if not (place_of_binaries() / "postgres").exists():
        return (NotMeasured("growth in PostgreSQL", "there is no server; Debian's package is postgresql"),)
    program = install(folder / "env")
    with running_server() as server:
        small, large = (_build(folder, server, events) for events in _SIZES)
        return (
            *(_against_floor(program, server, large, question) for question in _FLEET),
            *(_growth(program, (small, large), question) for question in _QUESTIONS),
            _growth_of_verify(program, (small, large)),
            _growth_of_append(small, large),
        )


def _build(folder: Path, server: Server, events: int) -> Host:
    server.execute(f"CREATE DATABASE fleet{events}")
    return build_fleet(folder / str(events), server.url(f"fleet{events}"), events=events, nodes=_NODES)


def _against_floor(program: tuple[str, str], server: Server, host: Host, question: tuple[str, ...]) -> Cost:
    floor = (program[0], "-c", _COUNT, server.url(f"fleet{_SIZES[1]}"))
    ours, bare = _best(lambda: _run((*program, *question), _told(host)), lambda: _run(floor, os.environ))
    what = f"{' '.join(question)}, {_NODES:,} nodes"
    return Cost(what, f"connecting and counting {_SIZES[1]:,} events, {bare:.2f} s", ours / bare, _FLOOR_LIMIT)


def _growth(program: tuple[str, str], hosts: tuple[Host, Host], question: tuple[str, ...]) -> Cost:
    small, large = (_told(host) for host in hosts)
    few, many = _best(lambda: _run((*program, *question), small), lambda: _run((*program, *question), large))
    return Cost(f"{' '.join(question)}, {many:.2f} s", f"the same at {_SIZES[0]:,} events", many / few, _LIMIT)


def _growth_of_verify(program: tuple[str, str], hosts: tuple[Host, Host]) -> Cost:
    small, large = (_told(host) for host in hosts)
    few, many = _best(
        lambda: _run((*program, *_VERIFY), small), lambda: _run((*program, *_VERIFY), large), tries=_TRIES // 3
    )
    each = many / _SIZES[1]
    what = f"verify, {each * 1e6:.0f} us for each event"
    return Cost(what, f"the same at {_SIZES[0]:,} events", each / (few / _SIZES[0]), _LIMIT)


def _growth_of_append(small: Host, large: Host) -> Cost:
    """Return the growth of one commit; the events belong to no upgrade, so nothing is read after this."""
    with small.ledger() as few, large.ledger() as many:
        fast, slow = _best(_appending_to(few), _appending_to(many))
    what = f"append, {slow / _APPENDS * 1e3:.1f} ms"
    return Cost(what, f"the same at {_SIZES[0]:,} events", slow / fast, _LIMIT)


def _appending_to(ledger: ReleaseLedger) -> Callable[[], None]:
    versions = count(1)

    def append() -> None:
        for _ in range(_APPENDS):
            ledger.record([installed(next(versions), stream="release:appended")])

    return append


def _best(first: Callable[[], object], second: Callable[[], object], *, tries: int = _TRIES) -> tuple[float, float]:
    """Return the time of each at its best, after one turn that warms it up."""
    first()
    second()
    pairs = [(seconds(first), seconds(second)) for _ in range(tries)]
    return min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)


def _told(host: Host) -> Mapping[str, str]:
    """Return the variables with which a command takes the ledger of *host*."""
    return {
        **os.environ,
        "RELEASE_LEDGER": host.address,
        "RELEASE_LEDGER_TIP_GUARD": str(host.place.path.parent),
        "TERM": "dumb",
    }


def _run(command: tuple[str, ...], environ: Mapping[str, str]) -> None:
    done = subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 0, (command, done.stderr.decode())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_FOLDER")) as name:
        sys.exit(report(measure(Path(name))))
