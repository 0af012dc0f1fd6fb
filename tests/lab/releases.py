"""The releases of the lab: an ``emqx`` of pure OTP, built with ``systools``, in EMQX's layout.

4.4.0 is installed; 4.4.1, 4.4.2, 4.4.16 and 4.4.17 are sound; 4.4.24 has no relup; `BAD` names what
is wrong with the others. Packages hold what is new and a token of the ERTS; the ERTS itself and
OTP's libraries are those of Debian, once in the installation. All of it is built in a second.
"""

import os
import platform
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

from demo.emqx_package import write_checksum
from demo.emqx_tree import EMPTY_FOLDERS, File, ReleaseSpec, package_files

OTP = Path("/usr/lib/erlang")
SOURCES = Path(__file__).parent / "erlang"
INSTALLED = "4.4.0"
COOKIE = "lab-cookie-7f3d91"
PASSWORD = "lab-password-52ac"  # noqa: S105 # tests look for it where it must not be
BANNER = "Größe"

_UPDATE = "{update, emqx_lab, {advanced, []}}"
CRASHES, SLOW, REFUSES, RESTARTS, HALF = "4.4.3", "4.4.4", "4.4.5", "4.4.6", "4.4.7"
BAD = {
    CRASHES: f"[{_UPDATE}, {{apply, {{emqx_lab, crash, []}}}}]",
    SLOW: f'[{_UPDATE}, {{apply, {{emqx_lab, hold, ["data/lab.install"]}}}}]',  # as long as a test holds it
    REFUSES: f"[{{apply, {{emqx_lab, refuse, []}}}}, point_of_no_return, {_UPDATE}]",
    RESTARTS: "[restart_emulator]",
}
_WAYS: dict[str, tuple[str, ...] | None] = {
    INSTALLED: None,
    "4.4.1": (INSTALLED,),
    "4.4.2": (INSTALLED, "4.4.1"),
    **dict.fromkeys((*BAD, HALF), (INSTALLED,)),
    "4.4.16": (INSTALLED, "4.4.1", "4.4.2"),
    "4.4.17": ("4.4.16",),
    "4.4.24": None,
}


def build(out: Path) -> Path:
    """Build all releases into *out* and return it."""
    out.mkdir(parents=True)
    plan = out / "plan"
    plan.write_text("".join(_planned(vsn, ways) for vsn, ways in _WAYS.items()), encoding="utf-8")
    subprocess.run(["escript", SOURCES / "build.escript", SOURCES, out, plan], check=True, timeout=120)
    return out


def spec_of(vsn: str, *, extra_bytes: int = 30_000) -> ReleaseSpec:
    """Return the release as the demo's layout wants it, about *extra_bytes* large."""
    otp_version = (OTP / "releases" / _major() / "OTP_VERSION").read_text("ascii").strip()
    arch = "arm64" if platform.machine() == "aarch64" else "amd64"
    libs = (*_otp_libs(), ("emqx", vsn))
    return ReleaseSpec(
        vsn=vsn, os="debian12", otp=otp_version, erts=_erts(), arch=arch, libs=libs, extra_bytes=extra_bytes
    )


def make_root(built: Path, root: Path) -> Path:
    """Write the installation of 4.4.0 to *root* and return it."""
    spec = spec_of(INSTALLED)
    for folder in (*EMPTY_FOLDERS, f"erts-{spec.erts}/bin"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for path, file in _files(built, spec).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(file.content)
        (root / path).chmod(file.mode)
    for program in ("beam.smp", "erlexec", "erl_child_setup", "inet_gethost", "erl_call"):
        shutil.copy2(OTP / f"erts-{spec.erts}/bin" / program, root / f"erts-{spec.erts}/bin" / program)
    for app, vsn in _otp_libs():
        (root / f"lib/{app}-{vsn}").symlink_to(OTP / f"lib/{app}-{vsn}")
    return root


def copy_root(original: Path, root: Path) -> Path:
    """Copy an installation; programs, which nobody writes, are shared."""
    shutil.copytree(original, root, symlinks=True, copy_function=_copy_or_link)
    return root


def make_package(built: Path, folder: Path, vsn: str, *, extra_bytes: int = 30_000) -> Path:
    """Write the package of *vsn* into *folder*, with its checksum, and return its path."""
    spec = spec_of(vsn, extra_bytes=extra_bytes)
    path = folder / spec.package_name
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
        for name, file in _files(built, spec).items():
            if not (vsn == HALF and name == f"bin/nodetool-{vsn}"):
                member = zipfile.ZipInfo(f"emqx/{name}", (2023, 3, 1, 12, 0, 0))
                member.create_system, member.external_attr = 3, (0o100000 | file.mode) << 16
                member.compress_type = zipfile.ZIP_DEFLATED
                package.writestr(member, file.content)
    write_checksum(path)
    return path


def _planned(vsn: str, ways: tuple[str, ...] | None) -> str:
    up = "none" if ways is None else _strings(ways)
    return f'{{"{vsn}", {up}, {_strings(ways or ())}, {BAD.get(vsn, "update")}}}.\n'


def _strings(vsns: tuple[str, ...]) -> str:
    return f"[{', '.join(f'{chr(34)}{vsn}{chr(34)}' for vsn in vsns)}]"


def _files(built: Path, spec: ReleaseSpec) -> Mapping[str, File]:
    """Return the demo's layout with what this release really has."""
    vsn, lib = spec.vsn, f"lib/emqx-{spec.vsn}"
    release = built / "releases" / vsn
    files = {path: file for path, file in package_files(spec).items() if not path.startswith(("lib/", "erts-"))}
    own = ["start.boot", "start.script", "emqx.rel", *(["relup"] if (release / "relup").exists() else [])]
    files |= {f"releases/{vsn}/{name}": File(0o644, (release / name).read_bytes()) for name in own}
    for boot in ("no_dot_erlang.boot", "start_clean.boot"):
        files[f"releases/{vsn}/{boot}"] = File(0o644, (release / "start.boot").read_bytes())
    script = (SOURCES / "emqx.sh").read_bytes() + f"# {vsn}\n".encode()
    files["bin/emqx"] = files[f"bin/emqx-{vsn}"] = File(0o755, script)
    escript = b"#!/usr/bin/env escript\n%% " + vsn.encode() + b"\n" + (SOURCES / "install_upgrade.escript").read_bytes()
    for name in ("install_upgrade.escript", f"install_upgrade.escript-{vsn}"):
        files[f"bin/{name}"] = File(0o755, escript)
    files["bin/no_dot_erlang.boot"] = files[f"releases/{vsn}/no_dot_erlang.boot"]
    files["etc/emqx.conf"] = File(0o640, f"node.name = emqx@127.0.0.1\nnode.cookie = {COOKIE}\n".encode())
    files["etc/lab.config"] = File(0o640, _settings().encode())
    files["etc/vm.args"] = File(0o640, b"")
    files[f"erts-{spec.erts}/bin/erl"] = File(0o755, (OTP / f"erts-{spec.erts}/bin/erl").read_bytes())
    for beam in (built / lib / "ebin").iterdir():
        files[f"{lib}/ebin/{beam.name}"] = File(0o644, beam.read_bytes())
    files |= {path: file for path, file in package_files(spec).items() if path.startswith(f"{lib}/priv/")}
    return {path: files[path] for path in sorted(files)}


def _settings() -> str:
    return (
        "%% coding: utf-8\n"
        f'[{{emqx, [{{port, 0}}, {{lab_password, "{PASSWORD}"}}, {{banner, "{BANNER}"}}, {{limit, 10}}]}},\n'
        " {sasl, [{sasl_error_logger, false}]}, {kernel, [{logger_level, error}]}].\n"
    )


def _copy_or_link(source: str, target: str) -> None:
    if "/erts-" in source:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def _erts() -> str:
    return max(path.name.removeprefix("erts-") for path in OTP.glob("erts-*") if path.is_dir())


def _major() -> str:
    return max(path.name for path in (OTP / "releases").iterdir() if path.name.isdigit())


def _otp_libs() -> tuple[tuple[str, str], ...]:
    found = {app: next(OTP.glob(f"lib/{app}-*/ebin")).parent.name for app in ("kernel", "stdlib", "sasl")}
    return tuple((app, name.removeprefix(f"{app}-")) for app, name in found.items())
