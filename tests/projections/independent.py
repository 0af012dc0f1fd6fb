"""A second fold, written apart from the product: plain lists over the JSON of the leaves.

It follows otp.md section 2.1 and nothing of ``ledger.domain``, so that the two can disagree.
"""

import json
from collections.abc import Sequence
from typing import Any

from projections.nodes import NodeFacts, NodeTable, OpenIntent, Sight
from tests.projections.histories import Leaf

_OBSERVED = {
    "node_restarted": "after",
    "drift_observed": "found",
    "operation_failed": "tables",
    "operation_recovered": "tables",
}
_OUTCOMES = {"operation_completed", "operation_failed", "operation_recovered"}


def envelopes_of(leaves: Sequence[Leaf]) -> list[dict[str, Any]]:
    """Return what the leaves say."""
    return [json.loads(leaf.state) for leaf in leaves]


def name_of(envelope: dict[str, Any]) -> str:
    """Return the short name of an event's type."""
    name: str = envelope["type"].split(".")[2]
    return name


def nodes_after(envelopes: Sequence[dict[str, Any]]) -> list[NodeTable]:
    """Return the table of each node after these events, *last_change* left at 0."""
    nodes: dict[str, dict[str, Any]] = {}
    for envelope in envelopes:
        stream, name, data = envelope["stream"], name_of(envelope), envelope["data"]
        if name == "installation_registered":
            nodes[stream] = {"node": envelope["node"], "root": data["root"], "kind": data["kind"], "open": None}
            nodes[stream]["facts"] = NodeFacts(**data["facts"])
            _take(nodes[stream], data["tables"], data["booted"])
        node = nodes[stream]
        _step(node, name, data)
        if name == "operation_requested":
            node["open"] = OpenIntent(envelope["attempt"], data["verb"], data["to"])
        if name in _OUTCOMES:
            node["open"] = None
    return [_table(stream, node) for stream, node in nodes.items()]


def _take(node: dict[str, Any], tables: dict[str, Any], booted: str) -> None:
    node.update(rows=[list(row) for row in tables["memory"]], boots_next=tables.get("rel_vsn"), booted=booted)
    node.update(disk=_permanent(tables.get("disk", ())), start_erl=tables.get("start_erl"))


def _step(node: dict[str, Any], name: str, data: dict[str, Any]) -> None:
    rows = node["rows"]
    if name in {"unpacked", "made_permanent", "uninstalled"}:
        # RELEASES is written with the table as it is then; only what is permanent matters here.
        node["disk"] = data["vsn"] if name == "made_permanent" else _permanent(rows)
    if name == "unpacked" and data["vsn"] not in [vsn for vsn, _ in rows]:
        rows.insert(0, [data["vsn"], "unpacked"])
    elif name in {"installed", "downgraded"}:
        _move(rows, data["to"], "current", frees="current")
    elif name == "made_permanent":
        _move(rows, data["vsn"], "permanent", frees="permanent")
        node["boots_next"] = node["start_erl"] = data["vsn"]
    elif name == "uninstalled":
        node["rows"] = [row for row in rows if row[0] != data["vsn"]]
    elif name in _OBSERVED:
        _take(node, data[_OBSERVED[name]], data["booted"])


def _move(rows: list[list[str]], vsn: str, status: str, *, frees: str) -> None:
    for row in rows:
        if row[0] == vsn:
            row[1] = "permanent" if row[1] == "permanent" else status
        elif row[1] == frees:
            row[1] = "old"


def _table(stream: str, node: dict[str, Any]) -> NodeTable:
    rows = tuple((vsn, status) for vsn, status in node["rows"])
    by_status = {status: vsn for vsn, status in reversed(rows)}
    return NodeTable(
        stream=stream,
        node=node["node"],
        root=node["root"],
        kind=node["kind"],
        releases=rows,
        running=by_status.get("current", by_status.get("permanent")),
        booted=node["booted"],
        boots_next=node["boots_next"],
        open_attempt=node["open"],
        last_change=0,
        facts=node["facts"],
        boots_agree=by_status.get("permanent", "") == node["disk"] == node["start_erl"] == node["boots_next"],
    )


def _permanent(rows: Any) -> str | None:  # noqa: ANN401 # rows of JSON
    return next((vsn for vsn, status in rows if status == "permanent"), None)


def seen_after(envelopes: Sequence[dict[str, Any]]) -> dict[str, Sight]:
    """Return, for each stream, the newest event among these that has a driver."""
    return {
        e["stream"]: Sight(e["stream"], number, e["recorded_at"], name_of(e), e["data"]["driver"])
        for number, e in enumerate(envelopes)
        if "driver" in e["data"]
    }
