"""Random commands, random kills and restarts: record, memory, disk and boot pointers agree with a model.

A killed command leaves the tables after some number of its steps, and no other. After each
command and each recovery the fold of all events, the stored projection and the node are the same.
"""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from ledger.domain.plan import plan_change, tables_after_step
from ledger.domain.records import Verb
from ledger.domain.status import ReleaseStatus
from ledger.domain.tables import Tables
from tests.faults.disk_calls import Fault, Kind
from tests.faults.host import STATED, Host, make_host
from tests.faults.invariants import all_agree, boots_a_known_version, nothing_left_over, nothing_twice, read_log
from tests.faults.settings import EVERY

_VSNS = ("4.4.0", "4.4.1", "4.4.16")
_STEPS = 14
_ROUNDS = 40 if EVERY else 4
_ALLOWED_CODES = {0, 2, 5}


def _tables(host: Host) -> Tables:
    node = read_log(host).node
    assert node is not None
    return node.tables


def _reachable(tables: Tables, verb: Verb, vsn: str, *, permanent: bool) -> tuple[Tables, ...]:
    """Return the tables after none, some and all steps of a command (otp.md 2.1)."""
    reached = [tables]
    for step in plan_change(verb, vsn, tables, permanent=permanent).steps:
        reached.append(tables_after_step(reached[-1], step.kind, step.vsn))
    return tuple(reached)


def _commands(chance: random.Random) -> tuple[Verb, str, Sequence[str], bool]:
    vsn = chance.choice(_VSNS)
    verb = chance.choice(tuple(Verb))
    permanent = verb not in {Verb.INSTALL, Verb.UPGRADE, Verb.DOWNGRADE} or chance.random() < 0.5
    if verb is Verb.RESTART:
        return verb, vsn, ("restart",), True
    return verb, vsn, (str(verb), vsn, *(() if permanent else ("--no-permanent",))), permanent


def _agree(host: Host) -> None:
    log = read_log(host)
    boots_a_known_version(host)
    all_agree(host, log)
    nothing_twice(log)
    assert log.node is not None
    (shown,) = map(json.loads, host.run("versions", "--json").out.splitlines())
    projected = tuple((row["vsn"], ReleaseStatus(row["status"])) for row in shown["releases"])
    assert projected == log.node.tables.memory
    assert shown["boots_next"] == log.node.tables.rel_vsn


@pytest.mark.parametrize("seed", range(_ROUNDS))
def test_commands_kills_and_restarts_agree_with_the_model(fast_folder: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 # a test repeats itself
    host = make_host(fast_folder, *_VSNS[1:])
    host.do("init", "--root", str(host.root), *STATED)
    for _ in range(_STEPS):
        verb, vsn, arguments, permanent = _commands(chance)
        before = _tables(host)
        reachable = _reachable(before, verb, vsn, permanent=permanent)
        fault = Fault(chance.randint(1, 400), Kind.KILL_BEFORE) if chance.random() < 0.5 else None

        ran = host.run(*arguments, fault=fault)

        if ran.killed:
            reboots = chance.random() < 0.3
            if reboots:
                (host.root / "data/embedded_node.json").unlink(missing_ok=True)
            host.do("recover", "--yes")
            ended = {tables.restarted() for tables in reachable} if reboots else set(reachable)
            assert _tables(host) in ended, (arguments, fault, before, _tables(host))
            nothing_left_over(host)
        else:
            assert ran.code in _ALLOWED_CODES, ran
            assert ran.code != 5, ran
            assert _tables(host) == (reachable[-1] if ran.code == 0 else before), (arguments, ran)
        _agree(host)
        if chance.random() < 0.2:
            (host.root / "data/embedded_node.json").unlink()
            host.do("recover", "--yes")
            host.do("restart")
            _agree(host)
