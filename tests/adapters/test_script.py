"""EMQX's script without a node: what it says, and the faults that are seen in files."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ledger.adapters.erl_call import ExpressionError
from ledger.adapters.installation import Installation
from ledger.adapters.script_faults import changed_settings, fault_of_script, fault_of_settings, script_vsn
from ledger.adapters.script_run import Said, without_secrets

if TYPE_CHECKING:
    from ledger.adapters.erlang_terms import Term


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            'ERROR: release_handler:check_install_release failed: {no_matching_relup,"4.4.17",\n  "4.4.1"}.',
            '{no_matching_relup,"4.4.17","4.4.1"}',
        ),
        (
            "Unpack failed: release_package_not_found.\nInstalled versions:\n* 4.4.0\tpermanent",
            "release_package_not_found",
        ),
        ("ERROR: release_handler:remove_release failed: eacces\n", "eacces"),
        ("bad_eocd", "bin/emqx unpack 4.4.1 ended with 127: bad_eocd"),
        ("", "bin/emqx unpack 4.4.1 ended with 127: "),
    ],
)
def test_the_reason_is_otp_s_own_where_the_script_printed_one(words: str, reason: str) -> None:
    """otp.md 3 and 3.1: terms are wrapped over lines, and the dot is the script's."""
    assert Said("bin/emqx unpack 4.4.1", 127, words).reason == reason


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ('versions crashed: ["emqx@h","c00kie"]', 'versions crashed: ["emqx@h","***"]'),
        (
            'failed: {\'EXIT\',{badarg,[{emqx,f,[#{p => <<"pass\\"word">>},[246,\n 9731]],[{line,7}]}]}}',
            'failed: {\'EXIT\',{badarg,[{emqx,f,[#{p => <<"...">>},"..."],[{line,7}]}]}}',
        ),
        ('failed: {enoent,"/emqx/relup"}', 'failed: {enoent,"/emqx/relup"}'),
    ],
)
def test_no_secret_is_left_in_the_words(said: str, kept: str) -> None:
    """PRODUCT section 6: cookie, passwords and contents of settings never reach the record."""
    assert without_secrets(said, ("c00kie",)) == kept


@pytest.mark.parametrize(
    ("vsn", "damages"),
    [
        ("4.3.12", False),
        ("4.3.13", True),
        ("4.3.22", True),
        ("4.4.1", False),
        ("4.4.2", True),
        ("4.4.14", True),
        ("4.4.15", False),
        ("4.4.19", False),
        ("house-1", False),
    ],
)
def test_scripts_that_damage_releases_are_known_by_their_version(tmp_path: Path, vsn: str, *, damages: bool) -> None:
    """otp.md section 8."""
    files = _files(tmp_path, in_place=vsn, boots="4.4.0")

    assert script_vsn(files) == vsn
    assert (fault_of_script(files) is not None) is damages


def test_a_script_that_no_release_brought_counts_as_that_of_the_release_that_boots(tmp_path: Path) -> None:
    files = _files(tmp_path, in_place="4.4.1", boots="4.4.14")
    (tmp_path / "bin/install_upgrade.escript").write_text("by hand", encoding="utf-8")

    assert script_vsn(files) == "4.4.14"


def test_many_settings_are_named_by_the_first() -> None:
    fault = fault_of_settings([f"emqx/s{number}".encode() for number in range(7)])

    assert fault is not None
    assert fault.fact.endswith("emqx/s0, emqx/s1, emqx/s2, emqx/s3, emqx/s4 and 2 more")
    assert fault_of_settings([]) is None


def test_settings_are_compared_by_name() -> None:
    before: Term = [(b"a/x", 1), (b"a/y", 2), (b"a/z", 3)]
    after: Term = [(b"a/x", 1), (b"a/y", 5), (b"b/n", 1)]

    assert changed_settings(before, after) == ("a/y changed", "a/z removed", "b/n added")


def test_an_answer_that_is_none_of_ours_is_an_error() -> None:
    with pytest.raises(ExpressionError):
        fault_of_settings([1])
    with pytest.raises(ExpressionError):
        changed_settings([b"a/x"], [])


def _files(root: Path, *, in_place: str, boots: str) -> Installation:
    (root / "bin").mkdir()
    (root / "releases").mkdir()
    for vsn in (boots, in_place):
        (root / f"bin/install_upgrade.escript-{vsn}").write_text(f"script of {vsn}", encoding="utf-8")
    (root / "bin/install_upgrade.escript").write_text(f"script of {in_place}", encoding="utf-8")
    (root / "releases/emqx_vars").write_text(f'REL_VSN="{boots}"\n', encoding="utf-8")
    return Installation(root)
