"""The clock of the host: UTC with exactly six digits, and what stands behind it (evidence.md 1.2).

``synced`` is what the kernel says of its own discipline (``kernel_clock``): *yes*, *no*, or
*unknown* where it does not tell. ``boot_id`` and ``monotonic_us`` show a clock that was set back.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from ledger.application.moment import Moment
from ledger.domain.envelope import ClockReading

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 # UTC, which isoformat would print as +00:00


def kernel_synced() -> str:
    """Return whether the kernel holds its clock to be in step: ``yes``, ``no`` or ``unknown``."""
    from ledger.adapters import kernel_clock  # noqa: PLC0415 # only a command that records pays for it

    return kernel_clock.kernel_synced()


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
