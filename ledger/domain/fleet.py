"""Plans for a fleet: which nodes may go to a release, why the others may not, and in which waves.

A node is judged by what is recorded of it, with the rules of a hot upgrade
(``compatibility.py``) as far as they need no look at its disk, and by what a plan needs besides:
no attempt is open, the boot files agree, and the node was seen lately. Whether a package, a way
and the space are there, the host itself finds out in its turn.

The first wave is the canary. A plan is known by its id and its digest; the events that hold it
are cut so that each one fits into an envelope: ``plan_from(recorded(plan)) == plan``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ledger.dataclass import dataclass
from ledger.domain.canonical import sha256_hex
from ledger.domain.compatibility import judge
from ledger.domain.ledger_events import (
    AnyLedgerEvent,
    FleetNodesLeftOut,
    FleetPlanned,
    FleetWavePlanned,
)
from ledger.domain.package import PackageName
from ledger.domain.package_facts import PackageFacts, PackageForm
from ledger.domain.reason import Reason, Rule
from ledger.domain.records import Context, Driver, InstallationFacts, Verb
from ledger.domain.situation import Situation
from ledger.domain.status import ReleaseStatus
from ledger.domain.tables import Tables, as_written
from ledger.domain.version import Vsn
from ledger.errors import EvidenceError, UsageError

OPEN_ATTEMPT, NOT_SEEN = "open-attempt", "not-seen"
# What the record alone can tell of a node; its host judges by all of them.
_RECORDED = frozenset({Rule.VERSION, Rule.MINOR, Rule.EDITION, Rule.OTP_MAJOR, Rule.OS, Rule.ARCH, Rule.DIRECTION})
# Far below the 65,535 bytes of an envelope, whatever surrounds the names.
_BYTES_OF_NAMES = 40_000
_PERCENT = 100
_SIZE = re.compile(r"([1-9][0-9]{0,8})(%?)", re.ASCII)


class WaveSizeError(UsageError):
    """A text is no size of a wave."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:20]!a} is no size of a wave",
            fact="a size is a number of nodes, or a part of them as 10%",
            hint="for example --waves 50, or --waves 10%",
        )


class PlanPartsError(EvidenceError):
    """The events of a plan do not make the plan whose digest was recorded."""

    def __init__(self, plan: str) -> None:
        super().__init__(
            f"the fleet plan {plan} is not whole",
            fact="the digest of its waves is another than the recorded one",
            hint="run `release-ledger verify`; make another plan",
        )


class Obstacle(NamedTuple):
    """Why a node may not go: the rule, what is wrong, the fact, what to do next."""

    rule: str
    message: str
    fact: str
    hint: str


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One node as the record knows it; *unseen* says in words when it was seen, where that was too long ago."""

    stream: str
    releases: tuple[tuple[str, str], ...]
    facts: InstallationFacts
    open_attempt: str | None
    boots_agree: bool
    unseen: str | None

    @property
    def tables(self) -> Tables:
        """Its table, as if its boot files agreed: whether they do is judged apart."""
        memory = tuple((vsn, ReleaseStatus(status)) for vsn, status in self.releases)
        disk = as_written(memory)
        permanent = next((vsn for vsn, status in disk if status is ReleaseStatus.PERMANENT), None)
        return Tables(memory=memory, disk=disk, start_erl=permanent, rel_vsn=permanent)


class Judged(NamedTuple):
    """What the rules say of one node: *there* already, or the *obstacles*, and the rules that could not be checked."""

    stream: str
    there: bool
    obstacles: tuple[Obstacle, ...]
    unchecked: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FleetPlan:
    """A plan: the streams of each wave, and those that are left out, by the rules that forbid them."""

    id: str
    to: str
    packages: tuple[str, ...]
    waves: tuple[tuple[str, ...], ...]
    left_out: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]

    @property
    def sha256(self) -> str:
        """The digest of all of it."""
        return sha256_hex(
            {
                "fleet_plan": self.id,
                "to": self.to,
                "packages": list(self.packages),
                "waves": [list(wave) for wave in self.waves],
                "left_out": [{"rules": list(rules), "streams": list(streams)} for rules, streams in self.left_out],
            }
        )

    def wave_of(self, stream: str) -> int | None:
        """Return the wave of an installation, from 1; None where it is in none."""
        return next((number for number, wave in enumerate(self.waves, 1) if stream in wave), None)


def judge_node(candidate: Candidate, target: Vsn, *, packages: Sequence[PackageName]) -> Judged:
    """Return what the rules say of *candidate* and release *target*; the package that fits it best counts."""
    tables = candidate.tables
    there = tables.running == tables.permanent == str(target) and candidate.boots_agree
    verdicts = [
        judge(
            Situation(
                verb=Verb.UPGRADE,
                target=target,
                tables=tables,
                driver=Driver.NODE,
                facts=candidate.facts,
                package=None if package is None else _facts_of(package),
            )
        )
        for package in (packages or (None,))
    ]
    against, warnings = min(
        ((_recorded(v.reasons), _recorded(v.warnings)) for v in verdicts), key=lambda pair: (len(pair[0]), len(pair[1]))
    )
    own = () if there else tuple(_own_obstacles(candidate))
    return Judged(
        stream=candidate.stream,
        there=there,
        obstacles=(*(Obstacle(str(r.rule), r.message, r.fact, r.hint) for r in against), *own) if not there else (),
        unchecked=tuple(str(reason.rule) for reason in warnings),
    )


def waves_of(streams: Sequence[str], *, canary: int, size: str) -> tuple[tuple[str, ...], ...]:
    """Return *streams* in waves: *canary* of them first, then *size* each, a number or a part of all as ``10%``.

    Raises: WaveSizeError.
    """
    match = _SIZE.fullmatch(size)
    if match is None:
        raise WaveSizeError(size)
    each = int(match[1])
    if match[2]:
        each = -(-len(streams) * min(each, _PERCENT) // _PERCENT)
    first = tuple(streams[:canary])
    rest = streams[canary:]
    waves = (tuple(rest[at : at + each]) for at in range(0, len(rest), max(each, 1)))
    return ((first,) if first else ()) + tuple(waves)


def recorded(plan: FleetPlan, *, version: int, context: Context) -> tuple[AnyLedgerEvent, ...]:
    """Return the events that hold *plan*, the first with *version* of the ledger's stream."""
    nodes = sum(map(len, plan.waves))
    out = sum(len(streams) for _, streams in plan.left_out)
    events: list[AnyLedgerEvent] = [
        FleetPlanned(
            originator_version=version,
            context=context,
            fleet_plan=plan.id,
            fleet_plan_sha256=plan.sha256,
            to=plan.to,
            waves=len(plan.waves),
            nodes=nodes,
            left_out=out,
            packages=plan.packages,
        )
    ]
    for number, wave in enumerate(plan.waves, 1):
        for part in _parts(wave):
            place = version + len(events)
            events.append(
                FleetWavePlanned(
                    originator_version=place, context=context, fleet_plan=plan.id, wave=number, streams=part
                )
            )
    for rules, streams in plan.left_out:
        for part in _parts(streams):
            place = version + len(events)
            events.append(
                FleetNodesLeftOut(
                    originator_version=place, context=context, fleet_plan=plan.id, rules=rules, streams=part
                )
            )
    return tuple(events)


def plan_from(data: Sequence[Mapping[str, Any]]) -> FleetPlan:
    """Return the plan that the *data* of its events hold, the first one's first.

    Raises: PlanPartsError where they do not make the plan whose digest was recorded.
    """
    head, *parts = data
    waves: dict[int, tuple[str, ...]] = {}
    left_out: dict[tuple[str, ...], tuple[str, ...]] = {}
    for part in parts:
        streams = tuple(part.get("streams", ()))
        if "wave" in part:
            waves[part["wave"]] = waves.get(part["wave"], ()) + streams
        else:
            rules = tuple(part.get("rules", ()))
            left_out[rules] = left_out.get(rules, ()) + streams
    plan = FleetPlan(
        id=head["fleet_plan"],
        to=head["to"],
        packages=tuple(head.get("packages", ())),
        waves=tuple(waves.values()),
        left_out=tuple(left_out.items()),
    )
    if plan.sha256 != head["fleet_plan_sha256"]:
        raise PlanPartsError(plan.id)
    return plan


def _recorded(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    return tuple(reason for reason in reasons if reason.rule in _RECORDED)


def _own_obstacles(candidate: Candidate) -> Iterator[Obstacle]:
    if not candidate.boots_agree:
        fact = "memory, RELEASES, start_erl.data and emqx_vars do not all name it"
        yield Obstacle(
            str(Rule.BOOT_FILES), "the boot files disagree on what is permanent", fact, "`release-ledger recover` there"
        )
    if candidate.open_attempt is not None:
        fact = f"{candidate.open_attempt} has no outcome yet"
        yield Obstacle(OPEN_ATTEMPT, "an attempt is open", fact, "`release-ledger recover` there")
    if candidate.unseen is not None:
        hint = "`release-ledger check --record` there, or plan with another --seen-since"
        yield Obstacle(NOT_SEEN, "the node was not seen lately", candidate.unseen, hint)


def _facts_of(name: PackageName) -> PackageFacts:
    """Return what the name of a package alone says."""
    return PackageFacts(
        path="",
        name=str(name),
        form=PackageForm.ZIP,
        parsed=name,
        size=0,
        sha256="",
        vsn=str(name.vsn),
        erts=None,
        libs=(),
        folders=(),
        unpacked_bytes=0,
        relup=None,
        problems=(),
        warnings=(),
    )


def _parts(streams: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    part: list[str] = []
    size = 0
    for stream in streams:
        if part and size + len(stream.encode()) > _BYTES_OF_NAMES:
            yield tuple(part)
            part, size = [], 0
        part.append(stream)
        size += len(stream.encode()) + 3
    yield tuple(part)
