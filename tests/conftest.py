"""Settings of the whole suite: the same on every machine.

Examples of a property have no deadline: two workers share the machine with whatever else runs.
In CI they are derandomised, so that a red run is red again. The caller's ledger, settings and kind
of terminal do not get in.
"""

import os

from hypothesis import settings

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

_OWN = "RELEASE_LEDGER_ALL_FAULTS"  # asks the suite itself for more
for name in [name for name in os.environ if name.startswith(("RELEASE_LEDGER", "EMQX_")) or name == "NO_COLOR"]:
    if name != _OWN:
        del os.environ[name]
os.environ["TERM"] = "xterm"
