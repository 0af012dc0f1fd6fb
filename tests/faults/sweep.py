"""Breaking a command at every write, or at some, and holding what follows against all that must hold."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import dropwhile, groupby
from pathlib import Path

from tests.faults.child import Ran
from tests.faults.disk_calls import Call, Fault, Kind
from tests.faults.host import Deed, Host, sampled
from tests.faults.invariants import (
    Log,
    all_agree,
    boots_a_known_version,
    nothing_aside_unrecorded,
    nothing_left_over,
    nothing_twice,
    nothing_unrecorded,
    read_log,
)

_UNFORESEEN = "RELEASE_LEDGER_DEBUG"
_MAKING_LEDGER = "init"


@dataclass(frozen=True)
class Sweep:
    """What breaking one deed gave: the *calls* it makes, and how each fault ended."""

    deed: str
    calls: tuple[Call, ...]
    results: Counter[tuple[Kind, str]] = field(default_factory=Counter)


class FaultError(AssertionError):
    """Something does not hold after a fault."""

    def __init__(self, deed: str, fault: Fault, call: Call, ran: Ran, cause: BaseException) -> None:
        super().__init__(f"{deed}: {fault.kind} at {fault.at}, {call.name} {call.path}\n{ran}\n{cause!r}")


def sweep(deed: Deed, folder: Path, kinds: Iterable[Kind], *, most: int | None = None) -> Sweep:
    """Break *deed* in each of *kinds* at every write, or at *most* of them, evenly spread.

    Where not all are tried, of a run of writes of SQLite to one file only the first and last count.
    Raises: FaultError.
    """
    host = deed.prepared(folder)
    put_back = host.keep()
    counted = host.run(*deed.arguments(host), counted=True)
    assert counted.code == 0, counted
    assert deed.is_reached(host)
    done = Sweep(deed.name, counted.calls)
    for kind in kinds:
        for at in points(counted.calls, most=most):
            put_back()
            fault = Fault(at, kind)
            ran = host.run(*deed.arguments(host), fault=fault)
            try:
                result = judge(host, deed, ran)
                resume(host, deed, goes_on=at % 2 == 0)
            except AssertionError as exc:
                raise FaultError(deed.name, fault, counted.calls[at - 1], ran, exc) from exc
            done.results[kind, result] += 1
    return done


def points(calls: tuple[Call, ...], *, most: int | None) -> Iterator[int]:
    """Yield the numbers of the calls that are to be broken."""
    if most is None:
        yield from range(1, len(calls) + 1)
        return
    telling = list[int]()
    for (name, _), run in groupby(enumerate(calls, 1), key=lambda item: (item[1].name, item[1].path)):
        numbers = [number for number, _ in run]
        telling += sorted({numbers[0], numbers[-1]}) if name.startswith("sqlite") else numbers
    yield from (telling[index - 1] for index in sampled(len(telling), most))


def judge(host: Host, deed: Deed, ran: Ran) -> str:
    """Hold the host and what the command said against each other; return how it ended, in a word."""
    log = read_log(host)
    boots_a_known_version(host)
    nothing_twice(log)
    nothing_aside_unrecorded(host, log)
    if ran.killed:
        return "killed"
    assert _UNFORESEEN not in ran.err
    if ran.code == 0:
        assert deed.is_reached(host)
        return "done all the same"
    # What the change warned of stands before what broke it off.
    lines = tuple(dropwhile(lambda line: line.startswith("warning: "), ran.err.splitlines()))
    assert lines[0].startswith("error: ")
    assert any(line.startswith("hint: ") for line in lines)
    if log.is_open and deed.command[0] != "recover":
        assert ran.code in {4, 5}
        assert "recover" in ran.err
    assert ran.code in {1, 2, 3, 4, 5}
    return f"exit {ran.code}"


def resume(host: Host, deed: Deed, *, goes_on: bool) -> None:
    """Recover, or first go on where nothing forbids it, and reach the goal."""
    if deed.name == _MAKING_LEDGER:
        host.do(*deed.arguments(host))
    log = read_log(host)
    if log.is_open or goes_on:
        other = deed.arguments(host) if deed.command[0] != "recover" else ("restart", "--dry-run")
        ran = host.run(*other)
        assert ran.code == (5 if log.is_open else 0) or (ran.code == 5 and not log.is_open), ran
        assert ran.code == 0 or "recover" in ran.err, ran
    _looks_without_a_trace(host, log)
    host.do("recover", "--yes")
    _whole(host)
    files, size = host.files(), len(read_log(host).events)
    again = host.run("recover", "--yes")
    assert again.code == 0, again
    assert again.out.startswith("Nothing to recover.\n"), again
    assert host.files() == files
    assert len(read_log(host).events) == size
    host.do(*deed.arguments(host))
    assert deed.is_reached(host), host.rows()
    _whole(host)


def _looks_without_a_trace(host: Host, log: Log) -> None:
    """`recover --dry-run` tells what there is to do and writes nothing, but for the guard of a commit before."""
    before = _bytes(host)
    ran = host.run("recover", "--dry-run")
    assert _bytes(host) == before, ran
    assert ran.code == (5 if "To do: " in ran.out else 0), ran
    assert ran.code == 5 or not log.is_open, ran


def _bytes(host: Host) -> dict[str, bytes]:
    places = {path.name: path for path in host.ledger.glob("ledger.db*") if not path.name.endswith("-shm")}
    kept = {name: path.read_bytes() for name, path in places.items() if path.stat().st_size}
    return kept | {name: data for name, data in host.files().items() if not name.startswith(host.tip.name)}


def _whole(host: Host) -> Log:
    log = read_log(host)
    boots_a_known_version(host)
    all_agree(host, log)
    nothing_twice(log)
    nothing_unrecorded(log)
    nothing_aside_unrecorded(host, log)
    nothing_left_over(host)
    return log
