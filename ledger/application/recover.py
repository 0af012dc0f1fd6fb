"""Recovering: close an open attempt, and mend what a broken-off command left (PRODUCT section 4).

What memory and disk show decides, never what was intended: steps whose effect is there are
recorded, a removal that had begun is finished, what was laid out and not placed is cleared, and
boot files are made to agree on what really runs (otp.md 6.2, native-driver.md 6.1). It appends,
it never edits; run again it finds nothing.
"""

from collections.abc import Callable

from ledger.application.attempt import RecordBrokenError
from ledger.application.excerpts import recordable_paths, recordable_removal
from ledger.application.ports import (
    Installation,
    InstallationLock,
    LeftOver,
    LeftOvers,
    ReleaseHandler,
    ReleaseRecord,
)
from ledger.application.reconcile import NOTICED, as_text, fold, notice
from ledger.application.recorded_steps import event_of_step, steps_in_effect
from ledger.dataclass import dataclass, replace
from ledger.domain.decisions import decide_recovery, decide_removal, decide_restart
from ledger.domain.events import AnyReleaseEvent
from ledger.domain.observation import Observation
from ledger.domain.outcomes import By
from ledger.domain.records import Context, OpenAttempt, PlannedStep, Resolution, StepKind
from ledger.domain.releases import NodeReleases, evolve
from ledger.domain.status import ReleaseStatus
from ledger.domain.tables import Tables
from ledger.errors import FailedError, LockedError, OpenAttemptError, UsageError


class RecoveryUndecidedError(OpenAttemptError):
    """The facts do not decide alone, or nobody agreed to what they decide."""

    def __init__(self, found: tuple[str, ...], todo: tuple[str, ...]) -> None:
        super().__init__(
            "nothing was recovered",
            fact="; ".join((*found, *(f"would: {line}" for line in todo))),
            hint="run `release-ledger recover --yes` to do this",
        )
        self.found, self.todo = found, todo


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What was found, what is to be done about it, and what only an operator can do, each in words."""

    found: tuple[str, ...]
    todo: tuple[str, ...]
    advice: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """What became of a recovery: *result* is None where nothing had to be done."""

    findings: Findings
    result: Resolution | None
    done: tuple[str, ...]
    events: tuple[int, ...]
    node: NodeReleases


@dataclass(frozen=True, kw_only=True)
class _Case:
    """One survey: how many steps are in effect, what to agree on, what to clear, what to finish."""

    effect: int
    agree_on: str | None
    scripts: bool
    left_overs: tuple[LeftOver, ...]
    unfinished: PlannedStep | None


class Recovery:
    """Closes and mends one installation."""

    def __init__(
        self,
        *,
        record: ReleaseRecord,
        handler: ReleaseHandler,
        installation: Installation,
        left_overs: LeftOvers,
        lock: InstallationLock,
        stream: str,
        contexts: Callable[[str | None], Context],
        new_id: Callable[[], str],
    ) -> None:
        self._record = record
        self._handler = handler
        self._installation = installation
        self._left_overs = left_overs
        self._lock = lock
        self._stream = stream
        self._contexts = contexts
        self._new_id = new_id

    def recover(self, *, confirm: Callable[[Findings], bool], wait: float = 0) -> Recovered:
        """Look, ask *confirm*, then do and record it.

        Raises: LockedError; NodeDownError; RecoveryUndecidedError; FailedError where mending breaks off.
        """
        with self._lock.hold("recover", wait=wait):
            self._record.verify_tail()
            revived = self._revived(confirm)
            node = self._record.releases(self._stream)
            seen = self._handler.observe()
            case = self._survey(node, seen)
            findings = self._findings(node, seen, case, revived)
            if not findings.found:
                return self._noticed(node, seen, findings)
            if findings.found != revived and not confirm(findings):
                raise RecoveryUndecidedError(findings.found, findings.todo)
            return self._close(node, seen, case, findings)

    def look(self, *, wait: float = 0) -> Recovered:
        """Return what ``recover`` would find and do; nothing is written.

        Raises: LockedError; NodeDownError; an EvidenceError for a broken tail.
        """
        with self._lock.hold("recover --dry-run", wait=wait):
            self._record.verify_tail()
            node = self._record.releases(self._stream)
            try:
                seen = self._handler.observe()
                findings = self._findings(node, seen, self._survey(node, seen), ())
            except OpenAttemptError as exc:
                findings = _blind(exc)
            return Recovered(findings=findings, result=None, done=(), events=(), node=node)

    def _noticed(self, node: NodeReleases, seen: Observation, findings: Findings) -> Recovered:
        """Record what happened since the last event, as every change does; there is nothing else to do."""
        events = notice(node, seen, by=By(context=self._contexts(None), driver=self._handler.driver))
        indexes = self._record.record(events) if events else ()
        return Recovered(findings=findings, result=None, done=(), events=indexes, node=fold(node, events))

    def _revived(self, confirm: Callable[[Findings], bool]) -> tuple[str, ...]:
        """Make a node observable that is not, once *confirm* agrees; return what was done, in words."""
        try:
            self._handler.observe()
        except OpenAttemptError as exc:
            findings = _blind(exc)
            if not confirm(findings):
                raise RecoveryUndecidedError(findings.found, findings.todo) from exc
        return self._handler.revive()

    def _survey(self, node: NodeReleases, seen: Observation) -> _Case:
        attempt = node.open_attempt
        effect = steps_in_effect(node, seen) if attempt else 0
        scripts = attempt is not None and any(
            step.step == StepKind.MAKE_PERMANENT for step in attempt.plan[max(effect, attempt.done) :]
        )
        target = _permanent_by_code(seen)
        agrees = target is None or not self._handler.disagreements(target, scripts=scripts)
        return _Case(
            effect=effect,
            agree_on=None if agrees else target,
            scripts=scripts,
            left_overs=self._left_overs.find(frozenset(vsn for vsn, _ in seen.tables.memory)),
            unfinished=self._unfinished(attempt, effect, seen),
        )

    def _unfinished(self, attempt: OpenAttempt | None, effect: int, seen: Observation) -> PlannedStep | None:
        """Return a removal that has begun: its release is known, and parts of it are gone."""
        if attempt is None or effect >= len(attempt.plan):
            return None
        step = attempt.plan[effect]
        if step.step != StepKind.REMOVE or seen.tables.status(step.vsn) is None:
            return None
        return step if self._installation.missing_parts(step.vsn) else None

    def _findings(self, node: NodeReleases, seen: Observation, case: _Case, revived: tuple[str, ...]) -> Findings:
        found, todo = list(revived), list[str]()
        attempt = node.open_attempt
        if attempt is not None:
            found.append(f"the attempt `{attempt.verb} {attempt.to or ''}`".rstrip(" `") + "` has no outcome")
            found.append(f"{case.effect} of {len(attempt.plan)} steps are in effect: {as_text(seen.tables)}")
            todo.append("record what is in effect and close the attempt")
        if case.unfinished is not None:
            found.append(f"the removal of {case.unfinished.vsn} has begun")
            todo.append(f"finish the removal of {case.unfinished.vsn}")
        if case.agree_on is not None:
            found += self._handler.disagreements(case.agree_on, scripts=case.scripts)
            runs = case.agree_on == (seen.code or seen.tables.running)
            todo.append(f"make all boot files name {case.agree_on}{', which runs' if runs else ''}")
        for left_over in case.left_overs:
            found.append(f"{left_over.path}: {left_over.what}")
            todo.append(f"{left_over.todo} {left_over.path}")
        return Findings(found=tuple(found), todo=tuple(todo), advice=self._advice(seen, case))

    def _advice(self, seen: Observation, case: _Case) -> tuple[str, ...]:
        lines = []
        for vsn, _ in seen.tables.memory:
            missing = self._installation.missing_parts(vsn)
            if missing and (case.unfinished is None or case.unfinished.vsn != vsn):
                again = f"`release-ledger uninstall {vsn}`, then `release-ledger unpack {vsn}`"
                needed = vsn in {seen.tables.permanent, seen.tables.running}
                way_out = "put it back from the package or a backup" if needed else again
                lines.append(f"release {vsn} lacks {', '.join(missing)}: {way_out}")
        return tuple(lines)

    def _close(self, node: NodeReleases, seen: Observation, case: _Case, findings: Findings) -> Recovered:
        identifier = (node.open_attempt.attempt if node.open_attempt else "") or self._new_id()
        by = By(context=self._contexts(identifier), driver=self._handler.driver)
        before = self._catch_up(node, seen, case, by)
        events = self._record.record(before)
        node = fold(node, before)
        done = list[str]()
        if case.unfinished is not None:
            removed = self._handler.remove_release(case.unfinished.vsn)
            removal = decide_removal(node, case.unfinished.vsn, recordable_removal(removed), by=by)
            events += self._recorded_after(removal)
            node = evolve(node, removal)
            done.append(f"finished the removal of {case.unfinished.vsn}")
        done += self._mend(case, identifier)
        after = self._handler.observe()
        result = _resolution(node.open_attempt, case, after.tables)
        closing = decide_recovery(
            node,
            result=result,
            found=recordable_paths(findings.found),
            done=recordable_paths(done),
            seen=after,
            by=by,
        )
        events += self._recorded_after(closing)
        self._left_overs.settle()
        return Recovered(findings=findings, result=result, done=tuple(done), events=events, node=evolve(node, closing))

    def _recorded_after(self, event: AnyReleaseEvent) -> tuple[int, ...]:
        """Record what was done already.

        Raises: RecordBrokenError, which says so.
        """
        try:
            return self._record.record((event,))
        except (UsageError, LockedError, FailedError) as exc:
            raise RecordBrokenError(exc) from exc

    def _catch_up(self, node: NodeReleases, seen: Observation, case: _Case, by: By) -> tuple[AnyReleaseEvent, ...]:
        """Return the events that are missing: steps in effect, a restart, what else was done meanwhile."""
        attempt = node.open_attempt
        if attempt is None:
            outside = replace(by, context=self._contexts(None))
            return notice(node, seen, by=outside)
        events: list[AnyReleaseEvent] = []
        for step in attempt.plan[attempt.done : case.effect]:
            events.append(event_of_step(node, step, seen, by=by))
            node = evolve(node, events[-1])
        if seen.run != node.run:
            events.append(decide_restart(node, seen, after=node.tables.restarted(), cause=NOTICED, by=by))
        return tuple(events)

    def _mend(self, case: _Case, attempt: str) -> list[str]:
        done: list[str] = []
        if case.agree_on is not None:
            done += self._handler.agree_on(case.agree_on, scripts=case.scripts)
        done += [self._left_overs.clear(left_over, attempt=attempt) for left_over in case.left_overs]
        return done


def _blind(exc: OpenAttemptError) -> Findings:
    """Return what is known of a node that cannot be observed."""
    todo = ("set it aside, and go on from the disk and its saved copies",)
    return Findings(found=(f"{exc}: {exc.fact}",), todo=todo, advice=())


def _permanent_by_code(seen: Observation) -> str | None:
    """Return what ought to be permanent: what runs, or behind a trial what memory calls permanent."""
    code = seen.code or seen.tables.running
    if code is not None and seen.tables.status(code) is ReleaseStatus.CURRENT:
        return seen.tables.permanent
    return code


def _resolution(attempt: OpenAttempt | None, case: _Case, after: Tables) -> Resolution:
    if attempt is None:
        return Resolution.MENDED
    if case.unfinished is not None or case.effect >= len(attempt.plan) or _has_its_goal(attempt, after):
        return Resolution.FINISHED
    return Resolution.TAKEN_BACK if case.effect == 0 else Resolution.FAILED


def _has_its_goal(attempt: OpenAttempt, after: Tables) -> bool:
    """Tell whether mending made permanent what the attempt was to make so: a node that booted it says the same."""
    last = attempt.plan[-1] if attempt.plan else None
    if last is None or last.step != StepKind.MAKE_PERMANENT:
        return False
    return after.running == after.permanent == last.vsn
