"""The report as one HTML file: a strict content security policy, no network, nothing beside it.

Style and script are allowed by their SHA-256 alone. There is no inline handler and no style
attribute. Jinja2 escapes every text; before that, ``plain`` makes visible what could steer or
mislead (controls, bidirectional and invisible characters).
"""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cli.plain_text import plain
from cli.report.controls import controls_rows
from cli.report.embedded import embedded
from cli.report.exceptions import counted
from cli.report.model import Report
from cli.report.page_text import text_digest
from cli.report.scope import LIMITS, gaps_of, nodes_of
from ledger.tlog.notation import print_base64

# The parts of the script, in the order in which one uses the other; together they are one function.
SCRIPT_PARTS = (
    "bytes",
    "page_text",
    "data",
    "tree",
    "notes",
    "words",
    "tables",
    "stated",
    "rows",
    "picture",
    "verdict",
    "main",
)
MOST_ROWS = 200  # of exceptions, written beforehand; rows.js has the same number
MOST_NUMBERS = 50  # of events beside a package; rows.js has the same number
_PARTS = (
    ("scope", "Scope and gaps"),
    ("exceptions", "Exceptions"),
    ("timeline", "Releases over time"),
    ("attempts", "Attempts and events"),
    ("checkpoints", "Checkpoints"),
    ("packages", "Packages"),
    ("controls", "Controls"),
    ("limits", "Limits"),
)


def page(report: Report) -> str:
    """Return the page of *report*."""
    style, script, evidence = _own("style.css"), _script(), embedded(report)
    text = (
        _environment()
        .get_template("page.html")
        .render(
            report=report,
            policy=_policy(style, script),
            style=Markup(style),  # noqa: S704 # our own file
            parts=_PARTS,
            root=print_base64(report.checkpoint.root).decode(),
            nodes=nodes_of(report),
            gaps=tuple(gaps_of(report)),
            outcomes=", ".join(f"{number} {outcome}" for outcome, number in report.population.outcomes.items()),
            limits=LIMITS,
            counts=tuple(counted(report.exceptions)),
            controls=tuple(controls_rows(report.lines)),
            holders=tuple(_holders(report)),
            most_rows=MOST_ROWS,
            most_numbers=MOST_NUMBERS,
            first_time=min(line.recorded_at for line in report.lines),
            last_time=max(line.recorded_at for line in report.lines),
        )
    )
    return text + _data(evidence, script, text_sha256=text_digest(text))


def _data(evidence: str, script: str, *, text_sha256: str) -> str:
    return (
        _environment()
        .get_template("data.html")
        .render(
            script=Markup(script),  # noqa: S704 # our own files
            evidence=Markup(evidence),  # noqa: S704 # escaped for a script element
            evidence_sha256=sha256(evidence.encode()).hexdigest(),
            text_sha256=text_sha256,
        )
    )


def _holders(report: Report) -> list[tuple[str, int, str, int]]:
    """Return each holder with the newest note it has, when it got it, and how many events came later."""
    newest = {copy.sink: copy for copy in report.held}  # by rising size
    size = report.checkpoint.size
    return [(sink, copy.size, copy.at, size - copy.size) for sink, copy in sorted(newest.items())]


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


@cache
def _script() -> str:
    parts = "".join(_own(f"{name}.js") for name in SCRIPT_PARTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


@cache
def _own(name: str) -> str:
    return files("cli.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("cli.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )


def _visible(value: object) -> object:
    return plain(value) if type(value) is str else value
