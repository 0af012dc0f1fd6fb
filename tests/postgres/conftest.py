"""One server a worker, and a database of its own for each test."""

from collections.abc import Iterator
from itertools import count

import pytest

from tests.postgres.server import Server, running_server

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Give a PostgreSQL that runs."""
    with running_server() as made:
        yield made


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    """Give the name of an empty database."""
    name = f"fleet{next(_NUMBERS)}"
    server.execute(f"CREATE DATABASE {name}")
    yield name
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def second_database(server: Server) -> Iterator[str]:
    """Give the name of another empty database."""
    name = f"fleet{next(_NUMBERS)}"
    server.execute(f"CREATE DATABASE {name}")
    yield name
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")
