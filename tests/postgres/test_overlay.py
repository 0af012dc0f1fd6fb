"""Who may only read finds the view up to date, and nothing is copied: what is missing is laid over it (issue 9)."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from ledger.adapters.postgres_server import connect, create_ledger
from projections import postgres_overlay
from projections.catch_up import ListBrokenOffError, catch_up, read_folder, streamed_folder
from projections.history import WORDS, HistoryFilter, Line
from projections.postgres import ServedLedger
from projections.postgres_overlay import APPENDED, MOST, REPLACED, OverlaidViews
from projections.postgres_views import NotServedError, make_views, served_views
from projections.sqlite import SqliteView
from projections.sqlite_store import FOLDED
from projections.view import View
from tests.fakes.recording import ORIGIN
from tests.postgres.hosts import change
from tests.postgres.server import Server
from tests.postgres.test_view import LOG, MORE, record
from tests.projections import imports
from tests.projections.fleets import OTHER, PLAN, fleet_log
from tests.projections.histories import STREAMS, VSNS, Leaf, Move, played, time_of

if TYPE_CHECKING:
    import sqlite3

MOVES = [Move(n % 2, n % 10, n % 4, n % 6, 1_000_000) for n in range(12)]
BACK = [Move(n % 2, n % 10, n % 4, n % 6, -1_000_000) for n in range(4)]
IMPORTED = imports.received(MOVES, MOVES, (imports.ORIGIN, imports.elsewhere(played(MOVES)), 0))
FALLEN = imports.received(MOVES, MOVES, (imports.ORIGIN, imports.elsewhere(played([*MOVES, *BACK])), 0))
LOGS = {"own": MORE, "fleet": fleet_log(), "imported": IMPORTED}
FILTERS = (
    HistoryFilter(),
    HistoryFilter(limit=3),
    HistoryFilter(vsn=VSNS[1]),
    HistoryFilter(node="emqx@a", failed=True),
    HistoryFilter(types=tuple(sorted(WORDS))[:6], since=5),
    HistoryFilter(ticket="CHG-1", limit=2),
)


@pytest.fixture(scope="module")
def ledger(server: Server) -> Iterator["sqlite3.Connection"]:
    """Give the ledger in a database, as ``open_ledger`` does, for somebody who may only read."""
    server.execute("CREATE DATABASE overlay")
    create_ledger(server.url("overlay"), origin=ORIGIN)
    make_views(server.url("overlay"))
    change(server.url("overlay"))
    server.execute("CREATE ROLE overlay_auditor LOGIN IN ROLE ledger_auditor")
    with closing(ServedLedger(connect(server.url("overlay", user="overlay_auditor")))) as opened:
        yield cast("sqlite3.Connection", opened)
    server.execute("DROP DATABASE overlay WITH (FORCE)", "DROP ROLE overlay_auditor")


def keep(server: Server, log: Sequence[Leaf], *, folded: int) -> None:
    """Let the ledger hold *log*, and the view in its database the first events of it."""
    empty = ("DELETE FROM ledger.log_leaf", "DELETE FROM ledger.stored_events", "DELETE FROM views.tracking")
    begun = "INSERT INTO views.tracking (id, size) VALUES (1, 0)"
    server.execute(*empty, begun, *(f"DELETE FROM views.{table}" for table in FOLDED), database="overlay")  # noqa: S608 # our own names
    record(server, "overlay", log[:folded])
    fold(server)
    record(server, "overlay", log[folded:])


def fold(server: Server) -> None:
    """Catch the view up, as a host does."""
    with closing(ServedLedger(connect(server.url("overlay")))) as host:
        catch_up(cast("sqlite3.Connection", served_views(host)), cast("sqlite3.Connection", host))


def overlaid(ledger: "sqlite3.Connection") -> "sqlite3.Connection":
    views = served_views(cast("ServedLedger", ledger))
    assert views is not None
    return cast("sqlite3.Connection", OverlaidViews(views, ledger))


def answers(view: View, log: Sequence[Leaf]) -> Iterator[object]:
    """Yield what *view* answers to every question."""
    size = view.size()
    yield size
    for at in (None, 0, size // 2, size - 1):
        yield view.nodes(at=at), sorted(view.seen(at=at)), view.origins(at=at)
    for stream, node, _ in STREAMS:
        yield view.nodes(stream=stream), cast("SqliteView", view).short_table(stream), node
    for wanted in FILTERS:
        yield tuple(view.lines(wanted)), tuple(view.lines(wanted, oldest_first=True))
    lines = tuple(view.lines(HistoryFilter()))
    yield view.notes(), view.fleet_plans(), view.first_time()
    for plan in (PLAN.id, OTHER.id, "0"):
        yield view.plan_events(plan)
    for attempt in sorted({line.attempt for line in lines if line.attempt}):
        yield view.attempt(attempt), view.attempt_events(attempt), view.ids_starting(attempt[:9])
    for vsn in VSNS:
        yield view.attempts_at(vsn, since=-1), view.attempts_at(vsn, since=len(log) // 2)
    yield from at_times(view, lines)


def at_times(view: View, lines: Sequence[Line]) -> Iterator[object]:
    """Yield what *view* answers of moments."""
    for line in lines[:: max(1, len(lines) // 6)]:
        position = view.position_at(line.recorded_at)
        yield position, view.latest_time(line.number), view.ids_starting(line.event_id[:12], at=position)
        if position is not None:
            yield view.nodes(at=position), sorted(view.seen(at=position)), view.origins(at=position)
            yield view.counted([line.number, 0], at=position), tuple(view.lines(HistoryFilter(at=position)))
    yield view.position_at(time_of(0))


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize("missing", [1, 7, 25, 1000])
def test_what_is_laid_over_answers_as_a_view_that_was_folded_whole(
    server: Server, ledger: "sqlite3.Connection", name: str, missing: int
) -> None:
    log = LOGS[name]
    keep(server, log, folded=max(0, len(log) - missing))

    with closing(overlaid(ledger)) as views:
        catch_up(views, ledger)
        views.execute("BEGIN")
        told = list(answers(SqliteView(views), log))
        views.execute("COMMIT")

    fold(server)
    with closing(ServedLedger(connect(server.url("overlay")))) as host:
        whole = list(answers(SqliteView(cast("sqlite3.Connection", served_views(host))), log))
    assert told == whole


def test_every_table_of_a_view_is_laid_over() -> None:
    """A table that was forgotten would be read as the database has it: behind."""
    assert {*APPENDED, *REPLACED, "versions"} == set(FOLDED)


def test_an_event_that_changes_rows_of_the_database_is_not_laid_over(
    server: Server, ledger: "sqlite3.Connection"
) -> None:
    """An imported event whose clock fell has those before it count earlier; then the view is copied."""
    keep(server, FALLEN, folded=len(FALLEN) - len(played(MOVES)) - 3)
    with closing(overlaid(ledger)) as views, pytest.raises(NotServedError):
        catch_up(views, ledger)


def test_more_than_a_statement_can_carry_is_not_laid_over(
    server: Server, ledger: "sqlite3.Connection", monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(server, LOG, folded=10)
    monkeypatch.setattr(postgres_overlay, "MOST", len(LOG) - 11)

    with pytest.raises(NotServedError):
        overlaid(ledger)

    assert len(LOG) < MOST


def test_a_view_of_another_log_is_not_laid_over(server: Server, ledger: "sqlite3.Connection") -> None:
    keep(server, LOG, folded=10)
    server.execute("UPDATE views.tracking SET leaf_hash = ''", database="overlay")

    with closing(overlaid(ledger)) as views, pytest.raises(NotServedError):
        catch_up(views, ledger)


def folder_of(server: Server, tmp_path: Path) -> Path:
    """Return the folder in which the auditor finds the ledger."""
    (tmp_path / "address").write_text(f"{server.url('overlay', user='overlay_auditor')}\n", encoding="utf-8")
    return tmp_path


@pytest.mark.usefixtures("ledger")
def test_a_list_goes_on_while_others_fold_and_breaks_off_when_the_view_is_emptied(
    server: Server, tmp_path: Path
) -> None:
    keep(server, MORE, folded=len(LOG))
    folder = folder_of(server, tmp_path)

    def question(view: View, _: object) -> Iterator[Line]:
        return view.lines(HistoryFilter(), oldest_first=True)

    def read_while_emptied() -> None:
        with streamed_folder(folder, question) as lines:
            next(lines)
            server.execute("UPDATE views.tracking SET size = 0", database="overlay")
            list(lines)

    with streamed_folder(folder, question) as lines:
        first = [next(lines) for _ in range(5)]
        fold(server)
        rest = list(lines)
    assert [line.number for line in (*first, *rest)] == list(range(len(MORE)))

    keep(server, MORE, folded=len(LOG))
    with pytest.raises(ListBrokenOffError):
        read_while_emptied()


@pytest.mark.usefixtures("ledger")
def test_nothing_is_copied(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(server, LOG, folded=20)
    monkeypatch.delattr("projections.postgres_views.ServedViews.read_all")

    told = read_folder(
        folder_of(server, tmp_path), lambda view, _: [line.words for line in view.lines(HistoryFilter())]
    )

    assert len(told) == len(LOG)
    assert not [*tmp_path.glob("views.db*")]
