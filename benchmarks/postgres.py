"""Signed appends of a fleet in PostgreSQL, against plain inserts of the same bytes at the same durability.

Ours: 1, 4 and 8 hosts, each a process with its own key and tip guard, which record commits of one
event. Plain: as many processes that insert rows of the same bytes with psycopg into one table,
``synchronous_commit=on``, one transaction each. Both run on one server, one after the other in
turns, each for some seconds. A further row holds ours against plain inserts that go one after
another, as those of one log have to: each locks one row of a table first.

The tip guards of all hosts lie on one disk here, and with it the commits of the server wait for
them; ``BENCHMARK_FOLDER`` on another disk than the server's is closer to a fleet.
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
from typing import Any

import psycopg

from benchmarks.table import Ratio, report
from ledger.adapters.postgres_server import create_ledger
from tests.fakes.recording import ORIGIN, installed
from tests.postgres.hosts import Host, guarded, host_at
from tests.postgres.server import Server, running_server

WRITERS = (1, 4, 8)
_SECONDS = 3.0
_ROUNDS = 3
_PLAIN = (
    "CREATE TABLE plain (stream text, version bigint, topic text, state bytea, PRIMARY KEY (stream, version))",
    "CREATE TABLE turn (id int)",
    "INSERT INTO turn VALUES (1)",
)
_INSERT = "INSERT INTO plain VALUES (%s, %s, %s, %s)"


def measure(folder: Path) -> tuple[Ratio, ...]:
    """Return the ratios, with the files of the hosts in *folder*; the server's lie where it puts them."""
    with running_server() as server:
        server.execute("CREATE DATABASE fleet", "CREATE DATABASE bare")
        server.execute(*_PLAIN, database="bare")
        create_ledger(server.url("fleet"), origin=ORIGIN)
        hosts = [guarded(host_at(folder / f"h{number}", server.url("fleet"))) for number in range(max(WRITERS))]
        with hosts[0].ledger() as ledger:
            row = ledger.mapper.to_stored_event(installed(1))
        found = list[Ratio]()
        for writers in WRITERS:
            found += _ratios(server, hosts[:writers], row)
        return tuple(found)


def _ratios(server: Server, hosts: list[Host], row: Any) -> tuple[Ratio, ...]:  # noqa: ANN401 # the library's row
    ways: dict[str, Callable[..., int]] = {"ours": _record, "plain": _insert, "in turn": _insert_in_turn}
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(_ROUNDS):
        for name, way in ways.items():
            given = [
                (host if name == "ours" else (server.url("bare"), row), f"{name} {len(hosts)} {round_} {at}")
                for at, host in enumerate(hosts)
            ]
            speeds[name].append(_per_second(way, given))
    ours, plain, in_turn = (statistics.median(speeds[name]) for name in ways)
    what = f"{len(hosts)} writers, {ours:.0f}/s"
    return (
        Ratio(what, f"plain inserts of as many processes, {plain:.0f}/s", ours / plain),
        Ratio(what, f"plain inserts in turn, {in_turn:.0f}/s", ours / in_turn),
    )


def _per_second(way: Callable[..., int], given: list[tuple[Any, str]]) -> float:
    context = multiprocessing.get_context("fork")
    start, found = context.Barrier(len(given)), context.Queue()
    processes = [context.Process(target=_work, args=(way, start, found, *each)) for each in given]
    for process in processes:
        process.start()
    done: int = sum(found.get(timeout=60) for _ in processes)
    for process in processes:
        process.join()
    return done / _SECONDS


def _work(way: Callable[..., int], start: Any, found: Any, where: Any, stream: str) -> None:  # noqa: ANN401 # of multiprocessing
    found.put(way(where, f"release:{stream}", start))


def _record(host: Host, stream: str, start: Any) -> int:  # noqa: ANN401 # as above
    versions = count(1)
    with host.ledger() as ledger:
        ledger.record([installed(next(versions), stream=stream)])
        return _timed(start, lambda: ledger.record([installed(next(versions), stream=stream)]))


def _insert(where: tuple[str, Any], stream: str, start: Any) -> int:  # noqa: ANN401 # as above
    (address, row), versions = where, count(1)
    with psycopg.connect(address, autocommit=True) as connection:
        return _timed(start, lambda: connection.execute(_INSERT, (stream, next(versions), row.topic, row.state)))


def _insert_in_turn(where: tuple[str, Any], stream: str, start: Any) -> int:  # noqa: ANN401 # as above
    (address, row), versions = where, count(1)
    with psycopg.connect(address, autocommit=True) as connection:

        def insert() -> None:
            with connection.transaction():
                connection.execute("SELECT id FROM turn FOR UPDATE")
                connection.execute(_INSERT, (stream, next(versions), row.topic, row.state))

        return _timed(start, insert)


def _timed(start: Any, act: Callable[[], object]) -> int:  # noqa: ANN401 # as above
    start.wait()
    end, done = time.perf_counter() + _SECONDS, 0
    while time.perf_counter() < end:
        act()
        done += 1
    return done


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_FOLDER")) as name:
        sys.exit(report(measure(Path(name))))
