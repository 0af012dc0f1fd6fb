"""Random runs of commands on an embedded node, beside a model that knows only the pages.

The model is written from otp.md sections 1 to 2.3 and shares no code with what is tested: two
dictionaries in the order of the lists, and the version that boots. After every command memory,
disk, boot pointers and the record agree with it; the record folded afresh is the driver's table.
"""

from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demo.emqx_installation import start_once
from ledger.application.operations import RulesBrokenError
from ledger.domain.events import AnyReleaseEvent
from ledger.domain.records import Verb
from ledger.domain.releases import NodeReleases, evolve
from tests.fakes.desk import Desk

VSNS = ("4.4.0", "4.4.1", "4.4.2", "4.4.3")
INSTALLS = (Verb.INSTALL, Verb.UPGRADE, Verb.DOWNGRADE)
COMMANDS = (*INSTALLS, Verb.UNPACK, Verb.PERMANENT, Verb.UNINSTALL, Verb.RESTART, None)


class Model:
    """A node of 4.4.0 as the pages describe it; a command that they forbid answers False."""

    def __init__(self) -> None:
        self.memory = {"4.4.0": "permanent"}
        self.disk = dict(self.memory)
        self.boots = "4.4.0"

    @property
    def running(self) -> str:
        """2: the current release if there is one, else the permanent one."""
        named = {status: vsn for vsn, status in self.memory.items()}
        return named.get("current", named["permanent"])

    def write(self) -> None:
        """2.2: D := M with current written as unpacked."""
        self.disk = {vsn: "unpacked" if status == "current" else status for vsn, status in self.memory.items()}

    def become(self, vsn: str, status: str) -> None:
        """2.1: whoever had this status alone becomes old."""
        for other, had in self.memory.items():
            if had == status:
                self.memory[other] = "old"
        self.memory[vsn] = status

    def do(self, verb: Verb | None, vsn: str, *, permanent: bool) -> bool:
        """Play one command; None is a restart that nobody ordered."""
        if verb in {Verb.RESTART, None}:
            self.memory = dict(self.disk)
            return True
        if verb is Verb.UNINSTALL:
            return self.uninstall(vsn)
        if verb is Verb.PERMANENT:
            return self.keep(vsn)
        if (verb is Verb.UPGRADE and vsn < self.running) or (verb is Verb.DOWNGRADE and vsn > self.running):
            return False
        if vsn not in self.memory:
            self.memory = {vsn: "unpacked", **self.memory}
            self.write()
        if verb is not Verb.UNPACK:
            self.switch(vsn, permanent=permanent)
        return True

    def switch(self, vsn: str, *, permanent: bool) -> None:
        """2.3: install, then make permanent; what runs is not installed again."""
        if vsn != self.running:
            if self.memory[vsn] == "permanent":
                self.memory[self.running] = "old"
            else:
                self.become(vsn, "current")
            if permanent:
                self.keep(vsn)
        elif permanent and self.memory[vsn] == "current":
            self.keep(vsn)

    def keep(self, vsn: str) -> bool:
        """2.1: make permanent; 2.2: what is permanent already writes nothing."""
        if self.memory.get(vsn) not in {"current", "permanent"}:
            return False
        if self.memory[vsn] == "current":
            self.become(vsn, "permanent")
            self.boots = vsn
            self.write()
        return True

    def uninstall(self, vsn: str) -> bool:
        """2.3: refused for current and permanent, already so for the unknown."""
        if self.memory.get(vsn) in {"current", "permanent"}:
            return False
        if vsn in self.memory:
            del self.memory[vsn]
            self.write()
        return True


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of the packages."""
    return tmp_path_factory.mktemp("packages")


commands = st.tuples(st.sampled_from(COMMANDS), st.sampled_from(VSNS), st.booleans())


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(runs=st.lists(commands, min_size=15, max_size=30))
def test_every_run_of_commands_agrees_with_the_model(packages: Path, runs: list[tuple[Verb | None, str, bool]]) -> None:
    with TemporaryDirectory() as folder:
        desk, model = Desk(packages, Path(folder) / "emqx"), Model()
        desk.offer(*VSNS)

        for number, (verb, vsn, permanent) in enumerate(runs):
            done = _play(desk, number, verb, vsn, permanent=permanent)

            assert done == model.do(verb, vsn, permanent=permanent)
            _agree(desk, model, verb)


def _play(desk: Desk, number: int, verb: Verb | None, vsn: str, *, permanent: bool) -> bool:
    """Do one command as its own process would; tell whether it was done."""
    desk.handler = desk.fresh_handler()
    if verb is None:
        start_once(desk.root, at=f"2024.01.01.00.00.{number:02}")
        return True
    try:
        desk.change(verb, None if verb is Verb.RESTART else vsn, permanent=permanent or verb not in INSTALLS)
    except RulesBrokenError:
        return False
    return True


def _agree(desk: Desk, model: Model, verb: Verb | None) -> None:
    seen = desk.fresh_handler().observe()

    assert list(seen.tables.memory) == list(model.memory.items())
    assert seen.tables.disk is not None
    assert list(seen.tables.disk) == list(model.disk.items())
    assert (seen.tables.start_erl, seen.tables.rel_vsn) == (model.boots, model.boots)
    assert (seen.code, seen.problems) == (model.running, ())
    if verb is not None:  # a restart is recorded by the change that notices it
        node = _replayed(desk.record.events)
        assert (node.tables, node.run, node.booted, node.open_attempt) == (seen.tables, seen.run, seen.booted, None)


def _replayed(events: tuple[AnyReleaseEvent, ...]) -> NodeReleases:
    first, *later = events
    return reduce(evolve, later, evolve(None, first))
