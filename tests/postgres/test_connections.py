"""What libpq reads besides the address works as it does everywhere: .pgpass, service files, TLS (issue 9, item 2)."""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ledger.adapters.postgres_errors import ServerLostError
from ledger.adapters.postgres_server import create_ledger, origin_at
from tests.fakes.recording import ORIGIN
from tests.postgres.server import OWNER, Server, running_server

SECRET = "kein Geheimnis"  # noqa: S105 # of a test's own server


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Server, Path]]:
    """Give a server that takes passwords and TLS on loopback and holds a ledger, and the certificate that it shows."""
    with running_server() as server:
        certificate = make_certificate(server.data)
        server.execute(
            f"CREATE ROLE host1 LOGIN PASSWORD '{SECRET}'",
            "CREATE DATABASE fleet",
            "ALTER SYSTEM SET ssl = on",
        )
        create_ledger(server.url("fleet"), origin=ORIGIN)
        server.execute("GRANT ledger_writer TO host1")
        server.stop()
        server.start()
        yield server, certificate


@pytest.fixture(autouse=True)
def passwords(served: tuple[Server, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the password where libpq looks for it."""
    file = tmp_path / "pgpass"
    file.write_text(f"127.0.0.1:{served[0].port}:fleet:host1:{SECRET}\n", encoding="utf-8")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    return file


def make_certificate(folder: Path) -> Path:
    """Write a key and a certificate for 127.0.0.1 where the server in *folder* looks for them."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    (folder / "server.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "server.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "server.key").chmod(0o600)
    if os.geteuid() == 0:
        shutil.chown(folder / "server.key", OWNER, OWNER)
    return folder / "server.crt"


def over_tcp(server: Server, more: str = "") -> str:
    return f"postgresql://host1@127.0.0.1:{server.port}/fleet{more}"


def test_a_password_comes_from_its_file(served: tuple[Server, Path], passwords: Path) -> None:
    server, _ = served
    assert origin_at(over_tcp(server)) == ORIGIN

    passwords.unlink()

    with pytest.raises(ServerLostError) as caught:
        origin_at(over_tcp(server))
    assert SECRET not in f"{caught.value} {caught.value.fact}"


def test_a_service_file_names_the_server(
    served: tuple[Server, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "services"
    file.write_text(f"[fleet]\nhost=127.0.0.1\nport={served[0].port}\ndbname=fleet\nuser=host1\n", encoding="utf-8")
    monkeypatch.setenv("PGSERVICEFILE", str(file))

    assert origin_at("postgresql:///?service=fleet") == ORIGIN


@pytest.mark.parametrize("mode", ["require", "verify-full"])
def test_tls_is_asked_for_in_the_address(served: tuple[Server, Path], mode: str) -> None:
    server, certificate = served

    assert origin_at(over_tcp(server, f"?sslmode={mode}&sslrootcert={certificate}")) == ORIGIN


def test_a_server_with_another_certificate_is_not_spoken_to(served: tuple[Server, Path], tmp_path: Path) -> None:
    server, _ = served
    other = make_certificate(tmp_path)

    with pytest.raises(ServerLostError) as caught:
        origin_at(over_tcp(server, f"?sslmode=verify-full&sslrootcert={other}"))

    assert "certificate" in caught.value.fact
