"""Options, each declared once, in groups that commands share.

A group is a class whose members carry the declarations; a command takes the
whole group as one argument, and ``spread.py`` makes single options of it. The options of
``Everywhere`` stand before or after the verb alike: the root takes them too, and what stands
nearer to the command wins.
"""

from enum import StrEnum
from math import isnan
from typing import Annotated

from cli.declared import Argument, Group, Option


class DriverChoice(StrEnum):
    """What ``--driver`` takes: the node itself, EMQX's script, or a rehearsal on a copy; as ``cli.config.DRIVERS``."""

    AUTO = "auto"
    NODE = "node"
    SCRIPT = "script"
    EMBEDDED = "embedded"


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


def _finite(seconds: float) -> float:
    # No comparison with it is ever true, so it passes every bound, and would wait for ever.
    if isnan(seconds):
        raise ValueError("'nan' is no number of seconds.")
    return seconds


class Everywhere(Group):
    """The options of every command."""

    ledger: Annotated[
        str | None, Option("--ledger", metavar="PLACE", help="A folder, or postgresql://...; else RELEASE_LEDGER.")
    ] = None
    node: Annotated[
        str | None, Option("--node", metavar="NAME", help="The node that is meant; else RELEASE_LEDGER_NODE.")
    ] = None
    json: Annotated[bool, Option("--json", help="Print JSON, one object a line.")] = False
    quiet: Annotated[bool, Option("--quiet", "-q", help="No advice and no progress on stderr.")] = False
    verbose: Annotated[
        bool, Option("--verbose", "-v", help="Advice and event numbers on stderr, also without a terminal.")
    ] = False
    no_color: Annotated[bool, Option("--no-color", help="No colours; NO_COLOR does the same.")] = False
    version: Annotated[bool, Option("--version", help="Print the version and exit.")] = False

    def within(self, outer: "Everywhere") -> "Everywhere":
        """Return these options, with those of *outer* where they are not given here."""
        return Everywhere(**{name: value or getattr(outer, name) for name, value in self.items().items()})


ReasonOption = Annotated[
    str | None, Option("--reason", metavar="TEXT", help="Why; it is recorded; else RELEASE_LEDGER_REASON.")
]
TicketOption = Annotated[
    str | None, Option("--ticket", metavar="ID", help="The ticket; it is recorded; else RELEASE_LEDGER_TICKET.")
]
WaitOption = Annotated[
    float,
    Option("--wait", metavar="SECONDS", min=0, max=86_400, check=_finite, help="How long to wait for another command."),
]
YesOption = Annotated[bool, Option("--yes", help="Do not ask.")]
DriverOption = Annotated[
    DriverChoice | None,
    Option("--driver", help="How: `node`, `script`, or `embedded` on a copy; else RELEASE_LEDGER_DRIVER."),
]


class ChangeOptions(Group):
    """The options of every change."""

    changes = True

    reason: ReasonOption = None
    ticket: TicketOption = None
    dry_run: Annotated[bool, Option("--dry-run", help="Print the plan; change and record nothing.")] = False
    wait: WaitOption = 0.0
    yes: YesOption = False
    driver: DriverOption = None
    allow: Annotated[
        list[Overridable] | None,
        Option("--allow", metavar="RULE", help="Override one rule; needs --reason. May be repeated."),
    ] = None


class LeaveOptions(Group):
    """The options of a command that records something of an installation and changes nothing there."""

    reason: ReasonOption = None
    ticket: TicketOption = None
    yes: YesOption = False


VsnArgument = Annotated[str, Argument(metavar="VERSION", help="The release, for example 4.4.16.")]
PlanOption = Annotated[
    str | None,
    Option(
        "--plan",
        metavar="PLAN",
        help="As the turn of this node in a fleet's plan, or `last`; refused while its wave waits.",
    ),
]
NoPermanent = Annotated[bool, Option("--no-permanent", help="Install as a trial: a restart undoes it.")]
