r"""Text in double quotes as Erlang writes a string: what ``io:format("~p", [Root])`` prints for a path.

A quote and a backslash carry a backslash, so the text reads back as it is. What could steer a
terminal or mislead its reader has Erlang's own escape, ``\e`` or ``\x{202E}``. Where Erlang would
print numbers, for a character beyond Latin-1, the character stands: EMQX's ``root_dir`` cannot
show such a path at all.
"""

from cli.plain_text import is_hidden

_SHORT = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\v": "\\v",
    "\f": "\\f",
    "\r": "\\r",
    "\x1b": "\\e",
    "\x7f": "\\d",
}


def erlang_string(text: str) -> str:
    """Return *text* as a string of Erlang, on one line."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    return f"\\x{{{ord(character):X}}}" if is_hidden(character) else character
