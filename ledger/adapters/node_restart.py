"""Restarting a node the vendor's way: ``bin/emqx restart``, once it is sure that the node comes up again.

The script has the environment of the node's service, as in ``script_run``: the new node must listen
where the old one did, and inherit nothing from the shell of an operator.
"""

import os
import subprocess

from ledger.adapters.embedded_node import BootImpossibleError
from ledger.adapters.emqx_vars import rel_vsns
from ledger.adapters.installation import Installation
from ledger.adapters.node_place import find_cookie, find_runner
from ledger.adapters.script_run import service_environ
from ledger.application.ports import StepFailedError
from ledger.temporary import TemporaryPlaceError, temporary_file

_SECONDS = 600
_EXCERPT = 300


def restart_node(files: Installation, *, os_pid: int) -> str:
    """Restart the node of process *os_pid* and return the release that it boots.

    Raises: BootImpossibleError before anything ends; StepFailedError where the script fails.
    """
    vsn = rel_vsns(files.read_vars())[-1]
    if vsn not in {entry.vsn for entry in files.read_releases()}:
        raise BootImpossibleError(f"emqx_vars boots {vsn}, which RELEASES does not know")
    if not (files.releases / vsn / "start.boot").is_file():
        raise BootImpossibleError(f"releases/{vsn}/start.boot is missing")
    _run(files, vsn, os_pid)
    return vsn


def _run(files: Installation, vsn: str, os_pid: int) -> None:
    script, runner = files.root / "bin/emqx", find_runner(files)
    cookie = find_cookie(files).value
    environ = service_environ(os_pid, owner=files.releases.stat().st_uid)
    # The node inherits what the script has open: a pipe would never end.
    try:
        words = temporary_file()
    except TemporaryPlaceError as exc:
        raise StepFailedError("restart", vsn, f"{exc}: {exc.fact}") from exc
    with words:
        try:
            code = subprocess.run(  # noqa: S603 # the installation's own script
                [script, "restart"],
                check=False,
                timeout=_SECONDS,
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=subprocess.STDOUT,
                cwd=files.root,
                env=environ,
                start_new_session=True,
                user=None if runner is None else runner.uid,
                group=None if runner is None else runner.gid,
                extra_groups=None if runner is None else (),
            ).returncode
        except OSError as exc:
            raise StepFailedError("restart", vsn, f"bin/emqx: {os.strerror(exc.errno or 0)}") from exc
        except subprocess.TimeoutExpired as exc:
            raise StepFailedError("restart", vsn, f"bin/emqx restart did not end within {_SECONDS} seconds") from exc
        words.seek(0)
        said = words.read().decode(errors="replace").replace(cookie, "***").strip()[-_EXCERPT:]
    if code != 0:
        raise StepFailedError("restart", vsn, f"bin/emqx restart ended with {code}: {said}")
