"""Settings: flag, then environment, then ``config.toml`` beside the ledger, then the host's, then a default.

(PRODUCT section 11, RULINGS 8.) Each setting in force knows where it comes from. A key that is
not known is refused, because a policy that is misspelt would silently not hold. A file that is
there and cannot be read is an error: another ledger, or no policy, never takes its place.

The ledger's own file cannot say where the ledger is, and no file gives a reason or a ticket:
they belong to one change.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from cli.errors import FileAccessError
from cli.policy_text import policy_in
from ledger.errors import UsageError

HOST_FOLDER = Path("/etc/release-ledger")
HOST_LEDGER = Path("/var/lib/release-ledger")
DEFAULT_ROOT = Path("/usr/lib/emqx")
FILE_NAME = "config.toml"
DRIVERS = ("auto", "node", "script", "embedded")
REFUSE, SPOOL = OFFLINE = ("refuse", "spool")

_TEXTS = frozenset({"node", "driver", "root", "group"})
_POLICY: Mapping[str, type] = {"require_reason": bool, "require_ticket": bool, "holders": int, "anchors": list}
_FLEET: Mapping[str, type] = {"offline": str}
_SECTIONS = {"policy": _POLICY, "fleet": _FLEET}
_WANTED: Mapping[type, str] = {
    str: "a text in quotes",
    bool: "true or false",
    int: "a whole number, 0 or more",
    list: 'a list of texts, like ["syslog"]',
}
_HOST_ONLY = frozenset({"ledger", "tip_guard"})
_Value = TypeVar("_Value")


class SettingError(UsageError):
    """A setting is not one that release-ledger knows, or not of the kind it must be."""

    def __init__(self, where: str, what: str, *, fact: str, hint: str) -> None:
        super().__init__(f"{what} in {where}", fact=fact, hint=hint)
        self.where = where


class NoHomeError(UsageError):
    """There is no place for a ledger of one's own."""

    def __init__(self) -> None:
        super().__init__(
            "no ledger was named, and this user has no home folder",
            fact="neither --ledger nor RELEASE_LEDGER is given; HOME and XDG_STATE_HOME name no folder",
            hint="name the ledger: --ledger FOLDER or RELEASE_LEDGER=FOLDER",
        )


class LedgerAddressError(UsageError):
    """The ledger is named in a form that no store takes."""

    def __init__(self, address: str) -> None:
        super().__init__(
            "the ledger cannot be opened",
            fact=f"{address.partition('://')[0]}:// is not supported; a ledger is a folder, or lies in PostgreSQL",
            hint="name a folder, or an address that begins with postgresql://",
        )


class Setting(NamedTuple, Generic[_Value]):
    """A value in force and where it comes from."""

    value: _Value
    source: str


class Settings(NamedTuple):
    """The settings in force for one command."""

    ledger: Setting[Path]
    node: Setting[str | None]
    driver: Setting[str]
    root: Setting[Path | None]
    group: Setting[str | None]
    tip_guard: Setting[Path | None]
    require_reason: Setting[bool]
    require_ticket: Setting[bool]
    holders: Setting[int]
    anchors: Setting[tuple[str, ...]]
    offline: Setting[str]
    reason: Setting[str | None]
    ticket: Setting[str | None]


class _File(NamedTuple):
    """One file of settings; a missing one sets nothing."""

    path: Path
    values: Mapping[str, Any]

    def get(self, name: str) -> Setting[Any] | None:
        value = self.values.get(name)
        return None if value is None else Setting(value, str(self.path))


def read_settings(
    *,
    ledger: str | None = None,
    node: str | None = None,
    environ: Mapping[str, str] = os.environ,
    host_folder: Path = HOST_FOLDER,
    host_ledger: Path = HOST_LEDGER,
) -> Settings:
    """Return the settings in force; *ledger* and *node* are what the flags say.

    Raises: SettingError, FileAccessError, NoHomeError, LedgerAddressError.
    """
    host = _read(host_folder / FILE_NAME, _TEXTS | _HOST_ONLY)
    folder = _ledger(ledger, environ, host, host_ledger)
    own = _read(_linked(folder.value / FILE_NAME), _TEXTS)

    def text(name: str, flag: str | None = None) -> Setting[str | None]:
        variable = f"RELEASE_LEDGER_{name.upper()}"
        found = _given(flag, f"--{name}") or _given(environ.get(variable), variable)
        return found or own.get(name) or host.get(name) or Setting(None, "default")

    def policy(name: str, default: _Value) -> Setting[_Value]:
        return own.get(name) or host.get(name) or Setting(default, "default")

    anchors = policy("anchors", ())
    driver = text("driver")
    _one_of(DRIVERS, driver, "driver", "drivers")
    offline = policy("offline", REFUSE)
    _one_of(OFFLINE, offline, "value of `offline`", "values")
    return Settings(
        ledger=folder,
        node=text("node", node),
        driver=Setting(driver.value or "auto", driver.source),
        root=_root(environ, own, host),
        group=own.get("group") or host.get("group") or Setting(None, "default"),
        tip_guard=_tip_guard(environ, host),
        require_reason=policy("require_reason", default=False),
        require_ticket=policy("require_ticket", default=False),
        holders=policy("holders", 0),
        anchors=Setting(tuple(anchors.value), anchors.source),
        offline=offline,
        reason=_given(environ.get("RELEASE_LEDGER_REASON"), "RELEASE_LEDGER_REASON") or Setting(None, "default"),
        ticket=_given(environ.get("RELEASE_LEDGER_TICKET"), "RELEASE_LEDGER_TICKET") or Setting(None, "default"),
    )


def state_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder for a ledger of this user's own.

    Raises: NoHomeError.
    """
    base = environ.get("XDG_STATE_HOME", "")
    # XDG Base Directory Specification: a path that is not absolute is ignored.
    if not os.path.isabs(base):  # noqa: PTH117 # an empty text is a path to pathlib
        home = environ.get("HOME", "")
        if not os.path.isabs(home):  # noqa: PTH117 # as above
            raise NoHomeError
        base = f"{home}/.local/state"
    return Path(base) / "release-ledger"


def _ledger(flag: str | None, environ: Mapping[str, str], host: _File, host_ledger: Path) -> Setting[Path]:
    named = _given(flag, "--ledger") or _given(environ.get("RELEASE_LEDGER"), "RELEASE_LEDGER") or host.get("ledger")
    if named is not None:
        if "://" in named.value:
            return Setting(_served(named.value, environ, host, host_ledger), named.source)
        if named.source == str(host.path) and not Path(named.value).is_absolute():
            raise SettingError(
                named.source, "`ledger` is no absolute path", fact=f"ledger = {named.value!r}", hint="begin it with /"
            )
        return Setting(_absolute(named), named.source)
    # Where the host's ledger is and cannot be read, opening it says so (RULINGS 8).
    if os.geteuid() == 0 or _exists(host_ledger):
        return Setting(host_ledger, "default")
    return Setting(state_folder(environ), "default")


def _absolute(named: Setting[str]) -> Path:
    try:
        return Path(named.value).absolute()
    except FileNotFoundError as exc:
        raise SettingError(
            named.source,
            f"{named.value!a} leads nowhere",
            fact="it begins in the current folder, and that is gone",
            hint="go to another folder, or name the ledger by its whole path",
        ) from exc


def _served(address: str, environ: Mapping[str, str], host: _File, host_ledger: Path) -> Path:
    """Return the folder that stands for a ledger in PostgreSQL."""
    from cli.ledger_place import SCHEMES, folder_of  # noqa: PLC0415 # a ledger in a folder is looked for nowhere else

    if not address.startswith(SCHEMES):
        raise LedgerAddressError(address)
    return folder_of(address, base=_tip_guard(environ, host).value or _own_base(environ, host_ledger))


def _own_base(environ: Mapping[str, str], host_ledger: Path) -> Path:
    """Return where this user's places of ledgers in PostgreSQL lie; who has no home folder has none but the host's."""
    if os.geteuid() == 0:
        return host_ledger
    try:
        return state_folder(environ)
    except NoHomeError:
        return host_ledger


def _tip_guard(environ: Mapping[str, str], host: _File) -> Setting[Path | None]:
    """Return the folder in which tip guards lie: only the host says, not whoever writes a ledger."""
    named = _given(environ.get("RELEASE_LEDGER_TIP_GUARD"), "RELEASE_LEDGER_TIP_GUARD") or host.get("tip_guard")
    if named is None:
        return Setting(None, "default")
    if not os.path.isabs(named.value):  # noqa: PTH117 # an empty text is a path to pathlib
        raise SettingError(
            named.source, "`tip_guard` is no absolute path", fact=f"tip_guard = {named.value!a}", hint="begin it with /"
        )
    return Setting(Path(named.value), named.source)


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _root(environ: Mapping[str, str], own: _File, host: _File) -> Setting[Path | None]:
    named = _given(environ.get("EMQX_ROOT_DIR"), "EMQX_ROOT_DIR") or own.get("root") or host.get("root")
    if named is not None:
        return Setting(Path(named.value), named.source)
    return Setting(DEFAULT_ROOT if _exists(DEFAULT_ROOT) else None, "default")


def _one_of(known: tuple[str, ...], setting: Setting[Any], what: str, several: str) -> None:
    if setting.value is not None and setting.value not in known:
        raise SettingError(
            setting.source,
            f"unknown {what} {setting.value!a}",
            fact=f"{several}: {', '.join(known)}",
            hint="name one of these",
        )


def _linked(path: Path) -> Path:
    """Return where *path* leads: what stands for a ledger in PostgreSQL only links to the settings of this host."""
    return path.resolve() if os.path.islink(path) else path  # noqa: PTH114 # it says no where it may not look


def _given(value: str | None, source: str) -> Setting[Any] | None:
    return Setting(value, source) if value else None


def _read(path: Path, texts: frozenset[str]) -> _File:
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return _File(path, {})
    except OSError as exc:
        raise FileAccessError(path, exc) from exc
    except ValueError as exc:  # a NUL in the path
        raise FileAccessError(path, OSError(str(exc))) from exc
    try:
        text = content.decode()
        policy = policy_in(text)
        if policy is not None:
            return _File(path, policy)
        import tomllib  # noqa: PLC0415 # most settings need no reader of TOML, which costs more than they do

        record = tomllib.loads(text)
    except ValueError as exc:  # no UTF-8, or no TOML
        raise SettingError(str(path), "unreadable text", fact=str(exc), hint="mend the file; it is TOML") from exc
    sections = {name: record.pop(name, {}) for name in _SECTIONS}
    for name, value in record.items():
        _check(path, name, value, dict.fromkeys(texts, str), sections=tuple(_SECTIONS))
    for section, values in sections.items():
        if not isinstance(values, dict):
            raise SettingError(
                str(path),
                f"`{section}` is no table",
                fact=f"{section} = {values!r}",
                hint=f"write it as a section: [{section}]",
            )
        for name, value in values.items():
            _check(path, name, value, _SECTIONS[section])
        record |= values
    return _File(path, record)


def _check(path: Path, name: str, value: object, known: Mapping[str, type], *, sections: tuple[str, ...] = ()) -> None:
    if name not in known:
        from difflib import get_close_matches  # noqa: PLC0415 # only a mistake pays for it

        names = (*sorted(known), *sections)
        near = get_close_matches(name, names, n=1)
        written = f"[{near[0]}]" if near and near[0] in sections else near[0] if near else ""
        hint = f"did you mean {written!r}?" if near else "take the line out of the file"
        shown = (*sorted(known), *(f"[{section}]" for section in sections))
        raise SettingError(str(path), f"unknown setting {name!r}", fact=f"known here: {', '.join(shown)}", hint=hint)
    if not _is(value, known[name]):
        from json import dumps  # noqa: PLC0415 # as above; unlike repr it writes true and texts as TOML does

        want, shown_value = _WANTED[known[name]], dumps(value, ensure_ascii=False, default=str)
        raise SettingError(str(path), f"`{name}` is not {want}", fact=f"{name} = {shown_value}", hint=f"write {want}")


def _is(value: object, kind: type) -> bool:
    if kind is int:
        return type(value) is int and value >= 0  # to Python, true is a number
    if kind is list:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return isinstance(value, kind)
