"""What a node's reply to a look says, and what no node says."""

from dataclasses import replace

import pytest

from ledger.adapters.boot_files import read_boot_files
from ledger.adapters.erl_call import ExpressionError
from ledger.adapters.erlang_terms import Atom, ErlangMap, Term
from ledger.adapters.node_install import answer_of
from ledger.adapters.node_recipes import quoted
from ledger.adapters.node_view import entries_of, view_of
from ledger.domain.status import ReleaseStatus
from tests.contracts.release_handler import Bench

_SAID: dict[str, Term] = {
    "releases": [(b"4.4.0", Atom("permanent"), [b"kernel-8.5.3", b"emqx-4.4.0"])],
    "status": Atom("started"),
    "booted": b"4.4.0",
    "code": b"4.4.0",
    "os_pid": 17,
    "erts": b"12.1.5",
    "otp": b"24",
    "cpu": b"x86_64-pc-linux-gnu",
    "root": b"/opt/emqx",
    "node": b"emqx@127.0.0.1",
    "started_us": 1_700_000_000_000_000,
    "generation": b"<0.44.0>",
    "heart": Atom("false"),
}


def test_a_look_says_table_run_and_version() -> None:
    view = view_of(_reply())

    assert view.table == (("4.4.0", ReleaseStatus.PERMANENT),)
    assert (view.activity, view.is_up, view.runs("4.4.0"), view.runs("4.4.1")) == ("idle", True, True, False)
    assert (view.os_pid, view.generation, view.heart) == (17, "<0.44.0>", False)


@pytest.mark.parametrize(
    ("changed", "activity", "is_up"),
    [
        ({"releases": Atom("busy")}, "busy", True),
        ({"releases": Atom("none")}, "none", False),
        ({"releases": Atom("none"), "status": Atom("stopping")}, "none", False),
        ({"status": Atom("starting")}, "idle", False),
    ],
)
def test_a_node_at_work_or_in_a_restart_is_told_apart(changed: dict[str, Term], activity: str, *, is_up: bool) -> None:
    """native-driver.md section 3."""
    view = view_of(_reply(**changed))

    assert (view.activity, view.is_up) == (activity, is_up)


@pytest.mark.parametrize("name", sorted(_SAID))
def test_a_reply_that_lacks_or_twists_a_member_is_none(name: str) -> None:
    without = ErlangMap(tuple((Atom(key), value) for key, value in _SAID.items() if key != name))
    for term in (without, _reply(**{name: 1.5}), [], Atom("ok")):
        with pytest.raises(ExpressionError):
            view_of(term)


def test_entries_take_emulator_and_folders_from_disk(bench: Bench) -> None:
    on_disk = read_boot_files(bench.files).entries
    assert on_disk is not None
    names: list[Term] = [f"{lib.app}-{lib.vsn}".encode() for lib in on_disk[0].libs]

    known = entries_of(view_of(_reply(releases=[(b"4.4.0", Atom("permanent"), names)])), bench.files)
    bare = entries_of(view_of(_reply(releases=[(b"4.4.0", Atom("permanent"), [])])), bench.files)
    new = entries_of(view_of(_reply(releases=[(b"4.4.9", Atom("old"), [b"x-1.0-rc"])])), bench.files)

    assert known == on_disk
    assert bare == (replace(on_disk[0], libs=()),)
    assert [(lib.app, lib.vsn, lib.dir) for lib in new[0].libs] == [("x", "1.0-rc", "lib/x-1.0-rc")]


def test_a_table_that_is_lost_on_disk_is_read_from_its_copy(bench: Bench) -> None:
    before = read_boot_files(bench.files).entries
    bench.files.save_copies()
    bench.files.releases_file.unlink()
    assert before is not None
    names: list[Term] = [f"{lib.app}-{lib.vsn}".encode() for lib in before[0].libs]

    known = entries_of(view_of(_reply(releases=[(b"4.4.0", Atom("permanent"), names)])), bench.files)

    assert known == before
    assert read_boot_files(bench.files).problems != ()


def test_answers_of_an_install_are_told_apart() -> None:
    done = answer_of((Atom("installed"), [(b"emqx/limit", Atom("changed"))]))
    refused = answer_of((Atom("check_failed"), b"{no_such_release,x}"))

    assert (done.done, done.settings) == (True, ("emqx/limit changed",))
    assert (refused.done, refused.reason, refused.cut) == (False, "{no_such_release,x}", False)
    wrong: tuple[Term, ...] = (Atom("ok"), (Atom("installed"), [1]), (Atom("other"), b"x"))
    for term in wrong:
        with pytest.raises(ExpressionError):
            answer_of(term)


@pytest.mark.parametrize(
    ("text", "erlang"), [("4.4.1", '"4.4.1"'), ('a"b', "[97,34,98]"), ("\\", "[92]"), ("ü\n", "[252,10]"), ("", '""')]
)
def test_a_text_cannot_end_the_string_that_it_stands_in(text: str, erlang: str) -> None:
    """native-driver.md 2.1: quote what goes in."""
    assert quoted(text) == erlang


def _reply(**changed: Term) -> Term:
    return ErlangMap(tuple((Atom(key), value) for key, value in (_SAID | changed).items()))
