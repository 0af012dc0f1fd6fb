"""Preflight: the facts behind the rules of a hot upgrade, gathered before anything is touched."""

from ledger.application.ports import Installation, ReleaseHandler
from ledger.dataclass import dataclass
from ledger.domain.compatibility import judge, lost_for_good
from ledger.domain.observation import Observation
from ledger.domain.outcomes import Turn
from ledger.domain.package_facts import PackageFacts
from ledger.domain.plan import INSTALL_KINDS, Plan, plan_change
from ledger.domain.reason import Reason, Rule
from ledger.domain.records import InstallationFacts, PackageRecord, Verb
from ledger.domain.relup import Relup
from ledger.domain.situation import Situation, Verdict
from ledger.domain.status import ReleaseStatus
from ledger.domain.version import Vsn


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the operator asks for; *turn* is the one in a fleet plan that it is to be."""

    verb: Verb
    target: Vsn
    permanent: bool = True
    allowed: frozenset[Rule] = frozenset()
    turn: Turn | None = None

    @property
    def options(self) -> tuple[str, ...]:
        """The options as an event names them."""
        return () if self.permanent else ("no-permanent",)


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """The plan for a wish, the package it reads, and what the rules say."""

    plan: Plan
    package: PackageFacts | None
    verdict: Verdict

    @property
    def package_record(self) -> PackageRecord | None:
        """The package as events name it."""
        package = self.package
        if package is None or not package.sha256:  # a file that cannot be read has no digest to record
            return None
        return PackageRecord(name=package.name, size=package.size, sha256=package.sha256)

    def against(self, reasons: tuple[Reason, ...]) -> "Preflight":
        """Return the same, with more *reasons* that forbid it."""
        verdict = Verdict((*self.verdict.reasons, *reasons), self.verdict.warnings)
        return Preflight(plan=self.plan, package=self.package, verdict=verdict)


def prepare(
    wish: Wish, *, facts: InstallationFacts, seen: Observation, handler: ReleaseHandler, installation: Installation
) -> Preflight:
    """Return the plan for *wish*, with every reason that forbids it."""
    vsn, tables = str(wish.target), seen.tables
    status = tables.status(vsn)
    missing = installation.missing_parts(vsn) if _looks_at_parts(wish.verb, status) else ()
    broken = status is ReleaseStatus.UNPACKED and bool(missing) and not lost_for_good(missing)
    plan = plan_change(wish.verb, vsn, tables, permanent=wish.permanent, broken=broken)
    package, package_reasons = _package(wish.target, installation) if plan.unpacks else (None, ())
    if package is not None:
        source = installation.package_line(package)
        plan = plan_change(wish.verb, vsn, tables, permanent=wish.permanent, broken=broken, source=source)
    relups, relup_faults = _relups(wish, package, seen, installation)
    situation = Situation(
        verb=wish.verb,
        target=wish.target,
        tables=tables,
        driver=handler.driver,
        facts=facts,
        packed=plan.unpacks,
        package=package,
        package_reasons=package_reasons,
        missing=missing,
        relups=relups,
        relup_faults=relup_faults,
        owner=installation.owner(),
        foreign=installation.foreign_paths() if plan.steps else (),
        free_bytes=installation.free_bytes() if plan.unpacks else None,
        running_erts=seen.erts,
        erts_of=seen.erts_of,
        boot_problems=seen.problems,
    )
    return Preflight(plan=plan, package=package, verdict=judge(situation, allowed=wish.allowed))


def _looks_at_parts(verb: Verb, status: ReleaseStatus | None) -> bool:
    if status is None:
        return False
    return verb in INSTALL_KINDS or verb is Verb.PERMANENT or (verb is Verb.UNPACK and status is ReleaseStatus.UNPACKED)


def _package(target: Vsn, installation: Installation) -> tuple[PackageFacts | None, tuple[Reason, ...]]:
    found = installation.find_package(target)
    return (found, ()) if isinstance(found, PackageFacts) else (None, found)


def _relups(
    wish: Wish, package: PackageFacts | None, seen: Observation, installation: Installation
) -> tuple[dict[str, Relup], dict[str, str]]:
    """Return the relup of the higher of both versions, which holds both directions (otp.md 4)."""
    running = Vsn.known(seen.tables.running)
    if running is None or wish.verb not in INSTALL_KINDS | {Verb.UNPACK}:
        return {}, {}
    higher = str(max(wish.target, running))
    if package is not None and higher == str(wish.target):
        return ({higher: package.relup} if package.relup else {}), {}
    relup = installation.relup(higher)
    if isinstance(relup, str):
        return {}, {higher: relup}
    return ({higher: relup} if relup else {}), {}
