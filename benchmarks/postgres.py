"""Signed appends of a fleet in PostgreSQL, against plain inserts of the same bytes at the same durability.

Ours: 1, 4 and 8 hosts, each a process with its own key and tip guard, which record commits of one
event. They follow one another in one order, each is signed, and each host replaces its note
durably. Held against it, in as many processes, with psycopg, ``synchronous_commit=on`` and one
transaction each, rows of the same bytes in one table:

* in turn, as those of one log have to be: each counts on in one row first, and so locks it; then
  a note is replaced durably, which is part of what is promised. This is the budget.
* in turn, without the note.
* without an order: they share flushes, which no log can.

All run on one server, one after the other in short turns. The tip guards of all
hosts lie on one disk, and with it the commits of the server wait for them; ``BENCHMARK_FOLDER``
on another disk than the server's is closer to a fleet. So are more processors than two: all
writers and their server share them here. What a commit takes of them is told beside, without the
server's part: every writer that waits opens the checkpoint of each commit.
"""

import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from benchmarks.table import Cost, NotMeasured, Ratio, report
from ledger.adapters.durable import replace_file
from ledger.adapters.postgres_server import create_ledger
from tests.fakes.recording import ORIGIN, installed
from tests.postgres.hosts import Host, guarded, host_at
from tests.postgres.server import Server, place_of_binaries, running_server

_LIMITS = {1: 0.3, 4: 0.2, 8: 0.15}
"""For each number of writers."""

_SECONDS = 1.0
_ROUNDS = 7
_PLAIN = (
    "CREATE TABLE plain (stream text, version bigint, topic text, state bytea, PRIMARY KEY (stream, version))",
    "CREATE TABLE turn (size bigint)",
    "INSERT INTO turn VALUES (0)",
)
_INSERT = "INSERT INTO plain VALUES (%s, %s, %s, %s)"


class _Done(NamedTuple):
    """How much was recorded in a turn, and the processor time that it took."""

    commits: int
    used: float


def measure(folder: Path) -> tuple[Ratio | Cost | NotMeasured, ...]:
    """Return the ratios, with the files of the hosts in *folder*; the server's lie where it puts them."""
    if not (place_of_binaries() / "postgres").exists():
        return (NotMeasured("appends in PostgreSQL", "there is no server; Debian's package is postgresql"),)
    with running_server() as server:
        server.execute("CREATE DATABASE fleet", "CREATE DATABASE bare")
        server.execute(*_PLAIN, database="bare")
        create_ledger(server.url("fleet"), origin=ORIGIN)
        hosts = [guarded(host_at(folder / f"h{number}", server.url("fleet"))) for number in range(max(_LIMITS))]
        with hosts[0].ledger() as ledger:
            row = ledger.mapper.to_stored_event(installed(1))
        found, alone = list[Ratio | Cost](), 0.0
        for writers, limit in _LIMITS.items():
            ratios, used = _ratios(server, hosts[:writers], row, limit)
            alone = alone or used
            what = f"{writers} writers, {used * 1e3:.1f} ms a commit"
            found += (*ratios, Cost(what, "that of one writer, in processor time", used / alone))
        return tuple(found)


def _ratios(server: Server, hosts: list[Host], row: Any, limit: float) -> tuple[tuple[Ratio, ...], float]:  # noqa: ANN401 # the library's row
    """Return the ratios, and the processor time of one of our commits."""
    ways: dict[str, Callable[..., _Done]] = {
        "ours": _record,
        "in turn and noted": _insert_and_note,
        "in turn": _insert_in_turn,
        "without an order": _insert,
    }
    done: dict[str, list[_Done]] = {name: [] for name in ways}
    for round_ in range(_ROUNDS):
        for name, way in ways.items():
            given = [
                (
                    host if name == "ours" else (server.url("bare"), row, host.place.path),
                    f"{name} {len(hosts)} {round_} {at}",
                )
                for at, host in enumerate(hosts)
            ]
            done[name].append(_all_done(way, given))
    ours, noted, in_turn, plain = (statistics.median(each.commits for each in done[name]) / _SECONDS for name in ways)
    what = f"{len(hosts)} writers, {ours:.0f}/s"
    ratios = (
        Ratio(what, f"inserts in turn, a note replaced as durably, {noted:.0f}/s", ours / noted, limit),
        Ratio(what, f"inserts in turn alone, {in_turn:.0f}/s", ours / in_turn),
        Ratio(what, f"inserts without an order, {plain:.0f}/s", ours / plain),
    )
    return ratios, statistics.median(each.used / each.commits for each in done["ours"])


def _all_done(way: Callable[..., _Done], given: list[tuple[Any, str]]) -> _Done:
    context = multiprocessing.get_context("fork")
    start, found = context.Barrier(len(given)), context.Queue()
    processes = [context.Process(target=_work, args=(way, start, found, *each)) for each in given]
    for process in processes:
        process.start()
    counts, used = zip(*(found.get(timeout=60) for _ in processes), strict=True)
    for process in processes:
        process.join()
    return _Done(sum(counts), sum(used))


def _work(way: Callable[..., _Done], start: Any, found: Any, where: Any, stream: str) -> None:  # noqa: ANN401 # of multiprocessing
    found.put(way(where, f"release:{stream}", start))


def _record(host: Host, stream: str, start: Any) -> _Done:  # noqa: ANN401 # as above
    versions = count(1)
    with host.ledger() as ledger:
        ledger.record([installed(next(versions), stream=stream)])
        return _timed(start, lambda: ledger.record([installed(next(versions), stream=stream)]))


def _insert(where: tuple[str, Any, Path], stream: str, start: Any) -> _Done:  # noqa: ANN401 # as above
    (address, row, _), versions = where, count(1)
    with psycopg.connect(address, autocommit=True) as connection:
        return _timed(start, lambda: connection.execute(_INSERT, (stream, next(versions), row.topic, row.state)))


def _insert_in_turn(where: tuple[str, Any, Path], stream: str, start: Any, *, noted: bool = False) -> _Done:  # noqa: ANN401 # as above
    (address, row, place), versions = where, count(1)
    with psycopg.connect(address, autocommit=True) as connection:

        def insert() -> None:
            with connection.transaction():
                connection.execute("UPDATE turn SET size = size + 1")
                connection.execute(_INSERT, (stream, next(versions), row.topic, row.state))
            if noted:
                replace_file(place / "note", bytes(300), mode=0o600)

        return _timed(start, insert)


def _insert_and_note(where: tuple[str, Any, Path], stream: str, start: Any) -> _Done:  # noqa: ANN401 # as above
    return _insert_in_turn(where, stream, start, noted=True)


def _timed(start: Any, act: Callable[[], object]) -> _Done:  # noqa: ANN401 # as above
    start.wait()
    end, done, used = time.perf_counter() + _SECONDS, 0, time.process_time()
    while time.perf_counter() < end:
        act()
        done += 1
    return _Done(done, time.process_time() - used)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_FOLDER")) as name:
        sys.exit(report(measure(Path(name))))
