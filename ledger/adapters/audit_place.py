"""What is verified, and what a host has for checking its own ledger.

A path is a ledger (its folder or its database), a bundle (folder or zip) or a folder of tiles.

A host's own check takes its trust from outside the database: the public key and the witnesses
from files beside it, the newest signed note from the tip guard. Whoever can write all of these
can deceive this check; an auditor brings his own key or policy.
"""

import os
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from ledger.adapters.audit_bundle import BundleSample, bundle_source, is_bundle
from ledger.adapters.audit_files import NoRecordError, open_files, require_head
from ledger.adapters.audit_sqlite import SqliteSource, open_source
from ledger.adapters.audit_tiles import foreign_source
from ledger.adapters.audit_workers import workers_for
from ledger.adapters.ledger_folder import ADDRESS, LedgerFolder, places_at
from ledger.adapters.signatures import PRIMITIVES
from ledger.adapters.tip_guard import GuardAccessError
from ledger.application.audit import Asked
from ledger.application.audit_report import AuditReport
from ledger.application.audit_source import HeldNote, PartMissingError
from ledger.application.audit_spread import Spread
from ledger.application.audit_trust import Guard, Trust
from ledger.application.verification import verify_log, verify_sample
from ledger.dataclass import dataclass, field, replace
from ledger.errors import UsageError
from ledger.tlog.notation import FormatError
from ledger.tlog.note import MAX_NOTE, Note
from ledger.tlog.policy import Log, Policy
from ledger.tlog.policy_file import parse_policy
from ledger.tlog.vkey import Vkey


class SinceSampleError(UsageError):
    """An incremental audit of a sample."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"--since cannot be used with the sample {path}",
            fact="a sample does not show how its tree continues an earlier one",
            hint="leave --since away, or ask for the whole form",
        )


@dataclass(frozen=True, kw_only=True)
class Task:
    """One verification that is asked for.

    *served* lets the path lead to a server. What somebody else gave must not: it could be any server,
    which would be told of the verifier's user and password.
    """

    path: Path
    trust: Trust
    asked: Asked = field(default_factory=Asked)
    served: bool = False


def database_of(path: Path) -> Path | None:
    """Return the database of the ledger at *path*, None where *path* is something else."""
    inside = path / "ledger.db"
    if os.path.isfile(inside):  # noqa: PTH113 # unlike pathlib, it says no where it may not look
        return inside
    return path if path.suffix == ".db" and os.path.isfile(path) else None  # noqa: PTH113 # as above


def verify_path(task: Task) -> AuditReport:
    """Return what the verification comes to; nothing is written.

    Raises: PartMissingError, PartWrongError where the record cannot even be opened; SinceSampleError.
    """
    database, address = database_of(task.path), places_at(task.path).address if task.served else None
    if address is not None:
        from ledger.adapters.audit_postgres import open_served  # noqa: PLC0415 # a ledger in a folder needs no libpq

        with open_served(address) as served:
            return _with_rails(verify_log(served, trust=task.trust, asked=task.asked), served.rail_faults())
    if database is not None:
        report = _verify_database(database, task)
        folder = _folder_of(task.path)
        return report if task.trust.guard is not None or folder is None else _without_guard(report, folder)
    _require_no_server(task.path)
    with open_files(task.path) as files:
        source = bundle_source(files) if is_bundle(files) else foreign_source(files)
        if isinstance(source, BundleSample):
            if task.asked.since is not None or task.asked.last:
                raise SinceSampleError(task.path)
            return verify_sample(source, trust=task.trust, level=task.asked.level)
        return verify_log(source, trust=task.trust, asked=task.asked)


def _require_no_server(path: Path) -> None:
    """Tell of a host's place of a served ledger what it is; in a bundle, a file of that name is one too many.

    Raises: NoRecordError.
    """
    if not os.path.isfile(path / ADDRESS):  # noqa: PTH113 # as above
        return
    try:
        require_head(path)
    except NoRecordError as exc:
        raise NoRecordError(path, "it leads to a server, which only --ledger may name") from exc


def _without_guard(report: AuditReport, folder: Path) -> AuditReport:
    return replace(report, unguarded=str(LedgerFolder(folder.absolute()).tip))


def _folder_of(path: Path) -> Path | None:
    """Return the folder of the ledger at *path*, also where its database is named; None for a database alone."""
    if path.is_dir():
        return path
    return path.parent if path.name == "ledger.db" and (path.parent / "log.vkey").is_file() else None


def _verify_database(database: Path, task: Task) -> AuditReport:
    for shared in (False, True):
        with open_source(database, shared=shared) as source:
            report = verify_log(source, trust=task.trust, asked=replace(task.asked, spread=_spread(database, source)))
            if shared or not source.changed:
                return _with_rails(report, source.rail_faults())
    raise AssertionError  # the second round always returns


def _with_rails(report: AuditReport, faults: Iterator[str]) -> AuditReport:
    """Return *report* with remarks on the triggers of the store; they prove nothing, so they decide nothing."""
    return replace(report, remarks=(*report.remarks, *faults))


def _spread(database: Path, source: SqliteSource) -> Spread | None:
    """Return what reads the ledger in several processes; one that may change meanwhile is read in one transaction."""
    if not source.immutable:
        return None
    return workers_for(partial(open_source, database), size=source.size())


def own_policy(folder: Path) -> Policy:
    """Return the policy by which a host checks its own ledger.

    Raises: PartMissingError, VkeyError, PolicyError.
    """
    places = places_at(folder)
    try:
        vkey = Vkey.parse(places.vkey_file.read_text(encoding="utf-8").removesuffix("\n"))
        witnesses = places.path / "witnesses"
        named = parse_policy(witnesses.read_bytes()).witnesses if witnesses.exists() else ()
    except FileNotFoundError as exc:
        hint = "`release-ledger init` writes it again, from the signing key; an auditor gives --vkey or --policy"
        raise PartMissingError(str(places.vkey_file), fact="it is not there", hint=hint) from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise PartMissingError(str(places.vkey_file), fact=str(exc)) from exc
    return Policy(tuple(map(Log, (vkey, *places.fleet_keys()))), named, (), None)


def own_guard(folder: Path) -> Guard | None:
    """Return the tip guard of a ledger, empty where its file is missing or cannot be read.

    None is for a ledger in PostgreSQL that this host only reads.
    """
    places = places_at(_folder_of(folder) or folder)
    if places.address and not places.guarded:
        return None
    name = f"the tip guard {places.tip / 'tip'}"
    try:
        return Guard(name=name, data=places.guard.read())
    except GuardAccessError as exc:
        return Guard(name=name, data=None, lacking=f"it cannot be read: {exc.fact}; {exc.hint}")


def has_guard(folder: Path) -> bool:
    """Tell whether the ledger in *folder*, or whose database it is, has a tip guard, and not on a server."""
    places = LedgerFolder((_folder_of(folder) or folder).absolute())
    return not os.path.isfile(places.path / ADDRESS) and places.guarded  # noqa: PTH113 # as above


def read_note(path: Path) -> HeldNote:
    """Return the note in the file *path*.

    Raises: PartMissingError.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_NOTE + 1)
        Note.parse(data)
    except (OSError, FormatError) as exc:
        raise PartMissingError(str(path), fact=f"it is no checkpoint: {exc}") from exc
    return HeldNote(str(path), data)


def trusting(policy: Policy | None, *, held: Sequence[HeldNote], guard: Guard | None) -> Trust:
    """Return the means of a verification with the signature algorithms that are known here."""
    return Trust(policy=policy, primitives=PRIMITIVES, held=tuple(held), guard=guard, now=int(time.time()))
