"""Decisions: what may be recorded of a node next.

Each ``decide_*`` returns one event or raises the rule that forbids it. They are never called
when history is replayed: ``evolve`` (releases.py) takes every recorded event, so that history
stays readable when a rule is tightened.
"""

from collections.abc import Sequence
from typing import TypedDict

from ledger.dataclass import replace
from ledger.domain.events import (
    DriftObserved,
    FleetTurnTaken,
    InstallationMoved,
    InstallationRegistered,
    InstallationUnregistered,
    NodeRestarted,
    NoteAdded,
    OperationCompleted,
    OperationFailed,
    OperationRecovered,
    OperationRefused,
    OperationRequested,
    ReleaseDowngraded,
    ReleaseInstalled,
    ReleaseMadePermanent,
    ReleaseUninstalled,
    ReleaseUnpacked,
)
from ledger.domain.observation import Observation
from ledger.domain.outcomes import By, Failure, Installed, Refusal, Removed, Request, Turn, Unpacked
from ledger.domain.reason import Reason
from ledger.domain.records import (
    Context,
    InstallationFacts,
    Kind,
    OpenAttempt,
    Output,
    PackageRecord,
    Resolution,
    StepKind,
    Verb,
)
from ledger.domain.releases import NodeReleases, table_digest
from ledger.domain.status import ReleaseStatus
from ledger.domain.tables import Tables
from ledger.domain.version import Vsn
from ledger.errors import OpenAttemptError, RefusedError

_NO_SETTINGS = Installed()
NOTE, CORRECTION = "note", "correction"


class AttemptOpenError(OpenAttemptError):
    """An earlier attempt has no outcome yet, so nothing else may start."""

    def __init__(self, open_attempt: OpenAttempt) -> None:
        of = f" {open_attempt.to}" if open_attempt.to else ""
        super().__init__(
            f"an attempt is open: {open_attempt.verb}{of}",
            fact=f"{open_attempt.done} of {len(open_attempt.plan)} steps are recorded as done, the outcome is not",
            hint="run `release-ledger recover`: it looks at node and disk and closes the attempt",
        )
        self.open_attempt = open_attempt


class ReleaseStatusError(RefusedError):
    """The release handler does not do this to a release in this status (otp.md 2.1)."""

    def __init__(self, step: StepKind, vsn: str, status: ReleaseStatus | None) -> None:
        super().__init__(
            f"{step} of release {vsn} is not possible",
            fact=f"release {vsn} is {status or 'not known'}",
            hint="look at `release-ledger versions`",
        )
        self.step, self.vsn, self.status = step, vsn, status


def decide_register(
    stream: str,
    *,
    root: str,
    kind: Kind,
    source: str,
    facts: InstallationFacts,
    seen: Observation,
    by: By,
    version: int = 1,
) -> InstallationRegistered:
    """Return the baseline of an installation: what node and disk say now; *version* is 1 unless it comes back."""
    return InstallationRegistered(
        originator_id=stream,
        originator_version=version,
        context=by.context,
        driver=str(by.driver),
        kind=str(kind),
        source=source,
        root=root,
        facts=facts,
        tables=seen.tables,
        booted=seen.booted,
        run=seen.run,
    )


def decide_request(node: NodeReleases, request: Request, *, warnings: tuple[Reason, ...], by: By) -> OperationRequested:
    """Return the intent of an attempt.

    Raises: AttemptOpenError while an earlier one has no outcome.
    """
    refuse_open_attempt(node)
    plan = request.plan
    return OperationRequested(
        **_next(node, by),
        verb=str(plan.verb),
        to=plan.vsn,
        options=request.options,
        allowed=request.allowed,
        from_vsn=node.tables.running,
        facts=node.facts,
        plan=plan.record,
        plan_sha256=plan.sha256,
        before_sha256=table_digest(node.tables),
        package=request.package,
        staged=request.staged,
        set_aside=request.set_aside,
        warnings=warnings,
    )


def decide_turn(node: NodeReleases, turn: Turn, *, by: By) -> FleetTurnTaken:
    """Return that the attempt which has just begun is the installation's turn in a plan."""
    return FleetTurnTaken(
        originator_id=node.id,
        originator_version=node.version + 1,
        context=by.context,
        fleet_plan=turn.plan,
        fleet_plan_sha256=turn.plan_sha256,
        wave=turn.wave,
    )


def decide_refusal(node: NodeReleases, request: Request, refusal: Refusal, *, by: By) -> OperationRefused:
    """Return the refusal of a request with all its reasons."""
    return OperationRefused(
        **_next(node, by),
        verb=str(request.plan.verb),
        to=request.plan.vsn,
        options=request.options,
        allowed=request.allowed,
        from_vsn=node.tables.running,
        code=refusal.code,
        reasons=refusal.reasons,
        output=refusal.output,
        before_sha256=table_digest(node.tables),
        package=request.package,
    )


def decide_unpack(
    node: NodeReleases, unpacked: Unpacked, *, package: PackageRecord, set_aside: tuple[str, ...], by: By
) -> ReleaseUnpacked:
    """Return that a release was unpacked; again, where parts of an unpacked one were missing.

    Raises: ReleaseStatusError where it is installed or old.
    """
    status = node.tables.status(unpacked.vsn)
    if status not in {None, ReleaseStatus.UNPACKED}:
        raise ReleaseStatusError(StepKind.UNPACK, unpacked.vsn, status)
    return ReleaseUnpacked(
        **_next(node, by),
        **_change(node.tables, node.tables.unpacked(unpacked.vsn)),
        vsn=unpacked.vsn,
        package=package,
        erts=unpacked.erts,
        files=unpacked.files,
        files_sha256=unpacked.files_sha256,
        set_aside=set_aside,
    )


def decide_install(
    node: NodeReleases, vsn: str, *, by: By, installed: Installed = _NO_SETTINGS
) -> ReleaseInstalled | ReleaseDowngraded:
    """Return that *vsn* was installed, or downgraded to, by the direction of the versions.

    Raises: ReleaseStatusError where it is not known or runs already.
    """
    status, running = node.tables.status(vsn), node.tables.running
    if status is None or running is None or running == vsn:
        raise ReleaseStatusError(StepKind.INSTALL, vsn, status)
    down = Vsn.parse(vsn) < Vsn.parse(running)
    return (ReleaseDowngraded if down else ReleaseInstalled)(
        **_next(node, by),
        **_change(node.tables, node.tables.installed(vsn)),
        from_vsn=running,
        to=vsn,
        settings=installed.settings,
    )


def decide_make_permanent(node: NodeReleases, vsn: str, *, by: By) -> ReleaseMadePermanent:
    """Return that *vsn* was made permanent.

    Raises: ReleaseStatusError where it is neither current nor permanent (bad_status).
    """
    status = node.tables.status(vsn)
    if status not in {ReleaseStatus.CURRENT, ReleaseStatus.PERMANENT}:
        raise ReleaseStatusError(StepKind.MAKE_PERMANENT, vsn, status)
    return ReleaseMadePermanent(
        **_next(node, by),
        **_change(node.tables, node.tables.made_permanent(vsn)),
        vsn=vsn,
        former=node.tables.permanent,
    )


def decide_removal(node: NodeReleases, vsn: str, removed: Removed, *, by: By) -> ReleaseUninstalled:
    """Return that *vsn* was uninstalled.

    Raises: ReleaseStatusError where it is not known, current or permanent.
    """
    status = node.tables.status(vsn)
    if status not in {ReleaseStatus.UNPACKED, ReleaseStatus.OLD}:
        raise ReleaseStatusError(StepKind.REMOVE, vsn, status)
    return ReleaseUninstalled(
        **_next(node, by),
        **_change(node.tables, node.tables.removed(vsn)),
        vsn=vsn,
        was=str(status),
        removed=removed.removed,
        stays=removed.stays,
        missing=removed.missing,
    )


def decide_restart(
    node: NodeReleases, seen: Observation, *, after: Tables, cause: str, by: By, down_ms: int | None = None
) -> NodeRestarted:
    """Return that the node booted anew into the tables *after*, with the trials that this undid (RULINGS 36)."""
    return NodeRestarted(
        **_next(node, by),
        **_change(node.tables, after),
        cause=cause,
        booted=seen.booted,
        before=node.tables,
        after=after,
        reverted=node.tables.undone_in(after),
        run=seen.run,
        down_ms=down_ms,
    )


def decide_drift(node: NodeReleases, seen: Observation, *, differences: tuple[str, ...], by: By) -> DriftObserved:
    """Return that node or disk differ from the record; the record goes on from what was found (RULINGS 14)."""
    return DriftObserved(
        **_next(node, by),
        **_change(node.tables, seen.tables),
        recorded=node.tables,
        found=seen.tables,
        booted=seen.booted,
        run=seen.run,
        differences=differences,
    )


def decide_completion(
    node: NodeReleases, verb: Verb, *, result: str, by: By, output: Output | None = None
) -> OperationCompleted:
    """Return that an attempt reached what was asked for; *output* is what somebody else's tool said."""
    return OperationCompleted(
        **_next(node, by),
        verb=str(verb),
        result=result,
        table_sha256=table_digest(node.tables),
        boots_next=node.tables.rel_vsn,
        output=output,
    )


def decide_failure(node: NodeReleases, verb: Verb, failure: Failure, *, seen: Observation, by: By) -> OperationFailed:
    """Return that a step failed, with what was observed afterwards."""
    return OperationFailed(
        **_next(node, by),
        verb=str(verb),
        step=str(failure.step),
        vsn=failure.vsn,
        code=failure.code,
        cause=failure.cause,
        hint=failure.hint,
        output=failure.output,
        tables=seen.tables,
        booted=seen.booted,
        run=seen.run,
    )


def decide_recovery(
    node: NodeReleases,
    *,
    result: Resolution,
    found: Sequence[str],
    done: Sequence[str],
    seen: Observation,
    by: By,
) -> OperationRecovered:
    """Return how an open attempt was closed, or what was mended, and the tables from then on."""
    return OperationRecovered(
        **_next(node, by),
        result=str(result),
        verb=str(node.open_attempt.verb) if node.open_attempt else None,
        found=tuple(found),
        done=tuple(done),
        tables=seen.tables,
        table_sha256=table_digest(seen.tables),
        booted=seen.booted,
        run=seen.run,
    )


def decide_note(
    node: NodeReleases, event_id: str, *, text: tuple[str, ...], corrects: bool, context: Context
) -> NoteAdded:
    """Return what somebody wrote about an event of the installation, whatever is open there."""
    return NoteAdded(
        originator_id=node.id,
        originator_version=node.version + 1,
        context=replace(context, corrects=event_id if corrects else None),
        event_id=event_id,
        kind=CORRECTION if corrects else NOTE,
        text=text,
    )


def decide_move(node: NodeReleases, *, root: str, by: By) -> InstallationMoved:
    """Return that the installation is at *root* now, under the node name of the context.

    Raises: AttemptOpenError while an attempt has no outcome.
    """
    refuse_open_attempt(node)
    return InstallationMoved(**_next(node, by), former_node=node.node, former_root=node.root, root=root)


def decide_unregister(node: NodeReleases, *, context: Context) -> InstallationUnregistered:
    """Return that the installation leaves the ledger.

    Raises: AttemptOpenError while an attempt has no outcome.
    """
    refuse_open_attempt(node)
    return InstallationUnregistered(
        originator_id=node.id,
        originator_version=node.version + 1,
        context=context,
        root=node.root,
        table_sha256=table_digest(node.tables),
    )


def refuse_open_attempt(node: NodeReleases) -> None:
    """Raise AttemptOpenError while an attempt has no outcome."""
    if node.open_attempt is not None:
        raise AttemptOpenError(node.open_attempt)


class _Next(TypedDict):
    originator_id: str
    originator_version: int
    context: Context
    driver: str


class _Change(TypedDict):
    before_sha256: str
    after_sha256: str


def _next(node: NodeReleases, by: By) -> _Next:
    return _Next(originator_id=node.id, originator_version=node.version + 1, context=by.context, driver=str(by.driver))


def _change(before: Tables, after: Tables) -> _Change:
    return _Change(before_sha256=table_digest(before), after_sha256=table_digest(after))
