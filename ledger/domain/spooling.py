"""Going on with an installation apart from the ledger of its fleet, and coming back to it.

A spool is a ledger of its own. In it, the stream of an installation begins with ``SpoolBegun``: the
state that the host knew from the fleet's ledger, and which version of the stream that was. When
the events of the spool are brought into the fleet's ledger, they stand behind the native events of
the stream. That is only a history if nothing else happened in the stream meanwhile; what others
wrote beside events changes no state, and may stand in between.
"""

from collections.abc import Iterable

from ledger.domain.events import InstallationEvent, NoteAdded, SpoolBegun
from ledger.domain.imported import note_lines
from ledger.domain.records import Context
from ledger.domain.releases import NodeReleases
from ledger.errors import RefusedError


class StreamWentOnError(RefusedError):
    """The fleet's ledger holds events of the installation that the spool did not know when it began."""

    def __init__(self, node: str, *, known: int, version: int, what: str) -> None:
        super().__init__(
            f"what was recorded here of {node} cannot be brought into the ledger",
            fact=f"it goes on from version {known} of the stream, and the ledger has another event of version "
            f"{version} there: {what}",
            hint="`release-ledger spool status` names its folder; move that to a safe place as evidence "
            "(`verify` and `export` read it with --ledger), and let the next change record what is in effect as drift",
        )
        self.node, self.known, self.version = node, known, version


def decide_spool(node: NodeReleases, *, context: Context, origin: str, note: bytes | None) -> SpoolBegun:
    """Return the first event of *node* in a spool of the ledger *origin*, whose newest note here is *note*."""
    return SpoolBegun(
        originator_id=node.id,
        originator_version=1,
        context=context,
        kind=str(node.kind),
        root=node.root,
        facts=node.facts,
        tables=node.tables,
        booted=node.booted,
        run=node.run,
        open_attempt=node.open_attempt,
        continues_origin=origin,
        continues_version=node.version,
        continues_checkpoint=note_lines(note) if note else (),
    )


def refuse_other_events(begun: SpoolBegun, since: Iterable[InstallationEvent]) -> None:
    """Let a spool be joined where nothing happened *since* the version that it continues but notes.

    Raises: StreamWentOnError.
    """
    for event in since:
        if event.originator_version > begun.continues_version and not isinstance(event, NoteAdded):
            raise StreamWentOnError(
                begun.context.node or begun.originator_id,
                known=begun.continues_version,
                version=event.originator_version,
                what=event.TOPIC.split(".")[-2].replace("_", " "),
            )


def unlike(node: NodeReleases, begun: SpoolBegun) -> str | None:
    """Return what *begun* states otherwise than *node*, the fold of the native events before it; None for nothing."""
    stated: tuple[tuple[str, object, object], ...] = (
        ("version", min(begun.continues_version, node.version), begun.continues_version),
        ("kind", str(node.kind), begun.kind),
        ("root", node.root, begun.root),
        ("facts", node.facts, begun.facts),
        ("tables", node.tables, begun.tables),
        ("booted release", node.booted, begun.booted),
        ("run", node.run, begun.run),
        ("open attempt", node.open_attempt, begun.open_attempt),
    )
    return next((name for name, known, said in stated if known != said), None)
