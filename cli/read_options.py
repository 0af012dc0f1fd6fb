"""Options of the commands that read: as it was when, which rows, which events."""

from enum import StrEnum
from typing import Annotated

from cli.declared import Group, Option

ProofOption = Annotated[bool, Option("--proof", help="With the proof that it stands in the signed tree.")]


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
    origin: Annotated[str | None, Option("--origin", metavar="ORIGIN", help="Imported from this ledger.")] = None
    failed: Annotated[bool, Option("--failed", help="What was refused, failed or taken back.")] = False
    limit: Annotated[int | None, Option("-n", metavar="COUNT", help="At most so many.")] = None
