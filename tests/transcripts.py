"""Transcripts in Markdown pages, and how they compare with what really happened.

A block marked ``console`` is one, ``console lab`` one beside a running node: commands after ``$``,
what they print, ``[n]`` for an exit code that is not 0. ``…`` within a line stands for any text, a line
of nothing else for any lines.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from demo.session import Run, parse_transcript

_BLOCK = re.compile(r"^```(console(?: lab)?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ANY = "…"


def runs_on_page(page: Path, *, mark: str = "console") -> tuple[Run, ...]:
    """Return the runs that the blocks of *page* with *mark* show, in order."""
    return tuple(_runs(page, mark))


def _runs(page: Path, mark: str) -> Iterator[Run]:
    for marked, block in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if marked == mark:
            yield from parse_transcript(iter(block.splitlines()))


def agrees(shown: Run, real: Run) -> bool:
    """Tell whether a page shows a run as it was."""
    return (shown.command, shown.code) == (real.command, real.code) and _match(shown.output, real.output)


def _match(shown: Sequence[str], real: Sequence[str]) -> bool:
    if not shown:
        return not real
    if shown[0] == _ANY:
        return any(_match(shown[1:], real[count:]) for count in range(len(real) + 1))
    return bool(real) and _fits(shown[0], real[0]) and _match(shown[1:], real[1:])


def _fits(shown: str, real: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, shown.split(_ANY))), real) is not None
