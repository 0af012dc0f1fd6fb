"""Tables and their transitions, against a model written from otp.md section 2 alone."""

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.status import ReleaseStatus
from ledger.domain.tables import Table, Tables, as_written, table_from
from tests.domain.strategies import memories, tables

PERMANENT = "4.4.0"


def _tables(*memory: str, disk: tuple[str, ...] | None = None, boots: str = PERMANENT) -> Tables:
    written = memory if disk is None else disk
    return Tables(memory=_table(*memory), disk=_table(*written), start_erl=boots, rel_vsn=boots)


def _table(*rows: str) -> Table:
    return table_from([row.split() for row in rows])


def _played(*calls: str) -> Tables:
    """Return the tables of a fresh 4.4.0 after *calls*, such as ``unpacked 4.4.1``."""
    played = _tables("4.4.0 permanent")
    for call in calls:
        name, *vsn = call.split()
        played = getattr(played, name)(*vsn)
    return played


class Model:
    """What otp.md section 2 says, as a dictionary in the order of the list and what lies on disk."""

    def __init__(self, memory: Mapping[str, str]) -> None:
        self.memory = dict(memory)
        self.boots = next(vsn for vsn, status in memory.items() if status == "permanent")
        self.write()

    def write(self) -> None:
        """2.2: D := M with every ``current`` written as ``unpacked``."""
        self.disk = {vsn: "unpacked" if status == "current" else status for vsn, status in self.memory.items()}

    def unpacked(self, vsn: str) -> None:
        """2.1: first in the list, nothing else changes."""
        if vsn not in self.memory:
            self.memory = {vsn: "unpacked", **self.memory}
            self.write()

    def installed(self, vsn: str) -> None:
        """2.1: a former ``current`` becomes ``old``, ``permanent`` stays; nothing is written (2.2)."""
        for other, status in self.memory.items():
            if status == "current" and other != vsn:
                self.memory[other] = "old"
        if self.memory[vsn] != "permanent":
            self.memory[vsn] = "current"

    def made_permanent(self, vsn: str) -> None:
        """2.1: a former ``permanent`` becomes ``old``; what is permanent already writes nothing (2.2)."""
        self.boots = vsn
        if self.memory[vsn] != "permanent":
            for other, status in self.memory.items():
                if status == "permanent":
                    self.memory[other] = "old"
            self.memory[vsn] = "permanent"
            self.write()

    def removed(self, vsn: str) -> None:
        del self.memory[vsn]
        self.write()

    def restarted(self) -> None:
        """2.1: M := D."""
        self.memory = dict(self.disk)

    def agrees_with(self, found: Tables) -> bool:
        return (
            dict(found.memory) == self.memory
            and tuple(vsn for vsn, _ in found.memory) == tuple(self.memory)
            and found.disk is not None
            and list(found.disk) == list(self.disk.items())
            and found.start_erl == found.rel_vsn == self.boots
        )


_CALLS: Mapping[str, Callable[[str | None], bool]] = {
    "unpacked": lambda status: status is None,
    "installed": lambda status: status in {"unpacked", "old", "permanent"},
    "made_permanent": lambda status: status in {"current", "permanent"},
    "removed": lambda status: status in {"unpacked", "old"},
    "restarted": lambda _: True,
}


@given(st.lists(st.tuples(st.sampled_from(sorted(_CALLS)), st.integers(0, 4)), max_size=30))
def test_transitions_agree_with_the_model_of_the_pages(calls: list[tuple[str, int]]) -> None:
    """otp.md 2.1 and 2.2, at every step of random runs."""
    model, played = Model({"4.4.0": "permanent"}), _tables("4.4.0 permanent")

    for call, number in calls:
        vsn = f"4.4.{number}"
        if not _CALLS[call](model.memory.get(vsn)):
            continue
        arguments = () if call == "restarted" else (vsn,)
        getattr(model, call)(*arguments)
        played = getattr(played, call)(*arguments)

        assert model.agrees_with(played), call


_ROWS_OF_2_2 = {
    "a trial upgrade": (
        ("unpacked 4.4.16", "installed 4.4.16"),
        ("4.4.16 current", "4.4.0 permanent"),
        ("4.4.16 unpacked", "4.4.0 permanent"),
        ("4.4.16 unpacked", "4.4.0 permanent"),
    ),
    "a trial, then downgrade": (
        ("unpacked 4.4.16", "installed 4.4.16", "installed 4.4.0", "made_permanent 4.4.0"),
        ("4.4.16 old", "4.4.0 permanent"),
        ("4.4.16 unpacked", "4.4.0 permanent"),
        ("4.4.16 unpacked", "4.4.0 permanent"),
    ),
    "two trials in a row": (
        ("unpacked 4.4.1", "installed 4.4.1", "unpacked 4.4.2", "installed 4.4.2"),
        ("4.4.2 current", "4.4.1 old", "4.4.0 permanent"),
        ("4.4.2 unpacked", "4.4.1 unpacked", "4.4.0 permanent"),
        ("4.4.2 unpacked", "4.4.1 unpacked", "4.4.0 permanent"),
    ),
    "a trial downgrade of a permanent upgrade": (
        ("unpacked 4.4.16", "installed 4.4.16", "made_permanent 4.4.16", "installed 4.4.0"),
        ("4.4.16 permanent", "4.4.0 current"),
        ("4.4.16 permanent", "4.4.0 old"),
        ("4.4.16 permanent", "4.4.0 old"),
    ),
    "the same, then any unpack": (
        ("unpacked 4.4.16", "installed 4.4.16", "made_permanent 4.4.16", "installed 4.4.0", "unpacked 4.4.1"),
        ("4.4.1 unpacked", "4.4.16 permanent", "4.4.0 current"),
        ("4.4.1 unpacked", "4.4.16 permanent", "4.4.0 unpacked"),
        ("4.4.1 unpacked", "4.4.16 permanent", "4.4.0 unpacked"),
    ),
    "a trial, then another upgrade for good": (
        ("unpacked 4.4.1", "installed 4.4.1", "unpacked 4.4.2", "installed 4.4.2", "made_permanent 4.4.2"),
        ("4.4.2 permanent", "4.4.1 old", "4.4.0 old"),
        ("4.4.2 permanent", "4.4.1 old", "4.4.0 old"),
        ("4.4.2 permanent", "4.4.1 old", "4.4.0 old"),
    ),
}


@pytest.mark.parametrize(("calls", "live", "disk", "after_restart"), _ROWS_OF_2_2.values(), ids=_ROWS_OF_2_2)
def test_each_row_of_what_a_restart_makes_holds(
    calls: tuple[str, ...], live: tuple[str, ...], disk: tuple[str, ...], after_restart: tuple[str, ...]
) -> None:
    """otp.md 2.2: live, on disk, after a restart."""
    played = _played(*calls)

    assert (played.memory, played.disk) == (_table(*live), _table(*disk))
    assert played.restarted().memory == _table(*after_restart)


@given(tables)
def test_tables_read_back_from_their_record(found: Tables) -> None:
    assert Tables.from_record(found.to_record()) == found


def test_what_is_unknown_is_a_missing_member_of_the_record() -> None:
    """evidence.md 1.1."""
    lost = Tables(memory=(("4.4.0", ReleaseStatus.PERMANENT),), disk=None, start_erl=None, rel_vsn=None)

    assert lost.to_record() == {"memory": [["4.4.0", "permanent"]]}


@given(memories())
def test_what_is_written_holds_no_current_and_keeps_the_order(memory: Table) -> None:
    written = as_written(memory)

    assert [vsn for vsn, _ in written] == [vsn for vsn, _ in memory]
    assert all(status is not ReleaseStatus.CURRENT for _, status in written)
    assert as_written(written) == written


@pytest.mark.parametrize(
    ("rows", "running"),
    [(("4.4.1 current", "4.4.0 permanent"), "4.4.1"), (("4.4.1 old", "4.4.0 permanent"), "4.4.0"), ((), None)],
)
def test_what_runs_is_the_current_release_else_the_permanent_one(rows: tuple[str, ...], running: str | None) -> None:
    """otp.md section 2."""
    assert _tables(*rows).running == running


def test_an_unknown_release_has_no_status() -> None:
    found = _tables("4.4.0 permanent")

    assert (found.status("4.4.0"), found.status("4.4.1")) == (ReleaseStatus.PERMANENT, None)


def test_a_boot_settles_a_tmp_current_and_writes_it_back() -> None:
    """otp.md 2.1: current if that release booted, else unpacked."""
    ordered = ("4.4.1 tmp_current", "4.4.0 permanent")

    came_up = _tables("4.4.0 permanent", disk=ordered, boots="4.4.1").restarted()
    fell_back = _tables("4.4.0 permanent", disk=ordered).restarted()

    assert came_up.memory == _table("4.4.1 current", "4.4.0 permanent")
    assert came_up.disk == fell_back.disk == fell_back.memory == _table("4.4.1 unpacked", "4.4.0 permanent")


def test_a_boot_without_releases_knows_what_booted_alone() -> None:
    """otp.md 2.1, last row."""
    lost = Tables(memory=_table("4.4.1 unpacked", "4.4.0 permanent"), disk=None, start_erl="4.4.0", rel_vsn="4.4.0")

    assert lost.restarted().memory == _table("4.4.0 permanent")


def test_a_boot_without_any_boot_file_keeps_what_was_known() -> None:
    lost = Tables(memory=_table("4.4.0 permanent"), disk=None, start_erl=None, rel_vsn=None)

    assert lost.restarted() == lost


@pytest.mark.parametrize(
    ("calls", "undone"),
    [
        ((), ()),
        (("unpacked 4.4.16", "installed 4.4.16"), ("4.4.16",)),
        (("unpacked 4.4.1", "installed 4.4.1", "unpacked 4.4.2", "installed 4.4.2"), ("4.4.2",)),
        (("unpacked 4.4.1", "installed 4.4.1", "made_permanent 4.4.1"), ()),
    ],
)
def test_a_restart_undoes_what_is_current(calls: tuple[str, ...], undone: tuple[str, ...]) -> None:
    """RULINGS 36: a superseded trial that turns from old to unpacked is not named."""
    assert _played(*calls).reverted_by_restart() == undone


@pytest.mark.parametrize(
    "broken",
    [
        Tables(memory=_table("4.4.0 permanent"), disk=None, start_erl="4.4.0", rel_vsn="4.4.0"),
        Tables(memory=_table("4.4.0 unpacked"), disk=_table("4.4.0 unpacked"), start_erl=None, rel_vsn=None),
        _tables("4.4.1 permanent", disk=("4.4.0 permanent",)),
        _tables("4.4.0 permanent", disk=("4.4.1 permanent",)),
        Tables(memory=_table("4.4.0 permanent"), disk=_table("4.4.0 permanent"), start_erl="4.4.1", rel_vsn="4.4.0"),
        Tables(memory=_table("4.4.0 permanent"), disk=_table("4.4.0 permanent"), start_erl="4.4.0", rel_vsn=None),
    ],
)
def test_boot_files_that_do_not_name_one_permanent_release_disagree(broken: Tables) -> None:
    """PRODUCT section 3, rule 8."""
    assert not broken.boot_files_agree()
    assert _played("unpacked 4.4.1", "installed 4.4.1").boot_files_agree()


def test_unpacking_what_is_known_changes_nothing() -> None:
    known = _played("unpacked 4.4.1")

    assert known.unpacked("4.4.1") == known
