"""A command that is killed at one point of its way: ``python -m tests.lab.killed POINT COMMAND…``.

Points are numbered as they are passed, from 0: before and after each durable write, each call to
the node and each commit to the record. A command that passes fewer points ends as usual.
"""

import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from typing import ParamSpec, TypeVar

from cli import bootstrap
from cli.__main__ import main
from ledger.adapters import durable, node_restart, staging
from ledger.adapters.erl_call import ErlCall

P = ParamSpec("P")
T = TypeVar("T")

_DURABLE = (
    "replace_file",
    "copy_file",
    "write_beside",
    "rename",
    "make_folder",
    "remove_file",
    "remove_tree",
    "sync_tree",
)


def _run(point: int) -> None:
    passed = count()

    def pass_point() -> None:
        if next(passed) == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def killing(function: Callable[P, T]) -> Callable[P, T]:
        def around(*args: P.args, **kwargs: P.kwargs) -> T:
            pass_point()
            result = function(*args, **kwargs)
            pass_point()
            return result

        return around

    for name in _DURABLE:
        setattr(durable, name, killing(getattr(durable, name)))
    for owner, name in (
        (ErlCall, "call"),
        (bootstrap.RecordOfCommand, "record"),
        (staging, "stage"),
        (staging, "place"),
        (node_restart, "restart_node"),
    ):
        setattr(owner, name, killing(getattr(owner, name)))


if __name__ == "__main__":
    _run(int(sys.argv[1]))
    sys.argv[1:] = sys.argv[2:]
    sys.exit(main())
