"""What a release of EMQX 4.4 contains: paths, modes and content.

The layout is that of the public packages: ``bin data dynlibs erts-<erts> etc lib log releases``,
each script in ``bin/`` plain and with its version, in ``releases/<vsn>/`` the boot files and the
relup. A library or ERTS of one version has the same bytes in every release, as real ones have.
Content is made from names alone, so that a spec always gives the same release.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from demo.erlang_text import Libraries, ReleaseEntry, app_text, rel_text, releases_text, relup_text
from demo.file_content import beam_module, boot_script, elf_program, noise, prose

SCRIPTS = ("cuttlefish", "emqx", "emqx_ctl", "install_upgrade.escript", "nodetool")
EMPTY_FOLDERS = (
    "data/backup",
    "data/configs",
    "data/mnesia",
    "data/patches",
    "data/scripts",
    "dynlibs",
    "etc/plugins",
    "log",
)
DEFAULT_EXTRA_BYTES = 2_000_000
NODE_NAME = "emqx@127.0.0.1"

_OTP_LIBS: Libraries = (
    ("kernel", "8.5.3"),
    ("stdlib", "4.2"),
    ("sasl", "4.2"),
    ("crypto", "5.1.2"),
    ("asn1", "5.0.21"),
    ("public_key", "1.13.2"),
    ("syntax_tools", "3.0"),
    ("ssl", "10.8.7"),
    ("compiler", "8.2.3"),
    ("runtime_tools", "1.19"),
)
_CPUS = {"amd64": "x86_64", "arm64": "aarch64"}
_MODULES = ("app", "release", "sup")
_PROGRAM, _PLAIN = 0o755, 0o644


@dataclass(frozen=True, kw_only=True)
class ReleaseSpec:
    """Which release to make.

    *up_from* and *down_to* are the ways of its relup; without *up_from* it has no relup file, and
    *relup* puts a text of your own there. *libs* empty means OTP's ten and ``emqx`` of this *vsn*.
    *built_on* empty means what EMQX writes: OTP, processor and word size. *without* leaves paths
    out; *extra_bytes* is about how large the release is.
    """

    vsn: str
    otp: str = "24.1.5-3"
    erts: str = "12.1.5"
    os: str = "ubuntu20.04"
    arch: str = "amd64"
    edition: str = "emqx"
    up_from: tuple[str, ...] | None = None
    down_to: tuple[str, ...] = ()
    relup: str | None = None
    libs: Libraries = ()
    built_on: str = ""
    without: tuple[str, ...] = ()
    extra_bytes: int = DEFAULT_EXTRA_BYTES

    @property
    def package_name(self) -> str:
        """The name under which the package is published."""
        return f"{self.edition}-{self.vsn}-otp{self.otp}-{self.os}-{self.arch}.zip"

    @property
    def all_libs(self) -> Libraries:
        """The applications of the release, in the order of its ``emqx.rel``."""
        return self.libs or (*_OTP_LIBS, ("emqx", self.vsn))

    @property
    def relup_content(self) -> str | None:
        """The text of its relup file; None where it has none."""
        if self.relup is not None or self.up_from is None:
            return self.relup
        return relup_text(self.vsn, up_from=self.up_from, down_to=self.down_to)

    def between(self, *vsns: str) -> "ReleaseSpec":
        """Return the same release with ways up from and down to each of *vsns*."""
        return replace(self, up_from=vsns, down_to=vsns)


@dataclass(frozen=True)
class File:
    """One file: its permissions and its bytes."""

    mode: int
    content: bytes


def package_files(spec: ReleaseSpec) -> Mapping[str, File]:
    """Return the files of the release by path, in the order of the paths."""
    files = {
        **_scripts(spec),
        **_settings(),
        **_erts(spec),
        **_libraries(spec),
        **_release_folder(spec),
        **_volume(spec),
    }
    return {path: files[path] for path in sorted(files) if path not in spec.without}


def package_folders(spec: ReleaseSpec) -> tuple[str, ...]:
    """Return the folders of the release, parents first, the empty ones too."""
    paths = (*package_files(spec), *(f"{folder}/" for folder in EMPTY_FOLDERS))
    return folders_of(paths)


def folders_of(paths: Iterable[str]) -> tuple[str, ...]:
    """Return every folder that *paths* lie in; a path with a slash at its end is a folder itself."""
    folders = set[str]()
    for path in paths:
        parts = path.split("/")[:-1]
        folders.update("/".join(parts[:count]) for count in range(1, len(parts) + 1))
    return tuple(sorted(folders))


def emqx_vars_text(spec: ReleaseSpec, *, runner_user: str = "") -> str:
    """Return ``releases/emqx_vars``: the shell assignments that ``bin/emqx`` reads."""
    return (
        "######################################################################\n"
        "## Assignments that bin/emqx reads at every command. The last one counts.\n"
        "######################################################################\n"
        f'REL_VSN="{spec.vsn}"\nERTS_VSN="{spec.erts}"\nERL_OPTS=""\n'
        'RUNNER_BIN_DIR="$RUNNER_ROOT_DIR/bin"\nRUNNER_LOG_DIR="$RUNNER_ROOT_DIR/log"\n'
        'RUNNER_LIB_DIR="$RUNNER_ROOT_DIR/lib"\nRUNNER_ETC_DIR="$RUNNER_ROOT_DIR/etc"\n'
        'RUNNER_DATA_DIR="$RUNNER_ROOT_DIR/data"\n'
        f"RUNNER_USER=\"{runner_user}\"\nEMQX_DESCRIPTION='EMQX Broker'\n"
    )


def vm_args_text() -> str:
    """Return the arguments of the VM, with the name of the node."""
    return f"-name {NODE_NAME}\n-setcookie emqxsecretcookie\n+P 2097152\n+Q 1048576\n+A 4\n+spp true\n"


def _scripts(spec: ReleaseSpec) -> dict[str, File]:
    files = {
        "bin/no_dot_erlang.boot": File(_PLAIN, boot_script(spec.vsn)),
        "bin/node_dump": _script("node_dump", spec.vsn),
    }
    for name in SCRIPTS:
        files[f"bin/{name}"] = files[f"bin/{name}-{spec.vsn}"] = _script(name, spec.vsn)
    return files


def _script(name: str, vsn: str) -> File:
    interpreter = (
        "#!/usr/bin/env escript" if name in ("cuttlefish", "nodetool", "install_upgrade.escript") else "#!/bin/sh"
    )
    comment = "%%" if interpreter.endswith("escript") else "##"
    text = f"{interpreter}\n{comment} {name} of EMQX {vsn}, as the demo makes it: it does nothing.\n"
    return File(_PROGRAM, text.encode() + b"".join(f"{comment} {n:04}\n".encode() for n in range(400)))


def _settings() -> dict[str, File]:
    conf = f"node.name = {NODE_NAME}\nnode.cookie = emqxsecretcookie\nlistener.tcp.external = 0.0.0.0:1883\n"
    return {
        "etc/emqx.conf": File(_PLAIN, conf.encode() + prose("## setting", 40_000)),
        "etc/vm.args": File(_PLAIN, vm_args_text().encode()),
        "data/loaded_plugins": File(_PLAIN, b"{emqx_management, true}.\n{emqx_dashboard, true}.\n"),
    }


def _erts(spec: ReleaseSpec) -> dict[str, File]:
    folder = f"erts-{spec.erts}/bin"
    programs = ("beam.smp", "epmd", "erl_call", "erlexec", "escript", "heart")
    return {
        f"{folder}/{name}": File(_PROGRAM, elf_program(f"{folder}/{name}", arch=spec.arch, size=16_384))
        for name in programs
    } | {f"{folder}/erl": File(_PROGRAM, b'#!/bin/sh\nexec "$BINDIR/erlexec" ${1+"$@"}\n')}


def _libraries(spec: ReleaseSpec) -> dict[str, File]:
    files = dict[str, File]()
    for app, vsn in spec.all_libs:
        folder, modules = f"lib/{app}-{vsn}/ebin", tuple(f"{app}_{part}" for part in _MODULES)
        files[f"{folder}/{app}.app"] = File(_PLAIN, app_text(app, vsn, modules).encode())
        for module in modules:
            code = beam_module(module, f"{folder}/{module}", size=4_000)
            files[f"{folder}/{module}.beam"] = File(_PLAIN, code)
    return files


def _release_folder(spec: ReleaseSpec) -> dict[str, File]:
    rel = rel_text(vsn=spec.vsn, erts=spec.erts, libs=spec.all_libs).encode()
    entry = ReleaseEntry(vsn=spec.vsn, erts=spec.erts, libs=spec.all_libs)
    cpu_text = f"{spec.otp}-{_CPUS[spec.arch]}-unknown-linux-gnu-64"
    own = {
        "BUILT_ON": f"{spec.built_on or cpu_text}\n".encode(),
        "emqx.rel": rel,
        "emqx.schema": prose("%% mapping", 60_000),
        "no_dot_erlang.boot": boot_script(spec.vsn),
        "start.boot": boot_script(spec.vsn),
        "start.script": f'{{script,{{"emqx","{spec.vsn}"}},[]}}.\n'.encode(),
        "start_clean.boot": boot_script(spec.vsn),
    }
    if spec.relup_content is not None:
        own["relup"] = spec.relup_content.encode()
    shared = {
        "RELEASES": releases_text((entry,)).encode(),
        "emqx.rel": rel,
        "emqx_vars": emqx_vars_text(spec).encode(),
        "start_erl.data": f"{spec.erts} {spec.vsn}".encode(),
    }
    named = {f"{spec.vsn}/{name}": content for name, content in own.items()} | shared
    return {f"releases/{path}": File(_PLAIN, content) for path, content in named.items()}


def _volume(spec: ReleaseSpec) -> dict[str, File]:
    """Fill the application ``emqx`` up to the size asked for: two thirds do not compress."""
    vsn = dict(spec.all_libs).get("emqx", spec.vsn)
    folder, third = f"lib/emqx-{vsn}/priv", spec.extra_bytes // 3
    contents = {
        f"{folder}/dashboard.js": prose(f"emqx {vsn}", third),
        f"{folder}/libemqx.so": noise(f"{folder}/libemqx.so", third),
        f"{folder}/rules.bin": noise(f"{folder}/rules.bin", third),
    }
    return {path: File(_PLAIN, content) for path, content in contents.items()}
