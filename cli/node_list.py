"""The list of nodes: which are wanted, in which order, as a table and as JSON."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from cli.fleet_options import NodeOptions, NodeOrder
from cli.plain_text import plain
from cli.reading import Answer, Moment, ask, check_version, matched, moment_at, now
from cli.render_versions import node_label
from cli.session import Session
from cli.table import table_text
from projections.roots import root_of
from projections.standing import Standing, standings
from projections.view import View
from projections.when import bound_of, resolve_when

SCHEMA = "release-ledger/node/1"
COLUMNS = ("Node", "Running", "Permanent", "Boots next", "Behind", "Last seen", "How", "Open attempt")
IMPORTED = "Imported from"
NOTHING = "-"


class Listed(NamedTuple):
    """The nodes that are wanted, of *total*, and the moment they rest on.

    *origins* has, by stream, the logs that events of a node were imported from.
    """

    standings: tuple[Standing, ...]
    total: int
    answer: Answer
    origins: Mapping[str, tuple[str, ...]]


def list_nodes(wanted: NodeOptions, *, at: str | None, session: Session) -> int:
    """Print the nodes that are wanted; return the exit code.

    Raises: VsnError; the errors of reading a ledger; WhenError, NoSuchEventError, NodeUnknownError,
    NothingRegisteredError.
    """
    for vsn in (*(wanted.vsn or ()), *((wanted.target,) if wanted.target else ())):
        check_version(vsn)
    listed = ask(session, lambda view, ledger: _listed(view, ledger, wanted, at=at, session=session))
    session.terminal.write(nodes_json(listed) if session.json else nodes_text(listed, session))
    if not listed.standings:
        session.terminal.complain(f"none of {listed.total} nodes is like that\n")
    session.terminal.advise(listed.answer.rests_on)
    return 0


def nodes_text(listed: Listed, session: Session) -> str:
    """Return the table; piped, its cells have tabs between them. The last column is there where a node was imported."""
    found = listed.standings
    if not any(standing.table.stream in listed.origins for standing in found):
        return table_text(COLUMNS, [_cells(standing) for standing in found], session)
    came = [", ".join(map(plain, listed.origins.get(standing.table.stream, ()))) or NOTHING for standing in found]
    rows = [(*_cells(standing), origins) for standing, origins in zip(found, came, strict=True)]
    return table_text((*COLUMNS, IMPORTED), rows, session)


def nodes_json(listed: Listed) -> str:
    """Return one line of JSON for each node; what is not known is a missing member."""
    as_of = listed.answer.moment.record
    return "".join(
        json.dumps(_record(standing, listed.origins) | {"as_of": as_of}, separators=(",", ":")) + "\n"
        for standing in listed.standings
    )


def _listed(view: View, ledger: sqlite3.Connection, wanted: NodeOptions, *, at: str | None, session: Session) -> Listed:
    position = None if at is None else resolve_when(view, at, now=now())
    size = view.size()
    moment = Moment(size, root_of(ledger, size)) if position is None else moment_at(ledger, position)
    # Whoever is left out of the list still counts for what is behind.
    nodes = view.nodes(at=position)
    named = {node.stream for node in matched(nodes, session)}
    every = standings(nodes, view.seen(at=position), target=wanted.target)
    unseen = None if wanted.unseen_since is None else bound_of(view, wanted.unseen_since, now=now())
    found = (s for s in every if s.table.stream in named and _is_wanted(s, wanted, unseen))
    origins = view.origins(at=position)
    listed = tuple(_sorted(found, wanted.sort, by_time=bool(origins)))
    return Listed(listed, len(named), Answer(nodes, moment), origins)


def _is_wanted(standing: Standing, wanted: NodeOptions, unseen: int | str | None) -> bool:
    table = standing.table
    return (
        (not wanted.behind or standing.behind is not None)
        and (not wanted.vsn or table.running in wanted.vsn)
        and (wanted.kind is None or table.kind == wanted.kind)
        and (not wanted.open or table.open_attempt is not None)
        and (not wanted.half_permanent or not table.boots_agree)
        and (unseen is None or _last_seen(standing, unseen) < unseen)  # type: ignore[operator] # in the type of the bound
    )


def _last_seen(standing: Standing, bound: int | str) -> int | str:
    return standing.sight.number if isinstance(bound, int) else standing.sight.recorded_at


def _sorted(found: Iterator[Standing], order: NodeOrder, *, by_time: bool) -> Sequence[Standing]:
    if order is NodeOrder.NODE:
        return sorted(found, key=lambda s: s.table.node)
    if order is NodeOrder.SEEN:
        # The numbers of events that were imported follow their import.
        return sorted(found, key=lambda s: (s.sight.recorded_at if by_time else "", s.sight.number))
    if order is NodeOrder.RUNNING:
        from ledger.domain.version import Vsn  # noqa: PLC0415 # only this order pays for it

        none = Vsn(0, 0, 0)
        return sorted(found, key=lambda s: Vsn.known(s.table.running) or none)
    return tuple(found)


def _cells(standing: Standing) -> tuple[str, ...]:
    table, sight = standing.table, standing.sight
    intent = table.open_attempt
    return (
        node_label(table),
        table.running or NOTHING,
        table.permanent or NOTHING,
        (table.boots_next or NOTHING) + ("" if table.boots_agree else " (boot files disagree)"),
        standing.behind or NOTHING,
        f"{sight.recorded_at[:19]}Z",
        f"{sight.type.replace('_', ' ')}, {sight.driver}",
        NOTHING if intent is None else f"{intent.verb} {intent.to or ''}".strip(),
    )


def _record(standing: Standing, origins: Mapping[str, tuple[str, ...]]) -> dict[str, object]:
    table, sight = standing.table, standing.sight
    intent = table.open_attempt
    record: dict[str, object] = {
        "schema": SCHEMA,
        "node": table.node,
        "stream": table.stream,
        "kind": table.kind,
        "root_dir": table.root,
        "facts": _known(table.facts._asdict()),
        "running": table.running,
        "permanent": table.permanent,
        "boots_next": table.boots_next,
        "boot_files_agree": table.boots_agree,
        "behind": standing.behind,
        "last_seen": {"event": sight.number, "at": sight.recorded_at, "type": sight.type, "driver": sight.driver},
        "open_attempt": None if intent is None else _known(intent._asdict()),
        "imported_from": list(origins[table.stream]) if table.stream in origins else None,
    }
    return _known(record)


def _known(record: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in record.items() if value is not None}
