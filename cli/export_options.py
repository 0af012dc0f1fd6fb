"""Options of ``export``."""

from enum import StrEnum
from typing import Annotated

from cli.declared import Group, Option


class ExportFormat(StrEnum):
    """What ``--format`` takes."""

    BUNDLE = "bundle"
    JSONL = "jsonl"
    CSV = "csv"


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
