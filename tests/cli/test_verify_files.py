"""What ``verify`` is given: files without an end, and names that are none."""

from pathlib import Path

import pytest

from cli.app import main
from tests.evidence.bundles import whole, write
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
