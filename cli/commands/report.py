"""Write a report for auditors: one HTML file that shows the history and checks itself.

Without an argument it is of the ledger, else of a whole bundle (folder or zip), verified first.
--sample draws changes for testing, --seed lets anybody draw them again.
"""

from typing import Annotated

from cli.declared import Argument, Option
from cli.read_options import FilterOptions
from cli.reporting import AskedReport, report_asked
from cli.session import Session

EXAMPLE = "report -o report.html --since 2026-01-01 --sample 25 --seed Q1"


def report(
    bundle: Annotated[
        str | None, Argument(metavar="[BUNDLE]", help="A whole bundle, folder or zip; else the ledger.")
    ] = None,
    *,
    output: Annotated[str | None, Option("-o", metavar="FILE", help="Where to: a new HTML file.")] = None,
    sample: Annotated[
        int | None, Option("--sample", metavar="COUNT", min=1, help="Draw so many changes by chance.")
    ] = None,
    seed: Annotated[
        str | None, Option("--seed", metavar="TEXT", help="Decides the sample, so that it can be drawn again.")
    ] = None,
    vkey: Annotated[str | None, Option("--vkey", metavar="VKEY", help="The key of the log that you hold.")] = None,
    wanted: FilterOptions,
    session: Session,
) -> int:
    """Write it."""
    asked = AskedReport(bundle=bundle, output=output, sample=sample, seed=seed, vkey=vkey)
    return report_asked(asked, wanted=wanted, session=session)
