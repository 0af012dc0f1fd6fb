"""Words of others in a record: cut, cleaned, and with the digest of the whole (evidence.md 1.1)."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256

from ledger.domain.canonical import canonical_json, clean_excerpt
from ledger.domain.outcomes import Removed
from ledger.domain.reason import Reason
from ledger.domain.records import Output

_EXCERPT_BYTES = 2048
_TEXT_BYTES = 1024
_MOST_REASONS = 30
_MOST_PATHS = 200
_LIST_BYTES = 16 * 1024
"""What a list takes at most: an event of 65,535 bytes holds three of them."""


def captured(lines: Sequence[str]) -> Output:
    """Return the record of captured output, one line each."""
    raw = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
    excerpt = clean_excerpt(" | ".join(lines).encode("utf-8", "surrogateescape"), _EXCERPT_BYTES)
    return Output(output_sha256=sha256(raw).hexdigest(), output_bytes=len(raw), excerpt=excerpt or None)


def recordable(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    """Return *reasons* with texts that may be recorded; a very long list is cut and says so."""
    texts = _fitting((_text(r.message), _text(r.fact), _text(r.hint)) for r in reasons[:_MOST_REASONS])
    kept = tuple(
        Reason(reason.rule, message, fact, hint) for reason, (message, fact, hint) in zip(reasons, texts, strict=False)
    )
    more = len(reasons) - len(kept)
    if more:
        last = reasons[-1]
        kept += (Reason(last.rule, f"and {more} more reasons", "only the first are recorded", _text(last.hint)),)
    return kept


def recordable_paths(paths: Sequence[str]) -> tuple[str, ...]:
    """Return *paths* as texts that may be recorded, at most as many as fit one event beside two such lists."""
    kept = tuple(text for (text,) in _fitting((_text(path),) for path in paths[:_MOST_PATHS]))
    return kept if len(kept) == len(paths) else (*kept, f"and {len(paths) - len(kept)} more")


def recordable_removal(removed: Removed) -> Removed:
    """Return what was removed, what stays and what was missing as texts that may be recorded."""
    return Removed(
        removed=recordable_paths(removed.removed),
        stays=recordable_paths(removed.stays),
        missing=recordable_paths(removed.missing),
    )


def _fitting(rows: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    room = _LIST_BYTES
    for row in rows:
        room -= len(canonical_json(list(row)))
        if room < 0:
            return
        yield row


def _text(text: str) -> str:
    return clean_excerpt(text.encode("utf-8", "surrogateescape"), _TEXT_BYTES) or "-"
