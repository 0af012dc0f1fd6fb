"""The recorded runs of EMQX's own release commands, and what is needed to play them again.

``transcripts.yaml`` holds 104 scenarios from real nodes. Here is the lab for them: `transcripts`
reads them, `lab` makes the installation and the packages of a scenario, `host_actions` does what
was done to the machine, `compare` looks at the files afterwards.

A command line ``emqx VERB …`` of a transcript is ``release-ledger VERB …`` here.

Most scenarios play on a directory with a release handler in Python. `NEEDS_VM` names those that do
not, each with its reason: what they show happens inside a running Erlang VM, or to its process.
Single host actions that ask a running VM are told by `host_actions.need_of`; the rest of
their scenario plays. Scenarios that show what one of EMQX's scripts does wrong are not named here:
they play, and where we differ on purpose is said where the replay is.
"""

from collections.abc import Mapping
from types import MappingProxyType

_CRASH = "an instruction of the relup crashes in the running code, and the VM restarts itself"

NEEDS_VM: Mapping[str, str] = MappingProxyType(
    {
        "client_killed_after_unpack_line": "the node finishes the unpack after its client was killed",
        "otp23_relup_crashes_up": _CRASH,
        "releases_file_missing_restart": "a running process is killed, and the VM cannot be started again",
        "relup_crashes_down": _CRASH,
        "relup_crashes_up": _CRASH,
    }
)
