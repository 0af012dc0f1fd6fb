"""A log that is to be imported: it is opened, verified whole, and read from the same opening.

It is verified as ``verify`` would, against a tip guard where one lies beside it. The trust comes in
as a policy, never from the source: a key that comes with a record proves nothing. Nothing is
written, to either side.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ledger.adapters.audit_bundle import BundleSample, bundle_source
from ledger.adapters.audit_files import NoRecordError, open_files, require_head
from ledger.adapters.audit_place import database_of, has_guard, own_guard, trusting
from ledger.adapters.audit_sqlite import open_source
from ledger.adapters.ledger_folder import places_at
from ledger.application.audit import Asked
from ledger.application.audit_report import Finding, Verdict
from ledger.application.audit_source import LogSource, PartMissingError
from ledger.application.import_original import Original
from ledger.application.verification import verify_log
from ledger.domain.ledger_events import ImportForm
from ledger.errors import CheckFailedError, EvidenceError, RefusedError, UsageError
from ledger.tlog.policy import Policy

Progress = Callable[[int, int], None]
_ROUNDS = 3


class SourceServedError(UsageError):
    """The source is a ledger in PostgreSQL."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            "a ledger in PostgreSQL is not imported as it is",
            fact=f"{path} leads to a server",
            hint="write a bundle with `release-ledger export -o FILE`, and import that",
        )


class SourceNoRecordError(RefusedError):
    """What is to be imported is no record of a log."""

    def __init__(self, path: Path, fact: str) -> None:
        super().__init__(
            f"there is no history to import at {path}",
            fact=fact,
            hint="name the folder of a ledger, or a bundle (folder or zip)",
        )


class SourceFailedError(EvidenceError):
    """The source is not what was signed."""

    kind = "failed"

    def __init__(self, path: Path, finding: Finding) -> None:
        super().__init__(
            f"{path} is not imported: {finding.where}",
            fact=finding.what,
            hint="nothing was written; keep the source as it is, and run `release-ledger verify` on it",
        )
        self.finding = finding


class SourceUndecidedError(CheckFailedError):
    """It could not be shown that the source is what was signed."""

    kind = "undecided"

    def __init__(self, path: Path, finding: Finding | None) -> None:
        super().__init__(
            f"{path} is not imported: {finding.where if finding else 'it could not be verified'}",
            fact=finding.what if finding else "a level that is asked for was not shown",
            hint="nothing was written; give --vkey or --policy, and the whole bundle or the ledger itself",
        )
        self.finding = finding


@contextmanager
def open_original(path: Path, *, policy: Policy | None, moves: bool, progress: Progress) -> Iterator[Original]:
    """Give the log at *path*, a ledger or a bundle, which was verified; *moves* says that it goes on elsewhere.

    Raises: SourceServedError, SourceNoRecordError, SourceFailedError, SourceUndecidedError; PartMissingError,
    PartWrongError.
    """
    if places_at(path).address is not None:
        raise SourceServedError(path)
    database = database_of(path)
    with ExitStack() as stack:
        for _ in range(_ROUNDS):  # a writer may move the guard on while the ledger is read
            stack.close()
            guard = own_guard(path) if database is not None and has_guard(path) else None
            source = _whole(path, database, stack)
            trust = trusting(policy, held=(), guard=guard)
            report = verify_log(source, trust=trust, asked=Asked(progress=progress))
            if guard is None or guard == own_guard(path):
                break
        if report.verdict is Verdict.FAILED and report.reason is not None:
            raise SourceFailedError(path, report.reason)
        if report.verdict is not Verdict.VERIFIED or None in {report.origin, report.root, report.note}:
            raise SourceUndecidedError(path, report.reason)
        logs = policy.logs if policy is not None else ()
        yield Original(
            source=source,
            origin=report.origin or "",
            size=report.size,
            root=report.root or b"",
            note=report.note or b"",
            vkeys=tuple(str(log.vkey) for log in logs if log.vkey.name == report.origin),
            form=ImportForm.MOVE if moves else ImportForm.IMPORT,
        )


def _whole(path: Path, database: Path | None, stack: ExitStack) -> LogSource:
    if database is not None:
        return stack.enter_context(open_source(database))
    try:
        require_head(path)
    except NoRecordError as exc:
        raise SourceNoRecordError(path, exc.fault) from exc
    source = bundle_source(stack.enter_context(open_files(path)))
    if isinstance(source, BundleSample):
        raise PartMissingError(str(path), fact="it is a sample, which does not have all events")
    return source
