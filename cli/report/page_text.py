"""The SHA-256 of everything in a page but its data and its script, which have digests of their own.

The script of the page (page_text.js) computes it from the elements that the browser made of the
page, before it changes any. So the form is one that both can make: a line for each text, with the
spaces of HTML run together; for each start of an element its name and its attributes by name; for
each end ``/``; for each comment ``!`` and what it says. The title comes first.
"""

import re
from hashlib import sha256
from html.parser import HTMLParser

_VOID = frozenset({"br", "hr", "img", "input", "link", "meta", "wbr"})
_SPACES = re.compile(r"[ \t\n\r\f]+")
_BODY = re.compile(r"<body>.*", re.DOTALL)
_TITLE = re.compile(r"<title>.*?</title>", re.DOTALL)


def text_digest(html: str) -> str:
    """Return the digest of *html*, a page up to its data."""
    title, body = _TITLE.search(html), _BODY.search(html)
    found = _Lines()
    for part in (title, body):
        found.feed(part[0] if part else "")
    found.close()
    return sha256("\n".join(found.lines).encode()).hexdigest()


class _Lines(HTMLParser):
    """The lines of what it is fed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.lines.append(" ".join((f"<{tag}", *sorted(f'{name}="{value or ""}"' for name, value in attrs))))
        if tag in _VOID:
            self.lines.append("/")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.lines.append("/")

    def handle_endtag(self, _: str) -> None:
        self.lines.append("/")

    def handle_data(self, data: str) -> None:
        if text := _SPACES.sub(" ", data).strip(" "):
            self.lines.append(f"'{text}")

    def handle_comment(self, data: str) -> None:
        self.lines.append(f"!{data}")
