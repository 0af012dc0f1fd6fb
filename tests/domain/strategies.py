"""Strategies: versions, names, tables and every class of event, as hypothesis draws them."""

from dataclasses import fields
from typing import TypeVar, get_args

from hypothesis import strategies as st

from ledger.domain.events import AnyReleaseEvent, InstallationRegistered
from ledger.domain.ledger_events import LEDGER_CLASSES, AnyEvent, GuardFound, ImportForm, LedgerImported, TipAccepted
from ledger.domain.package import Edition, PackageName
from ledger.domain.reason import Reason, Rule
from ledger.domain.records import (
    Actor,
    Context,
    Driver,
    InstallationFacts,
    Kind,
    OpenAttempt,
    Output,
    PackageRecord,
    PlannedStep,
    Resolution,
    Run,
    Source,
    StagedRecord,
    StepKind,
    Verb,
)
from ledger.domain.status import ReleaseStatus
from ledger.domain.tables import Table, Tables
from ledger.domain.version import OtpVsn, Vsn

EVENT_CLASSES: tuple[type[AnyReleaseEvent], ...] = get_args(AnyReleaseEvent)
_Event = TypeVar("_Event", bound=AnyEvent)

words = st.text(max_size=12)
some_words = st.text(min_size=1, max_size=12)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
numbers = st.integers(0, 2**53 - 1)

_small = st.integers(0, 30)
_identifiers = _small.map(str) | st.from_regex(r"[0-9A-Za-z-]{0,3}[A-Za-z-][0-9A-Za-z-]{0,3}", fullmatch=True)
vsns = st.builds(Vsn, _small, _small, _small, st.lists(_identifiers, max_size=3).map(tuple))
vsn_texts = vsns.map(str)
patch_vsns = st.builds(Vsn, st.just(4), st.just(4), _small).map(str)

otp_vsns = st.builds(
    lambda parts, build: OtpVsn(".".join(map(str, parts)) + ("" if build is None else f"-{build}")),
    st.lists(_small, min_size=1, max_size=4),
    st.none() | _small,
)
package_names = st.builds(
    PackageName,
    edition=st.sampled_from(Edition),
    vsn=vsns,
    otp=otp_vsns,
    os=st.from_regex(r"[a-z][a-z0-9.]{0,9}", fullmatch=True),
    arch=st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True),
)

_other_statuses = st.sampled_from((ReleaseStatus.UNPACKED, ReleaseStatus.OLD))


@st.composite
def memories(draw: st.DrawFn) -> Table:
    """Draw a table as a node may have it: one permanent release, one current at most, each named once."""
    names = draw(st.lists(patch_vsns, min_size=1, max_size=5, unique=True))
    statuses = [draw(_other_statuses) for _ in names]
    statuses[draw(st.integers(0, len(names) - 1))] = ReleaseStatus.PERMANENT
    trial = draw(st.integers(0, len(names) - 1))
    if statuses[trial] is not ReleaseStatus.PERMANENT and draw(st.booleans()):
        statuses[trial] = ReleaseStatus.CURRENT
    return tuple(zip(names, statuses, strict=True))


_pointers = st.none() | patch_vsns
_rows = st.lists(st.tuples(patch_vsns, st.sampled_from(ReleaseStatus)), max_size=3).map(tuple)
tables = st.builds(Tables, memory=memories(), disk=st.none() | _rows, start_erl=_pointers, rel_vsn=_pointers)

runs = st.builds(Run, boot_id=words, started_at=words, generation=words, os_pid=st.none() | numbers)
packages = st.builds(PackageRecord, name=words, size=numbers, sha256=digests, signature=words)
staged = st.builds(StagedRecord, erts=words, files=numbers, files_sha256=digests)
steps = st.builds(PlannedStep, step=st.sampled_from(StepKind).map(str), vsn=patch_vsns)
open_attempts = st.builds(
    OpenAttempt,
    attempt=words,
    verb=st.sampled_from(Verb),
    to=st.none() | patch_vsns,
    plan=st.lists(steps, max_size=3).map(tuple),
    done=numbers,
    package=st.none() | packages,
    staged=st.none() | staged,
    options=st.lists(words, max_size=2).map(tuple),
)
reasons = st.builds(Reason, st.sampled_from(Rule), words, words, words)
outputs = st.builds(Output, output_sha256=digests, output_bytes=numbers, excerpt=st.none() | some_words)
_known = st.none() | words
facts = st.builds(InstallationFacts, edition=_known, otp=_known, erts=_known, os=_known, arch=_known)
contexts = st.builds(
    Context,
    actor=st.builds(Actor, id=words, kind=words, auth=words, login_uid=st.none() | numbers, name_commit=_known),
    source=st.builds(Source, host_id=words, tool=words, tty_commit=_known, address_commit=_known),
    node=_known,
    attempt=_known,
    reason=_known,
    ticket=_known,
    corrects=_known,
)


def _many(values: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(values, max_size=3).map(tuple)


_BY_NAME: dict[str, st.SearchStrategy[object]] = {
    "originator_id": st.just("release:emqx@10.0.0.7"),
    "originator_version": st.integers(1, 1_000_000),
    "context": contexts,
    "driver": st.sampled_from(Driver).map(str),
    "kind": st.sampled_from(Kind).map(str),
    "verb": st.sampled_from(Verb).map(str),
    "result": st.sampled_from(Resolution).map(str),
    "step": st.sampled_from(StepKind).map(str),
    "was": _other_statuses.map(str),
    "vsn": patch_vsns,
    "to": patch_vsns,
    "from_vsn": patch_vsns,
}
# Names that mean something else in other events.
_OF_CLASS: dict[tuple[type, str], st.SearchStrategy[object]] = {
    (TipAccepted, "found"): st.sampled_from(GuardFound).map(str),
    (LedgerImported, "form"): st.sampled_from(ImportForm).map(str),
}
_BY_TYPE: dict[object, st.SearchStrategy[object]] = {
    str: words,
    str | None: st.none() | words,
    int: numbers,
    int | None: st.none() | numbers,
    tuple[str, ...]: _many(words),
    tuple[Reason, ...]: _many(reasons),
    tuple[PlannedStep, ...]: _many(steps),
    Tables: tables,
    Run: runs,
    Output: outputs,
    Output | None: st.none() | outputs,
    InstallationFacts: facts,
    PackageRecord: packages,
    PackageRecord | None: st.none() | packages,
    StagedRecord | None: st.none() | staged,
    OpenAttempt | None: st.none() | open_attempts,
}


def events_of(event_class: type[_Event]) -> st.SearchStrategy[_Event]:
    """Draw events of one class, with every field that it has."""
    values = {}
    for field in fields(event_class):
        named = _OF_CLASS.get((event_class, field.name), _BY_NAME.get(field.name))
        if named is None:
            values[field.name] = _BY_TYPE[field.type]
        else:
            values[field.name] = st.none() | named if field.type == str | None else named
    return st.builds(event_class, **values)


events: st.SearchStrategy[AnyReleaseEvent] = st.one_of(*map(events_of, EVENT_CLASSES))
ledger_events = st.one_of(*map(events_of, LEDGER_CLASSES))
later_events = st.one_of(*(events_of(kind) for kind in EVENT_CLASSES if kind is not InstallationRegistered))
