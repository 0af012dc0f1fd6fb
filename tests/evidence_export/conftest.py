"""Small real ledgers, their bundles, and the outside verifiers."""

from pathlib import Path

import pytest

from tests.evidence.ledgers import Case, build

from .exports import build_go, export, need_go, need_shell_tools


@pytest.fixture(scope="session")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return build(tmp_path_factory.mktemp("ledger") / "ledger", events=5)


@pytest.fixture(scope="session")
def whole(ledger: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(ledger, tmp_path_factory.mktemp("whole") / "bundle")


@pytest.fixture(scope="session")
def sample(ledger: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(ledger, tmp_path_factory.mktemp("sample") / "bundle", indexes=(1, 4))


@pytest.fixture(scope="session")
def shell() -> None:
    need_shell_tools()


@pytest.fixture(scope="session")
def go_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_go()
    return build_go(tmp_path_factory.mktemp("go"))
