"""An embedded node that is killed at every single write of a change."""

import os
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from ledger.adapters.embedded_node import EmbeddedNode
from ledger.domain.tables import Tables
from tests.adapters.embedded import again, node_at
from tests.contracts.release_handler import Bench
from tests.fakes.small_releases import small_installation


def _make_permanent(node: EmbeddedNode, _: Bench) -> None:
    node.make_permanent("4.4.16")


def _unpack(node: EmbeddedNode, bench: Bench) -> None:
    Bench(node, bench.root, bench.packages).unpack("4.4.1")


def _remove(node: EmbeddedNode, _: Bench) -> None:
    node.remove_release("4.4.16")


def _install(node: EmbeddedNode, _: Bench) -> None:
    node.install_release("4.4.16")


_KILLED: Mapping[str, tuple[Callable[[Bench, str], object], Callable[[EmbeddedNode, Bench], None], int]] = {
    "make_permanent": (Bench.install, _make_permanent, 20),
    "unpack_release": (Bench.upgrade, _unpack, 20),
    "remove_release": (Bench.unpack, _remove, 10),
    "install_release": (Bench.unpack, _install, 5),
}


@pytest.mark.parametrize(("prepare", "call", "writes"), _KILLED.values(), ids=_KILLED)
def test_a_kill_at_any_write_leaves_the_state_before_or_after(
    packages: Path,
    tmp_path: Path,
    prepare: Callable[[Bench, str], object],
    call: Callable[[EmbeddedNode, Bench], None],
    writes: int,
) -> None:
    """RULINGS 16: what is pending is rolled forward by the next command, and the call can be repeated."""
    reached, killed, number = set[Tables](), True, 0
    while killed:
        number += 1
        root = small_installation(packages, tmp_path / str(number))
        bench = Bench(node_at(root), root, packages)
        prepare(bench, "4.4.16")
        before = bench.seen()

        killed = _killed_at(number, partial(call, again(bench), bench))

        found = again(bench).observe()
        assert (found.problems, found.tables.boot_files_agree()) == ((), True)
        if found.tables == before:
            call(again(bench), bench)
        reached.add(again(bench).observe().tables)
        assert before not in reached
        shutil.rmtree(root)
    assert len(reached) == 1
    assert number > writes


def _killed_at(number: int, call: Callable[[], None]) -> bool:
    """Do *call* in a process that dies at its fsync(2) with this *number*; tell whether it died."""
    child = os.fork()
    if child == 0:
        _die_at(number)
        try:
            call()
        except BaseException:  # noqa: BLE001 # a forked child must not return into the test run
            os._exit(2)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in {0, 9}
    return os.waitstatus_to_exitcode(status) == 9


def _die_at(number: int) -> None:
    left = count(number - 1, -1)
    sync = os.fsync

    def dying(fd: object) -> None:
        if next(left) == 0:
            os._exit(9)
        sync(fd)  # type: ignore[arg-type] # whatever the caller gave

    os.fsync = dying
