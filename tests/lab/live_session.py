"""A session at a shell beside a running node of the lab, as ``docs/live-node.md`` shows it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfile

from demo.session import Session, environment
from tests.lab.node import Lab
from tests.lab.script import plain_node

PACKAGES = ("4.4.1", "4.4.16")


class LiveSession(Session):
    """A shell in *folder*, where no driver is named: the node is reached."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        given = environment(folder)
        self._environ = {name: value for name, value in given.items() if name != "RELEASE_LEDGER_DRIVER"}


@contextmanager
def live_session(lab: Lab, folder: Path) -> Iterator[Session]:
    """Give a session whose ``emqx/`` is the root of a node that runs, with packages in ``packages/``."""
    (folder / "packages").mkdir()
    for vsn in PACKAGES:
        package = lab.package(vsn)
        for path in (package, package.with_name(f"{package.name}.sha256")):
            copyfile(path, folder / "packages" / path.name)
    with plain_node(lab, folder / "emqx"):
        yield LiveSession(folder)
