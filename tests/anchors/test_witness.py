"""A real witness on loopback: every status of C2SP tlog-witness, what it remembers, and how a client takes it."""

import os
import socket
import sqlite3
import ssl
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from threading import Thread
from typing import BinaryIO
from unittest.mock import patch

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ledger.adapters.anchors.witness_client import WitnessClient, WitnessUnreachableError, WitnessUnsettledError
from ledger.adapters.anchors.witness_url import WitnessUrlError, split_url
from ledger.adapters.signatures import verifier
from ledger.adapters.witness_folder import OtherWitnessError, open_witness
from ledger.adapters.witness_server import MAX_BODY, Witness, WitnessServer
from ledger.adapters.witness_state import (
    NotALogKeyError,
    WitnessState,
    WitnessStateDamagedError,
    WitnessStateError,
)
from ledger.errors import LedgerError
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.merkle import EMPTY_ROOT
from ledger.tlog.note import sign_note
from ledger.tlog.witness import AddCheckpoint
from ledger.tlog.witness_reply import (
    UnknownLogError,
    WitnessAheadError,
    WitnessAnswerError,
    WitnessForkError,
    WitnessKeyError,
)
from tests.anchors.lab import LedgerLab, RunningWitness, running_witness
from tests.anchors.test_file import copy_of
from tests.anchors.test_holders import hand_over
from tests.fakes.name_server import SILENT, silent_name_server
from tests.tlog.keys import make_signer

SIZE = "text/x.tlog.size"


def request_of(lab: LedgerLab, *, old: int = 0, note: bytes | None = None) -> bytes:
    tip = lab.tip()
    with lab.store() as store:
        proof = store.tree(tip.size).prove_consistency(old) if 0 < old <= tip.size else ()
    return AddCheckpoint(old, proof, note or tip.note).encode()


def post(witness: RunningWitness, body: bytes) -> tuple[int, str, bytes]:
    return witness.ask("POST", "/add-checkpoint", body)


@pytest.fixture
def known(witness: RunningWitness, ledger: LedgerLab) -> LedgerLab:
    """Return the ledger after the witness was told of it."""
    witness.trust(ledger.key.vkey)
    return ledger


def test_a_witness_that_gets_no_threads_for_a_while_serves_on(tmp_path: Path) -> None:
    """As where its user may have no more processes: the library says so of each request, and goes on."""
    with (
        open_witness(tmp_path / "witness", host="w") as place,
        WitnessServer(Witness(place.state, key=place.key), host="127.0.0.1", port=0) as server,
    ):
        address = ("127.0.0.1", server.server_address[1])
        Thread(target=server.serve_forever, daemon=True).start()
        with patch.object(Thread, "start", side_effect=RuntimeError("can't start new thread")):
            for _ in range(20):
                with closing(socket.create_connection(address, timeout=10)) as connection:
                    assert connection.recv(1) == b""
        with closing(socket.create_connection(address, timeout=10)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 404"
        server.shutdown()


def test_a_growing_log_is_cosigned(witness: RunningWitness, known: LedgerLab) -> None:
    """200: the body is the witness's line; the note can be read back."""
    begun = int(time.time())
    first = post(witness, request_of(known))
    known.append(300)
    second = post(witness, request_of(known, old=3))
    again = post(witness, request_of(known, old=303))

    assert [first[0], second[0], again[0]] == [200, 200, 200]
    stored = witness.checkpoint(known.key.origin)
    opened = open_checkpoint(stored, logs=[known.log], cosigners=[verifier(witness.vkey)])
    assert opened.checkpoint == known.tip().checkpoint
    assert len(opened.cosignatures) == 1
    cosigned_at = int.from_bytes(opened.cosignatures[0].payload[:8])
    assert begun <= cosigned_at <= time.time()


@pytest.mark.parametrize(
    "change",
    [
        lambda _body: b"",
        lambda body: body.replace(b"old 0", b"old 00"),
        lambda body: body.replace(b"old 0", b"old 9"),
        lambda body: body.replace(b"old 0\n", b"old 0\n" + (b"A" * 43 + b"=\n") * 64),
        lambda body: body[:-1],
        lambda body: body.partition(b"\n\n")[2],
    ],
)
def test_a_malformed_request_is_400(
    witness: RunningWitness, known: LedgerLab, change: Callable[[bytes], bytes]
) -> None:
    """Also an old size larger than the checkpoint's, and more than 63 hashes."""
    assert post(witness, change(request_of(known)))[0] == 400


def test_an_origin_that_the_witness_was_not_told_of_is_404(witness: RunningWitness, ledger: LedgerLab) -> None:
    assert post(witness, request_of(ledger, old=9))[0] == 404
    assert witness.ask("GET", f"/{'0' * 64}/checkpoint")[0] == 404


def test_a_forged_line_is_403_before_the_sizes_are_looked_at(witness: RunningWitness, known: LedgerLab) -> None:
    note = sign_note(known.tip().checkpoint.encode(), signers=[make_signer(known.key.origin, 5)])

    assert post(witness, request_of(known, old=9, note=note))[0] == 403


def test_another_old_size_is_409_with_the_one_that_holds(witness: RunningWitness, known: LedgerLab) -> None:
    assert post(witness, request_of(known, old=2)) == (409, SIZE, b"0\n")
    post(witness, request_of(known))

    assert post(witness, request_of(known)) == (409, SIZE, b"3\n")


def test_what_does_not_follow_is_422_and_kept_as_evidence(
    witness: RunningWitness, known: LedgerLab, tmp_path: Path
) -> None:
    """Another root of the same size, another history, a proof from size 0, a false root of size 0."""
    clone = copy_of(known, tmp_path / "clone")
    known.append()
    clone.append(word="as somebody wants it")
    post(witness, request_of(known))
    same_size = request_of(clone, old=4)
    clone.append()
    longer = request_of(clone, old=4)

    assert [post(witness, body)[0] for body in (same_size, longer)] == [422, 422]
    assert witness.checkpoint(known.key.origin).startswith(known.tip().checkpoint.encode())
    with closing(WitnessState(witness.folder / "witness.db")) as state:
        assert {same_size, longer} <= set(state.refused())


@pytest.mark.parametrize(("size", "root", "proof"), [(1, bytes(32), 1), (0, bytes(32), 0), (0, EMPTY_ROOT, 1)])
def test_nothing_is_shown_from_size_0(
    witness: RunningWitness, known: LedgerLab, size: int, root: bytes, proof: int
) -> None:
    """evidence.md 2.4 and 4.3."""
    note = sign_note(Checkpoint(known.key.origin, size, root).encode(), signers=[known.key])

    assert post(witness, AddCheckpoint(0, (bytes(32),) * proof, note).encode())[0] == 422


def test_other_requests_are_refused_by_http(witness: RunningWitness) -> None:
    too_long = str(MAX_BODY + 1)

    assert witness.ask("POST", "/", b"x")[0] == 404
    assert witness.ask("GET", "/add-checkpoint")[0] == 404
    assert witness.ask("POST", "/add-checkpoint", None, {"Transfer-Encoding": "chunked"})[0] == 411
    assert witness.ask("POST", "/add-checkpoint", b"", {"Content-Length": too_long})[0] == 413
    assert witness.ask("DELETE", "/add-checkpoint")[0] == 501


def test_a_client_that_sends_nothing_holds_up_nobody(witness: RunningWitness, known: LedgerLab) -> None:
    address = split_url(witness.url)
    with socket.create_connection((address.hostname or "", address.port or 0)) as silent:
        silent.sendall(b"POST /add-checkpoint HTTP/1.1\r\nContent-Le")

        assert post(witness, request_of(known))[0] == 200


def test_a_client_proves_from_the_size_that_the_witness_names(witness: RunningWitness, ledger: LedgerLab) -> None:
    """Its own receipts may be lost: 409, then 200."""
    client = witness.client(ledger)
    hand_over(client, ledger)
    ledger.append(5)

    for last in (0, 2, 99):
        assert client.read(hand_over(client, ledger, last=last)).size == 8


def test_of_two_clones_the_second_is_refused(witness: RunningWitness, ledger: LedgerLab, tmp_path: Path) -> None:
    """evidence.md 7, row 10: 422 or, where it is shorter, 409 with a larger size."""
    clone = copy_of(ledger, tmp_path / "clone")
    hand_over(witness.client(ledger), ledger)
    ledger.append(2)
    hand_over(witness.client(ledger), ledger, last=3)
    clone.append(word="on the other host")

    with pytest.raises(WitnessAheadError) as shorter:
        hand_over(witness.client(clone), clone, last=3)
    clone.append(4)
    with pytest.raises(WitnessForkError) as longer:
        hand_over(witness.client(clone), clone, last=3)

    assert (shorter.value.size, shorter.value.own, shorter.value.code) == (5, 4, 6)
    assert longer.value.code == 6


def test_a_client_takes_404_and_403_for_what_they_are(witness: RunningWitness, ledger: LedgerLab) -> None:
    client = WitnessClient("w1", verifier(witness.vkey), witness.url, ledger.keys)
    with pytest.raises(UnknownLogError):
        hand_over(client, ledger)

    witness.trust(make_signer(ledger.key.origin, 6).vkey)
    with pytest.raises(WitnessKeyError):
        hand_over(client, ledger)


def test_a_witness_of_another_key_is_no_holder(witness: RunningWitness, ledger: LedgerLab) -> None:
    client = replace(witness.client(ledger), key=verifier(make_signer("w.example/w1", 8).vkey))

    with pytest.raises(WitnessAnswerError):
        hand_over(client, ledger)


def read_request(request: BinaryIO) -> bytes:
    """Read one request of a client and return its body."""
    length = 0
    while (line := request.readline()).strip():
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    return request.read(length)


@contextmanager
def answering(*answers: bytes, pause: float = 0, times: int = 1) -> Iterator[str]:
    """Serve *answers*, piece by piece with a *pause* before each, to *times* connections; give the URL.

    A request is read to its end: where a socket is closed with something unread, its client may be told of
    that before it reads the answer.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(times):
                connection, _address = server.accept()
                with connection, connection.makefile("rb") as request:
                    try:
                        read_request(request)
                        for answer in answers:
                            time.sleep(pause)
                            connection.sendall(answer)
                    except OSError:
                        return

        thread = Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            thread.join()


@pytest.mark.parametrize(
    "answers", [[b"HTTP/1.1 200 OK\r\n"], [b"H"] * 1200, [b"HTTP/1.1 200 OK\r\n\r\n"] + [b"x"] * 1200]
)
def test_a_slow_witness_costs_no_more_than_its_limit(
    witness: RunningWitness, ledger: LedgerLab, answers: list[bytes]
) -> None:
    """Also one that sends a byte now and then."""
    with answering(*answers, pause=0.1) as url:
        client = replace(witness.client(ledger), url=url, limit=0.3)
        begun = time.monotonic()

        with pytest.raises(LedgerError) as caught:
            hand_over(client, ledger)
        spent = time.monotonic() - begun

    assert spent < 60  # and the answer takes two minutes
    assert isinstance(caught.value, WitnessUnreachableError | WitnessAnswerError)


def test_the_name_of_a_witness_is_looked_up_within_its_limit(
    witness: RunningWitness, ledger: LedgerLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system goes on for half a minute where no name server answers."""
    client = replace(witness.client(ledger), url=f"http://{SILENT}/", limit=0.3)
    begun = time.monotonic()

    with silent_name_server(monkeypatch), pytest.raises(WitnessUnreachableError) as caught:
        hand_over(client, ledger)
    spent = time.monotonic() - begun

    assert spent < 30
    assert caught.value.fact.startswith(f"the name {SILENT} was not found within 0.")


@pytest.mark.parametrize(
    "answer", [b"", b"no http\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", b"\0" * 70_000]
)
def test_an_answer_that_is_none_is_a_delay(witness: RunningWitness, ledger: LedgerLab, answer: bytes) -> None:
    with answering(answer) as url, pytest.raises(LedgerError) as caught:
        hand_over(replace(witness.client(ledger), url=url), ledger)

    assert caught.value.code == 3


def test_a_witness_that_names_a_new_size_each_time_is_left(witness: RunningWitness, ledger: LedgerLab) -> None:
    """At most three more requests."""
    answer = b"HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\n1\n"

    with answering(answer, times=4) as url, pytest.raises(WitnessUnsettledError):
        hand_over(replace(witness.client(ledger), url=url), ledger)


def test_a_redirect_is_not_followed(witness: RunningWitness, ledger: LedgerLab) -> None:
    answer = f"HTTP/1.1 307 Go\r\nLocation: {witness.url}add-checkpoint\r\nContent-Length: 0\r\n\r\n".encode()

    with answering(answer) as url, pytest.raises(WitnessAnswerError):
        hand_over(replace(witness.client(ledger), url=url), ledger)


@pytest.mark.parametrize(
    "url",
    ["", "w.example", "ftp://w.example/", "http://", "http://u@w.example/", "http://w.example/?q", "http://w/#f",
     "http://w.example:99999/", "http://w.example:0/", "http://w.example/a b", "http://w.example/\r\nX: y", "http://ü/"],
)  # fmt: skip
def test_what_is_no_url_of_a_witness_is_refused(url: str) -> None:
    with pytest.raises(WitnessUrlError):
        split_url(url)


def test_a_witness_that_is_killed_before_it_answers_has_stored_it(ledger: LedgerLab, tmp_path: Path) -> None:
    """Persisted before the answer: the client is told by 409 and gets its cosignature after the start."""
    folder = tmp_path / "state"
    with running_witness(folder, command=("-m", "tests.anchors.dying_witness")) as dying:
        with pytest.raises(WitnessUnreachableError):
            hand_over(dying.client(ledger), ledger)
        assert dying.process.wait(timeout=120) == -9

    with running_witness(folder) as again:
        assert again.vkey == dying.vkey
        assert again.ask("POST", "/add-checkpoint", request_of(ledger)) == (409, SIZE, b"3\n")
        assert again.client(ledger).read(hand_over(again.client(ledger), ledger)).size == 3


def test_the_files_of_a_witness_are_its_owner_s(witness: RunningWitness) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in witness.folder.iterdir()}

    assert stat.S_IMODE(witness.folder.stat().st_mode) == 0o700
    assert {modes["witness.key"], modes["witness.db"]} == {0o600}


def test_a_witness_that_forgot_does_not_begin_anew(tmp_path: Path, ledger: LedgerLab) -> None:
    """It could cosign two histories."""
    folder = tmp_path / "w"
    with open_witness(folder, host="w.example") as place:
        name = place.key.name
        place.state.trust(ledger.key.vkey)
        request = AddCheckpoint.parse(request_of(ledger))
        place.state.answer(request, signers=lambda: [make_signer("w", 1)], at=1)

    assert name.startswith("w.example/witness/")
    with pytest.raises(OtherWitnessError), open_witness(folder, host="w.example", name="other/name"):
        pass
    (folder / "witness.key").rename(tmp_path / "key")
    with pytest.raises(WitnessStateDamagedError), open_witness(folder, host="w.example"):
        pass
    (tmp_path / "key").rename(folder / "witness.key")
    (folder / "witness.db").unlink()
    with pytest.raises(WitnessStateDamagedError), open_witness(folder, host="w.example"):
        pass


def test_a_state_that_is_none_is_refused(tmp_path: Path) -> None:
    text, other = tmp_path / "text", tmp_path / "other.db"
    text.write_bytes(b"no database" * 100)
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE t (x)")

    for path in (text, other):
        with pytest.raises(WitnessStateDamagedError):
            WitnessState(path)
    with pytest.raises(WitnessStateError):
        WitnessState(tmp_path / "none" / "witness.db")


def test_a_state_without_room_cosigns_nothing(tmp_path: Path, ledger: LedgerLab) -> None:
    """The answer comes after the commit only."""
    with closing(WitnessState(tmp_path / "w.db")) as state, closing(sqlite3.connect(tmp_path / "w.db")) as other:
        state.trust(ledger.key.vkey)
        state._connection.execute("PRAGMA busy_timeout = 10")
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(WitnessStateError):
            state.answer(AddCheckpoint.parse(request_of(ledger)), signers=lambda: [make_signer("w", 1)], at=1)
        other.rollback()

        assert not state.has_cosigned()


def test_only_the_key_of_a_log_is_witnessed(witness: RunningWitness) -> None:
    with pytest.raises(NotALogKeyError):
        witness.trust(witness.vkey)


def test_the_state_waits_for_the_disk(tmp_path: Path) -> None:
    with closing(WitnessState(tmp_path / "w.db")) as state:
        assert state._connection.execute("PRAGMA synchronous").fetchone()[0] == 2
        assert os.path.exists(tmp_path / "w.db-wal")  # noqa: PTH110 # as SQLite names it


@contextmanager
def tls_in_front_of(witness: RunningWitness, folder: Path) -> Iterator[tuple[str, Path]]:
    """Serve one connection over TLS and pass it on; give the URL and the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        certificate.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError), server.accept()[0] as plain, context.wrap_socket(plain, server_side=True) as secure:
                with secure.makefile("rb") as request:
                    status, _, answer = post(witness, read_request(request))
                secure.sendall(b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n%s" % (status, len(answer), answer))

        thread = Thread(target=serve)
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.getsockname()[1]}/", path
        finally:
            thread.join()


@pytest.mark.parametrize("trusted", [True, False])
def test_https_checks_the_certificate(
    witness: RunningWitness, ledger: LedgerLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, trusted: bool
) -> None:
    """With the authorities of the system, which OpenSSL lets SSL_CERT_FILE name."""
    client = witness.client(ledger)
    with tls_in_front_of(witness, tmp_path) as (url, certificate):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate) if trusted else "/dev/null")

        if trusted:
            assert client.read(hand_over(replace(client, url=url), ledger)).size == 3
        else:
            with pytest.raises(WitnessUnreachableError, match="did not answer"):
                hand_over(replace(client, url=url), ledger)
