"""Checking, from the command line: node, files, lock, space, owners, clock, key, holders, settings.

Nothing is changed, unless ``--record`` appends what happened outside the ledger. A node is looked
at under the lock of its installation; while another command holds that, it is left alone.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cli import bootstrap
from cli.changing import catch_up, why
from cli.exit_codes import DIFFERENT, DONE
from cli.here import own_host, refuse_elsewhere
from cli.ledger_place import address_in
from cli.live import handler_of
from cli.offline import answer, at_hand, keep_seen, spool_point
from cli.options import LeaveOptions
from cli.outside import held_outside
from cli.reading import ask, meant
from cli.render_versions import node_label
from cli.session import Session
from cli.table import table_text
from ledger.application.ports import NodeDownError, NodeUnusableError
from ledger.application.readiness import (
    Clocks,
    Keeping,
    Point,
    Sight,
    Verdict,
    installation_points,
    ledger_points,
)
from ledger.application.reconcile import notice
from ledger.dataclass import replace
from ledger.domain.decisions import refuse_open_attempt
from ledger.domain.envelope import ClockReading
from ledger.domain.observation import Observation
from ledger.domain.outcomes import By
from ledger.domain.releases import NodeReleases
from ledger.errors import LedgerError
from projections.nodes import NodeTable
from projections.read import log_size, note_at, read_events
from projections.refold import node_now
from projections.view import View
from projections.whereabouts import whereabouts

SCHEMA = "release-ledger/check/1"


class _Record(NamedTuple):
    """What the record says: the nodes that are meant, its size, its newest event and note."""

    nodes: tuple[tuple[NodeTable, NodeReleases], ...]
    size: int
    last: str
    last_reading: ClockReading
    note: bytes | None


def check_installations(*, record: bool, options: LeaveOptions, session: Session) -> int:
    """Print every point; return the exit code: 7 where something differs or is at fault.

    Raises: the errors of reading a ledger; NodeUnknownError; with *record* those of recording.
    """
    if not record:
        answer(session)
        return _checked(None, session)
    with at_hand(session):
        return _checked(options, session)


def _checked(record: LeaveOptions | None, session: Session) -> int:
    known = ask(session, lambda view, ledger: _known(view, ledger, session))
    sights = [(table, node, _sight(node, session)) for table, node in known.nodes]
    keep_seen(session, [node for _, node, sight in sights if sight.seen is not None])
    points = [(node_label(table), point) for table, node, sight in sights for point in installation_points(node, sight)]
    points += [("", point) for point in (*_of_ledger(known, session), *spool_point(session), *_settings(session))]
    recorded = () if record is None else _recorded(record, session)
    if session.json:
        session.terminal.write(_as_json(points, recorded))
    else:
        session.terminal.write(_as_text(points, session))
        if recorded:
            session.terminal.say(f"Recorded: events {recorded[0]} to {recorded[-1]}")
        elif record is not None:
            session.terminal.say("Recorded: nothing, for nothing happened outside the ledger")
    bad = any(point.verdict in {Verdict.DIFFERS, Verdict.FAULT} for _, point in points)
    return DIFFERENT if bad else DONE


def _known(view: View, ledger: sqlite3.Connection, session: Session) -> _Record:
    tables, size = meant(view.nodes(), session), log_size(ledger)
    (newest,) = read_events(ledger, start=size - 1, stop=size)
    host = own_host(session.settings.ledger.value)
    elsewhere = {place.id: place for place in whereabouts(ledger) if host not in {None, place.host}}
    own = [table for table in tables if table.stream not in elsewhere]
    if tables and session.settings.node.value is not None and not own:
        refuse_elsewhere(elsewhere[tables[0].stream], host)
    return _Record(
        nodes=tuple((table, node_now(ledger, table.stream)) for table in own),
        size=size,
        last=newest.entry["recorded_at"],
        last_reading=ClockReading(**newest.entry["clock"]),
        note=note_at(ledger, size),
    )


def _sight(node: NodeReleases, session: Session) -> Sight:
    try:
        disk, found = bootstrap.host_sight().look_under(Path(node.root), lambda: handler_of(node, session).observe())
    except OSError as exc:
        return _no_sight(f"{node.root}: {exc.strerror or exc}")
    except LedgerError as exc:
        return _no_sight(f"{exc}: {exc.fact}")
    if isinstance(found, Observation):
        return Sight(seen=found, disk=disk)
    down = isinstance(found, NodeDownError | NodeUnusableError) or found.code != LedgerError.code
    words = f"{found}: {found.fact}" if found.fact else str(found)
    return Sight(seen=None, unseen=words, unseen_hint=found.hint, down=down and disk.holder is None, disk=disk)


def _no_sight(why: str) -> Sight:
    return Sight(seen=None, unseen="its root cannot be read", no_disk=why)


def _of_ledger(known: _Record, session: Session) -> Iterator[Point]:
    folder, group = session.settings.ledger.value, session.settings.group.value
    keeping = bootstrap.host_sight().keeping_of(folder, stored=known.size, newest=known.note, group=group)
    moment = bootstrap.host_sight().now()
    clocks = Clocks(now=moment.recorded_at, reading=moment.clock, last=known.last, last_reading=known.last_reading)
    return ledger_points(_held(keeping, session), clocks)


def _held(keeping: Keeping, session: Session) -> Keeping:
    from ledger.application.anchoring import unheld  # noqa: PLC0415 # what speaks to holders is for those who have any

    try:
        with bootstrap.open_holders(session.settings) as holders:
            state = unheld(holders.anchors, store=holders.store)
            return replace(
                keeping, held=state.held, since=state.since, holders=tuple(anchor.name for anchor in holders.anchors)
            )
    except LedgerError as exc:
        return keeping if keeping.key_fault else replace(keeping, held_fault=f"{exc}: {exc.fact}")


def _settings(session: Session) -> Iterator[Point]:
    for name in session.settings._fields:
        setting = getattr(session.settings, name)
        value = ", ".join(setting.value) if isinstance(setting.value, tuple) else setting.value
        value = address_in(value) or value if isinstance(value, Path) else value
        shown = "not set" if value in {None, ""} else str(value).lower() if isinstance(value, bool) else str(value)
        yield Point(f"setting {name}", f"{shown} ({setting.source})")


def _recorded(options: LeaveOptions, session: Session) -> tuple[int, ...]:
    reason, ticket = why(options, session)
    try:
        with (
            held_outside(session) as outside,
            bootstrap.at_work(
                session.settings,
                driver=session.settings.driver.value,
                reason=reason,
                ticket=ticket,
                after=outside.hand_over,
                tell=session.terminal.advise,
            ) as bench,
            bench.lock.hold("check --record", wait=0),
        ):
            node = bench.record.releases(bench.node.id)
            refuse_open_attempt(node)
            by = By(context=bench.contexts(None), driver=bench.handler.driver)
            return bench.record.record(notice(node, bench.handler.observe(), by=by))
    finally:
        catch_up(session)


def _as_text(points: Sequence[tuple[str, Point]], session: Session) -> str:
    several = len({label for label, _ in points if label}) > 1
    columns = (*(("Node",) if several else ()), "Point", "Verdict", "Value", "What to do")
    rows = [
        (*((label,) if several else ()), point.name, str(point.verdict), point.value, point.hint)
        for label, point in points
    ]
    return table_text(columns, rows, session)


def _as_json(points: Sequence[tuple[str, Point]], recorded: tuple[int, ...]) -> str:
    record = {
        "schema": SCHEMA,
        "verdict": max((point.verdict for _, point in points), key=list(Verdict).index),
        "points": [
            {
                name: value
                for name, value in (
                    ("node", label),
                    ("point", point.name),
                    ("verdict", str(point.verdict)),
                    ("value", point.value),
                    ("hint", point.hint),
                )
                if value
            }
            for label, point in points
        ],
        "recorded": list(recorded),
    }
    return json.dumps(record, separators=(",", ":")) + "\n"
