r"""The manual page, made of the table of commands, their declarations and the topics.

``make man`` writes it to ``docs/man/release-ledger.1``; a test compares the two. The text is
man(7): a hyphen that belongs to an option is ``\-``, a backslash ``\e``, and no line of text
begins with a full stop or an apostrophe.
"""

from collections.abc import Iterator
from importlib import import_module

from cli import VERSION
from cli.command_table import COMMANDS
from cli.declared import Argument, Option
from cli.groups import REQUIRED, Command, Parameter, every_parameter_of, parameters_in
from cli.options import Everywhere
from cli.topics import TOPICS

_ABOUT = "hot-upgrade EMQX 4.x and keep an audit-grade history of it"
_EVERYWHERE = frozenset(Everywhere.__annotations__)


def man_page() -> str:
    """Return the page."""
    return "".join(f"{line}\n" for line in _lines())


def _lines() -> Iterator[str]:
    yield f'.TH RELEASE\\-LEDGER 1 "" "release\\-ledger {VERSION}" "User Commands"'
    yield ".SH NAME"
    yield f"release\\-ledger \\- {_text(_ABOUT)}"
    yield ".SH SYNOPSIS"
    yield ".B release\\-ledger"
    yield "[\\fIOPTION\\fR]... \\fICOMMAND\\fR [\\fIARGUMENT\\fR]..."
    yield ".SH OPTIONS OF EVERY COMMAND"
    yield from _options(parameters_in(Everywhere))
    yield ".SH COMMANDS"
    for name in COMMANDS:
        yield from _command(name)
    for topic, explain in TOPICS.items():
        yield f'.SH "{_text(topic.replace("-", " ").upper())}"'
        yield ".nf"
        yield from map(_text, explain().splitlines())
        yield ".fi"
    yield ".SH FILES"
    for path, what in (
        ("/var/lib/release\\-ledger/", "The ledger of the host: ledger.db, views.db, log.key, log.vkey, config.toml."),
        ("/var/lib/release\\-ledger.tip/", "The newest signed note, outside the database."),
        ("/etc/release\\-ledger/config.toml", "Settings of the host."),
    ):
        yield from (".TP", f".I {path}", _text(what))


def _command(name: str) -> Iterator[str]:
    module = import_module(f"cli.commands.{name}")
    yield f'.SS "{_text(name)}"'
    yield _text(" ".join((module.__doc__ or "").split()))
    if hasattr(module, "SUBCOMMANDS"):
        for verb, (function, example) in module.SUBCOMMANDS.items():
            yield from _usage(f"{name} {verb}", function, example, about=(function.__doc__ or "").partition("\n")[0])
    else:
        yield from _usage(name, getattr(module, name), module.EXAMPLE)


def _usage(name: str, command: Command, example: str, *, about: str = "") -> Iterator[str]:
    own = tuple(p for p in every_parameter_of(command) if p.name not in _EVERYWHERE)
    arguments = (
        f"[\\fI{_text(p.declared.metavar.strip('[]'))}\\fR]"
        if p.default is not REQUIRED
        else f"\\fI{_text(p.declared.metavar)}\\fR"
        for p in own
        if isinstance(p.declared, Argument)
    )
    shown = any(isinstance(p.declared, Option) and not p.declared.hidden for p in own)
    yield ".PP"
    yield " ".join(
        (f"\\fBrelease\\-ledger {_text(name)}\\fR", *arguments, *(("[\\fIOPTION\\fR]...",) if shown else ()))
    )
    if about:
        yield ".br"
        yield _text(about)
    yield from _options(own)
    yield ".PP"
    yield f"Example: \\fBrelease\\-ledger {_text(example)}\\fR"


def _options(parameters: tuple[Parameter, ...]) -> Iterator[str]:
    for p in parameters:
        if isinstance(p.declared, Argument):
            yield from (".TP", f"\\fI{_text(p.declared.metavar.strip('[]'))}\\fR", _text(p.declared.help))
        elif not p.declared.hidden:
            value = f" \\fI{_text(p.declared.metavar or p.name.upper())}\\fR" if p.kind is not bool else ""
            yield ".TP"
            yield ", ".join(f"\\fB{_text(name)}\\fR{value}" for name in p.declared.names)
            yield _text(p.declared.help)


def _text(text: str) -> str:
    plain = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{plain}" if plain.startswith((".", "'")) else plain


if __name__ == "__main__":
    print(man_page(), end="")  # noqa: T201 # it is what ``make man`` asks for
