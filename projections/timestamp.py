"""Times as events store them: ``YYYY-MM-DDTHH:MM:SS.ffffffZ`` (evidence.md 1.1).

Their order as texts is their order in time.
"""

from datetime import UTC, datetime, timedelta


def stored_time(moment: datetime) -> str:
    """Return *moment*, which knows its offset, as events store it."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def microseconds_between(earlier: str, later: str) -> int:
    """Return the microseconds from one stored time to another; negative where the clock went back."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)) // timedelta(microseconds=1)
