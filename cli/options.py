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


def _finite(seconds: float) -> float:
    # No comparison with it is ever true, so it passes every bound, and would wait for ever.
    if isnan(seconds):
        raise ValueError("'nan' is no number of seconds.")
    return seconds


class RecoverOverride(StrEnum):
    """What ``recover`` lets itself be allowed: what a change was allowed before it broke off."""

    OFFLINE = "offline"


class Everywhere(Group):
    """The options of every command."""

    ledger: Annotated[
        str | None, Option("--ledger", metavar="FOLDER", help="The ledger to use; else RELEASE_LEDGER.")
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


class RecoverOptions(Group):
    """The options of ``recover``, which itself decides what to do."""

    reason: ReasonOption = None
    ticket: TicketOption = None
    dry_run: Annotated[
        bool,
        Option("--dry-run", help="Say what it would do and write nothing; exit 5 where there is something."),
    ] = False
    wait: WaitOption = 0.0
    yes: YesOption = False
    driver: DriverOption = None
    allow: Annotated[
        list[RecoverOverride] | None,
        Option("--allow", metavar="RULE", help="`offline`: recover a live installation without its node."),
    ] = None
    refill: Annotated[
        str | None,
        Option(
            "--refill",
            metavar="BUNDLE",
            help="A ledger restored from an old copy: take the events it lost from this bundle or copy.",
        ),
    ] = None
    accept_tip: Annotated[
        bool, Option("--accept-tip", help="A ledger whose tip guard is lost: verify it and accept it as it is.")
    ] = False


class LeaveOptions(Group):
    """The options of a command that records something of an installation and changes nothing there."""

    reason: ReasonOption = None
    ticket: TicketOption = None
    yes: YesOption = False


class InstallationOptions(Group):
    """What the operator states of an installation that comes under the ledger."""

    root: Annotated[
        str | None,
        Option("--root", metavar="DIR", help="The root of EMQX; else EMQX_ROOT_DIR, else /usr/lib/emqx."),
    ] = None
    edition: Annotated[EditionChoice | None, Option("--edition", help="The edition, where the disk does not tell.")] = (
        None
    )
    otp: Annotated[str | None, Option("--otp", metavar="VERSION", help="OTP as packages name it, as 24.3.4.2-1.")] = (
        None
    )
    os: Annotated[str | None, Option("--os", metavar="OS", help="The OS as packages name it, as ubuntu20.04.")] = None
    arch: Annotated[
        str | None, Option("--arch", metavar="ARCH", help="The architecture as packages name it, as amd64.")
    ] = None
    reason: ReasonOption = None
    ticket: TicketOption = None
    driver: DriverOption = None


class ReadOptions(Group):
    """The options of a command that reads the record."""

    at: Annotated[
        str | None,
        Option("--at", metavar="WHEN", help="As it was then: an event number, last~2, a time, `2h ago`."),
    ] = None


class StatusChoice(StrEnum):
    """What ``--status`` takes: the statuses of a release, as the table names them."""

    UNPACKED = "unpacked"
    CURRENT = "current"
    PERMANENT = "permanent"
    OLD = "old"


class RowOptions(Group):
    """Which rows of the table of versions are wanted; all of them where nothing is given."""

    status: Annotated[list[StatusChoice] | None, Option("--status", help="Releases marked so; may be repeated.")] = None
    vsn: Annotated[list[str] | None, Option("--vsn", metavar="VERSION", help="This release; may be repeated.")] = None


class KindChoice(StrEnum):
    """What ``--kind`` takes."""

    LIVE = "live"
    REHEARSAL = "rehearsal"


class NodeOrder(StrEnum):
    """What ``--sort`` takes: in the order of registration, by name, lowest release first, longest unseen first."""

    REGISTERED = "registered"
    NODE = "node"
    RUNNING = "running"
    SEEN = "seen"


class NodeOptions(Group):
    """Which nodes are wanted, compared with what, in which order."""

    target: Annotated[
        str | None,
        Option("--target", metavar="VERSION", help="Behind is who runs lower than this; else than its peers."),
    ] = None
    behind: Annotated[bool, Option("--behind", help="Left behind.")] = False
    vsn: Annotated[
        list[str] | None, Option("--vsn", metavar="VERSION", help="Running this release; may be repeated.")
    ] = None
    kind: Annotated[KindChoice | None, Option("--kind", help="Live nodes, or rehearsals.")] = None
    open: Annotated[bool, Option("--open", help="With an open attempt.")] = False
    half_permanent: Annotated[bool, Option("--half-permanent", help="Whose boot files disagree.")] = False
    unseen_since: Annotated[
        str | None, Option("--unseen-since", metavar="WHEN", help="Not seen since then, for example `30d ago`.")
    ] = None
    sort: Annotated[NodeOrder, Option("--sort", help="The order.")] = NodeOrder.REGISTERED


class FleetOptions(Group):
    """For which nodes a fleet's plan is made, by what they are judged, and in which waves they go."""

    canary: Annotated[
        int, Option("--canary", metavar="N", min=0, max=100_000, help="So many nodes in the first wave.")
    ] = 1
    waves: Annotated[
        str, Option("--waves", metavar="N|PERCENT", help="So many nodes in each wave behind it, or a part of all.")
    ] = "10%"
    package: Annotated[
        list[str] | None,
        Option("--package", metavar="NAME", help="A package of the release, by its name; may be repeated."),
    ] = None
    seen_since: Annotated[
        str, Option("--seen-since", metavar="WHEN", help="Leave out who was not seen since then.")
    ] = "30d ago"
    kind: Annotated[KindChoice | None, Option("--kind", help="Live nodes, or rehearsals.")] = None
    dry_run: Annotated[bool, Option("--dry-run", help="Print the plan; record nothing.")] = False
    reason: ReasonOption = None
    ticket: TicketOption = None


class FilterOptions(Group):
    """Which events are wanted; all of them where nothing is given."""

    since: Annotated[str | None, Option("--since", metavar="WHEN", help="From then on.")] = None
    until: Annotated[str | None, Option("--until", metavar="WHEN", help="Up to then.")] = None
    types: Annotated[
        list[str] | None, Option("--type", metavar="TYPE", help="Events of this type; may be repeated.")
    ] = None
    vsn: Annotated[str | None, Option("--vsn", metavar="VERSION", help="What concerns this release.")] = None
    actor: Annotated[str | None, Option("--actor", metavar="ID", help="Done by, as in os:1000.")] = None
    ticket: Annotated[str | None, Option("--ticket", metavar="ID", help="Of this ticket.")] = None
    failed: Annotated[bool, Option("--failed", help="What was refused, failed or taken back.")] = False
    limit: Annotated[int | None, Option("-n", metavar="COUNT", help="At most so many.")] = None


class ExportOptions(Group):
    """What is exported and whereto, beside the filters."""

    output: Annotated[
        str | None, Option("-o", metavar="PATH", help="Where to: a new folder, or a new file NAME.zip.")
    ] = None
    form: Annotated[ExportFormat, Option("--format", help="A bundle, or the events alone.")] = ExportFormat.BUNDLE
    event: Annotated[list[str] | None, Option("--event", metavar="EVENT", help="This event; may be repeated.")] = None
    sample: Annotated[int | None, Option("--sample", metavar="COUNT", min=1, help="So many, by chance.")] = None
    seed: Annotated[
        str | None, Option("--seed", metavar="TEXT", help="Decides the sample, so that it can be drawn again.")
    ] = None
    disclose: Annotated[bool, Option("--disclose", help="Put personal values into the bundle.")] = False
    reason: Annotated[str | None, Option("--reason", metavar="TEXT", help="Why; it is recorded.")] = None


ProofOption = Annotated[bool, Option("--proof", help="With the proof that it stands in the signed tree.")]
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
