"""The picture of the report: which release had which status when, a lane for each node and release.

A status is told by shape, pattern and letter, never by colour alone. The picture is drawn here
for the whole period; the script of the page only moves what carries ``data-from`` and
``data-to`` (milliseconds since 1970) when its reader looks at a part of the period.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from typing import NamedTuple

from cli.plain_text import plain
from cli.report.states import State
from ledger.dataclass import dataclass
from projections.history import Line

WIDTH = 1000
LABEL = 190
_ROW = 24
_TOP = 26
_LETTER_ROOM = 9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_HEIGHTS: Mapping[str, int] = {"permanent": 18, "current": 14, "unpacked": 9, "old": 4}
_MARKS: Mapping[str, tuple[str, str]] = {
    "restart": ("restart", "M0 -7 L7 6 L-7 6 Z"),
    "failed": ("failed", "M-6 -6 L6 6 M6 -6 L-6 6"),
    "refused": ("refused", "M0 -7 L7 0 L0 7 L-7 0 Z"),
    "drift": ("drift", "M-6 -6 H6 V6 H-6 Z"),
}


class Bar(NamedTuple):
    """One release in one status, from event *first* on to event *last*; None where it still is."""

    status: str
    start: str
    end: str
    first: int
    last: int | None


@dataclass(frozen=True)
class Lane:
    """One release of one node."""

    stream: str
    node: str
    vsn: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Mark:
    """One event that is drawn on the lane of its node."""

    kind: str
    line: Line


@dataclass(frozen=True)
class Picture:
    """All lanes, and the marks by stream, of a period that reaches from *start* to *end*."""

    start: str
    end: str
    lanes: tuple[Lane, ...]
    marks: Mapping[str, tuple[Mark, ...]]

    @property
    def nodes(self) -> Mapping[str, str]:
        """The node of each stream, in the order of the lanes."""
        return {lane.stream: lane.node for lane in self.lanes}


def picture_of(states: Sequence[State], lines: Sequence[Line]) -> Picture:
    """Return what is drawn of *states*, with the marks among *lines*."""
    times = [state.since for state in states] + [line.recorded_at for line in lines]
    start, end = min(times), max(times)
    marks: dict[str, list[Mark]] = {}
    for line in lines:
        kind = _kind_of(line)
        if kind is not None:
            marks.setdefault(line.stream, []).append(Mark(kind, line))
    streams = dict.fromkeys(state.stream for state in states)
    lanes = tuple(lane for stream in streams for lane in _lanes([s for s in states if s.stream == stream], end))
    return Picture(start, end, lanes, {stream: tuple(found) for stream, found in marks.items()})


def drawn(picture: Picture) -> str:
    """Return the picture as SVG that may stand in a page; every text in it is escaped."""
    return "".join(_svg(picture))


def _lanes(states: Sequence[State], end: str) -> Iterator[Lane]:
    node = _label(states[-1].node, rehearsal=states[-1].rehearsal)
    finished: dict[str, list[Bar]] = {}
    running: dict[str, Bar] = {}
    for state in states:
        now = dict(state.releases or ())
        for vsn in [*running]:
            if now.get(vsn) != running[vsn].status:
                finished[vsn].append(running.pop(vsn)._replace(end=state.since, last=state.number))
        for vsn, status in now.items():
            finished.setdefault(vsn, [])
            running.setdefault(vsn, Bar(status, state.since, end, state.number, None))
    for vsn, bars in finished.items():
        yield Lane(states[-1].stream, node, vsn, (*bars, *((running[vsn],) if vsn in running else ())))


def _kind_of(line: Line) -> str | None:
    match line.type:
        case "node_restarted":
            return "restart"
        case "operation_refused":
            return "refused"
        case "drift_observed":
            return "drift"
        case _:
            return "failed" if line.failed else None


def _label(node: str, *, rehearsal: bool) -> str:
    return f"{node} (rehearsal)" if rehearsal else node


def _svg(picture: Picture) -> Iterator[str]:
    rows = len(picture.lanes) + len(picture.nodes)
    height = _TOP + rows * _ROW + 8
    yield (
        f'<svg id="lanes" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="lanes-title lanes-desc"'
        f' data-start="{_ms(picture.start)}" data-end="{_ms(picture.end)}"'
        f' data-left="{LABEL}" data-right="{WIDTH - 8}">'
        '<title id="lanes-title">Status of each release over time</title>'
        '<desc id="lanes-desc">The table below the picture says the same in words.</desc>' + _PATTERNS
    )
    yield f'<text class="axis" id="axis-start" x="{LABEL}" y="14">{picture.start[:19]}Z</text>'
    yield f'<text class="axis end" id="axis-end" x="{WIDTH - 8}" y="14">{picture.end[:19]}Z</text>'
    row = 0
    for stream, node in picture.nodes.items():
        yield _text(node, row, "node")
        yield from (_mark(mark, picture, row) for mark in picture.marks.get(stream, ()))
        row += 1
        for lane in picture.lanes:
            if lane.stream == stream:
                yield _text(lane.vsn, row, "vsn")
                yield f'<line class="ground" x1="{LABEL}" x2="{WIDTH - 8}" y1="{_middle(row)}" y2="{_middle(row)}"/>'
                yield from (_bar(bar, lane, picture, row) for bar in lane.bars)
                row += 1
    yield f'<line id="cursor" x1="{LABEL}" x2="{LABEL}" y1="{_TOP - 6}" y2="{height}"/></svg>'


def _text(text: str, row: int, name: str) -> str:
    return f'<text class="{name}" x="{LABEL - 8}" y="{_middle(row) + 4}">{_safe(text)}</text>'


def _bar(bar: Bar, lane: Lane, picture: Picture, row: int) -> str:
    left, right = _x(bar.start, picture), _x(bar.end, picture)
    width, height = max(right - left, 1.5), _HEIGHTS.get(bar.status, 10)
    until = "on" if bar.last is None else f"until event {bar.last}"
    title = f"{lane.vsn} is {bar.status} from event {bar.first} {until}"
    hidden = "" if width >= _LETTER_ROOM else ' visibility="hidden"'
    return (
        f'<g class="bar {_safe(bar.status)}" data-from="{_ms(bar.start)}" data-to="{_ms(bar.end)}"'
        f' data-lane="{_safe(lane.node)}">'
        f"<title>{_safe(title)}</title>"
        f'<rect x="{left:.1f}" width="{width:.1f}" y="{_middle(row) - height / 2:.1f}" height="{height}"/>'
        f'<text x="{left + 3:.1f}" y="{_middle(row) + 4}"{hidden}>{_safe(bar.status[:1].upper())}</text></g>'
    )


def _mark(mark: Mark, picture: Picture, row: int) -> str:
    name, path = _MARKS[mark.kind]
    at, line = _x(mark.line.recorded_at, picture), mark.line
    title = f"event {line.number}: {line.words}"
    lane = _label(line.node or line.stream, rehearsal=line.rehearsal)
    return (
        f'<g class="mark {name}" data-from="{_ms(line.recorded_at)}" data-y="{_middle(row)}" data-lane="{_safe(lane)}"'
        f' transform="translate({at:.1f} {_middle(row)})"><title>{_safe(title)}</title><path d="{path}"/></g>'
    )


def _x(time: str, picture: Picture) -> float:
    start, span = _ms(picture.start), _ms(picture.end) - _ms(picture.start)
    share = (_ms(time) - start) / span if span else 0.0
    return LABEL + min(max(share, 0.0), 1.0) * (WIDTH - 8 - LABEL)


def _ms(time: str) -> int:
    return (datetime.fromisoformat(time) - _EPOCH) // _MILLISECOND


def _middle(row: int) -> int:
    return _TOP + row * _ROW + _ROW // 2


def _safe(text: str) -> str:
    return escape(plain(text))


_PATTERNS = (
    '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect class="paper" width="6" height="6"/><rect class="ink" width="2.5" height="6"/></pattern>'
    '<pattern id="dots" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<rect class="paper" width="6" height="6"/><circle class="ink" cx="3" cy="3" r="1.2"/></pattern></defs>'
)
