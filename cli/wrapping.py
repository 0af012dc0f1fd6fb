"""Long lines on a terminal: broken between words, what goes on stands under what it belongs to.

Piped, and in what promises a line for each event, nothing is broken. A word that is longer than
the terminal (a digest, an id) stays whole, so that it can be copied.
"""

import sys

_HANGING = 10
"""How far the rest of a line is set in: where the values of ``log`` and ``show`` begin."""

_NARROWEST = 30


def fitted(text: str) -> str:
    """Return *text*, whole lines, as it fits a terminal; as it is where stdout is none."""
    if not sys.stdout.isatty():
        return text
    from shutil import get_terminal_size  # noqa: PLC0415 # only a terminal pays for it

    width = max(get_terminal_size().columns, _NARROWEST)
    return "".join(f"{line}\n" if len(line) <= width else _broken(line, width) for line in text.splitlines())


def _broken(line: str, width: int) -> str:
    from textwrap import wrap  # noqa: PLC0415 # only a long line on a terminal pays for it

    parts = wrap(
        line,
        width,
        subsequent_indent=" " * _HANGING,
        break_long_words=False,
        break_on_hyphens=False,
        expand_tabs=False,
        replace_whitespace=False,
    )
    return "".join(f"{part}\n" for part in parts)
