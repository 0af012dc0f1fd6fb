"""Completion, asked directly and by TAB in real shells."""

import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path
from select import select

import pytest

from cli.command_table import COMMANDS
from cli.completing import complete
from cli.completion_scripts import SCRIPTS, Shell
from tests.cli.lab import STATED, Lab
from tests.needs import need

STARTS = {
    Shell.BASH: (["bash", "--norc", "--noprofile", "-i"], 'eval "$(release-ledger completion bash)"'),
    Shell.ZSH: (
        ["zsh", "-f", "-i"],
        'autoload -Uz compinit; compinit -D -u; eval "$(release-ledger completion zsh)"',
    ),
}
_SECONDS = 120.0


def candidates(lab: Lab, *words: str) -> list[str]:
    """Return the candidates for the last of *words*."""
    return [line.partition("\t")[0] for line in complete(words, lab.variables).splitlines()]


@pytest.fixture
def used(lab: Lab) -> Lab:
    """Return a host with an upgrade in its history."""
    lab.run("upgrade", "4.4.1")
    return lab


def test_commands_and_options_are_completed(used: Lab) -> None:
    assert candidates(used, "") == list(COMMANDS)
    assert candidates(used, "ver") == ["versions", "verify"]
    assert candidates(used, "--le") == ["--ledger"]
    assert candidates(used, "upgrade", "--no-p") == ["--no-permanent"]
    assert candidates(used, "witness", "s") == ["submit", "serve"]
    assert candidates(used, "witness", "serve", "--po") == ["--port"]


def test_versions_come_from_the_ledger_and_from_packages(used: Lab) -> None:
    assert candidates(used, "upgrade", "") == ["4.4.1", "4.4.0", "4.4.16"]
    assert candidates(used, "log", "--vsn=4.4.0") == ["--vsn=4.4.0"]


def test_events_come_from_the_ledger_newest_first(used: Lab) -> None:
    assert candidates(used, "show", "")[:4] == ["last", "5", "last~1", "4"]
    assert candidates(used, "versions", "--at", "last~") == [f"last~{back}" for back in range(1, 6)]
    assert "upgrade 4.4.1 completed" in complete(["show", "last"], used.variables)


def test_plans_of_a_fleet_are_completed_newest_first(used: Lab) -> None:
    made = [
        used.run("fleet", "plan", vsn, "--json", "--reason", "CVE fix").json["plan"] for vsn in ("4.4.16", "4.4.17")
    ]

    assert candidates(used, "fleet", "status", "") == made[::-1]
    assert candidates(used, "fleet", "excuse", made[0][:6]) == made[:1]
    assert candidates(used, "upgrade", "4.4.16", "--plan", made[1][:6]) == made[1:]
    assert candidates(used, "upgrade", "4.4.16", f"--plan={made[1][:6]}") == [f"--plan={made[1]}"]


def test_nodes_choices_topics_types_and_files_are_completed(used: Lab) -> None:
    (node,) = candidates(used, "versions", "--node", "")

    assert node.startswith("emqx@")
    assert candidates(used, "upgrade", "4.4.1", "--driver", "e") == ["embedded"]
    assert candidates(used, "upgrade", "4.4.1", "--allow=min") == ["--allow=minor"]
    assert candidates(used, "help", "ex") == ["exit-codes", "export"]
    assert candidates(used, "log", "--type", "unp") == ["unpacked"]
    assert candidates(used, "init", "--root", "/") == [":files"]
    assert candidates(used, "upgrade", "--reason", "") == []


def test_the_ledger_of_the_command_line_is_the_one_that_is_asked(used: Lab) -> None:
    elsewhere = used.having(RELEASE_LEDGER="/nowhere")

    assert candidates(elsewhere, "show", "") == []
    assert candidates(elsewhere, "--ledger", str(used.ledger), "show", "last~5") == ["last~5"]
    assert candidates(elsewhere, f"--ledger={used.ledger}", "show", "last~5") == ["last~5"]


def test_a_damaged_or_unreachable_ledger_completes_nothing(used: Lab) -> None:
    (used.ledger / "views.db").write_bytes(b"not a view" * 1000)

    assert candidates(used, "show", "") == []
    assert candidates(used.having(RELEASE_LEDGER="postgresql://db/l"), "show", "") == []


def typed(shell: Shell, lab: Lab, text: str, *, becomes: str) -> str:
    """Return what *shell* shows after *text* and TAB, as soon as it shows what the text *becomes*."""
    command, setup = STARTS[shell]
    need(command[0], packages=command[0])
    programs = lab.folder / "bin"
    programs.mkdir()
    program = programs / "release-ledger"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m cli "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    environ = lab.variables | {"PATH": f"{programs}:{os.environ['PATH']}", "TERM": "dumb", "PS1": "$ "}
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, env=environ, stdin=theirs, stdout=theirs, stderr=theirs, cwd=lab.folder) as started:
        os.close(theirs)
        os.write(ours, f"{setup}; echo rea''dy\n".encode())
        read_until(ours, "ready\r\n")
        os.write(ours, f"{text}\t".encode())
        shown = read_until(ours, becomes)
        started.kill()
    os.close(ours)
    return shown


def read_until(terminal: int, mark: str) -> str:
    """Read what a terminal shows, up to *mark*."""
    text, end = "", time.monotonic() + _SECONDS
    while mark not in text and time.monotonic() < end:
        if select([terminal], [], [], 1.0)[0]:
            text += os.read(terminal, 65536).decode(errors="replace")
    return text


@pytest.mark.parametrize("shell", Shell)
@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("release-ledger upg", "upgrade "),
        ("release-ledger upgrade 4.4.16 --no-p", "--no-permanent "),
        ("release-ledger unpack 4.4.16", "4.4.16 "),
        ("release-ledger show las", "show last"),
        ("release-ledger --node emqx@w", "emqx@worker "),
    ],
)
def test_a_real_shell_completes(bare: Lab, shell: Shell, text: str, becomes: str) -> None:
    bare.init(*STATED, "--node", "emqx@worker")
    bare.offer("4.4.16")

    shown = typed(shell, bare, text, becomes=becomes)

    assert becomes in shown


def test_completion_prints_the_script(lab: Lab) -> None:
    assert [lab.run("completion", str(shell)).out for shell in Shell] == [SCRIPTS[shell] for shell in Shell]
    assert lab.run("completion", "fish").code == 1


def test_a_shell_that_cannot_take_candidates_gets_no_traceback(used: Lab) -> None:
    used.run("note", "0", "Grüße")
    asked = ("__complete", "show", "")
    with Path("/dev/full").open("w") as full:
        unwritten = used.process(*asked, stdout=full)
    ascii_alone = used.having(PYTHONIOENCODING="ascii").process(*asked)
    closed = used.process(*asked, stdout=None, preexec_fn=lambda: os.close(1))

    assert [(answer.code, answer.err) for answer in (unwritten, ascii_alone, closed)] == [(0, "")] * 3
    assert r"Gr\xfc\xdfe" in ascii_alone.out


def test_completion_loads_no_typer(used: Lab) -> None:
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "cli", "__complete", "show", ""],
        env=used.variables,
        capture_output=True,
        text=True,
        check=True,
    )

    assert not re.search(r"\| +(typer|rich|eventsourcing)$", ended.stderr, re.MULTILINE)
    assert ended.stdout.startswith("last\t")
    assert not Path(used.ledger / "views.db-journal").exists()
