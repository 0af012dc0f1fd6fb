"""The file of views: made, followed, and folded afresh whenever it is not what it should be."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from projections.catch_up import catch_up, read_folder
from projections.history import HistoryFilter, Line
from projections.nodes import NodeTable
from projections.read import EntryError, open_ledger
from projections.sqlite import SqliteView
from projections.sqlite_store import create_views
from tests.projections.histories import Leaf, Move, World, played
from tests.projections.imports import elsewhere, take
from tests.projections.ledgers import append, forge, make_ledger
from tests.projections.test_read import LOG, as_nobody, open_folder

__all__ = ["open_folder"]  # a fixture is found by its name in this module
Seen = tuple[tuple[NodeTable, ...], tuple[Line, ...]]


def everything(view: SqliteView, ledger: sqlite3.Connection) -> Seen:
    del ledger
    return view.nodes(), tuple(view.lines(HistoryFilter()))


def afresh(tmp_path: Path, log: tuple[Leaf, ...] = LOG) -> Seen:
    return read_folder(make_ledger(tmp_path / "afresh", log), everything)


def test_the_view_is_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    """PRODUCT section 11: views.db stands beside the ledger with mode 0600."""
    folder = make_ledger(tmp_path / "ledger", LOG)

    read_folder(folder, everything)

    assert stat.S_IMODE((folder / "views.db").stat().st_mode) == 0o600
    assert not (folder / "views.db-journal").exists()


def test_what_was_appended_is_seen_by_the_next_reader(tmp_path: Path) -> None:
    folder = make_ledger(tmp_path / "ledger", LOG[:6])
    read_folder(folder, everything)
    append(folder, LOG[6:])

    seen = read_folder(folder, everything)

    assert seen == afresh(tmp_path)


def test_an_imported_event_has_no_say_in_an_attempt_of_another_node(tmp_path: Path) -> None:
    """Whoever writes a ledger that is imported chooses its ids, also those of attempts that went well here."""
    moves = (Move(0, 0, 0, 0, 1_000_000), Move(0, 2, 2, 3, 1_000_000))
    world = World()
    for move in moves:
        world.play(move)
    own = tuple(world.leaves)
    take(world, elsewhere(played((*moves, Move(0, 2, 1, 1, 1_000_000))), salt="0193"))
    (name,) = {line.attempt for line in afresh(tmp_path, own)[1] if line.attempt is not None}

    def asked(view: SqliteView, ledger: sqlite3.Connection) -> tuple[object, ...]:
        del ledger
        return view.attempt(name), view.attempt_events(name)

    alone = read_folder(make_ledger(tmp_path / "alone", own), asked)
    with_others = read_folder(make_ledger(tmp_path / "others", tuple(world.leaves)), asked)

    assert with_others == alone


def _deleted(views: Path) -> None:
    views.unlink()


def _emptied(views: Path) -> None:
    views.write_bytes(b"")


def _no_database(views: Path) -> None:
    views.write_bytes(b"not a database at all" * 100)


def _cut(views: Path) -> None:
    os.truncate(views, 5000)


def _pages_lost(views: Path) -> None:
    content = views.read_bytes()
    views.write_bytes(content[:4096] + b"\x00" * (len(content) - 4096))


def _other_program(views: Path) -> None:
    views.unlink()
    with closing(sqlite3.connect(views)) as other:
        other.execute("CREATE TABLE recipes (name)")


def _other_schema(views: Path) -> None:
    with closing(sqlite3.connect(views)) as other:
        other.execute("PRAGMA user_version = 999")


def _table_dropped(views: Path) -> None:
    with closing(sqlite3.connect(views)) as other:
        other.execute("DROP TABLE history")


def _nonsense_in_a_row(views: Path) -> None:
    with closing(sqlite3.connect(views, isolation_level=None)) as other:
        other.execute("UPDATE state SET rows = '[1]'")


def _old_journal(views: Path) -> None:
    _no_database(views)
    views.with_name("views.db-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + b"\x00" * 600)


@pytest.mark.parametrize(
    "harm",
    [
        _deleted,
        _emptied,
        _no_database,
        _cut,
        _pages_lost,
        _other_program,
        _other_schema,
        _table_dropped,
        _nonsense_in_a_row,
        _old_journal,
    ],
)
def test_a_view_that_is_not_what_it_should_be_is_folded_afresh(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    """ARCHITECTURE section 1: views are disposable."""
    folder = make_ledger(tmp_path / "ledger", LOG[:8])
    read_folder(folder, everything)
    harm(folder / "views.db")
    append(folder, LOG[8:])

    first, second = read_folder(folder, everything), read_folder(folder, everything)

    assert first == second == afresh(tmp_path)
    assert stat.S_IMODE((folder / "views.db").stat().st_mode) == 0o600


def test_a_restored_ledger_is_not_answered_from_the_old_view(tmp_path: Path) -> None:
    folder = make_ledger(tmp_path / "ledger", LOG)
    read_folder(folder, everything)
    (folder / "ledger.db").unlink()
    make_ledger(folder, LOG[:4])

    seen = read_folder(folder, everything)

    assert seen == afresh(tmp_path, LOG[:4])


def test_a_folder_in_the_place_of_the_view_does_not_stop_a_reader(tmp_path: Path) -> None:
    folder = make_ledger(tmp_path / "ledger", LOG)
    (folder / "views.db").mkdir()

    seen = read_folder(folder, everything)

    assert seen == afresh(tmp_path)


@pytest.mark.parametrize("behind", [None, 0, 6])
def test_a_reader_who_may_not_write_folds_in_memory(open_folder: Path, tmp_path: Path, behind: int | None) -> None:
    folder = open_folder / "ledger"
    make_ledger(folder, LOG[: behind or 0])
    if behind is not None:
        read_folder(folder, everything)
        (folder / "views.db").chmod(0o444)
    append(folder, LOG[behind or 0 :])
    (folder / "ledger.db").chmod(0o444)
    before = sorted(path.name for path in folder.iterdir())
    folder.chmod(0o555)

    with as_nobody():
        seen = read_folder(folder, everything)

    folder.chmod(0o755)
    assert seen == afresh(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_view_made_by_root_belongs_to_the_owner_of_the_folder(tmp_path: Path) -> None:
    folder = make_ledger(tmp_path / "ledger", LOG)
    owner = 65534 if os.geteuid() == 0 else os.geteuid()
    os.chown(folder, owner, -1)

    read_folder(folder, everything)

    assert (folder / "views.db").stat().st_uid == owner


@pytest.mark.parametrize("there", [True, False])
def test_root_gives_nothing_away_that_a_link_of_the_owner_leads_to(tmp_path: Path, *, there: bool) -> None:
    """Else a look of root's at a user's ledger hands that user any file of the host."""
    folder, theirs = make_ledger(tmp_path / "ledger", LOG), 65534 if os.geteuid() == 0 else os.geteuid()
    secret = tmp_path / "secret"
    if there:
        secret.write_bytes(b"root's own")
    (folder / "views.db").symlink_to(secret)
    for path in (folder, folder / "views.db"):
        os.chown(path, theirs, -1, follow_symlinks=False)

    seen = read_folder(folder, everything)

    assert seen == afresh(tmp_path)
    if os.geteuid() == 0:
        assert secret.exists() is there
    assert not there or (secret.read_bytes(), secret.stat().st_uid) == (b"root's own", os.geteuid())


def test_root_gives_nothing_away_that_has_another_name(tmp_path: Path) -> None:
    folder = make_ledger(tmp_path / "ledger", LOG)
    secret = tmp_path / "secret"
    secret.touch()
    (folder / "views.db").hardlink_to(secret)
    os.chown(folder, 65534 if os.geteuid() == 0 else os.geteuid(), -1)

    read_folder(folder, everything)

    assert secret.stat().st_uid == os.geteuid()


def test_two_processes_that_catch_up_at_once_fold_every_event_once(tmp_path: Path) -> None:
    log = played([Move(n % 2, n % 10, n % 4, 3 + n % 3, 1000) for n in range(150)])
    folder = make_ledger(tmp_path / "ledger", log)
    program = (
        "import sys; from pathlib import Path; from contextlib import closing\n"
        "from projections.catch_up import catch_up; from projections.read import open_ledger\n"
        "from projections.sqlite_store import create_views\n"
        "folder = Path(sys.argv[1])\n"
        "with open_ledger(folder) as ledger, closing(create_views(folder / 'views.db')) as views:\n"
        "    catch_up(views, ledger, batch=3)\n"
    )

    readers = [subprocess.Popen([sys.executable, "-c", program, str(folder)]) for _ in range(3)]
    codes = [reader.wait(600) for reader in readers]

    assert codes == [0, 0, 0]
    assert read_folder(folder, everything) == afresh(tmp_path, log)


def test_a_batch_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    """A damaged event stops the fold before its batch; what was folded stays right."""
    folder = make_ledger(tmp_path / "ledger", LOG)
    bad = LOG[9].state.replace(b'"recorded_at"', b'"recorded_on"')
    forge(folder, "UPDATE stored_events SET state = ? WHERE state = ?", bad, LOG[9].state)

    with open_ledger(folder) as ledger, closing(create_views(folder / "views.db")) as views:
        with pytest.raises(EntryError) as caught:
            catch_up(views, ledger, batch=4)

        assert caught.value.number == 9
        assert SqliteView(views).size() == 8
        assert not views.in_transaction


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"actor":{', b'"actor":[],"x":{'),
        (b'"actor":{"auth":"os","id":"os', b'"actor":{"auth":"os","id":{"a":1},"x":"os'),
        (b'"event_id":"', b'"event_id":"\\ud800'),
        (b'"monotonic_us":', b'"monotonic_us":99999999999999999999'),
        (b'"tables":{', b'"tables":3,"x":{'),
        (b'"kind":"live"', b'"kind":"dead"'),
        (b'"booted":"', b'"booted":"\\ud800'),
    ],
)
def test_an_event_that_cannot_be_folded_is_named(tmp_path: Path, old: bytes, new: bytes) -> None:
    folder = make_ledger(tmp_path / "ledger", LOG[:1])
    state = LOG[0].state.replace(old, new)
    assert state != LOG[0].state
    forge(folder, "UPDATE stored_events SET state = ? WHERE state = ?", state, LOG[0].state)

    with pytest.raises(EntryError) as caught:
        read_folder(folder, everything)

    assert caught.value.number == 0


@pytest.mark.parametrize("batch", [2, 1000])
@pytest.mark.parametrize("last", [3, 9])
def test_a_gap_in_the_log_is_named(tmp_path: Path, batch: int, last: int) -> None:
    folder = make_ledger(tmp_path / "ledger", LOG)
    forge(folder, "DELETE FROM log_leaf WHERE idx BETWEEN 3 AND ?", last)

    with (
        open_ledger(folder) as ledger,
        closing(create_views(folder / "views.db")) as views,
        pytest.raises(EntryError) as caught,
    ):
        catch_up(views, ledger, batch=batch)

    assert caught.value.number == 3


def test_an_event_outside_installations_has_its_line_and_no_node(tmp_path: Path) -> None:
    """RULINGS 6: ledger-wide events belong to the stream ``ledger``, without a node."""
    state = LOG[0].state.replace(LOG[0].topic.encode(), b"emqx.ledger.of_a_later_version.v1")
    state = state.replace(b'"stream":"release:emqx@a"', b'"stream":"ledger"').replace(b',"node":"emqx@a"', b"")
    other = Leaf("ledger", 1, "emqx.ledger.of_a_later_version.v1", state)
    folder = make_ledger(tmp_path / "ledger", (*LOG, other))

    nodes, lines = read_folder(folder, everything)

    assert len(nodes) == 2
    assert (lines[0].type, lines[0].node) == ("of_a_later_version", None)


@pytest.fixture
def modules_of_a_read(tmp_path: Path) -> frozenset[str]:
    folder = make_ledger(tmp_path / "ledger", LOG)
    read_folder(folder, everything)
    program = (
        "import sys; from pathlib import Path; from projections.catch_up import read_folder\n"
        "from projections.history import HistoryFilter\n"
        "read_folder(Path(sys.argv[1]), lambda view, _: (view.nodes(), tuple(view.lines(HistoryFilter()))))\n"
        "print(*sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True)
    return frozenset(done.stdout.split())


def test_a_current_view_is_read_without_the_domain(modules_of_a_read: frozenset[str]) -> None:
    """RULINGS 32: other reads stay on the standard library."""
    heavy = {"eventsourcing", "typer", "rich", "cryptography", "packaging", "tempfile", "shutil"}

    assert not {name for name in modules_of_a_read if name.startswith("ledger.domain")}
    assert not modules_of_a_read & heavy
