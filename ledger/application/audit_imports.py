"""What a ledger holds of other ledgers, held against what those signed (level 5; docs/decisions/0024).

An imported event carries the leaf of the other log. So the tree of that log can be built anew
from them, and must have the root of each of its checkpoints that was carried along, of the one
that the import names, and of the notes that others had signed. Its events stand in their order
and without a gap, in the streams that they say, and keep the rules of form. Where the verifier's
own policy names the other log, its keys must have signed; else the keys that the import recorded
must have, and the report says that these are nobody's but the importer's word. What the verifier
remembers of the other log is held against the tree as well.

A log that was imported may itself hold imports: they are checked in the same way, one level down.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from ledger.application.audit_report import AuditReport, Finding, Level, Verdict
from ledger.application.audit_trust import Trust, read_unsigned
from ledger.application.leaf_form import LeafReader
from ledger.dataclass import dataclass, replace
from ledger.domain.envelope import unseal_event
from ledger.domain.imported import carried_leaf, notes_of
from ledger.domain.ledger_events import (
    LEDGER_STREAM,
    AnyEvent,
    AnyImported,
    ImportForm,
    LedgerImported,
    LedgerMoved,
)
from ledger.errors import LedgerError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import hash_leaf
from ledger.tlog.policy import Log, Policy
from ledger.tlog.tree_builder import TreeBuilder
from ledger.tlog.vkey import Vkey

_OF_IMPORTS = re.compile(
    rb'"type":"emqx\.(?:release\.event_imported|ledger\.(?:event_imported|ledger_imported|ledger_moved))\.v1"'
)


class _Fault(LedgerError):  # noqa: N818 # it never leaves this module
    """What is wrong with an imported event, or with what was said of an import."""


@dataclass(frozen=True)
class _Due:
    """A note that is held against the tree when it has its size; *signed* asks that the log signed it."""

    name: str
    note: bytes
    checkpoint: Checkpoint
    signed: bool


class ImportCheck:
    """Follows one log, and the logs that were imported into it; *trust* is that of the verifier."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._logs: dict[str, _Other] = {}
        self._moved: tuple[int, LedgerMoved] | None = None
        self._finding: Finding | None = None
        self._ended = False

    def followed(self, events: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
        """Yield *events*, leaves with their index, up to the first in which something is wrong with an import."""
        for index, leaf in events:
            fault = self.fault(index, leaf)
            if fault is not None:
                self._finding = Finding(Level.MEANING, Verdict.FAILED, f"event {index}", fault)
                return
            yield index, leaf
        self._ended = True

    def told(self, report: AuditReport) -> AuditReport:
        """Return *report* with what was found; of imports that were not followed to the end nothing good is said."""
        if self._finding is not None:
            found = (*report.findings, self._finding)
            return replace(report, findings=found, holding=report.holding - {Level.MEANING})
        return replace(report, remarks=(*report.remarks, *self.remarks())) if self._ended else report

    def fault(self, index: int, leaf: bytes) -> str | None:
        """Return what is wrong with the event at *index*, as far as it has to do with imports."""
        if self._moved is not None:
            at, moved = self._moved
            return f"it stands behind event {at}, with which the ledger had moved to {moved.to_origin}"
        if _OF_IMPORTS.search(leaf) is None:
            return None
        try:
            self._take(index, unseal_event(leaf))
        except LedgerError as exc:
            return f"{exc}: {exc.fact}" if exc.fact else str(exc)
        return None

    def remarks(self) -> Iterator[str]:
        """Yield what a reader must know of each log that was imported."""
        for other in self._logs.values():
            yield from other.remarks()
        if self._moved is not None:
            yield f"the ledger moved: it goes on as {self._moved[1].to_origin} at {self._moved[1].to}"

    def _take(self, index: int, event: AnyEvent) -> None:
        if isinstance(event, LedgerMoved):
            self._moved = (index, event)
        elif isinstance(event, LedgerImported):
            other = self._logs.get(event.origin)
            if other is None:
                other = self._logs[event.origin] = _Other(event.origin, self._trust)
            other.announce(index, event)
        elif isinstance(event, AnyImported):
            found = self._logs.get(event.origin)
            if found is None:
                raise _Fault(f"it is of {event.origin}, and no import of that was recorded before it")
            found.take(event)


class _Other:
    """One log that was imported: its tree as its carriers give it."""

    def __init__(self, origin: str, trust: Trust) -> None:
        self._origin, self._trust = origin, trust
        self._builder = TreeBuilder()
        self._roots: dict[int, bytes] = {}
        self._due: dict[int, list[_Due]] = {}
        self._read = LeafReader()
        self._versions: dict[bytes, int] = {}
        self._places: dict[str, int] = {}
        self._inner = ImportCheck(trust)
        self._runs: list[tuple[int, LedgerImported]] = []
        self._keys: tuple[Vkey, ...] = ()
        self._held = 0
        self._unchecked = 0
        remembered = (note for note in trust.elsewhere if note.log == origin and note.lost is None)
        self._remembered = tuple(self._owed(note.name, note.data, signed=False) for note in remembered)

    def announce(self, index: int, event: LedgerImported) -> None:
        """Begin a run: what is to come, and what that will be held against."""
        size = self._builder.size
        if event.first != size:
            raise _Fault(f"it imports from event {event.first} on, and {size} of {self._origin} were imported before")
        if event.tree_size <= size:
            raise _Fault(f"it imports up to {event.tree_size}, and {size} of {self._origin} were imported before")
        self._keys = _keys(event)
        notes = list(notes_of(event.checkpoint))
        if len(notes) != 1:
            raise _Fault("it does not hold the one checkpoint of what it imports")
        due = self._owed("the checkpoint of the import", notes[0], signed=True)
        if (due.checkpoint.size, due.checkpoint.root.hex()) != (event.tree_size, event.root_sha256):
            raise _Fault("it states another tree than its checkpoint")
        for note in notes_of(event.anchors):
            self._owed("a note that others signed", note, signed=False)
        self._runs.append((index, event))

    def take(self, event: AnyImported) -> None:
        """Take the next carrier."""
        index = self._builder.size
        if event.index != index:
            raise _Fault(f"it carries event {event.index} of {self._origin}, where {index} is due")
        run = self._runs[-1][1]
        if index >= run.tree_size:
            raise _Fault(f"it carries event {index} of {self._origin}, behind the {run.tree_size} of its import")
        leaf = carried_leaf(vars(event))
        self._check_place(event, leaf, run)
        inner = self._inner.fault(index, leaf)
        if inner is not None:
            raise _Fault(f"event {index} of {self._origin}: {inner}")
        self._builder.extend([hash_leaf(leaf)])
        for note in notes_of(event.checkpoint):
            if self._owed("the checkpoint behind it", note, signed=True).checkpoint.size != index + 1:
                raise _Fault(f"the checkpoint behind it is not that of {index + 1} events")
        if index + 1 in self._due:
            self._meet(index + 1)

    def remarks(self) -> Iterator[str]:
        """Yield what is to be said of this import."""
        (first, run), size, held = self._runs[-1], self._builder.size, self._held
        by = ", ".join(f"{vkey.name}+{vkey.key_id.hex()}" for vkey in self._keys)
        listed = "of the policy" if self._listed() else "that the import recorded and the policy does not list"
        many = f"{size} event{'' if size == 1 else 's'}"
        many, verb = (f"{held} of {many}" if held != size else many), "has" if size == 1 else "have"
        told = f"{many} of {self._origin} ({run.form}, announced by event {first}) {verb} the tree that it signed"
        yield f"{told}, under the key {listed}: {by}"
        if size < run.tree_size:
            yield f"the import of {self._origin} is not finished: {size} of {run.tree_size} events are there"
        for due in self._remembered:
            seen = due.checkpoint.size
            beyond = f"holds size {seen} of {self._origin}, of which {size} are there: the rest is not compared"
            yield f"{due.name} {beyond if seen > size else f'is continued by the import, from size {seen} on'}"
        if self._unchecked:
            yield f"{self._unchecked} notes that others signed of {self._origin} are of sizes whose tree is not known"
        for remark in self._inner.remarks():
            yield f"{self._origin}: {remark}"

    def _check_place(self, event: AnyImported, leaf: bytes, run: LedgerImported) -> None:
        facts = self._read(leaf, b"")
        stream, version = facts.stream.decode(), int(facts.version)
        if facts.ledger.decode() != self._origin:
            raise _Fault(f"the event that it carries was written for the ledger {facts.ledger.decode()!a}")
        if stream != event.originator_id:
            raise _Fault(f"the event that it carries belongs to the stream {stream!a}")
        before = self._versions.get(facts.stream, 0)
        if version != before + 1:
            raise _Fault(f"it carries version {version} of its stream, which stood at {before} there")
        self._versions[facts.stream] = version
        if stream != LEDGER_STREAM and run.form != ImportForm.SPOOL:
            place = self._places.get(stream, 0) + 1
            if event.originator_version != place:
                raise _Fault(f"it stands among events of its stream that are not of {self._origin}")
            self._places[stream] = place

    def _owed(self, name: str, note: bytes, *, signed: bool) -> _Due:
        """Hold *note* against the tree when it has that size."""
        due = _Due(name, note, read_unsigned(note), signed)
        size = due.checkpoint.size
        if due.checkpoint.origin != self._origin:
            raise _Fault(f"{name} is of {due.checkpoint.origin}")
        if size > self._builder.size:
            self._due.setdefault(size, []).append(due)
        elif size == self._builder.size:
            self._hold(due, self._builder.root())
        elif size in self._roots:
            self._hold(due, self._roots[size])
        else:
            self._unchecked += 1
        return due

    def _meet(self, size: int) -> None:
        root = self._builder.root()
        for due in self._due.pop(size):
            self._hold(due, root)

    def _hold(self, due: _Due, root: bytes) -> None:
        size = due.checkpoint.size
        self._roots[size] = root
        if due.checkpoint.root != root:
            raise _Fault(
                f"{due.name}, of {size} events of {self._origin}, has another root than the events that it carries"
            )
        if due.signed:
            keys = self._listed() or self._keys
            policy = Policy(tuple(map(Log, keys)), (), (), None)
            Trust(policy=policy, primitives=self._trust.primitives).open(due.note)
            self._held = max(self._held, size)

    def _listed(self) -> tuple[Vkey, ...]:
        """Return the keys of this log that the verifier's policy lists."""
        logs: Sequence[Log] = self._trust.policy.logs if self._trust.policy is not None else ()
        return tuple(log.vkey for log in logs if log.vkey.name == self._origin)


def _keys(event: LedgerImported) -> tuple[Vkey, ...]:
    keys = tuple(map(Vkey.parse, event.vkeys))
    if not keys or any(vkey.name != event.origin for vkey in keys):
        raise _Fault(f"it names no key of {event.origin}, or one of another log")
    return keys
