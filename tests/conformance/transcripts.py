"""The recorded scenarios as values.

``transcripts.yaml`` tells ``release_version_dirs_after`` only where it changed; here every step has
the folders as they were then, or None as long as nothing was told.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

PATH = Path(__file__).with_name("transcripts.yaml")

Table = tuple[tuple[str, str], ...]


class TranscriptError(Exception):
    """The file of the transcripts does not have the shape that its header tells."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the node and the disk said after a step; None where the node did not answer."""

    node_up: bool
    state: Table | None
    disk_state: Table | str
    start_erl_data: str
    rel_vsns: tuple[str, ...]
    permanent_on_boot: str
    running_code_version: str | None
    booted_from_version: str | None
    releases_dir: tuple[str, ...]
    lib_emqx_dirs: tuple[str, ...]
    bin_script_versions: tuple[str, ...]
    leftover_unzip_dirs: int
    version_dirs: Mapping[str, tuple[str, ...]] | None


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command line of EMQX and what it answered."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: str = ""
    stderr: str = ""

    @property
    def own_argv(self) -> tuple[str, ...]:
        """The same command as one of ours."""
        return ("release-ledger", *self.argv[1:])


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that was done: a command, something on the host, or a command and what befell it.

    *concurrent* are the commands that ran at the same time.
    """

    command: Command | None
    host_action: str | None
    concurrent: tuple[Command, ...]
    expected: Expected


@dataclass(frozen=True, kw_only=True)
class SetupStep:
    """One step on the way to the beginning of a scenario, with nothing recorded after it."""

    command: Command | None
    host_action: str | None


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One recorded run: how it began, what was done, what was seen."""

    name: str
    title: str
    group: str
    otp: str
    scripts: str
    node_up: bool
    state: Table | None
    disk_state: Table | str
    releases_dir: tuple[str, ...]
    setup: tuple[SetupStep, ...]
    steps: tuple[Step, ...]

    @property
    def host_actions(self) -> tuple[str, ...]:
        """Every host action of the scenario, those of its set-up first."""
        told = (*(step.host_action for step in self.setup), *(step.host_action for step in self.steps))
        return tuple(action for action in told if action is not None)


@cache
def scenarios() -> Mapping[str, Scenario]:
    """Return every recorded scenario by name, in the order of the file.

    Raises: TranscriptError.
    """
    with PATH.open("rb") as file:
        raw = yaml.load(file, Loader=yaml.CSafeLoader)
    return {scenario.name: scenario for scenario in map(_scenario, _items(_fields(raw)["scenarios"]))}


def _scenario(raw: object) -> Scenario:
    fields = _fields(raw)
    initial = _fields(fields["initial"])
    return Scenario(
        name=_text(fields["name"]),
        title=_text(fields["title"]),
        group=_text(fields["group"]),
        otp=_text(fields["otp"]),
        scripts=_text(fields["scripts"]),
        node_up=_flag(initial["node_up"]),
        state=_table_or_none(initial["state"]),
        disk_state=_table_or_word(initial["disk_state"]),
        releases_dir=_texts(initial["releases_dir"]),
        setup=tuple(_setup_step(_fields(step)) for step in _items(fields.get("setup", []))),
        steps=tuple(_steps(_items(fields["steps"]))),
    )


def _setup_step(fields: Mapping[str, object]) -> SetupStep:
    return SetupStep(command=_command_or_none(fields), host_action=_text_or_none(fields.get("host_action")))


def _steps(raw: Iterable[object]) -> Iterator[Step]:
    folders: Mapping[str, tuple[str, ...]] | None = None
    for fields in map(_fields, raw):
        if "release_version_dirs_after" in fields:
            told = _fields(fields["release_version_dirs_after"])
            folders = {vsn: _texts(names) for vsn, names in told.items()}
        yield Step(
            command=_command_or_none(fields),
            host_action=_text_or_none(fields.get("host_action")),
            concurrent=tuple(_command(_fields(command)) for command in _items(fields.get("concurrent", []))),
            expected=_expected(fields, folders),
        )


def _expected(fields: Mapping[str, object], folders: Mapping[str, tuple[str, ...]] | None) -> Expected:
    return Expected(
        node_up=_flag(fields["node_up"]),
        state=_table_or_none(fields["state_after"]),
        disk_state=_table_or_word(fields["disk_state_after"]),
        start_erl_data=_text(fields["start_erl_data_after"]),
        rel_vsns=_texts(fields["emqx_vars_rel_vsn_after"]),
        permanent_on_boot=_text(fields["permanent_on_boot"]),
        running_code_version=_text_or_none(fields.get("running_code_version")),
        booted_from_version=_text_or_none(fields.get("booted_from_version")),
        releases_dir=_texts(fields["releases_dir_after"]),
        lib_emqx_dirs=_texts(fields["lib_emqx_dirs_after"]),
        bin_script_versions=_texts(fields["bin_script_versions_after"]),
        leftover_unzip_dirs=_number(fields["leftover_unzip_dirs_after"]),
        version_dirs=folders,
    )


def _command_or_none(fields: Mapping[str, object]) -> Command | None:
    return _command(fields) if "argv" in fields else None


def _command(fields: Mapping[str, object]) -> Command:
    return Command(
        argv=_texts(fields["argv"]),
        exit_code=_number(fields["exit_code"]),
        stdout=_text(fields.get("stdout", "")),
        stderr=_text(fields.get("stderr", "")),
    )


def _table_or_word(raw: object) -> Table | str:
    return raw if isinstance(raw, str) else _table(raw)


def _table_or_none(raw: object) -> Table | None:
    return None if raw is None else _table(raw)


def _table(raw: object) -> Table:
    return tuple((vsn, status) for vsn, status in map(_texts, _items(raw)))


def _texts(raw: object) -> tuple[str, ...]:
    return tuple(map(_text, _items(raw)))


def _text_or_none(raw: object) -> str | None:
    return None if raw is None else _text(raw)


def _text(raw: object) -> str:
    if not isinstance(raw, str):
        raise TranscriptError(f"not a text: {raw!r}")
    return raw


def _number(raw: object) -> int:
    if not isinstance(raw, int):
        raise TranscriptError(f"not a number: {raw!r}")
    return raw


def _flag(raw: object) -> bool:
    if not isinstance(raw, bool):
        raise TranscriptError(f"not true or false: {raw!r}")
    return raw


def _items(raw: object) -> tuple[object, ...]:
    if not isinstance(raw, list):
        raise TranscriptError(f"not a list: {raw!r}")
    return tuple(raw)


def _fields(raw: object) -> Mapping[str, object]:
    if not isinstance(raw, dict):
        raise TranscriptError(f"not a mapping: {raw!r}")
    return raw
