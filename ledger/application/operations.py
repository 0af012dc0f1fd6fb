"""One attempt, from what the operator asks for to its recorded outcome (PRODUCT section 6).

Under the lock of the installation: look at the record, the node and the disk; record what
happened in between; judge; record the intent; do and record each step in its own commit;
record the outcome. A kill at any point leaves the intent standing, and ``recover`` closes it.
What was "already so" and what exits 1, 6 or 75 is not recorded (RULINGS 13).
"""

from collections.abc import Callable

from ledger.application.attempt import Attempt, Teller, request_of
from ledger.application.excerpts import captured, recordable
from ledger.application.ports import Installation, InstallationLock, ReleaseHandler, ReleaseRecord
from ledger.application.preflight import Preflight, Wish, prepare
from ledger.application.reconcile import fold, notice, unrecorded
from ledger.dataclass import dataclass, replace
from ledger.domain.compatibility import words_on_stdout
from ledger.domain.decisions import decide_refusal, refuse_open_attempt
from ledger.domain.observation import Observation
from ledger.domain.outcomes import By, Refusal, Turn
from ledger.domain.plan import Plan
from ledger.domain.reason import Reason, Rule
from ledger.domain.records import Context, Verb
from ledger.domain.releases import NodeReleases
from ledger.domain.tables import Tables
from ledger.domain.version import Vsn
from ledger.errors import OpenAttemptError, RefusedError


class RulesBrokenError(RefusedError):
    """Rules forbid the change; nothing was changed. *words* is what the user guide says on stdout."""

    def __init__(self, reasons: tuple[Reason, ...]) -> None:
        first = reasons[0]
        super().__init__(first.message, fact=first.fact, hint=first.hint)
        self.reasons = reasons
        self.words = words_on_stdout(reasons)


class BootFilesError(OpenAttemptError):
    """The boot files disagree or cannot be read (rule 8): ``recover`` first."""

    def __init__(self, reasons: tuple[Reason, ...]) -> None:
        first = next(reason for reason in reasons if reason.rule is Rule.BOOT_FILES)
        super().__init__(first.message, fact=first.fact, hint=first.hint)
        self.reasons = reasons
        self.words: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a change is to be made; *wait* is in seconds, *turn* that of a fleet plan which it is to be."""

    permanent: bool = True
    allowed: frozenset[Rule] = frozenset()
    dry_run: bool = False
    wait: float = 0.0
    turn: Turn | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a change: *result* is completed, already or planned.

    *events* are the leaf indexes of the attempt, *before* and *after* the tables around it.
    """

    verb: Verb
    vsn: str | None
    result: str
    attempt: str | None
    plan: Plan
    events: tuple[int, ...]
    before: Tables
    after: Tables
    warnings: tuple[Reason, ...]


class Operations:
    """The changes of one installation, each recorded as an attempt."""

    def __init__(
        self,
        *,
        record: ReleaseRecord,
        handler: ReleaseHandler,
        installation: Installation,
        lock: InstallationLock,
        stream: str,
        contexts: Callable[[str | None], Context],
        new_id: Callable[[], str],
        teller: Teller,
    ) -> None:
        self._record = record
        self._handler = handler
        self._installation = installation
        self._lock = lock
        self._stream = stream
        self._contexts = contexts
        self._new_id = new_id
        self._teller = teller

    def change(self, verb: Verb, vsn: str | None, options: Options) -> Outcome:
        """Do *verb* for release *vsn* and record it.

        Raises: VsnError; LockedError; EvidenceError for a broken tail; NodeDownError; AttemptOpenError;
        RulesBrokenError; BootFilesError; CheckFailedError; FailedError; CanonicalError for text that
        cannot be recorded.
        """
        target = None if vsn is None else Vsn.parse(vsn)
        with self._lock.hold(f"{verb} {vsn}" if vsn else str(verb), wait=options.wait):
            self._record.verify_tail()
            node = self._record.releases(self._stream)
            refuse_open_attempt(node)
            seen = self._handler.observe()
            differences = tuple(unrecorded(node, seen))
            noticed = notice(node, seen, by=self._by(None))
            node = fold(node, noticed)
            if noticed and not options.dry_run:
                self._record.record(noticed)
                for text in differences:
                    self._teller.advise(f"noticed: {text}; it is recorded now")
            wish = Wish(
                verb=verb,
                target=target or Vsn.parse(seen.tables.rel_vsn or seen.booted),
                permanent=options.permanent,
                allowed=options.allowed,
                turn=options.turn,
            )
            return self._attempt(node, seen, wish, dry_run=options.dry_run)

    def _attempt(self, node: NodeReleases, seen: Observation, wish: Wish, *, dry_run: bool) -> Outcome:
        preflight = prepare(wish, facts=node.facts, seen=seen, handler=self._handler, installation=self._installation)
        if wish.turn is not None and preflight.plan.steps:  # what is already so needs no turn
            preflight = preflight.against(wish.turn.reasons)
        plan, verdict = preflight.plan, preflight.verdict
        outcome = Outcome(
            verb=wish.verb,
            vsn=None if wish.verb is Verb.RESTART else plan.vsn,
            result="planned",
            attempt=None,
            plan=plan,
            events=(),
            before=node.tables,
            after=plan.tables_after(node.tables),
            warnings=verdict.warnings,
        )
        if verdict.reasons:
            self._refuse(node, wish, preflight, dry_run=dry_run)
        if plan.steps:
            for reason in verdict.warnings:
                told = f"{reason.message}: {reason.fact}"
                self._teller.warn(f"overridden: {told}" if reason.rule in wish.allowed else f"{told}; {reason.hint}")
        if dry_run:
            return outcome
        if not plan.steps:
            for line in plan.words:
                self._teller.say(line)
            self._teller.advise("nothing to do: nothing was recorded")
            return replace(outcome, result="already")
        identifier = self._new_id()
        attempt = Attempt(
            node,
            wish=wish,
            preflight=preflight,
            record=self._record,
            handler=self._handler,
            teller=self._teller,
            by=self._by(identifier),
            attempt=identifier,
        )
        attempt.run()
        return replace(
            outcome,
            result="completed",
            attempt=attempt.id,
            events=attempt.events,
            after=attempt.node.tables,
        )

    def _refuse(self, node: NodeReleases, wish: Wish, preflight: Preflight, *, dry_run: bool) -> None:
        reasons = preflight.verdict.reasons
        error = BootFilesError(reasons) if preflight.verdict.boot_files else RulesBrokenError(reasons)
        for line in error.words:
            self._teller.say(line)
        if not dry_run:
            by = self._by(self._new_id())
            refusal = Refusal(code=error.code, reasons=recordable(reasons), output=captured(error.words))
            event = decide_refusal(node, request_of(wish, preflight), refusal, by=by)
            (index,) = self._record.record((event,))
            self._teller.advise(f"recorded as event {index}")
        raise error

    def _by(self, attempt: str | None) -> By:
        return By(context=self._contexts(attempt), driver=self._handler.driver)
