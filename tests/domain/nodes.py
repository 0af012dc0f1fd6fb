"""Nodes for the tests of decisions: given these events, such a node."""

from collections.abc import Sequence
from dataclasses import replace

from ledger.domain.decisions import decide_request
from ledger.domain.events import AnyReleaseEvent, InstallationRegistered, OperationRequested
from ledger.domain.observation import Observation
from ledger.domain.outcomes import By, Request
from ledger.domain.plan import plan_change
from ledger.domain.records import Driver, InstallationFacts, Kind, Run, Verb
from ledger.domain.releases import NodeReleases, evolve
from ledger.domain.tables import Tables, as_written, table_from
from tests.fakes.recording import CONTEXT, NOON, STREAM

BY = By(context=CONTEXT, driver=Driver.EMBEDDED)
RUN = Run(boot_id="boot", started_at=NOON, generation="1")
NEXT_RUN = replace(RUN, generation="2")
FACTS = InstallationFacts(edition="emqx", otp="24.1.5-3", erts="12.1.5", os="ubuntu20.04", arch="amd64")


def tables_of(*rows: str, boots: str | None = None) -> Tables:
    """Return tables with *rows* such as ``4.4.0 permanent`` in memory, and on disk what is written of them."""
    memory = table_from([row.split() for row in rows])
    permanent = boots or next((vsn for vsn, status in memory if status == "permanent"), None)
    return Tables(memory=memory, disk=as_written(memory), start_erl=permanent, rel_vsn=permanent)


def registered(*rows: str) -> InstallationRegistered:
    """Return the first event of a node with *rows*."""
    tables = tables_of(*(rows or ("4.4.0 permanent",)))
    return InstallationRegistered(
        originator_id=STREAM,
        originator_version=1,
        context=CONTEXT,
        driver="embedded",
        kind=str(Kind.REHEARSAL),
        source="disk",
        root="/usr/lib/emqx",
        facts=FACTS,
        tables=tables,
        booted=tables.rel_vsn or "4.4.0",
        run=RUN,
    )


def given(*events: AnyReleaseEvent) -> NodeReleases:
    """Return the node after *events*."""
    return after(None, events)


def node_with(*rows: str) -> NodeReleases:
    """Return a node that was registered with *rows*."""
    return given(registered(*rows))


def after(node: NodeReleases | None, events: Sequence[AnyReleaseEvent]) -> NodeReleases:
    """Return *node* after *events*."""
    for event in events:
        node = evolve(node, event)
    if node is None:
        raise ValueError("a node begins with its registration")
    return node


def requested(node: NodeReleases, verb: Verb = Verb.UPGRADE, vsn: str = "4.4.16") -> OperationRequested:
    """Return the intent of a change on *node*."""
    return decide_request(node, Request(plan=plan_change(verb, vsn, node.tables)), warnings=(), by=BY)


def seen(tables: Tables, *, run: Run = RUN, booted: str = "4.4.0") -> Observation:
    """Return an observation of *tables*."""
    return Observation(tables=tables, booted=booted, run=run)
