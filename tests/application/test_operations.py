"""One attempt, from what the operator asks for to its recorded outcome (PRODUCT section 6)."""

import shutil
from collections.abc import Callable

import pytest

from demo.emqx_installation import start_once
from ledger.adapters.embedded_node import EmbeddedNode
from ledger.application.attempt import RecordBrokenError
from ledger.dataclass import replace
from ledger.domain.decisions import decide_note, decide_unregister
from ledger.domain.events import (
    AnyReleaseEvent,
    DriftObserved,
    NodeRestarted,
    OperationCompleted,
    OperationRequested,
    ReleaseDowngraded,
    ReleaseMadePermanent,
    ReleaseUninstalled,
    ReleaseUnpacked,
)
from ledger.domain.outcomes import Installed
from ledger.domain.reason import Rule
from ledger.domain.records import Verb
from ledger.domain.releases import table_digest
from tests.adapters.packages import tree
from tests.fakes.desk import BOOT_ID, Desk
from tests.fakes.small_releases import package_of


class Interrupted(EmbeddedNode):
    """A node that takes its time: while it installs, somebody else records *events*."""

    def __init__(self, desk: Desk, meanwhile: Callable[[], AnyReleaseEvent]) -> None:
        super().__init__(desk.root, boot_id=BOOT_ID, now=lambda: "2026-03-01T12:00:00.000000Z")
        self._desk, self._meanwhile = desk, meanwhile

    def install_release(self, vsn: str) -> Installed:
        """Install *vsn* and let somebody else record twice."""
        for _ in range(2):
            self._desk.record.record((self._meanwhile(),))
        return super().install_release(vsn)


UPGRADED = ["operation_requested", "unpacked", "installed", "made_permanent", "operation_completed"]
INSTALLS = (Verb.INSTALL, Verb.UPGRADE)


def test_an_upgrade_is_an_intent_its_steps_and_its_outcome_each_in_its_own_commit(desk: Desk) -> None:
    """ARCHITECTURE section 3."""
    desk.offer("4.4.16")

    outcome = desk.change(Verb.UPGRADE, "4.4.16")

    assert desk.names == UPGRADED
    assert [len(commit) for commit in desk.record.commits] == [1] * 6
    assert (outcome.result, outcome.events, outcome.vsn) == ("completed", (1, 2, 3, 4, 5), "4.4.16")
    assert {event.context.attempt for event in desk.events} == {outcome.attempt}
    assert {getattr(event, "driver", None) for event in desk.events} == {"embedded"}
    assert outcome.after == desk.node.tables == desk.handler.observe().tables
    assert desk.node.open_attempt is None


def test_an_upgrade_speaks_the_words_of_the_user_guide(desk: Desk) -> None:
    """PRODUCT section 5."""
    desk.offer("4.4.16")

    desk.change(Verb.UPGRADE, "4.4.16")

    assert desk.listener.said == [
        "Release 4.4.16 not found, attempting to unpack releases/emqx-4.4.16.tar.gz",
        'Unpacked successfully: "4.4.16"',
        "Installed Release: 4.4.16",
        'Made release permanent: "4.4.16"',
    ]
    assert desk.listener.advice == ["recorded as events 1 to 5"]
    assert desk.listener.seen[-1][0] == desk.listener.seen[-1][1]


def test_the_intent_names_the_package_and_what_is_about_to_be_placed(desk: Desk) -> None:
    """PRODUCT section 6."""
    desk.offer("4.4.16")

    desk.change(Verb.UPGRADE, "4.4.16")

    requested, unpacked, *_ = desk.events
    assert isinstance(requested, OperationRequested)
    assert isinstance(unpacked, ReleaseUnpacked)
    assert requested.package == unpacked.package
    assert unpacked.package.name == package_of(desk.packages, "4.4.16").name
    assert requested.staged is not None
    assert requested.staged.files_sha256 == unpacked.files_sha256
    assert (requested.from_vsn, requested.to, requested.options) == ("4.4.0", "4.4.16", ())
    assert [step.step for step in requested.plan] == ["unpack", "install", "make_permanent"]


def test_digests_lead_from_event_to_event(desk: Desk) -> None:
    """RULINGS 4."""
    desk.offer("4.4.16")
    before = table_digest(desk.node.tables)

    desk.change(Verb.UPGRADE, "4.4.16")

    chain = [(event.before_sha256, event.after_sha256) for event in desk.events[1:4]]  # type: ignore[union-attr] # steps have both
    assert chain[0][0] == before
    assert [first[1] for first in chain[:-1]] == [second[0] for second in chain[1:]]
    completed = desk.events[-1]
    assert isinstance(completed, OperationCompleted)
    assert completed.table_sha256 == chain[-1][1] == table_digest(desk.node.tables)
    assert completed.boots_next == "4.4.16"


def test_a_trial_ends_with_the_installation_and_names_its_option(desk: Desk) -> None:
    desk.offer("4.4.16")

    desk.change(Verb.UPGRADE, "4.4.16", permanent=False)

    assert desk.names == ["operation_requested", "unpacked", "installed", "operation_completed"]
    requested, *_, completed = desk.events
    assert isinstance(requested, OperationRequested)
    assert isinstance(completed, OperationCompleted)
    assert (requested.options, completed.boots_next) == (("no-permanent",), "4.4.0")


def test_each_verb_records_its_own_step(desk: Desk) -> None:
    """ARCHITECTURE section 4: installed and downgraded differ by direction, whatever the verb was."""
    desk.offer("4.4.16")

    for verb, vsn in (
        *((Verb.UNPACK, "4.4.16"), (Verb.INSTALL, "4.4.16"), (Verb.INSTALL, "4.4.0")),
        *((Verb.UPGRADE, "4.4.16"), (Verb.DOWNGRADE, "4.4.0"), (Verb.UNINSTALL, "4.4.16")),
    ):
        desk.change(verb, vsn)

    steps = [event for event in desk.events if not event.TOPIC.startswith("emqx.release.operation_")]
    assert [type(step).__name__ for step in steps] == [
        *("ReleaseUnpacked", "ReleaseInstalled", "ReleaseMadePermanent"),
        *("ReleaseDowngraded", "ReleaseMadePermanent", "ReleaseInstalled", "ReleaseMadePermanent"),
        *("ReleaseDowngraded", "ReleaseMadePermanent", "ReleaseUninstalled"),
    ]
    assert isinstance(steps[3], ReleaseDowngraded)
    assert (steps[3].from_vsn, steps[3].to) == ("4.4.16", "4.4.0")
    assert isinstance(steps[-1], ReleaseUninstalled)
    assert set(steps[-1].removed) == {"lib/emqx-4.4.16", "releases/4.4.16"}
    assert desk.node.tables == desk.handler.observe().tables


def test_permanent_of_a_trial_is_one_step(desk: Desk) -> None:
    desk.offer("4.4.16")
    desk.change(Verb.UPGRADE, "4.4.16", permanent=False)

    desk.change(Verb.PERMANENT, "4.4.16")

    assert desk.names[-3:] == ["operation_requested", "made_permanent", "operation_completed"]
    made = desk.events[-2]
    assert isinstance(made, ReleaseMadePermanent)
    assert made.former == "4.4.0"


@pytest.mark.parametrize(
    ("verb", "vsn", "said"),
    [
        (Verb.UNPACK, "4.4.0", "Release 4.4.0 is already installed and set permanent."),
        (Verb.UPGRADE, "4.4.0", "Release 4.4.0 is already installed, running and set permanent."),
        (Verb.PERMANENT, "4.4.0", "Release 4.4.0 is already installed and set permanent."),
        (Verb.UNINSTALL, "4.4.9", "Release 4.4.9 is already uninstalled."),
    ],
)
def test_what_is_already_so_is_said_and_not_recorded(desk: Desk, verb: Verb, vsn: str, said: str) -> None:
    """RULINGS 13."""
    before = tree(desk.root)

    outcome = desk.change(verb, vsn)

    assert (desk.listener.said, desk.listener.advice) == ([said], ["nothing to do: nothing was recorded"])
    assert (outcome.result, outcome.events, outcome.attempt, desk.events) == ("already", (), None, ())
    assert outcome.before == outcome.after
    assert tree(desk.root) == before


@pytest.mark.parametrize("verb", INSTALLS)
def test_a_dry_run_shows_plan_and_tables_and_changes_nothing(desk: Desk, verb: Verb) -> None:
    """ARCHITECTURE section 3, step 2."""
    desk.offer("4.4.16")
    before = tree(desk.root)

    outcome = desk.change(verb, "4.4.16", dry_run=True)

    assert (outcome.result, outcome.attempt, outcome.events) == ("planned", None, ())
    assert [step.kind for step in outcome.plan.steps] == ["unpack", "install", "make_permanent"]
    assert outcome.after == outcome.before.unpacked("4.4.16").installed("4.4.16").made_permanent("4.4.16")
    assert (desk.events, desk.listener.said) == ((), [])
    assert tree(desk.root) == before


def test_a_dry_run_notices_a_restart_and_does_not_record_it(desk: Desk) -> None:
    desk.offer("4.4.16")
    desk.change(Verb.UPGRADE, "4.4.16", permanent=False)
    recorded = desk.names
    start_once(desk.root, at="2024.01.01.00.00.00")

    outcome = desk.change(Verb.UPGRADE, "4.4.16", dry_run=True)

    assert [step.kind for step in outcome.plan.steps] == ["install", "make_permanent"]
    assert desk.names == recorded


def test_a_restart_that_nobody_ordered_is_noticed_before_the_change(desk: Desk) -> None:
    """PRODUCT section 7: with `reverted` naming each trial that it undid."""
    desk.offer("4.4.16")
    desk.change(Verb.UPGRADE, "4.4.16", permanent=False)
    start_once(desk.root, at="2024.01.01.00.00.00")

    desk.change(Verb.UPGRADE, "4.4.16")

    assert desk.names[4:] == [
        *("node_restarted", "operation_requested", "installed", "made_permanent", "operation_completed"),
    ]
    restarted = desk.events[4]
    assert isinstance(restarted, NodeRestarted)
    assert (restarted.cause, restarted.reverted, restarted.context.attempt) == ("noticed", ("4.4.16",), None)
    assert restarted.before.restarted() == restarted.after
    noticed = [text for text in desk.listener.advice if text.startswith("noticed: ")]
    assert len(noticed) == 1
    assert "which undid the trial of 4.4.16" in noticed[0]


def test_what_was_done_outside_the_ledger_is_a_drift_and_the_attempt_goes_on_from_it(desk: Desk) -> None:
    """RULINGS 14."""
    other = Desk(desk.packages, desk.root.with_name("unused"))
    other.root, other.handler, other.lock = desk.root, desk.handler, desk.lock
    other.offer("4.4.1", "4.4.16")
    other.change(Verb.UNPACK, "4.4.1")

    desk.change(Verb.UNPACK, "4.4.16")

    assert desk.names == ["drift_observed", "operation_requested", "unpacked", "operation_completed"]
    drift = desk.events[0]
    assert isinstance(drift, DriftObserved)
    assert drift.differences == (
        "memory: recorded 4.4.0 permanent; found 4.4.1 unpacked, 4.4.0 permanent",
        "RELEASES: recorded 4.4.0 permanent; found 4.4.1 unpacked, 4.4.0 permanent",
    )
    assert desk.node.tables == desk.handler.observe().tables


def test_a_restart_and_what_it_does_not_explain_are_two_events_of_one_commit(desk: Desk) -> None:
    desk.offer("4.4.16")
    desk.change(Verb.UPGRADE, "4.4.16")
    start_once(desk.root, at="2024.01.01.00.00.00")
    table = desk.root / "releases/RELEASES"
    table.write_text(table.read_text(encoding="utf-8").replace("old", "unpacked"), encoding="utf-8")

    desk.change(Verb.UNINSTALL, "4.4.9")

    assert [event.TOPIC.split(".")[2] for event in desk.record.commits[-1]] == ["node_restarted", "drift_observed"]


def test_an_ordered_restart_is_an_attempt_that_names_what_it_undid(desk: Desk) -> None:
    """PRODUCT section 5; RULINGS 36."""
    desk.offer("4.4.16")
    desk.change(Verb.UPGRADE, "4.4.16", permanent=False)
    desk.listener.said.clear()

    outcome = desk.change(Verb.RESTART)

    assert desk.names[4:] == ["operation_requested", "node_restarted", "operation_completed"]
    restarted = desk.events[5]
    assert isinstance(restarted, NodeRestarted)
    assert (restarted.cause, restarted.reverted, restarted.booted) == ("ordered", ("4.4.16",), "4.4.0")
    assert desk.listener.said == ["Restarted: 4.4.0", "Undone by the restart: 4.4.16"]
    assert (outcome.vsn, outcome.after) == (None, desk.handler.observe().tables)


def test_an_unpacked_release_that_lost_its_folder_is_unpacked_again(desk: Desk) -> None:
    """PRODUCT section 3: repairs that are part of the verb."""
    desk.offer("4.4.16")
    desk.change(Verb.UNPACK, "4.4.16")
    shutil.rmtree(desk.root / "releases/4.4.16")

    desk.change(Verb.UPGRADE, "4.4.16")

    assert desk.names[3:] == UPGRADED
    assert desk.node.tables.permanent == "4.4.16"


def test_what_lay_in_the_way_is_set_aside_and_recorded(desk: Desk) -> None:
    """RULINGS 34: a plain file at releases/V of an unknown version."""
    desk.offer("4.4.16")
    (desk.root / "releases/4.4.16").write_bytes(b"x")

    desk.change(Verb.UNPACK, "4.4.16")

    requested, unpacked = desk.events[0], desk.events[1]
    assert isinstance(requested, OperationRequested)
    assert isinstance(unpacked, ReleaseUnpacked)
    assert requested.set_aside == unpacked.set_aside == ("releases/4.4.16",)


def test_uninstalling_the_last_way_back_is_done_with_a_warning_that_is_recorded(desk: Desk) -> None:
    """PRODUCT section 3, rule 7."""
    desk.offer("4.4.16")
    desk.change(Verb.UPGRADE, "4.4.16")

    desk.change(Verb.UNINSTALL, "4.4.0")

    requested = desk.events[len(UPGRADED)]
    assert isinstance(requested, OperationRequested)
    assert [warning.rule for warning in requested.warnings] == [Rule.STATUS]
    assert len(desk.listener.warnings) == 1
    assert "the last way back" in desk.listener.warnings[0]
    assert desk.node.tables.status("4.4.0") is None


def test_events_of_one_stream_are_numbered_without_a_gap(desk: Desk) -> None:
    desk.offer("4.4.16")
    desk.change(Verb.UPGRADE, "4.4.16")

    assert [event.originator_version for event in desk.record.events] == list(range(1, 7))


def test_a_note_that_somebody_writes_meanwhile_is_no_hindrance(desk: Desk) -> None:
    """A long install may be written about while it runs: a note changes nothing that the attempt rests on."""
    desk.offer("4.4.16")
    about = "0190d1ab-1234-7abc-8def-000000000001"
    desk.handler = Interrupted(
        desk, lambda: decide_note(desk.node, about, text=("slow",), corrects=False, context=desk.context(None))
    )

    outcome = desk.change(Verb.UPGRADE, "4.4.16")

    assert desk.names == [*UPGRADED[:2], "note_added", "note_added", *UPGRADED[2:]]
    assert [event.originator_version for event in desk.record.events] == list(range(1, 9))
    assert outcome.events == (1, 2, 5, 6, 7)
    assert desk.node.open_attempt is None


def test_anything_else_that_is_recorded_meanwhile_breaks_the_attempt_off(desk: Desk) -> None:
    """The attempt stays open: what it rests on has changed."""
    desk.offer("4.4.16")
    left = decide_unregister(desk.node, context=desk.context(None))
    desk.handler = Interrupted(desk, lambda: replace(left, originator_version=desk.node.version + 1))

    with pytest.raises(RecordBrokenError, match="another command recorded"):
        desk.change(Verb.UPGRADE, "4.4.16")

    assert desk.node.open_attempt is not None
