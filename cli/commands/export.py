"""Write evidence: a bundle that others can check without this program, as a folder or a zip.

Without a choice it holds the whole log. With filters, --event or --sample it holds some events,
each with the proof of its place. The export itself is recorded. Personal values stay in the
ledger unless --disclose is given. --format jsonl or csv writes the events alone, as a listing.
"""

from cli.export_options import ExportOptions
from cli.exporting import export_asked
from cli.read_options import FilterOptions
from cli.session import Session

EXAMPLE = "export -o evidence.zip"


def export(*, asked: ExportOptions, wanted: FilterOptions, session: Session) -> int:
    """Export."""
    return export_asked(asked, wanted=wanted, session=session)
