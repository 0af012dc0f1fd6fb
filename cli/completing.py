"""What a shell may complete: commands, options, and what the ledger knows.

The scripts of ``completion`` call ``release-ledger __complete WORD...``, the last word being the
one under the cursor. Each line of the answer is a candidate, a tab, and a word about it; the
line ``:files`` asks the shell for names of files. Versions come from the view of the ledger and
from the packages in ``releases/``, events from the view as it is: completion waits for nobody,
writes nothing, and says nothing where it knows nothing.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from importlib import import_module
from itertools import pairwise
from typing import Any, get_args

from cli.command_table import COMMANDS
from cli.declared import Argument, Option
from cli.fast_path import ledger_folder, opened
from cli.groups import Command, Parameter, every_parameter_of, parameters_in
from cli.options import Everywhere
from cli.plain_text import plain
from cli.terminal import drop_output, usable_streams

FILES = ":files"
_EVENTS, _PLANS = 12, 12
_OF_FILES = frozenset({"FOLDER", "DIR", "FILE", "PATH", "PLACE", "[BUNDLE]", "CHECKPOINT"})
_OF_EVENTS = frozenset({"EVENT", "WHEN", "A", "B"})

Candidate = tuple[str, str]


def answer(words: Sequence[str]) -> None:
    """Write the candidates for the last of *words* to stdout; a shell that cannot take them is told nothing."""
    usable_streams()
    try:
        sys.stdout.write(complete(words))
        sys.stdout.flush()
    except OSError:
        drop_output(sys.stdout)


def complete(words: Sequence[str], environ: Mapping[str, str] = os.environ) -> str:
    """Return the candidates for the last of *words*, a line each."""
    *before, current = words or ("",)
    # The first word about a candidate is the best: a version that is installed is more than a package.
    found: dict[str, str] = {}
    for word, about in _candidates(before, current, environ):
        found.setdefault(word, about)
    return "".join(f"{word}\n" if word == FILES else f"{word}\t{plain(about)}\n" for word, about in found.items())


def _candidates(before: Sequence[str], current: str, environ: Mapping[str, str]) -> Iterator[Candidate]:
    verb = next((at for at, word in enumerate(before) if word in COMMANDS), None)
    command = None if verb is None else _command(before[verb], before[verb + 1 :])
    if verb is not None and command is None:
        module = import_module(f"cli.commands.{before[verb]}")
        yield from _starting(current, ((name, _first(to.__doc__)) for name, (to, _) in module.SUBCOMMANDS.items()))
        return
    parameters = parameters_in(Everywhere) if command is None else every_parameter_of(command)
    options = {name: p for p in parameters if isinstance(p.declared, Option) for name in p.declared.names}
    name, equals, start = current.partition("=")
    asked = options.get(before[-1]) if before else None
    if equals and name in options:
        found = _values(options[name], before, environ)
        yield from ((word if word == FILES else f"{name}={word}", about) for word, about in _starting(start, found))
    elif asked is not None and asked.kind is not bool:
        yield from _starting(current, _values(asked, before, environ))
    elif current.startswith("-"):
        yield from _starting(current, ((name, p.declared.help) for name, p in options.items() if not p.declared.hidden))  # type: ignore[union-attr] # all of them are options
    elif command is None:
        yield from _starting(current, COMMANDS.items())
    else:
        arguments = (p for p in parameters if isinstance(p.declared, Argument))
        yield from _starting(current, (found for p in arguments for found in _values(p, before, environ)))


def _command(verb: str, after: Sequence[str]) -> Command | None:
    module = import_module(f"cli.commands.{verb}")
    if not hasattr(module, "SUBCOMMANDS"):
        command: Command = getattr(module, verb)
        return command
    return next((module.SUBCOMMANDS[word][0] for word in after if word in module.SUBCOMMANDS), None)


def _starting(start: str, found: Iterable[Candidate]) -> Iterator[Candidate]:
    return ((word, about) for word, about in found if word.startswith(start) or word == FILES)


def _values(parameter: Parameter, before: Sequence[str], environ: Mapping[str, str]) -> Iterator[Candidate]:
    kinds = [part for part in (parameter.kind, *get_args(parameter.kind)) for part in (part, *get_args(part))]
    choices = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Enum)), None)
    form = parameter.declared.metavar
    if choices is not None:
        yield from ((str(choice.value), "") for choice in choices)
    elif form in _OF_FILES:
        yield FILES, ""
    elif form == "VERSION":
        yield from _versions(_folder(before, environ))
    elif form in _OF_EVENTS:
        yield from _events(_folder(before, environ))
    elif form == "NAME" and "--node" in getattr(parameter.declared, "names", ()):
        yield from ((node, root) for node, root in _rows(_folder(before, environ), "SELECT node, root FROM node"))
    elif form in {"PLAN", "[PLAN]"}:
        yield from _plans(_folder(before, environ))
    elif form == "[TOPIC]":
        from cli.topics import TOPICS  # noqa: PLC0415 # only who completes a topic pays for it

        yield from ((name, "topic") for name in TOPICS)
        yield from COMMANDS.items()
    elif form == "TYPE":
        from projections.history import WORDS  # noqa: PLC0415 # as above

        yield from ((name, "") for name in WORDS)


def _folder(before: Sequence[str], environ: Mapping[str, str]) -> str | None:
    named = next((after for word, after in pairwise(before) if word == "--ledger"), None)
    glued = next((word.partition("=")[2] for word in before if word.startswith("--ledger=")), None)
    return ledger_folder({**environ, "RELEASE_LEDGER": named or glued or environ.get("RELEASE_LEDGER", "")})


def _versions(folder: str | None) -> Iterator[Candidate]:
    yield from _rows(folder, "SELECT vsn, status FROM versions ORDER BY stream, position")
    for (root,) in _rows(folder, "SELECT root FROM node"):
        yield from ((vsn, "package") for vsn in _packages(root))


def _packages(root: str) -> Iterator[str]:
    try:
        names = sorted(os.listdir(f"{root}/releases"))  # noqa: PTH208 # pathlib costs more than the answer
    except OSError:
        return
    for name in names:
        vsn = name.removeprefix("emqx-").removeprefix("ee-").partition("-otp")[0]
        if name.startswith("emqx-") and name.endswith(".zip") and vsn.replace(".", "").replace("-", "").isalnum():
            yield vsn


def _events(folder: str | None) -> Iterator[Candidate]:
    rows = _rows(folder, f"SELECT idx, recorded_at, words FROM history ORDER BY idx DESC LIMIT {_EVENTS}")  # noqa: S608 # our own number
    for back, (number, moment, words) in enumerate(rows):
        about = f"{moment[:19]}Z {words}"
        yield f"last~{back}" if back else "last", about
        yield str(number), about


def _plans(folder: str | None) -> Iterator[Candidate]:
    plans = (
        f"SELECT plan, recorded_at, words FROM history WHERE type = 'fleet_planned' ORDER BY idx DESC LIMIT {_PLANS}"  # noqa: S608 # our own number
    )
    yield from ((plan, f"{moment[:19]}Z {words}") for plan, moment, words in _rows(folder, plans))


def _rows(folder: str | None, statement: str) -> list[Any]:
    import sqlite3  # noqa: PLC0415 # most words need no ledger

    if folder is None:
        return []
    try:
        views = opened(f"{folder}/views.db")
        try:
            return views.execute(statement).fetchall()
        finally:
            views.close()
    except sqlite3.Error:
        return []


def _first(text: str | None) -> str:
    return (text or "").partition("\n")[0]
