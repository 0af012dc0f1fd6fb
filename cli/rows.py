"""The rows of the table of versions that are wanted: ``--status`` and ``--vsn`` of ``versions``.

Both may be repeated; a row is wanted where it has one of the statuses and is one of the releases.
"""

from cli.read_options import RowOptions
from cli.reading import Answer, check_version


def rows_of(answer: Answer, wanted: RowOptions) -> Answer:
    """Return *answer* with the rows that are wanted; a node of which none is keeps its place.

    Raises: VsnError.
    """
    for vsn in wanted.vsn or ():
        check_version(vsn)
    if not _chooses(wanted):
        return answer
    return answer._replace(
        nodes=tuple(
            node._replace(releases=tuple(row for row in node.releases if _is_wanted(row, wanted)))
            for node in answer.nodes
        )
    )


def told_of(answer: Answer, wanted: RowOptions) -> Answer:
    """Return *answer* without the nodes that have no row left."""
    return answer._replace(nodes=tuple(node for node in answer.nodes if node.releases or not _chooses(wanted)))


def nothing_left(answer: Answer, wanted: RowOptions) -> str:
    """Return the line that says that no row is wanted; nothing where one is."""
    if not _chooses(wanted) or any(node.releases for node in answer.nodes):
        return ""
    asked = "the node has no" if len(answer.nodes) == 1 else f"none of {len(answer.nodes)} nodes has a"
    named = f"{asked} release {' or '.join(wanted.vsn)}" if wanted.vsn else f"{asked} release"
    return f"{named} marked {' or '.join(wanted.status)}\n" if wanted.status else f"{named}\n"


def _chooses(wanted: RowOptions) -> bool:
    return bool(wanted.status or wanted.vsn)


def _is_wanted(row: tuple[str, str], wanted: RowOptions) -> bool:
    vsn, status = row
    return (not wanted.vsn or vsn in wanted.vsn) and (not wanted.status or status in wanted.status)
