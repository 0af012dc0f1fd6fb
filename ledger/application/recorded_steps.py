"""Steps of an open attempt whose effect is there although the record does not hold it."""

from ledger.application.reconcile import ORDERED
from ledger.domain.decisions import decide_install, decide_make_permanent, decide_removal, decide_restart, decide_unpack
from ledger.domain.events import AnyReleaseEvent
from ledger.domain.observation import Observation
from ledger.domain.outcomes import By, Removed, Unpacked
from ledger.domain.plan import tables_after_step
from ledger.domain.records import PlannedStep, StepKind
from ledger.domain.releases import NodeReleases
from ledger.domain.tables import Tables
from ledger.errors import OpenAttemptError


class NoPackageRecordError(OpenAttemptError):
    """An attempt unpacked a release, and its intent does not say from which package."""

    def __init__(self, vsn: str) -> None:
        super().__init__(
            f"the intent does not say from which package {vsn} was unpacked",
            fact="the attempt was recorded without what it staged",
            hint=f"`release-ledger uninstall {vsn}` once the attempt is closed, then unpack it again",
        )


def steps_in_effect(node: NodeReleases, seen: Observation) -> int:
    """Return how many steps of the open attempt node and disk show, at least those that are recorded.

    After a restart two numbers of steps may show the same tables; then the smaller one counts,
    which claims less.
    """
    attempt = node.open_attempt
    if attempt is None:
        return 0
    restarted = seen.run != node.run
    if restarted and attempt.plan[attempt.done :] and attempt.plan[attempt.done].step == StepKind.RESTART:
        return attempt.done + 1  # what was to happen happened, whoever did it
    tables, reached = node.tables, []
    for number in range(attempt.done, len(attempt.plan) + 1):
        if _shows(seen, tables.restarted() if restarted else tables):
            reached.append(number)
        if number < len(attempt.plan):
            step = attempt.plan[number]
            tables = tables_after_step(tables, StepKind(step.step), step.vsn)
    if not reached:
        return attempt.done
    return min(reached) if restarted else max(reached)


def event_of_step(node: NodeReleases, step: PlannedStep, seen: Observation, *, by: By) -> AnyReleaseEvent:
    """Return the event of a step that was done and not recorded.

    Raises: NoPackageRecordError.
    """
    kind, attempt = StepKind(step.step), node.open_attempt
    if kind is StepKind.INSTALL:
        return decide_install(node, step.vsn, by=by)
    if kind is StepKind.MAKE_PERMANENT:
        return decide_make_permanent(node, step.vsn, by=by)
    if kind is StepKind.REMOVE:
        return decide_removal(node, step.vsn, Removed(), by=by)
    if kind is StepKind.RESTART:
        return decide_restart(node, seen, after=seen.tables, cause=ORDERED, by=by)
    if attempt is None or attempt.package is None or attempt.staged is None:
        raise NoPackageRecordError(step.vsn)
    staged = attempt.staged
    unpacked = Unpacked(vsn=step.vsn, erts=staged.erts, files=staged.files, files_sha256=staged.files_sha256)
    return decide_unpack(node, unpacked, package=attempt.package, set_aside=(), by=by)


def _shows(seen: Observation, tables: Tables) -> bool:
    return seen.tables.memory == tables.memory and seen.tables.rel_vsn in {tables.rel_vsn, None}
