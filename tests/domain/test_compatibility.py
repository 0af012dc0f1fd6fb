"""The rules of a hot upgrade (PRODUCT section 3): every rule, all reasons at once, overrides and verbs."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from ledger.domain.compatibility import OVERRIDABLE, judge, rules_of, words_on_stdout
from ledger.domain.reason import Reason, Rule
from ledger.domain.records import InstallationFacts, Verb
from ledger.domain.relup import RelupPath
from ledger.domain.situation import Situation, Verdict
from ledger.domain.version import Vsn
from tests.domain.nodes import FACTS, tables_of
from tests.domain.situations import BOTH_WAYS, DOWN, INSTALLS, KNOWN, PACKAGE, UNINSTALL, UP, named, refused, warned


@pytest.mark.parametrize(
    "sound",
    [
        UP,
        KNOWN,
        DOWN,
        UNINSTALL,
        replace(UP, verb=Verb.UNPACK),
        replace(UP, verb=Verb.INSTALL),
        replace(DOWN, verb=Verb.INSTALL),
        replace(DOWN, verb=Verb.RESTART),
        replace(DOWN, verb=Verb.PERMANENT, tables=tables_of("4.4.16 permanent", "4.4.0 current")),
        replace(UP, target=Vsn.parse("4.4.0"), packed=False, package=None),
    ],
)
def test_what_breaks_no_rule_is_allowed_without_a_word(sound: Situation) -> None:
    assert judge(sound) == Verdict((), ())


_BROKEN: Mapping[str, tuple[Situation, Rule]] = {
    "another minor": (replace(UP, target=Vsn.parse("4.5.0"), relups={"4.5.0": BOTH_WAYS}), Rule.MINOR),
    "the other edition": (
        replace(UP, package=named("emqx-ee-4.4.16-otp24.3.4.2-1-ubuntu20.04-amd64.zip")),
        Rule.EDITION,
    ),
    "another OTP major": (replace(UP, package=named("emqx-4.4.16-otp25.2.3-ubuntu20.04-amd64.zip")), Rule.OTP_MAJOR),
    "another version of the system": (replace(UP, package=named("emqx-4.4.16-otp24.1-ubuntu22.04-amd64.zip")), Rule.OS),
    "another architecture": (replace(UP, package=named("emqx-4.4.16-otp24.1-ubuntu20.04-arm64.zip")), Rule.ARCH),
    "a broken package": (
        replace(UP, package=replace(PACKAGE, problems=(Reason(Rule.PACKAGE, "a link", "bin/x", "fetch"),))),
        Rule.PACKAGE,
    ),
    "no package": (
        replace(UP, package=None, package_reasons=(Reason(Rule.PACKAGE, "there is none", "looked", "copy"),)),
        Rule.PACKAGE,
    ),
    "no relup file": (replace(UP, relups={}), Rule.RELUP),
    "no way up": (replace(UP, relups={"4.4.16": replace(BOTH_WAYS, up=())}), Rule.RELUP),
    "no way down": (replace(DOWN, relups={"4.4.16": replace(BOTH_WAYS, down=())}), Rule.RELUP),
    "an unreadable relup": (replace(UP, relup_faults={"4.4.16": "{bad_relup_file,…}"}), Rule.RELUP),
    "an emulator restart in a rehearsal": (
        replace(UP, relups={"4.4.16": replace(BOTH_WAYS, up=(RelupPath("4.4.0", restarts_emulator=True),))}),
        Rule.RELUP,
    ),
    "a foreign file": (replace(UP, foreign=("lib/x",)), Rule.OWNER),
    "a full disk": (replace(UP, free_bytes=2999), Rule.SPACE),
    "an upgrade downwards": (replace(DOWN, verb=Verb.UPGRADE), Rule.DIRECTION),
    "a downgrade upwards": (replace(UP, verb=Verb.DOWNGRADE), Rule.DIRECTION),
    "permanent of the unpacked": (replace(KNOWN, verb=Verb.PERMANENT), Rule.STATUS),
    "permanent of the unknown": (replace(UP, verb=Verb.PERMANENT), Rule.STATUS),
    "uninstall of the permanent": (replace(UNINSTALL, target=Vsn.parse("4.4.16")), Rule.STATUS),
    "uninstall of the current": (
        replace(UNINSTALL, tables=tables_of("4.4.16 permanent", "4.4.0 current")),
        Rule.STATUS,
    ),
    "an old release that lost a part": (replace(DOWN, missing=("releases/4.4.0/start.boot",)), Rule.STATUS),
    "an unpacked release that lost a library": (replace(KNOWN, missing=("lib/emqx-4.4.16",)), Rule.STATUS),
    "a current release that lost its scripts": (
        replace(KNOWN, tables=tables_of("4.4.16 current", "4.4.0 permanent"), missing=("bin/emqx-4.4.16",)),
        Rule.STATUS,
    ),
    "uninstall of the running emulator": (replace(UNINSTALL, running_erts="12.1.5"), Rule.RUNNING_ERTS),
    "pointers that disagree": (replace(UP, tables=tables_of("4.4.0 permanent", boots="4.4.1")), Rule.BOOT_FILES),
    "a boot file that cannot be read": (replace(UP, boot_problems=("RELEASES is malformed",)), Rule.BOOT_FILES),
}


@pytest.mark.parametrize(("situation", "rule"), _BROKEN.values(), ids=_BROKEN)
def test_each_broken_rule_is_one_reason_in_three_parts(situation: Situation, rule: Rule) -> None:
    verdict = judge(situation)

    assert refused(verdict) == [rule]
    assert all((reason.message and reason.fact and reason.hint) for reason in (*verdict.reasons, *verdict.warnings))


@pytest.mark.parametrize(("running", "target"), [("4.1.0", "4.1.5"), ("5.0.0", "5.0.1")])
def test_hot_upgrade_exists_from_4_2_up_to_4_x(running: str, target: str) -> None:
    """PRODUCT section 3, rule 1: both versions are looked at."""
    outside = replace(
        UP, target=Vsn.parse(target), tables=tables_of(f"{running} permanent"), package=None, packed=False
    )

    assert refused(judge(outside))[:2] == [Rule.VERSION, Rule.VERSION]


def test_a_running_version_that_cannot_be_ordered_is_refused() -> None:
    """PRODUCT section 3, rule 1: target and running version."""
    (reason,) = judge(replace(UP, tables=tables_of("4.4.0+b1 permanent"))).reasons

    assert reason.rule is Rule.VERSION
    assert "4.4.0+b1" in reason.fact


@pytest.mark.parametrize("system", ["windows", "macos11"])
def test_there_is_no_hot_upgrade_for_windows_and_macos(system: str) -> None:
    """PRODUCT section 3, rule 1."""
    by_package = replace(
        UP,
        package=named(f"emqx-4.4.16-otp24.1-{system}-amd64.zip"),
        facts=replace(FACTS, os=system),
    )
    by_facts = replace(KNOWN, facts=replace(FACTS, os=system))

    assert refused(judge(by_package)) == refused(judge(by_facts)) == [Rule.VERSION]


@pytest.mark.parametrize("system", ["windows", "macos11"])
@pytest.mark.parametrize("verb", [Verb.UNPACK, *INSTALLS])
def test_a_windows_or_macos_package_is_let_through_by_no_override(verb: Verb, system: str) -> None:
    """PRODUCT section 3, rule 1: never; so no hint offers what would not help."""
    foreign = replace(UP, verb=verb, package=named(f"emqx-4.4.16-otp24.1-{system}-amd64.zip"))

    verdict = judge(foreign)

    assert [rule for rule in refused(verdict) if rule is not Rule.DIRECTION] == [Rule.VERSION, Rule.OS]
    assert not any("--allow os" in reason.hint for reason in verdict.reasons)
    assert Rule.VERSION in refused(judge(foreign, allowed=frozenset(Rule)))


def test_a_windows_or_macos_installation_takes_no_package_of_another_system() -> None:
    """PRODUCT section 3, rule 1: what runs there has no hot upgrade, whatever the package is for."""
    on_macos = replace(UP, facts=replace(FACTS, os="macos11"))

    assert refused(judge(on_macos, allowed=frozenset({Rule.OS}))) == [Rule.VERSION]


def test_all_reasons_are_given_at_once_in_the_order_of_the_rules() -> None:
    """PRODUCT section 3."""
    name = "emqx-ee-5.0.0-otp25.1-el8-arm64.zip"
    problem = Reason(Rule.PACKAGE, "a link", "bin/x", "fetch")
    worst = replace(
        UP,
        verb=Verb.DOWNGRADE,
        target=Vsn.parse("5.0.0"),
        package=replace(named(name), problems=(problem,)),
        relups={},
        foreign=("lib/x",),
        free_bytes=0,
        boot_problems=("RELEASES is missing",),
    )

    found = refused(judge(worst))

    assert found == [
        *(Rule.VERSION, Rule.MINOR, Rule.EDITION, Rule.OTP_MAJOR, Rule.OS, Rule.ARCH, Rule.PACKAGE, Rule.RELUP),
        *(Rule.OWNER, Rule.SPACE, Rule.DIRECTION, Rule.BOOT_FILES),
    ]
    assert found == sorted(found, key=list(Rule).index)
    assert judge(worst).boot_files


def test_the_rules_that_can_be_overridden_are_those_of_the_page() -> None:
    """PRODUCT section 3: `--allow minor|edition|otp-major|os|arch|direction|running-erts|owner|space`."""
    page = "minor|edition|otp-major|os|arch|direction|running-erts|owner|space"

    assert frozenset(map(Rule, page.split("|"))) == OVERRIDABLE


@pytest.mark.parametrize(("situation", "rule"), _BROKEN.values(), ids=_BROKEN)
def test_an_override_turns_the_reasons_of_its_rule_into_warnings_and_of_no_other(
    situation: Situation, rule: Rule
) -> None:
    """PRODUCT section 3: rule 3, rule 8 and the state machine cannot be overridden."""
    verdict = judge(situation, allowed=frozenset({rule}))
    others = judge(situation, allowed=frozenset(Rule) - {rule})

    assert (rule in refused(verdict)) is (rule not in OVERRIDABLE)
    assert (rule in warned(verdict)) is (rule in OVERRIDABLE)
    assert refused(others) == [rule]


_BINDING = {
    Verb.UNPACK: set(Rule) - {Rule.DIRECTION, Rule.RUNNING_ERTS, Rule.PLAN},
    **dict.fromkeys(INSTALLS, set(Rule) - {Rule.RUNNING_ERTS, Rule.PLAN}),
    Verb.PERMANENT: {Rule.OWNER, Rule.STATUS, Rule.BOOT_FILES},
    Verb.UNINSTALL: {Rule.OWNER, Rule.STATUS, Rule.RUNNING_ERTS, Rule.BOOT_FILES},
    Verb.RESTART: {Rule.BOOT_FILES},
}


@pytest.mark.parametrize("verb", Verb)
def test_a_verb_is_bound_by_its_rules_alone(verb: Verb) -> None:
    """RULINGS 20; the state machine binds every verb of a release."""
    found: set[Rule] = set()
    for situation, _ in _BROKEN.values():
        verdict = judge(replace(situation, verb=verb))
        found |= set(refused(verdict)) | set(warned(verdict))

    assert set(rules_of(verb)) == _BINDING[verb]
    assert found <= _BINDING[verb]
    assert found | {Rule.VERSION, Rule.DIRECTION} >= _BINDING[verb]


@pytest.mark.parametrize("situation", [KNOWN, DOWN, UP])
def test_install_goes_either_way(situation: Situation) -> None:
    """PRODUCT section 3, rule 6; equal passes (RULINGS 20)."""
    equal = replace(UP, target=Vsn.parse("4.4.0"), packed=False, package=None)

    assert refused(judge(replace(situation, verb=Verb.INSTALL))) == []
    assert [refused(judge(replace(equal, verb=verb))) for verb in INSTALLS] == [[], [], []]


@pytest.mark.parametrize(
    ("unknown", "rule"),
    [("edition", Rule.EDITION), ("os", Rule.OS), ("arch", Rule.ARCH)],
)
def test_an_unknown_fact_warns_and_names_the_option_that_states_it(unknown: str, rule: Rule) -> None:
    """PRODUCT section 2: not checked, a warning on the event, never a refusal."""
    verdict = judge(replace(UP, facts=replace(FACTS, **{unknown: None})))

    assert (refused(verdict), warned(verdict)) == ([], [rule])
    assert f"--{unknown}" in verdict.warnings[0].hint


def test_the_otp_major_is_known_by_label_or_emulator_and_warns_without_both() -> None:
    """RULINGS 18: OTP major = ERTS major + 12."""
    by_erts = replace(UP, facts=replace(FACTS, otp=None))
    wrong_erts = replace(UP, facts=replace(FACTS, otp=None, erts="13.1.5"))
    unknown = replace(UP, facts=InstallationFacts(edition="emqx", os="ubuntu20.04", arch="amd64"))

    assert judge(by_erts) == Verdict((), ())
    assert refused(judge(wrong_erts)) == [Rule.OTP_MAJOR]
    assert (refused(judge(unknown)), warned(judge(unknown))) == ([], [Rule.OTP_MAJOR])
    assert "--otp" in judge(unknown).warnings[0].hint


def test_a_package_whose_name_says_nothing_is_not_compared() -> None:
    """A repacked tarball has no label (PRODUCT section 5)."""
    assert judge(replace(UP, package=replace(PACKAGE, parsed=None))) == Verdict((), ())


def test_warnings_of_a_package_are_kept() -> None:
    warning = Reason(Rule.PACKAGE, "an odd mode", "bin/x", "look")

    assert judge(replace(UP, package=replace(PACKAGE, warnings=(warning,)))) == Verdict((), (warning,))


def test_a_table_without_a_running_release_breaks_rule_8_alone() -> None:
    idle = replace(UP, tables=tables_of("4.4.16 unpacked"))

    assert refused(judge(idle)) == [Rule.BOOT_FILES]
    assert "none in memory, none in RELEASES, none in start_erl.data, none in emqx_vars" in judge(idle).reasons[0].fact


def test_a_lost_table_on_disk_breaks_rule_8() -> None:
    """RULINGS 35."""
    lost = replace(UP, tables=replace(UP.tables, disk=None))

    assert "none in RELEASES" in judge(lost).reasons[0].fact


def test_many_foreign_paths_are_cut_after_five() -> None:
    many = tuple(f"lib/{number}" for number in range(7))

    (cut,) = judge(replace(UP, foreign=many)).reasons
    (whole,) = judge(replace(UP, foreign=many[:5])).reasons

    assert cut.fact.endswith("lib/4 and 2 more")
    assert whole.fact.endswith("lib/3, lib/4")


def test_space_is_not_asked_for_where_it_is_not_known() -> None:
    assert judge(replace(UP, free_bytes=None)) == Verdict((), ())


@pytest.mark.parametrize(
    ("situation", "words"),
    [
        (
            _BROKEN["another minor"][0],
            ("Cannot upgrade/downgrade to 4.5.0 from 4.4.0", "We only support relup between patch versions"),
        ),
        (_BROKEN["uninstall of the permanent"][0], ("Uninstall failed: Release 4.4.16 is permanent.",)),
        (_BROKEN["uninstall of the current"][0], ("Uninstall failed: Release 4.4.0 is marked current.",)),
        (_BROKEN["a full disk"][0], ()),
    ],
)
def test_a_refusal_prints_the_words_of_its_row(situation: Situation, words: tuple[str, ...]) -> None:
    """PRODUCT section 5."""
    assert words_on_stdout(judge(situation).reasons) == words


def test_of_several_reasons_with_words_the_first_by_rule_number_speaks() -> None:
    """RULINGS 34."""
    lost = Reason(Rule.PACKAGE, "none", "looked", "copy", words=("Unpack failed: release_package_not_found",))
    both = replace(_BROKEN["another minor"][0], package=None, package_reasons=(lost,))

    assert words_on_stdout(judge(both).reasons)[0] == "Cannot upgrade/downgrade to 4.5.0 from 4.4.0"


def test_rule_8_is_told_apart_because_it_exits_5() -> None:
    assert judge(_BROKEN["pointers that disagree"][0]).boot_files
    assert not judge(_BROKEN["a full disk"][0]).boot_files
