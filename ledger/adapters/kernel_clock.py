"""What the kernel says of its own clock: in step or not (adjtimex(2)).

A module of its own, because only a command that records asks, and pays for ``ctypes``.
"""

from collections.abc import Callable
from ctypes import CDLL, Structure, byref, c_byte, c_int, c_long, c_uint
from functools import lru_cache

_STA_UNSYNC = 0x0040  # linux/timex.h
_TIME_ERROR = 5


class _Timex(Structure):
    """The first members of ``struct timex``; the kernel fills more, into *rest*."""

    _fields_ = (
        ("modes", c_uint),
        ("offset", c_long),
        ("freq", c_long),
        ("maxerror", c_long),
        ("esterror", c_long),
        ("status", c_int),
        ("rest", c_byte * 256),
    )


@lru_cache(maxsize=1)
def _adjtimex() -> Callable[..., int] | None:
    return getattr(CDLL(None), "adjtimex", None)


def kernel_synced() -> str:
    """Return whether the kernel holds its clock to be in step: ``yes``, ``no`` or ``unknown``."""
    timex = _Timex()
    adjtimex = _adjtimex()
    state = -1 if adjtimex is None else adjtimex(byref(timex))
    if state < 0:
        return "unknown"
    return "no" if state == _TIME_ERROR or timex.status & _STA_UNSYNC else "yes"
