"""A fleet of 1,000 nodes in PostgreSQL: what an append and each question cost at 100,000 events, against 10,000.

What a question costs this host is its processor time, of the whole command; what it costs the
server, the pages that the server looks at. Views are current. The floor of a question about the
fleet is an interpreter that connects and counts the events, ``SELECT count(*)``, and does nothing
else; held against it is the time from start to end, at its best of several in turns.

``verify`` reads every event and goes up to level 3 here; its time for each event is compared, and
that of an append, each at its best of several in turns. A proof is ``show --proof`` of an event of the
middle. ``BENCHMARK_EVENTS`` sets another number of events than 100,000, like the 1,000,000 of the
sizing; all of it then takes a quarter of an hour.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from benchmarks.postgres_bulk import build_fleet
from benchmarks.startup import install
from benchmarks.table import Cost, NotMeasured, report, seconds
from ledger.application.release_ledger import ReleaseLedger
from tests.fakes.recording import installed
from tests.postgres.hosts import Host
from tests.postgres.server import Server, place_of_binaries, running_server

_NODES = 1_000
_SIZES = (10_000, int(os.environ.get("BENCHMARK_EVENTS", "100000")))
_TRIES, _APPENDS = 5, 50
_FLOOR_LIMIT, _LIMIT = 10.0, 1.5
_LIMIT_OF_PAGES = 1.5
"""Of a hundred times as many rows an index is a level deeper."""
_LIMIT_OF_TIME = 2.0
_PAGES = (
    "SELECT blks_hit + blks_read, (SELECT count(*) FROM pg_stat_activity AS a WHERE a.datname = d.datname) "
    "FROM pg_stat_database AS d WHERE datname = '{}'"
)
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
    # The server's own housekeeping would count as work of whoever asks.
    with running_server(autovacuum="off") as server:
        small, large = (_build(folder, server, events) for events in _SIZES)
        costs = [_against_floor(program, large, question) for question in _FLEET]
        for question in _QUESTIONS:
            few, many = (_work(server, host, (*program, *question)) for host in (small, large))
            costs += _growth(few, many, question)
        costs += (_growth_of_verify(program, (small, large)), _growth_of_search(small, large))
        return (*costs, _growth_of_append(small, large))


def _build(folder: Path, server: Server, events: int) -> Host:
    server.execute(f"CREATE DATABASE fleet{events}")
    return build_fleet(folder / str(events), server.url(f"fleet{events}"), events=events, nodes=_NODES)


def _against_floor(program: tuple[str, str], host: Host, question: tuple[str, ...]) -> Cost:
    told, floor = _told(host), (program[0], "-c", _COUNT, host.address)
    ours, bare = _best(lambda: _run((*program, *question), told), lambda: _run(floor, told))
    what = f"{' '.join(question)}, {_NODES:,} nodes, {ours:.2f} s"
    return Cost(what, f"connecting and counting {_SIZES[1]:,} events, {bare:.2f} s", ours / bare, _FLOOR_LIMIT)


def _growth(few: tuple[float, int], many: tuple[float, int], question: tuple[str, ...]) -> Iterator[Cost]:
    against, what = f"the same at {_SIZES[0]:,} events", " ".join(question)
    yield Cost(what, f"{against}, in processor time", many[0] / few[0], _LIMIT)
    yield Cost(f"{what}, {many[1]} pages", f"{against}, in pages of the server", many[1] / few[1], _LIMIT_OF_PAGES)


def _work(server: Server, host: Host, command: tuple[str, ...]) -> tuple[float, int]:
    """Return the processor time of *command*, and the pages that the server looks at for it."""
    used = min(_processor_time(command, _told(host)) for _ in range(_TRIES))
    before = _pages(server, host)
    _run(command, _told(host))
    return used, _pages(server, host) - before


def _processor_time(command: tuple[str, ...], environ: Mapping[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _run(command, environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _pages(server: Server, host: Host) -> int:
    """Return the pages that were looked at so far, once nobody is connected: then all of them are counted."""
    database = conninfo_to_dict(host.address)["dbname"]
    while (found := server.execute(_PAGES.format(database))[0])[1]:
        time.sleep(0.05)
    return int(found[0])


def _growth_of_verify(program: tuple[str, str], hosts: tuple[Host, Host]) -> Cost:
    small, large = (_told(host) for host in hosts)
    few, many = _best(lambda: _run((*program, *_VERIFY), small), lambda: _run((*program, *_VERIFY), large), tries=2)
    each = many / _SIZES[1]
    what = f"verify, {each * 1e6:.0f} us for each event"
    return Cost(what, f"the same at {_SIZES[0]:,} events", each / (few / _SIZES[0]), _LIMIT_OF_TIME)


def _growth_of_search(small: Host, large: Host) -> Cost:
    """Return the growth of finding the installation that a change means, among all of the fleet."""
    with small.ledger() as few, large.ledger() as many:
        fast, slow = _best(few.whereabouts, many.whereabouts)
    what = f"finding one of {_NODES:,} nodes, {slow * 1e3:.0f} ms"
    return Cost(what, f"the same at {_SIZES[0]:,} events", slow / fast, _LIMIT_OF_TIME)


def _growth_of_append(small: Host, large: Host) -> Cost:
    """Return the growth of one commit; the events belong to no upgrade, so nothing is read after this."""
    with small.ledger() as few, large.ledger() as many:
        fast, slow = _best(_appending_to(few), _appending_to(many))
    what = f"append, {slow / _APPENDS * 1e3:.1f} ms"
    return Cost(what, f"the same at {_SIZES[0]:,} events", slow / fast, _LIMIT_OF_TIME)


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
