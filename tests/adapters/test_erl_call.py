"""Where the cookie is laid down for ``erl_call``: a folder that it can read, and nobody else."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import pytest

from ledger.adapters.erl_call import Cookie, ErlCall, ExpressionError, NodeAddress, Runner

_NOBODY = 65534


@pytest.fixture
def program() -> Iterator[Path]:
    """Give a program for everybody that notes beside itself where its HOME was and whether the cookie was there."""
    folder = Path(tempfile.mkdtemp(prefix="erl-call-", dir="/tmp"))  # another user must get into it
    folder.chmod(0o777)
    program = folder / "erl_call"
    program.write_text(f'#!/bin/sh\n{{ echo "$HOME"; cat "$HOME/.erlang.cookie"; }} > {folder}/noted\n', "ascii")
    program.chmod(0o755)
    yield program
    rmtree(folder)


def test_without_tmpdir_the_cookie_goes_to_tmp_and_not_where_the_command_is_run(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.chdir(tmp_path)

    assert _home(program) == (Path("/tmp"), "secret")  # noqa: S108 # what is asserted


def test_tmpdir_is_where_the_cookie_goes(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    assert _home(program) == (tmp_path, "secret")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_the_owner_of_the_installation_cannot_enter_is_passed_by(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login of root often has a TMPDIR for root alone, and then erl_call, as the node's user, found no cookie."""
    tmp_path.chmod(0o700)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    is_root = os.geteuid() == 0
    runner = Runner(_NOBODY, _NOBODY) if is_root else Runner(os.geteuid(), os.getegid())

    assert _home(program, runner) == (Path("/tmp") if is_root else tmp_path, "secret")  # noqa: S108 # what is asserted


def _home(program: Path, runner: Runner | None = None) -> tuple[Path, str]:
    """Return where the folder with the cookie was, and what the program read there."""
    call = ErlCall(
        program, address=NodeAddress("127.0.0.1", 1), cookie=Cookie("secret", Path("vm.args")), runner=runner
    )
    with pytest.raises(ExpressionError, match="not evaluated"):
        call.call("ok", seconds=5)
    home, cookie = program.with_name("noted").read_text("ascii").splitlines()
    return Path(home).parent, cookie
