"""Making a plan for a fleet, from the command line: judge every node, lay the waves, record the plan.

Nothing is done to a node. A plan in which no node may go is not recorded.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from secrets import token_hex
from typing import NamedTuple

from cli import bootstrap
from cli.changing import catch_up, why
from cli.fleet_options import FleetOptions
from cli.node_list import NOTHING
from cli.outside import held_outside
from cli.plain_text import plain
from cli.reading import ask, matched, now
from cli.render_versions import node_label
from cli.session import Session
from cli.table import table_text
from ledger.domain.fleet import FleetPlan, Judged, judge_node, recorded, waves_of
from ledger.domain.ledger_events import LEDGER_STREAM
from ledger.domain.package import PackageName
from ledger.domain.records import Context, Kind
from ledger.domain.version import Vsn
from ledger.errors import RefusedError, UsageError
from projections.fleet import candidate_of
from projections.nodes import NodeTable
from projections.view import View
from projections.when import bound_of

SCHEMA = "release-ledger/fleet_plan/1"
_ID_BYTES = 6
COLUMNS = ("Place", "Node", "Running", "Why")


class OtherPackageError(UsageError):
    """A package was named that is not of the release."""

    def __init__(self, name: str, vsn: str) -> None:
        super().__init__(
            f"package {name} is not of {vsn}",
            fact="a plan is judged by the packages of its own release",
            hint=f"name the packages of {vsn}, or plan another release",
        )


class NobodyMayGoError(RefusedError):
    """No node may go, so there is nothing to plan."""

    def __init__(self, vsn: str, *, left_out: int) -> None:
        super().__init__(
            f"no node may go to {vsn}",
            fact=f"{left_out} nodes are left out, each for the reasons above; nothing was recorded",
            hint="name other nodes or packages, or mend what stands against them",
        )


class _Judged(NamedTuple):
    """Every node that is meant, with what the rules say of it."""

    tables: Mapping[str, NodeTable]
    every: tuple[Judged, ...]

    def may_go(self) -> tuple[str, ...]:
        """Return the streams that may go: rehearsals first, each kind in the order of registration."""
        streams = [judged.stream for judged in self.every if not judged.there and not judged.obstacles]
        return tuple(sorted(streams, key=lambda stream: self.tables[stream].kind != Kind.REHEARSAL))


class _Made(NamedTuple):
    """A plan, the number of its first event where it was recorded, and what it rests on."""

    plan: FleetPlan
    event: int | None
    judged: _Judged


def plan_fleet(vsn: str, wanted: FleetOptions, *, session: Session) -> int:
    """Make the plan and print it; return the exit code.

    Raises: VsnError, PackageNameError, OtherPackageError, WaveSizeError, NobodyMayGoError; the errors of reading
    a ledger and of recording.
    """
    target = Vsn.parse(vsn)
    packages = tuple(_package(name, target) for name in wanted.package or ())
    reason, ticket = why(wanted, session)
    judged = ask(session, lambda view, _: _judge(view, target, packages, wanted, session))
    made = _recorded(_plan(target, packages, judged, wanted), judged, reason, ticket, wanted, session)
    session.terminal.write(_as_json(made) if session.json else _as_text(made, session))
    unchecked = sorted({rule for node in judged.every for rule in node.unchecked})
    if unchecked or not packages:
        rules = ", ".join(unchecked) if packages else "edition, otp-major, os, arch: no --package was named"
        session.terminal.warn(f"not checked: {rules}")
    if made.event is not None:
        session.terminal.advise(f"recorded as event {made.event}")
        session.terminal.advise(f"hint: each host in its turn: `release-ledger upgrade {vsn} --plan {made.plan.id}`")
    elif not made.plan.waves and made.plan.left_out:
        raise NobodyMayGoError(vsn, left_out=sum(len(streams) for _, streams in made.plan.left_out))
    return 0


def _package(name: str, target: Vsn) -> PackageName:
    package = PackageName.parse(name.rpartition("/")[2])
    if package.vsn != target:
        raise OtherPackageError(str(package), str(target))
    return package


def _judge(view: View, target: Vsn, packages: Sequence[PackageName], wanted: FleetOptions, session: Session) -> _Judged:
    sights = {sight.stream: sight for sight in view.seen()}
    since = bound_of(view, wanted.seen_since, now=now())
    nodes = [n for n in matched(view.nodes(), session) if wanted.kind is None or n.kind == wanted.kind]
    every = (judge_node(candidate_of(n, sights[n.stream], seen_since=since), target, packages=packages) for n in nodes)
    return _Judged({node.stream: node for node in nodes}, tuple(every))


def _plan(target: Vsn, packages: Sequence[PackageName], judged: _Judged, wanted: FleetOptions) -> FleetPlan:
    left_out: dict[tuple[str, ...], tuple[str, ...]] = {}
    for node in judged.every:
        if node.obstacles:
            rules = tuple(dict.fromkeys(obstacle.rule for obstacle in node.obstacles))
            left_out[rules] = (*left_out.get(rules, ()), node.stream)
    return FleetPlan(
        id=token_hex(_ID_BYTES),  # short: an operator types it on every host
        to=str(target),
        packages=tuple(str(package) for package in packages),
        waves=waves_of(judged.may_go(), canary=wanted.canary, size=wanted.waves),
        left_out=tuple(left_out.items()),
    )


def _recorded(
    plan: FleetPlan, judged: _Judged, reason: str | None, ticket: str | None, wanted: FleetOptions, session: Session
) -> _Made:
    if wanted.dry_run or not plan.waves:
        return _Made(plan, None, judged)
    try:
        with (
            held_outside(session) as outside,
            bootstrap.open_record(session.settings.ledger.value, after=outside.hand_over) as (record, identity),
        ):
            context = Context(actor=identity.actor, source=identity.source, reason=reason, ticket=ticket)
            numbers = record.record(recorded(plan, version=record.version(LEDGER_STREAM) + 1, context=context))
    finally:
        catch_up(session)
    return _Made(plan, numbers[0], judged)


def _as_text(made: _Made, session: Session) -> str:
    plan, judged = made.plan, made.judged
    nodes = sum(map(len, plan.waves))
    there = sum(node.there for node in judged.every)
    out = sum(len(streams) for _, streams in plan.left_out)
    state = f"Plan {plan.id}" if made.event is not None else "Plan, not recorded"
    head = f"{state}: {nodes} to {plan.to} in {len(plan.waves)} waves, {there} there already, {out} left out\n"
    return head + table_text(COLUMNS, list(_rows(made)), session)


def _rows(made: _Made) -> Iterator[tuple[str, ...]]:
    judged = {node.stream: node for node in made.judged.every}
    tables = made.judged.tables
    for number, wave in enumerate(made.plan.waves, 1):
        for stream in wave:
            yield (f"wave {number}", node_label(tables[stream]), tables[stream].running or NOTHING, "")
    for stream, node in judged.items():
        if node.there:
            yield ("there", node_label(tables[stream]), tables[stream].running or NOTHING, "")
    for stream, node in judged.items():
        if node.obstacles:
            reasons = "; ".join(f"{o.rule}: {plain(o.message)}: {plain(o.fact)}" for o in node.obstacles)
            yield ("left out", node_label(tables[stream]), tables[stream].running or NOTHING, reasons)


def _as_json(made: _Made) -> str:
    plan, judged = made.plan, made.judged

    def named(stream: str) -> dict[str, object]:
        table = judged.tables[stream]
        running = {} if table.running is None else {"running": table.running}
        return {"node": table.node, "stream": stream, **running}

    record: dict[str, object] = {
        "schema": SCHEMA,
        "plan": plan.id,
        "sha256": plan.sha256,
        "to": plan.to,
        "packages": list(plan.packages),
        "waves": [[named(stream) for stream in wave] for wave in plan.waves],
        "there": [named(node.stream) for node in judged.every if node.there],
        "left_out": [
            named(node.stream) | {"reasons": [obstacle._asdict() for obstacle in node.obstacles]}
            for node in judged.every
            if node.obstacles
        ],
        "unchecked": [named(node.stream) | {"rules": list(node.unchecked)} for node in judged.every if node.unchecked],
    }
    if made.event is not None:
        record["event"] = made.event
    return json.dumps(record, separators=(",", ":")) + "\n"
