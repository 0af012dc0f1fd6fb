"""Exports of small real ledgers, and the outside verifiers that are let loose on them."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path
from types import MappingProxyType

import pytest

import ledger.application
from ledger.adapters.bundle_writer import standing_files, written_bundle
from ledger.adapters.signatures import verifier
from ledger.application.bundle import BundleFile, Contents, Scope, checked_checkpoint, readable_json
from ledger.application.bundle_manifest import MANIFEST, SUMS, Circumstances, closing_files
from ledger.tlog.vkey import Vkey
from projections.evidence import EvidenceReader
from projections.read import log_size, open_ledger
from tests.evidence.ledgers import Case

TOOL = "release-ledger/0.1.0"
VERIFIED, FAILED, UNDECIDED = 0, 1, 2
SCRIPT = Path(ledger.application.__file__).parent / "bundle_files/verify.sh"
EMPTY: Mapping[str, str] = MappingProxyType({})
_SHELL_TOOLS = ("sh", "openssl", "sha256sum", "xxd", "base64", "sed", "cut", "tail")
_GO_SOURCE = Path(__file__).parent / "go"
_GO_PATH = Path("/usr/share/gocode")  # where Debian puts the sources of Go libraries


@dataclass(frozen=True)
class Told:
    """What a verifier said."""

    code: int
    text: str


def export(
    case: Case,
    target: Path,
    *,
    indexes: Sequence[int] | None = None,
    disclose: bool = False,
    views: Sequence[BundleFile] = (),
) -> Path:
    """Write a bundle of the ledger in *case*, as the command does."""
    with open_ledger(case.folder.path) as record:
        reader = EvidenceReader(record)
        note = reader.note(log_size(record))
        scope = Scope(
            note=note,
            checkpoint=checked_checkpoint(note, log=verifier(case.key.vkey)),
            vkey=case.key.vkey,
            indexes=None if indexes is None else tuple(indexes),
            disclose=disclose,
        )
        contents = Contents(reader, scope)
        about = Circumstances(tool=TOOL, recorded=True)
        files = chain(standing_files(contents, tool=TOOL), contents.files(), views)
        with written_bundle(target, files, close=lambda rows: closing_files(contents, about, listed=rows)):
            return target


def copy_of(bundle: Path, target: Path) -> Path:
    """Return a copy of a bundle, to be altered."""
    shutil.copytree(bundle, target)
    return target


def relist(bundle: Path) -> None:
    """Make manifest and sums anew over what is there, as a forger does."""
    manifest = json.loads((bundle / MANIFEST).read_bytes())
    names = sorted(path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file())
    rows = {name: (bundle / name).read_bytes() for name in names if name not in {MANIFEST, SUMS}}
    manifest["files"] = [
        {"path": name, "size": len(data), "sha256": sha256(data).hexdigest()} for name, data in rows.items()
    ]
    (bundle / MANIFEST).write_bytes(readable_json(manifest))
    rows[MANIFEST] = (bundle / MANIFEST).read_bytes()
    (bundle / SUMS).write_text("".join(f"{sha256(data).hexdigest()}  {name}\n" for name, data in sorted(rows.items())))


def run_shell(
    bundle: Path, *arguments: str, shell: str = "sh", within: Path | None = None, variables: Mapping[str, str] = EMPTY
) -> Told:
    """Run ``verify.sh`` as it comes with the program: a bundle may hold another one."""
    done = subprocess.run(
        [*shell.split(), str(SCRIPT), *arguments, str(bundle)],
        cwd=within,
        env={**os.environ, **variables},
        capture_output=True,
        check=False,
    )
    return Told(done.returncode, (done.stdout + done.stderr).decode(errors="replace"))


def run_go(program: Path, vkey: Vkey, bundle: Path) -> Told:
    """Run the verifier that is made of Go's ``sumdb/note`` and ``sumdb/tlog``."""
    done = subprocess.run([str(program), str(vkey), str(bundle)], capture_output=True, check=False)
    assert done.returncode in {VERIFIED, FAILED}
    return Told(done.returncode, (done.stdout + done.stderr).decode(errors="replace"))


def build_go(folder: Path) -> Path:
    """Compile that verifier, with the sources that Debian ships and without network."""
    program = folder / "verify"
    own = {"GO111MODULE": "off", "GOPATH": str(_GO_PATH), "GOFLAGS": "", "CGO_ENABLED": "0"}
    done = subprocess.run(
        ["go", "build", "-o", str(program), "main.go"],
        cwd=_GO_SOURCE,
        env={**os.environ, **own, "GOCACHE": str(folder / "cache")},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return program


def need_shell_tools() -> None:
    """Skip where a tool of ``verify.sh`` is missing; in CI that is a failure."""
    _need([tool for tool in _SHELL_TOOLS if shutil.which(tool) is None], "openssl xxd")


def need_shell(shell: str) -> None:
    """Skip where a *shell* is missing; in CI there is one with small numbers."""
    program = shell.partition(" ")[0]
    _need([program] if shutil.which(program) is None else [], program, optional=shell != "mksh")


def need_go() -> None:
    """Skip where Go or its ``x/mod`` is missing; in CI that is a failure."""
    missing = [] if shutil.which("go") else ["go"]
    missing += [] if (_GO_PATH / "src/golang.org/x/mod/sumdb/tlog").is_dir() else ["golang.org/x/mod"]
    _need(missing, "golang-go golang-golang-x-mod-dev")


def _need(missing: Sequence[str], packages: str, *, optional: bool = False) -> None:
    if missing and os.environ.get("CI") and not optional:
        pytest.fail(f"missing: {', '.join(missing)}; install {packages}")
    if missing:
        pytest.skip(f"missing: {', '.join(missing)}; install {packages}")
