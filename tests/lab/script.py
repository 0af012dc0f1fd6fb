"""The bench of the script driver: the lab's own ``bin/emqx`` behind the port."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.adapters.emqx_script import EmqxScript
from tests.lab.node import Lab, LabBench, LabNode, make_node
from tests.lab.releases import BANNER

if TYPE_CHECKING:
    from ledger.domain.outcomes import StagedPackage


class ScriptBench(LabBench):
    """A bench whose ``releases/`` holds one package at a time: the script takes every name with V in it."""

    def stage(self, vsn: str) -> "StagedPackage":
        """Put the package of *vsn* alone into ``releases/`` and lay it out."""
        for path in (self.root / "releases").glob("*.zip"):
            path.unlink()
        return super().stage(vsn)


def script_driver(node: LabNode, *, tell: Callable[[str], None] = lambda _: None, seconds: float = 60) -> EmqxScript:
    """Return the driver as the next command has it."""
    connection = node.connection()
    return EmqxScript(node.files, node=node.driver(), connection=connection, tell=tell, seconds=seconds)


def put_script(root: Path, vsn: str) -> None:
    """Let the script in place be that of *vsn*, as after an upgrade to it."""
    text = (root / "bin/install_upgrade.escript").read_bytes().replace(b"%% 4.4.0\n", b"%% " + vsn.encode() + b"\n")
    for name in ("install_upgrade.escript", f"install_upgrade.escript-{vsn}"):
        (root / "bin" / name).write_bytes(text)
        (root / "bin" / name).chmod(0o755)


@contextmanager
def plain_node(lab: Lab, root: Path) -> Iterator[LabNode]:
    """Give a node of 4.4.0 that was just started, without the setting that the script would break."""
    node = make_node(lab, root)
    try:
        config = root / "etc/lab.config"
        config.write_text(config.read_text(encoding="utf-8").replace(BANNER, "Groesse"), encoding="utf-8")
        node.start()
        yield node
    finally:
        node.kill()
        shutil.rmtree(root, ignore_errors=True)
