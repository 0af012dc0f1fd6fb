"""Which events evidence which control, and what they do not show.

The table is in the report, and as CSV (RFC 4180, cells guarded) in an evidence bundle. A row
says what a control asks for in our words, not in those of its standard.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import NamedTuple

from projections.history import Line
from projections.tables import guarded

COLUMNS = ("framework", "control", "asks_for", "evidenced_by", "events", "not_shown")
_CHANGE = ("operation_requested", "operation_refused", "operation_completed", "operation_failed", "operation_recovered")
_STEPS = ("unpacked", "installed", "downgraded", "made_permanent", "uninstalled")
_SEEN = ("node_restarted", "drift_observed")
_ALL = ("every event",)


class Control(NamedTuple):
    """One control: *types* are the events that evidence it, *gap* what stays open."""

    framework: str
    control: str
    asks_for: str
    types: tuple[str, ...]
    gap: str


CONTROLS = (
    Control(
        "SOC 2",
        "CC8.1",
        "changes are authorised, tested, approved and implemented as decided",
        (*_CHANGE, *_STEPS),
        "approval and test are outside this record: the ticket names where; policy can demand reason and ticket",
    ),
    Control(
        "ISO 27001:2022",
        "A.8.32",
        "changes follow a change procedure",
        (*_CHANGE, *_STEPS, "drift_observed"),
        "impact assessment and approval are in the change system that the ticket names",
    ),
    Control(
        "ISO 27001:2022",
        "A.8.15",
        "activities are logged; logs are protected and analysed",
        _ALL,
        "only releases of EMQX are logged, no other activity; analysis is up to the reader",
    ),
    Control(
        "NIST SP 800-53",
        "AU-2",
        "the events to be logged are defined",
        _ALL,
        "the list is docs/events.md; what is outside release changes is not defined here",
    ),
    Control(
        "NIST SP 800-53",
        "AU-3",
        "a record says what, when, where, source, outcome and who",
        _ALL,
        "who is what the operating system said, unless a person signed the request",
    ),
    Control(
        "NIST SP 800-53",
        "AU-8",
        "records carry time stamps of a reliable clock",
        _ALL,
        "order is the index; the clock is that of the host, its synchronisation is recorded where known",
    ),
    Control(
        "NIST SP 800-53",
        "AU-9",
        "audit information is protected against change and deletion",
        _ALL,
        "change is detected, not prevented; a cut tail is detected only by a note that somebody outside holds",
    ),
    Control(
        "NIST SP 800-53",
        "AU-10",
        "an actor cannot deny an action",
        _ALL,
        "the ledger signs, not the person: without a signature of the actor this is not shown",
    ),
    Control(
        "NIST SP 800-53",
        "CM-3",
        "changes are controlled, documented and kept",
        (*_CHANGE, *_STEPS),
        "review and approval before the change are in the change system",
    ),
    Control(
        "NIST SP 800-53",
        "CM-5",
        "access for changes is restricted",
        ("operation_refused", "drift_observed"),
        "the operating system restricts access; a change that goes round the ledger is found at the next look",
    ),
    Control(
        "PCI DSS 4.0",
        "10",
        "access and changes are logged, logs are protected, reviewed and kept for a year",
        _ALL,
        "only changes of releases; daily review and retention are up to the operator",
    ),
    Control(
        "SOX ITGC",
        "change management",
        "changes to production are authorised, tested and traceable; the population is complete",
        (*_CHANGE, *_STEPS, *_SEEN),
        "complete for what went through the ledger; what went round it shows as drift, not as its single changes",
    ),
)


def controls_rows(lines: Iterable[Line]) -> Iterator[tuple[Control, int]]:
    """Yield each control with how many of *lines* evidence it."""
    counts = Counter(line.type for line in lines)
    for control in CONTROLS:
        yield control, counts.total() if control.types == _ALL else sum(counts[name] for name in control.types)


def controls_csv(lines: Iterable[Line]) -> Iterator[str]:
    """Yield the heading and a row for each control, for ``views/controls.csv`` of a bundle."""
    yield _row(COLUMNS)
    for control, count in controls_rows(lines):
        yield _row((*control[:3], " ".join(control.types), str(count), control.gap))


def _row(cells: Iterable[str]) -> str:
    text = StringIO()
    csv.writer(text).writerow([guarded(cell) for cell in cells])
    return text.getvalue()
