"""The lab of a test session: packages are written once."""

import pytest

from tests.conformance.lab import Lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Give the lab whose packages all tests of the session share."""
    return Lab(tmp_path_factory.mktemp("packages"))
