"""Options of the commands that take an installation under the ledger, or mend it."""

from enum import StrEnum
from typing import Annotated

from cli.declared import Group, Option
from cli.options import DriverOption, ReasonOption, TicketOption, WaitOption, YesOption


class EditionChoice(StrEnum):
    """What ``--edition`` takes."""

    COMMUNITY = "ce"
    ENTERPRISE = "ee"


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


class RecoverOverride(StrEnum):
    """What ``recover`` lets itself be allowed: what a change was allowed before it broke off."""

    OFFLINE = "offline"


class RecoverOptions(Group):
    """The options of ``recover``, which itself decides what to do."""

    changes = True

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
        Option(
            "--allow",
            metavar="RULE",
            help="`offline`, with --driver embedded: recover a live installation without its node.",
        ),
    ] = None
    refill: Annotated[
        str | None,
        Option(
            "--refill",
            metavar="BUNDLE",
            help="A ledger restored from an old copy: take the events it lost from this bundle, copy or replica.",
        ),
    ] = None
    accept_tip: Annotated[
        bool, Option("--accept-tip", help="A ledger whose tip guard is lost: verify it and accept it as it is.")
    ] = False
