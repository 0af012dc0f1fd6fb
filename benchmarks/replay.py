"""Replay of one installation, against reading its rows.

Ours: the events of one stream are read, unsealed and folded into ``NodeReleases``. Reading: the
same rows are selected by bare sqlite3 and each ``state`` is parsed by ``json``, which is the
least that any reader of the record has to do.
"""

import json
import os
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from benchmarks.table import Ratio, compare, report
from ledger.adapters.sqlite import create_database
from ledger.domain.events import (
    AnyReleaseEvent,
    OperationCompleted,
    OperationRequested,
    ReleaseInstalled,
    ReleaseMadePermanent,
    ReleaseUnpacked,
)
from ledger.domain.records import InstallationFacts, PackageRecord, PlannedStep
from tests.fakes.recording import CONTEXT, STREAM, open_ledger, registered

_LIMIT = 0.4
_SIZES = ((1_000, 15), (100_000, 3))
_BATCH = 1_000


def measure(folder: Path) -> tuple[Ratio, ...]:
    """Return the ratios of a short and a long stream, with the files in *folder*."""
    return tuple(_measure(folder / f"{events}.db", events=events, rounds=rounds) for events, rounds in _SIZES)


def _measure(path: Path, *, events: int, rounds: int) -> Ratio:
    create_database(path)
    with open_ledger(path) as ledger, closing(sqlite3.connect(path)) as bare:
        history = islice(_history(), events)
        while batch := tuple(islice(history, _BATCH)):
            ledger.record(batch)

        def read() -> None:
            rows = bare.execute(
                "SELECT state FROM stored_events WHERE originator_id = ? ORDER BY originator_version", (STREAM,)
            )
            assert sum(1 for (state,) in rows if json.loads(state)) == events

        value = compare(lambda: ledger.releases(STREAM), read, rounds=rounds)
    return Ratio(f"replay of {events:,} events", "selecting the rows and parsing their JSON", value, _LIMIT)


def _history() -> Iterator[AnyReleaseEvent]:
    """Yield the events of upgrades without end: to 4.4.16, and back."""
    yield registered()
    for version, event in enumerate(cycle(attempt_events()), 2):
        yield replace(event, originator_version=version)


def attempt_events() -> tuple[AnyReleaseEvent, ...]:
    """Return the events of one upgrade."""
    place: dict[str, Any] = {"originator_id": STREAM, "originator_version": 2, "context": CONTEXT, "driver": "node"}
    before, after = "d4" * 32, "e5" * 32
    package = PackageRecord(name="emqx-4.4.16-otp24.3.4.2-1-ubuntu20.04-amd64.zip", size=63_000_000, sha256="f6" * 32)
    steps = tuple(PlannedStep(step=step, vsn="4.4.16") for step in ("unpack", "install", "make_permanent"))
    facts = InstallationFacts(edition="emqx", otp="24.3.4.2-1", erts="12.3.2.2", os="ubuntu20.04", arch="amd64")
    return (
        OperationRequested(
            **place,
            verb="upgrade",
            to="4.4.16",
            from_vsn="4.4.0",
            facts=facts,
            plan=steps,
            plan_sha256=before,
            before_sha256=before,
            package=package,
        ),
        ReleaseUnpacked(
            **place,
            vsn="4.4.16",
            package=package,
            erts="12.3.2.2",
            files=2811,
            files_sha256=before,
            before_sha256=before,
            after_sha256=after,
        ),
        ReleaseInstalled(**place, from_vsn="4.4.0", to="4.4.16", before_sha256=before, after_sha256=after),
        ReleaseMadePermanent(**place, vsn="4.4.16", former="4.4.0", before_sha256=before, after_sha256=after),
        OperationCompleted(**place, verb="upgrade", result="installed", table_sha256=after, boots_next="4.4.16"),
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_FOLDER")) as name:
        sys.exit(report(measure(Path(name))))
