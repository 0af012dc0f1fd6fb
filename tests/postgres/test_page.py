"""The set-up of ``docs/postgresql.md``, as a newcomer types it."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.cli.lab import PROJECT, make_lab
from tests.postgres.server import OWNER, Server, binaries


def test_the_set_up_in_five_commands_ends_in_a_verified_ledger(server: Server, tmp_path: Path) -> None:
    page = (PROJECT / "docs/postgresql.md").read_text(encoding="utf-8")
    commands = re.findall(r"^```sh\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)[0]
    lab = make_lab(tmp_path / "host")
    program = tmp_path / "bin/release-ledger"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m cli "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    environ = {
        "PATH": f"{program.parent}:{binaries()}:{os.environ['PATH']}",
        "PYTHONPATH": str(PROJECT),
        "HOME": str(tmp_path),
        "EMQX_ROOT_DIR": str(lab.root),
        "RELEASE_LEDGER_DRIVER": "embedded",
        "RELEASE_LEDGER_TIP_GUARD": str(tmp_path / "places"),
        "PGHOST": str(server.folder),
        "PGPORT": str(server.port),
        "PGUSER": OWNER,
    }
    try:
        done = subprocess.run(
            ["bash", "-euc", commands], env=environ, capture_output=True, text=True, timeout=300, check=False
        )
    finally:
        server.execute("DROP DATABASE IF EXISTS emqx_fleet WITH (FORCE)", "DROP ROLE IF EXISTS broker1")

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(commands.splitlines()) == 5
    assert "ok: 1 event" in done.stdout
