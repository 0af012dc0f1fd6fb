"""Plans: a verb and the table give the steps, and the user guide's words for each.

One plan serves a dry run, the doing and the recovering alike. The words are those of PRODUCT
section 5 to the byte; each step prints *before* when it begins and *after* when it is done. A
plan without steps is "already so": its *words* are all there is to say. Which states forbid a
verb is decided by ``compatibility.py``; such a plan has no steps either.
"""

from typing import assert_never

from ledger.dataclass import dataclass
from ledger.domain.canonical import sha256_hex
from ledger.domain.records import PlannedStep, StepKind, Verb
from ledger.domain.status import ReleaseStatus
from ledger.domain.tables import Tables

INSTALL_KINDS = frozenset({Verb.INSTALL, Verb.UPGRADE, Verb.DOWNGRADE})


@dataclass(frozen=True)
class Step:
    """One call of the release handler with the words around it."""

    kind: StepKind
    vsn: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The steps that lead from a table to what was asked for."""

    verb: Verb
    vsn: str
    steps: tuple[Step, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def record(self) -> tuple[PlannedStep, ...]:
        """The steps as an event holds them."""
        return tuple(PlannedStep(step=str(step.kind), vsn=step.vsn) for step in self.steps)

    @property
    def sha256(self) -> str:
        """The digest of the steps (RULINGS 4)."""
        return sha256_hex([step.to_record() for step in self.record])

    @property
    def unpacks(self) -> bool:
        """Tell whether the plan reads a package."""
        return any(step.kind is StepKind.UNPACK for step in self.steps)

    def tables_after(self, tables: Tables) -> Tables:
        """Return the tables to which the plan leads."""
        for step in self.steps:
            tables = tables_after_step(tables, step.kind, step.vsn)
        return tables


def tables_after_step(tables: Tables, kind: StepKind, vsn: str) -> Tables:
    """Return the tables after one step (otp.md section 2.1)."""
    match kind:
        case StepKind.UNPACK:
            return tables.unpacked(vsn)
        case StepKind.INSTALL:
            return tables.installed(vsn)
        case StepKind.MAKE_PERMANENT:
            return tables.made_permanent(vsn)
        case StepKind.REMOVE:
            return tables.removed(vsn)
        case StepKind.RESTART:
            return tables.restarted()
        case _:
            assert_never(kind)


def plan_change(
    verb: Verb, vsn: str, tables: Tables, *, permanent: bool = True, broken: bool = False, source: str | None = None
) -> Plan:
    """Return the plan of *verb* for release *vsn*.

    *permanent* is False with ``--no-permanent``; *broken* tells that *vsn* is unpacked but its
    parts were removed by hand, so that it is unpacked again (PRODUCT section 3); *source* is
    the package read, where it is not the one that the user guide names.
    """
    match verb:
        case Verb.UNPACK:
            return _plan_unpack(vsn, tables, broken=broken, source=source)
        case Verb.INSTALL | Verb.UPGRADE | Verb.DOWNGRADE:
            return _plan_install(verb, vsn, tables, permanent=permanent, broken=broken, source=source)
        case Verb.PERMANENT:
            return _plan_permanent(vsn, tables)
        case Verb.UNINSTALL:
            return _plan_uninstall(vsn, tables)
        case Verb.RESTART:
            return _plan_restart(vsn, tables)
        case _:
            assert_never(verb)


def _unpack_step(vsn: str, source: str | None) -> Step:
    tarball = source or f"releases/emqx-{vsn}.tar.gz"
    return Step(
        StepKind.UNPACK,
        vsn,
        before=(f"Release {vsn} not found, attempting to unpack {tarball}",),
        after=(f'Unpacked successfully: "{vsn}"',),
    )


def _permanent_step(vsn: str, *before: str) -> Step:
    return Step(StepKind.MAKE_PERMANENT, vsn, before=before, after=(f'Made release permanent: "{vsn}"',))


def _plan_unpack(vsn: str, tables: Tables, *, broken: bool, source: str | None) -> Plan:
    match tables.status(vsn):
        case None:
            return Plan(Verb.UNPACK, vsn, (_unpack_step(vsn, source),))
        case ReleaseStatus.UNPACKED if broken:
            return Plan(Verb.UNPACK, vsn, (_unpack_step(vsn, source),))
        case ReleaseStatus.OLD:
            words = f"Release {vsn} is marked old."
        case ReleaseStatus.UNPACKED:
            words = f"Release {vsn} is already unpacked."
        case ReleaseStatus.CURRENT | ReleaseStatus.TMP_CURRENT:
            words = f"Release {vsn} is already installed and current."
        case ReleaseStatus.PERMANENT:
            words = f"Release {vsn} is already installed and set permanent."
        case unknown:
            assert_never(unknown)
    return Plan(Verb.UNPACK, vsn, words=(words,))


def _plan_install(verb: Verb, vsn: str, tables: Tables, *, permanent: bool, broken: bool, source: str | None) -> Plan:
    unpack: tuple[Step, ...] = ()
    before: tuple[str, ...] = ()
    match tables.status(vsn):
        case None:
            unpack = (_unpack_step(vsn, source),)
        case ReleaseStatus.UNPACKED if broken:
            unpack = (_unpack_step(vsn, source),)
        case ReleaseStatus.UNPACKED:
            before = (f"Release {vsn} is already unpacked, now installing.",)
        case ReleaseStatus.OLD:
            before = (f"Release {vsn} is marked old, switching to it.",)
        case ReleaseStatus.CURRENT | ReleaseStatus.TMP_CURRENT:
            return _plan_of_current(verb, vsn, permanent=permanent)
        case ReleaseStatus.PERMANENT:
            if tables.running == vsn:
                words = f"Release {vsn} is already installed, running and set permanent."
                return Plan(verb, vsn, words=(words,))
            before = (f"Release {tables.running} is the currently running version.",)
        case unknown:
            assert_never(unknown)
    install = Step(StepKind.INSTALL, vsn, before=before, after=(f"Installed Release: {vsn}",))
    return Plan(verb, vsn, (*unpack, install, *((_permanent_step(vsn),) if permanent else ())))


def _plan_of_current(verb: Verb, vsn: str, *, permanent: bool) -> Plan:
    if not permanent:
        return Plan(verb, vsn, words=(f"Release {vsn} is already installed and current.",))
    before = f"Release {vsn} is already installed and current, making permanent."
    return Plan(verb, vsn, (_permanent_step(vsn, before),))


def _plan_permanent(vsn: str, tables: Tables) -> Plan:
    match tables.status(vsn):
        case ReleaseStatus.CURRENT:
            return Plan(Verb.PERMANENT, vsn, (_permanent_step(vsn),))
        case ReleaseStatus.PERMANENT:
            return Plan(Verb.PERMANENT, vsn, words=(f"Release {vsn} is already installed and set permanent.",))
        case _:
            return Plan(Verb.PERMANENT, vsn)


def _plan_uninstall(vsn: str, tables: Tables) -> Plan:
    match tables.status(vsn):
        case None:
            return Plan(Verb.UNINSTALL, vsn, words=(f"Release {vsn} is already uninstalled.",))
        case (ReleaseStatus.OLD | ReleaseStatus.UNPACKED) as status:
            before = f"Release {vsn} is marked {status}, uninstalling it."
            after = f"Uninstalled Release: {vsn}"
            return Plan(Verb.UNINSTALL, vsn, (Step(StepKind.REMOVE, vsn, (before,), (after,)),))
        case _:
            return Plan(Verb.UNINSTALL, vsn)


def _plan_restart(vsn: str, tables: Tables) -> Plan:
    undone = tuple(f"Undone by the restart: {trial}" for trial in tables.reverted_by_restart())
    return Plan(Verb.RESTART, vsn, (Step(StepKind.RESTART, vsn, after=(f"Restarted: {vsn}", *undone)),))
