"""An installation of EMQX as relx lays it out: the unpacked first release, started once or never.

A node that was started once has left ``data/configs/vm.<time>.args``, where ``bin/emqx`` finds
the name of the node (otp.md section 2.4).
"""

from pathlib import Path

from demo.emqx_tree import ReleaseSpec, emqx_vars_text, package_files, package_folders, vm_args_text

_STARTED = "2023.03.01.12.00.00"


def make_installation(root: Path, spec: ReleaseSpec, *, started: bool = True, runner_user: str = "") -> Path:
    """Write the installation of *spec* to *root* and return it.

    *runner_user* is the user that ``bin/emqx`` switches to; the files belong to the caller.
    """
    for folder in ("", *package_folders(spec)):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for path, file in package_files(spec).items():
        target = root / path
        target.write_bytes(file.content)
        target.chmod(file.mode)
    if runner_user:
        (root / "releases/emqx_vars").write_text(emqx_vars_text(spec, runner_user=runner_user), encoding="utf-8")
    if started:
        start_once(root)
    return root


def start_once(root: Path, *, at: str = _STARTED) -> Path:
    """Leave what a node leaves that started at *at*, and return the file with its arguments."""
    configs = root / "data/configs"
    configs.mkdir(parents=True, exist_ok=True)
    (configs / f"app.{at}.config").write_text("[].\n", encoding="utf-8")
    arguments = configs / f"vm.{at}.args"
    arguments.write_text(vm_args_text(), encoding="utf-8")
    return arguments
