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
from cli.report.scope import LIMITS, gaps_of, nodes_of
from cli.report.swimlane import drawn, picture_of
from ledger.tlog.notation import print_base64


def page(report: Report) -> str:
    """Return the page of *report*."""
    style, script = _own("style.css"), _own("script.js")
    picture = None if not report.states else picture_of(report.states, report.lines)
    return (
        _environment()
        .get_template("page.html")
        .render(
            report=report,
            policy=_policy(style, script),
            style=Markup(style),  # noqa: S704 # our own file
            script=Markup(script),  # noqa: S704 # our own file
            evidence=Markup(embedded(report)),  # noqa: S704 # escaped for a script element
            root=print_base64(report.checkpoint.root).decode(),
            nodes=nodes_of(report),
            gaps=tuple(gaps_of(report)),
            limits=LIMITS,
            counts=tuple(counted(report.exceptions)),
            picture=picture,
            drawing=None if picture is None else Markup(drawn(picture)),  # noqa: S704 # drawn() escapes its texts
            controls=tuple(controls_rows(report.lines)),
            holders=tuple(_holders(report)),
            first_time=min(line.recorded_at for line in report.lines),
            last_time=max(line.recorded_at for line in report.lines),
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
