"""What a report covers, and what it does not: said plainly, before anything else is read from it."""

from collections.abc import Iterator

from cli.report.model import Report, checkpoint_of

LIMITS = (
    "Integrity is not truth: that events were not changed does not say that they were true when they were recorded.",
    "Who acted is what the operating system of that host said, and the time is what its clock said.",
    "A change that went round the ledger shows as drift when somebody looks: what differed, not what was done.",
    "Whoever holds the key could write another history. Only a note that somebody outside holds shows that he did not.",
    "This page is as old as the moment it was made. A later one shows the same events and those that came after.",
    "A page cannot show that nothing was cut off: its number of events must reach the newest note held outside.",
)


def gaps_of(report: Report) -> Iterator[str]:
    """Yield what the report does not cover, does not anchor and does not sign, each with its numbers."""
    size, count = report.checkpoint.size, len(report.events)
    if not report.whole:
        yield (
            f"not covered: {size - count} of {size} events are not in this page; it holds their hashes only, and "
            "cannot show that the filters left out nothing else"
        )
    yield from _of_registrations(report)
    unheld = size - report.held_size
    if unheld:
        yield f"not anchored: nobody outside is known to hold a note of the last {unheld} of {size} events"
    unsigned = sum(stored.envelope["actor"].get("auth") != "ssh_signature" for _, stored in report.events)
    if unsigned:
        yield f"not signed by a person: {unsigned} of {count} events rest on what the operating system said"
    yield from _of_clocks(report)
    yield from _of_imports(report)
    open_attempts = sum(row.outcome == "open" for row in report.attempts.values())
    if open_attempts:
        attempts = "1 attempt" if open_attempts == 1 else f"{open_attempts} attempts"
        yield f"no outcome: {attempts} in this page had no recorded end when it was made"
    yield from _of_checkpoints(report)
    yield "not asked: no node was asked for this page; `release-ledger check` compares record, disk and memory"
    if report.states is None:
        yield "not drawn: the period has too many changes for a picture; narrow it with --since and --until"


def nodes_of(report: Report) -> tuple[str, ...]:
    """Return the nodes that the events are of, rehearsals marked (RULINGS 2)."""
    return tuple(
        sorted({f"{line.node}{' (rehearsal)' if line.rehearsal else ''}" for line in report.lines if line.node})
    )


def _of_registrations(report: Report) -> Iterator[str]:
    for line in report.lines:
        if line.type == "installation_registered":
            yield f"not known: what was done to {line.node} before event {line.number}; its state then is a claim"


def _of_imports(report: Report) -> Iterator[str]:
    origins = [line.imported for line in report.lines if line.imported]
    if origins:
        yield (
            f"imported: {len(origins)} of {len(report.events)} events were recorded in "
            f"{', '.join(sorted(set(origins)))}; "
            "whether they stood in the tree signed there, `release-ledger verify` checks"
        )


def _of_checkpoints(report: Report) -> Iterator[str]:
    """Yield which commits have no checkpoint in the page; each got one when it was recorded."""
    commits = [stored.entry["commit_id"] for _, stored in report.events]
    ends = {n for n, (one, other) in enumerate(zip(commits, (*commits[1:], None), strict=True), 1) if one != other}
    missing = len(ends - {checkpoint_of(note).size for note in report.notes})
    if not report.whole or (missing and len(report.notes) == 1):
        yield "checkpoints: only the newest is in this page; those of earlier commits are not checked here"
    elif missing:
        commits_said = "1 commit" if missing == 1 else f"{missing} commits"
        yield f"checkpoints: {commits_said} in this page ended without one of its own"


def _of_clocks(report: Report) -> Iterator[str]:
    unknown = sum(stored.envelope["clock"].get("synced") != "yes" for _, stored in report.events)
    if unknown:
        count = len(report.events)
        yield f"clock: {unknown} of {count} events were stamped by a clock that is not known to be synchronised"
