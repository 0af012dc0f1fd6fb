"""Tables for people: aligned and wrapped by rich on a terminal, tabs between the cells where stdout is piped.

Every cell is escaped. Colour only repeats what a word says, and NO_COLOR takes it away. On a
narrow terminal each row becomes a block of ``name: value`` lines, so that nothing is cut.
"""

import sys
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Literal

from cli.plain_text import plain
from cli.session import Session

NARROW = 60
_STYLES: Mapping[str, str] = {
    "ok": "green",
    "yes": "green",
    "warn": "yellow",
    "differs": "bold red",
    "fault": "bold red",
    "no": "bold red",
}
Row = Sequence[str]


def table_text(columns: Sequence[str], rows: Sequence[Row], session: Session) -> str:
    """Return *rows* under *columns*, each line ended; piped, the names of the columns are left out."""
    safe = [tuple(plain(cell) for cell in row) for row in rows]
    if not sys.stdout.isatty():
        return "".join("\t".join(row).rstrip("\t") + "\n" for row in safe)
    from shutil import get_terminal_size  # noqa: PLC0415 # only a terminal pays for it

    width = get_terminal_size().columns
    if width < NARROW:
        return _blocks(columns, safe)
    return _drawn(columns, safe, width=width, colour=not session.terminal.no_color)


def _blocks(columns: Sequence[str], rows: Sequence[Row]) -> str:
    blocks = (
        "".join(f"{name}: {cell}\n" for name, cell in zip(columns, row, strict=True) if cell) + "\n" for row in rows
    )
    return "".join(blocks)


def _drawn(columns: Sequence[str], rows: Sequence[Row], *, width: int, colour: bool) -> str:
    from rich import box  # noqa: PLC0415 # only a terminal pays for it
    from rich.console import Console  # noqa: PLC0415 # as above
    from rich.table import Table  # noqa: PLC0415 # as above
    from rich.text import Text  # noqa: PLC0415 # as above

    table = Table(box=box.SIMPLE, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        # Text, not str: rich would read markup in what operators wrote.
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    drawn = StringIO()
    # Without a colour system rich writes no escape sequence at all, where no_color leaves bold.
    system: Literal["auto"] | None = "auto" if colour else None
    Console(file=drawn, width=width, force_terminal=True, color_system=system, highlight=False).print(table)
    return drawn.getvalue()
