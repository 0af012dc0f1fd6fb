"""Input of every bad kind gives three parts and an exit code, never a traceback."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.lab import Lab, Result
from tests.cli.test_command_line import parts_of

NOT_UTF8 = b"\xff\xfe"
UNSEEN = "n" * 300  # longer than any name of a file, so that even root cannot look
HUGE = "x" * 100_000


def is_told(answer: Result, code: int = 1) -> bool:
    """Tell whether *answer* is an error in three parts."""
    return answer.code == code and "Traceback" not in answer.err and parts_of(answer.err) == ["error", "fact", "hint"]


@pytest.mark.parametrize(
    "arguments",
    [
        (b"upgrade", NOT_UTF8),
        (b"upgrade", b"4.4.16", b"--reason", NOT_UTF8),
        (b"upgrade", b"4.4.16", b"--ticket", NOT_UTF8),
        (b"--" + NOT_UTF8, b"versions"),
        (NOT_UTF8,),
        (b"versions", b"--at", NOT_UTF8),
        (b"versions", b"--node", NOT_UTF8),
        (b"versions", b"--ledger", b"/" + NOT_UTF8),
        (b"show", NOT_UTF8),
        (b"log", b"--type", NOT_UTF8),
    ],
)
def test_arguments_that_are_no_text(lab: Lab, arguments: tuple[bytes, ...]) -> None:
    answer = lab.process(*arguments)

    assert is_told(answer)
    assert "\\xff" in answer.err or "\\udcff" in answer.err or "U+DCFF" in answer.err


@pytest.mark.parametrize("text", [HUGE, "\0", "a\0b", "\x1b[31m", "\u202e", "\n", "\u200b"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("upgrade", "{}"),
        ("upgrade", "4.4.16", "--reason", "{}"),
        ("upgrade", "4.4.16", "--ticket", "{}"),
        ("versions", "--at", "{}"),
        ("versions", "--node", "{}"),
        ("versions", "--ledger", "/{}"),
        ("init", "--ledger", "/nowhere/{}"),
        ("register", "--root", "{}"),
        ("show", "{}"),
        ("log", "--since", "{}"),
        ("log", "--vsn", "{}"),
    ],
)
def test_texts_that_no_option_takes(lab: Lab, arguments: tuple[str, ...], text: str) -> None:
    answer = lab.run(*(argument.format(text) for argument in arguments))

    assert is_told(answer)
    assert len(answer.err) < 10_000
    assert all(line.isprintable() for line in answer.err.splitlines())


@pytest.mark.parametrize("verb", ["versions", "root_dir", "log", "recover", "restart"])
def test_a_ledger_that_is_not_there(bare: Lab, verb: str) -> None:
    answer = bare.run(verb)

    assert is_told(answer)
    assert "release-ledger init" in answer.err


@pytest.mark.parametrize("arguments", [("versions",), ("upgrade", "4.4.16"), ("init", "--root", "{root}")])
def test_a_ledger_whose_path_is_a_file(bare: Lab, arguments: tuple[str, ...]) -> None:
    bare.ledger.write_text("a file")

    answer = bare.run(*(argument.format(root=bare.root) for argument in arguments))

    assert is_told(answer)


@pytest.mark.parametrize("arguments", [("versions",), ("upgrade", "4.4.16"), ("log",), ("init", "--root", "{root}")])
def test_a_ledger_file_that_is_no_database(lab: Lab, arguments: tuple[str, ...]) -> None:
    (lab.ledger / "ledger.db").write_text("this is no database, but it is long enough to be looked at" * 20)

    answer = lab.run(*(argument.format(root=lab.root) for argument in arguments))

    assert answer.code in {1, 6}
    assert is_told(answer, answer.code)


@pytest.mark.parametrize("arguments", [("versions",), ("upgrade", "4.4.16"), ("init", "--root", "/nowhere")])
@pytest.mark.parametrize(
    "address",
    [
        "postgresql://operator:hidden-word@127.0.0.1:1/ledger",
        "postgres://127.0.0.1:1/ledger?sslpassword=hidden-word",
        "postgresql://[hidden-word/ledger",
    ],
)
def test_an_address_with_a_password_is_refused_and_never_repeated(
    bare: Lab, arguments: tuple[str, ...], address: str
) -> None:
    answer = bare.having(RELEASE_LEDGER=address).run(*arguments)

    assert is_told(answer)
    assert "hidden-word" not in answer.err
    assert "the address of the ledger" in answer.err


def test_a_root_that_is_no_installation(bare: Lab, tmp_path: Path) -> None:
    answer = bare.run("init", "--root", str(tmp_path))

    assert is_told(answer)
    assert "is not an EMQX installation" in answer.err
    assert not bare.ledger.exists()


def test_a_root_that_is_not_there(bare: Lab, tmp_path: Path) -> None:
    answer = bare.run("init", "--root", str(tmp_path / "nothing"))

    assert is_told(answer)
    assert not bare.ledger.exists()


def test_no_root_at_all(bare: Lab) -> None:
    answer = bare.run("init")

    assert is_told(answer)
    assert "--root" in answer.err


def test_boot_files_that_say_nothing_exit_5_and_make_no_ledger(bare: Lab) -> None:
    (bare.root / "releases/emqx_vars").unlink()

    answer = bare.init()

    assert is_told(answer, 5)
    assert not bare.ledger.exists()


def test_an_installation_that_went_away(lab: Lab) -> None:
    lab.root.rename(lab.folder / "moved")

    answer = lab.run("upgrade", "4.4.16")

    assert is_told(answer)
    assert str(lab.root) in answer.err
    assert lab.run("versions").code == 0


@pytest.mark.parametrize(
    "arguments", [("versions",), ("upgrade", "4.4.16"), ("log",), ("init", "--root", "{root}"), ("recover",)]
)
def test_a_ledger_of_another_user_is_not_read(lab: Lab, arguments: tuple[str, ...]) -> None:
    """RULINGS 8: there but unreadable is an error, never another ledger."""
    called = tuple(argument.format(root=lab.root) for argument in arguments)
    lab.run(*called)  # imports what is needed: a stranger may not read the program

    with closed_to_this_process(lab.ledger):
        answer = lab.run(*called)

    assert is_told(answer)
    assert str(lab.ledger) in answer.err


def test_a_folder_that_may_only_be_read_is_read(lab: Lab) -> None:
    lab.run("versions")
    for path in (lab.ledger, *lab.ledger.iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)

    with as_a_stranger(lab.folder):
        answer = lab.run("versions")

    assert (answer.code, answer.out) == (0, "Installed versions:\n* 4.4.0\tpermanent\n")


def test_a_reader_for_whom_the_tip_guard_is_closed_is_told_so(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a member of the group that may read the ledger: the guard is its owner's alone (RULINGS 9)."""
    lab.run("verify")
    temporary = lab.folder / "tmp"
    temporary.mkdir()
    temporary.chmod(0o1777)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))  # the one of the tests may be closed to a stranger
    for path in (lab.ledger, *lab.ledger.iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)

    with closed_to_this_process(lab.ledger.with_name(f"{lab.ledger.name}.tip")):
        answer = lab.run("verify")

    assert answer.code == 3
    assert "it cannot be read: the system says: Permission denied; run as the user who owns the ledger" in answer.out


@contextmanager
def closed_to_this_process(folder: Path) -> Iterator[None]:
    """Take the right to look into *folder* away."""
    mode = folder.stat().st_mode
    folder.chmod(0)
    try:
        with as_a_stranger(folder.parent):
            yield
    finally:
        folder.chmod(mode)


@contextmanager
def as_a_stranger(folder: Path) -> Iterator[None]:
    """Be another user who can walk down to *folder*, where this one is root."""
    if os.geteuid() != 0:
        yield
        return
    for parent in (folder, *folder.parents):
        if parent.stat().st_uid == 0 and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("verify", UNSEEN), 3),
        (("report", UNSEEN, "-o", "report.html"), 3),
        (("recover", "--refill", UNSEEN, "--yes"), 3),
        (("import", UNSEEN), 1),
        (("diff", UNSEEN, "last"), 1),
        (("export", "-o", f"/{UNSEEN}/bundle"), 1),
        (("report", "-o", f"/{UNSEEN}/report.html"), 1),
    ],
)
def test_a_place_that_cannot_be_looked_at_is_told(lab: Lab, arguments: tuple[str, ...], code: int) -> None:
    """As for a user who may not search a folder on the way there."""
    answer = lab.run(*arguments)

    assert is_told(answer, code)
    assert "broke off" not in answer.err


@pytest.mark.parametrize("arguments", [("versions",), ("upgrade", "4.4.1")])
def test_a_current_folder_that_is_gone_is_told(lab: Lab, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    gone = tmp_path / "gone"

    def leave() -> None:
        gone.mkdir()
        os.chdir(gone)
        gone.rmdir()

    answer = lab.having(RELEASE_LEDGER="ledger").process(*arguments, preexec_fn=leave)

    assert is_told(answer)
    assert "the current folder, and that is gone" in answer.err


def test_a_home_that_is_not_there(bare: Lab) -> None:
    homeless = bare.having(RELEASE_LEDGER="", HOME="")

    answer = homeless.run("versions")

    assert is_told(answer)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("colour = 1", "known here: driver, group, node, root, [policy], [fleet]"),
        ("[polcy]\nrequire_reason = true", "did you mean '[policy]'?"),
        ("[policy]\nholders = true", "holders = true"),
        ("[policy]\nrequire_raeson = true", "did you mean 'require_reason'?"),
        ('[policy]\nrequire_reason = "yes"', "is not true or false"),
        ("policy = 1", "is no table"),
        ("node = 1", "is not a text"),
        ('ledger = "/elsewhere"', "unknown setting"),
        ("[[[", "unreadable text"),
    ],
)
@pytest.mark.parametrize("verb", ["versions", "restart"])
def test_settings_that_are_not_understood_are_refused(lab: Lab, verb: str, text: str, told: str) -> None:
    """A policy that is misspelt must not silently not hold."""
    (lab.ledger / "config.toml").write_text(text)

    answer = lab.run(verb)

    assert is_told(answer)
    assert told in answer.err


def test_closed_streams_change_nothing(lab: Lab) -> None:
    """A change goes on when nobody listens."""
    answer = lab.process("upgrade", "4.4.16", stdout=None, stderr=None, preexec_fn=close_streams)

    assert answer.code == 0
    assert lab.rows()["4.4.16"] == "permanent"


def close_streams() -> None:
    """Close stdout and stderr of a process that is about to start."""
    os.close(1)
    os.close(2)


def test_a_reader_that_leaves_does_not_break_off_a_change(lab: Lab) -> None:
    """``release-ledger upgrade V | true``."""
    reading, writing = os.pipe()
    os.close(reading)

    answer = lab.process("upgrade", "4.4.16", stdout=writing)
    os.close(writing)

    assert (answer.code, answer.err) == (0, "")
    assert lab.rows()["4.4.16"] == "permanent"


def test_a_reader_that_leaves_is_no_error_of_a_list(lab: Lab) -> None:
    """``release-ledger log | head -1``."""
    reading, writing = os.pipe()
    os.close(reading)

    answer = lab.process("log", stdout=writing)
    os.close(writing)

    assert (answer.code, answer.err) == (0, "")


def test_output_that_cannot_be_written_is_said(lab: Lab) -> None:
    with Path("/dev/full").open("w") as full:
        read = lab.process("versions", stdout=full)
        change = lab.process("upgrade", "4.4.16", stdout=full)

    assert (read.code, change.code) == (1, 0)
    assert "could not be written" in read.err
    assert "could not be written" in change.err
    assert lab.rows()["4.4.16"] == "permanent"


def test_what_is_recorded_is_no_error_where_nobody_can_be_told(lab: Lab) -> None:
    """Exit 1 would have a script note it again."""
    with Path("/dev/full").open("w") as full:
        noted = lab.process("note", "0", "as agreed", stdout=full)
        checked = lab.process("check", "--record", stdout=full)

    assert (noted.code, checked.code) == (0, 0)
    assert all("could not be written" in answer.err for answer in (noted, checked))
    assert lab.run("log", "-n", "1", "--oneline").out.count("as agreed") == 1
