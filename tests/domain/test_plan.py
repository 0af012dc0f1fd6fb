"""Plans and the user guide's words, row by row of PRODUCT section 5."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.plan import Plan, plan_change, tables_after_step
from ledger.domain.records import PlannedStep, StepKind, Verb
from ledger.domain.tables import Table, Tables
from tests.domain.nodes import tables_of
from tests.domain.strategies import memories, patch_vsns

INSTALLS = (Verb.INSTALL, Verb.UPGRADE, Verb.DOWNGRADE)
V = "4.4.16"
UNPACKING = (f"Release {V} not found, attempting to unpack releases/emqx-{V}.tar.gz", f'Unpacked successfully: "{V}"')
INSTALLED = f"Installed Release: {V}"
MADE = f'Made release permanent: "{V}"'
UNKNOWN = ("4.4.0 permanent",)
BY_STATUS = {
    "unpacked": (f"{V} unpacked", "4.4.0 permanent"),
    "old": (f"{V} old", "4.4.0 permanent"),
    "current": (f"{V} current", "4.4.0 permanent"),
    "tmp_current": (f"{V} tmp_current", "4.4.0 permanent"),
    "permanent": (f"{V} permanent", "4.4.0 old"),
    "permanent, other current": (f"{V} permanent", "4.4.0 current"),
}


def spoken(plan: Plan) -> tuple[str, ...]:
    """Return every line that a plan prints when all of it is done."""
    lines = list(plan.words)
    for step in plan.steps:
        lines += [*step.before, *step.after]
    return tuple(lines)


_UNPACK = {
    "old": f"Release {V} is marked old.",
    "unpacked": f"Release {V} is already unpacked.",
    "current": f"Release {V} is already installed and current.",
    "tmp_current": f"Release {V} is already installed and current.",
    "permanent": f"Release {V} is already installed and set permanent.",
    "permanent, other current": f"Release {V} is already installed and set permanent.",
}
_INSTALL = {
    "unpacked": (f"Release {V} is already unpacked, now installing.", INSTALLED, MADE),
    "old": (f"Release {V} is marked old, switching to it.", INSTALLED, MADE),
    "current": (f"Release {V} is already installed and current, making permanent.", MADE),
    "tmp_current": (f"Release {V} is already installed and current, making permanent.", MADE),
    "permanent": (f"Release {V} is already installed, running and set permanent.",),
    "permanent, other current": ("Release 4.4.0 is the currently running version.", INSTALLED, MADE),
}
_TRIAL = {
    "unpacked": (f"Release {V} is already unpacked, now installing.", INSTALLED),
    "old": (f"Release {V} is marked old, switching to it.", INSTALLED),
    "current": (f"Release {V} is already installed and current.",),
    "tmp_current": (f"Release {V} is already installed and current.",),
    "permanent": (f"Release {V} is already installed, running and set permanent.",),
    "permanent, other current": ("Release 4.4.0 is the currently running version.", INSTALLED),
}
_PERMANENT = {
    "unpacked": (),
    "old": (),
    "current": (MADE,),
    "permanent": (f"Release {V} is already installed and set permanent.",),
    "permanent, other current": (f"Release {V} is already installed and set permanent.",),
}
_UNINSTALL = {
    "old": (f"Release {V} is marked old, uninstalling it.", f"Uninstalled Release: {V}"),
    "unpacked": (f"Release {V} is marked unpacked, uninstalling it.", f"Uninstalled Release: {V}"),
    "current": (),
    "permanent": (),
}


def test_unpacking_a_new_release_speaks_two_lines() -> None:
    plan = plan_change(Verb.UNPACK, V, tables_of(*UNKNOWN))

    assert spoken(plan) == UNPACKING
    assert plan.unpacks


@pytest.mark.parametrize(("status", "words"), _UNPACK.items())
def test_unpacking_a_known_release_says_how_it_is(status: str, words: str) -> None:
    plan = plan_change(Verb.UNPACK, V, tables_of(*BY_STATUS[status]))

    assert (spoken(plan), plan.steps) == ((words,), ())


@pytest.mark.parametrize("verb", INSTALLS)
@pytest.mark.parametrize("permanent", [True, False])
def test_an_install_kind_unpacks_what_is_not_known(verb: Verb, *, permanent: bool) -> None:
    plan = plan_change(verb, V, tables_of(*UNKNOWN), permanent=permanent)

    assert spoken(plan) == (*UNPACKING, INSTALLED, *((MADE,) if permanent else ()))
    assert plan.verb is verb


@pytest.mark.parametrize("verb", INSTALLS)
@pytest.mark.parametrize(("status", "words"), _INSTALL.items())
def test_an_install_kind_speaks_the_row_of_its_status(verb: Verb, status: str, words: tuple[str, ...]) -> None:
    assert spoken(plan_change(verb, V, tables_of(*BY_STATUS[status]))) == words


@pytest.mark.parametrize("verb", INSTALLS)
@pytest.mark.parametrize(("status", "words"), _TRIAL.items())
def test_a_trial_speaks_the_row_of_its_status(verb: Verb, status: str, words: tuple[str, ...]) -> None:
    """PRODUCT section 5, with --no-permanent; RULINGS 25."""
    assert spoken(plan_change(verb, V, tables_of(*BY_STATUS[status]), permanent=False)) == words


@pytest.mark.parametrize(("status", "words"), _PERMANENT.items())
def test_permanent_speaks_the_row_of_its_status(status: str, words: tuple[str, ...]) -> None:
    assert spoken(plan_change(Verb.PERMANENT, V, tables_of(*BY_STATUS[status]))) == words


def test_permanent_of_the_unknown_has_no_steps() -> None:
    assert spoken(plan_change(Verb.PERMANENT, V, tables_of(*UNKNOWN))) == ()


@pytest.mark.parametrize(("status", "words"), _UNINSTALL.items())
def test_uninstall_speaks_the_row_of_its_status(status: str, words: tuple[str, ...]) -> None:
    assert spoken(plan_change(Verb.UNINSTALL, V, tables_of(*BY_STATUS[status]))) == words


def test_the_plan_of_an_uninstall_leads_to_a_table_without_the_release() -> None:
    tables = tables_of(*BY_STATUS["old"])

    assert plan_change(Verb.UNINSTALL, V, tables).tables_after(tables) == tables_of("4.4.0 permanent")


def test_uninstall_of_the_unknown_is_already_so() -> None:
    plan = plan_change(Verb.UNINSTALL, V, tables_of(*UNKNOWN))

    assert (spoken(plan), plan.steps) == ((f"Release {V} is already uninstalled.",), ())


def test_a_restart_names_each_trial_that_it_undoes() -> None:
    plan = plan_change(Verb.RESTART, "4.4.0", tables_of(f"{V} current", "4.4.0 permanent"))

    assert spoken(plan) == ("Restarted: 4.4.0", f"Undone by the restart: {V}")


def test_a_restart_without_a_trial_says_what_booted() -> None:
    assert spoken(plan_change(Verb.RESTART, "4.4.0", tables_of("4.4.0 permanent"))) == ("Restarted: 4.4.0",)


@pytest.mark.parametrize("verb", [Verb.UNPACK, *INSTALLS])
def test_an_unpacked_release_whose_parts_were_removed_is_unpacked_again(verb: Verb) -> None:
    """PRODUCT section 3: with the words of unpacking."""
    plan = plan_change(verb, V, tables_of(*BY_STATUS["unpacked"]), broken=True)

    assert spoken(plan)[:2] == UNPACKING
    assert plan.steps[0].kind is StepKind.UNPACK


@pytest.mark.parametrize("verb", [Verb.UNPACK, *INSTALLS])
def test_the_line_of_unpacking_names_the_tarball_that_is_used(verb: Verb) -> None:
    """PRODUCT section 5: where there is no zip, the line names the one used."""
    source = f"releases/{V}/emqx.tar.gz"

    plan = plan_change(verb, V, tables_of(*UNKNOWN), source=source)

    assert spoken(plan)[0] == f"Release {V} not found, attempting to unpack {source}"


def test_a_plan_is_recorded_by_its_steps_and_their_digest() -> None:
    """RULINGS 4; the digest of this canonical text was computed with sha256sum."""
    plan = plan_change(Verb.UPGRADE, V, tables_of(*UNKNOWN))

    kinds = ("unpack", "install", "make_permanent")
    assert plan.record == tuple(PlannedStep(step=kind, vsn=V) for kind in kinds)
    assert plan.sha256 == "c1870129f326316f66a3b790afcae7f67b2fbe1d1ee1ce8c24352cce62563c96"


@given(st.sampled_from(Verb), patch_vsns, memories(), st.booleans())
def test_a_plan_does_what_was_asked_for_or_has_no_steps(verb: Verb, vsn: str, memory: Table, permanent: bool) -> None:  # noqa: FBT001 # hypothesis passes by position
    tables = tables_of(*(f"{name} {status}" for name, status in memory))

    plan = plan_change(verb, vsn, tables, permanent=permanent)
    reached = plan.tables_after(tables)

    assert reached == _one_by_one(plan, tables)
    if verb in INSTALLS:
        assert reached.running == vsn
        assert reached.permanent == (vsn if permanent else tables.permanent)
    elif verb is Verb.UNINSTALL and plan.steps:
        assert reached.status(vsn) is None
    elif verb is Verb.UNPACK:
        assert reached.status(vsn) is not None
    elif verb is Verb.RESTART:
        assert reached == tables.restarted()


def _one_by_one(plan: Plan, tables: Tables) -> Tables:
    for step in plan.steps:
        tables = tables_after_step(tables, step.kind, step.vsn)
    return tables
