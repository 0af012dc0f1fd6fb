"""Decisions: given events, when something is decided, then an event or an error."""

from collections.abc import Callable

import pytest

from ledger.domain.decisions import (
    AttemptOpenError,
    ReleaseStatusError,
    decide_completion,
    decide_drift,
    decide_failure,
    decide_install,
    decide_make_permanent,
    decide_recovery,
    decide_refusal,
    decide_register,
    decide_removal,
    decide_request,
    decide_restart,
    decide_turn,
    decide_unpack,
    refuse_open_attempt,
)
from ledger.domain.events import AnyReleaseEvent, ReleaseDowngraded, ReleaseInstalled
from ledger.domain.outcomes import Failure, Refusal, Removed, Request, StagedPackage, Turn, Unpacked
from ledger.domain.package_facts import PackageFacts, PackageForm, Staged
from ledger.domain.plan import plan_change
from ledger.domain.reason import Reason, Rule
from ledger.domain.records import Kind, Output, PackageRecord, Resolution, StagedRecord, StepKind, Verb
from ledger.domain.releases import NodeReleases, evolve, table_digest
from ledger.domain.status import ReleaseStatus
from tests.domain.nodes import BY, FACTS, NEXT_RUN, RUN, given, node_with, registered, requested, seen, tables_of

UNPACKED = Unpacked(vsn="4.4.16", erts="12.1.5", files=90, files_sha256="a" * 64)
PACKAGE = PackageRecord(name="emqx-4.4.16.zip", size=9, sha256="b" * 64)
OUTPUT = Output(output_sha256="c" * 64, output_bytes=3, excerpt="out")
REASON = Reason(Rule.MINOR, "what", "fact", "hint")
FAILURE = Failure(step=StepKind.INSTALL, vsn="4.4.16", code=3, cause="why", hint="do", output=OUTPUT)


def _unpack(node: NodeReleases) -> AnyReleaseEvent:
    return decide_unpack(node, UNPACKED, package=PACKAGE, set_aside=(), by=BY)


def test_a_registration_records_what_was_seen_as_version_1() -> None:
    tables = tables_of("4.4.0 permanent")

    event = decide_register(
        "release:n", root="/opt/emqx", kind=Kind.REHEARSAL, source="disk", facts=FACTS, seen=seen(tables), by=BY
    )

    assert (event.originator_version, event.tables, event.baseline) == (1, tables, "claim")
    assert (event.kind, event.source, event.root, event.booted, event.run) == (
        *("rehearsal", "disk", "/opt/emqx", "4.4.0"),
        RUN,
    )


def test_an_intent_names_plan_package_state_and_warnings() -> None:
    """PRODUCT section 6."""
    node = node_with()
    plan = plan_change(Verb.UPGRADE, "4.4.16", node.tables)
    staged = StagedRecord(erts="12.1.5", files=90, files_sha256="a" * 64)
    request = Request(plan=plan, options=("no-permanent",), allowed=("owner",), package=PACKAGE, staged=staged)

    event = decide_request(node, request, warnings=(REASON,), by=BY)

    assert (event.verb, event.to, event.from_vsn) == ("upgrade", "4.4.16", "4.4.0")
    assert (event.options, event.allowed, event.warnings) == (("no-permanent",), ("owner",), (REASON,))
    assert (event.plan, event.plan_sha256) == (plan.record, plan.sha256)
    assert (event.package, event.staged, event.facts) == (PACKAGE, staged, FACTS)
    assert event.before_sha256 == table_digest(node.tables)
    assert (event.originator_version, event.context, event.driver) == (2, BY.context, "embedded")


def test_nothing_may_start_while_an_attempt_is_open() -> None:
    """PRODUCT section 6: every later change exits 5 and says recover."""
    first = registered()
    node = given(first, requested(given(first)))

    with pytest.raises(AttemptOpenError) as caught:
        requested(node)

    assert caught.value.code == 5
    assert caught.value.open_attempt.to == "4.4.16"
    assert str(caught.value) == "an attempt is open: upgrade 4.4.16"
    assert "recover" in caught.value.hint


def test_an_open_attempt_without_a_version_is_named_too() -> None:
    node = node_with()
    restart = plan_change(Verb.RESTART, "4.4.0", node.tables)
    event = decide_request(node, Request(plan=restart), warnings=(), by=BY)
    opened = evolve(node, _without_target(event))

    with pytest.raises(AttemptOpenError, match=r"^an attempt is open: restart$"):
        refuse_open_attempt(opened)


def _without_target(event: AnyReleaseEvent) -> AnyReleaseEvent:
    return type(event)(**{**vars(event), "to": None})


def test_a_refusal_has_all_its_reasons_and_leaves_the_tables() -> None:
    node = node_with()
    request = Request(plan=plan_change(Verb.UPGRADE, "4.5.0", node.tables), allowed=("owner",))

    event = decide_refusal(node, request, Refusal(code=2, reasons=(REASON, REASON), output=OUTPUT), by=BY)

    assert (event.code, event.reasons, event.output, event.to) == (2, (REASON, REASON), OUTPUT, "4.5.0")
    assert evolve(node, event).tables == node.tables
    assert evolve(node, event).open_attempt is None


@pytest.mark.parametrize("rows", [("4.4.0 permanent",), ("4.4.16 unpacked", "4.4.0 permanent")])
def test_a_release_is_unpacked_or_unpacked_again(rows: tuple[str, ...]) -> None:
    """PRODUCT section 3: repairs that are part of the verb."""
    node = node_with(*rows)

    event = decide_unpack(node, UNPACKED, package=PACKAGE, set_aside=("releases/x",), by=BY)

    assert (event.vsn, event.erts, event.files, event.set_aside) == ("4.4.16", "12.1.5", 90, ("releases/x",))
    assert evolve(node, event).tables.memory[0] == ("4.4.16", ReleaseStatus.UNPACKED)
    assert (event.before_sha256, event.after_sha256) == (
        table_digest(node.tables),
        table_digest(evolve(node, event).tables),
    )


def test_an_installation_upwards_is_an_installed_event() -> None:
    node = node_with("4.4.16 unpacked", "4.4.0 permanent")

    event = decide_install(node, "4.4.16", by=BY)

    assert isinstance(event, ReleaseInstalled)
    assert (event.from_vsn, event.to) == ("4.4.0", "4.4.16")
    assert event.after_sha256 == table_digest(evolve(node, event).tables)


def test_an_installation_downwards_is_a_downgraded_event_whatever_the_verb_was() -> None:
    """ARCHITECTURE section 4."""
    event = decide_install(node_with("4.4.16 permanent", "4.4.0 old"), "4.4.0", by=BY)

    assert isinstance(event, ReleaseDowngraded)
    assert (event.from_vsn, event.to) == ("4.4.16", "4.4.0")


def test_the_permanent_release_is_installed_back_while_another_runs() -> None:
    """otp.md 2.1: it stays permanent."""
    node = node_with("4.4.16 current", "4.4.0 permanent")

    event = decide_install(node, "4.4.0", by=BY)

    assert evolve(node, event).tables.memory == tables_of("4.4.16 old", "4.4.0 permanent").memory


@pytest.mark.parametrize("rows", [("4.4.16 current", "4.4.0 permanent"), ("4.4.16 permanent", "4.4.0 old")])
def test_making_permanent_names_the_former_one(rows: tuple[str, ...]) -> None:
    node = node_with(*rows)

    event = decide_make_permanent(node, "4.4.16", by=BY)

    assert (event.vsn, event.former) == ("4.4.16", node.tables.permanent)
    assert evolve(node, event).tables.permanent == "4.4.16"


def test_an_uninstallation_says_what_went_what_stays_and_what_was_missing() -> None:
    node = node_with("4.4.16 old", "4.4.0 permanent")

    event = decide_removal(node, "4.4.16", Removed(removed=("a",), stays=("b",), missing=("c",)), by=BY)

    assert (event.was, event.removed, event.stays, event.missing) == ("old", ("a",), ("b",), ("c",))
    assert evolve(node, event).tables.status("4.4.16") is None


_FORBIDDEN: dict[str, tuple[Callable[[NodeReleases], AnyReleaseEvent], tuple[str, ...]]] = {
    "unpack what is current": (_unpack, ("4.4.16 current", "4.4.0 permanent")),
    "unpack what is permanent": (_unpack, ("4.4.16 permanent",)),
    "unpack what is old": (_unpack, ("4.4.16 old", "4.4.0 permanent")),
    "install the unknown": (lambda node: decide_install(node, "4.4.16", by=BY), ("4.4.0 permanent",)),
    "install what runs": (lambda node: decide_install(node, "4.4.16", by=BY), ("4.4.16 permanent",)),
    "install where nothing runs": (lambda node: decide_install(node, "4.4.16", by=BY), ("4.4.16 old",)),
    "make the unknown permanent": (lambda node: decide_make_permanent(node, "4.4.16", by=BY), ("4.4.0 permanent",)),
    "make the unpacked permanent": (
        lambda node: decide_make_permanent(node, "4.4.16", by=BY),
        ("4.4.16 unpacked", "4.4.0 permanent"),
    ),
    "make the old permanent": (
        lambda node: decide_make_permanent(node, "4.4.16", by=BY),
        ("4.4.16 old", "4.4.0 permanent"),
    ),
    "remove the unknown": (lambda node: decide_removal(node, "4.4.16", Removed(), by=BY), ("4.4.0 permanent",)),
    "remove what is current": (
        lambda node: decide_removal(node, "4.4.16", Removed(), by=BY),
        ("4.4.16 current", "4.4.0 permanent"),
    ),
    "remove what is permanent": (lambda node: decide_removal(node, "4.4.16", Removed(), by=BY), ("4.4.16 permanent",)),
}


@pytest.mark.parametrize(("decide", "rows"), _FORBIDDEN.values(), ids=_FORBIDDEN)
def test_what_the_state_machine_forbids_is_refused(
    decide: Callable[[NodeReleases], AnyReleaseEvent], rows: tuple[str, ...]
) -> None:
    """otp.md 2.1."""
    node = node_with(*rows)

    with pytest.raises(ReleaseStatusError) as caught:
        decide(node)

    assert (caught.value.code, caught.value.vsn) == (2, "4.4.16")
    assert caught.value.status is node.tables.status("4.4.16")
    assert str(caught.value.status or "not known") in caught.value.fact


def test_a_restart_names_each_trial_that_it_undid() -> None:
    """RULINGS 36."""
    node = node_with("4.4.16 current", "4.4.1 old", "4.4.0 permanent")
    after = node.tables.restarted()

    event = decide_restart(node, seen(after, run=NEXT_RUN), after=after, cause="ordered", by=BY)

    assert (event.reverted, event.cause, event.run) == (("4.4.16",), "ordered", NEXT_RUN)
    assert (event.before, event.after) == (node.tables, after)
    assert evolve(node, event).tables == after


def test_a_restart_in_which_the_trial_comes_up_again_undid_nothing() -> None:
    node = node_with("4.4.16 current", "4.4.0 permanent")

    event = decide_restart(node, seen(node.tables, run=NEXT_RUN), after=node.tables, cause="noticed", by=BY)

    assert event.reverted == ()


def test_a_drift_holds_both_tables_and_the_record_goes_on_from_what_was_found() -> None:
    """RULINGS 14."""
    node = node_with("4.4.1 unpacked", "4.4.0 permanent")
    found = seen(tables_of("4.4.0 permanent"), booted="4.4.1", run=NEXT_RUN)

    event = decide_drift(node, found, differences=("memory: …",), by=BY)

    assert (event.recorded, event.found, event.differences) == (node.tables, found.tables, ("memory: …",))
    assert (evolve(node, event).tables, evolve(node, event).booted) == (found.tables, "4.4.1")
    assert evolve(node, event).run == NEXT_RUN


def test_a_completion_says_what_boots_next() -> None:
    node = node_with("4.4.16 permanent", "4.4.0 old")

    event = decide_completion(node, Verb.UPGRADE, result="completed", by=BY)

    assert (event.verb, event.result, event.boots_next) == ("upgrade", "completed", "4.4.16")
    assert event.table_sha256 == table_digest(node.tables)


def test_a_failure_holds_step_cause_words_and_what_was_seen_afterwards() -> None:
    """ARCHITECTURE section 3, step 4."""
    node = node_with("4.4.16 unpacked", "4.4.0 permanent")
    found = seen(tables_of("4.4.0 permanent"), run=NEXT_RUN)

    event = decide_failure(node, Verb.UPGRADE, FAILURE, seen=found, by=BY)

    assert (event.verb, event.step, event.vsn, event.code) == ("upgrade", "install", "4.4.16", 3)
    assert (event.cause, event.hint, event.output) == ("why", "do", OUTPUT)
    assert (event.tables, event.booted, event.run) == (found.tables, "4.4.0", NEXT_RUN)


def test_a_recovery_names_the_verb_of_the_attempt_that_it_closes() -> None:
    first = registered()
    node = given(first, requested(given(first), Verb.UNPACK))

    event = decide_recovery(
        node, result=Resolution.TAKEN_BACK, found=("x",), done=("y",), seen=seen(node.tables), by=BY
    )

    assert (event.result, event.verb, event.found, event.done) == ("taken_back", "unpack", ("x",), ("y",))
    assert evolve(node, event).open_attempt is None


def test_a_mending_without_an_open_attempt_has_no_verb() -> None:
    node = node_with()

    event = decide_recovery(node, result=Resolution.MENDED, found=(), done=(), seen=seen(node.tables), by=BY)

    assert (event.result, event.verb, event.table_sha256) == ("mended", None, table_digest(node.tables))


def test_a_turn_in_a_plan_stands_behind_the_intent_that_has_just_begun() -> None:
    """docs/decisions/0022."""
    node = node_with("4.4.0 permanent")
    node = evolve(node, requested(node))

    event = decide_turn(node, Turn(plan="beef", plan_sha256="0" * 64, wave=2), by=BY)

    assert (event.originator_id, event.originator_version) == (node.id, 3)
    assert (event.fleet_plan, event.fleet_plan_sha256, event.wave) == ("beef", "0" * 64, 2)
    assert event.context == BY.context


def test_an_intent_holds_the_erts_and_digest_of_what_was_staged() -> None:
    package = PackageFacts(
        path="/p.zip",
        name="p.zip",
        form=PackageForm.ZIP,
        parsed=None,
        size=1,
        sha256="d" * 64,
        vsn="4.4.16",
        erts=None,
        libs=(),
        folders=(),
        unpacked_bytes=1,
        relup=None,
        problems=(),
        warnings=(),
    )
    laid_out = Staged(
        root="/r", folder="/r/s", vsn="4.4.16", files_sha256="e" * 64, files=9, left_out=0, written_bytes=1
    )

    staged = StagedPackage(package=package, staged=laid_out)

    assert staged.record == StagedRecord(erts="", files=9, files_sha256="e" * 64)
