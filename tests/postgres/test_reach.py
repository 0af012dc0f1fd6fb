"""Which servers are away, and which only say no."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from ledger.adapters.postgres_errors import ServerLostError
from ledger.adapters.postgres_reach import out_of_reach
from ledger.adapters.postgres_server import reached
from tests.fakes.name_server import HERE, SILENT, silent_name_server
from tests.postgres.server import Server


@pytest.fixture
def silent() -> Iterator[int]:
    """Give a port on which somebody listens and never answers."""
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_a_server_that_answers_is_not_away_whatever_it_says(server: Server) -> None:
    """Authentication, a database that is not there, and TLS are to be mended: no reason to record elsewhere."""
    tcp = f"127.0.0.1:{server.port}"

    assert out_of_reach(server.url("postgres")) is None
    assert out_of_reach(server.url("nosuch")) is None
    assert out_of_reach(server.url("postgres", user="nobody")) is None
    assert out_of_reach(f"postgresql://nobody@{tcp}/postgres") is None
    assert out_of_reach(f"postgresql://postgres@{tcp}/postgres?sslmode=require") is None


def test_a_server_that_is_not_there_is_away(server: Server) -> None:
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))  # and nobody listens
        port = bound.getsockname()[1]

        assert "refused" in (out_of_reach(f"postgresql://127.0.0.1:{port}/x") or "")
    assert "No such file" in (out_of_reach(f"postgresql:///x?host={server.folder}/nosuch") or "")
    assert out_of_reach("postgresql://nosuch.invalid/x") is not None


def test_a_silent_server_is_away_after_a_moment(silent: int) -> None:
    """A night operator is not kept waiting, whatever the address says."""
    told = out_of_reach(f"postgresql://127.0.0.1:{silent}/x?connect_timeout=60")

    assert told == "no answer within 2 seconds"


def test_a_name_that_no_name_server_answers_for_is_away_after_a_moment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither libpq nor psycopg has a limit for it; a host that has one is taken all the same."""
    begun = time.monotonic()

    with silent_name_server(monkeypatch):
        told = out_of_reach(f"postgresql://{SILENT}:{server.port}/x")
        with pytest.raises(ServerLostError) as caught, reached(f"postgresql://{SILENT}:{server.port}/x"):
            pass
        also = out_of_reach(f"postgresql://{SILENT},{HERE}:{server.port}/postgres")
    spent = time.monotonic() - begun

    words = "failed to resolve host 'silent.example': the name silent.example was not found within 2 seconds"
    assert (told, caught.value.fact, also) == (words, words, None)
    assert spent < 60


def test_a_fleet_without_a_primary_is_away(server: Server) -> None:
    """A standby answers, and takes no commits."""
    server.execute("CREATE ROLE reader LOGIN", "ALTER ROLE reader SET default_transaction_read_only = on")

    told = out_of_reach(server.url("postgres", user="reader", more="&target_session_attrs=read-write"))
    server.execute("DROP ROLE reader")

    assert "read-only" in (told or "")
    assert out_of_reach(server.url("postgres", more="&target_session_attrs=read-write")) is None
