"""Changes that are refused: all reasons at once, nothing touched (PRODUCT section 3)."""

from collections.abc import Callable

import pytest

from demo.emqx_installation import start_once
from ledger.application.operations import BootFilesError, RulesBrokenError
from ledger.domain.decisions import AttemptOpenError, decide_request
from ledger.domain.events import OperationRefused, OperationRequested
from ledger.domain.outcomes import By, Request
from ledger.domain.package_facts import PackageUnsoundError
from ledger.domain.plan import plan_change
from ledger.domain.reason import Rule
from ledger.domain.records import Driver, InstallationFacts, Verb
from ledger.domain.version import VsnError
from ledger.errors import LockedError
from tests.adapters.packages import tree
from tests.fakes.desk import Desk

UPGRADED = ["operation_requested", "unpacked", "installed", "made_permanent", "operation_completed"]


def test_a_refusal_is_one_event_with_all_reasons_and_nothing_changes(desk: Desk) -> None:
    """PRODUCT section 3."""
    desk.offer("4.5.0")
    before = tree(desk.root)

    with pytest.raises(RulesBrokenError) as caught:
        desk.change(Verb.DOWNGRADE, "4.5.0")

    (refused,) = desk.events
    assert isinstance(refused, OperationRefused)
    assert [reason.rule for reason in refused.reasons] == [Rule.MINOR, Rule.DIRECTION]
    assert refused.reasons == caught.value.reasons
    assert (refused.code, caught.value.code, refused.verb, refused.to) == (2, 2, "downgrade", "4.5.0")
    assert refused.context.attempt is not None
    assert desk.listener.said == [
        "Cannot upgrade/downgrade to 4.5.0 from 4.4.0",
        "We only support relup between patch versions",
    ]
    assert tree(desk.root) == before


def test_without_a_package_the_refusal_has_the_words_of_the_user_guide(desk: Desk) -> None:
    """PRODUCT section 5, row "no package"."""
    with pytest.raises(RulesBrokenError) as caught:
        desk.change(Verb.UPGRADE, "4.4.16")

    assert desk.listener.said == ["Unpack failed: release_package_not_found"]
    assert [reason.rule for reason in caught.value.reasons] == [Rule.PACKAGE]
    assert "emqx-4.4.16" in caught.value.fact


def test_an_override_is_recorded_with_the_warning_that_it_made(desk: Desk) -> None:
    """PRODUCT section 3: an override is named and recorded as such."""
    desk.offer("4.4.16")
    desk.change(Verb.UPGRADE, "4.4.16")

    outcome = desk.change(Verb.UPGRADE, "4.4.0", allowed=(Rule.DIRECTION,))

    requested = desk.events[len(UPGRADED)]
    assert isinstance(requested, OperationRequested)
    assert requested.allowed == ("direction",)
    assert [warning.rule for warning in requested.warnings] == [Rule.DIRECTION]
    assert outcome.warnings[0].rule is Rule.DIRECTION
    (warning,) = desk.listener.warnings
    assert warning.startswith("overridden: ")
    assert "--allow" not in warning


def test_an_unknown_fact_is_a_warning_of_the_intent_and_the_package_does_not_make_it_known(desk: Desk) -> None:
    """PRODUCT section 2."""
    unknown = Desk(desk.packages, desk.root.with_name("other"), facts=InstallationFacts())
    unknown.offer("4.4.1")

    unknown.change(Verb.UPGRADE, "4.4.1")

    requested = unknown.events[0]
    assert isinstance(requested, OperationRequested)
    assert [warning.rule for warning in requested.warnings] == [Rule.EDITION, Rule.OTP_MAJOR, Rule.OS, Rule.ARCH]
    assert unknown.node.facts == InstallationFacts()


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b'REL_VSN="4.4.9"\n')])
def test_boot_files_that_disagree_exit_5_whatever_else_is_wrong(desk: Desk, spoil: Callable[..., object]) -> None:
    """PRODUCT section 3, rule 8; RULINGS 13: a refusal by rule 8 is recorded."""
    spoil(desk.root / "releases/emqx_vars")

    with pytest.raises(BootFilesError) as caught:
        desk.change(Verb.UPGRADE, "4.5.0")

    assert caught.value.code == 5
    assert {Rule.MINOR, Rule.BOOT_FILES} <= {reason.rule for reason in caught.value.reasons}
    assert desk.names == ["drift_observed", "operation_refused"]
    refused = desk.events[-1]
    assert isinstance(refused, OperationRefused)
    assert refused.code == 5
    assert desk.listener.said == []


def test_nothing_starts_while_an_attempt_is_open(desk: Desk) -> None:
    """PRODUCT section 6; RULINGS 13: not recorded."""
    by = By(context=desk.context("0190d1ab-1234-7abc-8def-0123456789ab"), driver=Driver.EMBEDDED)
    request = Request(plan=plan_change(Verb.UPGRADE, "4.4.16", desk.node.tables))
    desk.record.record((decide_request(desk.node, request, warnings=(), by=by),))

    for verb in Verb:
        with pytest.raises(AttemptOpenError):
            desk.change(verb, "4.4.16")

    assert desk.names == ["operation_requested"]


def test_a_change_under_way_locks_out_the_next(desk: Desk) -> None:
    """RULINGS 13: exit 75 is not recorded."""
    with desk.lock.hold("another"), pytest.raises(LockedError) as caught:
        desk.change(Verb.UNINSTALL, "4.4.9")

    assert "another" in caught.value.fact
    assert desk.events == ()


@pytest.mark.parametrize("text", ["4.4", "v4.4.16", "latest", "4.4.016"])
def test_what_is_no_version_is_a_usage_error_and_not_recorded(desk: Desk, text: str) -> None:
    """PRODUCT section 3."""
    with pytest.raises(VsnError):
        desk.change(Verb.UPGRADE, text)

    assert desk.events == ()


def test_a_dry_run_that_is_refused_is_not_recorded(desk: Desk) -> None:
    with pytest.raises(RulesBrokenError):
        desk.change(Verb.UPGRADE, "4.5.0", dry_run=True)

    assert desk.events == ()


def test_a_package_that_contradicts_the_installation_is_one_refusal_found_while_it_is_laid_out(desk: Desk) -> None:
    desk.offer("4.4.16")
    (desk.root / "bin/emqx-4.4.16").write_bytes(b"a foreign script")
    before = tree(desk.root)

    with pytest.raises(PackageUnsoundError):
        desk.change(Verb.UPGRADE, "4.4.16")

    (refused,) = desk.events
    assert isinstance(refused, OperationRefused)
    assert refused.package is not None
    assert [reason.rule for reason in refused.reasons] == [Rule.PACKAGE]
    assert tree(desk.root) == before


def test_a_refused_attempt_does_not_stand_in_the_way_of_the_next(desk: Desk) -> None:
    desk.offer("4.4.16")
    with pytest.raises(RulesBrokenError):
        desk.change(Verb.UPGRADE, "4.4.9")

    desk.change(Verb.UPGRADE, "4.4.16")

    assert desk.names == ["operation_refused", *UPGRADED]


def test_a_node_whose_version_cannot_be_ordered_is_refused_and_recorded(desk: Desk) -> None:
    """PRODUCT section 3, rule 1."""
    desk.offer("4.4.16")
    for name in ("RELEASES", "emqx_vars", "start_erl.data"):
        path = desk.root / "releases" / name
        path.write_text(path.read_text(encoding="utf-8").replace("4.4.0", "4.4.0+b1"), encoding="utf-8")
    start_once(desk.root, at="2024.01.01.00.00.00")

    with pytest.raises(RulesBrokenError) as caught:
        desk.change(Verb.UPGRADE, "4.4.16")

    assert [reason.rule for reason in caught.value.reasons] == [Rule.VERSION]
    assert desk.names == ["node_restarted", "drift_observed", "operation_refused"]
