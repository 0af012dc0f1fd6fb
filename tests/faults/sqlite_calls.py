"""Counting the calls that SQLite makes to change its files, and breaking one of them.

SQLite asks a table of system calls that can be replaced (``xSetSystemCall`` of its VFS, made for
such tests). Its fsync is not in that table: a kill there is the kill after the write before it, and
an error there is what `strace` injects.
"""

import ctypes
import errno
import os
from collections.abc import Callable
from typing import Any

from tests.faults.disk_calls import Watch, place_of

_TEXT, _INT, _SIZE, _OFFSET, _POINTER = (
    ctypes.c_char_p,
    ctypes.c_int,
    ctypes.c_size_t,
    ctypes.c_int64,
    ctypes.c_void_p,
)
_UNLINK = (_INT, _TEXT)
_ON_DESCRIPTOR = {
    "write": (ctypes.c_ssize_t, _INT, _POINTER, _SIZE),
    "pwrite": (ctypes.c_ssize_t, _INT, _POINTER, _SIZE, _OFFSET),
    "pwrite64": (ctypes.c_ssize_t, _INT, _POINTER, _SIZE, _OFFSET),
    "ftruncate": (_INT, _INT, _OFFSET),
}
_OPEN = (_INT, _TEXT, _INT, _INT)
_KEPT: list[object] = []  # SQLite holds their addresses only


class _Vfs(ctypes.Structure):
    """sqlite3_vfs, version 3 (sqlite.org/c3ref/vfs.html)."""

    _fields_ = [  # as ctypes reads it
        ("head", ctypes.c_int * 3),
        ("next", _POINTER),
        ("name", _TEXT),
        ("data", _POINTER),
        ("calls", _POINTER * 13),
        ("set_system_call", ctypes.CFUNCTYPE(_INT, _POINTER, _TEXT, _POINTER)),
        ("get_system_call", ctypes.CFUNCTYPE(_POINTER, _POINTER, _TEXT)),
        ("next_system_call", _POINTER),
    ]


def install(watch: Watch) -> None:
    """Let every call of SQLite in this process from now on pass *watch*."""
    import _sqlite3  # noqa: PLC0415 # the library that Python's own module uses, and no other

    find = ctypes.CDLL(_sqlite3.__file__).sqlite3_vfs_find
    find.restype = ctypes.POINTER(_Vfs)
    vfs = find(None)
    _replace(vfs, "unlink", _UNLINK, lambda args: os.fsdecode(args[0]), watch)
    for name, types in _ON_DESCRIPTOR.items():
        _replace(vfs, name, types, lambda args: place_of(args[0]), watch)
    _replace(vfs, "open", _OPEN, _made, watch)


def _made(args: tuple[Any, ...]) -> str:
    """Return the path that an open makes, nothing where it makes none."""
    path = os.fsdecode(args[0])
    return path if args[1] & os.O_CREAT and not os.path.exists(path) else ""  # noqa: PTH110 # it runs inside of SQLite


def _replace(vfs: Any, name: str, types: Any, place: Callable[[tuple[Any, ...]], str], watch: Watch) -> None:  # noqa: ANN401 # those of ctypes
    address = vfs.contents.get_system_call(ctypes.cast(vfs, _POINTER), name.encode())
    if not address:
        return
    prototype = ctypes.CFUNCTYPE(*types, use_errno=True)
    real = prototype(address)

    def act(args: tuple[Any, ...]) -> int:
        done: int = real(*args)
        if done < 0:
            # The caller looks at errno, which ctypes put aside when *real* returned.
            raise OSError(ctypes.get_errno() or errno.EIO, "")
        return done

    def called(*args: Any) -> int:  # noqa: ANN401 # as SQLite calls it
        try:
            done: int = watch.around(f"sqlite {name}", place(args), lambda: act(args))
        except OSError as exc:
            ctypes.set_errno(exc.errno or errno.EIO)
            return -1
        return done

    replaced = prototype(called)
    _KEPT.extend((real, replaced))
    vfs.contents.set_system_call(ctypes.cast(vfs, _POINTER), name.encode(), ctypes.cast(replaced, _POINTER))
