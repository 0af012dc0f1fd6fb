"""What was done to the machine between the commands of a transcript, as values; `host` does it again.

The text of a host action is parsed by its words, never by the scenario it stands in; a text that no
rule reads is an error. Three need more than a directory: `need_of` says what.

=============================================  ========================================================
words                                          what is done
=============================================  ========================================================
``copy NAME to PATH``                          the lab's package of that name, under the name of *PATH*
``put release tarball of V at PATH``           its ``tar.gz``, made as EMQX's script makes it
``put tarball of V with a leading F/ …``       the same inside a top folder
``delete``, ``create directory``, ``write``    as they say
``truncate PATH to N bytes``                   the rest of a file is cut off
``symlink PATH -> TARGET``                     a link, whether or not its target exists
``remove the appended lines from PATH``        all after the first ``EMQX_DESCRIPTION`` line
``chown -R USER PATH``                         needs root
``fill the disk …``, ``free the disk again``   on the lab's small disk, which needs a mount
``top-level names of …``                       looked at, and compared
``kill -9 the node process``                   what a node in memory knew is gone
``wait until the node answers again``          nothing: a directory answers at once
``inside the node, evaluate …``                needs a running VM
``start the command and kill the client …``    needs a running VM; its command stands in the same step
``run these commands at the same time``        nothing: the commands stand in the same step
=============================================  ========================================================
"""

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Need(StrEnum):
    """What a host action needs beyond a directory."""

    ROOT = "the right to give files to another user"
    MOUNT = "a small disk that can be filled"
    VM = "a running Erlang VM"


class UnknownHostActionError(Exception):
    """No rule reads the words of a host action."""


@dataclass(frozen=True)
class Copy:
    name: str
    to: str


@dataclass(frozen=True)
class PutTarball:
    vsn: str
    to: str
    top_folder: str | None


@dataclass(frozen=True)
class Delete:
    path: str


@dataclass(frozen=True)
class MakeFolder:
    path: str


@dataclass(frozen=True)
class Write:
    path: str
    text: str


@dataclass(frozen=True)
class Truncate:
    path: str
    size: int


@dataclass(frozen=True)
class Link:
    path: str
    target: str


@dataclass(frozen=True)
class RemoveAppended:
    path: str


@dataclass(frozen=True)
class Own:
    user: str
    path: str


@dataclass(frozen=True)
class FillDisk:
    left: int


@dataclass(frozen=True)
class FreeDisk:
    pass


@dataclass(frozen=True)
class LookAtFolders:
    names: tuple[str, ...]


@dataclass(frozen=True)
class KillNode:
    pass


@dataclass(frozen=True)
class WaitForNode:
    pass


@dataclass(frozen=True)
class Evaluate:
    expression: str
    result: str


@dataclass(frozen=True)
class KillClient:
    after: str


@dataclass(frozen=True)
class RunTogether:
    pass


OnFiles = Copy | PutTarball | Delete | MakeFolder | Write | Truncate | Link | RemoveAppended | Own
OnMachine = FillDisk | FreeDisk | LookAtFolders | KillNode | WaitForNode | Evaluate | KillClient | RunTogether
HostAction = OnFiles | OnMachine

_RULES: Mapping[str, Callable[..., HostAction]] = {
    r"copy (\S+) to (\S+)": Copy,
    r"put release tarball of (\S+) at (\S+)": lambda vsn, to: PutTarball(vsn, to, None),
    r"put tarball of (\S+) with a leading (\S+)/ folder at (\S+)": lambda vsn, top, to: PutTarball(vsn, to, top),
    r"delete (\S+)": Delete,
    r"create directory (\S+)": MakeFolder,
    r"write (\S+) with '([^']*)'": Write,
    r"truncate (\S+) to (\d+) bytes": lambda path, size: Truncate(path, int(size)),
    r"symlink (\S+) -> (\S+)": Link,
    r"remove the appended lines from (\S+)": RemoveAppended,
    r"chown -R (\S+) (\S+)": Own,
    r"fill the disk, about (\d+) bytes stay free": lambda left: FillDisk(int(left)),
    r"free the disk again": FreeDisk,
    r"top-level names of the installation: (\[.*\]); erts folders: \[.*\]": lambda names: LookAtFolders(
        tuple(ast.literal_eval(names))
    ),
    r"kill -9 the node process": KillNode,
    r"wait until the node answers again": WaitForNode,
    r"inside the node, evaluate: (.+) -> (.+)": Evaluate,
    r"start the command and kill the client process group with signal 9 right after it prints '(.+)'": KillClient,
    r"run these commands at the same time": RunTogether,
}


def parse_host_action(text: str) -> HostAction:
    """Return what the words of a host action say.

    Raises: UnknownHostActionError.
    """
    for pattern, build in _RULES.items():
        match = re.fullmatch(pattern, text)
        if match is not None:
            return build(*match.groups())
    raise UnknownHostActionError(text)


def need_of(action: HostAction) -> Need | None:
    """Return what *action* needs beyond a directory."""
    match action:
        case Own():
            return Need.ROOT
        case FillDisk() | FreeDisk():
            return Need.MOUNT
        case Evaluate() | KillClient():
            return Need.VM
        case _:
            return None
