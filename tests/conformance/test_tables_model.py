"""The tables against every recorded run: OTP's transitions as 104 real scenarios show them.

What a command did is read from the node's own words on its output; ``Tables`` then tells memory,
disk and boot pointers, and each recorded step is compared with that. It is the model of otp.md
section 0, which was found true for all steps in which nothing happened outside of it.
"""

from collections.abc import Callable, Iterator, Mapping

from ledger.domain.status import ReleaseStatus
from ledger.domain.tables import Tables, table_from, with_status
from tests.conformance.transcripts import Command, Scenario, Step, scenarios

Transition = Callable[[Tables, str], Tables]

_WORDS: tuple[tuple[str, Transition], ...] = (
    ("Unpacked successfully: ", Tables.unpacked),
    ("Installed Release: ", Tables.installed),
    ("Made release permanent: ", Tables.made_permanent),
    ("Uninstalled Release: ", Tables.removed),
)
_BOOTS = {"start", "restart"}

_NO_SCRIPT = "the script crashes on a missing bin/emqx-V before it appends to emqx_vars (otp.md 6.2)"
_BY_HAND = "a boot file was changed by hand"
DISAGREE: Mapping[tuple[str, int], str] = {
    ("client_killed_after_unpack_line", 0): "the node finishes the unpack after its client was killed (otp.md 6.8)",
    ("era_442_unpack_twice", 0): "the script of 4.4.2 overwrites RELEASES from its own package (otp.md 6.3)",
    ("otp23_permafy_missing_script", 1): _NO_SCRIPT,
    ("permafy_missing_script", 1): _NO_SCRIPT,
    ("releases_file_missing_restart", 0): _BY_HAND,
    ("releases_file_missing_running", 0): _BY_HAND,
    ("vars_lost_append", 1): _BY_HAND,
}
"""The steps that do not agree, by scenario and number, each with what happened outside the model."""


def _steps() -> Iterator[tuple[str, int, Tables, Tables]]:
    """Yield each step that can be compared, with the tables expected and recorded after it."""
    for scenario in scenarios().values():
        tables = _at_first(scenario)
        for number, step in enumerate(scenario.steps):
            for command in (*((step.command,) if step.command else ()), *step.concurrent):
                tables = _after(tables, command, node_up=step.expected.node_up)
            recorded = _recorded(step, tables)
            yield scenario.name, number, tables, recorded
            tables = recorded


def _at_first(scenario: Scenario) -> Tables:
    disk = None if isinstance(scenario.disk_state, str) else table_from(scenario.disk_state)
    memory = table_from(scenario.state) if scenario.state else disk or ()
    boots = with_status(memory, ReleaseStatus.PERMANENT)
    return Tables(memory=memory, disk=disk, start_erl=boots, rel_vsn=boots)


def _after(tables: Tables, command: Command, *, node_up: bool) -> Tables:
    if len(command.argv) > 1 and command.argv[1] in _BOOTS and command.exit_code == 0 and node_up:
        return tables.restarted()
    for line in command.stdout.splitlines():
        for words, transition in _WORDS:
            if line.startswith(words):
                tables = transition(tables, line.removeprefix(words).rstrip(".").strip('"'))
    return tables


def _recorded(step: Step, before: Tables) -> Tables:
    """Return what was seen after a step; a node that is down has no memory, and keeps what was known of it."""
    seen = step.expected
    return Tables(
        memory=before.memory if seen.state is None else table_from(seen.state),
        disk=None if isinstance(seen.disk_state, str) else table_from(seen.disk_state),
        start_erl=seen.start_erl_data.split()[-1] if seen.start_erl_data else None,
        rel_vsn=seen.rel_vsns[-1] if seen.rel_vsns else None,
    )


def test_every_recorded_step_agrees_with_the_tables_or_is_named() -> None:
    differ = {(name, number) for name, number, expected, recorded in _steps() if expected != recorded}

    assert differ == set(DISAGREE)


def test_every_recorded_step_is_compared() -> None:
    assert sum(1 for _ in _steps()) == sum(len(scenario.steps) for scenario in scenarios().values()) == 461


def test_every_transition_is_seen_in_the_recorded_runs() -> None:
    done = {transition for scenario in scenarios().values() for transition in _transitions(scenario)}

    assert done == {transition for _, transition in _WORDS}


def _transitions(scenario: Scenario) -> Iterator[Transition]:
    for step in scenario.steps:
        for line in step.command.stdout.splitlines() if step.command else ():
            yield from (transition for words, transition in _WORDS if line.startswith(words))
