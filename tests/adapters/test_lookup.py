"""A name is looked up for as long as is said, whatever the system's name servers do."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from ledger.adapters.lookup import look_up
from ledger.adapters.node_place import find_address
from tests.fakes.name_server import SILENT, silent_name_server


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give a name for which no name server answers."""
    with silent_name_server(monkeypatch):
        yield SILENT


def test_a_name_server_that_is_silent_is_not_waited_for(silent: str) -> None:
    begun = time.monotonic()

    with pytest.raises(TimeoutError, match=r"the name silent.example was not found within 0.2 seconds"):
        look_up(silent, 443, seconds=0.2)

    assert time.monotonic() - begun < 30


def test_an_address_asks_no_name_server() -> None:
    threads = threading.active_count()

    found = [look_up(host, 443)[0][4][:2] for host in ("127.0.0.1", "::1")]

    assert found == [("127.0.0.1", 443), ("::1", 443)]
    assert threading.active_count() == threads


def test_a_name_that_is_none_says_so() -> None:
    assert look_up("localhost", 443, family=socket.AF_INET)[0][4] == ("127.0.0.1", 443)
    with pytest.raises(socket.gaierror):
        look_up("nosuch.invalid", 443)
    with pytest.raises(UnicodeError):
        look_up("x" * 70 + ".example", 443)


def test_a_node_whose_name_is_not_found_in_time_is_on_this_host(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.adapters.node_place.LOOKUP_SECONDS", 0.2)

    assert find_address(f"emqx@{silent}").host == "127.0.0.1"
