"""Options, each declared once, in groups that commands share.

A group is a frozen dataclass whose fields carry Typer's declarations; a command takes the
whole group as one argument, and ``spread.py`` makes single options of it. The options of
``Everywhere`` stand before or after the verb alike: the root takes them too, and what stands
nearer to the command wins.
"""

from dataclasses import dataclass, fields
from enum import StrEnum
from math import isnan
from typing import Annotated

import typer

from cli import VERSION


class DriverChoice(StrEnum):
    """What ``--driver`` takes: the node itself, or a rehearsal on a copy; as ``cli.config.DRIVERS``."""

    AUTO = "auto"
    NODE = "node"
    EMBEDDED = "embedded"


class EditionChoice(StrEnum):
    """What ``--edition`` takes."""

    COMMUNITY = "ce"
    ENTERPRISE = "ee"


class Overridable(StrEnum):
    """The rules that ``--allow`` overrides (PRODUCT section 3); *offline* is for a rehearsal of RULINGS 2."""

    MINOR = "minor"
    EDITION = "edition"
    OTP_MAJOR = "otp-major"
    OS = "os"
    ARCH = "arch"
    DIRECTION = "direction"
    RUNNING_ERTS = "running-erts"
    OWNER = "owner"
    SPACE = "space"
    OFFLINE = "offline"


class ExportFormat(StrEnum):
    """What ``--format`` takes."""

    BUNDLE = "bundle"
    JSONL = "jsonl"
    CSV = "csv"


def _print_version(wanted: bool) -> None:  # noqa: FBT001 # Typer calls it so
    if wanted:
        typer.echo(f"release-ledger {VERSION}")
        raise typer.Exit


def _finite(seconds: float) -> float:
    # No comparison with it is ever true, so it passes every bound, and would wait for ever.
    if isnan(seconds):
        raise typer.BadParameter("'nan' is no number of seconds.")
    return seconds


class RecoverOverride(StrEnum):
    """What ``recover`` lets itself be allowed: what a change was allowed before it broke off."""

    OFFLINE = "offline"


@dataclass(frozen=True, kw_only=True)
class Everywhere:
    """The options of every command."""

    ledger: Annotated[
        str | None, typer.Option("--ledger", metavar="FOLDER", help="The ledger to use; else RELEASE_LEDGER.")
    ] = None
    node: Annotated[
        str | None, typer.Option("--node", metavar="NAME", help="The node that is meant; else RELEASE_LEDGER_NODE.")
    ] = None
    json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")] = False
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No advice and no progress on stderr.")] = False
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Advice and event numbers on stderr, also without a terminal.")
    ] = False
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours; NO_COLOR does the same.")] = False
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False

    def within(self, outer: "Everywhere") -> "Everywhere":
        """Return these options, with those of *outer* where they are not given here."""
        given = {field.name: getattr(self, field.name) or getattr(outer, field.name) for field in fields(self)}
        return Everywhere(**given)


ReasonOption = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", help="Why; it is recorded; else RELEASE_LEDGER_REASON.")
]
TicketOption = Annotated[
    str | None, typer.Option("--ticket", metavar="ID", help="The ticket; it is recorded; else RELEASE_LEDGER_TICKET.")
]
WaitOption = Annotated[
    float,
    typer.Option(
        "--wait", metavar="SECONDS", min=0, max=86_400, callback=_finite, help="How long to wait for another command."
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
DriverOption = Annotated[
    DriverChoice | None,
    typer.Option(
        "--driver", help="How to reach the node: `node`, or `embedded` on a copy; else RELEASE_LEDGER_DRIVER."
    ),
]


@dataclass(frozen=True, kw_only=True)
class ChangeOptions:
    """The options of every change."""

    reason: ReasonOption = None
    ticket: TicketOption = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan; change and record nothing.")] = False
    wait: WaitOption = 0.0
    yes: YesOption = False
    driver: DriverOption = None
    allow: Annotated[
        list[Overridable] | None,
        typer.Option("--allow", metavar="RULE", help="Override one rule; needs --reason. May be repeated."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class RecoverOptions:
    """The options of ``recover``, which itself decides what to do."""

    reason: ReasonOption = None
    ticket: TicketOption = None
    wait: WaitOption = 0.0
    yes: YesOption = False
    driver: DriverOption = None
    allow: Annotated[
        list[RecoverOverride] | None,
        typer.Option("--allow", metavar="RULE", help="`offline`: recover a live installation without its node."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class InstallationOptions:
    """What the operator states of an installation that comes under the ledger."""

    root: Annotated[
        str | None,
        typer.Option("--root", metavar="DIR", help="The root of EMQX; else EMQX_ROOT_DIR, else /usr/lib/emqx."),
    ] = None
    edition: Annotated[
        EditionChoice | None, typer.Option("--edition", help="The edition, where the disk does not tell.")
    ] = None
    otp: Annotated[
        str | None, typer.Option("--otp", metavar="VERSION", help="OTP as packages name it, as 24.3.4.2-1.")
    ] = None
    os: Annotated[
        str | None, typer.Option("--os", metavar="OS", help="The OS as packages name it, as ubuntu20.04.")
    ] = None
    arch: Annotated[
        str | None, typer.Option("--arch", metavar="ARCH", help="The architecture as packages name it, as amd64.")
    ] = None
    reason: ReasonOption = None
    ticket: TicketOption = None
    driver: DriverOption = None


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """The options of a command that reads the record."""

    at: Annotated[
        str | None,
        typer.Option("--at", metavar="WHEN", help="As it was then: an event number, last~2, a time, `2h ago`."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class FilterOptions:
    """Which events are wanted; all of them where nothing is given."""

    since: Annotated[str | None, typer.Option("--since", metavar="WHEN", help="From then on.")] = None
    until: Annotated[str | None, typer.Option("--until", metavar="WHEN", help="Up to then.")] = None
    types: Annotated[
        list[str] | None, typer.Option("--type", metavar="TYPE", help="Events of this type; may be repeated.")
    ] = None
    vsn: Annotated[str | None, typer.Option("--vsn", metavar="VERSION", help="What concerns this release.")] = None
    actor: Annotated[str | None, typer.Option("--actor", metavar="ID", help="Done by, as in os:1000.")] = None
    ticket: Annotated[str | None, typer.Option("--ticket", metavar="ID", help="Of this ticket.")] = None
    failed: Annotated[bool, typer.Option("--failed", help="What was refused, failed or taken back.")] = False
    limit: Annotated[int | None, typer.Option("-n", metavar="COUNT", help="At most so many.")] = None


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What is exported and whereto, beside the filters."""

    output: Annotated[
        str | None, typer.Option("-o", metavar="PATH", help="Where to: a new folder, or a new file NAME.zip.")
    ] = None
    form: Annotated[ExportFormat, typer.Option("--format", help="A bundle, or the events alone.")] = ExportFormat.BUNDLE
    event: Annotated[
        list[str] | None, typer.Option("--event", metavar="EVENT", help="This event; may be repeated.")
    ] = None
    sample: Annotated[int | None, typer.Option("--sample", metavar="COUNT", min=1, help="So many, by chance.")] = None
    seed: Annotated[
        str | None, typer.Option("--seed", metavar="TEXT", help="Decides the sample, so that it can be drawn again.")
    ] = None
    disclose: Annotated[bool, typer.Option("--disclose", help="Put personal values into the bundle.")] = False
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; it is recorded.")] = None


ProofOption = Annotated[bool, typer.Option("--proof", help="With the proof that it stands in the signed tree.")]
VsnArgument = Annotated[str, typer.Argument(metavar="VERSION", help="The release, for example 4.4.16.")]
NoPermanent = Annotated[bool, typer.Option("--no-permanent", help="Install as a trial: a restart undoes it.")]
