"""One ledger, one page of it, and one browser for all of these tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.lab import Lab

from .browser import Browser, started
from .records import history, record, report


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return record(tmp_path_factory.mktemp("host"), history(60))


@pytest.fixture(scope="session")
def page(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report(lab, tmp_path_factory.mktemp("page") / "report.html", "--sample", "3", "--seed", "Q1")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with started(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def browser(running: Browser) -> Iterator[Browser]:
    """Give the browser; a page that complains on its console fails the test."""
    running.complaints()
    yield running
    assert running.complaints() == []
