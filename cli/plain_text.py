r"""Text on its way to a terminal: what could steer the terminal or mislead its reader is shown as an escape.

Operators, nodes and file names wrote these texts. Controls, bidirectional and invisible
characters, and bytes that were no UTF-8 appear as ``\x1b`` or ``\u202e``; a backslash itself
stays as it is, because the escape is for readers and is never read back.
"""

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def plain(text: str) -> str:
    """Return *text* on one line, with every character visible."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def is_hidden(character: str) -> bool:
    """Tell whether *character* could steer a terminal or mislead its reader."""
    return unicodedata.category(character) in _HIDDEN


def _escaped(character: str) -> str:
    if not is_hidden(character):
        return character
    code = ord(character)
    # Surrogates U+DC80 to U+DCFF stand for single bytes that were no UTF-8 (PEP 383).
    if 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004 # as the line above
        code -= 0xDC00
    if code <= 0xFF:  # noqa: PLR2004 # what two hexadecimal digits hold
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 # four digits
