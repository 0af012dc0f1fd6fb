"""Where installations are, read from the record: the same as the fold of each says, imported events among them."""

from pathlib import Path

from projections.read import open_ledger
from projections.refold import node_now
from projections.whereabouts import whereabouts
from tests.cli.lab import STATED, make_lab


def require_as_folded(folder: Path) -> list[str]:
    """Require what is read to be what each whole fold says; return where the installations are."""
    with open_ledger(folder) as ledger:
        places = whereabouts(ledger)
        for place in places:
            node = node_now(ledger, place.id)
            assert (place.node, place.root, place.kind, place.host) == (node.node, node.root, node.kind, node.host)
            assert place.registered == node.registered
    return [f"{place.node} {place.root} {place.registered}" for place in places]


def test_moves_leaving_and_imports_are_followed(tmp_path: Path) -> None:
    lab = make_lab(tmp_path / "host")
    assert lab.init("--node", "emqx@first", *STATED).code == 0
    lab.root.rename(tmp_path / "host/moved")
    moved = ("register", "--continues", "emqx@first", "--node", "emqx@second", "--root", str(tmp_path / "host/moved"))
    assert lab.run(*moved).code == 0
    assert require_as_folded(lab.ledger) == [f"emqx@second {tmp_path / 'host/moved'} True"]
    assert lab.run("unregister", "--yes").code == 0

    other = make_lab(tmp_path / "other")
    assert other.init("--node", "emqx@other", *STATED).code == 0
    key = (lab.ledger / "log.vkey").read_text(encoding="ascii").strip()
    imported = other.run("import", str(lab.ledger), "--vkey", key)

    assert imported.code == 0, imported.err
    assert require_as_folded(other.ledger) == [
        f"emqx@other {other.root} True",
        f"emqx@second {tmp_path / 'host/moved'} False",
    ]
