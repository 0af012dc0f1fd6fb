"""The contract of the drivers, for the one that runs ``bin/emqx``."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.adapters.emqx_script import ScriptRefusedError
from tests.contracts.release_handler import Bench, ReleaseHandlerContract
from tests.lab.node import Lab
from tests.lab.script import ScriptBench, plain_node, script_driver

pytestmark = pytest.mark.erlang


class TestEmqxScript(ReleaseHandlerContract):
    """EMQX's script, and what it does differently."""

    @pytest.fixture
    def bench(self, lab: Lab, tmp_path: Path) -> Iterator[Bench]:
        """Give the bench of the contract."""
        with plain_node(lab, tmp_path / "emqx") as node:
            yield ScriptBench(script_driver(node), node.root, lab.packages, lab, node)

    def test_unpacking_again_puts_back_what_is_missing(self, bench: Bench) -> None:
        """otp.md 6.3: the script would write RELEASES anew with that release alone, so it is not asked."""
        bench.unpack("4.4.16")
        before, files = bench.handler.observe(), bench.boot_files()
        shutil.rmtree(bench.root / "releases/4.4.16")

        with pytest.raises(ScriptRefusedError, match=r"unpacking 4\.4\.16 again"):
            bench.unpack("4.4.16")

        assert bench.handler.observe() == before
        assert bench.boot_files() == files
