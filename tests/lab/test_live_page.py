"""The page on a running broker goes as it shows, beside a node of the lab."""

from pathlib import Path

import pytest

from tests.lab.live_session import live_session
from tests.lab.node import Lab
from tests.transcripts import agrees, runs_on_page

pytestmark = pytest.mark.erlang

DOCS = Path(__file__).parents[2] / "docs"
PAGES = tuple(page for page in sorted(DOCS.rglob("*.md")) if "```console lab\n" in page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_session_of_a_page_goes_as_it_shows_beside_a_node(lab: Lab, page: Path, tmp_path: Path) -> None:
    """STYLE, "README": every console block runs."""
    with live_session(lab, tmp_path) as session:
        for shown in runs_on_page(page, mark="console lab"):
            real = session.run(shown.command)

            assert agrees(shown, real), "\n".join(("the page:", *shown.lines, "really:", *real.lines))


def test_there_is_such_a_page() -> None:
    assert [page.name for page in PAGES] == ["live-node.md"]
