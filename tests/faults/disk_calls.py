"""Counting the calls that change a disk, as Python makes them, and breaking one of them.

`install` replaces functions of ``os`` for the rest of the life of a process, so it is for children
that end soon. A call counts when it names a place under one of the watched folders. What SQLite
does to its files is counted by `sqlite_calls`; ``syncfs`` is the only call made through ctypes.
"""

import errno
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from ledger.adapters import durable

_ON_PATH = ("mkdir", "rmdir", "unlink", "remove", "chmod", "chown", "truncate", "utime")
_ON_PAIR = ("rename", "replace", "link", "symlink")
_ON_DESCRIPTOR = ("write", "pwrite", "ftruncate", "fchmod", "fchown", "fsync", "fdatasync")
_MAKES = os.O_CREAT | os.O_TRUNC


class Kind(StrEnum):
    """How a call is broken."""

    KILL_BEFORE = "killed before"
    KILL_AFTER = "killed after"
    ENOSPC = "ENOSPC"
    EACCES = "EACCES"
    EIO = "EIO"
    EROFS = "EROFS"

    @property
    def kills(self) -> bool:
        """Whether the process ends there."""
        return self in {Kind.KILL_BEFORE, Kind.KILL_AFTER}


@dataclass(frozen=True)
class Call:
    """One call: its *name* and the file or folder that it changes."""

    name: str
    path: str


@dataclass(frozen=True)
class Fault:
    """The call with the number *at*, from 1, is broken in the way of *kind*."""

    at: int
    kind: Kind


@dataclass
class Watch:
    """The calls under *folders*, in their order; *fault* breaks one of them."""

    folders: tuple[str, ...]
    fault: Fault | None = None
    calls: list[Call] = field(default_factory=list)

    def around(self, name: str, path: str, act: Callable[[], Any]) -> Any:  # noqa: ANN401 # whatever *act* returns
        """Do *act*, which changes *path*, unless it is the one that breaks."""
        if not any(path == folder or path.startswith(f"{folder}/") for folder in self.folders):
            return act()
        number = self.meet(name, path)
        done = act()
        self.passed(number)
        return done

    def meet(self, name: str, path: str) -> int:
        """Count a call that comes now and return its number.

        Raises: OSError where it is the one that fails.
        """
        self.calls.append(Call(name, path))
        number = len(self.calls)
        if self.fault is not None and self.fault.at == number:
            if self.fault.kind is Kind.KILL_BEFORE:
                os.kill(os.getpid(), signal.SIGKILL)
            if not self.fault.kind.kills:
                code = getattr(errno, self.fault.kind)
                raise OSError(code, os.strerror(code), path)
        return number

    def passed(self, number: int) -> None:
        """Go on after the call *number*, unless it was the last of this life."""
        if self.fault == Fault(number, Kind.KILL_AFTER):
            os.kill(os.getpid(), signal.SIGKILL)


def install(watch: Watch) -> None:
    """Let every call of this process from now on pass *watch*."""
    for name in _ON_PATH:
        _wrap(watch, name, _first_path)
    for name in _ON_PAIR:
        _wrap(watch, name, _second_path)
    for name in _ON_DESCRIPTOR:
        _wrap(watch, name, lambda args, _: place_of(args[0]))
    _wrap_open(watch)
    sync = durable._sync_file_system
    durable._sync_file_system = lambda descriptor: watch.around(
        "syncfs", place_of(descriptor), lambda: sync(descriptor)
    )


def place_of(descriptor: Any) -> str:  # noqa: ANN401 # a number, or an object with fileno()
    """Return the path of what is open."""
    number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
    return str(Path(f"/proc/self/fd/{number}").readlink()).removesuffix(" (deleted)")


def _wrap(watch: Watch, name: str, place: Callable[[tuple[Any, ...], Mapping[str, Any]], str]) -> None:
    real = getattr(os, name)

    def called(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 # it passes on what it is given
        return watch.around(name, place(args, kwargs), lambda: real(*args, **kwargs))

    setattr(os, name, called)
    for offered in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
        if real in offered:
            offered.add(called)


def _wrap_open(watch: Watch) -> None:
    real = os.open

    def opened(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:  # noqa: ANN401 # as os.open
        def act() -> int:
            return real(path, flags, mode, dir_fd=dir_fd)

        place = _below(path, dir_fd)
        makes = flags & _MAKES and not (flags & os.O_CREAT and not flags & os.O_TRUNC and Path(place).exists())
        return watch.around("open", place, act) if makes else act()

    os.open = opened


def _first_path(args: tuple[Any, ...], options: Mapping[str, Any]) -> str:
    return place_of(args[0]) if isinstance(args[0], int) else _below(args[0], options.get("dir_fd"))


def _second_path(args: tuple[Any, ...], options: Mapping[str, Any]) -> str:
    return _below(args[1], options.get("dst_dir_fd"))


def _below(path: Any, folder: int | None) -> str:  # noqa: ANN401 # as above
    text = os.fsdecode(path)
    return os.path.normpath(text if folder is None else os.path.join(place_of(folder), text))  # noqa: PTH118 # fast
