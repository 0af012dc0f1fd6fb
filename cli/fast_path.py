"""Answers that need no more than SQLite: ``versions``, ``root_dir`` and ``--version`` as plain text.

Starting an interpreter and Typer costs six times as much as the answer, so the commands that
scripts call most are answered before Typer is imported (RULINGS 32). Only the plain case is
answered here: no options, a view that is current, settings that say nothing of it, text that
needs no escape. In every other case, and at the first doubt, ``answer`` gives None, and the
full path answers or tells what is wrong. What is given here is, byte for byte, what the full
path would give; ``tests/cli/test_fast_path.py`` compares the two.

Beside ``cli.policy_text`` this module may import ``os``, ``sqlite3`` and ``sys`` alone.
"""

import os
import sys

from cli import VERSION
from cli.policy_text import policy_in

# Else the type checker alone would make every start pay for ``typing``.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

HOST_CONFIG = "/etc/release-ledger/config.toml"
HOST_LEDGER = "/var/lib/release-ledger"
APPLICATION_ID = 0x52_4C_56_57
SCHEMA_VERSION = 5
DRIVERS = ("", "auto", "embedded")
PREFIX = "RELEASE_LEDGER_"
VARIABLES = frozenset(PREFIX + name for name in ("DEBUG", "DRIVER", "NODE", "REASON", "TICKET", "TIP_GUARD"))
"""Every variable that is read, besides that of the ledger itself."""

_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+@:,= ")
_ENCODINGS = frozenset({"utf-8", "ascii", "us-ascii", "latin-1", "iso-8859-1"})
_TRACKING = "SELECT size, leaf_hash FROM tracking"
_NODES = (
    "SELECT stream, node, root, kind, (SELECT count(*) FROM versions WHERE versions.stream = node.stream) FROM node"
    " ORDER BY (SELECT min(idx) FROM state WHERE state.stream = node.stream)"
)
_RELEASES = "SELECT vsn, status FROM versions WHERE stream = ? ORDER BY position"
# As the full path does, it looks for both tables before anything else.
_IS_LEDGER = "SELECT 1 FROM log_leaf, stored_events LIMIT 1"
_TIP = "SELECT idx, leaf_hash FROM log_leaf ORDER BY idx DESC LIMIT 1"
_NOTE = "SELECT note FROM log_checkpoint WHERE size = ?"


def main(arguments: list[str]) -> int | None:
    """Answer *arguments* on the streams of this process; None where the full path must."""
    if arguments not in (["versions"], ["root_dir"], ["root_dir", "--raw"], ["--version"]):
        return None
    if sys.stdout is None or sys.stderr is None or sys.stdout.encoding.lower() not in _ENCODINGS:
        return None
    # On a terminal the table is drawn.
    if arguments == ["versions"] and os.isatty(1):
        return None
    told = answer(arguments, os.environ)
    if told is None:
        return None
    text, advice = told
    if not _written(text):
        return None
    if advice and os.isatty(2):
        sys.stderr.write(advice)
    return 0


def answer(arguments: list[str], environ: "Mapping[str, str]") -> tuple[str, str] | None:
    """Return what stdout gets and the advice for a terminal; None where the full path must answer."""
    if arguments == ["--version"]:
        return f"release-ledger {VERSION}\n", ""
    if any(name.startswith(PREFIX) and name not in VARIABLES for name in environ):
        return None  # one that is misspelt is warned of
    folder = ledger_folder(environ)
    if folder is None or environ.get("RELEASE_LEDGER_NODE") or environ.get("RELEASE_LEDGER_DRIVER", "") not in DRIVERS:
        return None
    if not (_says_nothing(HOST_CONFIG) and _says_nothing(f"{folder}/config.toml")):
        return None
    import sqlite3  # noqa: PLC0415 # ``--version`` does not pay for it

    try:
        told = _read(folder, arguments)
    except (sqlite3.Error, TypeError, ValueError):
        return None
    # What is not plain may need an escape, which the full path knows.
    return told if told is not None and all(_is_plain(text) for text in told) else None


def ledger_folder(environ: "Mapping[str, str]") -> str | None:
    """Return the folder of the ledger that the environment names, else the default; None where only TOML can tell."""
    named = environ.get("RELEASE_LEDGER")
    if not named:
        named = HOST_LEDGER if os.geteuid() == 0 or _exists(HOST_LEDGER) else _own_ledger(environ)
    try:
        folder = named if named.startswith("/") else f"{os.getcwd()}/{named}"  # noqa: PTH109 # pathlib costs more than the answer
    except FileNotFoundError:
        return None
    # The place becomes a URI; what would need an escape there is for the full path.
    return folder if named and "://" not in named and _SAFE.issuperset(folder) else None


def _own_ledger(environ: "Mapping[str, str]") -> str:
    state, home = environ.get("XDG_STATE_HOME", ""), environ.get("HOME", "")
    if state.startswith("/"):
        return f"{state}/release-ledger"
    return f"{home}/.local/state/release-ledger" if home.startswith("/") else ""


def _exists(path: str) -> bool:
    try:
        os.stat(path)  # noqa: PTH116 # as above
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _read(folder: str, arguments: list[str]) -> tuple[str, str] | None:
    views, ledger = opened(f"{folder}/views.db"), None
    try:
        # One state of the view, read before the log: a log of the same history is not behind it.
        views.execute("BEGIN")
        if _number(views, "application_id") != APPLICATION_ID or _number(views, "user_version") != SCHEMA_VERSION:
            return None
        size, leaf_hash = views.execute(_TRACKING).fetchone()
        nodes = views.execute(_NODES).fetchall()
        ledger = opened(f"{folder}/ledger.db")
        ledger.execute(_IS_LEDGER).fetchone()
        # A node without rows may have left the ledger; the full path knows.
        if ledger.execute(_TIP).fetchone() != (size - 1, leaf_hash) or not all(rows for *_, rows in nodes) or not nodes:
            return None
        if arguments == ["versions"]:
            return _table(views, nodes), _as_of(ledger, size)
        if len(nodes) > 1:
            return None
        root = nodes[0][2]
        return (f"{root}\n" if "--raw" in arguments else f"{_erlang_string(root)}\n"), ""
    finally:
        views.close()
        if ledger is not None:
            ledger.close()


def opened(path: str) -> "sqlite3.Connection":
    """Return a connection that reads the database at *path* and waits for nobody."""
    import sqlite3  # noqa: PLC0415 # as in ``answer``

    # Whatever keeps it from being read at once, the full path waits or tells.
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, timeout=0)


def _number(views: "sqlite3.Connection", name: str) -> int:
    found: int = views.execute(f"PRAGMA {name}").fetchone()[0]
    return found


def _table(views: "sqlite3.Connection", nodes: list[tuple[str, str, str, str, int]]) -> str:
    lines = ["Installed versions:"]
    for stream, node, _, kind, _ in nodes:
        mark = " (rehearsal)" if kind == "rehearsal" else ""
        column = f"\t{node}{mark}" if len(nodes) > 1 else ""
        lines += [f"* {vsn}\t{status}{column}" for vsn, status in views.execute(_RELEASES, (stream,))]
    return "\n".join(lines) + "\n"


def _as_of(ledger: "sqlite3.Connection", size: int) -> str:
    found = ledger.execute(_NOTE, (size,)).fetchone()
    note = "" if found is None else found[0]
    # evidence.md 3.3: origin, size, root hash.
    lines = (note if isinstance(note, str) else note.decode("utf-8", "replace")).split("\n", 3)
    root = f", root {lines[2]}" if len(lines) > 3 and lines[2] else ""  # noqa: PLR2004 # three lines and what follows
    return f"as of event {size - 1}{root}\n"


def _erlang_string(text: str) -> str:
    """Return *text* in quotes as Erlang prints it; what needs more than a backslash is not plain."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _is_plain(text: str) -> bool:
    return text.isascii() and text.replace("\n", "").replace("\t", "").isprintable()


def _says_nothing(path: str) -> bool:
    """Tell whether the settings at *path* are those of policy alone, which no answer here depends on."""
    try:
        with open(path, encoding="utf-8", newline="") as file:  # noqa: PTH123 # pathlib costs more than the answer
            return policy_in(file.read()) is not None
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False


def _written(text: str) -> bool:
    """Tell whether *text* stands on stdout; nothing of it does where not."""
    data, done = text.encode("ascii"), 0
    try:
        while done < len(data):
            done += os.write(1, data[done:])
    except OSError:
        if done:
            # Too late for the full path, which would begin again.
            raise
        return False
    return True
