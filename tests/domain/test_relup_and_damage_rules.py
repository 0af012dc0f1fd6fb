"""The rules of the way and of the state (PRODUCT section 3, rules 4 and 7): paths there and back, damage, removal."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from ledger.domain.compatibility import judge, lost_for_good
from ledger.domain.reason import Reason, Rule
from ledger.domain.records import Driver, Verb
from ledger.domain.relup import Relup, RelupPath
from ledger.domain.situation import Situation, Verdict
from tests.domain.nodes import tables_of
from tests.domain.situations import BOTH_WAYS, DOWN, KNOWN, UNINSTALL, UP, refused, warned


def test_a_way_without_a_way_back_warns() -> None:
    """PRODUCT section 3, rule 4."""
    up = judge(replace(UP, relups={"4.4.16": replace(BOTH_WAYS, down=())}))
    down = judge(replace(DOWN, relups={"4.4.16": replace(BOTH_WAYS, up=())}))

    assert (refused(up), warned(up)) == (refused(down), warned(down)) == ([], [Rule.RELUP])


@pytest.mark.parametrize(
    "relups",
    [
        {},
        {"4.4.16": replace(BOTH_WAYS, up=())},
        {"4.4.16": replace(BOTH_WAYS, up=(RelupPath("4.4.0", restarts_emulator=True),))},
    ],
)
def test_unpacking_only_warns_of_a_missing_way(relups: Mapping[str, Relup]) -> None:
    """RULINGS 20: unpack has rule 4 as a warning."""
    verdict = judge(replace(UP, verb=Verb.UNPACK, relups=relups))

    assert (refused(verdict), warned(verdict)) == ([], [Rule.RELUP])


def test_unpacking_only_warns_of_an_unreadable_relup() -> None:
    verdict = judge(replace(UP, verb=Verb.UNPACK, relup_faults={"4.4.16": "{bad_relup_file,…}"}))

    assert (refused(verdict), warned(verdict)) == ([], [Rule.RELUP])


@pytest.mark.parametrize("driver", [Driver.NODE, Driver.SCRIPT])
def test_an_emulator_restart_on_a_live_node_is_a_warning_with_what_is_lost(driver: Driver) -> None:
    """PRODUCT section 3."""
    way = RelupPath("4.4.0", restarts_emulator=True)

    verdict = judge(replace(UP, driver=driver, relups={"4.4.16": replace(BOTH_WAYS, up=(way,))}))

    assert (refused(verdict), warned(verdict)) == ([], [Rule.RELUP])
    assert "disconnected" in verdict.warnings[0].fact


@pytest.mark.parametrize(
    ("situation", "ways"),
    [
        (replace(UP, relups={"4.4.16": replace(BOTH_WAYS, up=(RelupPath("4.4.8"),))}), "4.4.8"),
        (replace(DOWN, relups={"4.4.16": replace(BOTH_WAYS, down=(RelupPath("4.4.9"),))}), "4.4.9"),
    ],
)
def test_a_missing_way_names_the_ways_there_are(situation: Situation, ways: str) -> None:
    (reason,) = judge(situation).reasons

    assert reason.hint == f"it knows {ways}: go through one of these"
    assert "no_matching_relup" in reason.fact


def test_without_a_relup_file_the_reason_is_that_of_otp() -> None:
    """otp.md 3.1."""
    (reason,) = judge(replace(UP, relups={})).reasons

    assert 'enoent,"releases/4.4.16/relup"' in reason.fact
    assert "another version" in reason.hint


def test_a_package_that_is_not_there_is_not_judged_by_its_way() -> None:
    gone = replace(UP, package=None, relups={}, package_reasons=(Reason(Rule.PACKAGE, "none", "looked", "copy"),))

    assert refused(judge(gone)) == [Rule.PACKAGE]


def test_uninstalling_the_last_way_back_is_done_with_a_warning() -> None:
    """PRODUCT section 3, rule 7."""
    last = replace(UNINSTALL, tables=tables_of("4.4.16 permanent", "4.4.0 old"))

    assert (refused(judge(last)), warned(judge(last))) == ([], [Rule.STATUS])


@pytest.mark.parametrize("shared", [{"4.4.0": "12.1.5", "4.4.1": "12.1.5"}, {"4.4.1": "12.1.5"}, {"4.4.0": "11.1.8"}])
def test_an_emulator_that_another_release_names_may_lose_one(shared: Mapping[str, str]) -> None:
    assert judge(replace(UNINSTALL, running_erts="12.1.5", erts_of=shared)) == Verdict((), ())


def test_an_unpacked_release_that_can_be_unpacked_again_is_not_refused() -> None:
    """PRODUCT section 3: repairs that are part of the verb."""
    mended = replace(KNOWN, missing=("releases/4.4.16/start.boot", "bin/emqx-4.4.16"))

    assert [refused(judge(replace(mended, verb=verb))) for verb in (Verb.UNPACK, Verb.UPGRADE)] == [[], []]


def test_what_is_lost_for_good_is_refused_with_the_way_out() -> None:
    """PRODUCT section 3: with the missing paths and `uninstall V`, then `unpack V`."""
    (lost,) = judge(replace(KNOWN, verb=Verb.UNPACK, missing=("lib/emqx-4.4.16", "erts-12.3.2.2"))).reasons
    (running,) = judge(
        replace(KNOWN, tables=tables_of("4.4.16 current", "4.4.0 permanent"), missing=("lib/emqx-4.4.16",))
    ).reasons

    assert lost.fact == "missing: lib/emqx-4.4.16, erts-12.3.2.2"
    assert lost.hint == "`release-ledger uninstall 4.4.16`, then `release-ledger unpack 4.4.16`"
    assert "put these back" in running.hint
    assert "`release-ledger restart`, which boots 4.4.0" in running.hint


@pytest.mark.parametrize(
    ("missing", "lost"),
    [((), False), (("releases/4.4.1/start.boot", "bin/emqx-4.4.1"), False), (("lib/x-1",), True), (("erts-1",), True)],
)
def test_libraries_and_emulators_are_lost_for_good(missing: tuple[str, ...], *, lost: bool) -> None:
    assert lost_for_good(missing) is lost


def test_a_damaged_permanent_release_is_put_back_and_no_restart_is_offered() -> None:
    """A restart is a way out of a trial only."""
    (damaged,) = judge(
        replace(KNOWN, tables=tables_of("4.4.16 permanent", "4.4.0 old"), missing=("lib/emqx-4.4.16",))
    ).reasons

    assert damaged.hint == "put these back from the package of this version"
