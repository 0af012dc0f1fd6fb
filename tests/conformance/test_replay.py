"""Every recorded run of EMQX's own commands, played through our command line.

Where a step differs on purpose, ``differs.yaml`` says what it shows instead and by which clause of
PRODUCT or RULINGS; a rule of ``words.py`` covers what differs everywhere. Nothing else may differ.
Scenarios that need a running Erlang VM are named in ``NEEDS_VM``, with the reason.
"""

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conformance import NEEDS_VM
from tests.conformance.erts_labels import relabelled
from tests.conformance.lab import Lab
from tests.conformance.replay import Shown, Skipped, play
from tests.conformance.transcripts import Step, scenarios
from tests.conformance.words import own_words

_DIFFERS = Path(__file__).with_name("differs.yaml")


@cache
def differs() -> Mapping[str, Any]:
    """Return, by scenario, the clause and the steps that differ on purpose."""
    with _DIFFERS.open("rb") as file:
        loaded: Mapping[str, Any] = yaml.load(file, Loader=yaml.CSafeLoader)
    return loaded


def recorded(step: Step) -> Shown:
    """Return what a step showed on the real node, with our words for the same."""
    command, expected = step.command, step.expected
    return Shown(
        exit_code=None if command is None else command.exit_code,
        stdout=None if command is None else own_words(command.stdout),
        memory=expected.state,
        disk=expected.disk_state,
        start_erl=relabelled(expected.start_erl_data),
        rel_vsn=expected.rel_vsns[-1] if expected.rel_vsns else "",
    )


def as_record(shown: Shown) -> dict[str, Any]:
    """Return what a step showed as ``differs.yaml`` holds it."""
    memory = None if shown.memory is None else [list(row) for row in shown.memory]
    disk = shown.disk if isinstance(shown.disk, str) else [list(row) for row in shown.disk]
    return vars(shown) | {"memory": memory, "disk": disk}


@pytest.mark.parametrize("name", [name for name in scenarios() if name not in NEEDS_VM])
def test_scenario_shows_what_the_real_node_showed(name: str, lab: Lab, tmp_path: Path) -> None:
    """Conformance transcripts; RULINGS 19 for the labels of the emulators."""
    scenario = scenarios()[name]
    on_purpose = differs().get(name, {"steps": {}})["steps"]
    unexplained, skipped = [], []

    for number, (step, shown) in enumerate(play(scenario, lab, tmp_path)):
        if isinstance(shown, Skipped):
            skipped.append((number, shown.why))
            continue
        known = recorded(step)
        wanted = as_record(known) | on_purpose.get(number, {})
        if step.expected.state is None and "memory" not in on_purpose.get(number, {}):
            wanted["memory"] = as_record(shown)["memory"]
        if as_record(shown) != wanted:
            unexplained.append((number, as_record(shown), wanted))

    assert unexplained == []
    if any("mount" in why.lower() for _, why in skipped) and not os.environ.get("CI"):
        pytest.skip("steps need the rights to mount a small disk")
    assert all("not ours" in why or "Erlang VM" in why for _, why in skipped)


def test_every_difference_names_its_clause() -> None:
    """Each step that differs on purpose stands in one table with the clause that it follows."""
    nameless = [name for name, entry in differs().items() if not entry["clause"].startswith(("PRODUCT", "RULINGS"))]

    assert nameless == []
    assert set(differs()) <= set(scenarios()) - set(NEEDS_VM)


def test_every_scenario_is_played_or_needs_a_vm() -> None:
    """104 recorded scenarios, none left out silently."""
    assert len(scenarios()) == 104
    assert all(reason for reason in NEEDS_VM.values())
