"""The clock of the host: UTC with exactly six digits, and what stands behind it (evidence.md 1.2).

``synced`` is what the kernel says of its own discipline (adjtimex(2)): *yes*, *no*, or *unknown*
where it does not tell. ``boot_id`` and ``monotonic_us`` show a clock that was set back.
"""

import time
from collections.abc import Callable
from ctypes import CDLL, Structure, byref, c_byte, c_int, c_long, c_uint
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from ledger.application.moment import Moment
from ledger.domain.envelope import ClockReading

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 # UTC, which isoformat would print as +00:00
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


def read_boot_id(path: Path = _BOOT_ID) -> str:
    """Return the id of this boot of the host, ``unknown`` where the kernel does not tell."""
    try:
        return path.read_text("ascii").strip() or "unknown"
    except (OSError, ValueError):
        return "unknown"


class SystemClock:
    """The host's clock; a test gives other sources."""

    def __init__(
        self,
        *,
        wall_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        monotonic_us: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000,
        synced: Callable[[], str] = kernel_synced,
        boot_id: Callable[[], str] = read_boot_id,
    ) -> None:
        self._wall_us, self._monotonic_us, self._synced = wall_us, monotonic_us, synced
        self._boot_id = boot_id()

    def read(self) -> Moment:
        """Return the present moment."""
        recorded_at = format_time(self._wall_us())
        return Moment(recorded_at, ClockReading("system", self._synced(), self._boot_id, self._monotonic_us()))


def format_time(microseconds: int) -> str:
    """Return a time since 1970 as records hold it."""
    moment = _EPOCH + timedelta(microseconds=microseconds)
    return f"{moment.isoformat(timespec='microseconds')}Z"
