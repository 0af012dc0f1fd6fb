"""One attempt under way: its steps are done one by one, and each is recorded as it is done.

Success is judged by what is observed, never by an answer (otp.md section 12). A step that fails
closes the attempt as failed, with what node and disk show then. A package that turns out unsound
while it is laid out is a refusal: nothing was touched.
"""

from typing import Protocol, assert_never

from ledger.application.excerpts import captured, recordable, recordable_paths, recordable_removal
from ledger.application.ports import ReleaseHandler, ReleaseRecord, RelupCrashedError, Talkative
from ledger.application.preflight import Preflight, Wish
from ledger.application.reconcile import ORDERED, as_text, fold
from ledger.application.release_ledger import StreamConflictError
from ledger.dataclass import replace
from ledger.domain.decisions import (
    decide_completion,
    decide_failure,
    decide_install,
    decide_make_permanent,
    decide_refusal,
    decide_removal,
    decide_request,
    decide_restart,
    decide_turn,
    decide_unpack,
)
from ledger.domain.events import AnyReleaseEvent
from ledger.domain.observation import Observation
from ledger.domain.outcomes import By, Failure, Installed, Refusal, Request, StagedPackage
from ledger.domain.package_facts import PackageUnsoundError
from ledger.domain.plan import Step, tables_after_step
from ledger.domain.reason import Reason, Rule
from ledger.domain.records import StepKind
from ledger.domain.releases import NodeReleases, evolve
from ledger.domain.tables import Tables
from ledger.errors import CheckFailedError, FailedError, LedgerError, LockedError, RefusedError, UsageError

_FAILED = "failed"
_KEEP_WHAT_RUNS = frozenset({StepKind.UNPACK, StepKind.REMOVE})


class Teller(Protocol):
    """Where an operation speaks while it works."""

    def say(self, line: str) -> None:
        """Print one line of the user guide's words."""
        ...

    def advise(self, text: str) -> None:
        """Print advice that a reader of the result does not need."""
        ...

    def warn(self, text: str) -> None:
        """Print what the operator has to know before it is done."""
        ...

    def progress(self, done: int, total: int) -> None:
        """Show how many of *total* bytes are done."""
        ...


class UnexpectedStateError(FailedError):
    """A step ended without an error, and node or disk do not show its result."""

    def __init__(self, step: Step, expected: Tables, seen: Tables) -> None:
        super().__init__(
            f"{step.kind} of {step.vsn} did not have its effect",
            fact=f"expected {as_text(expected)}; found {as_text(seen)}",
            hint="look at `release-ledger log`, then repeat the command",
        )
        self.step, self.expected, self.seen = step, expected, seen


class RecordBrokenError(FailedError):
    """Something that was done could not be recorded; the attempt stays open.

    *after* is the error with which the step itself ended, where it did not succeed.
    """

    def __init__(self, cause: LedgerError, *, after: LedgerError | None = None) -> None:
        failed = f"{after}; " if after else ""
        super().__init__(
            f"{failed}the record of this change broke off: {cause}",
            fact=cause.fact,
            hint=f"{cause.hint}; then `release-ledger recover`: it records what is in effect and closes the attempt",
        )
        self.cause, self.after = cause, after


class OutOfSightError(FailedError):
    """The node went out of sight in a step, so that nobody knows what became of it; the attempt stays open."""

    def __init__(self, step: Step, cause: LedgerError) -> None:
        super().__init__(
            f"{step.kind} of {step.vsn} broke off: {cause}",
            fact=cause.fact,
            hint=f"{cause.hint}; when the node is up, `release-ledger recover` closes the attempt",
        )
        self.step, self.cause = step, cause


class StepUndoneError(CheckFailedError):
    """Unpacking or removing broke off: what runs is unchanged, which is exit 3 and not 4 (PRODUCT section 10)."""

    def __init__(self, cause: FailedError) -> None:
        super().__init__(str(cause), fact=cause.fact or "what runs is unchanged", hint=cause.hint)
        self.cause = cause


class Attempt:
    """The steps of one plan, done and recorded."""

    def __init__(
        self,
        node: NodeReleases,
        *,
        wish: Wish,
        preflight: Preflight,
        record: ReleaseRecord,
        handler: ReleaseHandler,
        teller: Teller,
        by: By,
        attempt: str,
    ) -> None:
        self.id = attempt
        self.node = node
        self.events: tuple[int, ...] = ()
        self._wish = wish
        self._preflight = preflight
        self._record = record
        self._handler = handler
        self._teller = teller
        self._by = by
        self._staged: StagedPackage | None = None

    def run(self) -> None:
        """Lay the package out, record the intent, do each step, record the outcome.

        The package is laid out before the intent: nothing of the installation changes by that,
        and one that turns out unsound is then one refusal.

        Raises: RefusedError, CheckFailedError, FailedError, after the attempt was closed with it.
        """
        self._stage()
        self._open()
        for step in self._preflight.plan.steps:
            self._say(step.before)
            self._step(step)
            self._say(step.after)
        output = captured(words) if (words := self._said()) else None
        self._append(decide_completion(self.node, self._wish.verb, result="completed", by=self._by, output=output))
        self._teller.advise(f"recorded as events {self.events[0]} to {self.events[-1]}")

    def _stage(self) -> None:
        package, plan = self._preflight.package, self._preflight.plan
        if package is None or not plan.unpacks:
            return
        try:
            self._staged = self._handler.stage_release(package, attempt=self.id, progress=self._teller.progress)
        except PackageUnsoundError as exc:
            self._close_refused(exc)
            raise
        except FailedError as exc:
            unchanged = StepUndoneError(exc)
            self._append(*self._beginning())
            self._close_failed(plan.steps[0], unchanged)
            raise unchanged from exc

    def _open(self) -> None:
        """Record the intent; where that is not possible, nothing stays of what was laid out."""
        try:
            self._append(*self._beginning())
        except BaseException:
            if self._staged is not None and not self.events:
                self._handler.discard_staged(self._staged)
            raise

    def _beginning(self) -> tuple[AnyReleaseEvent, ...]:
        """Return the intent, and beside it the turn that it takes in a fleet plan."""
        intent = self._intent()
        if self._wish.turn is None:
            return (intent,)
        return intent, decide_turn(evolve(self.node, intent), self._wish.turn, by=self._by)

    def _intent(self) -> AnyReleaseEvent:
        warnings = recordable(self._preflight.verdict.warnings)
        request = request_of(self._wish, self._preflight)
        if self._staged is not None:
            request = replace(request, staged=self._staged.record, set_aside=recordable_paths(self._staged.set_aside))
        return decide_request(self.node, request, warnings=warnings, by=self._by)

    def _step(self, step: Step) -> None:
        try:
            event = self._do(step)
        except (RefusedError, CheckFailedError) as exc:
            self._close_failed(step, exc)
            raise
        except FailedError as exc:
            if step.kind not in _KEEP_WHAT_RUNS or isinstance(exc, RecordBrokenError | UnexpectedStateError):
                self._close_failed(step, exc)
                raise
            unchanged = StepUndoneError(exc)
            self._close_failed(step, unchanged)
            raise unchanged from exc
        except (UsageError, LockedError) as exc:
            raise OutOfSightError(step, exc) from exc
        self._append(event)

    def _do(self, step: Step) -> AnyReleaseEvent:
        match step.kind:
            case StepKind.UNPACK:
                return self._unpack(step)
            case StepKind.INSTALL:
                installed = Installed(settings=recordable_paths(self._handler.install_release(step.vsn).settings))
                for setting in installed.settings:
                    self._teller.advise(f"setting of the running node: {setting}")
                self._expect(step)
                return decide_install(self.node, step.vsn, by=self._by, installed=installed)
            case StepKind.MAKE_PERMANENT:
                self._handler.make_permanent(step.vsn)
                self._expect(step)
                return decide_make_permanent(self.node, step.vsn, by=self._by)
            case StepKind.REMOVE:
                removed = recordable_removal(self._handler.remove_release(step.vsn))
                self._expect(step)
                if removed.missing:
                    self._teller.advise(f"{step.vsn} was damaged, these were missing: {', '.join(removed.missing)}")
                return decide_removal(self.node, step.vsn, removed, by=self._by)
            case StepKind.RESTART:
                self._handler.restart()
                seen = self._handler.observe()
                return decide_restart(self.node, seen, after=seen.tables, cause=ORDERED, by=self._by)
            case _:
                assert_never(step.kind)

    def _unpack(self, step: Step) -> AnyReleaseEvent:
        record = self._preflight.package_record
        if self._staged is None or record is None:
            raise MissingPackageError(step.vsn)
        unpacked = self._handler.unpack_release(self._staged)
        for path in self._staged.set_aside:
            self._teller.advise(f"set {path} aside: it lay in the way of a release that the node does not know")
        self._expect(step)
        set_aside = recordable_paths(self._staged.set_aside)
        return decide_unpack(self.node, unpacked, package=record, set_aside=set_aside, by=self._by)

    def _expect(self, step: Step) -> Observation:
        seen = self._handler.observe()
        expected = tables_after_step(self.node.tables, step.kind, step.vsn)
        if seen.tables != expected:
            raise UnexpectedStateError(step, expected, seen.tables)
        return seen

    def _close_refused(self, exc: PackageUnsoundError) -> None:
        refusal = Refusal(code=exc.code, reasons=recordable(exc.problems), output=captured(()))
        request = request_of(self._wish, self._preflight)
        self._append(decide_refusal(self.node, request, refusal, by=self._by))

    def _close_failed(self, step: Step, exc: LedgerError) -> None:
        reason = recordable((_reason_of(exc),))[0]
        failure = Failure(
            step=step.kind,
            vsn=step.vsn,
            code=exc.code,
            cause=reason.message,
            hint=reason.hint,
            output=captured((exc.fact, *self._said())),
        )
        try:
            seen = self._handler.observe()
        except LedgerError as unseen:
            raise RecordBrokenError(unseen, after=exc) from unseen
        events: list[AnyReleaseEvent] = []
        node = self.node
        if seen.run != node.run:
            down_ms = exc.down_ms if isinstance(exc, RelupCrashedError) else None
            events.append(decide_restart(node, seen, after=seen.tables, cause=_FAILED, by=self._by, down_ms=down_ms))
            node = evolve(node, events[-1])
        events.append(decide_failure(node, self._wish.verb, failure, seen=seen, by=self._by))
        self._append(*events, after=exc)

    def _append(self, *events: AnyReleaseEvent, after: LedgerError | None = None) -> None:
        """Record *events* in one commit."""
        try:
            while (behind := self._recorded(events)) is not events:
                events = behind
        except (UsageError, LockedError, FailedError) as exc:
            if self.events:  # the intent is recorded, so the node may have been touched
                raise RecordBrokenError(exc, after=after) from exc
            raise
        self.node = fold(self.node, events)

    def _recorded(self, events: tuple[AnyReleaseEvent, ...]) -> tuple[AnyReleaseEvent, ...]:
        """Record *events* and return them, or return them anew behind the notes that others wrote meanwhile.

        Raises: StreamConflictError where something else was recorded; the errors of the record.
        """
        try:
            self.events += self._record.record(events)
        except StreamConflictError:
            noted = self._record.releases(self.node.id)
            behind = noted.version - self.node.version
            if not behind or replace(noted, version=self.node.version) != self.node:
                raise
            self.node = noted
            return tuple(replace(event, originator_version=event.originator_version + behind) for event in events)
        return events

    def _said(self) -> tuple[str, ...]:
        return self._handler.said() if isinstance(self._handler, Talkative) else ()

    def _say(self, lines: tuple[str, ...]) -> None:
        for line in lines:
            self._teller.say(line)


class MissingPackageError(RefusedError):
    """A plan unpacks, and no package was found for it."""

    def __init__(self, vsn: str) -> None:
        super().__init__(
            f"there is no package of {vsn}",
            fact="the plan unpacks it, and none was found when it was made",
            hint="copy the package into releases/ and repeat the command",
        )
        self.vsn = vsn


def request_of(wish: Wish, preflight: Preflight) -> Request:
    """Return the request that an event holds."""
    return Request(
        plan=preflight.plan,
        options=wish.options,
        allowed=tuple(sorted(str(rule) for rule in wish.allowed)),
        package=preflight.package_record,
    )


def _reason_of(exc: LedgerError) -> Reason:
    return Reason(Rule.PACKAGE, str(exc), exc.fact, exc.hint)
