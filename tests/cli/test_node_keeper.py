"""What a host keeps of its installations around each commit."""

from pathlib import Path

import pytest

from cli.node_keeper import NodeKeeper, resumed
from ledger.adapters.spool_place import KeptFolder
from ledger.application.kept_nodes import Kept
from ledger.domain.decisions import decide_note
from ledger.domain.events import AnyReleaseEvent
from ledger.domain.releases import NodeReleases
from ledger.errors import FailedError, LockedError, UsageError
from tests.domain.nodes import given, registered, requested
from tests.fakes.recording import CONTEXT


class Host:
    """A host whose ledger has *events*; *asked* counts how often it was read."""

    def __init__(self, folder: Path) -> None:
        self.kept = KeptFolder(folder)
        self.kept.begin()
        self.events: list[AnyReleaseEvent] = []
        self.asked = 0
        self.keeper = NodeKeeper(self.kept, read=self._read)

    def record(self, *events: AnyReleaseEvent) -> None:
        self.keeper.before(events)
        self.events += events
        self.keeper.after(events)

    @property
    def node(self) -> NodeReleases | None:
        kept = self.kept.find(registered().originator_id)
        return None if kept is None or kept.unsure else resumed(kept)

    def _read(self, stream: str) -> NodeReleases:
        assert stream == registered().originator_id
        self.asked += 1
        return given(*self.events)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "kept")


def noted(node: NodeReleases) -> AnyReleaseEvent:
    return decide_note(node, "0190d1ab-0000-7abc-8def-000000000000", text=("seen",), corrects=False, context=CONTEXT)


def test_behind_each_commit_the_fold_is_kept_and_the_ledger_is_asked_once(host: Host) -> None:
    host.record(registered())
    node = given(registered())
    host.record(requested(node))

    assert host.node == given(*host.events)
    assert host.node is not None
    assert host.node.open_attempt is not None
    assert host.asked == 1


def test_an_installation_of_another_host_is_not_kept(host: Host) -> None:
    """A note may be written beside the events of any host."""
    host.events.append(registered())

    host.record(noted(given(registered())))

    assert host.kept.all() == ()


def test_a_note_moves_on_what_is_kept(host: Host) -> None:
    host.record(registered())

    host.record(noted(given(registered())))

    assert host.node == given(*host.events)


@pytest.mark.parametrize(
    ("error", "sure"),
    [
        (UsageError("the server is away"), True),
        (LockedError("others were quicker"), True),
        (FailedError("the answer was lost"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_only_what_says_that_nothing_was_recorded_leaves_the_host_sure(
    host: Host, error: BaseException, *, sure: bool
) -> None:
    host.record(registered())
    events = [requested(given(registered()))]

    host.keeper.before(events)
    host.keeper.failed(events, error)

    assert (host.node is not None) is sure


def test_a_fold_of_another_version_of_the_program_is_none() -> None:
    assert resumed(Kept("release:x", 1, '{"id": "release:x"}')) is None
    assert resumed(Kept("release:x", 1, "no fold")) is None
