"""The Erlang texts of a release: RELEASES, ``emqx.rel``, relup and ``*.app``.

Only the regular shape that a release of EMQX has. RELEASES is laid out as ``~tp`` prints it on 80
columns: one library a line, its folder on a line of its own where the line would be too long.
"""

from collections.abc import Sequence
from dataclasses import dataclass

ENCODING_LINE = "%% coding: utf-8\n"

Libraries = tuple[tuple[str, str], ...]

_WIDTH = 80
_COLUMN = 12  # where a library stands, counted from 1


@dataclass(frozen=True, kw_only=True)
class ReleaseEntry:
    """One release as RELEASES lists it; *lib_root* is ``./lib`` by relx, ``lib`` or a path by OTP."""

    vsn: str
    erts: str
    libs: Libraries
    status: str = "permanent"
    lib_root: str = "./lib"


def releases_text(entries: Sequence[ReleaseEntry]) -> str:
    """Return the text of RELEASES that lists *entries* in their order (otp.md section 5.1)."""
    return f"{ENCODING_LINE}[{_joined(tuple(map(_release, entries)), column=1)}].\n"


def rel_text(*, vsn: str, erts: str, libs: Libraries) -> str:
    """Return ``emqx.rel``, which names the release, its ERTS and its applications (rel(4))."""
    apps = _joined(tuple(f'{{{app},"{app_vsn}"}}' for app, app_vsn in libs), column=2)
    return f'{{release,{{"emqx","{vsn}"}},\n {{erts,"{erts}"}},\n [{apps}]}}.\n'


def relup_text(
    vsn: str,
    *,
    up_from: Sequence[str],
    down_to: Sequence[str],
    up_last: str | None = None,
    down_last: str | None = None,
) -> str:
    """Return the relup of *vsn* (relup(4)): the ways up from *up_from* and down to *down_to*.

    *up_last* and *down_last* are one more instruction at the end of every way in that direction.
    """
    up = _ways(up_from, vsn, up_last)
    down = _ways(down_to, None, down_last)
    return f'{{"{vsn}",\n [{up}],\n [{down}]}}.\n'


def app_text(app: str, vsn: str, modules: Sequence[str]) -> str:
    """Return the application resource file of *app* (app(4))."""
    listed = _joined(tuple(modules), column=13)
    needed = "[kernel]" if app == "stdlib" else "[]" if app == "kernel" else "[kernel,stdlib]"
    return (
        f'{{application,{app},\n    [{{description,"{app} of the demo"}},\n     {{vsn,"{vsn}"}},\n'
        f"     {{modules,\n            [{listed}]}},\n     {{registered,[]}},\n     {{applications,{needed}}}]}}.\n"
    )


def _release(entry: ReleaseEntry) -> str:
    last = len(entry.libs) - 1
    libs = tuple(
        _library(app, vsn, f"{entry.lib_root}/{app}-{vsn}", closing=int(index == last))
        for index, (app, vsn) in enumerate(entry.libs)
    )
    return (
        f'{{release,"emqx","{entry.vsn}","{entry.erts}",\n'
        f"{' ' * (_COLUMN - 2)}[{_joined(libs, column=_COLUMN - 1)}],\n{' ' * (_COLUMN - 2)}{entry.status}}}"
    )


def _library(app: str, vsn: str, folder: str, *, closing: int) -> str:
    start, end = f'{{{app},"{vsn}",', f'"{folder}"}}'
    # io_lib_pretty: a term stays on the line while it is shorter than what is left of it.
    if len(start + end) < _WIDTH - _COLUMN - closing:
        return start + end
    return f"{start}\n{' ' * (_COLUMN + len(app) + 1)}{end}"


def _ways(vsns: Sequence[str], target: str | None, last: str | None) -> str:
    ways = (f'{{"{vsn}",[],\n   [{_joined(_instructions(target or vsn, last), column=4)}]}}' for vsn in vsns)
    return _joined(tuple(ways), column=2)


def _instructions(vsn: str, last: str | None) -> tuple[str, ...]:
    steps = (
        f'{{load_object_code,{{emqx,"{vsn}",[emqx_release]}}}}',
        "point_of_no_return",
        "{load,{emqx_release,brutal_purge,soft_purge}}",
    )
    return steps if last is None else (*steps, last)


def _joined(parts: Sequence[str], *, column: int) -> str:
    return f",\n{' ' * column}".join(parts)
