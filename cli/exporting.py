"""Exporting from the command line: which events, whereto, and the event that says so.

What is chosen is fixed first, from one state of the record: the newest signed tree and the
events in it. Then the bundle is written, then the export is recorded; where recording fails the
bundle is taken back. ``--node`` chooses events only where it stands on the command line: a
setting must not narrow an export unnoticed.
"""

import json
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from cli import bootstrap
from cli.export_options import ExportFormat, ExportOptions
from cli.listing import event_at, filter_of, print_texts, started
from cli.notes import Notes, notes_of
from cli.outside import held_outside
from cli.read_options import FilterOptions
from cli.reading import ask, ask_for_lines, check_version, now, require_in_history
from cli.render_log import event_json
from cli.session import Session
from ledger.application.bundle import BundleFile, Contents, Scope, choose_sample, readable_json
from ledger.domain.ledger_events import LEDGER_STREAM, EvidenceExported
from ledger.domain.records import Context
from ledger.errors import UsageError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.notation import print_base64
from ledger.tlog.vkey import Vkey
from projections.evidence import EvidenceReader
from projections.history import HistoryFilter, Line
from projections.nodes import NodeTable
from projections.read import open_ledger
from projections.tables import csv_rows, versions_record
from projections.view import View
from projections.when import resolve_when

SCHEMA = "release-ledger/export/1"
_SEED_BYTES = 8
Append = Callable[[Contents, str], int]


class ExportChoiceError(UsageError):
    """Two options of an export do not go together."""

    def __init__(self, fact: str) -> None:
        super().__init__("these options do not go together", fact=fact, hint="see `release-ledger export --help`")


class _Choice(NamedTuple):
    """What is exported: *lines* are those of the events in the bundle, oldest first."""

    note: bytes
    checkpoint: Checkpoint
    lines: tuple[Line, ...]
    nodes: tuple[NodeTable, ...]
    whole: bool
    filters: tuple[str, ...]


def export_asked(asked: ExportOptions, *, wanted: FilterOptions, session: Session) -> int:
    """Export what is asked for; return 0.

    Raises: ExportChoiceError; the errors of reading, of writing, and of recording.
    """
    if asked.form is not ExportFormat.BUNDLE:
        if asked.event or asked.sample or asked.seed or asked.disclose or asked.reason:
            raise ExportChoiceError(f"--format {asked.form} takes filters only")
        return _export_events(asked, wanted=wanted, session=session)
    if asked.output is None:
        raise ExportChoiceError("a bundle needs -o PATH")
    return _export_bundle(Path(asked.output), asked, wanted=wanted, session=session)


def _export_bundle(target: Path, asked: ExportOptions, *, wanted: FilterOptions, session: Session) -> int:
    folder = session.settings.ledger.value
    desk = bootstrap.export_desk(folder)
    desk.check_target(target)
    choice = _chosen(asked, wanted, session)
    with ExitStack() as stack:
        append = stack.enter_context(_appending(asked, session)) if desk.may_record() else None
        ledger = stack.enter_context(open_ledger(folder))
        contents = Contents(EvidenceReader(ledger), _scope(choice, vkey=desk.vkey(), disclose=asked.disclose))
        open_attempts = tuple(f"{node.node}: {node.open_attempt.attempt}" for node in choice.nodes if node.open_attempt)
        with desk.written(
            target, contents, views=_views(choice), open_attempts=open_attempts, recorded=append is not None
        ) as manifest_sha256:
            number = None if append is None else append(contents, manifest_sha256)
        _tell(_Exported(target, contents, manifest_sha256, number), session)
    return 0


def _export_events(asked: ExportOptions, *, wanted: FilterOptions, session: Session) -> int:
    desk = bootstrap.export_desk(session.settings.ledger.value)
    target = None if asked.output is None else Path(asked.output)
    if target is not None:
        desk.check_target(target)

    def question(view: View, ledger: sqlite3.Connection) -> tuple[Iterator[Line], Notes, sqlite3.Connection]:
        return started(_matching(view, wanted, session, oldest_first=True)), notes_of(view), ledger

    with ask_for_lines(session, question) as (lines, notes, ledger):
        texts = csv_rows(lines, notes) if asked.form is ExportFormat.CSV else _json_lines(lines, notes, ledger)
        if target is None:
            print_texts(texts, session)
        else:
            desk.write_file(target, (text.encode() for text in texts))
    return 0


class _Exported(NamedTuple):
    """What was written where; *number* is that of the event that records it."""

    target: Path
    contents: Contents
    manifest_sha256: str
    number: int | None


@contextmanager
def _appending(asked: ExportOptions, session: Session) -> Iterator[Append]:
    """Give what records an export; what others hold is brought up to date at the end."""
    with held_outside(session) as outside:

        def append(contents: Contents, manifest_sha256: str) -> int:
            with bootstrap.open_record(session.settings.ledger.value, after=outside.hand_over) as (record, identity):
                context = Context(actor=identity.actor, source=identity.source, reason=asked.reason)
                version = record.version(LEDGER_STREAM) + 1
                (number,) = record.record([_event(contents, manifest_sha256, version=version, context=context)])
                return number

        yield append


def _event(contents: Contents, manifest_sha256: str, *, version: int, context: Context) -> EvidenceExported:
    scope, tally = contents.scope, contents.tally
    return EvidenceExported(
        originator_version=version,
        context=context,
        form=scope.form,
        tree_size=scope.checkpoint.size,
        entries=tally.entries,
        disclosed=tally.disclosed,
        filters=scope.filters,
        manifest_sha256=manifest_sha256,
    )


def _chosen(asked: ExportOptions, wanted: FilterOptions, session: Session) -> _Choice:
    named = _named(wanted, session)
    if asked.event and (named or asked.sample is not None):
        raise ExportChoiceError("--event names events, --sample and filters choose them")
    if asked.seed is not None and asked.sample is None:
        raise ExportChoiceError("--seed is for --sample")
    desk = bootstrap.export_desk(session.settings.ledger.value)

    def question(view: View, ledger: sqlite3.Connection) -> _Choice:
        note = EvidenceReader(ledger).note(view.size())
        checkpoint = desk.checkpoint(note)
        lines, filters = _lines(view, asked, wanted, session)
        whole = not (named or filters)
        return _Choice(
            note,
            checkpoint,
            tuple(sorted(line for line in lines if line.number < checkpoint.size)),
            view.nodes(at=checkpoint.size - 1),
            whole,
            (*named, *filters),
        )

    return ask(session, question)


def _lines(
    view: View, asked: ExportOptions, wanted: FilterOptions, session: Session
) -> tuple[tuple[Line, ...], tuple[str, ...]]:
    """Return the lines of the events that are wanted, and how they were chosen beside the filters."""
    if asked.event:
        numbers = sorted({resolve_when(view, text, now=now()).event for text in asked.event})
        found = tuple(line for number in numbers for line in view.lines(HistoryFilter(since=number, until=number)))
        return found, tuple(f"event={number}" for number in numbers)
    matching = tuple(_matching(view, wanted, session))
    if asked.sample is None:
        return matching, ()
    seed = asked.seed if asked.seed is not None else secrets.token_hex(_SEED_BYTES)
    taken = frozenset(choose_sample([line.number for line in matching], count=asked.sample, seed=seed))
    return tuple(line for line in matching if line.number in taken), (f"sample={asked.sample}", f"seed={seed}")


def _matching(view: View, wanted: FilterOptions, session: Session, *, oldest_first: bool = False) -> Iterator[Line]:
    node = session.options.node
    if wanted.vsn is not None:
        check_version(wanted.vsn)
    require_in_history(view, node)
    return view.lines(filter_of(wanted, view, node), oldest_first=oldest_first)


def _named(wanted: FilterOptions, session: Session) -> tuple[str, ...]:
    """Return the filters that are given, as they were typed."""
    given = {"node": session.options.node, **wanted.items()}
    return tuple(
        f"{name}={text}"
        for name, value in sorted(given.items())
        if value not in (None, False)
        for text in (value if isinstance(value, list) else [value])
    )


def _scope(choice: _Choice, *, vkey: Vkey | None, disclose: bool) -> Scope:
    return Scope(
        note=choice.note,
        checkpoint=choice.checkpoint,
        vkey=vkey,
        indexes=None if choice.whole else tuple(line.number for line in choice.lines),
        filters=choice.filters,
        disclose=disclose,
    )


def _views(choice: _Choice) -> Iterator[BundleFile]:
    from cli.report.controls import controls_csv  # noqa: PLC0415 # a listing does not pay for it

    # Of a sample as well, a view follows from the events that are in it.
    notes: dict[str, tuple[Line, ...]] = {}
    for line in choice.lines:
        if line.noted is not None:
            notes[line.noted] = (*notes.get(line.noted, ()), line)
    yield BundleFile("views/timeline.csv", "".join(csv_rows(choice.lines, notes)).encode(), derived=True)
    yield BundleFile("views/controls.csv", "".join(controls_csv(choice.lines)).encode(), derived=True)
    if choice.whole:  # the tables do not follow from a sample
        root = print_base64(choice.checkpoint.root).decode()
        record = versions_record(choice.nodes, size=choice.checkpoint.size, root=root)
        yield BundleFile("views/versions.json", readable_json(record), derived=True)


def _json_lines(lines: Iterator[Line], notes: Notes, ledger: sqlite3.Connection) -> Iterator[str]:
    return (event_json(event_at(ledger, line.number), notes=notes) for line in lines)


def _tell(exported: _Exported, session: Session) -> None:
    contents = exported.contents
    checkpoint, tally = contents.scope.checkpoint, contents.tally
    if exported.number is None:
        why_not = "this user cannot write the ledger, or it has moved"
        session.terminal.complain(f"note: this export is not recorded, because {why_not}\n")
    if not session.json:
        session.terminal.say(f"Exported {tally.entries} of {checkpoint.size} events: {exported.target}")
        if exported.number is not None:
            session.terminal.advise(f"recorded as event {exported.number}")
        return
    record: dict[str, object] = {
        "schema": SCHEMA,
        "path": str(exported.target),
        "form": contents.scope.form,
        "tree_size": checkpoint.size,
        "root": print_base64(checkpoint.root).decode(),
        "entries": tally.entries,
        "disclosed": tally.disclosed,
        "manifest_sha256": exported.manifest_sha256,
        "export_recorded": exported.number is not None,
    }
    if exported.number is not None:
        record["event"] = exported.number
    session.terminal.write(json.dumps(record, separators=(",", ":")) + "\n")
