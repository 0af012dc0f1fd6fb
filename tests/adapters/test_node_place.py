"""How a node is reached: cookie, address, program, user; without a node."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.adapters.erl_call import NodeAddress
from ledger.adapters.installation import Installation
from ledger.adapters.node_place import (
    CookieMissingError,
    DistributionError,
    find_address,
    find_cookie,
    find_program,
    listens,
    refuse_other_distributions,
    registered_port,
)
from tests.contracts.release_handler import Bench


@pytest.fixture(autouse=True)
def no_epmd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep an epmd of this host out of it: port 1 has none."""
    monkeypatch.setenv("ERL_EPMD_PORT", "1")


@pytest.mark.parametrize(
    ("name", "host", "port"),
    [
        ("emqx@127.0.0.1", "127.0.0.1", 4370),
        ("emqx2@127.0.0.1", "127.0.0.1", 4372),
        ("emqx4node10@localhost", "localhost", 4380),
        ("emqx@no-such-host.invalid", "127.0.0.1", 4370),
        ("emqx", "127.0.0.1", 4370),
    ],
)
def test_without_epmd_the_number_in_the_name_gives_the_port(name: str, host: str, port: int) -> None:
    """otp.md section 11."""
    if name == "emqx":
        assert find_address(name).port == port
    else:
        assert find_address(name) == NodeAddress(host, port)


def test_a_registered_node_is_where_epmd_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Erlang Distribution Protocol: PORT_PLEASE2_REQ and PORT2_RESP."""
    with _epmd({b"emqx": 40001}) as port:
        monkeypatch.setenv("ERL_EPMD_PORT", str(port))

        assert find_address("emqx@127.0.0.1") == NodeAddress("127.0.0.1", 40001)
        assert registered_port("emqx7", host="127.0.0.1") is None
        assert find_address("emqx7@127.0.0.1").port == 4377


@pytest.mark.parametrize("reply", [b"", b"w", b"w\0\x9c", b"x\0\x9cA"])
def test_a_reply_that_is_none_of_epmd_is_no_port(reply: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with _server(lambda _: reply) as port:
        monkeypatch.setenv("ERL_EPMD_PORT", str(port))

        assert registered_port("emqx", host="127.0.0.1") is None


def test_a_port_is_asked_whether_somebody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        assert listens(NodeAddress("127.0.0.1", port))
    assert not listens(NodeAddress("127.0.0.1", port))
    assert not listens(NodeAddress("127.0.0.1", 70_000))


def test_the_cookie_is_that_of_the_newest_start(bench: Bench) -> None:
    configs = bench.root / "data/configs"
    newest = configs / "vm.2024.01.01.00.00.00.args"
    newest.write_text("-name emqx@127.0.0.1\n-setcookie first\n  -setcookie 'second' # the last one counts\n", "ascii")

    cookie = find_cookie(bench.files)

    assert (cookie.value, cookie.source) == ("second", newest)
    assert "second" not in repr(cookie)


def test_a_cookie_that_nothing_names_is_told(bench: Bench) -> None:
    newest = bench.files.newest_vm_args()
    assert newest is not None
    newest.write_text("-name emqx@127.0.0.1\n", "ascii")

    with pytest.raises(CookieMissingError, match="not known") as unnamed:
        find_cookie(bench.files)
    newest.unlink()
    with pytest.raises(CookieMissingError) as unstarted:
        find_cookie(bench.files)

    assert "-setcookie" in unnamed.value.fact
    assert "vm.*.args" in unstarted.value.fact


def test_the_program_is_that_of_the_emulator_that_boots(bench: Bench) -> None:
    other = bench.root / "erts-99.0/bin/erl_call"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"")
    other.chmod(0o755)
    boots = bench.files.read_start_erl().erts

    first = find_program(bench.files)
    first.chmod(0o644)  # an unzip program lost the bits

    assert first == bench.files.root / f"erts-{boots}/bin/erl_call"
    assert find_program(Installation(bench.root)) == bench.files.root / "erts-99.0/bin/erl_call"


@contextmanager
def _epmd(ports: dict[bytes, int]) -> Iterator[int]:
    def answer(request: bytes) -> bytes:
        port = ports.get(request[3:])
        return b"w\1" if port is None or request[2] != 122 else b"w\0" + struct.pack(">H", port) + bytes(8)

    with _server(answer) as port:
        yield port


@contextmanager
def _server(answer: Callable[[bytes], bytes]) -> Iterator[int]:
    """Give the port of a server that reads one request of a connection and closes it after its answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                connection, _ = server.accept()
                with connection:
                    request = connection.recv(1024)
                    if request == b"end":
                        return
                    connection.sendall(answer(request))

        thread = threading.Thread(target=serve)
        thread.start()
        port = server.getsockname()[1]
        try:
            yield port
        finally:
            with socket.create_connection(("127.0.0.1", port)) as last:
                last.sendall(b"end")
            thread.join()


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("-proto_dist inet_tls", "inet_tls"),
        ("  -proto_dist inet6_tcp", "inet6_tcp"),
        ("-proto_dist inet_tcp\n-proto_dist inet_tls", "inet_tls"),
        ("-proto_dist inet_tcp", None),
        ("-proto_dist inet_tls\n-proto_dist inet_tcp", None),
        ("#-proto_dist inet_tls", None),
        ("", None),
    ],
)
def test_a_node_with_tls_or_ipv6_between_nodes_is_told_so(tmp_path: Path, line: str, kind: str | None) -> None:
    """native-driver.md 1: erl_call has neither."""
    configs = tmp_path / "data/configs"
    configs.mkdir(parents=True)
    path = configs / "vm.2026.01.01.00.00.00.args"
    path.write_text(f"-name emqx@127.0.0.1\n-setcookie c\n{line}\n", encoding="utf-8")

    if kind is None:
        refuse_other_distributions(Installation(tmp_path))
    else:
        with pytest.raises(DistributionError, match=kind) as caught:
            refuse_other_distributions(Installation(tmp_path))
        assert (caught.value.code, str(path) in caught.value.fact) == (1, True)
