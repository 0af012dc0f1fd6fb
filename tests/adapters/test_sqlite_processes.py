"""Writers that run at once, and one that is killed (evidence.md 7, rows 17 and 18)."""

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from ledger.adapters.ledger_folder import create_folder, open_folder
from ledger.domain.envelope import Recorded
from tests.fakes.recording import ORIGIN, open_ledger, recording

ROOT = Path(__file__).parents[2]
APPEND = """
import sys
from dataclasses import replace
from pathlib import Path
from ledger.adapters.clock import SystemClock
from ledger.adapters.ledger_folder import open_folder
from tests.fakes.recording import installed, open_ledger, recording
folder = open_folder(Path(sys.argv[1]))
how = replace(recording(turn=lambda: folder.turn.hold("append", wait=300)), clock=SystemClock())
with open_ledger(folder.database, how) as ledger:
    for version in range(1, int(sys.argv[3]) + 1):
        ledger.record([installed(version, stream=sys.argv[2])])
"""

HANG = """
import sys, time
from pathlib import Path
from ledger.adapters import sqlite
from tests.fakes.recording import installed, open_ledger

def hang(*_):
    print("in transaction", flush=True)
    time.sleep(600)

sqlite._disclose = hang  # the last step before COMMIT
from ledger.adapters.identity import commit_to
with open_ledger(Path(sys.argv[1])) as ledger:
    ledger.record([installed(2)], disclosures=[commit_to("alice")])
"""


def _start(code: str, *args: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", code, *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)


def _recorded(folder: Path) -> list[Recorded]:
    with open_ledger(open_folder(folder).database) as ledger:
        return list(ledger.history())


def test_processes_that_append_at_once_share_one_dense_log(tmp_path: Path) -> None:
    create_folder(tmp_path / "ledger", origin=ORIGIN)

    writers = [_start(APPEND, tmp_path / "ledger", f"release:{name}", 25) for name in "abc"]
    codes = [writer.wait(600) for writer in writers]
    for writer in writers:
        writer.communicate()

    assert codes == [0, 0, 0]
    events = _recorded(tmp_path / "ledger")
    assert [event.index for event in events] == list(range(75))
    times = [event.stamp.recorded_at for event in events]
    assert times == sorted(times)  # RULINGS 10: the turn is taken before the bytes are made
    for name in "abc":
        assert [e.version for e in events if e.stream == f"release:{name}"] == list(range(1, 26))


def test_a_writer_that_is_killed_before_its_commit_leaves_nothing(tmp_path: Path) -> None:
    folder = create_folder(tmp_path / "ledger", origin=ORIGIN)
    subprocess.run([sys.executable, "-c", APPEND, folder.path, "release:a", "3"], check=True, cwd=ROOT)

    with _start(HANG, folder.database) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"in transaction\n"
        writer.send_signal(signal.SIGKILL)
        writer.wait(120)

    assert [event.index for event in _recorded(folder.path)] == [0, 1, 2]
    with closing(sqlite3.connect(folder.database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT COUNT(*) FROM log_commit").fetchone() == (3,)


def test_a_lock_does_not_outlive_a_killed_holder(tmp_path: Path) -> None:
    folder = create_folder(tmp_path / "ledger", origin=ORIGIN)
    code = (
        "import sys, time; from pathlib import Path; from ledger.adapters.lock import FileLock\n"
        "with FileLock(Path(sys.argv[1])).hold('x'): print('held', flush=True); time.sleep(600)"
    )
    with _start(code, folder.tip / "tip.lock") as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.send_signal(signal.SIGKILL)
        holder.wait(120)

    with folder.turn.hold("append"), open_ledger(folder.database, recording()) as ledger:
        assert ledger.tree_size() == 0
