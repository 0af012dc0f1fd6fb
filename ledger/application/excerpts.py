"""Words of others in a record: cut, cleaned, and with the digest of the whole (evidence.md 1.1)."""

from collections.abc import Sequence
from hashlib import sha256

from ledger.domain.canonical import clean_excerpt
from ledger.domain.outcomes import Removed
from ledger.domain.reason import Reason
from ledger.domain.records import Output

_EXCERPT_BYTES = 2048
_TEXT_BYTES = 1024
_MOST_REASONS = 30
_MOST_PATHS = 200


def captured(lines: Sequence[str]) -> Output:
    """Return the record of captured output, one line each."""
    raw = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
    excerpt = clean_excerpt(" | ".join(lines).encode("utf-8", "surrogateescape"), _EXCERPT_BYTES)
    return Output(output_sha256=sha256(raw).hexdigest(), output_bytes=len(raw), excerpt=excerpt or None)


def recordable(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    """Return *reasons* with texts that may be recorded; a very long list is cut and says so."""
    kept = tuple(
        Reason(reason.rule, _text(reason.message), _text(reason.fact), _text(reason.hint))
        for reason in reasons[:_MOST_REASONS]
    )
    more = len(reasons) - len(kept)
    if more:
        last = reasons[-1]
        kept += (Reason(last.rule, f"and {more} more reasons", "only the first are recorded", _text(last.hint)),)
    return kept


def recordable_paths(paths: Sequence[str]) -> tuple[str, ...]:
    """Return *paths* as texts that may be recorded, at most as many as fit one event."""
    kept = tuple(_text(path) for path in paths[:_MOST_PATHS])
    return kept if len(kept) == len(paths) else (*kept, f"and {len(paths) - len(kept)} more")


def recordable_removal(removed: Removed) -> Removed:
    """Return what was removed, what stays and what was missing as texts that may be recorded."""
    return Removed(
        removed=recordable_paths(removed.removed),
        stays=recordable_paths(removed.stays),
        missing=recordable_paths(removed.missing),
    )


def _text(text: str) -> str:
    return clean_excerpt(text.encode("utf-8", "surrogateescape"), _TEXT_BYTES) or "-"
