"""The report from the command line: of which record, of which events, whereto.

The record is the ledger, or a bundle, which is verified first: of one that has failed no report is
made. A ledger is not verified here. Its page says what is wrong with it. ``--node`` chooses
events only where it stands on the command line, as for an export.
"""

import json
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

from cli import bootstrap
from cli.listing import filter_of
from cli.plain_text import plain
from cli.read_options import FilterOptions
from cli.reading import check_version, now, require_in_history
from cli.report.bundle_record import key_in_bundle, record_of_bundle
from cli.report.model import Origin, Report, Wanted, gather
from cli.report.page import page
from cli.session import Session
from cli.verifying import VerifyFailedError, record_named
from ledger.application.audit_report import Verdict
from ledger.dataclass import dataclass
from ledger.errors import UsageError
from ledger.tlog.notation import print_base64
from ledger.tlog.policy import Log, Policy
from ledger.tlog.vkey import Vkey, VkeyError
from projections.catch_up import catch_up, read_folder
from projections.sqlite import SqliteView
from projections.sqlite_store import views_in_memory
from projections.timestamp import stored_time
from projections.view import View

SCHEMA = "release-ledger/report/1"
_SEED_BYTES = 8
_FILTERS = ("since", "until", "types", "vsn", "actor", "ticket", "origin", "failed", "limit")


class ReportChoiceError(UsageError):
    """Options of a report do not go together, or one is missing."""

    def __init__(self, fact: str) -> None:
        super().__init__("these options do not make a report", fact=fact, hint="see `release-ledger report --help`")


@dataclass(frozen=True, kw_only=True)
class AskedReport:
    """What the command line asks for, beside the filters."""

    bundle: str | None
    output: str | None
    sample: int | None
    seed: str | None
    vkey: str | None


def report_asked(asked: AskedReport, *, wanted: FilterOptions, session: Session) -> int:
    """Write the report; return 0.

    Raises: ReportChoiceError; the errors of reading a record, of verifying a bundle, and of writing.
    """
    if asked.output is None:
        raise ReportChoiceError("a report needs -o FILE.html")
    if asked.output == "-":
        raise ReportChoiceError("a report is a file, and - names none")
    if asked.seed is not None:
        _check_seed(asked.seed, asked.sample)
    if wanted.vsn is not None:
        check_version(wanted.vsn)
    given = None if asked.vkey is None else Vkey.parse(asked.vkey)
    target, desk = Path(asked.output), bootstrap.export_desk(session.settings.ledger.value)
    desk.check_target(target)
    if asked.bundle is None:
        origin = _origin("the ledger", given, desk.vkey(), "the ledger's own")
        report = _of_ledger(asked, wanted, session, origin)
    else:
        bundle = record_named(asked.bundle)
        origin = _origin("an evidence bundle", given, _stated_key(bundle), "as the bundle states it")
        _verify(bundle, origin.vkey, session)
        report = _of_bundle(bundle, asked, wanted, session, origin)
    desk.write_file(target, (page(report).encode(),))
    _tell(report, target, session)
    return 0


def _check_seed(seed: str, sample: int | None) -> None:
    """Refuse a seed that a reader could not copy from the page and draw with again."""
    if sample is None:
        raise ReportChoiceError("--seed is for --sample")
    if plain(seed) != seed or seed != " ".join(seed.split()) or not seed:
        raise ReportChoiceError("a seed is text that a reader of the page can copy: no control or invisible characters")


def _origin(source: str, given: Vkey | None, found: Vkey | None, key_from: str) -> Origin:
    return Origin(
        source=source,
        vkey=given or found,
        key_from="given by whoever made this page" if given else key_from,
        tool=bootstrap.TOOL,
        made_at=stored_time(now())[:19] + "Z",
    )


def _of_ledger(asked: AskedReport, wanted: FilterOptions, session: Session, origin: Origin) -> Report:
    def question(view: View, ledger: sqlite3.Connection) -> Report:
        return gather(view, ledger, wanted=_wanted(asked, wanted, view, session), origin=origin)

    return read_folder(session.settings.ledger.value, question)


def _of_bundle(bundle: Path, asked: AskedReport, wanted: FilterOptions, session: Session, origin: Origin) -> Report:
    with record_of_bundle(bundle) as record, closing(views_in_memory()) as views:
        catch_up(views, record)
        view = SqliteView(views)
        return gather(view, record, wanted=_wanted(asked, wanted, view, session), origin=origin)


def _stated_key(bundle: Path) -> Vkey | None:
    text = key_in_bundle(bundle)
    try:
        return None if text is None else Vkey.parse(text)
    except VkeyError:
        return None


def _verify(bundle: Path, vkey: Vkey | None, session: Session) -> None:
    report = bootstrap.verify(
        bundle,
        policy=None if vkey is None else Policy((Log(vkey),), (), (), None),
        held=(),
        guarded=False,
        level=None,
        since=None,
        progress=session.terminal.progress,
    )
    if report.verdict is Verdict.FAILED and report.reason is not None:
        raise VerifyFailedError(report.reason)


def _wanted(asked: AskedReport, wanted: FilterOptions, view: View, session: Session) -> Wanted:
    node = session.options.node
    require_in_history(view, node)
    seed = asked.seed if asked.seed is not None or asked.sample is None else secrets.token_hex(_SEED_BYTES)
    return Wanted(filters=filter_of(wanted, view, node), words=_words(wanted, node), sample=asked.sample, seed=seed)


def _words(wanted: FilterOptions, node: str | None) -> tuple[str, ...]:
    """Return the filters that are given, as they were typed."""
    given = {"node": node, **{name: getattr(wanted, name) for name in _FILTERS}}
    return tuple(
        f"{name}={text}"
        for name, value in given.items()
        if value not in (None, False)
        for text in (value if isinstance(value, list) else [value])
    )


def _tell(report: Report, target: Path, session: Session) -> None:
    checkpoint = report.checkpoint
    if not session.json:
        session.terminal.say(f"Reported {len(report.events)} of {checkpoint.size} events: {target}")
        return
    record = {
        "schema": SCHEMA,
        "path": str(target),
        "events": len(report.events),
        "tree_size": checkpoint.size,
        "root": print_base64(checkpoint.root).decode(),
    }
    session.terminal.write(json.dumps(record, separators=(",", ":")) + "\n")
