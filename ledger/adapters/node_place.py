"""How to reach the node of an installation: its cookie, where it listens, and with which program.

The cookie is ``-setcookie`` of the newest ``data/configs/vm.<time>.args``, which the last start
made. A node without epmd listens at 4370 plus the number that ends the name before the ``@``
(otp.md section 11); one that is registered at epmd listens where epmd says. ``erl_call`` knows no
TLS and no IPv6 (native-driver.md 1), so a node whose distribution is another than plain TCP is told so.
"""

import os
import re
import socket
import struct
from contextlib import suppress
from pathlib import Path

from ledger.adapters.emqx_vars import erts_vsn
from ledger.adapters.erl_call import Cookie, NodeAddress, Runner
from ledger.adapters.installation import BootFileError, Installation
from ledger.adapters.lookup import LOOKUP_SECONDS, look_up
from ledger.adapters.plain_file import FileNotReadError, read_if_there
from ledger.errors import UsageError

FIRST_PORT = 4370
_EPMD_PORT = 4369
_SECONDS = 1.0
_PORT_PLEASE2, _PORT2 = 122, 119  # the Erlang Distribution Protocol, section EPMD
_COOKIE = re.compile(r"^[ \t]*-setcookie[ \t]+(\S+)[ \t]*(?:#.*)?\r?$", re.MULTILINE)
_DISTRIBUTION = re.compile(r"^[ \t]*-proto_dist[ \t]+(\S+)", re.MULTILINE)
_REACHED = "inet_tcp"
_NUMBER = re.compile(r"[0-9]*\Z", re.ASCII)
_PROGRAM = "bin/erl_call"
_ELSEWHERE = Path("/usr/bin/erl_call")


class CookieMissingError(UsageError):
    """Nothing names the cookie of the node."""

    def __init__(self, fact: str) -> None:
        super().__init__(
            "the cookie of the node is not known",
            fact=fact,
            hint="run as the user of the node or as root; a node that never started here has no such file",
        )


class DistributionError(UsageError):
    """The node talks to others in a way that ``erl_call`` does not know: TLS or IPv6."""

    def __init__(self, name: str, path: Path) -> None:
        super().__init__(
            f"a node with the distribution {name} cannot be reached",
            fact=f"{path} says -proto_dist {name}, and OTP's erl_call speaks {_REACHED} alone",
            hint="no driver reaches it: let it start with inet_tcp on an interface that only this host has, "
            "or go on with bin/emqx",
        )
        self.name = name


class NoErlCallError(UsageError):
    """There is no ``erl_call`` to talk to the node with."""

    def __init__(self, root: Path) -> None:
        super().__init__(
            "there is no erl_call to reach the node with",
            fact=f"neither {root}/erts-*/{_PROGRAM} nor {_ELSEWHERE} can be run",
            hint="make the program of the release executable: chmod +x; Debian has it in erlang-base",
        )


def find_cookie(files: Installation) -> Cookie:
    """Return the cookie of the last start.

    Raises: CookieMissingError.
    """
    try:
        path, text = _arguments(files)
    except FileNotReadError as exc:
        raise CookieMissingError(f"{exc}: {exc.detail}") from exc
    if path is None:
        raise CookieMissingError(f"there is no vm.*.args below {files.root}/data/configs")
    found = _COOKIE.findall(text)
    if not found:
        raise CookieMissingError(f"no line of {path} says -setcookie")
    return Cookie(found[-1].strip("\"'"), path)


def refuse_other_distributions(files: Installation) -> None:
    """Refuse a node that was started with TLS or IPv6 between nodes.

    Raises: DistributionError.
    """
    with suppress(FileNotReadError):  # what cannot be read is told with the cookie
        path, text = _arguments(files)
        found = _DISTRIBUTION.findall(text)
        if path is not None and found and found[-1] != _REACHED:
            raise DistributionError(found[-1], path)


def _arguments(files: Installation) -> tuple[Path | None, str]:
    """Return the arguments that the last start made, and the file that holds them."""
    path = files.newest_vm_args()
    return path, ((read_if_there(path) if path is not None else None) or b"").decode(errors="replace")


def find_address(name: str) -> NodeAddress:
    """Return where the node *name* listens, or would listen without epmd."""
    alive, _, host = name.partition("@")
    try:
        look_up(host, None, seconds=LOOKUP_SECONDS, family=socket.AF_INET)
    except (OSError, UnicodeError):
        host = "127.0.0.1"  # the node is on this host, whatever it is called
    number = _NUMBER.search(alive)
    ours = FIRST_PORT + int((number and number[0][-5:]) or 0)
    return NodeAddress(host, registered_port(alive, host=host) or ours)


def registered_port(alive: str, *, host: str) -> int | None:
    """Return the port that epmd on *host* knows for *alive*, None where there is no epmd or it knows none."""
    request = bytes([_PORT_PLEASE2]) + alive.encode()
    port = os.environ.get("ERL_EPMD_PORT", "")
    try:
        with socket.create_connection((host, int(port) if port.isdigit() else _EPMD_PORT), _SECONDS) as epmd:
            epmd.sendall(struct.pack(">H", len(request)) + request)
            reply = epmd.makefile("rb").read(4)
    except (OSError, OverflowError):
        return None
    is_known = len(reply) == 4 and (reply[0], reply[1]) == (_PORT2, 0)  # noqa: PLR2004 # tag, result, port
    return int.from_bytes(reply[2:], "big") if is_known else None


def listens(address: NodeAddress) -> bool:
    """Tell whether something accepts a connection at *address*."""
    try:
        with socket.create_connection((address.host, address.port), _SECONDS):
            return True
    except (OSError, OverflowError):
        return False


def find_program(files: Installation) -> Path:
    """Return the ``erl_call`` of the node's ERTS, else that of the host.

    Raises: NoErlCallError.
    """
    folders = []
    with suppress(BootFileError):  # any emulator of the installation will do
        folders.append(f"erts-{erts_vsn(files.read_vars())}")
    try:
        folders += reversed(files.erts_folders())
    except FileNotReadError as exc:
        raise NoErlCallError(files.root) from exc
    for program in (*(files.root / folder / _PROGRAM for folder in folders), _ELSEWHERE):
        if os.path.isfile(program) and os.access(program, os.X_OK):  # noqa: PTH113 # unlike pathlib, it says no where it may not look
            return program
    raise NoErlCallError(files.root)


def find_runner(files: Installation) -> Runner | None:
    """Return as whom programs of the installation run: as root its owner, else this user (None)."""
    status = files.releases.stat()
    return Runner(status.st_uid, status.st_gid) if os.geteuid() == 0 != status.st_uid else None
