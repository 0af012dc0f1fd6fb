"""Ledgers to report on: recorded with the real recorder, with every type of event and hostile texts."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from itertools import cycle, islice
from pathlib import Path
from typing import Any, get_type_hints

from cli.report.embedded import safe_json
from cli.report.page_text import text_digest
from ledger.adapters.keys import LogKey
from ledger.adapters.ledger_folder import create_folder
from ledger.application.moment import Moment
from ledger.domain.envelope import ClockReading, seal
from ledger.domain.events import AnyReleaseEvent, InstallationMoved, InstallationUnregistered, NoteAdded
from ledger.domain.imported import carried, note_lines
from ledger.domain.ledger_events import (
    LEDGER_CLASSES,
    AnyEvent,
    LedgerEventImported,
    LedgerImported,
    LedgerNoteAdded,
)
from ledger.domain.outcomes import Turn
from ledger.domain.records import Context, PackageRecord
from ledger.domain.releases import table_digest
from ledger.domain.spooling import decide_spool
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import hash_leaf
from ledger.tlog.note import sign_note
from tests.cli.lab import Lab
from tests.evidence.ledgers import repeated, upgrades
from tests.fakes.recording import CLOCK, CONTEXT, ORIGIN, STAMP, open_ledger, recording
from tests.projections.histories import START, Move, World, time_of, uuid_of

HOSTILE = (
    "</script><script>document.title='owned'</script>",
    "</style><img src=x onerror=\"document.title='owned'\">",
    "=cmd|' /C calc'!A0",
    "<!--<script>",
    "x" * 4096,
    "~1 -- {{ 7*7 }} & &lt;b&gt; ']]>",
    "\u6f22\u5b57 \u05e9\u05dc\u05d5\u05dd",
)
Evidence = dict[str, Any]
_PLACE = frozenset({"originator_id", "originator_version", "context"})
_BLOCK = re.compile(
    r'<script type="application/json" id="evidence" data-sha256="([0-9a-f]{64})" data-text-sha256="[0-9a-f]{64}">'
    r"(.*?)</script>",
    re.DOTALL,
)
PARTS = ("events", "strings", "pieces", "checkpoints", "states")


class _Clock:
    """Goes on by a minute at each reading, and is set back by ten now and then; every *leap* readings two days pass."""

    def __init__(self, *, leap: int | None) -> None:
        self._readings, self._leap = 0, leap

    def read(self) -> Moment:
        self._readings += 1
        wall = START + self._readings * 60_000_000 - (self._readings // 17) * 600_000_000
        wall += 0 if self._leap is None else self._readings // self._leap * 172_800_000_000
        return Moment(time_of(wall), ClockReading("system", "unknown", CLOCK.boot_id, self._readings))


class _Events(World):
    """A world that keeps its events, and gives hostile texts as reasons, tickets and packages."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[AnyReleaseEvent] = []

    def _record(self, number: int, event: AnyReleaseEvent) -> None:
        super()._record(number, event)
        text = HOSTILE[len(self.events) % len(HOSTILE)]
        package = getattr(event, "package", None)
        if isinstance(package, PackageRecord):
            event = replace(event, package=replace(package, name=f"{text[:200]}.zip"))  # type: ignore[arg-type] # it has one
        if event.context.reason is not None:
            event = replace(event, context=replace(event.context, reason=text))
        self.events.append(event)


def history(moves: int) -> tuple[AnyEvent, ...]:
    """Return a history of two nodes with events of every type."""
    world = _Events()
    for n in range(moves):
        world.play(Move(node=n % 2, kind=n * 7 % 10 if n % 5 else 8 + n % 2, vsn=n * 3 % 4, reach=n * 5 % 6, clock=1))
    for vsn in range(4):  # unpacked if it is not known, then removed if it may be
        for kind in (0, 0, 5, 5):
            world.play(Move(node=0, kind=kind, vsn=vsn, reach=5, clock=1))
    world.turn = Turn(plan="0123456789ab", plan_sha256="0" * 64, wave=2)
    for vsn in range(4):
        world.play(Move(node=0, kind=2, vsn=vsn, reach=5, clock=1))
    world.turn = None
    return (*world.events, *_closing(world))


def _closing(world: _Events) -> Iterator[AnyEvent]:
    """Yield, of the second node and of the ledger, what no move does."""
    node = world.nodes[1]
    context = replace(CONTEXT, node=node.node, attempt=None)
    place = {"originator_id": node.id}
    about = uuid_of(1, "e")
    text = ("first line", "<b>second</b>")
    yield NoteAdded(
        **place, originator_version=node.version + 1, context=context, event_id=about, kind="note", text=text
    )
    spool = decide_spool(node, context=context, origin="fleet.example.com/<spool>", note=None)
    yield replace(spool, originator_version=node.version + 2)
    yield InstallationMoved(
        **place,
        originator_version=node.version + 3,
        context=replace(context, node="emqx@c"),
        driver="embedded",
        former_node=node.node,
        former_root=node.root,
        root="/opt/<emqx>",
    )
    yield InstallationUnregistered(
        **place,
        originator_version=node.version + 4,
        context=context,
        root="/opt/<emqx>",
        table_sha256=table_digest(node.tables),
    )
    yield from _of_ledger(replace(context, node=None, reason="a reason"), first=len(world.events) + 4)


def _of_ledger(context: Context, *, first: int) -> Iterator[AnyEvent]:
    """Yield an event of every class that belongs to no installation; they are numbered from *first* on."""
    text = "0" * 64
    values: Mapping[object, object] = {
        int: 9,
        int | None: 9,
        str: text,
        str | None: text,
        tuple[str, ...]: ("first line", "<b>second</b>"),
    }
    imported = _imported(context)
    for version, kind in enumerate(LEDGER_CLASSES, 1):
        hints = get_type_hints(kind)
        chosen = imported.get(kind, {"found": "passed", "tree_size": first + version - 1})
        own = {
            field.name: chosen.get(field.name, values[hints[field.name]])
            for field in fields(kind)
            if field.name not in _PLACE
        }
        yield kind(originator_version=version, context=context, **own)  # type: ignore[arg-type] # values are by type


def _imported(context: Context) -> Mapping[type, Mapping[str, object]]:
    """Return what the events hold by which a log of one event came in."""
    key = LogKey("other.example.com/release-ledger/1", b"\7" * 32)
    note = LedgerNoteAdded(originator_version=1, context=context, event_id=uuid_of(2, "e"), kind="note", text=("old",))
    leaf = seal(note, replace(STAMP, ledger=key.origin))
    root = hash_leaf(leaf)
    checkpoint = note_lines(sign_note(Checkpoint(key.origin, 1, root).encode(), signers=(key,)))
    shared = {"origin": key.origin, "checkpoint": checkpoint}
    of_run = {"vkeys": (str(key.vkey),), "form": "import", "first": 0, "tree_size": 1, "root_sha256": root.hex()}
    return {
        LedgerImported: {**shared, **of_run, "anchors": (), "disclosed": 0},
        LedgerEventImported: {**shared, "index": 0, "leaf_deflated": (), **carried(leaf)},
    }


def record(folder: Path, events: Sequence[AnyEvent], *, commit: int = 1, leap: int | None = None) -> Lab:
    """Record *events* in a new ledger under *folder*; return the host that it belongs to."""
    lab = Lab(folder)
    folder.mkdir(exist_ok=True)
    places = create_folder(lab.ledger, origin=ORIGIN, entropy=lambda size: b"\1" * size)
    how = replace(recording(), signer=places.read_key(), guard=places.guard, clock=_Clock(leap=leap))
    with closing(open_ledger(places.database, how)) as ledger:
        for at in range(0, len(events), commit):
            ledger.record(events[at : at + commit])
    return lab


def long_history(count: int) -> tuple[AnyEvent, ...]:
    """Return *count* events of upgrades to one version after the other."""
    return tuple(islice(upgrades(), count))


def impossible_history(count: int) -> tuple[AnyEvent, ...]:
    """Return *count* events of one upgrade over and over, whose tables do not follow from each other."""
    return tuple(islice(repeated(), count))


def longest_history(count: int) -> tuple[AnyEvent, ...]:
    """Return *count* events of two nodes, of a history that can have happened."""
    world = _Events()
    for n in cycle(range(40)):
        world.play(Move(node=n % 2, kind=n * 7 % 10 if n % 5 else 8, vsn=n * 3 % 4, reach=5, clock=1))
        if len(world.events) >= count:
            break
    return tuple(world.events[:count])


def report(lab: Lab, target: Path, *options: str) -> Path:
    """Write the report to *target* by the command."""
    done = lab.run("report", "-o", str(target), *options)
    assert (done.code, done.err) == (0, ""), done.err
    return target


@dataclass(frozen=True)
class Altered:
    """A page altered behind its back: *change* gets the evidence, texts and all.

    Whoever alters it is careful: the numbers of lines and the digest are those of the altered evidence.
    """

    page: Path

    def by(self, change: Callable[[Evidence], None], target: Path) -> Path:
        """Write the altered copy to *target*."""
        evidence = evidence_of(self.page)
        before = json.dumps(evidence)
        change(evidence)
        assert json.dumps(evidence) != before
        return self.with_text(text_of(evidence), target)

    def with_text(self, evidence: str, target: Path) -> Path:
        """Write a copy with other evidence to *target*."""
        text = self.page.read_text(encoding="utf-8")
        found = _found(text)
        digest = sha256(evidence.encode()).hexdigest()
        parts = (text[: found.start(1)], digest, text[found.end(1) : found.start(2)], evidence, text[found.end(2) :])
        target.write_text("".join(parts), encoding="utf-8")
        return target


def restated(text: str) -> str:
    """Return the altered *text* of a page with the digest that a careful hand would write beside it."""
    start = text.index('<script type="application/json" id="evidence"')
    return re.sub('(data-text-sha256=")[0-9a-f]+', rf"\g<1>{text_digest(text[:start])}", text, count=1)


def evidence_of(page: Path) -> Evidence:
    """Return the evidence in a page: its head, and each of its parts."""
    lines = [json.loads(line) for line in evidence_text(page).split("\n")]
    evidence: Evidence = lines[0]
    at = 1
    for name, number in zip(PARTS, evidence.pop("counts"), strict=True):
        evidence[name] = lines[at : at + number]
        at += number
    assert at == len(lines)
    return evidence


def evidence_text(page: Path) -> str:
    """Return the evidence in a page as it stands there."""
    return _found(page.read_text(encoding="utf-8"))[2]


def text_of(evidence: Evidence) -> str:
    """Return evidence as it stands in a page."""
    head = {name: value for name, value in evidence.items() if name not in PARTS}
    head["counts"] = [len(evidence[name]) for name in PARTS]
    return "\n".join(map(safe_json, (head, *(line for name in PARTS for line in evidence[name]))))


def _found(text: str) -> re.Match[str]:
    found = _BLOCK.search(text)
    assert found is not None
    return found
