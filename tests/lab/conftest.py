"""The lab is built once a session; each node is stopped by the test that started it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.host import Host
from tests.lab.node import Lab, LabBench, LabNode, make_node
from tests.lab.releases import build, make_root
from tests.needs import need


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "erlang: needs Debian's erlang-base")


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Give the built releases."""
    need("erl", "erlc", "erl_call", packages="erlang-base")
    folder = tmp_path_factory.mktemp("lab")
    built = build(folder / "built")
    return Lab(built, make_root(built, folder / "emqx"), folder / "packages")


@pytest.fixture
def node(lab: Lab, tmp_path: Path) -> Iterator[LabNode]:
    """Give a node of 4.4.0 that was just started."""
    node = make_node(lab, tmp_path / "emqx")
    try:
        node.start()
        yield node
    finally:
        node.kill()
        shutil.rmtree(node.root, ignore_errors=True)


@pytest.fixture
def bench(lab: Lab, node: LabNode) -> LabBench:
    """Give the bench of the contract."""
    return LabBench(node.driver(), node.root, lab.packages, lab, node)


@pytest.fixture
def host(lab: Lab, node: LabNode) -> Host:
    """Give a host whose node is registered."""
    host = Host(lab, node)
    host.init()
    return host
