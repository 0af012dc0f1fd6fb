"""What ``verify`` is given: files without an end, and names that are none."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.app import main
from tests.evidence.bundles import listed, whole, write
from tests.evidence.ledgers import Case, build


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    case = build(tmp_path / "ledger", events=7)
    monkeypatch.setenv("RELEASE_LEDGER", str(case.folder.path))
    return case


@pytest.mark.parametrize("option", ["--policy", "--state", "--since", "--held"])
def test_a_file_without_an_end_is_read_to_its_limit(
    option: str, ledger: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    trust = () if option == "--policy" else ("--vkey", str(ledger.key.vkey))

    code = main(["verify", str(ledger.folder.path), *trust, option, "/dev/zero"])

    assert code == 3
    assert "hint: " in capsys.readouterr().err


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0)
        yield listening


@pytest.mark.parametrize("command", ["verify", "report"])
@pytest.mark.parametrize(
    ("keep", "code", "told"),
    [
        (("checkpoint", "manifest.json", "SHA256SUMS", "tile/"), 6, "it is not listed in manifest.json"),
        ((), 3, "it leads to a server, which only --ledger may name"),
    ],
)
def test_what_somebody_gave_leads_to_no_server(
    command: str,
    keep: tuple[str, ...],
    code: int,
    told: str,
    ledger: Case,
    server: socket.socket,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A host's place of a ledger in PostgreSQL has such a file; a bundle with one could ask for a password anywhere."""
    files = {name: data for name, data in whole(ledger).items() if name.startswith(keep or ("no file",))}
    parts = {name: data for name, data in files.items() if name not in {"manifest.json", "SHA256SUMS"}}
    address = f"postgresql://127.0.0.1:{server.getsockname()[1]}/x\n".encode()
    folder = write(tmp_path / "given", {**(listed(parts) if parts else {}), "address": address})
    more = ("-o", str(tmp_path / "page.html")) if command == "report" else ()

    assert main([command, str(folder), "--vkey", str(ledger.key.vkey), *more]) == code
    assert told in capsys.readouterr().err
    with pytest.raises(BlockingIOError):
        server.accept()


def test_a_database_beside_an_address_is_read_itself(ledger: Case, server: socket.socket) -> None:
    address = f"postgresql://127.0.0.1:{server.getsockname()[1]}/x\n"
    (ledger.folder.path / "address").write_text(address, encoding="utf-8")

    assert main(["verify", str(ledger.folder.path), "--vkey", str(ledger.key.vkey)]) == 0
    with pytest.raises(BlockingIOError):
        server.accept()


@pytest.mark.parametrize("words", [("verify",), ("report", "-o", "page.html")])
def test_an_empty_name_is_not_the_current_folder(
    words: tuple[str, ...],
    ledger: Case,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As of a variable that was never set: a sound record that lies there would vouch for the one that was meant."""
    monkeypatch.chdir(write(tmp_path / "sound", whole(ledger)))

    code = main([words[0], "", *words[1:], "--vkey", str(ledger.key.vkey)])

    assert code == 1
    assert "'' names no record" in capsys.readouterr().err
