"""Every error that a reader in a hurry can meet, in one golden file, in its three parts.

Each class is built from its own annotations, so that a new error stands in the file or fails here.
Write the file anew with ``python -m tests.cli.test_error_texts``; a changed text needs a line in
the changelog.
"""

import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import cli
import ledger
import projections
from cli.comparing import Side
from cli.error_report import as_text
from ledger.application.anchoring import Late
from ledger.application.audit_form import RowFault
from ledger.application.audit_report import Finding, Level, Verdict
from ledger.application.standing_alarm import StandingAlarm
from ledger.domain.package_facts import FoundPackages
from ledger.domain.plan import Step
from ledger.domain.reason import Reason, Rule
from ledger.domain.records import OpenAttempt, PlannedStep, StepKind, Verb
from ledger.domain.releases import NodeReleases
from ledger.domain.status import ReleaseStatus
from ledger.domain.tables import Tables
from ledger.domain.whereabouts import Whereabouts, follow
from ledger.errors import (
    CheckFailedError,
    EvidenceError,
    FailedError,
    LedgerError,
    LockedError,
    OpenAttemptError,
    RefusedError,
    UsageError,
)
from ledger.tlog.policy import Witness
from ledger.tlog.tiles import Tile
from ledger.tlog.vkey import Vkey
from ledger.tlog.witness import AddCheckpoint
from tests.domain.nodes import node_with, registered

_VKEY = Vkey.parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
_NOTE = f"example.com/foo\n7\n{'A' * 43}=\n\n— example.com/foo {'A' * 100}\n".encode()
GOLDEN = Path(__file__).parents[1] / "golden/errors.txt"
FAMILIES = {
    LedgerError,
    UsageError,
    RefusedError,
    CheckFailedError,
    FailedError,
    OpenAttemptError,
    EvidenceError,
    LockedError,
}
_TABLES = Tables(
    memory=(("4.4.0", ReleaseStatus.PERMANENT),),
    disk=(("4.4.0", ReleaseStatus.PERMANENT),),
    start_erl="4.4.0",
    rel_vsn="4.4.0",
)
_CAUSE = FailedError("CAUSE", fact="FACT OF THE CAUSE", hint="HINT OF THE CAUSE")
_SAMPLES: Mapping[Any, Any] = {
    int: 7,
    float: 7.0,
    bool: True,
    bytes: b"BYTES",
    object: "OBJECT",
    Path: Path("/PATH"),
    OSError: PermissionError(13, "Permission denied", "/FILE"),
    Reason: Reason(Rule.PACKAGE, "MESSAGE", "FACT", "HINT"),
    Tables: _TABLES,
    Step: Step(StepKind.INSTALL, "4.4.16"),
    Side: Side("moment", "event 7", (), (), {}),
    Finding: Finding(Level.TREE, Verdict.FAILED, "WHERE", "WHAT"),
    Late: Late("SINK", _CAUSE),
    StandingAlarm: StandingAlarm("SINK", "SAID", "/FILE"),
    FoundPackages: FoundPackages(vsn="4.4.16", packages=("A", "B"), looked_for=("A", "B"), near_misses=("C",)),
    NodeReleases: node_with(),
    Whereabouts: follow(None, registered()),
    Vkey: _VKEY,
    Witness: Witness(b"w1", _VKEY, b"https://w.example.org/"),
    Tile: Tile(0, 5, 256),
    AddCheckpoint: AddCheckpoint(7, (), _NOTE),
    OpenAttempt: OpenAttempt(
        attempt="ATTEMPT",
        verb=Verb.UPGRADE,
        to="4.4.16",
        plan=(PlannedStep(step="install", vsn="4.4.16"),),
        done=0,
        package=None,
        staged=None,
        options=(),
    ),
}
# What is not any value of its type.
_ONE_OF: Mapping[str, Mapping[str, Any]] = {
    "StatedFactError": {"option": "otp"},
    "BootFilesError": {"reasons": (Reason(Rule.BOOT_FILES, "MESSAGE", "FACT", "HINT"),)},
}


def concrete_errors() -> list[type[LedgerError]]:
    """Return every error that is told: families apart, and what the audit turns into a finding."""
    for package in (cli, ledger, projections):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
    found = {
        error for error in _below(LedgerError) if error.__module__.split(".")[0] in {"cli", "ledger", "projections"}
    }
    return sorted(found - FAMILIES - {RowFault}, key=lambda error: (error.__module__, error.__qualname__))


def _below(error: type[LedgerError]) -> Iterator[type[LedgerError]]:
    for subclass in error.__subclasses__():
        yield subclass
        yield from _below(subclass)


def text_of(error: type[LedgerError]) -> str:
    """Return the text of an error that is built from its annotations."""
    init: Callable[..., None] = error.__init__
    # Some names are imported for the annotations alone.
    later = {kind.__name__: kind for kind in (Tables, Reason, Late, Finding, Side, Path, NodeReleases, Witness)}
    hints = get_type_hints(init, later | vars(import_module(error.__module__)))
    given, named = list[Any](), dict[str, Any]()
    for parameter in list(inspect.signature(init).parameters.values())[1:]:
        own = _ONE_OF.get(error.__name__, {})
        value = own.get(parameter.name) or _sample(hints[parameter.name], parameter.name)
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            named[parameter.name] = value
        else:
            given.append(value)
    return as_text(error(*given, **named))


def _sample(hint: Any, name: str) -> Any:  # noqa: ANN401, PLR0911 # it follows annotations, one kind a line
    if hint is str:
        return name.upper()
    if get_origin(hint) in {Union, UnionType}:
        return _sample(next(part for part in get_args(hint) if part is not NoneType), name)
    if get_origin(hint) is not None and str(get_origin(hint)).find("Mapping") > 0:
        return {name.upper(): "VALUE"}
    if get_origin(hint) is not None:
        inner = [part for part in get_args(hint) if part is not ...]
        return tuple(_sample(part, name) for part in inner)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return next(iter(hint))
    if hint in _SAMPLES:
        return _SAMPLES[hint]
    if isinstance(hint, type) and issubclass(hint, BaseException):
        return _of_class(hint)
    raise AssertionError(f"{name}: no sample for {hint}")


def _of_class(error: type[BaseException]) -> BaseException:
    if isinstance(_CAUSE, error):
        return _CAUSE
    if issubclass(error, LedgerError):
        made = error.__new__(error)
        LedgerError.__init__(made, "CAUSE", fact="FACT OF THE CAUSE", hint="HINT OF THE CAUSE")
        return made
    return error("CAUSE")


def golden_text() -> str:
    """Return what the golden file has to hold."""
    return "".join(f"{error.__module__}.{error.__qualname__}\n{text_of(error)}\n" for error in concrete_errors())


def test_every_error_reads_as_in_the_golden_file() -> None:
    """PRODUCT section 5: what is wrong, the fact it rests on, what to do next."""
    assert golden_text() == GOLDEN.read_text(encoding="utf-8")


def test_every_error_has_its_three_parts() -> None:
    """A hurried reader finds the way out in the last line."""
    lacking = [
        f"{error.__module__}.{error.__qualname__}"
        for error in concrete_errors()
        if not re.fullmatch(r"(error: .+\n  .+\nhint: .+\n)+", text_of(error))
    ]

    assert lacking == []


if __name__ == "__main__":
    GOLDEN.write_text(golden_text(), encoding="utf-8")
