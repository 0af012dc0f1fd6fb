"""Who runs this command and from where, as the operating system claims it (RULINGS 4, 5).

The actor is ``os:<uid>`` of the login, which survives sudo and su, else of the effective user. A
process without login and without terminal is a service. Names, terminal and address are
personal: the record holds salted commitments, ``H(salt || JCS(value))``, and the values go to
``disclosure``, from where they can be erased (evidence.md 1.5).
"""

import os
import pwd
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from ledger.application.record_ports import Disclosure
from ledger.dataclass import dataclass
from ledger.domain.canonical import canonical_json, clean_excerpt
from ledger.domain.identifier import ENTROPY_BYTES, uuid7
from ledger.domain.records import Actor, Source

SALT_BYTES = 32
_UNSET = 2**32 - 1  # proc(5): the loginuid of a process that nobody logged in for
_PERSONAL_LIMIT = 256
Entropy = Callable[[int], bytes]


@dataclass(frozen=True)
class Identity:
    """Actor and source of the events of one command, and what their commitments stand for."""

    actor: Actor
    source: Source
    disclosures: tuple[Disclosure, ...]


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the operating system says of this process; None is not known."""

    login_uid: int | None
    effective_uid: int
    login_name: str | None
    terminal: str | None
    address: str | None
    machine: str


def new_id() -> str:
    """Return a new identifier of an event, a commit or an attempt."""
    return uuid7(time.time_ns() // 1_000_000, os.urandom(ENTROPY_BYTES))


def commit_to(value: str, *, entropy: Entropy = os.urandom) -> Disclosure:
    """Return the salted commitment of a personal value, with the value."""
    salt, form = entropy(SALT_BYTES), canonical_json(value)
    return Disclosure(sha256(salt + form).hexdigest(), salt, form)


def identify(around: Surroundings, *, tool: str, entropy: Entropy = os.urandom) -> Identity:
    """Return who and where from, for the events of one command; *tool* is name and version of this program."""
    named = {
        field: commit_to(cleaned, entropy=entropy)
        for field, value in (("name", around.login_name), ("tty", around.terminal), ("address", around.address))
        if (cleaned := clean_excerpt(value or "", _PERSONAL_LIMIT))
    }
    commits = {field: disclosure.commitment for field, disclosure in named.items()}
    uid = around.effective_uid if around.login_uid is None else around.login_uid
    alone = around.login_uid is None and around.terminal is None
    actor = Actor(
        id=f"os:{uid}",
        kind="service" if alone else "human",
        login_uid=around.login_uid,
        name_commit=commits.get("name"),
    )
    source = Source(
        host_id=host_id_of(around), tool=tool, tty_commit=commits.get("tty"), address_commit=commits.get("address")
    )
    return Identity(actor, source, tuple(named.values()))


def host_id_of(around: Surroundings) -> str:
    """Return the id of the host."""
    return sha256(f"release-ledger\n{around.machine}".encode()).hexdigest()


def look_around(
    environ: Mapping[str, str],
    *,
    login_uid_file: Path = Path("/proc/self/loginuid"),
    machine_id_file: Path = Path("/etc/machine-id"),
) -> Surroundings:
    """Return what the operating system says of this process."""
    login_uid = _login_uid(login_uid_file)
    effective_uid = os.geteuid()
    return Surroundings(
        login_uid=login_uid,
        effective_uid=effective_uid,
        login_name=_name_of(effective_uid if login_uid is None else login_uid),
        terminal=_terminal(),
        # sshd(8): client address first. Behind sudo it is gone, and nothing takes its place.
        address=environ.get("SSH_CONNECTION", "").partition(" ")[0] or None,
        machine=_line(machine_id_file) or f"host name {os.uname().nodename}",
    )


def _login_uid(path: Path) -> int | None:
    text = _line(path)
    uid = int(text) if text.isascii() and text.isdigit() else _UNSET
    return None if uid == _UNSET else uid


def _name_of(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def _terminal() -> str | None:
    for descriptor in (0, 1, 2):
        with suppress(OSError):
            return os.ttyname(descriptor)
    return None


def _line(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
