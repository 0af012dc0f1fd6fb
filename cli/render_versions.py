"""The table of versions: EMQX's words for people, one object a node for machines (PRODUCT sections 5, 10)."""

import json
import sys
from collections.abc import Mapping, Sequence

from cli.erlang_text import erlang_string
from cli.plain_text import plain
from cli.reading import Answer, Moment
from cli.session import Session
from cli.table import table_text
from projections.nodes import NodeTable

VERSIONS_SCHEMA = "release-ledger/versions/1"
ROOT_DIR_SCHEMA = "release-ledger/root_dir/1"


def versions_text(answer: Answer, session: Session) -> str:
    """Return the table as ``emqx versions`` prints it, with a column of nodes where there are several."""
    several = len(answer.nodes) > 1
    if sys.stdout.isatty() and several:
        listed = [(node_label(node), vsn, status) for node in answer.nodes for vsn, status in node.releases]
        return "Installed versions:\n" + table_text(("Node", "Version", "Status"), listed, session)
    rows = (
        f"* {vsn}\t{status}" + (f"\t{node_label(node)}" if several else "")
        for node in answer.nodes
        for vsn, status in node.releases
    )
    return "".join(f"{line}\n" for line in ("Installed versions:", *rows))


def node_label(node: NodeTable) -> str:
    """Return the name of a node; a rehearsal is marked (RULINGS 2)."""
    return plain(node.node) + (" (rehearsal)" if node.kind == "rehearsal" else "")


def versions_json(answer: Answer, *, live: Mapping[str, Sequence[str]] | None = None) -> str:
    """Return one line of JSON for each node; what is not known is a missing member.

    *live* has, by stream, how each node that was asked differs from its table.
    """
    as_of = answer.moment.record
    return "".join(_as_line(node, as_of, None if live is None else live.get(node.stream)) for node in answer.nodes)


def root_dir_text(node: NodeTable, *, raw: bool) -> str:
    """Return the root, as a string of Erlang unless *raw*."""
    return f"{plain(node.root)}\n" if raw else f"{erlang_string(node.root)}\n"


def root_dir_json(node: NodeTable, moment: Moment) -> str:
    """Return the root as one line of JSON."""
    record = {"schema": ROOT_DIR_SCHEMA, "node": node.node, "root_dir": node.root, "as_of": moment.record}
    return json.dumps(record, separators=(",", ":")) + "\n"


def _as_line(node: NodeTable, as_of: Mapping[str, object], differences: Sequence[str] | None) -> str:
    record: dict[str, object] = {
        "schema": VERSIONS_SCHEMA,
        "node": node.node,
        "kind": node.kind,
        "releases": [{"vsn": vsn, "status": status} for vsn, status in node.releases],
        "running": node.running,
        "boots_next": node.boots_next,
        "open_attempt": None if node.open_attempt is None else node.open_attempt.attempt,
        "as_of": as_of,
        "live": None if differences is None else {"differences": list(differences)},
    }
    known = {name: value for name, value in record.items() if value is not None}
    return json.dumps(known, separators=(",", ":")) + "\n"
